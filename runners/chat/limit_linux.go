//go:build linux && !race

package chat

import (
	"fmt"
	"os"
	"syscall"
)

// limitMemory makes the kernel refuse more than about maxMemory on top of what the process has
// mapped, and a refused allocation ends the process. A large allocation can delay the polling in
// watch for seconds.
func limitMemory() error {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return nil // no /proc: watch enforces the limit
	}
	var size, resident, shared, text, lib, data uint64 // in pages
	if _, err := fmt.Sscan(string(b), &size, &resident, &shared, &text, &lib, &data); err != nil {
		return fmt.Errorf("/proc/self/statm: %w", err)
	}
	limit := data*uint64(os.Getpagesize()) + 2*maxMemory
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: limit, Max: limit})
}
