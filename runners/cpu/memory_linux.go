package cpu

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func mapMemory(n int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil && n >= 2<<20 {
		_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) // a hint: fewer page faults and TLB misses
	}
	return b, err
}

func unmapMemory(b []byte) { _ = syscall.Munmap(b) }

// machineMemory is the memory that this process may take: what is available
// now, within the limit of its control group.
func machineMemory() int64 {
	n := int64(0)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				n = kib << 10
			}
		}
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(file); err == nil {
			if limit, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil && (n == 0 || limit < n) {
				n = limit
			}
		}
	}
	if n == 0 {
		n = fallbackMemory
	}
	return n
}

// processorName is the processor's own name.
func processorName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
