package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// gateFlags are the flags of every command that evaluates gates.
type gateFlags struct {
	gates      []string
	confidence float64
	// stored are the gates of the run to resume.
	stored []result.Gate
}

func (f *gateFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.gates, "gate", nil, "an additional gate, such as 'prefill.tps >= 0.95x baseline' (repeatable)")
	c.Flags().Float64Var(&f.confidence, "confidence", gate.DefaultConfidence, "confidence of --gate gates")
}

// parse reads the flags.
func (f *gateFlags) parse() (out []gate.Gate, err error) {
	if !(f.confidence >= 0.5 && f.confidence < 1) {
		return nil, usagef("--confidence is 0.5 to below 1, not %v", f.confidence)
	}
	for _, text := range f.gates {
		g, err := gate.Parse(text)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("--gate: %w", err)}
		}
		g.Confidence = f.confidence
		out = append(out, g)
	}
	stored, err := storedGates(f.stored)
	return append(out, stored...), err
}

// storedGates reads the gates of a run's header.
func storedGates(stored []result.Gate) (out []gate.Gate, err error) {
	for _, s := range stored {
		g, err := gate.Parse(s.Text)
		if err != nil {
			return nil, fmt.Errorf("a gate of the run: %w", err)
		}
		g.Confidence = s.Confidence
		out = append(out, g)
	}
	return out, nil
}

// all returns the gates of the journals' runs, followed by those of the flags.
func (f *gateFlags) all(journals []*result.Journal, path string) ([]gate.Gate, error) {
	flags, err := f.parse()
	if err != nil {
		return nil, err
	}
	own, err := gatesOf(journals[len(journals)-1], path)
	return append(own, flags...), err
}

// readGates reads the gates of a run and their baseline, so that errors appear before anything is
// measured.
func (f *runFlags) readGates(suite *suites.Suite, env result.Env) error {
	flags, err := f.gates.parse()
	if err != nil {
		return err
	}
	for _, g := range suite.Gates {
		f.judged = append(f.judged, g.Gate)
	}
	for _, g := range flags {
		if g.Over == gate.Baseline && len(f.baselines.paths) == 0 {
			return usagef("--gate %q needs --baseline: the run to compare with", g.Text)
		}
	}
	f.judged = append(f.judged, flags...)
	f.baseline, err = f.baselines.read([]result.Env{env}, nil)
	return err
}

// checkFlagGates returns an error if a gate of --gate matches no case of the plan.
func checkFlagGates(plan *suites.Plan, gates []gate.Gate) error {
	for _, g := range gates {
		if err := plan.CheckGate(g); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--gate: %w", err)}
		}
	}
	return nil
}

// envsOf returns the environments that the last journal's results were measured in.
func envsOf(journals []*result.Journal) []result.Env { return journals[len(journals)-1].Envs() }

// gateError converts a judgement into an error with the matching exit code, or nil.
func gateError(j *compare.Judgement) error {
	n := map[compare.Verdict]int{}
	for _, g := range j.Gates {
		n[g.Verdict]++
	}
	exit := func(code int, what string) error {
		return &exitError{code, fmt.Errorf("%d of %d gates %s", n[j.Verdict], len(j.Gates), what)}
	}
	switch j.Verdict {
	case compare.Regressed:
		return exit(exitGate, "regressed")
	case compare.Broken:
		return exit(exitFailed, "broken: a case failed, or data are missing")
	case compare.Undecided:
		return exit(exitUndecided, "undecided: the data support neither verdict")
	}
	return nil
}

func newGate() *cobra.Command {
	var filters []string
	var format string
	var gf gateFlags
	var baselines baselineFlags
	c := &cobra.Command{
		Use:   "gate RUN",
		Short: "Check the gates of a run for regressions",
		Long: `Check the gates of a run's suite (gates:) and of --gate from its results.jsonl,
without measuring again. RUN is a run folder, or several separated by commas;
--baseline is a run or a baseline folder (yocobench baseline --help).

  throughput.decode_tps >= 0.95x baseline         against older runs
  prefill.ttft <= 250ms @ length=16Ki             a fixed limit
  needle.exact >= 0.95                            answers, exact interval
  pooled needle.exact >= 95% @ length<=4Ki        all of a model's questions
  yoco-gret.prefill.tps >= 4x transformer @ 16Ki  inside one run, any machine
  tiny-*.kv.total <= 1.5GiB @ 64Ki, kv=bf16       models by name or pattern

A model is a name, a pattern or an architecture. Conditions on the case follow
@: a size (its length, or depth if it has no length), or key=pattern or
key<=number with model, arch, label or a parameter.

A gate passes on a case if the whole interval at its confidence (0.95) is within
the limit, and regresses if the whole interval is beyond it, corrected for all
cases of all gates (Holm): the probability of a false regression is at most
2.5 %. Otherwise it is undecided, with the number of samples that would decide
it. For times against a baseline each run is one sample, since samples of one
run do not show how much runs differ: a verdict takes 4 runs of each side
(separated by commas), measured alternately. With one run on a side the gate is
undecided. yocobench ab automates this.

Gates of an interrupted run are not checked unless --filter selects the cases.

Exit codes: 0 all passed; 3 a gate regressed; 1 broken: a case failed or data
are missing; 4 undecided.`,
		Example: `  yocobench gate runs/after --baseline runs/before
  yocobench gate runs/after --gate 'yoco-gret.prefill.tps >= 4x transformer'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf(format, "text", "markdown", "json"); err != nil {
				return err
			}
			keep, err := keeping(filters)
			if err != nil {
				return err
			}
			paths := split(args[0])
			candidate, journals, err := readSide("run", paths, keep)
			if err != nil {
				return err
			}
			for _, j := range journals {
				notice(c.ErrOrStderr(), j.Notice)
			}
			candidate.Filtered = candidate.Filtered || len(filters) > 0
			gates, err := gf.all(journals, paths[len(paths)-1])
			if err != nil {
				return err
			}
			if len(gates) == 0 {
				return usagef("%s: its suite has no gates; add some with --gate", args[0])
			}
			baselines.restore(paths[len(paths)-1], journals[len(journals)-1])
			base, err := baselines.read(envsOf(journals), keep)
			if err != nil {
				return err
			}
			var j *compare.Judgement
			if len(filters) == 0 {
				j = incomplete(gates, journals...)
			}
			if j == nil {
				j = compare.Judge(gates, candidate, base)
			}
			w := c.OutOrStdout()
			switch format {
			case "json":
				err = j.JSON(w)
			case "markdown":
				err = j.Markdown(w)
			default:
				err = j.Text(w, tableWidth(w))
			}
			if err != nil {
				return err
			}
			if j.Verdict == compare.Unjudged {
				return &exitError{exitFailed, fmt.Errorf("no gate could be evaluated")}
			}
			return gateError(j)
		},
	}
	baselines.add(c)
	c.Flags().StringArrayVar(&filters, "filter", nil, "check only cases that match: key=glob[,key<=number] (repeatable: any of them)")
	c.Flags().StringVar(&format, "format", "text", "text, markdown or json")
	gf.add(c)
	return c
}
