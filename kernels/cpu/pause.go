//go:build amd64 || arm64

package cpu

// Pause hints to the CPU that the caller is waiting in a loop: its sibling
// thread gets the units meanwhile, and leaving the loop is not mispredicted.
func Pause()
