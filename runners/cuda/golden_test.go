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
	"github.com/yocobench/yocobench/runners/verify"
)

// TestGolden holds every target against the reference implementation's
// fixtures, in every way of computing, with float32 and with bfloat16.
//
// The tolerance for bfloat16 is derived as the CPU runner's is: the error that rounding the
// weights alone makes in a fixture is measured in float32 arithmetic, on the same GPU. Activations, queries,
// keys, values and probabilities are rounded as well: between any two
// kernels of a block, where the CPU rounds the operands of products. Errors grow by the root of 2 to 3
// where they are independent; 2.5 allows for chance.
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
		t.Logf("not supported, as it should be: %v", want)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if opts.Weights == runners.BF16 {
		r = r.With(2.5 * weightRounding(t, dir, opts.Tier))
	}
	t.Logf("largest error of a logit %.2e, tolerance %.2e", r.Worst(), r.Tolerance)
	if !r.OK() {
		t.Errorf("%s differs from the reference", dir)
		r.Write(os.Stderr) //nolint:errcheck // the test fails anyway
	}
}

var rounding = map[string]float64{}

// weightRounding is the largest error of a logit that rounding the weights of a fixture makes.
func weightRounding(t *testing.T, dir, tier string) float64 {
	if _, ok := rounding[dir]; !ok {
		r, err := verify.Verify(context.Background(), dir, rounded{New()}, runners.Options{Tier: tier})
		if err != nil {
			t.Fatal(err)
		}
		rounding[dir] = max(r.Worst(), r.Tolerance)
	}
	return rounding[dir]
}

// rounded is a runner that rounds the matrices it is given to bfloat16.
type rounded struct{ runners.Runner }

func (r rounded) Load(c runners.Config, w runners.Weights, o runners.Options) (runners.Model, error) {
	return r.Runner.Load(c, roundedWeights{w}, o)
}

type roundedWeights struct{ runners.Weights }

func (w roundedWeights) Tensor(p runners.Param) (runners.Tensor, error) {
	t, err := w.Weights.Tensor(p)
	if err == nil && len(p.Shape) > 1 {
		t.DType, t.Data = runners.BF16, checkpoint.Encode(checkpoint.Float32s(t), runners.BF16)
	}
	return t, err
}
