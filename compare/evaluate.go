package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// evaluate collects the evidence on one case.
func evaluate(g gate.Gate, p pair) CaseVerdict {
	c := p.candidate
	v := CaseVerdict{Model: c.Model, Label: c.Label, cases: []*Case{c, p.base}}
	if p.base != nil && g.Over != gate.Baseline {
		v.Over = p.base.Model
	}
	if p.base != nil && p.base.Status != result.OK && p.base.Status == c.Status {
		v.Verdict, v.Reason = Unjudged, fmt.Sprintf("%s on both sides", c.Status)
		return v
	}
	for _, side := range []*Case{c, p.base} {
		if side == nil || side.Metrics[g.Metric] != nil {
			continue
		}
		v.Verdict, v.Reason = Broken, lacks(side, g.Metric)
		if side == p.base {
			v.Reason = "the other side: " + v.Reason
		}
		return v
	}
	var b *Sample
	if p.base != nil {
		b = p.base.Metrics[g.Metric]
	}
	if b != nil && b.Kind == Timed && g.Over != gate.Baseline && !slices.Equal(c.machines, p.base.machines) {
		v.Verdict, v.Reason = Broken, fmt.Sprintf("measured on another kind of machine than that of %s: the ratio of their times is not one of the models", clean(p.base.Model))
		return v
	}
	paired := b != nil && p.paired(c.Metrics[g.Metric], b)
	if err := v.judge(g, c.Metrics[g.Metric], b, paired); err != nil {
		v.Verdict, v.Reason = Broken, err.Error()
	}
	return v
}

// lacks returns the reason for which a case lacks a metric.
func lacks(c *Case, metric string) string {
	if c.Status != result.OK {
		return clean(strings.TrimSuffix(fmt.Sprintf("%s: %s", c.Status, c.Reason), ": "))
	}
	return fmt.Sprintf("it has no metric %s, but %s", metric, strings.Join(c.names(), ", "))
}

// judge compares a sample with the gate's limit, or with another sample.
func (v *CaseVerdict) judge(g gate.Gate, a, b *Sample, paired bool) error {
	var err error
	v.Rounds = a.rounds != nil
	switch {
	case v.Rounds:
	case b == nil:
		a, v.Runs = a.ofRuns()
	case g.Over == gate.Baseline && a.Kind == Timed && b.Kind == Timed:
		a, b, v.Runs = a.asRuns(), b.asRuns(), true
	}
	if b == nil {
		v.Unit = a.Unit
		if !g.Fits(a.Unit) {
			return fmt.Errorf("%s is in %s, the gate in %s", g.Metric, a.Unit, g.Unit)
		}
		v.e = fixed(a, g)
	} else {
		v.Unit = "ratio"
		if a.Unit != b.Unit || a.Kind != b.Kind {
			return fmt.Errorf("%s in %s has no ratio to %s in %s", a.Kind, a.Unit, b.Kind, b.Unit)
		}
		if v.e, err = relative(a, b, g, paired); err != nil {
			return err
		}
	}
	v.Value, v.Lo, v.Hi, v.N, v.Method = finite(v.e.estimate), finite(v.e.lo), finite(v.e.hi), v.e.n, v.e.method
	v.Figures = v.e.rounds
	v.Runs = v.Runs || v.e.byRun
	fail := v.e.below
	if !g.AtLeast {
		fail = v.e.above
	}
	v.P = finite(fail)
	v.slack = (v.e.estimate - g.Value) / max(v.e.hi-v.e.lo, math.SmallestNonzeroFloat64)
	if !g.AtLeast {
		v.slack = -v.slack
	}
	return nil
}

// fixed returns the evidence of a sample on a fixed limit.
func fixed(a *Sample, g gate.Gate) evidence {
	limit, confidence := g.Value, g.Confidence
	switch a.Kind {
	case Timed:
		if a.rounds != nil {
			return medianOfRounds(a.figures(), limit, confidence)
		}
		return medianAgainst(a.Values, limit, confidence)
	case Share:
		return shareAgainst(a.Values, limit, confidence)
	case Mean:
		return meanAgainst(a.Values, limit, confidence).within(a.lo, a.hi, limit)
	case Estimate:
		e := evidence{estimate: a.Values[0], lo: math.Inf(-1), hi: math.Inf(1), above: 1, below: 1, n: 1, method: "the record's interval"}
		if a.lo == nil || a.hi == nil || a.level < confidence {
			return e
		}
		e.lo, e.hi = *a.lo, *a.hi
		// A bound at the limit meets the gate.
		if e.lo > limit || g.AtLeast && e.lo == limit {
			e.above = (1 - a.level) / 2
		}
		if e.hi < limit || !g.AtLeast && e.hi == limit {
			e.below = (1 - a.level) / 2
		}
		return e
	}
	return exactly(a.Values[0], limit)
}

// relative returns the evidence of two samples on their ratio.
func relative(a, b *Sample, g gate.Gate, paired bool) (evidence, error) {
	factor, confidence := g.Value, g.Confidence
	if a.Kind != Exact && a.Kind != Share && !(a.positive() && b.positive()) {
		return evidence{}, fmt.Errorf("a ratio needs positive values")
	}
	n := min(len(a.Values), len(b.Values))
	how := map[bool]string{true: "same questions", false: "different questions"}[paired]
	switch a.Kind {
	case Timed:
		switch {
		case a.rounds == nil && g.Over == gate.Baseline:
			return runsAgainst(a.Values, b.Values, factor, confidence), nil
		case a.rounds == nil:
			return insideRuns(a, b, factor, confidence), nil
		case g.Over == gate.Baseline:
			return interleavedAgainst(a, b, factor, confidence), nil
		}
		return ratioOfRounds(a, b, factor, confidence), nil
	case Share:
		c := shareContrast(a.Values, b.Values, paired)
		return c.against(sum(a.Values)/float64(len(a.Values)), sum(b.Values)/float64(len(b.Values)), factor, confidence, n, "ratio of shares, "+how), nil
	case Mean:
		c := meanContrast(a.Values, b.Values, paired)
		return c.against(meanOf(a.Values).mean, meanOf(b.Values).mean, factor, confidence, n, "ratio of means, "+how), nil
	case Estimate:
		return evidence{}, fmt.Errorf("a value without samples has no testable ratio")
	}
	e := exactly(a.Values[0], factor*b.Values[0])
	e.estimate = a.Values[0] / b.Values[0]
	e.lo, e.hi = e.estimate, e.estimate
	return e, nil
}

// pooled pools the questions of all cases of a model.
func pooled(g gate.Gate, pairs []pair) (out []CaseVerdict) {
	var models []string
	by := map[string][]pair{}
	for _, p := range pairs {
		if by[p.candidate.Model] == nil {
			models = append(models, p.candidate.Model)
		}
		by[p.candidate.Model] = append(by[p.candidate.Model], p)
	}
	for _, m := range models {
		v := CaseVerdict{Model: m, Label: fmt.Sprintf("%d cases", len(by[m]))}
		a, b, paired := &Sample{Kind: Share}, (*Sample)(nil), true
		for _, p := range by[m] {
			one := evaluate(g, p)
			switch x := p.candidate.Metrics[g.Metric]; {
			case one.Verdict == Unjudged:
				continue
			case one.Verdict == Broken:
				v.Verdict, v.Reason = Broken, clean(p.candidate.Label)+": "+one.Reason
			case x.Kind != Share:
				v.Verdict, v.Reason = Broken, "only metrics of correct and wrong answers can be pooled"
			default:
				a.Unit, a.Values = x.Unit, append(a.Values, x.Values...)
				if p.base != nil {
					if b == nil {
						b = &Sample{Kind: Share, Unit: x.Unit}
					}
					b.Values = append(b.Values, p.base.Metrics[g.Metric].Values...)
					paired = paired && p.paired(x, p.base.Metrics[g.Metric])
				}
				v.Over = one.Over
			}
		}
		if v.Verdict == "" {
			if len(a.Values) == 0 {
				v.Verdict, v.Reason = Unjudged, "no case has a result on either side"
			} else if err := v.judge(g, a, b, paired); err != nil {
				v.Verdict, v.Reason = Broken, err.Error()
			}
		}
		out = append(out, v)
	}
	return out
}
