package cpu

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
)

// workers are the worker threads of one model. Each operation is split into tasks that write
// disjoint outputs, so neither the number of workers nor the assignment of tasks affects the
// result.
type workers struct {
	all []*worker // all[0] is the caller
	o   *ops
	// spins is the number of times that a waiting worker polls before it yields its thread.
	spins int

	// The current job: fn is called with every task of the workers' shares.
	fn func(*ops, *worker, int)

	// round increases with each job; busy is the number of other workers still running it.
	round  atomic.Uint64
	busy   atomic.Int32
	closed atomic.Bool
	// prefetch is the weight that the next product will read, nil if unknown.
	prefetch atomic.Pointer[weight]
	// waiting is the round whose caller sleeps until the last other worker signals finished, 0 if
	// none does. It is a round, not a flag, because a worker that finishes a round may check late
	// and must not wake the caller of the next round.
	waiting  atomic.Uint64
	finished chan struct{}
}

type worker struct {
	// next and end are the remaining part of this worker's share of the job. They have a cache line
	// to themselves: the owner changes it, and the others rarely read it.
	next atomic.Int64
	end  int64
	_    [112]byte

	// aheadOf and aheadAt record what this worker has prefetched.
	aheadOf *weight
	aheadAt int

	parked atomic.Bool
	wake   chan struct{}
	// scratch is this worker's own memory. Its content is undefined at the start of a task.
	scratch []float32
}

// cut allocates n values, 64-byte aligned, from the worker's scratch.
func cut(s *[]float32, n int) []float32 {
	m := (n + 15) &^ 15
	out := (*s)[:n:n]
	*s = (*s)[m:]
	return out
}

func newWorkers(o *ops, threads int) *workers {
	if threads <= 0 {
		threads = defaultThreads()
	}
	c := &workers{o: o, finished: make(chan struct{}, threads)}
	if threads <= defaultThreads() {
		c.spins = spinsBeforeYield
	}
	for range threads {
		c.all = append(c.all, &worker{wake: make(chan struct{}, 1)})
	}
	for i := range c.all[1:] {
		go c.loop(i + 1)
	}
	return c
}

// run calls fn for every i < n, on all workers, and returns when all calls are done. Each worker
// starts with a share of adjacent tasks, so that it reads contiguous memory; a worker that finishes
// early takes tasks from the others' shares.
func (c *workers) run(n int, fn func(*ops, *worker, int)) {
	if n <= 1 || len(c.all) == 1 {
		for i := range n {
			fn(c.o, c.all[0], i)
		}
		return
	}
	c.fn = fn
	for i, w := range c.all {
		w.next.Store(int64(i * n / len(c.all)))
		w.end = int64((i + 1) * n / len(c.all))
	}
	c.busy.Store(int32(len(c.all) - 1))
	round := c.round.Add(1)
	c.wakeAll()
	c.work(0)
	for spins := 0; c.busy.Load() != 0; spins++ {
		if spins > spinsBeforePark {
			c.waiting.Store(round)
			if c.busy.Load() != 0 || !c.waiting.CompareAndSwap(round, 0) {
				<-c.finished
			}
			return
		}
		c.pause(0, spins)
	}
}

// pause is called by worker me between two polls while it waits.
func (c *workers) pause(me, spins int) {
	if spins > c.spins {
		runtime.Gosched()
	} else if w := c.prefetch.Load(); w == nil || !c.o.readAhead(me, w) {
		cpu.Pause()
	}
}

// work runs worker me's share, and then what is left of the others'.
func (c *workers) work(me int) {
	w := c.all[me]
	for k := range c.all {
		v := c.all[(me+k)%len(c.all)]
		for v.next.Load() < v.end {
			i := v.next.Add(1) - 1
			if i >= v.end {
				break
			}
			c.fn(c.o, w, int(i))
		}
	}
}

func (c *workers) wakeAll() {
	for _, w := range c.all[1:] {
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// A waiting worker polls for some tens of microseconds, longer than the time between two operations
// of a decode step; then it yields to other goroutines for about as long, and then it sleeps.
// Giving up a processor and getting it back takes longer than most jobs, so a worker yields
// immediately only if there are more workers than processors.
const (
	spinsBeforeYield = 1000
	spinsBeforePark  = 1200
)

func (c *workers) loop(me int) {
	w := c.all[me]
	seen := uint64(0)
	for {
		for spins := 0; c.round.Load() == seen; spins++ {
			if spins > spinsBeforePark {
				w.parked.Store(true)
				if c.round.Load() == seen || !w.parked.CompareAndSwap(true, false) {
					<-w.wake
				}
				spins = 0
				continue
			}
			c.pause(me, spins)
		}
		seen = c.round.Load()
		if c.closed.Load() {
			c.finished <- struct{}{}
			return
		}
		c.work(me)
		if c.busy.Add(-1) == 0 && c.waiting.CompareAndSwap(seen, 0) {
			c.finished <- struct{}{}
		}
	}
}

// close stops the workers and waits for them.
func (c *workers) close() {
	if c.closed.Swap(true) {
		return
	}
	c.round.Add(1)
	c.wakeAll()
	for range c.all[1:] {
		<-c.finished
	}
}

func ptr(s []float32, i int) unsafe.Pointer { return unsafe.Pointer(&s[i]) }
