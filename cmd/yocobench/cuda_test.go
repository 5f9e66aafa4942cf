//go:build cuda

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/gpucheck"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites/result"
)

// program runs the program and fails the test unless the exit code is want.
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
	for _, want := range []string{"cuda runner", "compute capability", "kernels sm_", "kernel code: ", "TFLOP/s"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not print %q:\n%s", want, out)
		}
	}
}

// child returns a command that runs this program in a new process, with env added to the test's
// environment.
func child(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("yocobench")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), path, args...)
	c.Env = append(os.Environ(), env...)
	return c
}

// onSimulator skips a test that sets faults or properties of the simulated GPU if the GPU is a real
// one. It returns the GPU.
func onSimulator(t *testing.T) *result.Accelerator {
	t.Helper()
	a, err := cudaAccelerator("")
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "cudasim" {
		testenv.Missing(t, "needs the simulated GPU (make cuda-test), but this is %s", a.Name)
	}
	return a
}

// TestCUDADevices checks the output of doctor for supported GPUs, for one that is too old, and for
// a driver library that cannot be loaded.
func TestCUDADevices(t *testing.T) {
	onSimulator(t)
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "libcuda.so.1"), []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ env, want string }{
		{"YOCOSIM_SM=75", `"no_cuda_runner": "unsupported: cudasim has compute capability 7.5, and the kernels need 8.0"`},
		{"YOCOSIM_SM=86", `"kernels_reason": "runs on compute capability 8.6"`},
		{"YOCOSIM_SM=90", `"kernels": "sm_90a"`},
		{"YOCOSIM_SM=120", `"kernels_reason": "runs on compute capability 12.0"`},
		{"YOCOSIM_SM=99", `"no_cuda_runner": "the NVIDIA driver finds no GPU"`},
		{"LD_LIBRARY_PATH=" + broken, `"no_cuda_runner": "no NVIDIA driver: ` + broken + `/libcuda.so.1: file too short"`},
	} {
		out, err := child(t, []string{c.env}, "doctor", "--format", "json").CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: doctor does not print %s: %v\n%s", c.env, c.want, err, out)
		}
	}
	out, err := child(t, []string{"YOCOSIM_SM=75"}, "run", "smoke", "--runner", "cuda", "--out", filepath.Join(t.TempDir(), "run")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "compute capability 7.5") {
		t.Errorf("a run on a GPU that is too old: %v\n%s", err, out)
	}
}

// TestCUDAAnswers runs needle, nll and kv on tiny models, interrupts the run and resumes it.
// Answers and losses must equal those of the cpu runner.
func TestCUDAAnswers(t *testing.T) {
	dir := t.TempDir()
	suite := filepath.Join(dir, "suite.yaml")
	if err := os.WriteFile(suite, []byte(`name: answers
seed: 1
models: [tiny-yoco-gret, tiny-yoco-swa, tiny-transformer]
tasks:
  - kv: {lengths: [64]}
  - needle: {lengths: [256], depths: [0.5], trials: 1}
  - nll: {length: 96, documents: 1, lengths: [64, 96]}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	gpu, cpu := filepath.Join(dir, "gpu"), filepath.Join(dir, "cpu")
	c := child(t, nil, "run", suite, "--runner", "cuda", "--out", gpu, "--quiet", "--reports", "csv")
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		if j, err := readRun(gpu); err == nil && len(j.Records) > 0 {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("ended without a record: %v\n%s", err, log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; c.ProcessState.ExitCode() != exitInterrupted {
		t.Fatalf("interrupted: %v\n%s", err, log.String())
	}
	before, err := readRun(gpu)
	if err != nil || len(before.Records) == 0 || len(before.Records) >= 9 {
		t.Fatalf("%d records before the interrupt: %v", len(before.Records), err)
	}
	program(t, exitOK, "run", "--resume", gpu, "--quiet", "--reports", "csv")
	program(t, exitOK, "run", suite, "--runner", "cpu", "--tier", "go", "--out", cpu, "--quiet", "--reports", "csv")
	ours, err := readRun(gpu)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := readRun(cpu)
	if err != nil {
		t.Fatal(err)
	}
	if len(ours.Records) != 9 || len(theirs.Records) != 9 || len(ours.Runs) != 2 {
		t.Fatalf("%d records of %d runs by cuda, %d by cpu", len(ours.Records), len(ours.Runs), len(theirs.Records))
	}
	of := map[string]result.Record{}
	for _, r := range theirs.Records {
		of[r.Model+r.Label] = r
	}
	for _, r := range ours.Records {
		want, ok := of[r.Model+r.Label]
		if !ok || r.Status != result.OK || want.Status != result.OK {
			t.Errorf("%s %s: %s by cuda, %s by cpu: %s", r.Model, r.Label, r.Status, want.Status, r.Reason)
			continue
		}
		for i, x := range r.Trials {
			if y := want.Trials[i]; x.Question != y.Question || x.Answer != y.Answer || !(math.Abs(x.LogProb-y.LogProb) <= 1e-2) {
				t.Errorf("%s %s: %q answers %q (%g) by cuda, %q (%g) by cpu", r.Model, r.Label, x.Question, x.Answer, x.LogProb, y.Answer, y.LogProb)
			}
		}
		if r.Task == "needle" && len(r.Trials) == 0 {
			t.Errorf("%s %s: no trials", r.Model, r.Label)
		}
		if r.Task != "nll" {
			continue
		}
		compared := 0
		for name, m := range r.Metrics {
			if !strings.HasPrefix(name, "nll") {
				continue
			}
			compared++
			if y := want.Metrics[name].Value; !(math.Abs(m.Value-y) <= 1e-3) {
				t.Errorf("%s: %s is %g by cuda, %g by cpu", r.Model, name, m.Value, y)
			}
		}
		if compared == 0 {
			t.Errorf("%s: no losses among %v", r.Model, r.Metrics)
		}
	}
}

// TestCUDAPaper measures the paper's suite at a small scale: one token for each 2 Ki of its
// lengths, and tiny models under the names of the large ones. The report must show each published
// figure of these lengths next to the measured one, and must not call any figure computed.
func TestCUDAPaper(t *testing.T) {
	b, err := os.ReadFile("../../suites/paper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	resized := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = regexp.MustCompile(`\b\d+(Ki|Mi)\b`).ReplaceAllStringFunc(line, func(n string) string {
			v, _ := strconv.Atoi(n[:len(n)-2])
			return strconv.Itoa(v << map[string]int{"Ki": 10, "Mi": 20}[n[len(n)-2:]] >> 11)
		})
		for name, model := range map[string]string{"yoco-gret-3b": "tiny-yoco-gret", "yoco-swa-3b": "tiny-yoco-swa", "transformer-3b": "tiny-transformer"} {
			switch {
			case strings.TrimSpace(line) == "- "+name:
				line = fmt.Sprintf("  - {name: %s, model: %s}\n", name, model)
				resized++
			case strings.Contains(line, "- {model: "+name+","):
				line = strings.Replace(line, "{model: "+name, fmt.Sprintf("{name: %s, model: %s", name, model), 1)
				resized++
			}
		}
		text.WriteString(line)
	}
	if resized != 3 {
		t.Fatalf("%d of 3 models are resized: the others would take tens of gigabytes", resized)
	}
	dir := t.TempDir()
	suite, out := filepath.Join(dir, "paper.yaml"), filepath.Join(dir, "run")
	if err := os.WriteFile(suite, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	program(t, exitOK, "run", suite, "--runner", "cuda", "--out", out, "--reports", "md", "--quiet", "--filter", "model=*t-3b,length<=32", "--filter", "model=transformer-3b,length<=32", "--filter", "model=*t-3b,depth<=16", "--filter", "model=transformer-3b,depth<=16",
		"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0", "--set", "tasks.throughput.warmup=0", "--set", "tasks.throughput.samples=1",
		"--set", "tasks.throughput.generate=2", "--set", "tasks.throughput.memory=6200Ki")
	md, err := os.ReadFile(filepath.Join(out, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(md), "## Comparison with published figures")
	table, _, _ = strings.Cut(table, "## Environment")
	for _, row := range []string{`total, transformer-3b / yoco-gret-3b @ 16 \\\[1\\\] \| [0-9.]+x \| 1.95x \|`, `total, transformer-3b / yoco-gret-3b @ 32 \\\[1\\\] \| [0-9.]+x \| 2.32x \|`,
		`ttft, transformer-3b / yoco-gret-3b @ 32 \| [0-9.]+x \| 5.05x \|`, `e2e\\_tps, yoco-gret-3b / transformer-3b @ 16, batch max \| [0-9.]+x \| 2.72x \|`} {
		if !regexp.MustCompile(row).MatchString(table) {
			t.Errorf("no row %s in\n%s", row, table)
		}
	}
	if strings.Contains(table, "are computed") {
		t.Errorf("measured figures are reported as computed:\n%s", table)
	}
	j, err := readRun(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range j.Records {
		if r.Status != result.OK || r.Source != result.Measured {
			t.Errorf("%s %s: %s %s %s", r.Model, r.Label, r.Source, r.Status, r.Reason)
		}
	}
}

// TestCUDARefusals checks that cases that exceed the memory have the status oom, and that cases
// that exceed the time are skipped.
func TestCUDARefusals(t *testing.T) {
	for _, c := range []struct {
		flags []string
		want  result.Status
	}{{[]string{"--memory", "4Mi"}, result.OOM}, {[]string{"--budget", "1ms"}, result.Skipped}} {
		dir := filepath.Join(t.TempDir(), "run")
		args := []string{"run", "smoke", "--runner", "cuda", "--out", dir, "--quiet", "--reports", "csv", "--filter", "task=kv,length<=256,model=tiny-yoco-swa"}
		program(t, exitFailed, append(args, c.flags...)...) // no case has a result
		j, err := readRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(j.Records) != 1 || j.Records[0].Status != c.want || j.Records[0].Reason == "" {
			t.Errorf("%v: %+v", c.flags, j.Records)
		}
	}
}

// TestCUDARun measures memory, prefill and throughput of a tiny model. The records must be
// measured, and the header must name the GPU.
func TestCUDARun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	program(t, exitOK, "run", "smoke", "--runner", "cuda", "--tier", "sm_80", "--out", dir, "--quiet", "--reports", "md",
		"--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256,model=tiny-yoco-*", "--filter", "task=throughput,model=tiny-yoco-gret",
		"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0", "--set", "tasks.throughput.generate=4", "--set", "tasks.throughput.samples=1")
	j, err := readRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	if a := j.Runs[0].Env.Accelerator; a == nil || a.Name == "" || a.Kernels != "sm_80" {
		t.Errorf("the header does not name the GPU and the requested kernels: %+v", a)
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

// runSmallCheck runs gpu-check at small sizes, with the parts in processes of this program. It
// returns the results and the output.
func runSmallCheck(t *testing.T, want int, args ...string) (r gpucheck.Results, out string) {
	t.Helper()
	dir := t.TempDir()
	out = program(t, want, append([]string{"gpu-check", "--small", "--out", dir, "--fixtures", "../../testdata/golden", "--budget", "1h"}, args...)...)
	files, _ := filepath.Glob(filepath.Join(dir, "gpu-*.json"))
	if len(files) != 1 {
		t.Fatalf("files: %v\n%s", files, out)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if md, err := os.ReadFile(strings.TrimSuffix(files[0], "json") + "md"); err != nil || !strings.Contains(out, string(md)) {
		t.Errorf("the table in the file differs from the printed one: %v", err)
	}
	return r, out
}

// parts makes gpu-check run its parts with a shell script, or with this program if script is empty.
// The script receives the arguments of the part.
func parts(t *testing.T, script string) {
	t.Helper()
	path, err := exec.LookPath("yocobench")
	if script != "" {
		path = filepath.Join(t.TempDir(), "parts")
		err = os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	old := self
	self = func() (string, error) { return path, nil }
	t.Cleanup(func() { self = old })
}

// TestCUDACheck runs a small gpu-check that is killed after each part and resumed. No result may be
// lost or measured twice.
func TestCUDACheck(t *testing.T) {
	dir := t.TempDir()
	read := func() (r gpucheck.Results) {
		files, _ := filepath.Glob(filepath.Join(dir, "gpu-*.json"))
		if len(files) != 1 {
			return r
		}
		if b, err := os.ReadFile(files[0]); err != nil || json.Unmarshal(b, &r) != nil {
			t.Fatalf("%s cannot be read: %v", files[0], err)
		}
		return r
	}
	args := []string{"gpu-check", "--small", "--out", dir, "--fixtures", "../../testdata/golden", "--budget", "1h", "--python", "no-such-python"}
	for i, part := range []string{"fixtures", "peaks", "kernels"} {
		c := child(t, nil, args...)
		var log bytes.Buffer
		c.Stdout, c.Stderr = &log, &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for len(read().Done) <= i {
			time.Sleep(20 * time.Millisecond)
			if c.ProcessState != nil || t.Context().Err() != nil {
				t.Fatalf("%s: ended\n%s", part, log.String())
			}
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		if got := read().Done; !slices.Contains(got, part) {
			t.Fatalf("done %q, killed after %s\n%s", got, part, log.String())
		}
		if i == 0 {
			args = append(args, "--resume", dir)
		}
	}
	before := read()
	parts(t, "")
	out := program(t, exitOK, args...)
	r := read()
	if !reflect.DeepEqual(before.Fixtures, r.Fixtures) || !reflect.DeepEqual(before.Kernels[:10], r.Kernels[:10]) || before.Start != r.Start {
		t.Errorf("results measured before the kill changed on resuming")
	}
	seen := map[string]bool{}
	for _, k := range r.Kernels {
		key := fmt.Sprint(k.Kernel, k.DType, k.Shape)
		if seen[key] {
			t.Errorf("%s was measured twice", key)
		}
		seen[key] = true
	}
	if len(r.Kernels) < 20 || len(r.Fixtures) < 2 || r.Peak == nil || r.EndToEnd == nil || len(r.EndToEnd.Records) < 3 || r.NoEndToEnd != "" || len(r.Problems) > 0 || r.NoPeers == "" {
		t.Errorf("%d kernels, %d fixtures, end to end %v %q, problems %q, no peers %q", len(r.Kernels), len(r.Fixtures), r.EndToEnd, r.NoEndToEnd, r.Problems, r.NoPeers)
	}
	for _, k := range r.Kernels {
		if !k.OK || k.Checked == 0 || len(k.Millis) == 0 {
			t.Errorf("%s %s %v: ok %t, %d checked, error %g of %g, %d times", k.Kernel, k.DType, k.Shape, k.OK, k.Checked, k.Error, k.Tolerance, len(k.Millis))
		}
	}
	tiers := map[string]int{}
	for _, f := range r.Fixtures {
		if tiers[f.Kernels]++; !f.OK || f.Note != "" {
			t.Errorf("%s %s %s: ok %t %s", f.Name, f.DType, f.Kernels, f.OK, f.Note)
		}
	}
	if _, err := cuda.CUBLAS(); err == nil && tiers[cuda.TierCUBLAS] != 2 || tiers["sm_80"] != 2 {
		t.Errorf("fixtures by kernels: %v", tiers)
	}
	for _, want := range []string{"for testing", "## Kernels", "attend_prefill", "Peers missing", "#### Memory in total"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "![") {
		t.Error("the table refers to pictures that do not exist")
	}
}

// brokenParts is a script that replaces the parts. The second and the third kernel end their
// process.
const brokenParts = `
from=0; part=$1
while [ $# -gt 0 ]; do case "$1" in --part) part=$2;; --from) from=$2;; --dtype) type=$2;; esac; shift; done
case $part in
fixtures) echo '{"fixture":{"name":"f","dtype":"bf16","kernels":"'$KERNELS'","ok":true}}';;
peaks) echo "error: no peak today" >&2; exit 1;;
kernels)
	case $from in
	0) echo '{"kernel":{"kernel":"gemm","dtype":"'$type'","shape":{"rows":1},"ok":true,"ms":[1.5]}}'
		echo "error: gemm 2: an illegal memory access" >&2; exit 1;;
	2) kill -9 $$;;
	*) echo '{"kernel":{"kernel":"retain","dtype":"'$type'","shape":{"rows":1},"ok":true,"ms":[2.5]}}';;
	esac;;
run) exit 130;;
esac
`

// TestCUDACheckLosesNothing checks that a part that dies loses only its own results and counts as a
// failure.
func TestCUDACheckLosesNothing(t *testing.T) {
	a, err := cudaAccelerator("")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KERNELS", a.Kernels)
	parts(t, brokenParts)
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, []byte(`#!/bin/sh
echo '{"torch":"9.9 on a stand-in"}'
echo '{"index":1,"peers":[{"name":"fla","ms":5},{"name":"other","why":"is not there"}]}'
echo "RuntimeError: device-side assert" >&2
exit 1
`), 0o755); err != nil {
		t.Fatal(err)
	}
	r, out := runSmallCheck(t, exitFailed, "--python", python)
	if len(r.Fixtures) != 1 || len(r.Kernels) != 4 || r.Kernels[1].Kernel != "retain" || r.Kernels[3].DType != "f32" {
		t.Errorf("%d fixtures and the kernels %+v", len(r.Fixtures), r.Kernels)
	}
	for i, want := range []string{"no peak today", "kernels bf16, number 2: exit status 1: gemm 2: an illegal memory access", "kernels bf16, number 3: signal: killed", "kernels f32, number 2", "kernels f32, number 3", "models: exit status 130"} {
		if i >= len(r.Problems) || !strings.Contains(r.Problems[i].String(), want) {
			t.Errorf("problem %d is not %q: %q", i, want, r.Problems)
		}
	}
	for _, want := range []string{"## Problems", "fla 5 ms (2.00); other: is not there", "PyTorch 9.9 on a stand-in", "device-side assert", "error: 6 checks failed"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}
