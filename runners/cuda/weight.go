//go:build cuda

package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/yocobench/yocobench/runners"
)

// weight is a matrix [out, in] in T, or a vector [out] in float32, in one block without padding.
type weight struct {
	out, in int
	vector  bool
	// first is the number of rows of the first tensor of the stack.
	first int
	blk   *block
}

func (w *weight) Out() int { return w.out }
func (w *weight) In() int  { return w.in }

// Weight implements runners.Ops. It converts the tensors on the host, a few megabytes at a time in
// pinned memory.
func (o *ops) Weight(stack ...runners.Tensor) (runners.Weight, error) {
	if len(stack) == 0 {
		return nil, fmt.Errorf("a weight of no tensors")
	}
	w := &weight{in: 1, vector: len(stack[0].Shape) == 1}
	t := o.t
	if w.vector {
		t = runners.F32
	}
	for i, x := range stack {
		if len(x.Shape) != len(stack[0].Shape) || len(x.Shape) < 1 || len(x.Shape) > 2 || x.Shape[0] < 1 ||
			!w.vector && (x.Shape[1] < 1 || x.Shape[1] != stack[0].Shape[1]) {
			return nil, fmt.Errorf("%s has shape %v, but is to be stacked on %s with %v", x.Name, x.Shape, stack[0].Name, stack[0].Shape)
		}
		if err := x.Check(); err != nil {
			return nil, err
		}
		w.out += x.Shape[0]
		if i == 0 {
			w.first = w.out
		}
	}
	if !w.vector {
		w.in = stack[0].Shape[1]
	}
	var err error
	if w.blk, err = o.pool.take(runners.MemoryWeights, runners.MulBytes(t.Size(), w.out, w.in)); err != nil {
		return nil, fmt.Errorf("%s: %w", stack[0].Name, err)
	}
	at := w.blk.at(0)
	for _, x := range stack {
		n := x.Len() * int64(t.Size())
		err := o.st.upload(o.d, at, n, func(piece []byte, from int64) { convert(piece, t, x, int(from)/t.Size()) })
		if err != nil {
			w.blk.free()
			return nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		at += uint64(n)
	}
	o.blocks = append(o.blocks, w.blk)
	return w, nil
}

// convertGrain is the number of values that one goroutine converts.
const convertGrain = 64 << 10

// convert writes values of a tensor from index i on as type t, float32 or bfloat16.
func convert(dst []byte, t runners.DType, x runners.Tensor, i int) {
	n := len(dst) / t.Size()
	if x.DType == t && x.Data != nil {
		copy(dst, x.Data[i*t.Size():])
		return
	}
	var wg sync.WaitGroup
	grain := max(convertGrain, (n+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for from := 0; from < n; from += grain {
		wg.Go(func() {
			var buf [512]float32
			for j := from; j < min(n, from+grain); {
				f := buf[:min(len(buf), min(n, from+grain)-j)]
				x.Decode(f, i+j)
				for k, v := range f {
					if t == runners.F32 {
						binary.LittleEndian.PutUint32(dst[4*(j+k):], math.Float32bits(v))
					} else {
						binary.LittleEndian.PutUint16(dst[2*(j+k):], runners.BFloat16(v))
					}
				}
				j += len(f)
			}
		})
	}
	wg.Wait()
}
