package cpu

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// threadClock measures the CPU time of the calling goroutine, in seconds. The goroutine is locked
// to its thread until stop.
type threadClock float64

func startThreadClock() threadClock {
	runtime.LockOSThread()
	return threadClock(threadSeconds())
}

// stop returns the seconds since the start.
func (c threadClock) stop() float64 {
	defer runtime.UnlockOSThread()
	return threadSeconds() - float64(c)
}

func threadSeconds() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has this clock
	}
	return float64(t.Sec) + float64(t.Nsec)/1e9
}
