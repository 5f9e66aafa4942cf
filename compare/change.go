package compare

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/yocobench/yocobench/suites/result"
)

// Options are the options of a comparison.
type Options struct {
	// Alpha is the significance level. Confidence is the level of the intervals; 0 means 1 - Alpha.
	Alpha, Confidence float64
	// Metrics are patterns of the metrics to compare, as metric or task.metric. If empty, all
	// metrics for which higher or lower is better are compared.
	Metrics []string
}

// Comparison is the result of comparing two sides.
type Comparison struct {
	Base  string  `json:"base"`
	New   string  `json:"new"`
	Alpha float64 `json:"alpha"`
	// Confidence is the confidence of the intervals.
	Confidence float64  `json:"confidence"`
	Warnings   []string `json:"warnings,omitempty"`
	Groups     []Group  `json:"groups"`
	// Note explains a limitation of the comparison.
	Note string `json:"note,omitempty"`
	// OnlyBase and OnlyNew name the cases that only one side has.
	OnlyBase []string `json:"only_base,omitempty"`
	OnlyNew  []string `json:"only_new,omitempty"`
	// Gates holds the verdicts on gates, if there are any.
	Gates *Judgement `json:"gates,omitempty"`
}

// Group holds the changes of one metric of one task.
type Group struct {
	Task   string        `json:"task"`
	Metric string        `json:"metric"`
	Unit   string        `json:"unit"`
	Better result.Better `json:"better"`
	// Changes has one entry per case.
	Changes []Change `json:"changes"`
	// Ratio is the geometric mean of the ratios new/base over cases, or nil if there are none.
	Ratio *float64 `json:"geomean_ratio,omitempty"`
}

// Change is the change of one metric of one case.
type Change struct {
	Case  string `json:"case"`
	Model string `json:"model"`
	Label string `json:"label"`
	Kind  Kind   `json:"kind"`
	// Base and New are nil if the side has no value. Its status is then in BaseState or NewState.
	Base      *Summary      `json:"base,omitempty"`
	New       *Summary      `json:"new,omitempty"`
	BaseState result.Status `json:"base_status"`
	NewState  result.Status `json:"new_status"`
	// Ratio is new/base, or nil if it is not meaningful.
	Ratio *float64 `json:"ratio,omitempty"`
	// Runs reports whether the samples are the medians of runs.
	Runs bool `json:"runs_as_samples,omitempty"`
	// P is the two-sided p-value of Test, or nil if nothing was tested.
	P    *float64 `json:"p,omitempty"`
	Test string   `json:"test,omitempty"`
	// Verdict is better, worse, differs (if neither direction is better), equal (exactly, or in
	// every answer), or ~ if the difference is not significant.
	Verdict Verdict `json:"verdict"`
	// Note explains a ~ that more samples could resolve.
	Note string `json:"note,omitempty"`
}

// Verdict is the outcome of a comparison or of a gate.
type Verdict string

// The verdicts of changes.
const (
	Better  Verdict = "better"
	Worse   Verdict = "worse"
	Differs Verdict = "differs"
	Equal   Verdict = "equal"
	Unknown Verdict = "~"
)

// Compare pairs the cases of two sides and tests their differences.
func Compare(base, candidate *Side, o Options) *Comparison {
	if !(o.Alpha > 0) {
		o.Alpha = benchmath.DefaultThresholds.CompareAlpha
	}
	if !(o.Confidence > 0) {
		o.Confidence = 1 - o.Alpha
	}
	pairs, onlyBase, onlyNew := pairCases(base, candidate)
	c := &Comparison{Base: base.Name, New: candidate.Name, Alpha: o.Alpha, Confidence: o.Confidence, Groups: []Group{}}
	c.Warnings = warnings(base, candidate, pairs)
	index := map[string]int{}
	for _, p := range pairs {
		for _, name := range metricsOf(p, o.Metrics) {
			key := p.candidate.Task + "." + name
			i, ok := index[key]
			if !ok {
				i = len(c.Groups)
				index[key] = i
				m := firstSample(p.candidate.Metrics[name], p.base.Metrics[name])
				c.Groups = append(c.Groups, Group{Task: p.candidate.Task, Metric: name, Unit: m.Unit, Better: m.Better})
			}
			c.Groups[i].Changes = append(c.Groups[i].Changes, change(p, name, o))
		}
	}
	slices.SortStableFunc(c.Groups, func(a, b Group) int { return strings.Compare(a.Task, b.Task) })
	for i := range c.Groups {
		c.Groups[i].Ratio = geomean(c.Groups[i].Changes)
	}
	if base != candidate && single(pairs) {
		c.Note = oneRun
	}
	for _, x := range onlyBase {
		c.OnlyBase = append(c.OnlyBase, x.name())
	}
	for _, x := range onlyNew {
		c.OnlyNew = append(c.OnlyNew, x.name())
	}
	return c
}

// oneRun is the note on times of a single run.
const oneRun = "times are not tested with one run on a side, because the variation between runs is unknown; use yocobench ab, or at least 4 runs of each side, measured alternately"

// single reports whether a pair compares times of which one side has a single run.
func single(pairs []pair) bool {
	for _, p := range pairs {
		for name, m := range p.candidate.Metrics {
			if b := p.base.Metrics[name]; m.Kind == Timed && m.rounds == nil && m.Better != result.None && b != nil && b.Kind == Timed && min(m.Runs, b.Runs) == 1 {
				return true
			}
		}
	}
	return false
}

// name returns the case's name for reports.
func (c *Case) name() string { return clean(c.Model + ": " + c.Label) }

// metricsOf returns the metrics to compare, in order.
func metricsOf(p pair, patterns []string) []string {
	var out []string
	for _, n := range slices.Concat(p.candidate.names(), p.base.names()) {
		m := firstSample(p.candidate.Metrics[n], p.base.Metrics[n])
		if len(patterns) == 0 && m.Better == result.None || !Chosen(patterns, p.candidate.Task, n) {
			continue
		}
		out = append(out, n)
	}
	sort.Strings(out)
	return slices.Compact(out)
}

func firstSample(a, b *Sample) *Sample {
	if a != nil {
		return a
	}
	return b
}

func change(p pair, name string, o Options) Change {
	b, n := p.base.Metrics[name], p.candidate.Metrics[name]
	runs := b != nil && n != nil && b.Kind == Timed && n.Kind == Timed && max(b.Runs, n.Runs) > 1
	if runs {
		n, b = n.asRuns(), b.asRuns()
	}
	c := Change{Runs: runs, Case: p.candidate.ID, Model: p.candidate.Model, Label: p.candidate.Label, Kind: firstSample(n, b).Kind,
		BaseState: p.base.Status, NewState: p.candidate.Status, Verdict: Unknown}
	if b != nil {
		s := b.summary(o.Confidence)
		c.Base = &s
	}
	if n != nil {
		s := n.summary(o.Confidence)
		c.New = &s
	}
	if b == nil || n == nil {
		return c
	}
	if b.Unit != n.Unit || b.Kind != n.Kind {
		c.Note = fmt.Sprintf("%s in %s is not comparable with %s in %s", b.Kind, b.Unit, n.Kind, n.Unit)
		return c
	}
	if c.Base.Center > 0 && c.New.Center >= 0 {
		c.Ratio = finite(c.New.Center / c.Base.Center)
	}
	switch test(&c, p, b, n, o); {
	case c.Verdict == Equal, c.P == nil:
	case *c.P <= o.Alpha:
		c.Verdict = direction(n.Better, c.New.Center-c.Base.Center)
	}
	return c
}

// direction returns the verdict on a significant difference d.
func direction(better result.Better, d float64) Verdict {
	switch {
	case d == 0:
		return Unknown
	case better == result.None:
		return Differs
	case (better == result.Higher) == (d > 0):
		return Better
	}
	return Worse
}

// test fills in P and Test, or the verdict if there is no uncertainty.
func test(c *Change, p pair, b, n *Sample, o Options) {
	set := func(p float64, name string) { c.P, c.Test = &p, name }
	switch n.Kind {
	case Exact:
		c.Test = "exact"
		if c.Verdict = direction(n.Better, c.New.Center-c.Base.Center); c.Verdict == Unknown {
			c.Verdict = Equal
		}
	case Timed:
		if min(b.Runs, n.Runs) == 1 {
			return // the comparison's note gives the reason
		}
		t := benchmath.Thresholds{CompareAlpha: o.Alpha}
		r := benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(b.Values), &t), benchmath.NewSample(slices.Clone(n.Values), &t))
		set(min(r.P, 1), "Mann-Whitney U of runs") // with ties, the middle of U counts in both tails
		if least := leastRuns(o.Alpha / 2); min(b.Runs, n.Runs) < least && *c.P > o.Alpha {
			c.Note = fmt.Sprintf("a significant difference takes at least %d runs of each side", least)
		}
	case Share, Mean:
		switch {
		case p.paired(b, n) && slices.Equal(b.Values, n.Values):
			c.Verdict, c.Test = Equal, "same answers"
		case p.paired(b, n):
			set(flipTest(n.Values, b.Values))
		case n.Kind == Share && wholes(b.Values) && wholes(n.Values):
			set(fisher(int(sum(n.Values)), len(n.Values), int(sum(b.Values)), len(b.Values)), "Fisher's exact")
		case len(b.Values) > 1 && len(n.Values) > 1:
			r := benchmath.AssumeNormal.Compare(benchmath.NewSample(slices.Clone(b.Values), &benchmath.DefaultThresholds), benchmath.NewSample(slices.Clone(n.Values), &benchmath.DefaultThresholds))
			set(r.P, "Welch's t")
		}
		if c.P != nil && math.IsNaN(*c.P) {
			c.P, c.Test = nil, ""
		}
	case Estimate:
		if c.New.Center == c.Base.Center {
			c.Verdict = Equal
			return
		}
		c.Note = "an interval without samples cannot be tested against another"
	}
}

// geomean returns the geometric mean of the ratios of the cases that have one.
func geomean(cs []Change) *float64 {
	var logs []float64
	for _, c := range cs {
		if c.Ratio != nil && *c.Ratio > 0 {
			logs = append(logs, math.Log(*c.Ratio))
		}
	}
	if len(logs) == 0 {
		return nil
	}
	return finite(math.Exp(sum(logs) / float64(len(logs))))
}

// Count returns the number of changes with verdict v.
func (c *Comparison) Count(v Verdict) (n int) {
	for _, g := range c.Groups {
		for _, x := range g.Changes {
			if x.Verdict == v {
				n++
			}
		}
	}
	return n
}
