//go:build cuda

package cuda

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// Peak is the best that this GPU achieves: the limits shown next to measured speeds.
type Peak struct {
	// GFLOPS is the rate of a product of large random matrices of the type in Options, in 10^9
	// FLOP/s, by the faster of this runner's kernel (Ours) and cuBLAS (CUBLAS, 0 if not used); By
	// names the faster one. NoCUBLAS says what is wrong with cuBLAS's product, if anything.
	GFLOPS   float64 `json:"gflops"`
	By       string  `json:"by"`
	Ours     float64 `json:"ours_gflops"`
	CUBLAS   float64 `json:"cublas_gflops,omitempty"`
	NoCUBLAS string  `json:"no_cublas,omitempty"`
	// GBps is the bandwidth of the device's memory in 10^9 bytes/s: the larger of CopyGBps, of a
	// copy within it, counting read and written bytes, and ReadGBps, of a kernel that only reads.
	GBps     float64 `json:"gbps"`
	CopyGBps float64 `json:"copy_gbps"`
	ReadGBps float64 `json:"read_gbps"`
}

const (
	peakMillis = 2.0     // a size is large enough if it takes this long
	peakRounds = 5       // the best one counts
	peakDim    = 8192    // largest matrix
	peakBytes  = 1 << 30 // largest copy
)

// Peaks measures the peaks in a second or two. Sizes grow until they take long enough to be timed,
// or memory is exhausted.
func Peaks(ctx context.Context, opts runners.Options) (p Peak, err error) {
	opts.MemoryBudget = 0
	opts.KV = opts.Weights
	o, err := newOps(opts)
	if err != nil {
		return p, err
	}
	defer func() {
		if e := o.Close(); err == nil {
			err = e
		}
	}()
	if err := o.peakProduct(ctx, &p); err != nil {
		return p, err
	}
	if p.CopyGBps, err = peakBandwidth(ctx, 2, o.timeCopy); err != nil {
		return p, err
	}
	p.ReadGBps, err = peakBandwidth(ctx, 1, o.timeRead)
	p.GBps = max(p.CopyGBps, p.ReadGBps)
	return p, err
}

// peakProduct measures the peak of products.
func (o *ops) peakProduct(ctx context.Context, p *Peak) error {
	for n := 128; n <= peakDim; n *= 2 {
		ours, theirs, wrong, err := o.timeProduct(n)
		if p.GFLOPS > 0 && errors.Is(err, runners.ErrOutOfMemory) {
			break
		}
		if err != nil {
			return err
		}
		speed := func(ms float64) float64 { return 2 * math.Pow(float64(n), 3) / (ms * 1e6) }
		p.Ours, p.CUBLAS, p.NoCUBLAS = speed(ours), 0, wrong
		p.GFLOPS, p.By = p.Ours, "gemm_t "+o.d.set.Target
		if theirs > 0 {
			if p.CUBLAS = speed(theirs); p.CUBLAS > p.GFLOPS {
				p.GFLOPS, p.By = p.CUBLAS, o.d.blas.name
			}
		}
		if max(ours, theirs) >= peakMillis {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// peakBandwidth returns the rate in 10^9 bytes/s of an operation that moves times n bytes and whose
// time in milliseconds is time(n). n grows until the operation takes long enough to be timed, or
// memory is exhausted.
func peakBandwidth(ctx context.Context, times float64, time func(n int64) (float64, error)) (gbps float64, err error) {
	for n := int64(1 << 20); n <= peakBytes; n *= 2 {
		ms, err := time(n)
		if gbps > 0 && errors.Is(err, runners.ErrOutOfMemory) {
			break
		}
		if err != nil {
			return gbps, err
		}
		if gbps = times * float64(n) / (ms * 1e6); ms >= peakMillis {
			break
		}
		if err := ctx.Err(); err != nil {
			return gbps, err
		}
	}
	return gbps, nil
}

// timeProduct returns the time in milliseconds of a product of n x n matrices by this runner's
// kernel and by cuBLAS. The latter is 0 if cuBLAS is not used, or is wrong as described in wrong.
func (o *ops) timeProduct(n int) (ours, theirs float64, wrong string, err error) {
	var m [3]*block
	for i := range m {
		b, err := o.pool.take(runners.MemoryWorkspace, runners.MulBytes(n, n, o.t.Size()))
		if err != nil {
			return 0, 0, "", err
		}
		defer b.free()
		m[i] = b
		if i == 2 {
			break
		}
		if err := o.randomize(b); err != nil {
			return 0, 0, "", err
		}
	}
	o.k.GemmT(&o.c, 0, m[2].at(0), m[0].at(0), m[1].at(0), n, n, n, n, n, n, o.d.info.Multiprocessors)
	launch := func() error { return o.d.launch(&o.c) }
	if ours, err = o.best(launch); err != nil || o.d.blas == nil {
		return ours, 0, o.noCUBLAS, err
	}
	g := gemm{kind: gemmT, c: m[2].at(0), a: m[0].at(0), b: m[1].at(0), m: n, n: n, k: n, ldc: n, lda: n, ldb: n}
	o.viaCUBLAS(&g)
	if wrong, err = o.wrong(o.d.blas.name, g, func() error { return o.run(&o.c) }); err != nil || wrong != "" {
		return ours, 0, wrong, err
	}
	theirs, err = o.best(launch)
	return ours, theirs, "", err
}

// timeRead returns the time in milliseconds of reading n bytes, by the faster of two kernels that
// write next to nothing: the product of one row with a matrix, and argmax.
func (o *ops) timeRead(n int64) (float64, error) {
	x, err := o.pool.take(runners.MemoryWorkspace, n)
	if err != nil {
		return 0, err
	}
	defer x.free()
	const columns, wide = 4 << 10, 16 << 10
	rows := int(n) / (columns * o.t.Size())
	in, err := o.pool.take(runners.MemoryWorkspace, columns*4)
	if err != nil {
		return 0, err
	}
	defer in.free()
	out, err := o.pool.take(runners.MemoryWorkspace, int64(max(4*rows, 1)))
	if err != nil {
		return 0, err
	}
	defer out.free()
	for _, b := range []*block{x, in} {
		if err := o.randomize(b); err != nil {
			return 0, err
		}
	}
	best := math.Inf(1)
	for _, call := range []func(){
		func() {
			o.k.GemvT(&o.c, out.at(0), in.at(0), x.at(0), 1, rows, columns, (rows+15)&^15, columns, columns)
		},
		func() { o.k.Argmax(&o.c, out.at(0), x.at(0), int(n)/(4*wide), wide, wide) },
	} {
		call()
		ms, err := o.best(func() error { return o.d.launch(&o.c) })
		if err != nil {
			return 0, err
		}
		best = min(best, ms)
	}
	return best, nil
}

// randomize fills a block with values of random sign between 1 and 2. Zeros would use less power,
// and so run faster.
func (o *ops) randomize(b *block) error {
	r := rand.New(rand.NewPCG(1, 2))
	pattern := make([]byte, 64<<10)
	for i := 0; i < len(pattern); i += o.t.Size() {
		bits := r.Uint32()&0x807fffff | 0x3f800000
		for j := range o.t.Size() {
			pattern[i+j] = byte(bits >> (8 * (4 - o.t.Size() + j)))
		}
	}
	return o.st.upload(o.d, b.at(0), b.bytes, func(piece []byte, _ int64) {
		for i := 0; i < len(piece); {
			i += copy(piece[i:], pattern)
		}
	})
}

// timeCopy returns the time in milliseconds of copying n bytes.
func (o *ops) timeCopy(n int64) (float64, error) {
	from, err := o.pool.take(runners.MemoryWorkspace, n)
	if err != nil {
		return 0, err
	}
	defer from.free()
	to, err := o.pool.take(runners.MemoryWorkspace, n)
	if err != nil {
		return 0, err
	}
	defer to.free()
	unbind := o.d.bind()
	err = cu.MemsetD32Async(from.ptr, 1, n/4, o.d.stream)
	unbind()
	if err != nil {
		return 0, failure("fill memory", err)
	}
	return o.best(func() error { return copyWithin(to.ptr, from.ptr, n, o.d.stream) })
}

// best returns the shortest time of several runs of f.
func (o *ops) best(f func() error) (float64, error) {
	times, err := o.times(1, peakRounds, nil, f)
	if err != nil {
		return 0, err
	}
	return max(slices.Min(times), 1e-6), nil
}

// tooSlow is the time in milliseconds above which a single run is enough.
const tooSlow = 3000

// times returns the times in milliseconds, from events, of n runs of f after some warm-up runs.
// Work that before enqueues before each run is not counted. If a run takes seconds, it is the only
// one.
func (o *ops) times(warmup, n int, before, f func() error) (ms []float64, err error) {
	defer o.d.bind()()
	var e [2]cu.Event
	for i := range e {
		if e[i], err = makeEvent(cu.DefaultEvent); err != nil {
			return nil, err
		}
		defer destroyEvent(&e[i])
	}
	for i := range warmup + n {
		var err error
		if before != nil {
			err = before()
		}
		if err == nil {
			err = e[0].Record(o.d.stream)
		}
		if err == nil {
			err = f()
		}
		if err == nil {
			err = e[1].Record(o.d.stream)
		}
		if err == nil {
			err = o.d.waited(e[1].Synchronize())
		}
		var t float64
		if err == nil {
			t, err = e[0].Elapsed(e[1])
		}
		if err != nil {
			return nil, failure("time the device", err)
		}
		if i >= warmup || t > tooSlow {
			ms = append(ms, t)
		}
		if t > tooSlow {
			break
		}
	}
	return ms, nil
}
