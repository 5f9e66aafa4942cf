//go:build cuda

package cuda

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
				t.Run(filepath.Base(d), func(t *testing.T) { golden(t, d, opts, runners.Options{Weights: runners.BF16}) })
			}
		})
	}
}

// TestPretrained compares every target with the logits that transformers computes for tiny models
// of published families. Their weights are exact in bfloat16, so the error that is measured on the
// CPU is that of rounding only the keys and values.
func TestPretrained(t *testing.T) {
	all, err := filepath.Glob("../../testdata/real/tiny/*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) {
			for _, p := range all {
				if pretrained.IsModel(p) {
					t.Run(filepath.Base(p), func(t *testing.T) { golden(t, p, opts, runners.Options{KV: runners.BF16}) })
				}
			}
		})
	}
}

// golden compares a fixture. rounded are the types whose rounding is measured on the CPU for the
// tolerance in bfloat16.
func golden(t *testing.T, dir string, opts, rounded runners.Options) {
	cfg, err := verify.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Verify(context.Background(), dir, New(), opts)
	if want := Supports(cfg, opts); want != nil {
		if !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("%v, want %v", err, want)
		}
		t.Logf("not supported, as expected: %v", want)
		return
	}
	if errors.Is(err, runners.ErrUnsupported) {
		t.Skipf("UNTESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if opts.Weights == runners.BF16 {
		r = r.With(bf16Growth * roundingOf(t, dir, rounded))
	}
	t.Logf("largest error of a logit %.2e, tolerance %.2e", r.Worst(), r.Tolerance)
	if !r.OK() {
		t.Errorf("%s differs from the reference", dir)
		r.Write(os.Stderr) //nolint:errcheck // the test fails anyway
	}
}

// bf16Growth is 1.44 times the root of 7; see TestGolden.
const bf16Growth = 3.8

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
