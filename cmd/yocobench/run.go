package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// runFlags are the flags of run.
type runFlags struct {
	out, resume, inputs, format  string
	sets, filters, models        []string
	budget, memory, runner, devp string
	url, keyEnv                  string
	device                       deviceOptions
	dryRun, quiet                bool
	reports                      string
	baselines                    baselineFlags
	gates                        gateFlags
	// judged holds the gates of the suite and of the flags; baseline is their baseline.
	judged   []gate.Gate
	baseline *compare.Side
	// changed reports whether a flag was given.
	changed func(flag string) bool
	// shard is the text of --shard, part what the header says of the shard; nil for a whole run.
	shard string
	part  *result.Shard
	// old is the run to resume and w its writer. Both are nil for a new run.
	old *result.Journal
	w   *result.Writer
}

func newRun(args []string) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run SUITE | run --resume DIR",
		Short: "Run a suite and write its reports",
		Long: `Run a suite: a YAML file, or the name of a shipped one (yocobench list suites).

A run has one folder with results.jsonl, to which each case is appended as soon
as it is measured, and the reports. --resume DIR resumes an interrupted run with
its original settings; flags given with it apply from then on. Cases that failed
or were skipped are tried again, and so are those that ran out of memory if more
is available, and those whose texts or weights changed. --threads and --tier
cannot change once something was measured.

--shard 3/16 runs the third of 16 parts of the suite, split by estimated cost;
yocobench merge joins the parts. Cases that are compared with each other stay in
one part: the interleaved models of throughput and prefill, and models that a
gate compares. In an array job the number comes from the environment:
  --shard auto     Slurm: SLURM_ARRAY_TASK_ID, _MIN, _MAX, _STEP and _COUNT
  --shard auto/16  Slurm: SLURM_ARRAY_TASK_ID from 1 to 16; Kubernetes:
                   JOB_COMPLETION_INDEX from 0 to 15
Give all parts the same suite, settings, filters and gates. A budget applies per
part.`,
		Example: `  yocobench run needle
  yocobench run suites/needle.yaml --set tasks.needle.trials=3 --budget 2m
  yocobench run needle --model path/to/model.gguf
  yocobench run needle --model NAME --url http://127.0.0.1:8000/v1
  yocobench run paper --dry-run
  yocobench run needle --filter 'model=tiny-yoco-*,length<=4Ki'
  yocobench run needle --shard 3/16 --out sweep/shard-3
  yocobench run --resume runs/needle-20260102-150405`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, a []string) error {
			f.changed = c.Flags().Changed
			return f.run(c.Context(), a, strings.Join(portable(args), " "), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.out, "out", "o", "", "folder of the run, new or empty (default runs/SUITE-TIME)")
	fs.StringVar(&f.resume, "resume", "", "resume the run in this folder")
	fs.StringVar(&f.inputs, "inputs", "", "base folder of relative paths in the suite (default: the suite's folder, also with --resume)")
	fs.StringArrayVarP(&f.models, "model", "m", nil, "run this model instead of the suite's: a name, a folder or a .gguf file (repeatable)")
	fs.StringArrayVar(&f.sets, "set", nil, "set a field of the suite: path=value (repeatable)")
	fs.StringArrayVar(&f.filters, "filter", nil, "run only cases that match: key=glob[,key<=number] (repeatable: any of them)")
	fs.StringVar(&f.shard, "shard", "", "run one part of the suite: NUMBER/COUNT, auto or auto/COUNT (see above)")
	fs.BoolVar(&f.dryRun, "dry-run", false, "only list the cases with estimated time and memory")
	fs.StringVar(&f.budget, "budget", "", "time limit of the run, such as 10m: cheapest cases run first, cases that do not fit are skipped, and a case that exceeds its share by half is stopped")
	fs.StringVar(&f.memory, "memory", "", "memory limit of a model with its sequences, such as 8Gi")
	fs.StringVar(&f.url, "url", "", "with --model: run a model behind this OpenAI-compatible API, such as http://127.0.0.1:8000/v1, by its name there")
	fs.StringVar(&f.keyEnv, "key-env", "", "with --url: environment variable that has the key, such as OPENAI_API_KEY")
	fs.StringVar(&f.runner, "runner", "", "runner: cpu, cuda or analytic (default: the suite's)")
	fs.StringVar(&f.devp, "device", "", "device profile of the analytic runner (yocobench list devices)")
	deviceFlags(c, &f.device)
	libraryFlags(c)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only the name of the folder")
	fs.StringVar(&f.format, "format", "text", "output format: text (tables) or json (records)")
	fs.StringVar(&f.reports, "reports", "all", "report formats: all, or a list such as png,html")
	f.baselines.add(c)
	f.gates.add(c)
	return c
}

// deviceFlags adds the flags for CPU threads and the kernel tier.
func deviceFlags(c *cobra.Command, d *deviceOptions) {
	c.Flags().IntVarP(&d.threads, "threads", "t", 0, "worker threads (default: all CPUs available to the process)")
	c.Flags().StringVar(&d.tier, "tier", "", "kernel tier (default: the best; yocobench doctor lists them)")
}

// settings converts the flags that affect results into settings of the suite, so that the run's
// header contains them.
func (f *runFlags) settings() []string {
	sets := append(modelSettings(f.models, f.url, f.keyEnv), f.sets...)
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

// modelSettings returns the settings that replace a suite's models by those of --model, which are
// served at url if it is not empty. A path of the working directory becomes an absolute one, since
// a suite's paths start from its own folder.
func modelSettings(models []string, url, keyEnv string) []string {
	if len(models) == 0 {
		return nil
	}
	type entry struct {
		Name   string `json:"name"`
		Model  string `json:"model"`
		URL    string `json:"url,omitempty"`
		KeyEnv string `json:"key_env,omitempty"`
	}
	var list []entry
	for _, m := range models {
		if url != "" {
			list = append(list, entry{m, m, url, keyEnv})
			continue
		}
		e := entry{Name: m, Model: m}
		path, err := corpus.ExpandHome(m)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if _, missing := os.Stat(path); err == nil && missing == nil {
			e.Name, e.Model = modelName(path), path
		}
		list = append(list, e)
	}
	text, _ := json.Marshal(list) // strings always encode
	return []string{"models=" + string(text), "baseline=" + `""`}
}

// modelName is the name of a model's file or folder without .gguf.
func modelName(path string) string {
	base := filepath.Base(path)
	if name, _ := gguf.CutExt(base); name != "" {
		return name
	}
	return base
}

func (f *runFlags) run(ctx context.Context, args []string, command string, stdout, stderr io.Writer) error {
	if f.format != "text" && f.format != "json" {
		return usagef("--format is text or json, not %q", f.format)
	}
	if f.url != "" && len(f.models) == 0 {
		return usagef("--url needs --model, the name of the model at that address")
	}
	if f.keyEnv != "" && f.url == "" {
		return usagef("--key-env needs --url")
	}
	if f.device.threads < 0 || f.device.threads > 1024 {
		return usagef("--threads is 0 (all cores) to 1024, not %d", f.device.threads)
	}
	if f.resume == "" && f.changed("resume") { // an unset variable of a script
		return usagef("--resume is empty; give the folder of a run")
	}
	var shard suites.Shard
	if f.shard != "" || f.changed("shard") {
		var source string
		var err error
		if shard, source, err = suites.ParseShard(f.shard, os.Getenv); err != nil {
			return &exitError{exitUsage, err}
		}
		if source != "" {
			notice(stderr, fmt.Sprintf("shard %s, from %s", shard, source))
		}
	}
	var suite *suites.Suite
	if err := until(ctx, func() (err error) { suite, err = f.suite(args); return err }); err != nil {
		return err // the journal stays open until the process ends
	}
	defer func() {
		if f.w != nil {
			f.w.Close()
		}
	}()
	formats, err := reports.ParseFormats(f.reports)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	filters, err := suites.ParseFilter(f.filters)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	f.device.say = func(text string) { notice(stderr, text) }
	d, err := probe(ctx, f.device)
	if err != nil {
		return err
	}
	if err := until(ctx, func() error { return f.readGates(suite, d.env) }); err != nil {
		return err
	}
	if f.dryRun {
		f.device.dry = &assumption{}
	}
	if shard, err = f.shardOf(shard); err != nil {
		return err
	}
	plan, err := f.plan(ctx, suite, shard, filters, wiring(ctx, f.device, &d.machine))
	if err != nil {
		return err
	}
	if a := f.device.dry; a != nil && a.Device != "" {
		fmt.Fprintln(stderr, "notice:", f.device.dry)
	} else if err := onGPU(plan, f.device, &d.env); err != nil {
		return err
	}
	if runsOnGPU(plan) {
		for _, s := range cudaEnvironment() {
			notice(stderr, s)
		}
	}
	if err := f.samePlan(plan, shard); err != nil {
		return err
	}
	dropped, why := f.drop(plan)
	if f.old != nil {
		notice(stderr, f.old.Notice)
		notice(stderr, why)
	}
	if len(f.filters) > 0 && f.part == nil {
		if err := filters.Check(plan); err != nil {
			return err
		}
		if err := plan.Filter(filters); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	done := f.finished(suite, d.env)
	retry(plan, f.old)
	for i, n := range plan.Notices {
		if i == 10 {
			fmt.Fprintf(stderr, "notice: and %d more\n", len(plan.Notices)-i)
			break
		}
		fmt.Fprintln(stderr, "notice:", n)
	}
	if f.dryRun {
		plan.Limit(time.Duration(suite.Budget), done)
		return dryRun(stdout, plan, f.part, done, f.device.dry, f.format)
	}
	return f.execute(ctx, plan, done, dropped, d.env, command, formats, stdout, stderr)
}

// plan plans the suite, or the cases of its shard that the filters select.
func (f *runFlags) plan(ctx context.Context, suite *suites.Suite, shard suites.Shard, filters suites.Filter, w suites.Registry) (plan *suites.Plan, err error) {
	if shard.Count > 0 {
		plan, f.part, err = suites.NewShardPlan(ctx, suite, w, suites.Part{Shard: shard, Filter: filters, Gates: f.judged})
		return plan, f.planError(suite, err)
	}
	if plan, err = suites.NewPlan(ctx, suite, w); err != nil {
		return nil, f.planError(suite, err)
	}
	return plan, checkFlagGates(plan, f.judged[len(suite.Gates):])
}

func (f *runFlags) execute(ctx context.Context, plan *suites.Plan, done map[string]result.Record, dropped []string, env result.Env, command string, formats []reports.Format, stdout, stderr io.Writer) error {
	// A closed output pipe must not end a measurement.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	dir, err := f.begin(plan, dropped, env, command)
	if err != nil {
		return err
	}
	notice(stderr, f.w.Notice())
	obs := newObserver(stderr, f.quiet)
	_, runErr := plan.Run(ctx, f.w, done, obs)
	obs.end()
	interrupted := runErr != nil && ctx.Err() != nil && errors.Is(runErr, ctx.Err())
	var lost *result.LostError
	if errors.As(runErr, &lost) {
		return lostError(lost)
	}
	resume := "yocobench run --resume " + cleantext.ShellQuote(dir)
	if errors.Is(runErr, runners.ErrDeviceLost) {
		return &exitError{exitDeviceLost, fmt.Errorf("%w\n  hint: the results are in %s; a new process can use the GPU again and runs the failed case last: %s", runErr, dir, resume)}
	}
	if runErr != nil && !interrupted {
		return fmt.Errorf("%w\n  hint: the results are in %s; resume with: %s", runErr, dir, resume)
	}
	drawing := ctx
	if interrupted {
		drawing = context.WithoutCancel(ctx)
	}
	sum, verdicts, err := f.show(drawing, dir, formats, stdout)
	if err != nil && drawing.Err() != nil {
		return &exitError{exitInterrupted, fmt.Errorf("interrupted while the reports were written\n  hint: the results are complete; write the reports with: yocobench report %s", cleantext.ShellQuote(dir))}
	}
	if err != nil && interrupted { // perhaps the terminal was closed
		return &exitError{exitInterrupted, err}
	}
	if err != nil {
		return err
	}
	switch {
	case interrupted:
		fmt.Fprintf(stderr, "interrupted; resume with: %s\n", resume)
		return &exitError{exitInterrupted, nil}
	case f.part != nil && len(f.part.Cases) == 0:
		notice(stderr, fmt.Sprintf("shard %s has no case: the plan has fewer cases, or groups of cases that stay together, than shards", f.part))
		return nil
	}
	return outcome(sum, verdicts, f.cases(plan, dropped), dir)
}

// outcome returns the error of a run with these outcomes of its cases and these verdicts, or nil.
func outcome(sum suites.Summary, verdicts *compare.Judgement, cases int, dir string) error {
	switch {
	case verdicts != nil && verdicts.Verdict == compare.Regressed:
		return gateError(verdicts)
	case sum[result.Failed] > 0:
		return &exitError{exitFailed, fmt.Errorf("%d of %d cases failed; the reasons are in %s", sum[result.Failed], cases, filepath.Join(dir, "report.md"))}
	case sum[result.OK] == 0:
		return &exitError{exitFailed, fmt.Errorf("no case has a result: %s; the reasons are in %s", sum, filepath.Join(dir, "report.md"))}
	case verdicts != nil:
		return gateError(verdicts)
	}
	return nil
}

// begin opens the run's folder and journal, and appends the header.
func (f *runFlags) begin(plan *suites.Plan, dropped []string, env result.Env, command string) (dir string, err error) {
	header := result.Run{
		ID: result.NewID(), Shard: f.part,
		Suite: plan.Suite.Name, Title: plan.Suite.Title, SuiteHash: plan.Hash, SuiteText: plan.Suite.Text,
		SuiteFile: cleantext.LastElement(plan.Suite.File), Filter: f.filters,
		Start: time.Now().UTC().Round(time.Second), Command: "yocobench " + command, Cases: f.cases(plan, dropped),
		Env: env, References: plan.Suite.Published(), Baselines: plan.Baselines(),
		Weights: weightsOf(plan), Dropped: dropped, Tasks: plan.Tasks,
	}
	header.Env.Text = plan.Text
	if f.part != nil {
		header.Host, _ = os.Hostname()
	}
	made := false
	if dir = f.resume; dir == "" {
		if dir, made, f.w, err = newJournal(f.out, plan.Suite.Name); err != nil {
			return "", err
		}
	} else if last := f.old.Last(); last != nil {
		header.SuiteFile = last.SuiteFile
	}
	clearFolder(dir)
	header.Settings = f.chosen(dir, plan.Suite)
	if err := f.w.Append(header); err != nil {
		hint := "fix that, then resume: yocobench run --resume " + cleantext.ShellQuote(dir)
		if f.resume == "" {
			hint = "fix that, or give another --out"
			f.w.Discard()
			f.w = nil
			if made {
				_ = os.Remove(dir)
			}
		}
		return "", fmt.Errorf("write the journal: %w; nothing was measured\n  hint: %s", err, hint)
	}
	return dir, nil
}

// cases returns the number of records the run will have: the cases of the plan, and those measured
// earlier under other filters.
func (f *runFlags) cases(plan *suites.Plan, dropped []string) int {
	n := len(plan.Cases)
	if f.old == nil || f.part != nil {
		return n
	}
	planned := map[string]bool{}
	for _, c := range plan.Cases {
		planned[c.ID] = true
	}
	for _, id := range dropped {
		planned[id] = true
	}
	for _, r := range f.old.Records {
		if !planned[r.Case] {
			n++
		}
	}
	return n
}

// lostError explains what happened to a run's folder and what the user can do.
func lostError(lost *result.LostError) error {
	hint := "its results are lost; start another run"
	switch dir := filepath.Dir(lost.Now); {
	case lost.Changed:
		hint = "resume it to measure the missing cases: yocobench run --resume " + cleantext.ShellQuote(filepath.Dir(lost.Path))
	case lost.Now != "" && filepath.Base(lost.Now) == journalName:
		hint = "the results are there; resume with: yocobench run --resume " + cleantext.ShellQuote(dir)
	case lost.Now != "":
		hint = fmt.Sprintf("the results are there; rename it and resume: mv %s %s", cleantext.ShellQuote(lost.Now), cleantext.ShellQuote(filepath.Join(dir, journalName)))
	}
	return fmt.Errorf("%w; the run ends here\n  hint: %s", lost, hint)
}

// show evaluates the gates, writes the reports and prints the output that the user selected. It
// counts the outcomes of the whole run, including those measured before it was resumed.
func (f *runFlags) show(ctx context.Context, dir string, formats []reports.Format, stdout io.Writer) (suites.Summary, *compare.Judgement, error) {
	j, err := result.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		return nil, nil, err
	}
	sum := suites.Summary{}
	for _, r := range j.Records {
		sum[r.Status]++
	}
	verdicts := judge(f.judged, j, f.baseline)
	files, err := reports.Write(ctx, dir, j, shown(verdicts), formats)
	if err != nil {
		return nil, nil, fmt.Errorf("%w\n  hint: the results are in %s; write the reports with: yocobench report %s", err, dir, cleantext.ShellQuote(dir))
	}
	if err := f.print(ctx, dir, files, j, verdicts, stdout); err != nil {
		return nil, nil, fmt.Errorf("%w\n  hint: the run is complete in %s; print it with: yocobench report %s", err, dir, cleantext.ShellQuote(dir))
	}
	return sum, verdicts, nil
}

// print prints the output that the user selected.
func (f *runFlags) print(ctx context.Context, dir string, files []string, j *result.Journal, verdicts *compare.Judgement, stdout io.Writer) error {
	switch {
	case f.format == "json":
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(runJSON(dir, files, j, verdicts))
	case f.quiet:
		_, err := fmt.Fprintln(stdout, dir)
		return err
	}
	width, color := terminal(stdout)
	if err := reports.Terminal(ctx, raw(stdout), j, shown(verdicts), width, color); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "\n%s: %s\n", dir, listFiles(files))
	return err
}

// listFiles lists the most important files by name, and the number of the others.
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
