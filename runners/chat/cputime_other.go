//go:build !unix

package chat

import "time"

// cpuTime returns the time since this process started, which is an upper bound of one thread's CPU
// time.
func cpuTime() time.Duration { return time.Since(start) }
