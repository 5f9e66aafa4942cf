//go:build !linux

package cpu

import "time"

// threadClock stands in for the processor time of a thread with the time on the wall, in seconds.
type threadClock struct{ start time.Time }

func startThreadClock() threadClock { return threadClock{time.Now()} }

// stop returns the seconds since the start.
func (c threadClock) stop() float64 { return time.Since(c.start).Seconds() }
