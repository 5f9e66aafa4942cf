package cpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/pretrained"
	"github.com/yocobench/yocobench/runners/verify"
)

// realModels lists the tiny models of published families, as folders and GGUF files.
func realModels(t *testing.T) (paths []string) {
	t.Helper()
	all, err := filepath.Glob("../../testdata/real/tiny/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if pretrained.IsModel(p) {
			paths = append(paths, p)
		}
	}
	if len(paths) < 11 {
		t.Fatalf("%d models, want 11 or more", len(paths))
	}
	return paths
}

// TestPretrained compares every tier with the logits that transformers computes in float64, in
// every mode. In float32 the bound is 1e-4.
//
// The bound for bfloat16 is derived: the error caused by rounding only the keys and values of a
// model is measured in float32 arithmetic. A tier that multiplies bfloat16 rounds six more operands
// of a layer (the outputs of two norms, queries, probabilities, the mixer's output and the hidden
// values of the feed-forward block); independent errors grow by the root of 7, and 1.44 is a
// margin. The models' weights are exact in bfloat16.
func TestPretrained(t *testing.T) {
	models := realModels(t)
	for _, k := range cpu.Tiers() {
		for _, types := range [][2]runners.DType{{runners.F32, runners.F32}, {runners.BF16, runners.BF16}} {
			t.Run(fmt.Sprintf("%s-%s-%s", k.Name, types[0], types[1]), func(t *testing.T) {
				if !k.Available() {
					t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
				}
				for _, path := range models {
					if testing.Short() && !fastest(k.Name) {
						continue
					}
					t.Run(filepath.Base(path), func(t *testing.T) {
						r, err := verify.Verify(context.Background(), path, New(), runners.Options{Tier: k.Name, Weights: types[0], KV: types[1], Threads: 2})
						if err != nil {
							t.Fatal(err)
						}
						if types[1] == runners.BF16 {
							r = r.With(3.8 * cacheRounding(t, path))
						} else if r.Tolerance != 1e-4 {
							t.Errorf("the tolerance is %g, want 1e-4", r.Tolerance)
						}
						t.Logf("largest error of a logit %.2e, tolerance %.2e", r.Worst(), r.Tolerance)
						if !r.OK() || r.Worst() == 0 {
							t.Errorf("%s differs from its expected logits", path)
							r.Write(os.Stderr)
						}
					})
				}
			})
		}
	}
}

var cacheErrors = map[string]float64{}

// cacheRounding returns the largest error of a logit caused by rounding keys and values to
// bfloat16.
func cacheRounding(t *testing.T, path string) float64 {
	if _, ok := cacheErrors[path]; !ok {
		r, err := verify.Verify(context.Background(), path, New(), runners.Options{Tier: "go", KV: runners.BF16, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		cacheErrors[path] = r.Worst()
	}
	return cacheErrors[path]
}
