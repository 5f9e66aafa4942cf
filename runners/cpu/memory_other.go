//go:build !linux

package cpu

func mapMemory(int) ([]byte, error) { return nil, nil }
func unmapMemory([]byte)            {}
func machineMemory() int64          { return fallbackMemory }
func processorName() string         { return "" }
