//go:build !linux

package cpu

import "time"

// threadClock approximates the CPU time of a thread by the wall-clock time, in seconds.
type threadClock struct{ start time.Time }

func startThreadClock() threadClock { return threadClock{time.Now()} }

// stop returns the seconds since the start.
func (c threadClock) stop() float64 { return time.Since(c.start).Seconds() }
