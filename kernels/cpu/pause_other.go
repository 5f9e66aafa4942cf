//go:build !amd64 && !arm64

package cpu

// Pause hints to the CPU that the caller is polling in a loop, if the CPU has such a hint.
func Pause() {}
