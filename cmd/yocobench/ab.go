package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/ab"
	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/internal/limits"
	"github.com/yocobench/yocobench/suites"
)

// abFlags are the flags of ab.
type abFlags struct {
	base, candidate, out, format string
	sets                         []string
	budget                       time.Duration
	device                       deviceOptions
	quiet                        bool
	gates                        gateFlags
}

func newAB(args []string) *cobra.Command {
	var f abFlags
	c := &cobra.Command{
		Use:   "ab SUITE --base BIN|REF [--new BIN|REF]",
		Short: "A/B-test two builds until every gate of a suite is decided",
		Long: `A/B-test two builds of yocobench on this machine until every gate of the suite
is decided or the budget is used up. This works on noisy machines. A side is a
binary, a folder with a checkout, or a git ref, which is built.

Each round starts a fresh process of both sides, in random order, and runs the
cases of all gates interleaved (A B B A, B A A B). It gives one ratio per case,
from the best tenth of each side's samples. Gates against the baseline are
tested by Wilcoxon's signed-rank test on these ratios after 10, 12, 15, 18, 22,
27, ... 120 rounds. The error rate of all tests together is within the gate's
confidence, however noisy the machine is. Accuracy and memory are measured once,
in the first round. docs/ci.md explains the method.

Results go to --out: base/001.jsonl, new/001.jsonl, ... (one journal per round,
which yocobench compare reads too), ab.json and ab.md.

Exit codes: 0 all gates passed; 3 a gate regressed; 1 broken: a case failed or
data are missing; 4 undecided within the budget; 130 interrupted.`,
		Example: `  yocobench ab ci --base main
  yocobench ab suites/ci.yaml --base origin/main --new . --budget 3m
  yocobench ab ci --base ./old --new ./new \
    --gate 'prefill.ttft <= 1.03x baseline'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, a []string) error {
			return f.run(c.Context(), a[0], "yocobench "+strings.Join(portable(args), " "), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.base, "base", "", "baseline build: a binary, a checkout's folder or a git ref (required)")
	fs.StringVar(&f.candidate, "new", "", "candidate build: a binary, a checkout's folder or a git ref (default: this program)")
	fs.DurationVar(&f.budget, "budget", 3*time.Minute, "time limit; gates not decided by then are undecided")
	fs.StringVarP(&f.out, "out", "o", "", "folder for results, new or empty (default runs/ab-SUITE-TIME)")
	fs.StringVar(&f.format, "format", "text", "text, markdown or json")
	fs.StringArrayVar(&f.sets, "set", nil, "set a field of the suite: path=value (repeatable)")
	deviceFlags(c, &f.device)
	fs.Lookup("threads").Usage = "worker threads (default: all CPUs available to the process but one)"
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print no progress")
	f.gates.add(c)
	return c
}

func (f *abFlags) run(ctx context.Context, name, command string, stdout, stderr io.Writer) error {
	if err := oneOf(f.format, "text", "markdown", "json"); err != nil {
		return err
	}
	if f.base == "" {
		return usagef("missing --base: a binary, a checkout's folder or a git ref")
	}
	if f.budget <= 0 {
		return usagef("--budget is a time such as 3m, not %v", f.budget)
	}
	if f.device.threads < 0 || f.device.threads > 1024 {
		return usagef("--threads is 0 (all cores but one) to 1024, not %d", f.device.threads)
	}
	if f.device.threads == 0 {
		f.device.threads = max(1, limits.ReadCPUs().Count-1)
	}
	e := &ab.Experiment{Threads: f.device.threads, Tier: f.device.tier, Budget: f.budget, Progress: stderr, Command: command}
	if f.quiet {
		e.Progress = io.Discard
	}
	var err error
	if e.Suite, err = suites.Load(name, f.sets, tasks()); err != nil {
		return err
	}
	flags, err := f.gates.parse()
	if err != nil {
		return err
	}
	for _, g := range e.Suite.Gates {
		e.Gates = append(e.Gates, g.Gate)
	}
	e.Gates = append(e.Gates, flags...)
	if len(e.Gates) == 0 {
		return usagef("the suite %s has no gates to decide; add some with --gate 'throughput.decode_tps >= 0.97x baseline'", e.Suite.Name)
	}
	plan, err := suites.NewPlan(ctx, e.Suite, wiring(ctx, f.device, nil))
	if err != nil {
		return err
	}
	if runsOnGPU(plan) && cudaExclusive() {
		return usagef("ab runs two processes on the GPU at the same time, but it accepts only one (compute mode EXCLUSIVE_PROCESS)\n  hint: allow several processes, as root: nvidia-smi -c DEFAULT")
	}
	if err := checkFlagGates(plan, flags); err != nil {
		return err
	}
	if ab.IsNullCommit(f.base) {
		fmt.Fprintf(stderr, "notice: --base %s is not a commit: the first push of a branch has nothing to compare with\n", f.base)
		return nil
	}
	if f.out != "" {
		if _, err := os.Lstat(f.out); err == nil {
			if err := usable(f.out); err != nil {
				return err
			}
		}
	}
	e.Folder = func() (string, error) {
		dir, _, err := newFolder(f.out, "ab-"+e.Suite.Name)
		return dir, err
	}
	// A closed output pipe must not end a measurement.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	tmp, done, err := ab.NewScratch(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := e.Resolve(ctx, f.base, f.candidate, tmp); err != nil {
		return err
	}
	err = e.Run(ctx)
	interrupted := err != nil && ctx.Err() != nil
	if err != nil && !interrupted {
		return err
	}
	if interrupted && e.Rounds() == 0 {
		return ctx.Err()
	}
	report := e.Report()
	if err := f.write(report, e.Dir(), stdout); err != nil {
		return err
	}
	if interrupted {
		fmt.Fprintf(stderr, "interrupted after %d rounds; they are in %s\n", e.Rounds(), e.Dir())
		return &exitError{exitInterrupted, nil}
	}
	return gateError(report.Gates)
}

// write prints the verdicts and stores them in the folder.
func (f *abFlags) write(r *compare.Interleaved, dir string, stdout io.Writer) error {
	text := func(w io.Writer) error { return r.Text(w, tableWidth(stdout)) }
	for name, write := range map[string]func(io.Writer) error{"ab.json": r.JSON, "ab.md": r.Markdown} {
		if err := toFile(filepath.Join(dir, name), nil, write); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := map[string]func(io.Writer) error{"text": text, "markdown": r.Markdown, "json": r.JSON}[f.format](&b); err != nil {
		return err
	}
	if f.format == "text" {
		fmt.Fprintf(&b, "\n%s: %s\n", dir, strings.Join([]string{"base", "new", "ab.md", "ab.json"}, ", "))
	}
	_, err := stdout.Write(b.Bytes())
	return err
}
