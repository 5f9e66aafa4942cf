//go:build cuda

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	_ "embed"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/runners/verify"
	"github.com/yocobench/yocobench/suites/result"
)

// peersScript times PyTorch on the inputs of the kernels' measurements, and computes the same samples.
//
//go:embed peers.py
var peersScript string

// gpuCommands are the commands that only a build with the cuda runner has.
func gpuCommands() []*cobra.Command { return []*cobra.Command{newGPUCheck()} }

// gpuCheck is what gpu-check found, as its JSON file holds it.
type gpuCheck struct {
	Version     string              `json:"version"`
	Commit      string              `json:"commit,omitempty"`
	Start       time.Time           `json:"start"`
	Toy         bool                `json:"toy,omitempty"`
	Accelerator *result.Accelerator `json:"accelerator"`
	GFLOPS      float64             `json:"gflops"`
	GBps        float64             `json:"gbps"`
	Fixtures    []fixtureCheck      `json:"fixtures"`
	Kernels     []kernelCheck       `json:"kernels"`
	// NoPeers says why there is nothing of PyTorch.
	NoPeers string `json:"no_peers,omitempty"`
	Torch   string `json:"torch,omitempty"`
	// After is the GPU's state behind the measurements of kernels.
	After *result.GPUState `json:"after,omitempty"`
	// EndToEnd is the journal of the paper's suite on this GPU, NoEndToEnd why there is none.
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
	var f struct {
		toy                   bool
		out, fixtures, python string
		budget                time.Duration
	}
	c := &cobra.Command{
		Use:   "gpu-check",
		Short: "Check this GPU and measure its kernels and the paper's models on it",
		Long: `Check the cuda runner on this machine's GPU, then measure it: the fixtures in
float32 and bfloat16; each kernel against float64 and, where a Python with
PyTorch is found, against PyTorch; then the paper's suite on the 3B models. What
fails its check is not timed, and the exit code is 1. Results go to a JSON file
and a Markdown table.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := checkGPU(c.Context(), f.fixtures, f.python, f.toy, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := r.endToEnd(c.Context(), f.budget, c.ErrOrStderr()); err != nil {
				return err
			}
			base, err := r.write(f.out)
			if err != nil {
				return err
			}
			if err := r.markdown(c.OutOrStdout()); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "written: %s.json, %s.md\n", base, base)
			if n := r.failures(); n > 0 {
				return &exitError{exitFailed, fmt.Errorf("%d checks failed", n)}
			}
			return nil
		},
	}
	fs := c.Flags()
	fs.BoolVar(&f.toy, "toy", false, "toy sizes and the smoke suite: a rehearsal")
	fs.StringVarP(&f.out, "out", "o", filepath.Join("docs", "measurements"), "folder for the results")
	fs.StringVar(&f.fixtures, "fixtures", filepath.Join("testdata", "golden"), "folder of fixtures")
	fs.StringVar(&f.python, "python", "python3", "a Python that has PyTorch; without it there are no peers")
	fs.DurationVar(&f.budget, "budget", 9*time.Minute, "time for the paper's suite; 0 leaves it out")
	return c
}

// checkGPU checks the fixtures and the kernels.
func checkGPU(ctx context.Context, fixtures, python string, toy bool, log io.Writer) (*gpuCheck, error) {
	v, commit := buildVersion()
	r := &gpuCheck{Version: v, Commit: commit, Start: time.Now().UTC().Round(time.Second), Toy: toy}
	var err error
	if r.Accelerator, err = cudaAccelerator(); err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "%s, kernels %s\n", r.Accelerator.Name, r.Accelerator.Kernels)
	if err := r.verify(ctx, fixtures, toy, log); err != nil {
		return nil, err
	}
	if r.GFLOPS, r.GBps, err = cudaPeaks(ctx, runners.BF16); err != nil {
		return nil, err
	}
	for _, d := range []runners.DType{runners.BF16, runners.F32} {
		// Float32 products go through plain arithmetic: their speed is of no interest, their result is.
		err := cuda.Bench(ctx, runners.Options{Weights: d}, toy || d == runners.F32, func(m cuda.Measurement) {
			fmt.Fprintf(log, "%s %s %v: error %.2g of %.2g, %.4g ms\n", m.Kernel, m.DType, m.Shape, m.Error, m.Tolerance, m.Median())
			r.Kernels = append(r.Kernels, kernelCheck{Measurement: m})
		})
		if err != nil {
			return nil, err
		}
	}
	if err := r.peers(ctx, python); err != nil {
		r.NoPeers = err.Error()
		fmt.Fprintln(log, "no peers:", err)
	}
	if s, err := cuda.Now(); err == nil {
		state := result.GPUState(s)
		r.After = &state
	}
	return r, nil
}

// verify holds the runner to every fixture, in both builds. The tolerance of bfloat16 is 3.8 times the error that rounding the
// weights alone makes, in float32 arithmetic on the processor (see TestGolden of runners/cuda).
func (r *gpuCheck) verify(ctx context.Context, folder string, toy bool, log io.Writer) error {
	dirs, err := filepath.Glob(filepath.Join(folder, "*", "config.json"))
	if err != nil || len(dirs) == 0 {
		return usagef("no fixtures in %s: run this in the project's folder, or give --fixtures", folder)
	}
	if toy {
		dirs = dirs[:1]
	}
	tiers := []string{r.Accelerator.Kernels}
	if tiers[0] != "sm_80" {
		tiers = append(tiers, "sm_80")
	}
	for _, dir := range dirs {
		dir = filepath.Dir(dir)
		bf16, err := verify.Verify(ctx, dir, cpu.New(), runners.Options{Tier: "go", Weights: runners.BF16})
		if err != nil {
			return err
		}
		for _, tier := range tiers {
			for _, d := range []runners.DType{runners.F32, runners.BF16} {
				f := fixtureCheck{Name: filepath.Base(dir), DType: d.String(), Kernels: tier}
				rep, err := verify.Verify(ctx, dir, cuda.New(), runners.Options{Weights: d, KV: d, Tier: tier})
				switch {
				case errors.Is(err, runners.ErrUnsupported):
					f.OK, f.Note = true, "unsupported"
				case err != nil:
					return err
				default:
					if d == runners.BF16 {
						rep = rep.With(3.8 * max(bf16.Worst(), verify.DefaultTolerance(runners.Options{})))
					}
					f.Error, f.Tolerance, f.OK = rep.Worst(), rep.Tolerance, rep.OK()
					if !(f.Error < math.MaxFloat64) {
						f.Error = math.MaxFloat64 // JSON has no NaN
					}
					if !f.OK {
						_ = rep.Write(log)
					}
				}
				fmt.Fprintf(log, "%s %s %s: error %.2g of %.2g, ok %t %s\n", f.Name, f.DType, f.Kernels, f.Error, f.Tolerance, f.OK, f.Note)
				r.Fixtures = append(r.Fixtures, f)
			}
		}
	}
	return nil
}

// peers asks PyTorch for its times and samples.
func (r *gpuCheck) peers(ctx context.Context, python string) error {
	in, err := json.Marshal(r.Kernels)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, python, "-c", peersScript)
	c.Stdin = strings.NewReader(string(in))
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return fmt.Errorf("%s: %v: %s", python, err, lines[len(lines)-1])
	}
	var got struct {
		Torch string   `json:"torch"`
		Peers [][]peer `json:"peers"`
	}
	if err := json.Unmarshal(out, &got); err != nil || len(got.Peers) != len(r.Kernels) {
		return fmt.Errorf("%s: its answer cannot be read: %v", python, err)
	}
	r.Torch = got.Torch
	for i := range r.Kernels {
		r.Kernels[i].Peers = got.Peers[i]
	}
	return nil
}

// endToEnd runs the paper's suite on the 3B models, cheapest cases first within the budget.
func (r *gpuCheck) endToEnd(ctx context.Context, budget time.Duration, log io.Writer) error {
	if budget <= 0 {
		r.NoEndToEnd = "left out: --budget 0"
		return nil
	}
	if n := r.failures(); n > 0 {
		r.NoEndToEnd = fmt.Sprintf("left out: %d checks failed", n)
		return nil
	}
	dir, err := os.MkdirTemp("", "gpu-check")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := []string{"run", "paper", "--filter", "model=*-3b", "--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0",
		"--set", "tasks.throughput.warmup=0"}
	if r.Toy {
		args = []string{"run", "smoke", "--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256"}
	}
	out := filepath.Join(dir, "run")
	args = append(args, "--runner", "cuda", "--budget", budget.String(), "--out", out, "--reports", "md", "--quiet")
	if code := run(ctx, args, io.Discard, log); code != exitOK {
		r.NoEndToEnd = fmt.Sprintf("yocobench %s: exit code %d", strings.Join(args, " "), code)
	}
	if j, err := readRun(out); err == nil {
		r.EndToEnd = j
	}
	return ctx.Err()
}

// failures counts the checks that failed.
func (r *gpuCheck) failures() (n int) {
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

// write writes the JSON file and the Markdown table, and returns their name without the ending.
func (r *gpuCheck) write(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(r.Accelerator.Name))
	base := filepath.Join(dir, fmt.Sprintf("gpu-%s-%s", name, r.Start.Format("20060102-150405")))
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	var md strings.Builder
	if err := r.markdown(&md); err != nil {
		return "", err
	}
	return base, errors.Join(os.WriteFile(base+".json", append(b, '\n'), 0o644), os.WriteFile(base+".md", []byte(md.String()), 0o644))
}
