package cpu

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/runners"
)

// When run returns, every task of the job is done and no task of an earlier job is running, however
// the workers are delayed. The test uses more threads than processors, and busy goroutines that
// compete for them, so that workers are preempted at arbitrary points.
func TestWorkersRunWholeJobs(t *testing.T) {
	length := 3 * time.Second
	if testing.Short() {
		length = time.Second
	}
	var stop atomic.Bool
	defer stop.Store(true)
	procs := runtime.GOMAXPROCS(runtime.NumCPU() * 4)
	defer runtime.GOMAXPROCS(procs)
	for range procs {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	for _, threads := range []int{1, 2, 5} {
		c := newWorkers(nil, threads)
		const n = 4
		var done [n]int
		begin := time.Now()
		for round := 1; time.Since(begin) < length/3; round++ {
			c.run(n, func(_ *ops, _ *worker, i int) {
				if i == round%n {
					for t := time.Now(); time.Since(t) < 100*time.Microsecond; {
					}
				}
				done[i]++
			})
			for i, d := range done {
				if d != round {
					t.Fatalf("%d threads, round %d: task %d was done %d times", threads, round, i, d)
				}
			}
		}
		c.close()
	}
}

// TestReadAhead: after a step every product knows the next product's weight, of which each worker
// prefetches the beginning of its share. A prefill's products prefetch nothing.
func TestReadAhead(t *testing.T) {
	o := openTest(t, runners.Options{Threads: 3, Weights: runners.BF16})
	r := rand.New(rand.NewPCG(1, 1))
	const dim, ffn = 96, 2000
	var ws []*weight
	for _, sh := range [][2]int{{dim, dim}, {ffn, dim}, {dim, ffn}} {
		stack := []runners.Tensor{optest.Tensor(optest.Random(r, sh[0], sh[1], 1, runners.F32))}
		if sh[0] == ffn {
			stack = append(stack, stack[0])
		}
		w, err := o.Weight(stack...)
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w.(*weight))
	}
	rows := o.k.MR + 1
	x, done1 := upload(t, o, optest.Random(r, rows, dim, 1, runners.F32), 0)
	h, done2 := upload(t, o, optest.Random(r, rows, ffn, 1, runners.F32), 0)
	defer done1()
	defer done2()
	step := func(rows int) {
		o.Linear(rows, x, x, ws[0])
		o.GLU(rows, h, x, ws[1], runners.SiLU)
		o.LinearAdd(rows, x, h, ws[2])
	}
	step(1)
	step(1)
	for i, w := range ws {
		if want := ws[(i+1)%3]; w.next != want {
			t.Fatalf("after weight %d comes %p, want %p", i, w.next, want)
		}
	}
	if got := o.workers.prefetch.Load(); got != ws[0] {
		t.Fatalf("the next weight is %p, want %p", got, ws[0])
	}
	step(rows)
	if err := o.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := o.workers.prefetch.Load(); got != nil {
		t.Errorf("after a product of %d rows something is read ahead", rows)
	}
	o.workers.close() // from here on nothing else prefetches
	for i, w := range ws {
		for me, wk := range o.workers.all {
			wk.aheadOf = nil
			n := 0
			for o.readAhead(me, w) && n <= aheadBytes/aheadPiece {
				n++
			}
			if n > aheadBytes/aheadPiece || n == 0 && len(w.blk.data) > 6*aheadPiece {
				t.Errorf("worker %d read %d pieces of weight %d, %d bytes", me, n, i, len(w.blk.data))
			}
		}
	}
}
