package main

import (
	"fmt"
	"path/filepath"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// gatesOf gives the gates that a run was made with: those of its suite and of its command line.
func gatesOf(j *result.Journal, path string) ([]gate.Gate, error) {
	h := j.Last()
	if h == nil {
		return nil, nil
	}
	gates, err := suites.ReadGates(h.SuiteText, "the suite in "+filepath.Base(path))
	if err != nil || h.Settings == nil {
		return gates, err
	}
	stored, err := storedGates(h.Settings.Gates)
	return append(gates, stored...), err
}

// judge judges gates on one run; nil where there are none. A run that is not whole passes and
// regresses nowhere.
func judge(gates []gate.Gate, j *result.Journal, base *compare.Side) *compare.Judgement {
	if len(gates) == 0 {
		return nil
	}
	if out := incomplete(gates, j); out != nil {
		return out
	}
	return compare.Judge(gates, compare.NewSide("run", []*result.Journal{j}, nil), base)
}

// incomplete is the judgement of runs of which one lacks cases: no gate is judged. It is nil where
// none does.
func incomplete(gates []gate.Gate, journals ...*result.Journal) *compare.Judgement {
	for _, j := range journals {
		missing, n := j.Missing(), len(j.Records)
		if missing == 0 {
			continue
		}
		out := &compare.Judgement{Verdict: compare.Unjudged}
		for _, g := range gates {
			out.Gates = append(out.Gates, compare.GateVerdict{Gate: g, Verdict: compare.Unjudged, Reason: fmt.Sprintf("the run holds %d of its %d cases", n, n+missing)})
		}
		return out
	}
	return nil
}

// shown are verdicts as reports show them; nil for none.
func shown(j *compare.Judgement) *reports.Gates {
	if j == nil {
		return nil
	}
	out := &reports.Gates{Verdict: string(j.Verdict), Note: j.Note}
	for _, g := range j.Gates {
		out.List = append(out.List, reports.Gate{Verdict: string(g.Verdict), Text: g.Gate.Text, Lines: g.Lines()})
	}
	return out
}
