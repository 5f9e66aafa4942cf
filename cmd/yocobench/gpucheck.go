//go:build cuda

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "embed"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
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

// gpuCheck is what gpu-check found, as its JSON file holds it. The file is written again after each figure.
type gpuCheck struct {
	Version     string              `json:"version"`
	Commit      string              `json:"commit,omitempty"`
	Start       time.Time           `json:"start"`
	Toy         bool                `json:"toy,omitempty"`
	Accelerator *result.Accelerator `json:"accelerator"`
	// Done are the parts that are through; Next the first item of each series that was not tried yet.
	Done []string       `json:"done"`
	Next map[string]int `json:"next,omitempty"`
	// Problems say what could not be done at all; a check that failed is none.
	Problems []problem      `json:"problems,omitempty"`
	Fixtures []fixtureCheck `json:"fixtures,omitempty"`
	Peak     *cuda.Peak     `json:"peak,omitempty"`
	Kernels  []kernelCheck  `json:"kernels,omitempty"`
	// NoPeers says why there is nothing of PyTorch, or not all; Torch is its version and what it ran on.
	NoPeers string `json:"no_peers,omitempty"`
	Torch   string `json:"torch,omitempty"`
	// After is the GPU's state behind the measurements of kernels.
	After *result.GPUState `json:"after,omitempty"`
	// EndToEnd is the journal of the paper's suite on this GPU, NoEndToEnd why it was left out.
	EndToEnd   *result.Journal `json:"end_to_end,omitempty"`
	NoEndToEnd string          `json:"no_end_to_end,omitempty"`

	dir string // the folder of the results
	log io.Writer
}

// problem is something that could not be done.
type problem struct {
	// Part is the part or the series of it. Item is the number of the item, from 1 on, that ended its process: a call
	// with --resume tries it again. It is 0 where the problem is another.
	Part string `json:"part"`
	Item int    `json:"item,omitempty"`
	Text string `json:"text"`
}

func (p problem) String() string {
	if p.Item > 0 {
		return fmt.Sprintf("%s, number %d: %s", p.Part, p.Item, p.Text)
	}
	return p.Part + ": " + p.Text
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
		Long: `Check the cuda runner on this machine's GPU, then measure it, in parts:

  fixtures  the reference's fixtures in float32 and bfloat16
  peaks     matrix products and memory bandwidth, our kernels and cuBLAS
  kernels   each kernel against float64, then its time
  peers     the same by PyTorch, where --python has it
  models    the paper's suite on the 3B models

What fails its check is not timed, and the exit code is 1. Each part runs in
processes of its own; one that breaks costs no other part anything. Each figure
is on disk as soon as it is measured: a JSON file, a Markdown table and the run
of the models. --resume continues with what an earlier call left to do.`,
		Example: `  yocobench-cuda gpu-check --plan
  yocobench-cuda gpu-check --parts fixtures,peaks --out results
  yocobench-cuda gpu-check --parts kernels --out results --resume results`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	out := os.Getenv("OUT")
	if out == "" {
		out = filepath.Join("docs", "measurements")
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.parts, "parts", gpuParts, "parts to do")
	fs.BoolVar(&f.plan, "plan", false, "print the command lines of all parts with their estimated times, and do nothing")
	fs.StringVar(&f.resume, "resume", "", "continue with the results of an earlier call: its JSON file, or the folder of it")
	fs.BoolVar(&f.toy, "toy", false, "toy sizes and the smoke suite, PyTorch on the CPU where it finds no GPU: a rehearsal")
	fs.StringVarP(&f.out, "out", "o", out, "folder for the results (default: the environment variable OUT, or docs/measurements)")
	fs.Lookup("out").DefValue = ""
	fs.StringVar(&f.fixtures, "fixtures", filepath.Join("testdata", "golden"), "folder of fixtures")
	fs.StringVar(&f.python, "python", "python3", "a Python that has PyTorch; its cuBLAS is used where the loader finds none")
	fs.DurationVar(&f.budget, "budget", 9*time.Minute, "time for all parts of this call")
	f.cublas = cublasFlag(c)
	return c
}

// gpuParts are the parts of gpu-check in their order.
var gpuParts = []string{"fixtures", "peaks", "kernels", "peers", "models"}

type gpuFlags struct {
	toy, plan                     bool
	parts                         []string
	out, resume, fixtures, python string
	cublas                        *cublasFile
	budget                        time.Duration
}

// lastSeconds are kept for stopping the suite, when its time is over, and drawing its reports.
const lastSeconds = 20 * time.Second

// weight is a part's share of the time, where several parts share it.
var weight = map[string]int{"fixtures": 30, "peaks": 5, "kernels": 25, "peers": 20, "models": 60}

// check reports the first thing that is wrong with the flags.
func (f *gpuFlags) check() error {
	for _, p := range f.parts {
		if !slices.Contains(gpuParts, p) {
			return usagef("--parts: unknown part %q\n  hint: the parts are %s", p, strings.Join(gpuParts, ", "))
		}
	}
	if len(f.parts) == 0 {
		return usagef("--parts: none is named\n  hint: the parts are %s", strings.Join(gpuParts, ", "))
	}
	if f.budget < time.Minute {
		return usagef("--budget is a minute at least, not %v", f.budget)
	}
	if dirs, err := filepath.Glob(filepath.Join(f.fixtures, "*", "config.json")); err != nil || len(dirs) == 0 && slices.Contains(f.parts, "fixtures") {
		return usagef("no fixtures in %s: run this in the project's folder, or give --fixtures", f.fixtures)
	}
	return nil
}

func (f *gpuFlags) run(ctx context.Context, stdout, log io.Writer) error {
	start := time.Now()
	if err := f.check(); err != nil {
		return err
	}
	if f.plan {
		return f.printPlan(ctx, stdout)
	}
	r, err := f.begin(ctx, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%s, kernels %s\n", r.Accelerator.Name, r.Accelerator.Kernels)
	left := 0
	for _, p := range gpuParts {
		if slices.Contains(f.parts, p) {
			left += weight[p]
		}
	}
	for _, p := range gpuParts {
		if !slices.Contains(f.parts, p) || ctx.Err() != nil {
			continue
		}
		limit := (f.budget - time.Since(start)) * time.Duration(weight[p]) / time.Duration(left)
		left -= weight[p]
		r.forget(p)
		if f.do(ctx, r, p, limit) && !slices.Contains(r.Done, p) {
			r.Done = append(r.Done, p)
		}
		if err := r.write(); err != nil {
			return err
		}
	}
	if err := r.markdown(stdout); err != nil {
		return err
	}
	fmt.Fprintf(log, "written in %v: %s.json, %[2]s.md\n", time.Since(start).Round(time.Second), r.base())
	if todo := r.todo(); len(todo) > 0 {
		fmt.Fprintf(log, "continue with: yocobench-cuda gpu-check --parts %s --out %s --resume %[2]s\n", strings.Join(todo, ","), cleantext.ShellQuote(r.dir))
	}
	switch n := r.failures(); {
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted; what was found is written")}
	case n > 0:
		return &exitError{exitFailed, fmt.Errorf("%d checks failed", n)}
	}
	return nil
}

// begin makes the results, or reads those to continue with.
func (f *gpuFlags) begin(ctx context.Context, log io.Writer) (*gpuCheck, error) {
	v, commit := buildVersion()
	r := &gpuCheck{Version: v, Commit: commit, Start: time.Now().UTC().Round(time.Second), Toy: f.toy, Next: map[string]int{}}
	if f.resume != "" {
		if err := r.read(f.resume); err != nil {
			return nil, err
		}
	}
	old := r.Accelerator
	if old != nil {
		if err := r.moveTo(f.out); err != nil {
			return nil, err
		}
	}
	r.dir, r.log = f.out, log
	for _, need := range []struct{ part, of string }{{"peers", "kernels"}, {"models", "fixtures"}, {"models", "kernels"}} {
		if slices.Contains(f.parts, need.part) && !slices.Contains(f.parts, need.of) && r.Next[series(need.of, runners.BF16)] == 0 {
			return nil, usagef("the part %s needs the results of the part %s\n  hint: name both in --parts, or give --resume with the results of an earlier call", need.part, need.of)
		}
	}
	if _, err := cuda.CUBLAS(); err != nil && *f.cublas == "" {
		if file, err := packagedCUBLAS(ctx, f.python); err != nil {
			fmt.Fprintln(log, "cuBLAS: the loader finds none, and", err)
		} else if err := f.cublas.Set(file); err != nil {
			r.problem(problem{Part: "cuBLAS", Text: err.Error()})
		}
	}
	var err error
	if r.Accelerator, err = cudaAccelerator(""); err != nil {
		return nil, err
	}
	if f.resume != "" && (old.Name != r.Accelerator.Name || r.Toy != f.toy) {
		return nil, usagef("--resume: the results in %s are of %s (toy: %t), and this is %s (toy: %t)", f.resume, old.Name, r.Toy, r.Accelerator.Name, f.toy)
	}
	r.forget("environment")
	for _, s := range cuda.Environment() {
		r.problem(problem{Part: "environment", Text: s})
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	return r, r.write()
}

// read reads the results of an earlier call, and copies its run next to the new ones.
func (r *gpuCheck) read(path string) error {
	if info, err := os.Stat(path); err != nil {
		return usagef("--resume: %v", err)
	} else if info.IsDir() {
		files, _ := filepath.Glob(filepath.Join(path, "gpu-*.json"))
		if len(files) == 0 {
			return usagef("--resume: no gpu-*.json in %s", path)
		}
		path = slices.MaxFunc(files, func(a, b string) int { return strings.Compare(stamp(a), stamp(b)) })
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, r); err != nil || r.Accelerator == nil || r.Start.IsZero() {
		return usagef("--resume: %s is no result of gpu-check: %v", path, err)
	}
	if r.Next == nil {
		r.Next = map[string]int{}
	}
	r.dir = filepath.Dir(path)
	return nil
}

// moveTo copies the run of the models to the folder of the new results.
func (r *gpuCheck) moveTo(dir string) error {
	from := filepath.Join(r.runDir(), journalName)
	to := *r
	to.dir = dir
	b, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) || filepath.Clean(dir) == filepath.Clean(r.dir) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(to.runDir(), 0o755)
	}
	if err != nil {
		return err
	}
	return safefile.WriteBytes(filepath.Join(to.runDir(), journalName), b)
}

// stamp is the time in the name of a file of results.
func stamp(path string) string { return path[max(0, len(path)-len("20060102-150405.json")):] }

// series names the items of a part that are counted together.
func series(part string, d runners.DType) string {
	if part == "kernels" {
		return part + " " + d.String()
	}
	return part
}

// do does a part and reports whether it is through.
func (f *gpuFlags) do(ctx context.Context, r *gpuCheck, part string, limit time.Duration) (done bool) {
	p := partFlags{part: part, dtype: runners.BF16.String(), fixtures: f.fixtures, toy: f.toy, cublas: string(*f.cublas)}
	switch part {
	case "fixtures", "peaks":
		return r.part(ctx, limit, p)
	case "kernels":
		done = r.part(ctx, limit*4/5, p)
		// Float32 products go through plain arithmetic: their speed is of no interest, their result is.
		p.dtype, p.toy = runners.F32.String(), true
		done = r.part(ctx, limit/5, p) && done
		if s, err := cuda.Now(); err == nil {
			state := result.GPUState(s)
			r.After = &state
		}
		return done
	case "peers":
		return r.peers(ctx, limit, f.python)
	}
	return r.models(ctx, limit-lastSeconds, string(*f.cublas))
}

// forget forgets the problems of a part that are not about an item: it is done again.
func (r *gpuCheck) forget(part string) {
	r.Problems = slices.DeleteFunc(r.Problems, func(p problem) bool { return p.Item == 0 && p.Part == part })
}

// problem records what could not be done.
func (r *gpuCheck) problem(p problem) {
	r.Problems = append(r.Problems, p)
	fmt.Fprintln(r.log, "problem:", p)
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

// todo are the parts that are not through.
func (r *gpuCheck) todo() []string {
	return slices.DeleteFunc(slices.Clone(gpuParts), func(p string) bool { return slices.Contains(r.Done, p) })
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
func (r *gpuCheck) base() string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(r.Accelerator.Name))
	return filepath.Join(r.dir, fmt.Sprintf("gpu-%s-%s", name, r.Start.Format("20060102-150405")))
}

// write writes the JSON file and the Markdown table.
func (r *gpuCheck) write() error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(safefile.WriteBytes(r.base()+".json", append(b, '\n')), safefile.Write(r.base()+".md", r.markdown))
}
