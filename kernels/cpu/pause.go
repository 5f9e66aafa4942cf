//go:build amd64 || arm64

package cpu

// Pause hints to the CPU that the caller is polling in a loop: the sibling hyperthread gets the
// execution units, and leaving the loop is not mispredicted.
func Pause()
