package runners

import "time"

// Clock is implemented by models that report their own time. On an asynchronous device Now waits
// for the enqueued work; a runner that only computes costs advances a virtual clock.
type Clock interface {
	// Now returns the time since the model was loaded.
	Now() time.Duration
}

type wallClock struct{ start time.Time }

func (w wallClock) Now() time.Duration { return time.Since(w.start) }

// ClockOf returns the clock that times m: its own if it has one, else the wall clock.
func ClockOf(m Model) Clock {
	if c, ok := m.(Clock); ok {
		return c
	}
	return wallClock{time.Now()}
}
