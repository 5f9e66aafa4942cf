package cpu

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// Peak is the best that this machine achieves with a tier and a number of threads: the limits shown
// next to measured speeds.
type Peak struct {
	// GFLOPS and BF16GFLOPS are the rates in 10^9 FLOP/s of the matrix kernel on operands in the
	// first-level cache, with float32 and with bfloat16 weights.
	GFLOPS     float64 `json:"gflops"`
	BF16GFLOPS float64 `json:"bf16_gflops"`
	// GBps is the rate of reading memory larger than the caches, in 10^9 bytes/s.
	GBps float64 `json:"gbps"`
}

// Profile returns a profile with these peaks and the given memory in bytes.
func (p Peak) Profile(memory int64) runners.Profile {
	m := runners.ThisMachine(p.GFLOPS, p.GBps, memory)
	m.Peak[runners.BF16] = p.BF16GFLOPS * 1e9
	return m
}

const (
	peakTime   = 25 * time.Millisecond // duration of a round
	peakRounds = 5                     // the best one counts
	peakBytes  = 256 << 20             // size of the memory read: larger than most caches
	peakPiece  = 1 << 20               // bytes that one worker reads at a time
	peakDepth  = 64                    // small enough for the operands of a tile to fit the first-level cache
	peakRows   = 64                    // rows of a product on matrix registers, which also fit
	// peakScratch is the number of floats that a worker needs for computeRound.
	peakScratch = peakDepth*cpu.MaxNR + 2*peakDepth*peakRows + peakRows*cpu.MaxNR + 64
)

// Peaks measures the peaks in half a second: the best of several short rounds, in CPU time of each
// thread, so other load on the machine affects them little.
func Peaks(ctx context.Context, opts runners.Options) (Peak, error) {
	opts.MemoryBudget = 0
	o, err := open(opts)
	if err != nil {
		return Peak{}, err
	}
	defer o.Close()
	return o.peaks(ctx)
}

func (o *ops) peaks(ctx context.Context) (p Peak, err error) {
	if !o.growWorkers(peakScratch) {
		return p, o.err
	}
	for _, w := range o.workers.all {
		clear(w.scratch)
	}
	blk, err := o.pool.take(runners.MemoryWorkspace, max(peakPiece, min(peakBytes, o.pool.account.Budget()/4)), 0)
	if err != nil {
		return p, err
	}
	defer blk.free()
	for i := 0; i < len(blk.data); i += 4096 {
		blk.data[i] = 1 // otherwise every page would be the same zero page
	}
	for range peakRounds {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		p.GFLOPS = max(p.GFLOPS, o.computeRound(runners.F32)/1e9)
		p.BF16GFLOPS = max(p.BF16GFLOPS, o.computeRound(runners.BF16)/1e9)
		p.GBps = max(p.GBps, o.readRound(blk.data)/1e9)
	}
	return p, nil
}

// together lets every worker repeat work for the given time, at least once, because a worker may be
// late on a busy machine. It returns the sum of the workers' rates, each per CPU second of its
// thread. work does one portion and returns its size.
func (o *ops) together(length time.Duration, work func(o *ops, w *worker) float64) (sum float64) {
	start, rates := time.Now(), make([]float64, len(o.workers.all))
	o.workers.run(len(rates), func(o *ops, w *worker, i int) {
		done, clock := 0.0, startThreadClock()
		for done == 0 || time.Since(start) < length {
			done += work(o, w)
		}
		rates[i] = done / clock.stop()
	})
	for _, r := range rates {
		sum += r
	}
	return sum
}

// computeRound repeats one full tile on every worker and returns FLOP/s.
func (o *ops) computeRound(weights runners.DType) float64 {
	gemm, perRow := o.k.F32, 2
	if weights == runners.BF16 {
		gemm, perRow = o.k.Wide, 4
		if o.k.Dot != nil {
			gemm = o.k.Dot
		}
	}
	m, nr := len(gemm)-1, o.k.NR
	matrix := weights == runners.BF16 && o.k.Tiles != nil
	if matrix {
		m = peakRows
	}
	return o.together(peakTime, func(o *ops, w *worker) float64 {
		s := w.scratch
		a, b, c := cut(&s, 2*peakDepth*m), cut(&s, peakDepth*nr), cut(&s, m*nr)
		for range 100 {
			if matrix {
				o.k.Tiles(ptr(c, 0), 4*nr, ptr(a, 0), 8*peakDepth, ptr(b, 0), 4*nr, m, peakDepth, nr, 0)
			} else {
				gemm[m](ptr(c, 0), 4*nr, ptr(a, 0), 8*peakDepth, 4, ptr(b, 0), 4*nr, peakDepth, nr, 0)
			}
		}
		return float64(100 * perRow * peakDepth * m * nr)
	})
}

// readRound reads the memory repeatedly, in pieces that the workers take one after another, and
// returns bytes/s.
func (o *ops) readRound(b []byte) float64 {
	var next atomic.Int64
	return o.together(peakTime, func(o *ops, _ *worker) float64 {
		at := int(next.Add(1)) % (len(b) / peakPiece) * peakPiece
		o.k.Touch(unsafe.Pointer(&b[at]), peakPiece)
		return peakPiece
	})
}
