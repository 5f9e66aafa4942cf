//go:build cuda

package cuda

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
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
				t.Run(filepath.Base(d), func(t *testing.T) { golden(t, d, opts) })
			}
		})
	}
}

func golden(t *testing.T, dir string, opts runners.Options) {
	cfg, err := checkpoint.ReadConfig(dir)
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
	if err != nil {
		t.Fatal(err)
	}
	if opts.Weights == runners.BF16 {
		r = r.With(bf16Growth * weightRounding(t, dir))
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

// weightRounding returns the largest error of a logit caused by rounding the weights of a fixture.
func weightRounding(t *testing.T, dir string) float64 {
	if _, ok := rounding[dir]; !ok {
		r, err := verify.Verify(context.Background(), dir, cpu.New(), runners.Options{Tier: "go", Weights: runners.BF16, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		rounding[dir] = max(r.Worst(), verify.DefaultTolerance(runners.Options{}))
	}
	return rounding[dir]
}
