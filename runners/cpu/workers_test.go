package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A job is over when run returns, however the workers are delayed: every task
// of it is done and none of the job before is still running. More workers than
// processors, and a neighbour that takes them, so that workers are stopped
// anywhere.
func TestCrewRunsWholeJobs(t *testing.T) {
	length := 3 * time.Second
	if testing.Short() {
		length = time.Second
	}
	var stop atomic.Bool
	defer stop.Store(true)
	for range runtime.GOMAXPROCS(runtime.NumCPU() * 4) {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	defer runtime.GOMAXPROCS(runtime.NumCPU())
	for _, threads := range []int{1, 2, 5} {
		c := newCrew(nil, threads)
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
