#!/usr/bin/env bash
# Checks Kubernetes manifests with the API server's own decoder, defaults and validation, in a module
# of its own: the API server is a large dependency that only this check needs. Compiling it takes
# some minutes the first time.
#   tools/k8s.sh MANIFEST...
set -euo pipefail
version=1.33.4

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
manifests=()
for m in "$@"; do manifests+=("$(realpath "$m")"); done
cd "$dir"

# Kubernetes' own go.mod replaces its libraries by folders that the module does not contain.
printf 'module k8scheck\n\ngo 1.24\n\nrequire k8s.io/kubernetes v%s\n' "$version" >go.mod
source=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
sed -n "s|^\t\(k8s.io/[^ ]*\) => ./staging/.*|replace \1 => \1 v0.${version#1.}|p" "$source/go.mod" >>go.mod

cat >main.go <<'END'
// Command k8s checks Kubernetes manifests with the decoder, defaults and validation of the API
// server.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/batch/job"
)

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
		}
	}
	if failed || len(os.Args) < 2 {
		os.Exit(1)
	}
}

// check checks all documents of a manifest.
func check(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	docs := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(b)))
	for n := 1; ; n++ {
		buf := make([]byte, len(b)+1)
		size, err := docs.Read(buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		obj, kind, err := codecs.UniversalDeserializer().Decode(buf[:size], nil, nil)
		if err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
		legacyscheme.Scheme.Default(obj)
		internal, err := legacyscheme.Scheme.ConvertToVersion(obj, runtime.InternalGroupVersioner)
		if err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
		switch x := internal.(type) {
		case *batch.Job:
			x.Namespace = corev1.NamespaceDefault
			x.UID = "11111111-2222-3333-4444-555555555555"
			ctx := context.Background()
			job.Strategy.PrepareForCreate(ctx, x)
			if errs := job.Strategy.Validate(ctx, x); len(errs) > 0 {
				return fmt.Errorf("document %d: %w", n, errs.ToAggregate())
			}
		case *apps.Deployment:
			x.Namespace = corev1.NamespaceDefault
			ctx := context.Background()
			deployment.Strategy.PrepareForCreate(ctx, x)
			if errs := deployment.Strategy.Validate(ctx, x); len(errs) > 0 {
				return fmt.Errorf("document %d: %w", n, errs.ToAggregate())
			}
		case *core.Service:
			x.Namespace = corev1.NamespaceDefault
			// The API server allocates the addresses before it validates.
			single := core.IPFamilyPolicySingleStack
			x.Spec.IPFamilyPolicy, x.Spec.IPFamilies = &single, []core.IPFamily{core.IPv4Protocol}
			x.Spec.ClusterIP, x.Spec.ClusterIPs = "10.0.0.1", []string{"10.0.0.1"}
			if errs := corevalidation.ValidateServiceCreate(x); len(errs) > 0 {
				return fmt.Errorf("document %d: %w", n, errs.ToAggregate())
			}
		case *core.ConfigMap:
			x.Namespace = corev1.NamespaceDefault
			if errs := corevalidation.ValidateConfigMap(x); len(errs) > 0 {
				return fmt.Errorf("document %d: %w", n, errs.ToAggregate())
			}
		default:
			return fmt.Errorf("document %d: unexpected kind %s", n, kind)
		}
		fmt.Printf("%s: document %d: %s is valid\n", path, n, kind.Kind)
	}
}
END
go mod tidy 2>/dev/null
go run . "${manifests[@]}"
