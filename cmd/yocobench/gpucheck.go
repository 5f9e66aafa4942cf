//go:build cuda

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "embed"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites/result"
)

// peersScript times PyTorch on the inputs of the kernels' measurements, and computes the same samples.
//
//go:embed peers.py
var peersScript string

// gpuCommands are the commands that only a build with the cuda runner has.
func gpuCommands() []*cobra.Command { return []*cobra.Command{newGPUCheck(), newGPUPart()} }

// gpuCheck is what gpu-check found, as its JSON file holds it.
type gpuCheck struct {
	Version     string              `json:"version"`
	Commit      string              `json:"commit,omitempty"`
	Start       time.Time           `json:"start"`
	Toy         bool                `json:"toy,omitempty"`
	Accelerator *result.Accelerator `json:"accelerator"`
	// Problems say what could not be done at all; a check that failed is none.
	Problems []string       `json:"problems,omitempty"`
	GFLOPS   float64        `json:"gflops"`
	GBps     float64        `json:"gbps"`
	Fixtures []fixtureCheck `json:"fixtures"`
	Kernels  []kernelCheck  `json:"kernels"`
	// NoPeers says why there is nothing of PyTorch, or not all; Torch is its version and what it ran on.
	NoPeers string `json:"no_peers,omitempty"`
	Torch   string `json:"torch,omitempty"`
	// After is the GPU's state behind the measurements of kernels.
	After *result.GPUState `json:"after,omitempty"`
	// EndToEnd is the journal of the paper's suite on this GPU, NoEndToEnd why it was left out.
	EndToEnd   *result.Journal `json:"end_to_end,omitempty"`
	NoEndToEnd string          `json:"no_end_to_end,omitempty"`
}

type fixtureCheck struct {
	Name      string  `json:"name"`
	DType     string  `json:"dtype"`
	Kernels   string  `json:"kernels"`
	Error     float64 `json:"error"`
	Tolerance float64 `json:"tolerance"`
	OK        bool    `json:"ok"`
	Note      string  `json:"note,omitempty"`
}

type kernelCheck struct {
	cuda.Measurement
	Peers []peer `json:"peers,omitempty"`
}

// peer is another implementation of the same operation.
type peer struct {
	Name string `json:"name"`
	// Millis is its median time, 0 where it could not run; Why says why not.
	Millis float64 `json:"ms"`
	Why    string  `json:"why,omitempty"`
	// Error is the largest difference of the kernel's samples from its own, over 1 + |value|; nil if it was not compared.
	Error *float64 `json:"error,omitempty"`
}

func newGPUCheck() *cobra.Command {
	var f gpuFlags
	c := &cobra.Command{
		Use:   "gpu-check",
		Short: "Check this GPU, then measure its kernels and models",
		Long: `Check the cuda runner on this machine's GPU, then measure it: the fixtures in
float32 and bfloat16; each kernel against float64 and, where a Python with
PyTorch is found, against PyTorch; then the paper's suite on the 3B models. What
fails its check is not timed, and the exit code is 1. A part that breaks costs
no other part anything. Results go to a JSON file and a Markdown table, which
are written again after each part.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.BoolVar(&f.toy, "toy", false, "toy sizes and the smoke suite, PyTorch on the processor where it finds no GPU: a rehearsal")
	fs.StringVarP(&f.out, "out", "o", filepath.Join("docs", "measurements"), "folder for the results")
	fs.StringVar(&f.fixtures, "fixtures", filepath.Join("testdata", "golden"), "folder of fixtures")
	fs.StringVar(&f.python, "python", "python3", "a Python that has PyTorch; without it there are no peers")
	fs.DurationVar(&f.budget, "budget", 15*time.Minute, "time for all of it: each part has its share, and the paper's suite what is left")
	return c
}

type gpuFlags struct {
	toy                   bool
	out, fixtures, python string
	budget                time.Duration
}

// lastSeconds are kept for stopping the suite, when its time is over, and drawing its reports.
const lastSeconds = 20 * time.Second

func (f *gpuFlags) run(ctx context.Context, stdout, log io.Writer) error {
	start := time.Now()
	if f.budget < time.Minute {
		return usagef("--budget is a minute at least, not %v", f.budget)
	}
	if dirs, err := filepath.Glob(filepath.Join(f.fixtures, "*", "config.json")); err != nil || len(dirs) == 0 {
		return usagef("no fixtures in %s: run this in the project's folder, or give --fixtures", f.fixtures)
	}
	v, commit := buildVersion()
	r := &gpuCheck{Version: v, Commit: commit, Start: start.UTC().Round(time.Second), Toy: f.toy}
	var err error
	if r.Accelerator, err = cudaAccelerator(""); err != nil {
		return err
	}
	fmt.Fprintf(log, "%s, kernels %s\n", r.Accelerator.Name, r.Accelerator.Kernels)
	share := func(percent int) time.Duration { return f.budget * time.Duration(percent) / 100 }
	part := partFlags{fixtures: f.fixtures, toy: f.toy}
	named := func(name string, d runners.DType) partFlags {
		p := part
		p.part, p.dtype = name, d.String()
		return p
	}
	for _, step := range []func(){
		func() { r.part(ctx, share(20), named("fixtures", runners.BF16), log) },
		func() { r.part(ctx, share(5), named("peaks", runners.BF16), log) },
		func() { r.part(ctx, share(20), named("kernels", runners.BF16), log) },
		func() {
			// Float32 products go through plain arithmetic: their speed is of no interest, their result is.
			p := named("kernels", runners.F32)
			p.toy = true
			r.part(ctx, share(5), p, log)
		},
		func() {
			if s, err := cuda.Now(); err == nil {
				state := result.GPUState(s)
				r.After = &state
			}
		},
		func() { r.peers(ctx, share(20), f.python, log) },
		func() { r.endToEnd(ctx, f.budget-time.Since(start)-lastSeconds, log) },
	} {
		if ctx.Err() == nil {
			step()
		}
		if err := r.write(f.out); err != nil {
			return err
		}
	}
	if err := r.markdown(stdout); err != nil {
		return err
	}
	fmt.Fprintf(log, "written in %v: %s.json, %[2]s.md\n", time.Since(start).Round(time.Second), r.base(f.out))
	switch n := r.failures(); {
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted; what was found is written")}
	case n > 0:
		return &exitError{exitFailed, fmt.Errorf("%d checks failed", n)}
	}
	return nil
}

// problem records what could not be done.
func (r *gpuCheck) problem(log io.Writer, format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	fmt.Fprintln(log, "problem:", r.Problems[len(r.Problems)-1])
}

// peers asks PyTorch for its times and samples.
func (r *gpuCheck) peers(ctx context.Context, limit time.Duration, python string, log io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	in, err := json.Marshal(r.Kernels)
	if err != nil {
		r.problem(log, "peers: %v", err)
		return
	}
	where := "cuda"
	if r.Toy {
		where = "any"
	}
	err = runLines(ctx, io.Discard, bytes.NewReader(in), func(line []byte) error {
		var got struct {
			Torch string `json:"torch"`
			Index int    `json:"index"`
			Peers []peer `json:"peers"`
		}
		got.Index = -1
		if err := json.Unmarshal(line, &got); err != nil {
			return fmt.Errorf("its answer cannot be read: %w", err)
		}
		switch {
		case got.Torch != "":
			r.Torch = got.Torch
		case got.Index < 0 || got.Index >= len(r.Kernels):
			return fmt.Errorf("its answer is about kernel %d of %d", got.Index, len(r.Kernels))
		default:
			r.Kernels[got.Index].Peers = got.Peers
		}
		return nil
	}, python, "-c", peersScript, where)
	if err != nil {
		r.NoPeers = fmt.Sprintf("%s: %v", python, err)
		fmt.Fprintln(log, "peers:", r.NoPeers)
	}
}

// endToEnd runs the paper's suite on the 3B models, cheapest cases first, within a time. It needs the kernels of bfloat16 to be right.
func (r *gpuCheck) endToEnd(ctx context.Context, limit time.Duration, log io.Writer) {
	if limit < 10*time.Second {
		r.problem(log, "end to end: no time was left")
		return
	}
	if d := r.doubts(); d != "" {
		r.NoEndToEnd = "Left out: " + d + "."
		return
	}
	dir, err := os.MkdirTemp("", "gpu-check")
	if err != nil {
		r.problem(log, "end to end: %v", err)
		return
	}
	defer os.RemoveAll(dir)
	// A model's clock does not count the loading of kernels nor the choice of cuBLAS, so the first pass is like the others.
	args := []string{"run", "paper", "--filter", "model=*-3b", "--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0",
		"--set", "tasks.throughput.warmup=0"}
	if r.Toy {
		args = []string{"run", "smoke", "--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256",
			"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0"}
	}
	out := filepath.Join(dir, "run")
	args = append(args, "--runner", "cuda", "--budget", limit.Round(time.Second).String(), "--out", out, "--reports", "csv", "--quiet")
	program, err := self()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err = runLines(ctx, log, nil, func([]byte) error { return nil }, program, args...)
	}
	if err != nil {
		r.problem(log, "yocobench %s: %v", strings.Join(args[:2], " "), err)
	}
	if j, err := readRun(out); err == nil {
		r.EndToEnd = j
	}
}

// doubts says why the bfloat16 kernels that this GPU takes by default, cuBLAS's among them, cannot be relied on, or "".
func (r *gpuCheck) doubts() string {
	checked, wrong, fixtures, kernels := 0, 0, 0, 0
	count := func(ok bool) {
		checked++
		if !ok {
			wrong++
		}
	}
	for _, f := range r.Fixtures {
		if f.DType == "bf16" && (f.Kernels == r.Accelerator.Kernels || f.Kernels == cuda.TierCUBLAS) {
			count(f.OK)
		}
		if f.DType == "bf16" && f.Kernels == r.Accelerator.Kernels {
			fixtures++
		}
	}
	for _, k := range r.Kernels {
		if k.DType == "bf16" {
			count(k.OK)
			kernels++
		}
	}
	switch {
	case wrong > 0:
		return fmt.Sprintf("%d of %d checks of bf16 failed", wrong, checked)
	case fixtures == 0 || kernels == 0:
		return "bf16 was not checked"
	}
	return ""
}

// failures counts the checks that failed and the problems.
func (r *gpuCheck) failures() int {
	n := len(r.Problems)
	for _, f := range r.Fixtures {
		if !f.OK {
			n++
		}
	}
	for _, k := range r.Kernels {
		if !k.OK {
			n++
		}
	}
	return n
}

// base is the results' path without the ending.
func (r *gpuCheck) base(dir string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(r.Accelerator.Name))
	return filepath.Join(dir, fmt.Sprintf("gpu-%s-%s", name, r.Start.Format("20060102-150405")))
}

// write writes the JSON file and the Markdown table.
func (r *gpuCheck) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var md strings.Builder
	if err := r.markdown(&md); err != nil {
		return err
	}
	base := r.base(dir)
	return errors.Join(os.WriteFile(base+".json", append(b, '\n'), 0o644), os.WriteFile(base+".md", []byte(md.String()), 0o644))
}
