//go:build !linux

package cpu

func mapMemory(int) ([]byte, error) { return nil, nil }
func unmapMemory([]byte)            {}
func processorName() string         { return "" }
