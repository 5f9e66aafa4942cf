//go:build !amd64 && !arm64

package cpu

// Pause hints to the CPU that the caller is waiting in a loop, where there is such a hint.
func Pause() {}
