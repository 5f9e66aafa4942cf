//go:build cuda

package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestCUDALost checks that a failing kernel ends the run with its own exit code. The results so far
// remain, and resuming measures the rest.
func TestCUDALost(t *testing.T) {
	onSimulator(t)
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"run", "smoke", "--runner", "cuda", "--out", dir, "--quiet", "--reports", "csv", "--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256",
		"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0"}
	out, err := child(t, []string{"YOCOSIM_FAULT=attend_window_32"}, args...).CombinedOutput()
	if e := (*exec.ExitError)(nil); !errors.As(err, &e) || e.ExitCode() != exitDeviceLost {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"the device is lost", "attend_window_32", "CUDA_ERROR_ILLEGAL_ADDRESS", "run --resume " + dir} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	status := func() map[result.Status]int {
		j, err := readRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := map[result.Status]int{}
		for _, r := range j.Records {
			n[r.Status]++
		}
		return n
	}
	before := status()
	if before[result.OK] == 0 || before[result.Failed] != 1 {
		t.Errorf("records by status: %v", before)
	}
	program(t, exitOK, "run", "--resume", dir, "--quiet", "--reports", "csv")
	if after := status(); after[result.OK] <= before[result.OK] || after[result.Failed] != 0 {
		t.Errorf("resumed, records by status: %v", after)
	}
}

// TestCUDAExclusive checks that ab fails on a GPU that accepts only one process, and that doctor
// reports driver settings that affect times.
func TestCUDAExclusive(t *testing.T) {
	onSimulator(t)
	out, err := child(t, []string{"YOCOSIM_COMPUTE_MODE=3", "CUDA_CACHE_DISABLE=1"}, "ab", "ci", "--base", "main", "--set", "runner=cuda", "--out", filepath.Join(t.TempDir(), "ab")).CombinedOutput()
	if e := (*exec.ExitError)(nil); !errors.As(err, &e) || e.ExitCode() != exitUsage || !strings.Contains(string(out), "EXCLUSIVE_PROCESS") {
		t.Errorf("ab: %v\n%s", err, out)
	}
	out, err = child(t, []string{"CUDA_CACHE_DISABLE=1"}, "doctor").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "CUDA_CACHE_DISABLE=1") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
}
