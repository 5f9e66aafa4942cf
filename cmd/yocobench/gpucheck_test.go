//go:build cuda

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/gpucheck"
	"github.com/yocobench/yocobench/internal/testenv"
)

// losingParts is a script that replaces the parts. The second kernel loses the GPU until the file
// $FIXED exists.
const losingParts = `
from=0; to=0
while [ $# -gt 0 ]; do case "$1" in --part) part=$2;; --from) from=$2;; --to) to=$2;; --dtype) type=$2;; esac; shift; done
kernel() { echo '{"kernel":{"kernel":"'$1'","dtype":"'$type'","shape":{"rows":1},"ok":true,"ms":[1.5]}}'; }
[ $part = kernels ] || exit 0
[ $to = 0 ] && to=3
while [ $from -lt $to ]; do
	case $from in
	0) kernel gemm;;
	1) if [ -e "$FIXED" ]; then kernel swiglu
		elif [ "$CUDA_LAUNCH_BLOCKING" = 1 ]; then echo "error: the device is lost: the kernel gemm_glu" >&2; exit 5
		else echo "error: the device is lost: one of the kernels" >&2; exit 5; fi;;
	2) kernel retain;;
	esac
	from=$((from+1))
done
`

// TestCUDACheckLost checks an item that loses the GPU. It is run again with synchronous launches,
// which identify the kernel. A new process measures the other items, and a call with --resume tries
// the item again.
func TestCUDACheckLost(t *testing.T) {
	parts(t, losingParts)
	dir := t.TempDir()
	fixed := filepath.Join(dir, "fixed")
	t.Setenv("FIXED", fixed)
	out := filepath.Join(dir, "out")
	args := []string{"gpu-check", "--small", "--parts", "kernels", "--out", out, "--fixtures", "../../testdata/golden"}
	results := func() (r gpucheck.Results) {
		files, _ := filepath.Glob(filepath.Join(out, "gpu-*.json"))
		b, err := os.ReadFile(files[0])
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	names := func(r gpucheck.Results) string {
		var s []string
		for _, k := range r.Kernels {
			s = append(s, k.Kernel+" "+k.DType)
		}
		return strings.Join(s, ", ")
	}
	program(t, exitFailed, args...)
	r := results()
	if got := names(r); got != "gemm bf16, retain bf16, gemm f32, retain f32" {
		t.Errorf("measured: %s", got)
	}
	if len(r.Problems) != 2 || !strings.Contains(r.Problems[0].String(), "kernels bf16, number 2: exit status 5: the device is lost: one of the kernels. With synchronous launches: exit status 5: the device is lost: the kernel gemm_glu") {
		t.Errorf("problems: %q", r.Problems)
	}
	if err := os.WriteFile(fixed, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	program(t, exitOK, append(args, "--resume", out)...)
	r = results()
	if got := names(r); got != "gemm bf16, retain bf16, gemm f32, retain f32, swiglu bf16, swiglu f32" || len(r.Problems) != 0 {
		t.Errorf("resumed: %s, problems %q", got, r.Problems)
	}
}

// TestCUDACheckModelsLost checks a case of the models that loses the GPU: the other cases are
// measured, the kernel is named, and --resume measures the case.
func TestCUDACheckModelsLost(t *testing.T) {
	a := onSimulator(t)
	parts(t, "")
	dir := t.TempDir()
	r := &gpucheck.Results{Accelerator: a, Small: true, Start: time.Now(), Next: map[string]int{"fixtures": 1, "kernels bf16": 1},
		Fixtures: []gpucheck.Fixture{{Name: "f", DType: "bf16", Kernels: a.Kernels, OK: true}}, Kernels: []gpucheck.Kernel{{}}}
	r.Kernels[0].OK, r.Kernels[0].DType = true, "bf16"
	if err := r.WriteIn(dir); err != nil {
		t.Fatal(err)
	}
	args := []string{"gpu-check", "--small", "--parts", "models", "--out", dir, "--resume", dir, "--budget", "1h", "--python", "no-such-python"}
	t.Setenv("YOCOSIM_FAULT", "attend_window_32")
	out := program(t, exitFailed, args...)
	if !strings.Contains(out, "With synchronous launches: exit status 5: ") || !strings.Contains(out, "the device is lost: the kernel attend_window_32: CUDA_ERROR_ILLEGAL_ADDRESS") {
		t.Errorf("the output does not name the kernel:\n%s", out)
	}
	read := func() *gpucheck.Results {
		r, err := gpucheck.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := read()
	ok := gpucheck.Settled(before.EndToEnd)
	if all := before.EndToEnd.Runs[0].Cases; ok >= all || ok < all/2 || len(before.Problems) == 0 {
		t.Errorf("%d of %d cases have a result, problems %q", ok, all, before.Problems)
	}
	t.Setenv("YOCOSIM_FAULT", "")
	program(t, exitOK, args...)
	if after := read(); gpucheck.Settled(after.EndToEnd) != after.EndToEnd.Runs[0].Cases || len(after.Problems) != 0 {
		t.Errorf("resumed: %d of %d cases, problems %q", gpucheck.Settled(after.EndToEnd), after.EndToEnd.Runs[0].Cases, after.Problems)
	}
}

// TestCUDACheckFlags checks that invalid calls fail before anything is measured.
func TestCUDACheckFlags(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--parts", "kernel"}, `unknown part "kernel"`},
		{[]string{"--parts", "peers"}, "the part peers needs the results of the part kernels"},
		{[]string{"--parts", "models"}, "the part models needs the results of the part fixtures"},
		{[]string{"--budget", "3s"}, "at least a minute"},
		{[]string{"--resume", empty, "--parts", "peaks"}, "no gpu-*.json in"},
		{[]string{"--resume", filepath.Join(empty, "none"), "--parts", "peaks"}, "no such file"},
		{[]string{"--resume", "gpucheck_test.go", "--parts", "peaks"}, "is not a result of gpu-check"},
		{[]string{"--cublas", "gpucheck_test.go"}, "cuBLAS cannot be used"},
		{[]string{"--fixtures", empty}, "no fixtures in"},
	} {
		out := program(t, exitUsage, append([]string{"gpu-check", "--small", "--out", t.TempDir(), "--fixtures", "../../testdata/golden"}, c.args...)...)
		if !strings.Contains(out, c.want) {
			t.Errorf("%q: %s", c.args, out)
		}
	}
}

// TestCUDACheckPlan checks that the plan has a line for each part, and that each takes under ten
// minutes on an H200.
func TestCUDACheckPlan(t *testing.T) {
	out := program(t, exitOK, "gpu-check", "--plan", "--fixtures", "../../testdata/golden")
	lines := regexp.MustCompile(`(?m)^yocobench-cuda gpu-check --parts (\w+)(?: --resume "\$OUT")? +# ([0-9hms.]+)`).FindAllStringSubmatch(out, -1)
	seen, last := map[string]int{}, -1
	for _, l := range lines {
		d, err := time.ParseDuration(l[2])
		if err != nil || d > 9*time.Minute || d <= 0 {
			t.Errorf("%s: %v %v", l[0], d, err)
		}
		seen[l[1]]++
		for i, p := range gpucheck.Parts {
			if p == l[1] {
				if i < last {
					t.Errorf("%s is out of order", p)
				}
				last = i
			}
		}
	}
	for _, p := range gpucheck.Parts {
		if seen[p] == 0 {
			t.Errorf("no line for %s:\n%s", p, out)
		}
	}
	if !strings.Contains(out, "h200") {
		t.Errorf("the plan does not name the GPU:\n%s", out)
	}
}

// TestCUDACheckPackagedCUBLAS checks that the cuBLAS of Python packages (which PyTorch installs) is
// used if the loader finds none.
func TestCUDACheckPackagedCUBLAS(t *testing.T) {
	var folder string
	for _, d := range filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")) {
		if _, err := os.Stat(filepath.Join(d, "libcublas.so.12")); err == nil {
			folder = d
		}
	}
	if folder == "" {
		testenv.Missing(t, "needs the simulated cuBLAS (make cuda-test): no folder of LD_LIBRARY_PATH has it")
	}
	bare, site := t.TempDir(), t.TempDir()
	lib := filepath.Join(site, "nvidia", "cublas", "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"libcuda.so.1": filepath.Join(bare, "libcuda.so.1"), "libcublas.so.12": filepath.Join(lib, "libcublas.so.12")} {
		b, err := os.ReadFile(filepath.Join(folder, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{site: "cuBLAS 12.0.0", "": ""} {
		out := t.TempDir()
		c := child(t, []string{"LD_LIBRARY_PATH=" + bare, "PYTHONPATH=" + path, "OUT=" + out}, "gpu-check", "--small", "--parts", "peaks")
		if log, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		r, err := gpucheck.Read(out)
		if err != nil {
			t.Fatal(err)
		}
		if r.Accelerator.CUBLAS != want || r.Peak == nil || (r.Peak.CUBLAS > 0) != (want != "") {
			t.Errorf("with %q: cuBLAS %q, peak %+v", path, r.Accelerator.CUBLAS, r.Peak)
		}
	}
}
