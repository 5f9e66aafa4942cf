//go:build cuda

package cuda

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/pretrained"
	"github.com/yocobench/yocobench/runners/verify"
)

// TestGolden compares every target with the reference implementation's fixtures, in every mode,
// with float32 and with bfloat16.
//
// The tolerance for bfloat16 is derived: the error caused by rounding only the weights of a fixture
// is measured on the CPU runner in float32 arithmetic. Here six more roundings of that size happen
// between the kernels of a block: of the norm's output, the projections, rotated queries and keys,
// probabilities or states, the mixer's output, and the gated hidden layer. If they are independent,
// errors grow by the root of 7; 1.44 is the same margin as in the CPU runner's test.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("../../testdata/golden/*/config.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) {
			for _, d := range dirs {
				d = filepath.Dir(d)
				t.Run(filepath.Base(d), func(t *testing.T) {
					golden(t, d, stepsOf(opts), opts, runners.Options{Weights: runners.BF16}, weightsGrowth)
				})
			}
		})
	}
}

// TestPretrained compares every target with the logits that transformers computes for tiny models
// of published families.
//
// Their weights are exact in bfloat16, so the error measured on the CPU is that of rounding only
// keys and values: two of ten roundings in a layer (the outputs of two norms, three projections,
// rotated queries and keys, probabilities, the mixer's output and the gated hidden layer). If they
// are independent, errors grow by the root of 5. The margin is 2, because the largest of two errors
// varies more than the largest of many.
func TestPretrained(t *testing.T) {
	all, err := filepath.Glob("../../testdata/real/tiny/*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) {
			for _, p := range all {
				if pretrained.IsModel(p) && covers(opts, p) {
					t.Run(filepath.Base(p), func(t *testing.T) {
						golden(t, p, stepsOf(opts), opts, runners.Options{KV: runners.BF16}, 2*math.Sqrt(5))
					})
				}
			}
		})
	}
}

// covers reports whether a model is tested with options: every model in float32 for sm_90a. In
// bfloat16 a GGUF file is skipped if the same model exists as a folder. For sm_80 one model for
// each kind of kernel is enough.
func covers(opts runners.Options, path string) bool {
	folder, gguf := strings.CutSuffix(path, ".gguf")
	switch {
	case opts.Tier == "sm_80":
		return slices.Contains([]string{"gemma2", "olmo2", "qwen2"}, filepath.Base(path))
	case opts.Weights == runners.BF16:
		return !gguf || !pretrained.IsModel(folder)
	}
	return true
}

// weightsGrowth: see TestGolden.
var weightsGrowth = 1.44 * math.Sqrt(7)

// stepsOf is the number of tokens at the end of a text that are appended one by one: all of the
// short texts, and less than half of the long ones, which would take most of the time on the
// simulated GPU. For sm_80, Triton compiles the same source of the kernels of a step.
func stepsOf(o runners.Options) int {
	if o.Tier == "sm_80" {
		return 16
	}
	return 128
}

// golden compares a fixture. In bfloat16 the tolerance is growth times the error of rounding to the
// types of rounded, which is measured on the CPU.
func golden(t *testing.T, dir string, steps int, opts, rounded runners.Options, growth float64) {
	cfg, err := verify.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Limited(context.Background(), dir, New(), opts, steps)
	if want := Supports(cfg, opts); want != nil {
		if !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("%v, want %v", err, want)
		}
		t.Logf("not supported, as expected: %v", want)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// Rounding keys and values says nothing of retention, which keeps none: the default applies.
	retains := slices.ContainsFunc(cfg.Layers, func(l runners.Layer) bool { return l.Mixer.Kind == runners.Retention })
	if opts.Weights == runners.BF16 && !(retains && rounded.Weights != runners.BF16) {
		r = r.With(growth * roundingOf(t, dir, rounded))
	}
	t.Logf("largest error of a logit %.2e, tolerance %.2e", r.Worst(), r.Tolerance)
	if !r.OK() {
		t.Errorf("%s differs from the reference", dir)
		r.Write(os.Stderr) //nolint:errcheck // the test fails anyway
	}
}

var rounding = map[string]float64{}

// roundingOf is the largest error of a logit of a fixture with weights, or keys and values, of the
// types of o.
func roundingOf(t *testing.T, dir string, o runners.Options) float64 {
	if _, ok := rounding[dir]; !ok {
		o.Tier, o.Threads = "go", 2
		r, err := verify.Verify(context.Background(), dir, cpu.New(), o)
		if err != nil {
			t.Fatal(err)
		}
		rounding[dir] = max(r.Worst(), verify.DefaultTolerance(runners.Options{}))
	}
	return rounding[dir]
}
