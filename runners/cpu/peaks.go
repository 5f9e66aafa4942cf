package cpu

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// Peak is what this machine does at best with the tier and threads asked for:
// the limits shown next to measured speeds.
type Peak struct {
	// GFLOPS and BF16GFLOPS are those of the matrix kernel on operands in the
	// first-level cache, 10^9 FLOP/s, with weights of float32 and of bfloat16.
	GFLOPS     float64 `json:"gflops"`
	BF16GFLOPS float64 `json:"bf16_gflops"`
	// GBps is that of reading memory larger than the caches, 10^9 bytes/s.
	GBps float64 `json:"gbps"`
}

// Profile is the machine with these peaks and so much memory (bytes).
func (p Peak) Profile(memory int64) runners.Profile {
	m := runners.ThisMachine(p.GFLOPS, p.GBps, memory)
	m.Peak[runners.BF16] = p.BF16GFLOPS * 1e9
	return m
}

const (
	peakTime   = 25 * time.Millisecond // of a round
	peakRounds = 5                     // of which the best counts
	peakBytes  = 256 << 20             // read from memory: larger than most caches
	peakPiece  = 1 << 20               // of those, read by one worker at a time
	peakDepth  = 64                    // keeps the operands of a tile in the first-level cache
	peakRows   = 64                    // of a product on matrix registers, likewise
	// peakScratch is the floats that a worker needs for computeRound.
	peakScratch = peakDepth*cpu.MaxNR + 2*peakDepth*peakRows + peakRows*cpu.MaxNR + 64
)

// Peaks measures the peaks in half a second: the best of several short rounds,
// by the processor time that each thread got, so that what else runs on the
// machine disturbs them little.
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
		blk.data[i] = 1 // or every page is the same page of zeros
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

// together lets every worker do work over and over for a time, and once at least: a busy machine
// may wake one late. It returns the sum of their rates, each by the processor time that its thread
// got. work does one portion and says how large it was.
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

// computeRound runs one full tile over and over on every worker and returns FLOP/s.
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

// readRound reads the memory in pieces that the workers take in turn, over and over, and returns
// bytes/s.
func (o *ops) readRound(b []byte) float64 {
	var next atomic.Int64
	return o.together(peakTime, func(o *ops, _ *worker) float64 {
		at := int(next.Add(1)) % (len(b) / peakPiece) * peakPiece
		o.k.Touch(unsafe.Pointer(&b[at]), peakPiece)
		return peakPiece
	})
}
