//go:build cuda

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/runners/verify"
)

// Each part of gpu-check runs in a process of its own: a kernel that breaks the GPU's context, hangs or crashes
// ends that process, and costs no other part anything. A part prints a partLine as JSON a line as soon as it has it.

// partLine is one result of a part; one of its fields is set.
type partLine struct {
	Fixture *fixtureCheck     `json:"fixture,omitempty"`
	Peak    *cuda.Peak        `json:"peak,omitempty"`
	Kernel  *cuda.Measurement `json:"kernel,omitempty"`
}

// partFlags are what a part is told.
type partFlags struct {
	part, dtype, fixtures, cublas string
	// Items from..to-1 are done; to is 0 for all from there on.
	from, to int
	toy      bool
}

func newGPUPart() *cobra.Command {
	var f partFlags
	c := &cobra.Command{
		Use:    "gpu-part",
		Short:  "A part of yocobench gpu-check: results as JSON lines on standard output",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e := json.NewEncoder(c.OutOrStdout())
			err := f.run(c.Context(), func(l partLine) error { return e.Encode(l) }, c.ErrOrStderr())
			if errors.Is(err, runners.ErrDeviceLost) {
				err = &exitError{exitDeviceLost, err}
			}
			return err
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.part, "part", "", "fixtures, peaks or kernels")
	fs.StringVar(&f.dtype, "dtype", "bf16", "number type of peaks and kernels")
	fs.StringVar(&f.fixtures, "fixtures", "", "folder of fixtures")
	fs.IntVar(&f.from, "from", 0, "leave out the first ones")
	fs.IntVar(&f.to, "to", 0, "leave out those from here on (default: none)")
	fs.BoolVar(&f.toy, "toy", false, "toy sizes")
	cublasFlag(c)
	return c
}

// toyFixture is the only one of a rehearsal. Both number types can run it.
const toyFixture = "yoco_gret_A"

func (f *partFlags) args() []string {
	args := []string{"gpu-part", "--part", f.part, "--dtype", f.dtype, "--fixtures", f.fixtures, "--from", fmt.Sprint(f.from), "--to", fmt.Sprint(f.to), fmt.Sprintf("--toy=%t", f.toy)}
	if f.cublas != "" {
		args = append(args, "--cublas", f.cublas)
	}
	return args
}

// wants reports whether item n, from 0 on, is to be done.
func (f *partFlags) wants(n int) bool { return n >= f.from && (f.to == 0 || n < f.to) }

func (f *partFlags) run(ctx context.Context, emit func(partLine) error, log io.Writer) error {
	d, err := runners.ParseDType(f.dtype)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	switch f.part {
	case "fixtures":
		return f.verify(ctx, emit, log)
	case "peaks":
		p, err := cuda.Peaks(ctx, runners.Options{Weights: d})
		if err != nil {
			return err
		}
		return emit(partLine{Peak: &p})
	case "kernels":
		var broken error
		err := cuda.Bench(ctx, runners.Options{Weights: d}, f.toy, f.wants, func(m cuda.Measurement) {
			fmt.Fprintf(log, "%s %s %v: error %.2g of %.2g, %.4g ms\n", m.Kernel, m.DType, m.Shape, m.Error, m.Tolerance, m.Median())
			broken = errors.Join(broken, emit(partLine{Kernel: &m}))
		})
		return errors.Join(err, broken)
	}
	return usagef("--part is fixtures, peaks or kernels, not %q\n  hint: this command is run by yocobench gpu-check", f.part)
}

// verify holds the runner to every fixture, in both builds, with each set of kernels, and with cuBLAS for what it can where it is installed. The tolerance of bfloat16 is 3.8 times the error that rounding the
// weights alone makes, in float32 arithmetic on the processor (see TestGolden of runners/cuda).
func (f *partFlags) verify(ctx context.Context, emit func(partLine) error, log io.Writer) error {
	dirs, err := filepath.Glob(filepath.Join(f.fixtures, "*", "config.json"))
	if err != nil || len(dirs) == 0 {
		return usagef("no fixtures in %q", f.fixtures)
	}
	if f.toy {
		dirs = slices.DeleteFunc(dirs, func(d string) bool { return filepath.Base(filepath.Dir(d)) != toyFixture })
	}
	device, err := cuda.Describe(runners.Options{})
	if err != nil {
		return err
	}
	// One context for all: a kernel that several fixtures need is loaded once.
	release, err := cuda.Hold()
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	tiers := []string{device.Tier}
	if tiers[0] != "sm_80" {
		tiers = append(tiers, "sm_80")
	}
	if _, err := cuda.CUBLAS(); err == nil {
		tiers = append(tiers, cuda.TierCUBLAS)
	}
	n := 0
	for _, dir := range dirs {
		dir, rounding := filepath.Dir(dir), math.NaN()
		for _, tier := range tiers {
			for _, d := range []runners.DType{runners.F32, runners.BF16} {
				if n++; !f.wants(n - 1) {
					continue
				}
				if math.IsNaN(rounding) {
					r, err := verify.Verify(ctx, dir, cpu.New(), runners.Options{Tier: "go", Weights: runners.BF16})
					if err != nil {
						return err
					}
					rounding = max(r.Worst(), verify.DefaultTolerance(runners.Options{}))
				}
				c, err := checkFixture(ctx, dir, tier, d, rounding, log)
				if err == nil {
					err = emit(partLine{Fixture: &c})
				}
				if err != nil {
					return fmt.Errorf("%s %s %s: %w", filepath.Base(dir), d, tier, err)
				}
				fmt.Fprintf(log, "%s %s %s: error %.2g of %.2g, ok %t %s\n", c.Name, c.DType, c.Kernels, c.Error, c.Tolerance, c.OK, c.Note)
			}
		}
	}
	return checkCode(device.Tier, log)
}

// checkCode loads all kernels and fails where the code that the GPU runs spills registers to memory.
func checkCode(tier string, log io.Writer) error {
	for _, d := range []runners.DType{runners.F32, runners.BF16} {
		l, err := cuda.Load(runners.Options{Weights: d, Tier: tier}, 0)
		if err != nil {
			return err
		}
		fmt.Fprintf(log, "%d kernels %s %s: %s\n", l.Kernels, d, tier, l)
		if len(l.Spills) > 0 {
			return fmt.Errorf("kernels %s %s spill registers: %s", d, tier, strings.Join(l.Spills, ", "))
		}
	}
	return nil
}

func checkFixture(ctx context.Context, dir, tier string, d runners.DType, rounding float64, log io.Writer) (fixtureCheck, error) {
	f := fixtureCheck{Name: filepath.Base(dir), DType: d.String(), Kernels: tier}
	r, err := verify.Verify(ctx, dir, cuda.New(), runners.Options{Weights: d, KV: d, Tier: tier})
	if errors.Is(err, runners.ErrUnsupported) {
		f.OK, f.Note = true, "unsupported"
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if d == runners.BF16 {
		r = r.With(3.8 * rounding)
	}
	f.Error, f.Tolerance, f.OK = r.Worst(), r.Tolerance, r.OK()
	if !(f.Error < math.MaxFloat64) {
		f.Error = math.MaxFloat64 // JSON has no NaN
	}
	if !f.OK {
		_ = r.Write(log)
	}
	return f, nil
}

// self is this program, to run parts with.
var self = os.Executable

// giveUp is after how many processes in a row that die without a result a part is given up.
const giveUp = 3

// part runs a part in processes of its own until it is through, and reports whether it is: one that dies is followed by another, which begins
// behind what killed it. What killed one in an earlier call is tried again at the end. What went wrong is a problem, not an error.
func (r *gpuCheck) part(ctx context.Context, limit time.Duration, f partFlags) (done bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := f.part
	if f.part == "kernels" {
		name += " " + f.dtype
	}
	var again []int
	r.Problems = slices.DeleteFunc(r.Problems, func(p problem) bool {
		if p.Part != name || p.Item == 0 {
			return false
		}
		again = append(again, p.Item-1)
		return true
	})
	f.from = r.Next[name]
	if f.part == "peaks" {
		f.from = 0
	}
	for dead := 0; ; {
		got, err := r.process(ctx, f)
		f.from += got
		r.Next[name] = f.from
		if err == nil {
			break
		}
		r.died(ctx, name, f, err)
		if dead++; got > 0 {
			dead = 1
		}
		if ctx.Err() != nil || f.part == "peaks" || dead == giveUp {
			r.retryLater(name, again)
			return false
		}
		f.from++
		r.Next[name] = f.from
	}
	for i, item := range again {
		if ctx.Err() != nil {
			r.retryLater(name, again[i:])
			return false
		}
		f.from, f.to = item, item+1
		if _, err := r.process(ctx, f); err != nil {
			r.died(ctx, name, f, err)
		}
	}
	return true
}

// process runs a part in a process, keeps each result at once, and returns how many there were.
func (r *gpuCheck) process(ctx context.Context, f partFlags) (got int, err error) {
	program, err := self()
	if err != nil {
		return 0, err
	}
	return got, runLines(ctx, r.log, nil, nil, func(line []byte) error {
		var l partLine
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("a line that is no result: %w", err)
		}
		got++
		switch {
		case l.Fixture != nil:
			r.Fixtures = append(r.Fixtures, *l.Fixture)
		case l.Kernel != nil:
			r.Kernels = append(r.Kernels, kernelCheck{Measurement: *l.Kernel})
		case l.Peak != nil:
			r.Peak = l.Peak
		}
		if f.to == 0 && f.part != "peaks" {
			r.Next[series(f.part, dtypeOf(f.dtype))] = f.from + got
		}
		return r.write()
	}, program, f.args()...)
}

func dtypeOf(name string) runners.DType {
	d, _ := runners.ParseDType(name) // it comes from a DType's name
	return d
}

// died records that a process ended at item f.from. Where it lost the GPU, the item runs once more with launches that are waited
// for, which names the kernel.
func (r *gpuCheck) died(ctx context.Context, name string, f partFlags, err error) {
	text := err.Error()
	if exitCode(err) == exitDeviceLost && ctx.Err() == nil {
		f.to = f.from + 1
		program, _ := self()
		blocking := runLines(ctx, io.Discard, []string{launchBlocking}, nil, func([]byte) error { return nil }, program, f.args()...)
		text += ". With launches that are waited for: " + outcome(blocking)
	}
	p := problem{Part: name, Item: f.from + 1, Text: text}
	if f.part == "peaks" || ctx.Err() != nil && exitCode(err) != exitDeviceLost { // it was cut off, and begins there again
		p.Item = 0
	}
	r.problem(p)
}

// launchBlocking makes the driver and the runner wait for each launch.
const launchBlocking = "CUDA_LAUNCH_BLOCKING=1"

// outcome says how a process ended.
func outcome(err error) string {
	if err == nil {
		return "it does not fail"
	}
	return err.Error()
}

// retryLater keeps items for a later call.
func (r *gpuCheck) retryLater(name string, items []int) {
	for _, i := range items {
		r.problem(problem{Part: name, Item: i + 1, Text: "was not tried again: no time was left"})
	}
}

// exitCode is the exit code of a program that runLines ran, 0 where it did not end by itself.
func exitCode(err error) int {
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return max(e.ExitCode(), 0)
	}
	return 0
}

// runLines runs a program, with env set besides, and passes on each line that it prints. Where ctx ends, the program is interrupted, so that it can
// keep what it has, and ten seconds later killed. The error holds the last line of its standard error, which goes to log too.
func runLines(ctx context.Context, log io.Writer, env []string, stdin io.Reader, line func([]byte) error, program string, args ...string) error {
	var complaint bytes.Buffer
	var broken error
	lines := &lineWriter{each: func(b []byte) {
		if broken == nil && len(bytes.TrimSpace(b)) > 0 {
			broken = line(b)
		}
	}}
	start := time.Now()
	c := exec.CommandContext(ctx, program, args...)
	if len(env) > 0 {
		c.Env = append(os.Environ(), env...)
	}
	// It ends with this program: nothing holds the GPU or a run's journal behind one that was killed.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stdin, c.Stdout, c.Stderr = stdin, lines, io.MultiWriter(log, &complaint)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	err := c.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("cut off after %v", time.Since(start).Round(time.Second))
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		text := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		last := text[len(text)-1]
		for _, t := range text { // an error may have hints behind it
			if strings.HasPrefix(t, "error: ") {
				last = strings.TrimPrefix(t, "error: ")
			}
		}
		return fmt.Errorf("%w: %s", err, last)
	}
	return broken
}

// lineWriter passes on whole lines.
type lineWriter struct {
	rest []byte
	each func([]byte)
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		w.each(line)
		w.rest = bytes.Clone(rest)
	}
}
