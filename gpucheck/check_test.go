//go:build cuda

package gpucheck

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites/result"
)

// TestDoubts checks that models are not timed with kernels that are wrong or unchecked.
func TestDoubts(t *testing.T) {
	good := Fixture{Name: "f", DType: "bf16", Kernels: "sm_90a", OK: true}
	kernel := Kernel{}
	kernel.DType, kernel.OK = "bf16", true
	of := func(change func(r *Results)) string {
		r := &Results{Accelerator: &result.Accelerator{Kernels: "sm_90a"}, Fixtures: []Fixture{good}, Kernels: []Kernel{kernel}}
		change(r)
		return r.doubts()
	}
	for name, c := range map[string]struct {
		change func(r *Results)
		want   string
	}{
		"all is well":     {func(*Results) {}, ""},
		"a wrong fixture": {func(r *Results) { r.Fixtures[0].OK = false }, "1 of 2 checks of bf16 failed"},
		"a wrong fixture by cuBLAS": {func(r *Results) {
			r.Fixtures = append(r.Fixtures, Fixture{DType: "bf16", Kernels: cuda.TierCUBLAS})
		}, "1 of 3 checks of bf16 failed"},
		"a fixture by cuBLAS alone": {func(r *Results) { r.Fixtures[0].Kernels = cuda.TierCUBLAS }, "bf16 was not checked"},
		"a wrong kernel":            {func(r *Results) { r.Kernels[0].OK = false }, "1 of 2 checks of bf16 failed"},
		"no fixtures":               {func(r *Results) { r.Fixtures = nil }, "bf16 was not checked"},
		"no kernels":                {func(r *Results) { r.Kernels = nil }, "bf16 was not checked"},
		"fixtures of other kernels": {func(r *Results) { r.Fixtures[0].Kernels = "sm_80" }, "bf16 was not checked"},
		"a wrong fixture of f32": {func(r *Results) {
			r.Fixtures = append(r.Fixtures, Fixture{DType: "f32", Kernels: "sm_90a"})
		}, ""},
	} {
		if got := of(c.change); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// overdue is a context whose deadline the test triggers.
type overdue struct {
	context.Context
	done chan struct{}
}

func (o overdue) Done() <-chan struct{} { return o.done }

func (o overdue) Err() error {
	select {
	case <-o.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestRunLines checks that a program that runs too long is interrupted, and that its output is
// kept.
func TestRunLines(t *testing.T) {
	ctx := overdue{t.Context(), make(chan struct{})}
	var got []string
	err := runLines(ctx, io.Discard, nil, nil, func(b []byte) error {
		if got = append(got, string(b)); len(got) == 2 {
			close(ctx.done)
		}
		return nil
	}, "sh", "-c", "echo one; echo two; exec sleep 600")
	if err == nil || !strings.HasPrefix(err.Error(), "cut off after") || strings.Join(got, " ") != "one two" {
		t.Errorf("%q: %v", got, err)
	}
	want := errors.New("no such line")
	if err := runLines(t.Context(), io.Discard, nil, nil, func([]byte) error { return want }, "echo", "one"); !errors.Is(err, want) {
		t.Errorf("a rejected line: %v", err)
	}
}

// TestPeers runs the script if PYTHON has PyTorch. Without a GPU, PyTorch uses the CPU.
func TestPeers(t *testing.T) {
	python := cmp.Or(os.Getenv("PYTHON"), "python3")
	if out, err := exec.Command(python, "-c", "import torch").CombinedOutput(); err != nil {
		t.Skipf("UNTESTED here: the kernels against PyTorch: %s has no PyTorch (PYTHON selects another Python)\n%s", python, out)
	}
	r := &Results{Small: true, Accelerator: &result.Accelerator{}}
	for _, d := range []runners.DType{runners.BF16, runners.F32} {
		err := cuda.Bench(t.Context(), runners.Options{Weights: d}, true, func(int) bool { return true }, func(m cuda.Measurement) {
			r.Kernels = append(r.Kernels, Kernel{Measurement: m})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.dir, r.log = t.TempDir(), os.Stderr
	r.peers(t.Context(), 5*time.Minute, python)
	if r.NoPeers != "" || r.Torch == "" {
		t.Fatalf("no peers: %s", r.NoPeers)
	}
	for _, k := range r.Kernels {
		compared := 0
		for _, p := range k.Peers {
			t.Logf("%s %s %v: %s %g ms, %s", k.Kernel, k.DType, k.Shape, p.Name, p.Millis, p.Why)
			if p.Error == nil {
				continue
			}
			compared++
			// Both results are rounded, and PyTorch's SwiGLU also rounds an intermediate result.
			if !(*p.Error <= 3*k.Tolerance) {
				t.Errorf("%s %s %v differs from %s by %g, tolerance %g", k.Kernel, k.DType, k.Shape, p.Name, *p.Error, k.Tolerance)
			}
		}
		if compared == 0 && (k.Kernel != "retain" || len(k.Peers) == 0) { // its peer is not part of PyTorch
			t.Errorf("%s %s %v was not compared: %+v", k.Kernel, k.DType, k.Shape, k.Peers)
		}
	}
}

// TestWrongIsNotTimed checks that the table shows no speed for a kernel that failed its check.
func TestWrongIsNotTimed(t *testing.T) {
	r := Results{Accelerator: &result.Accelerator{Name: "a GPU"}}
	r.Kernels = append(r.Kernels, Kernel{})
	r.Kernels[0].Kernel, r.Kernels[0].Millis = "gemm", []float64{3.25}
	var b strings.Builder
	if err := r.markdown(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "wrong: not timed") || strings.Contains(b.String(), "3.25") || r.failures() != 1 {
		t.Errorf("failures %d:\n%s", r.failures(), b.String())
	}
}

// TestAttention checks that the Transformer's prefill is shown with the attention of the fastest
// peer that computes the same, and that the report says so if there is none.
func TestAttention(t *testing.T) {
	cfg, err := runners.Preset("transformer-3b")
	if err != nil {
		t.Fatal(err)
	}
	const n = 64 << 10
	row := func(pos0 int, ms float64, peers ...Peer) Kernel {
		k := Kernel{Peers: peers}
		k.Kernel, k.DType, k.OK, k.Millis, k.Tolerance = "attend_prefill", "bf16", true, []float64{ms}, .01
		k.Shape = map[string]int{"rows": cuda.PrefillChunk, "pos0": pos0}
		k.FLOPs = 4 * 3072 * runners.CausalKeys(cuda.PrefillChunk, pos0)
		return k
	}
	good, bad := .001, .5
	prefill := func(model string, a runners.Arch, seconds float64) result.Record {
		return result.Record{Task: "prefill", Model: model, Arch: string(a), Params: map[string]any{"length": float64(n)},
			Metrics: map[string]result.Metric{"ttft": {Value: seconds}}}
	}
	r := Results{Accelerator: &result.Accelerator{Name: "a GPU"}, EndToEnd: &result.Journal{Records: []result.Record{
		prefill("yoco-gret-3b", runners.YOCOGatedRetention, .5), prefill("transformer-3b", runners.Transformer, 4)}}}
	table := func() string {
		var b strings.Builder
		if err := r.markdown(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if out := table(); !strings.Contains(out, "No peer's attention was measured") || !strings.Contains(out, "| 64Ki | yoco-gret-3b | 0.5 | 4 | 8 |  |  |") {
		t.Errorf("without peers:\n%s", out)
	}
	r.Kernels = []Kernel{
		row(0, 10, Peer{Name: "flash", Millis: 5, Error: &good}, Peer{Name: "wrong", Millis: 1, Error: &bad}, Peer{Name: "unchecked", Millis: 1}),
		row(496<<10, 100, Peer{Name: "cudnn", Millis: 80, Error: &good}, Peer{Name: "slow", Millis: 300, Error: &good}),
	}
	start, after := r.Kernels[0].FLOPs, r.Kernels[1].FLOPs
	work := 4 * 3072.0 * float64(len(cfg.Layers))
	want := 4 - work*runners.CausalKeys(cuda.PrefillChunk, 0)/start*.005 - work*runners.CausalKeys(n-cuda.PrefillChunk, cuda.PrefillChunk)/after*.020
	out := table()
	m := regexp.MustCompile(`\| 64Ki \| yoco-gret-3b \| 0.5 \| 4 \| 8 \| ([0-9.]+) \|`).FindStringSubmatch(out)
	if m == nil || !strings.Contains(out, "flash for the first 16Ki tokens (2.00 times ours), cudnn for the later ones (1.25 times)") {
		t.Fatalf("%s", out)
	}
	var got float64
	if err := json.Unmarshal([]byte(m[1]), &got); err != nil || !(math.Abs(got-want) <= .001*want) {
		t.Errorf("%g s with the best attention, want %g", got, want)
	}
}
