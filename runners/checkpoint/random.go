package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"

	"github.com/yocobench/yocobench/runners"
)

// Random returns seeded random weights of any size, stored as dtype. A tensor
// is computed when it is asked for and belongs to the caller, so that only
// what a runner keeps takes memory.
//
// Values are uniform with mean 0 and a standard deviation that keeps
// activations and logits near 1, as a trained model's are:
//
//	matrices            1/sqrt(in)
//	token embeddings    1 in a Transformer, 1/sqrt(dim) in a YOCO, which multiplies by sqrt(dim)
//	norms               all ones
//
// Element i of a tensor depends on the seed, the tensor's name and i alone, by
// integer arithmetic and one float32 multiplication, so that every platform
// computes the same bits: a compiler has no sum to fuse a product into.
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

func (r *random) Tensor(p runners.Param) (runners.Tensor, error) {
	n := int64(1)
	for _, d := range p.Shape {
		if d < 1 || n > math.MaxInt/8/int64(d) {
			return runners.Tensor{}, fmt.Errorf("tensor %q has shape %v, want positive sizes that fit into memory", p.Name, p.Shape)
		}
		n *= int64(d)
	}
	t := runners.Tensor{Name: p.Name, DType: r.dtype, Shape: p.Shape}
	switch len(p.Shape) {
	case 1:
		one := Encode([]float32{1}, r.dtype)
		t.Data = make([]byte, n*int64(len(one)))
		for i := 0; i < len(t.Data); i += len(one) {
			copy(t.Data[i:], one)
		}
	case 2:
		t.Data = r.uniform(int(n), r.key(p.Name), r.std(p))
	default:
		return runners.Tensor{}, errors.New("random tensors are matrices or vectors, not of shape " + fmt.Sprint(p.Shape))
	}
	return t, nil
}

// std is the standard deviation of a matrix.
func (r *random) std(p runners.Param) float64 {
	if strings.HasPrefix(p.Name, "tok_embeddings.") {
		return 1
	}
	return 1 / math.Sqrt(float64(p.Shape[1]))
}

// key is where the sequence of a tensor begins: the seed and the name, hashed.
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

// uniform returns n values: element 2i from the upper half of the i-th hash,
// element 2i+1 from the lower. A half's 24 upper bits u give (2u + 1 - 2^24) / 2^24
// times sqrt(3) std: symmetric, never zero, and exact before the multiplication.
// All processors share the work; as an element depends on its place alone, their number does not matter.
func (r *random) uniform(n int, key uint64, std float64) []byte {
	const least = 1 << 16 // values that are worth a goroutine; even
	b := make([]byte, n*r.dtype.Size())
	each := max(least, (n/runtime.GOMAXPROCS(0)+1)&^1)
	var wg sync.WaitGroup
	for from := 0; from < n; from += each {
		wg.Go(func() { r.fill(b, from, min(from+each, n), key, std) })
	}
	wg.Wait()
	return b
}

// fill writes elements from..to-1, where from is even.
func (r *random) fill(b []byte, from, to int, key uint64, std float64) {
	scale := float32(math.Sqrt(3) * std / (1 << 24))
	value := func(h uint32) float32 { return float32(int32(h>>8)*2+1-1<<24) * scale }
	key += uint64(from/2) * golden
	for i := from; i < to; i += 2 {
		key += golden
		h := mix(key)
		x, y := value(uint32(h>>32)), value(uint32(h))
		switch {
		case r.dtype == runners.F32:
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
			if i+1 < to {
				binary.LittleEndian.PutUint32(b[4*i+4:], math.Float32bits(y))
			}
		case r.dtype == runners.BF16:
			binary.LittleEndian.PutUint16(b[2*i:], runners.BFloat16(x))
			if i+1 < to {
				binary.LittleEndian.PutUint16(b[2*i+2:], runners.BFloat16(y))
			}
		default:
			binary.LittleEndian.PutUint16(b[2*i:], toHalf(x))
			if i+1 < to {
				binary.LittleEndian.PutUint16(b[2*i+2:], toHalf(y))
			}
		}
	}
}
