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
// the limits beside which measured speeds are shown.
type Peak struct {
	// GFLOPS is that of the matrix kernel on operands in the first-level cache,
	// 10^9 FLOP/s, with weights of the type in Options.
	GFLOPS float64 `json:"gflops"`
	// GBps is that of reading memory larger than the caches, 10^9 bytes/s.
	GBps float64 `json:"gbps"`
}

const (
	peakTime   = 60 * time.Millisecond // of a round
	peakRounds = 5                     // of which the best counts
	peakBytes  = 256 << 20             // read from memory: larger than most caches
	peakDepth  = 64                    // keeps the operands of a tile in the first-level cache
	peakRows   = 64                    // of a product on matrix registers, likewise
	// peakScratch is the floats that a worker needs for computeRound.
	peakScratch = peakDepth*cpu.MaxNR + 2*peakDepth*peakRows + peakRows*cpu.MaxNR + 64
)

// Peaks measures the peaks in less than a second: the best of several short
// rounds, by the processor time that they took, so that what else runs on the
// machine disturbs them little.
func Peaks(ctx context.Context, opts runners.Options) (Peak, error) {
	opts.MemoryBudget = 0
	o, err := open(opts)
	if err != nil {
		return Peak{}, err
	}
	defer o.Close()
	var p Peak
	if !o.growWorkers(peakScratch) {
		return p, o.err
	}
	for _, w := range o.crew.workers {
		clear(w.scratch)
	}
	blk, err := o.pool.take(partWorkspace, min(peakBytes, o.pool.budget/4), 0)
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
		p.GFLOPS = max(p.GFLOPS, o.computeRound()/1e9)
		p.GBps = max(p.GBps, o.readRound(blk.data)/1e9)
	}
	return p, nil
}

// stopwatch measures a round: by processor time of each thread where that is
// known and less than the time on the wall.
type stopwatch struct {
	wall    time.Time
	cpu     float64
	threads int
}

func (o *ops) startWatch() stopwatch {
	return stopwatch{time.Now(), cpuSeconds(), len(o.crew.workers)}
}

func (s stopwatch) seconds() float64 {
	wall := time.Since(s.wall).Seconds()
	if cpu := (cpuSeconds() - s.cpu) / float64(s.threads); cpu > 0 && cpu < wall {
		return cpu
	}
	return wall
}

// computeRound runs one full tile over and over on every worker and returns FLOP/s.
func (o *ops) computeRound() float64 {
	gemm, perRow := o.k.F32, 2
	if o.opts.Weights == runners.BF16 {
		gemm, perRow = o.k.Wide, 4
		if o.k.Dot != nil {
			gemm = o.k.Dot
		}
	}
	m, nr := len(gemm)-1, o.k.NR
	matrix := o.opts.Weights == runners.BF16 && o.k.Tiles != nil
	if matrix {
		m = peakRows
	}
	var tiles atomic.Int64
	watch, start := o.startWatch(), time.Now()
	o.crew.run(len(o.crew.workers), func(_ *ops, w *worker, _ int) {
		s := w.scratch
		a, b, c := cut(&s, 2*peakDepth*m), cut(&s, peakDepth*nr), cut(&s, m*nr)
		for time.Since(start) < peakTime {
			for range 100 {
				if matrix {
					o.k.Tiles(ptr(c, 0), 4*nr, ptr(a, 0), 8*peakDepth, ptr(b, 0), 4*nr, m, peakDepth, nr, 0)
				} else {
					gemm[m](ptr(c, 0), 4*nr, ptr(a, 0), 8*peakDepth, 4, ptr(b, 0), 4*nr, peakDepth, nr, 0)
				}
			}
			tiles.Add(100)
		}
	})
	return float64(tiles.Load()) * float64(perRow*peakDepth*m*nr) / watch.seconds()
}

// readRound reads the memory once, in pieces that the workers take in turn, and returns bytes/s.
func (o *ops) readRound(b []byte) float64 {
	const piece = 1 << 20
	n := len(b) / piece
	watch := o.startWatch()
	o.crew.run(n, func(o *ops, _ *worker, i int) {
		o.k.Touch(unsafe.Pointer(&b[i*piece]), piece)
	})
	return float64(n) * piece / watch.seconds()
}
