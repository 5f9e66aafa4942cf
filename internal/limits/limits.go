// Package limits reports the memory and the CPUs that this process may use. On Linux it reads the
// limits of the process's control groups (version 1 and 2), from its group up to the root, because
// the smallest of them applies; the resource limits (ulimit); and the resources of the machine. On
// other systems nothing is known.
package limits

import (
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Memory describes the memory that the process may still allocate.
type Memory struct {
	// Left is the number of bytes left. It is unknown if By is empty.
	Left int64 `json:"left"`
	// Limit is the tightest limit in bytes, 0 if the machine's free memory is the limit.
	Limit int64 `json:"limit,omitempty"`
	// By names the source of the limit: "the machine", a control group's file, or a resource limit.
	By string `json:"by,omitempty"`
}

// Hard reports whether allocating more than Left fails or ends the process, instead of taking
// memory from other processes.
func (m Memory) Hard() bool { return m.Limit > 0 }

// CPUs describes the CPUs that the process may use.
type CPUs struct {
	// Count is at least 1.
	Count int `json:"count"`
	// Quota is the CPU time per unit of time that a control group allows; 0 means no limit.
	Quota float64 `json:"quota,omitempty"`
	// By names the control group's file that sets Quota.
	By string `json:"by,omitempty"`
}

// ReadMemory reads the memory that is left.
func ReadMemory() Memory { return memory(os.DirFS("/")) }

// ReadCPUs reads the CPUs to use: those of the affinity mask and of GOMAXPROCS, within the quota. A
// fraction of a CPU does not count, because a thread on it is stopped repeatedly.
func ReadCPUs() CPUs {
	return cpus(os.DirFS("/"), min(runtime.NumCPU(), max(1, runtime.GOMAXPROCS(0))))
}

func cpus(root fs.FS, most int) CPUs {
	c := CPUs{Count: most}
	for _, g := range groups(root) {
		for _, dir := range g.path() {
			if q := g.quota(root, dir); q > 0 && (c.By == "" || q < c.Quota) {
				c.Quota, c.By = q, "/"+dir+"/"+g.quotaFile()
			}
		}
	}
	if c.By != "" {
		c.Count = min(most, int(max(1, min(c.Quota, math.MaxInt32))))
	}
	return c
}

func memory(root fs.FS) (m Memory) {
	offer := func(left, limit int64, by string) {
		if left = max(0, left); m.By == "" || left < m.Left {
			m = Memory{left, limit, by}
		}
	}
	if n, ok := field(read(root, "proc/meminfo"), "MemAvailable"); ok {
		offer(n, 0, "the machine")
	}
	for _, g := range groups(root) {
		for _, dir := range g.path() {
			if limit, ok := g.memoryLimit(root, dir); ok {
				offer(limit-g.memoryUsed(root, dir), limit, "/"+dir)
			}
		}
	}
	status, text := read(root, "proc/self/status"), read(root, "proc/self/limits")
	for _, l := range []struct{ name, used, by string }{
		{"Max address space", "VmSize", "the limit of the address space (ulimit -v)"},
		{"Max data size", "VmData", "the limit of data (ulimit -d)"},
	} {
		limit, ok := resourceLimit(text, l.name)
		if used, known := field(status, l.used); ok && known {
			offer(limit-used, limit, l.by)
		}
	}
	return m
}

// maxFile bounds the bytes read of a file.
const maxFile = 1 << 20

// read returns a file's text, or "" if it cannot be read.
func read(root fs.FS, name string) string {
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return ""
	}
	return string(b)
}

// field returns a value of a file such as /proc/meminfo, converted from kB to bytes.
func field(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(k) != name {
			continue
		}
		f := strings.Fields(v)
		if len(f) == 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64>>10 {
			return 0, false
		}
		return n << 10, true
	}
	return 0, false
}

// resourceLimit returns the soft limit in a line of /proc/self/limits, in bytes.
func resourceLimit(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return bytes(f[0])
			}
		}
	}
	return 0, false
}

// unlimited is the size from which a number means no limit: version 1 writes the largest
// page-aligned number.
const unlimited = math.MaxInt64 >> 4

// bytes parses a limit in bytes. "max", "unlimited", -1 and impossibly large numbers mean no limit.
func bytes(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil && n >= 0 && n < unlimited
}
