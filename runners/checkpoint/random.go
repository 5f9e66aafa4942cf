package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/runners"
)

// Random returns seeded random weights of any size, stored as dtype. A tensor is computed when it
// is read, so only what a runner keeps takes memory.
//
// Values are uniform with mean 0 and a standard deviation that keeps activations and logits near 1,
// as in a trained model:
//
//	matrices            1/sqrt(in)
//	token embeddings    1 in a Transformer, 1/sqrt(dim) in a YOCO, which multiplies by sqrt(dim)
//	norms               all ones
//
// Element i of a tensor depends only on the seed, the tensor's name and i, through integer
// arithmetic and one float32 multiplication. Every platform computes the same bits, because there
// is no sum that a compiler could fuse the product into.
func Random(c runners.Config, seed uint64, dtype runners.DType) runners.Weights {
	return &random{c, seed, dtype}
}

type random struct {
	config runners.Config
	seed   uint64
	dtype  runners.DType
}

func (r *random) Source() string { return fmt.Sprintf("random seed %d", r.seed) }
func (r *random) Close() error   { return nil }

func (r *random) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	n := int64(1)
	for _, d := range p.Shape {
		if d < 1 || n > math.MaxInt/8/int64(d) {
			return runners.Tensor{}, fmt.Errorf("tensor %q has shape %v, want positive sizes that fit into memory", p.Name, p.Shape)
		}
		n *= int64(d)
	}
	t := runners.Tensor{Name: p.Name, DType: r.dtype, Shape: p.Shape}
	key := r.key(p.Name)
	switch {
	case strings.HasSuffix(p.Name, ".bias"):
		t.Values = func(dst []float32, i int) { r.values(dst, i, key, float32(math.Sqrt(3)*biasStd/(1<<24))) }
	case len(p.Shape) == 1:
		t.Values = func(dst []float32, _ int) {
			for i := range dst {
				dst[i] = 1
			}
		}
	case len(p.Shape) == 2:
		scale := float32(math.Sqrt(3) * r.std(p) / (1 << 24))
		t.Values = func(dst []float32, i int) { r.values(dst, i, key, scale) }
	default:
		return runners.Tensor{}, errors.New("random tensors are matrices or vectors, not of shape " + fmt.Sprint(p.Shape))
	}
	return t, nil
}

// biasStd is the standard deviation of a bias.
const biasStd = 0.02

// std returns the standard deviation of a matrix.
func (r *random) std(p runners.TensorSpec) float64 {
	if strings.HasPrefix(p.Name, "tok_embeddings.") {
		return 1
	}
	return 1 / math.Sqrt(float64(p.Shape[1]))
}

// key returns the starting state of a tensor's sequence: a hash of the seed and the name.
func (r *random) key(name string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h ^ mix(r.seed))
}

// mix is the output function of splitmix64: a bijection whose every output bit
// depends on every input bit.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// golden is the odd number nearest to 2^64 over the golden ratio, splitmix64's step.
const golden = 0x9e3779b97f4a7c15

// values fills dst with elements from index i on. Element 2k comes from the upper half of the k-th
// hash, element 2k+1 from the lower half. The 24 upper bits u of a half give (2u + 1 - 2^24) / 2^24
// times sqrt(3) std: symmetric, never zero, and exact before the multiplication.
func (r *random) values(dst []float32, i int, key uint64, scale float32) {
	value := func(h uint32) float32 { return float32(int32(h>>8)*2+1-1<<24) * scale }
	at := key + uint64(i/2)*golden
	for x := 0; x < len(dst); {
		at += golden
		h := mix(at)
		if (i+x)%2 == 0 {
			dst[x] = value(uint32(h >> 32))
			x++
		}
		if x < len(dst) && (i+x)%2 == 1 {
			dst[x] = value(uint32(h))
			x++
		}
	}
	switch r.dtype { // round to the stored type
	case runners.BF16:
		for x, v := range dst {
			dst[x] = math.Float32frombits(uint32(runners.BFloat16(v)) << 16)
		}
	case runners.F16:
		for x, v := range dst {
			dst[x] = runners.Float16(toHalf(v))
		}
	}
}
