//go:build !amd64 && !arm64

package cpu

// Pause tells the processor that the caller is waiting in a loop, where it can be told.
func Pause() {}
