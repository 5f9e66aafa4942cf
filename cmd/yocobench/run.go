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

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/reports/compare"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// runFlags are the flags of run.
type runFlags struct {
	out, resume, format          string
	sets, filters                []string
	budget, memory, runner, devp string
	device                       device
	dryRun, quiet                bool
	reports                      string
	baselines                    baselineFlags
	gates                        gateFlags
	// judged are the gates of the suite and of the flags, baseline is what they are held against.
	judged   []gate.Gate
	baseline *compare.Side
}

func newRun(args []string) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run SUITE | run --resume DIR",
		Short: "Run a suite and draw its reports",
		Long: `Run a suite: a YAML file, or the name of a shipped one (yocobench list suites).

Everything of a run lies in one folder: results.jsonl, to which every case is
appended as soon as it is measured, and the reports drawn from it. An
interrupted run goes on with --resume DIR.`,
		Example: `  yocobench run needle
  yocobench run suites/needle.yaml --set tasks.needle.trials=3 --budget 2m
  yocobench run paper --dry-run
  yocobench run needle --filter 'model=tiny-yoco-*,length<=4Ki'
  yocobench run --resume runs/needle-20260102-150405`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, a []string) error {
			return f.run(c.Context(), a, strings.Join(portable(args), " "), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.out, "out", "o", "", "folder of the run, which must not exist (default runs/SUITE-TIME)")
	fs.StringVar(&f.resume, "resume", "", "go on with the run in this folder")
	fs.StringArrayVar(&f.sets, "set", nil, "set a field of the suite: path=value (repeatable)")
	fs.StringArrayVar(&f.filters, "filter", nil, "run only cases that match: key=glob[,key<=number] (repeatable: any of them)")
	fs.BoolVar(&f.dryRun, "dry-run", false, "list the cases with their estimated time and memory, and run nothing")
	fs.StringVar(&f.budget, "budget", "", "time for the whole run, such as 10m: what is estimated beyond it is skipped, cheapest first")
	fs.StringVar(&f.memory, "memory", "", "bytes that a model with its sequences may hold, such as 8Gi")
	fs.StringVar(&f.runner, "runner", "", "the runner instead of the suite's: cpu, cuda or analytic")
	fs.StringVar(&f.devp, "device", "", "device profile of the analytic runner (yocobench list devices)")
	deviceFlags(c, &f.device)
	libraryFlags(c)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print no progress and no tables, only the folder's name")
	fs.StringVar(&f.format, "format", "text", "what is printed at the end: text (tables) or json (the records)")
	fs.StringVar(&f.reports, "reports", "all", "report formats to draw: all, or a list such as png,html")
	f.baselines.add(c)
	f.gates.add(c)
	return c
}

// deviceFlags adds the flags that choose how the processor is used.
func deviceFlags(c *cobra.Command, d *device) {
	c.Flags().IntVarP(&d.threads, "threads", "t", 0, "worker threads (default: all CPUs that the process may use)")
	c.Flags().StringVar(&d.tier, "tier", "", "kernel tier to force (yocobench doctor lists them)")
}

// settings turns the flags that are part of the question into settings of the suite, so that
// the run's header holds them.
func (f *runFlags) settings() []string {
	sets := f.sets
	for _, s := range []struct{ field, value string }{{"budget", f.budget}, {"memory", f.memory}, {"runner", f.runner}, {"device", f.devp}} {
		if s.value != "" {
			sets = append(sets, s.field+"="+s.value)
		}
	}
	if f.runner == "analytic" {
		return sets
	}
	if f.runner != "" && f.devp == "" {
		sets = append(sets, `device=""`)
	}
	return sets
}

func (f *runFlags) run(ctx context.Context, args []string, command string, stdout, stderr io.Writer) error {
	if f.format != "text" && f.format != "json" {
		return usagef("--format is text or json, not %q", f.format)
	}
	formats, err := reports.ParseFormats(f.reports)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if f.device.threads < 0 || f.device.threads > 1024 {
		return usagef("--threads is 0 (all cores) to 1024, not %d", f.device.threads)
	}
	suite, old, err := f.suite(args)
	if err != nil {
		return err
	}
	filters, err := suites.ParseFilter(f.filters)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	d, err := probe(ctx, f.device)
	if err != nil {
		return err
	}
	if err := f.readGates(suite, d.env); err != nil {
		return err
	}
	if f.dryRun {
		f.device.dry = &assumption{}
	}
	plan, err := suites.NewPlan(ctx, suite, wiring(f.device, &d.machine))
	if err != nil {
		return err
	}
	if err := checkFlagGates(plan, f.judged[len(suite.Gates):]); err != nil {
		return err
	}
	if a := f.device.dry; a != nil && a.Device != "" {
		fmt.Fprintln(stderr, "notice:", f.device.dry)
	} else if err := onGPU(plan, f.device, &d.env); err != nil {
		return err
	}
	if len(f.filters) > 0 {
		if err := filters.Check(plan); err != nil {
			return err
		}
		if err := plan.Filter(filters); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	done := finished(old)
	retry(plan, old)
	for i, n := range plan.Notices {
		if i == 10 {
			fmt.Fprintf(stderr, "notice: and %d more\n", len(plan.Notices)-i)
			break
		}
		fmt.Fprintln(stderr, "notice:", n)
	}
	if f.dryRun {
		plan.Limit(time.Duration(suite.Budget), done)
		return dryRun(stdout, plan, done, f.device.dry, f.format)
	}
	return f.execute(ctx, plan, old, done, d, command, formats, stdout, stderr)
}

// suite reads the suite: named, or that of the run to go on with.
func (f *runFlags) suite(args []string) (*suites.Suite, *result.Journal, error) {
	if f.resume == "" {
		if len(args) == 0 {
			return nil, nil, usagef("which suite? A file or one of: %s", strings.Join(suites.Shipped(), ", "))
		}
		s, err := suites.Load(args[0], f.settings(), tasks())
		return s, nil, err
	}
	if len(args) > 0 || f.out != "" {
		return nil, nil, usagef("--resume takes the suite and the folder from the run: give neither")
	}
	j, err := readRun(f.resume)
	if err != nil {
		return nil, nil, err
	}
	if len(j.Runs) == 0 {
		return nil, nil, usagef("%s: no run header in its journal: nothing to go on with", f.resume)
	}
	h := j.Runs[0]
	s, err := suites.Parse([]byte(h.SuiteText), filepath.Join(f.resume, journalName), f.settings(), tasks())
	if err != nil {
		return nil, nil, err
	}
	s.Dir = "."
	if _, err := os.Stat(h.SuiteFile); err == nil {
		s.Dir = filepath.Dir(h.SuiteFile)
	}
	if len(f.filters) == 0 {
		f.filters = h.Filter
	}
	return s, j, nil
}

// retry marks the cases that failed in an earlier run.
func retry(p *suites.Plan, j *result.Journal) {
	if j == nil {
		return
	}
	failed := map[string]bool{}
	for _, r := range j.Records {
		failed[r.Case] = r.Status == result.Failed
	}
	for _, c := range p.Cases {
		c.Retry = failed[c.ID]
	}
}

// finished are the records that a resumed run keeps. What was skipped or failed is tried again.
func finished(j *result.Journal) map[string]result.Record {
	done := map[string]result.Record{}
	if j == nil {
		return done
	}
	for _, r := range j.Records {
		if r.Status != result.Skipped && r.Status != result.Failed {
			done[r.Case] = r
		}
	}
	return done
}

func (f *runFlags) execute(ctx context.Context, plan *suites.Plan, old *result.Journal, done map[string]result.Record, d *probed, command string, formats []reports.Format, stdout, stderr io.Writer) error {
	dir, w, err := f.open(plan, old, stderr)
	if err != nil {
		return err
	}
	defer w.Close()
	header := result.Run{
		Suite: plan.Suite.Name, Title: plan.Suite.Title, SuiteHash: plan.Hash, SuiteText: plan.Suite.Text,
		SuiteFile: withoutFolders(plan.Suite.File), Filter: f.filters,
		Start: time.Now().UTC().Round(time.Second), Command: "yocobench " + command, Cases: len(plan.Cases),
		Env: d.env, References: plan.Suite.Published(), Baselines: plan.Baselines(),
	}
	if old != nil {
		header.SuiteFile = old.Runs[0].SuiteFile
	}
	header.Env.Text = plan.Text
	if err := w.Append(header); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	obs := newObserver(stderr, f.quiet)
	sum, runErr := plan.Run(ctx, w, done, obs)
	obs.end()
	interrupted := runErr != nil && ctx.Err() != nil && errors.Is(runErr, ctx.Err())
	if errors.Is(runErr, runners.ErrDeviceLost) {
		return &exitError{exitDeviceLost, fmt.Errorf("%w\n  hint: what was measured is in %s; a new process can use the GPU again, and tries what failed last: yocobench run --resume %s", runErr, dir, dir)}
	}
	if runErr != nil && !interrupted {
		return fmt.Errorf("%w\n  hint: what was measured is in %s; go on with: yocobench run --resume %s", runErr, dir, dir)
	}
	drawing := ctx
	if interrupted {
		drawing = context.WithoutCancel(ctx)
	}
	verdicts, err := f.show(drawing, dir, formats, stdout, stderr)
	if err != nil {
		return err
	}
	switch {
	case interrupted:
		fmt.Fprintf(stderr, "interrupted; go on with: yocobench run --resume %s\n", dir)
		return &exitError{exitInterrupted, nil}
	case verdicts != nil && verdicts.Verdict == compare.Regressed:
		return gateError(verdicts)
	case sum[result.Failed] > 0:
		return &exitError{exitFailed, fmt.Errorf("%d of %d cases failed; their reasons are in %s", sum[result.Failed], len(plan.Cases), filepath.Join(dir, "report.md"))}
	case sum[result.OK] == 0:
		return &exitError{exitFailed, fmt.Errorf("no case has a result: %s; the reasons are in %s", sum, filepath.Join(dir, "report.md"))}
	case verdicts != nil:
		return gateError(verdicts)
	}
	return nil
}

// open makes the run's folder and journal, or opens those to go on with.
func (f *runFlags) open(plan *suites.Plan, old *result.Journal, stderr io.Writer) (string, *result.Writer, error) {
	if old != nil {
		if old.Notice != "" {
			fmt.Fprintln(stderr, "notice:", old.Notice)
		}
		w, _, err := result.Reopen(filepath.Join(f.resume, journalName))
		return f.resume, w, err
	}
	dir := f.out
	if dir == "" {
		dir = defaultOut(plan.Suite.Name, time.Now())
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", nil, err
	}
	err := os.Mkdir(dir, 0o755)
	if f.out == "" { // another run of the same second
		for i := 2; errors.Is(err, os.ErrExist) && i < 100; i++ {
			dir = fmt.Sprintf("%s-%d", defaultOut(plan.Suite.Name, time.Now()), i)
			err = os.Mkdir(dir, 0o755)
		}
	}
	if errors.Is(err, os.ErrExist) {
		return "", nil, usagef("%s exists; a run is never overwritten\n  hint: give another --out, or go on with it: yocobench run --resume %s", dir, dir)
	}
	if err != nil {
		return "", nil, err
	}
	w, err := result.Create(filepath.Join(dir, journalName))
	return dir, w, err
}

// show judges the gates, draws the reports and prints what the user asked to see.
func (f *runFlags) show(ctx context.Context, dir string, formats []reports.Format, stdout, stderr io.Writer) (*compare.Judgement, error) {
	j, err := readRun(dir)
	if err != nil {
		return nil, err
	}
	verdicts := judge(f.judged, j, f.baseline)
	files, err := reports.Write(ctx, dir, j, shown(verdicts), formats)
	if err != nil {
		return nil, fmt.Errorf("%w\n  hint: the results are safe in %s; draw them with: yocobench report %s", err, dir, dir)
	}
	switch {
	case f.format == "json":
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return verdicts, e.Encode(runJSON(dir, files, j, verdicts))
	case f.quiet:
		_, err = fmt.Fprintln(stdout, dir)
		return verdicts, err
	}
	width, color := terminal(stdout)
	if err := reports.Terminal(ctx, raw(stdout), j, shown(verdicts), width, color); err != nil {
		return verdicts, err
	}
	_, err = fmt.Fprintf(stdout, "\n%s: %s\n", dir, listFiles(files))
	return verdicts, err
}

// listFiles names the files that a reader opens first, and counts the rest.
func listFiles(files []string) string {
	var first []string
	for _, name := range files {
		if name == "report.html" || name == "report.md" || strings.HasSuffix(name, ".png") {
			first = append(first, name)
		}
	}
	if len(first) == 0 {
		first = files
	}
	first = slices.Clone(first[max(0, len(first)-6):])
	if rest := len(files) + 1 - len(first); rest > 0 {
		first = append(first, fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(first, ", ")
}

// journalName is the journal's file in a run's folder.
const journalName = "results.jsonl"

// readRun reads the journal of a run: its folder, or the journal itself.
func readRun(path string) (*result.Journal, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, usagef("no run at %s: %v", path, errors.Unwrap(err))
	}
	if info.IsDir() {
		path = filepath.Join(path, journalName)
	}
	j, err := result.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, usagef("%s is no run: it has no %s", filepath.Dir(path), journalName)
	}
	return j, err
}
