package cpu

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// crew is the worker threads of one model. Each operation is cut into tasks
// that write disjoint outputs, so that who does which, and how many workers
// there are, changes nothing in the result.
type crew struct {
	workers []*worker // workers[0] is the caller
	o       *ops

	// The present job: fn is called with every i < count.
	fn    func(*ops, *worker, int)
	count int64
	next  atomic.Int64

	// round goes up with each job; busy is the number of other workers still at it.
	round  atomic.Uint64
	busy   atomic.Int32
	closed atomic.Bool
	// waiting is the round whose caller sleeps until the last other worker says
	// finished, 0 if none does. It names the round because a worker that ends a
	// round can be late in looking: it must not wake the caller of the next.
	waiting  atomic.Uint64
	finished chan struct{}
}

type worker struct {
	parked atomic.Bool
	wake   chan struct{}
	// scratch is this worker's own memory; a task begins with it undefined.
	scratch []float32
}

// floats cuts n values, 64-byte aligned, from the worker's scratch.
func cut(s *[]float32, n int) []float32 {
	m := (n + 15) &^ 15
	out := (*s)[:n:n]
	*s = (*s)[m:]
	return out
}

func newCrew(o *ops, threads int) *crew {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	c := &crew{o: o, finished: make(chan struct{}, threads)}
	for range threads {
		c.workers = append(c.workers, &worker{wake: make(chan struct{}, 1)})
	}
	for _, w := range c.workers[1:] {
		go c.loop(w)
	}
	return c
}

// run calls fn for every i < n, on all workers, and returns when all are done.
func (c *crew) run(n int, fn func(*ops, *worker, int)) {
	if n <= 1 || len(c.workers) == 1 {
		for i := range n {
			fn(c.o, c.workers[0], i)
		}
		return
	}
	c.fn, c.count = fn, int64(n)
	c.next.Store(0)
	c.busy.Store(int32(len(c.workers) - 1))
	round := c.round.Add(1)
	c.wakeAll()
	c.work(c.workers[0])
	for spins := 0; c.busy.Load() != 0; spins++ {
		if spins > spinsBeforePark {
			c.waiting.Store(round)
			if c.busy.Load() != 0 || !c.waiting.CompareAndSwap(round, 0) {
				<-c.finished
			}
			return
		}
		if spins > spinsBeforeYield && spins%64 == 0 {
			runtime.Gosched()
		}
	}
}

func (c *crew) work(w *worker) {
	for {
		i := c.next.Add(1) - 1
		if i >= c.count {
			return
		}
		c.fn(c.o, w, int(i))
	}
}

func (c *crew) wakeAll() {
	for _, w := range c.workers[1:] {
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// A worker without a job looks for one for some tens of microseconds, which is
// the time between two operations of a decode step, and then sleeps.
const (
	spinsBeforeYield = 200
	spinsBeforePark  = 3000
)

func (c *crew) loop(w *worker) {
	seen := uint64(0)
	for {
		for spins := 0; c.round.Load() == seen; spins++ {
			if spins > spinsBeforePark {
				w.parked.Store(true)
				if c.round.Load() == seen || !w.parked.CompareAndSwap(true, false) {
					<-w.wake
				}
				spins = 0
			} else if spins > spinsBeforeYield && spins%64 == 0 {
				runtime.Gosched()
			}
		}
		seen = c.round.Load()
		if c.closed.Load() {
			c.finished <- struct{}{}
			return
		}
		c.work(w)
		if c.busy.Add(-1) == 0 && c.waiting.CompareAndSwap(seen, 0) {
			c.finished <- struct{}{}
		}
	}
}

// close ends the workers and waits for them.
func (c *crew) close() {
	if c.closed.Swap(true) {
		return
	}
	c.round.Add(1)
	c.wakeAll()
	for range c.workers[1:] {
		<-c.finished
	}
}

func ptr(s []float32, i int) unsafe.Pointer { return unsafe.Pointer(&s[i]) }
