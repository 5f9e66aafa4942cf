package cpu

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/verify"
)

// TestGolden compares every tier with the reference implementation's fixtures, in every mode, with
// float32 and with bfloat16 weights and caches.
//
// The tolerance for bfloat16 weights is derived: the error caused by rounding only the weights of a
// fixture is measured in float32 arithmetic (plain Go, which TestRoundedWeights checks to 2e-4).
// Rounding the activations, queries, keys and values rounds the other factor of each product by the
// same amount, so independent errors grow by the root of 2 to 3; 2.5 leaves a margin.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("../../testdata/golden/*/config.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, k := range cpu.Tiers() {
		for _, types := range [][2]runners.DType{{runners.F32, runners.F32}, {runners.F32, runners.BF16}, {runners.BF16, runners.BF16}} {
			t.Run(fmt.Sprintf("%s-%s-%s", k.Name, types[0], types[1]), func(t *testing.T) {
				if !k.Available() {
					t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
				}
				for _, d := range dirs {
					d = filepath.Dir(d)
					if testing.Short() && !fastest(k.Name) && filepath.Base(d) != "yoco_gret_C" {
						continue
					}
					t.Run(filepath.Base(d), func(t *testing.T) {
						r, err := verify.Verify(context.Background(), d, New(), runners.Options{Tier: k.Name, Weights: types[0], KV: types[1], Threads: threads(k.Name)})
						if err != nil {
							t.Fatal(err)
						}
						// If bfloat16 represents the weights exactly, there is no rounding error,
						// and the default tolerance applies.
						if types[0] == runners.BF16 {
							if e := weightRounding(t, d); !(e <= 2e-4) {
								r = r.With(2.5 * e)
							}
						}
						if !r.OK() {
							t.Errorf("%s differs from the reference", d)
							r.Write(os.Stderr)
						}
					})
				}
			})
		}
	}
}

var rounding = map[string]float64{}

// weightRounding returns the largest error of a logit caused by rounding the weights of a fixture.
func weightRounding(t *testing.T, dir string) float64 {
	if _, ok := rounding[dir]; !ok {
		r, err := verify.Verify(context.Background(), dir, New(), runners.Options{Tier: "go", Weights: runners.BF16, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		rounding[dir] = r.Worst()
	}
	return rounding[dir]
}

// roundedWeights rounds weights to values that bfloat16 represents exactly.
type roundedWeights struct{ runners.Weights }

func (w roundedWeights) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	t, err := w.Weights.Tensor(p)
	if err != nil || len(p.Shape) == 1 {
		return t, err
	}
	b := make([]byte, 0, 2*p.Elements())
	for _, v := range checkpoint.Float32s(t) {
		b = binary.LittleEndian.AppendUint16(b, cpu.BF16(v))
	}
	t.DType, t.Data = runners.BF16, b
	return t, nil
}

// TestRoundedWeights: in float32 arithmetic, bfloat16 weights give the same results as float32
// weights of the same values.
func TestRoundedWeights(t *testing.T) {
	for _, k := range cpu.Tiers() {
		if !k.Available() || k.Dot != nil {
			continue
		}
		for _, a := range runners.Arches() {
			c := tiny(a)
			var out [2][]float32
			for i, d := range []runners.DType{runners.F32, runners.BF16} {
				m, err := New().Load(c, roundedWeights{checkpoint.Random(c, 1, runners.F32)}, runners.Options{Tier: k.Name, Weights: d, Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				out[i] = runAll(t, m, c, 40)
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
			for i := range out[0] {
				if !(math.Abs(float64(out[0][i]-out[1][i])) <= 2e-4) {
					t.Fatalf("%s, %s: value %d is %g with float32 weights, %g with bfloat16", k.Name, a, i, out[0][i], out[1][i])
				}
			}
		}
	}
}
