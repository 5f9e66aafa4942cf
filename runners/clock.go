package runners

import "time"

// Clock is the capability of a model to report its own time. A device that works
// asynchronously waits for what was enqueued; a runner that computes advances a
// clock of its own instead of working.
type Clock interface {
	// Now is the time since the model was loaded.
	Now() time.Duration
}

type wallClock struct{ start time.Time }

func (w wallClock) Now() time.Duration { return time.Since(w.start) }

// ClockOf is the clock by which everything about m is timed.
func ClockOf(m Model) Clock {
	if c, ok := m.(Clock); ok {
		return c
	}
	return wallClock{time.Now()}
}
