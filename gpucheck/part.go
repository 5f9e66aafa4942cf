//go:build cuda

package gpucheck

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

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/runners/verify"
)

// Each part of gpu-check runs in its own process. A kernel that breaks the GPU's context, hangs or
// crashes ends only that process. A part prints each Result as a line of JSON as soon as it has it.

// Result is one result of a part. Exactly one field is set.
type Result struct {
	Fixture *Fixture          `json:"fixture,omitempty"`
	Peak    *cuda.Peak        `json:"peak,omitempty"`
	Kernel  *cuda.Measurement `json:"kernel,omitempty"`
}

// Part describes the work of one part's process.
type Part struct {
	// Name is fixtures, peaks or kernels.
	Name string
	// DType is the number type of peaks and kernels, Fixtures the folder of fixtures.
	DType, Fixtures string
	// The process runs items From to To-1, or all from From on if To is 0.
	From, To int
	Small    bool

	cublas string
}

// smallFixture is the only fixture that is checked if Small is set. Both number types can run it.
const smallFixture = "extra_layers_hybrid"

func (f *Part) args() []string {
	args := []string{"gpu-part", "--part", f.Name, "--dtype", f.DType, "--fixtures", f.Fixtures, "--from", fmt.Sprint(f.From), "--to", fmt.Sprint(f.To), fmt.Sprintf("--small=%t", f.Small)}
	if f.cublas != "" {
		args = append(args, "--cublas", f.cublas)
	}
	return args
}

// wants reports whether to run item n, counted from 0.
func (f *Part) wants(n int) bool { return n >= f.From && (f.To == 0 || n < f.To) }

// Run runs the part. It passes each result to emit as soon as it has it.
func (f *Part) Run(ctx context.Context, emit func(Result) error, log io.Writer) error {
	d, err := runners.ParseDType(f.DType)
	if err != nil {
		return usagef("%v", err)
	}
	switch f.Name {
	case "fixtures":
		return f.verify(ctx, emit, log)
	case "peaks":
		p, err := cuda.Peaks(ctx, runners.Options{Weights: d})
		if err != nil {
			return err
		}
		return emit(Result{Peak: &p})
	case "kernels":
		var broken error
		err := cuda.Bench(ctx, runners.Options{Weights: d}, f.Small, f.wants, func(m cuda.Measurement) {
			fmt.Fprintf(log, "%s %s %v: error %.2g of %.2g, %.4g ms\n", m.Kernel, m.DType, m.Shape, m.Error, m.Tolerance, m.Median())
			broken = errors.Join(broken, emit(Result{Kernel: &m}))
		})
		return errors.Join(err, broken)
	}
	return usagef("--part is fixtures, peaks or kernels, not %q\n  hint: this command is run by yocobench gpu-check", f.Name)
}

// verify compares the runner with every fixture, in both number types, with each set of kernels,
// and with cuBLAS if it is installed. The tolerance for bfloat16 is 3.8 times the error that
// rounding the weights alone causes in float32 arithmetic on the CPU (see TestGolden in
// runners/cuda).
func (f *Part) verify(ctx context.Context, emit func(Result) error, log io.Writer) error {
	dirs, err := filepath.Glob(filepath.Join(f.Fixtures, "*", "config.json"))
	if err != nil || len(dirs) == 0 {
		return usagef("no fixtures in %q", f.Fixtures)
	}
	if f.Small {
		dirs = slices.DeleteFunc(dirs, func(d string) bool { return filepath.Base(filepath.Dir(d)) != smallFixture })
	}
	device, err := cuda.Describe(runners.Options{})
	if err != nil {
		return err
	}
	// All fixtures share one context, so that each kernel is loaded once.
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
					err = emit(Result{Fixture: &c})
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

// checkCode loads all kernels and returns an error if their code on this GPU spills registers to
// memory.
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

func checkFixture(ctx context.Context, dir, tier string, d runners.DType, rounding float64, log io.Writer) (Fixture, error) {
	f := Fixture{Name: filepath.Base(dir), DType: d.String(), Kernels: tier}
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

// giveUp is the number of consecutive processes without a result after which a part is abandoned.
const giveUp = 3

// part runs a part in separate processes and reports whether it is complete. If a process dies,
// another continues after the item that killed it. Items that killed a process in an earlier call
// are tried again at the end. Failures become problems, not errors.
func (r *Results) part(ctx context.Context, limit time.Duration, f Part) (done bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := f.Name
	if f.Name == "kernels" {
		name += " " + f.DType
	}
	var again []int
	r.Problems = slices.DeleteFunc(r.Problems, func(p Problem) bool {
		if p.Part != name || p.Item == 0 {
			return false
		}
		again = append(again, p.Item-1)
		return true
	})
	f.From = r.Next[name]
	if f.Name == "peaks" {
		f.From = 0
	}
	for dead := 0; ; {
		got, err := r.process(ctx, f)
		f.From += got
		r.Next[name] = f.From
		if err == nil {
			break
		}
		r.died(ctx, name, f, err)
		if dead++; got > 0 {
			dead = 1
		}
		if ctx.Err() != nil || f.Name == "peaks" || dead == giveUp {
			r.retryLater(name, again)
			return false
		}
		f.From++
		r.Next[name] = f.From
	}
	for i, item := range again {
		if ctx.Err() != nil {
			r.retryLater(name, again[i:])
			return false
		}
		f.From, f.To = item, item+1
		if _, err := r.process(ctx, f); err != nil {
			r.died(ctx, name, f, err)
		}
	}
	return true
}

// process runs a part in a process, stores each result at once and returns the number of results.
func (r *Results) process(ctx context.Context, f Part) (got int, err error) {
	return got, runLines(ctx, r.log, nil, nil, func(line []byte) error {
		var l Result
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("a line that is not a result: %w", err)
		}
		got++
		switch {
		case l.Fixture != nil:
			r.Fixtures = append(r.Fixtures, *l.Fixture)
		case l.Kernel != nil:
			r.Kernels = append(r.Kernels, Kernel{Measurement: *l.Kernel})
		case l.Peak != nil:
			r.Peak = l.Peak
		}
		if f.To == 0 && f.Name != "peaks" {
			r.Next[series(f.Name, dtypeOf(f.DType))] = f.From + got
		}
		return r.write()
	}, r.program.Path, f.args()...)
}

func dtypeOf(name string) runners.DType {
	d, _ := runners.ParseDType(name) // cannot fail: name is a DType's name
	return d
}

// died records that a process ended at item f.From. If it lost the GPU, the item is repeated with
// synchronous launches, which identify the kernel.
func (r *Results) died(ctx context.Context, name string, f Part, err error) {
	text := err.Error()
	if exitCode(err) == r.program.DeviceLost && ctx.Err() == nil {
		f.To = f.From + 1
		blocking := runLines(ctx, io.Discard, []string{launchBlocking}, nil, func([]byte) error { return nil }, r.program.Path, f.args()...)
		text += ". With synchronous launches: " + outcome(blocking)
	}
	p := Problem{Part: name, Item: f.From + 1, Text: text}
	if f.Name == "peaks" || ctx.Err() != nil && exitCode(err) != r.program.DeviceLost { // interrupted: the next call starts here
		p.Item = 0
	}
	r.problem(p)
}

// launchBlocking makes launches synchronous in the driver and the runner.
const launchBlocking = "CUDA_LAUNCH_BLOCKING=1"

// outcome describes how a process ended.
func outcome(err error) string {
	if err == nil {
		return "no failure"
	}
	return err.Error()
}

// retryLater keeps items for a later call.
func (r *Results) retryLater(name string, items []int) {
	for _, i := range items {
		r.problem(Problem{Part: name, Item: i + 1, Text: "not tried again: no time left"})
	}
}

// exitCode returns the exit code of a program that runLines ran, or 0 if it did not exit by itself.
func exitCode(err error) int {
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return max(e.ExitCode(), 0)
	}
	return 0
}

// runLines runs a program with env added to its environment and passes each line of its output to
// line. If ctx ends, it interrupts the program, so that it can store its results, and kills it ten
// seconds later. Standard error is copied to log; the error contains its last line.
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
	// The program ends with this process. So nothing keeps the GPU or a run's journal after this
	// process is killed.
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
		for _, t := range text { // hints may follow the error
			if strings.HasPrefix(t, "error: ") {
				last = strings.TrimPrefix(t, "error: ")
			}
		}
		return fmt.Errorf("%w: %s", err, last)
	}
	return broken
}

// lineWriter calls a function for each complete line.
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
