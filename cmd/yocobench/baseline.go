package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/suites/result"
)

// A baseline is a folder of runs to commit, with one journal per run. A journal's name is the run's
// start time and its machine's fingerprint. Data that comparisons do not read are left out. A
// baseline may hold runs of several machines.

func newBaseline() *cobra.Command {
	save := &cobra.Command{
		Use:     "save RUN... DIR",
		Short:   "Create a baseline from one or more runs",
		Example: "  yocobench baseline save runs/ci-1 runs/ci-2 runs/ci-3 baselines/ci",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[len(args)-1]
			exists := usagef("%s exists\n  hint: add runs to it with: yocobench baseline update", dir)
			if _, err := os.Lstat(dir); err == nil {
				return exists
			}
			journals, err := readRuns(args[:len(args)-1], dir, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
				return err
			}
			if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
				return exists
			} else if err != nil {
				return err
			}
			err = addRuns(journals, dir, c.OutOrStdout())
			if err != nil {
				_ = os.Remove(dir) // if nothing was written
			}
			return err
		},
	}
	var last int
	update := &cobra.Command{
		Use:     "update RUN... DIR",
		Short:   "Add runs to a baseline, and drop the oldest of each machine",
		Example: "  yocobench baseline update runs/ci-4 baselines/ci --keep 5",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if last < 1 {
				return usagef("--keep is 1 or more, not %d", last)
			}
			dir := args[len(args)-1]
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return usagef("no baseline at %s\n  hint: create one: yocobench baseline save", dir)
			}
			journals, err := readRuns(args[:len(args)-1], dir, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := addRuns(journals, dir, c.OutOrStdout()); err != nil {
				return err
			}
			return prune(dir, last, c.OutOrStdout())
		},
	}
	update.Flags().IntVar(&last, "keep", 5, "number of runs to keep per machine")
	c := group("baseline", "Create or update baselines to compare later runs with", save, update)
	c.Long = `Create or update baselines to compare later runs with, in a folder to commit:

  yocobench baseline save runs/a runs/b runs/c baselines/ci
  yocobench run ci --baseline baselines/ci

A baseline may contain runs of several machines. A run is compared with those of
a similar machine (CPU, cores, threads, kernel tier, GPU, system), and refused
if there are none; --across-machines uses all of them. Gates on times need at
least 4 runs of each side: yocobench gate r1,r2,r3,r4 --baseline DIR.`
	return c
}

// readRuns reads the runs to put into a baseline. A run with failed cases is an error.
func readRuns(paths []string, dir string, stderr io.Writer) (journals []*result.Journal, err error) {
	names := map[string]bool{}
	for _, p := range paths {
		j, err := readRun(p)
		if err != nil {
			return nil, err
		}
		notice(stderr, j.Notice)
		if len(j.Runs) == 0 || len(j.Records) == 0 {
			return nil, usagef("%s has no header or no cases, so later runs cannot be compared with it", p)
		}
		if n := j.Missing(); n > 0 {
			notice(stderr, fmt.Sprintf("%s: %d of %d cases were not run", p, n, n+len(j.Records)))
		}
		for _, r := range j.Records {
			if r.Status == result.Failed {
				return nil, fmt.Errorf("%s: a case failed (%s: %s): it cannot be a baseline", p, r.Model, r.Label)
			}
		}
		name := baselineName(j)
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil || names[name] {
			return nil, usagef("%s is in %s already", p, dir)
		}
		names[name] = true
		journals = append(journals, j)
	}
	return journals, nil
}

// addRuns writes runs into a baseline's folder.
func addRuns(journals []*result.Journal, dir string, out io.Writer) error {
	for _, j := range journals {
		name := filepath.Join(dir, baselineName(j))
		if err := writeBaseline(name, j); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", name, numberOf(len(j.Records)))
	}
	return nil
}

// baselineName returns the name of a run's file in a baseline: its start time and its machine.
func baselineName(j *result.Journal) string {
	h := j.Runs[len(j.Runs)-1]
	return fmt.Sprintf("%s-%s.jsonl", h.Start.UTC().Format("20060102-150405"), h.Env.Machine())
}

// writeBaseline writes a journal without curves and answers. It keeps the questions, because
// comparisons pair the answers to the same question.
func writeBaseline(path string, j *result.Journal) error {
	kept := &result.Journal{Runs: j.Runs}
	for _, r := range j.Records {
		r.Series = nil
		r.Trials = slices.Clone(r.Trials)
		for i, t := range r.Trials {
			r.Trials[i] = result.Trial{Question: t.Question, Expected: t.Expected, Score: t.Score, Exact: t.Exact, Contains: t.Contains, LogProb: t.LogProb, Tokens: t.Tokens}
		}
		kept.Records = append(kept.Records, r)
	}
	return result.WriteFile(path, kept)
}

// prune removes all but the last runs of each machine. File names begin with the time, so they sort
// by age.
func prune(dir string, last int, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for i := len(files) - 1; i >= 0; i-- {
		machine := files[i][strings.LastIndex(files[i], "-")+1:]
		if seen[machine]++; seen[machine] <= last {
			continue
		}
		if err := os.Remove(files[i]); err != nil && !errors.Is(err, os.ErrNotExist) { // a concurrent update may have removed it
			return err
		}
		fmt.Fprintf(out, "%s: dropped\n", files[i])
	}
	return nil
}

// runsIn lists the runs at a path: one for a run folder or a journal, all of them for a baseline.
func runsIn(path string) []string {
	if _, err := os.Stat(filepath.Join(path, journalName)); err == nil {
		return []string{path}
	}
	files, err := filepath.Glob(filepath.Join(path, "*.jsonl"))
	if err != nil || len(files) == 0 {
		return []string{path}
	}
	return files
}

// baselineFlags are the flags that select the baseline.
type baselineFlags struct {
	paths  []string
	across bool
}

func (b *baselineFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&b.paths, "baseline", nil, "`PATH` of an older run or a baseline's folder, for gates that name baseline (repeatable: pooled)")
	c.Flags().BoolVar(&b.across, "across-machines", false, "also compare with baselines of other machines")
}

// restore restores the baselines that the run at path was made with, if the command line gives
// none. It skips those that no longer exist.
func (b *baselineFlags) restore(path string, j *result.Journal) {
	h := j.Last()
	if len(b.paths) > 0 || h == nil || h.Settings == nil {
		return
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		path = filepath.Dir(path)
	}
	for _, p := range h.Settings.Baselines {
		found, err := below(path, p)
		if _, statErr := os.Stat(found); err == nil && statErr == nil {
			b.paths = append(b.paths, found)
			b.across = b.across || h.Settings.AcrossMachines
		}
	}
}

// read pools the runs of the baseline that were made on machines similar to all of envs. It returns
// nil if no baseline is given.
func (b *baselineFlags) read(envs []result.Env, keep compare.Keep) (*compare.Side, error) {
	if len(envs) == 0 { // nothing is known of the machine
		envs = []result.Env{{}}
	}
	var journals []*result.Journal
	var other []string
	seen := map[string]bool{}
	for _, list := range b.paths {
		for _, path := range split(list) {
			for _, run := range runsIn(path) {
				j, err := readRun(run)
				if err != nil {
					return nil, err
				}
				if seen[compare.RunKey(j)] {
					return nil, usagef("%s is given twice as a baseline", run)
				}
				seen[compare.RunKey(j)] = true
				if d := otherMachines(j, envs); len(d) > 0 && !b.across {
					other = d
					continue
				}
				journals = append(journals, j)
			}
		}
	}
	switch {
	case len(journals) > 0:
		return compare.NewSide("baseline", journals, keep), nil
	case len(other) > 0:
		return nil, fmt.Errorf("the baseline has runs of other machines only; the most similar one differs in %s\n  hint: add a run of this machine with `yocobench baseline update`, or compare anyway with --across-machines", strings.Join(other, ", "))
	}
	return nil, nil
}

// otherMachines reports how the machines of a journal's runs differ from those of envs. If every
// result was computed, the machine does not matter and nothing differs.
func otherMachines(j *result.Journal, envs []result.Env) (out []string) {
	measured := func(r result.Record) bool { return r.Source != result.Computed }
	if len(j.Runs) == 0 || !slices.ContainsFunc(j.Records, measured) {
		return nil
	}
	for _, a := range j.Envs() {
		for _, b := range envs {
			for _, d := range compare.OtherMachine(a, b) {
				if !slices.Contains(out, d) {
					out = append(out, d)
				}
			}
		}
	}
	return out
}
