//go:build cuda

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// program runs the program and fails the test if it does not end as it should.
func program(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	if code := run(t.Context(), args, &out, &log); code != want {
		t.Fatalf("yocobench %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), log.String())
	}
	return out.String() + log.String()
}

func TestCUDADoctor(t *testing.T) {
	out := program(t, exitOK, "doctor")
	for _, want := range []string{"cuda runner", "compute capability", "kernels sm_", "TFLOP/s"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
}

// TestCUDARun measures memory, prefill and throughput of a tiny model: records are measured, and the header names the GPU.
func TestCUDARun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	program(t, exitOK, "run", "smoke", "--runner", "cuda", "--out", dir, "--quiet", "--reports", "md",
		"--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256,model=tiny-yoco-*", "--filter", "task=throughput,model=tiny-yoco-gret",
		"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0", "--set", "tasks.throughput.generate=4", "--set", "tasks.throughput.samples=1")
	j, err := readRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	if a := j.Runs[0].Env.Accelerator; a == nil || a.Name == "" || a.Kernels == "" {
		t.Errorf("the header does not name the GPU: %+v", a)
	}
	tasks := map[string]int{}
	for _, r := range j.Records {
		tasks[r.Task]++
		if r.Status != result.OK || r.Source != "measured" || r.Runner != "cuda" {
			t.Errorf("%s %s: %s %s by %s: %s", r.Model, r.Label, r.Status, r.Source, r.Runner, r.Reason)
		}
	}
	if tasks["kv"] != 3 || tasks["prefill"] != 2 || tasks["throughput"] < 1 {
		t.Errorf("records by task: %v", tasks)
	}
}

// TestCUDACheck rehearses gpu-check.
func TestCUDACheck(t *testing.T) {
	dir := t.TempDir()
	out := program(t, exitOK, "gpu-check", "--toy", "--out", dir, "--fixtures", "../../testdata/golden", "--python", "no-such-python")
	files, _ := filepath.Glob(filepath.Join(dir, "gpu-*.json"))
	if len(files) != 1 {
		t.Fatalf("files: %v\n%s", files, out)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var r gpuCheck
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Kernels) < 20 || len(r.Fixtures) < 2 || r.EndToEnd == nil || len(r.EndToEnd.Records) < 3 || r.NoEndToEnd != "" || r.NoPeers == "" {
		t.Errorf("%d kernels, %d fixtures, end to end %v %q, no peers %q", len(r.Kernels), len(r.Fixtures), r.EndToEnd, r.NoEndToEnd, r.NoPeers)
	}
	for _, k := range r.Kernels {
		if !k.OK || k.Checked == 0 || len(k.Millis) == 0 {
			t.Errorf("%s %s %v: ok %t, %d checked, error %g of %g, %d times", k.Kernel, k.DType, k.Shape, k.OK, k.Checked, k.Error, k.Tolerance, len(k.Millis))
		}
	}
	for _, want := range []string{"a rehearsal", "## Kernels", "attend_prefill", "No peers"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table does not say %q:\n%s", want, out)
		}
	}
}

// A kernel that failed its check has no speed in the table.
func TestCUDAWrongIsNotTimed(t *testing.T) {
	r := gpuCheck{Accelerator: &result.Accelerator{Name: "a GPU"}}
	r.Kernels = append(r.Kernels, kernelCheck{})
	r.Kernels[0].Kernel, r.Kernels[0].Millis = "gemm", []float64{3.25}
	var b strings.Builder
	if err := r.markdown(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "wrong: not timed") || strings.Contains(b.String(), "3.25") || r.failures() != 1 {
		t.Errorf("failures %d:\n%s", r.failures(), b.String())
	}
}
