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

// gatesOf returns the gates of a run: those of its suite and of its command line.
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

// judge evaluates gates on one run, or returns nil if there are none. No gate passes or regresses
// on an incomplete run.
func judge(gates []gate.Gate, j *result.Journal, base *compare.Side) *compare.Judgement {
	if len(gates) == 0 {
		return nil
	}
	if out := incomplete(gates, j); out != nil {
		return out
	}
	return compare.Judge(gates, compare.NewSide("run", []*result.Journal{j}, nil), base)
}

// incomplete returns a judgement without verdicts if one of the runs lacks cases, otherwise nil.
func incomplete(gates []gate.Gate, journals ...*result.Journal) *compare.Judgement {
	for _, j := range journals {
		missing, n := j.Missing(), len(j.Records)
		reason := fmt.Sprintf("the run has %d of its %d cases", n, n+missing)
		switch last := j.Last(); {
		case last != nil && last.Shard != nil:
			reason = fmt.Sprintf("the run is shard %s; gates are checked on the merged run", last.Shard)
		case missing == 0:
			continue
		}
		out := &compare.Judgement{Verdict: compare.Unjudged}
		for _, g := range gates {
			out.Gates = append(out.Gates, compare.GateVerdict{Gate: g, Verdict: compare.Unjudged, Reason: reason})
		}
		return out
	}
	return nil
}

// shown converts verdicts for the reports; nil stays nil.
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
