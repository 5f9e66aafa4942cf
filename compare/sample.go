package compare

import (
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/yocobench/yocobench/suites/result"
)

// Kind is the kind of a metric's samples. It determines how they are summarised and tested.
type Kind = result.Kind

// The kinds that tasks declare. The package documentation describes how each is tested.
const (
	Exact    = result.Exact
	Timed    = result.Timed
	Share    = result.Share
	Mean     = result.Mean
	Estimate = result.Estimate
)

// KindOf returns the kind of a record's metric: the kind that the journal's task declares, if the
// record has the samples for it.
func KindOf(tasks result.Tasks, r *result.Record, metric string) Kind {
	m := r.Metrics[metric]
	info, declared := tasks.Metric(r.Task, metric)
	switch {
	case r.Source == result.Computed:
		return Exact
	case !declared:
		return guessKind(r, m)
	case info.Kind == Share && len(m.Samples) == 0, info.Kind == Mean && len(m.Samples) < 2:
		return Estimate
	}
	return info.Kind
}

// guessKind returns the kind of a metric that no task declares.
func guessKind(r *result.Record, m result.Metric) Kind {
	switch {
	case m.Unit == "bytes" || m.Unit == "sequences" || m.Unit == "tokens" || m.Unit == "flop":
		return Exact
	case m.Method == "wilson" && len(m.Samples) > 0:
		return Share
	case strings.HasPrefix(m.Unit, "nats") || strings.HasPrefix(m.Unit, "bits") || m.Lo != nil || len(r.Trials) > 0:
		if len(m.Samples) > 1 {
			return Mean
		}
		return Estimate
	}
	return Timed
}

// Sample is a metric of a case, pooled over the runs of a side.
type Sample struct {
	Kind   Kind
	Unit   string
	Better result.Better
	// Values holds the times of all runs, or one score per question, averaged over runs.
	Values []float64
	// Runs is the number of runs of the values.
	Runs int
	// Drift is the range of the runs' medians relative to the smallest, if they differ by more than
	// their samples explain; otherwise 0.
	Drift float64
	// medians holds the medians of the runs of a Timed sample; from holds the index of each run's
	// journal.
	medians []float64
	from    []int
	// rounds holds the samples of each round of an interleaved Timed sample (NewInterleaved).
	rounds [][]float64
	// lo, hi and level are the interval of an Estimate and its confidence.
	lo, hi *float64
	level  float64
	// uneven reports that exact values differ, or that runs had different numbers of questions.
	uneven bool
}

// pool pools the records of a metric: one per run, or one per round of an interleaved measurement.
func pool(kind Kind, ms []result.Metric, interleaved bool) *Sample {
	last := ms[len(ms)-1]
	s := &Sample{Kind: kind, Unit: last.Unit, Better: last.Better, Runs: len(ms), lo: last.Lo, hi: last.Hi, level: last.Level}
	var runs [][]float64
	for _, m := range ms {
		if len(m.Samples) > 0 {
			runs = append(runs, m.Samples)
		} else {
			runs = append(runs, []float64{m.Value})
		}
	}
	switch kind {
	case Timed:
		s.Values = slices.Concat(runs...)
		if interleaved {
			s.rounds = runs
			return s
		}
		s.Drift = drift(runs)
		for _, r := range runs {
			s.medians = append(s.medians, median(r))
		}
	case Share, Mean:
		s.Values = slices.Clone(runs[len(runs)-1])
		for _, r := range runs[:len(runs)-1] {
			if s.uneven = len(r) != len(s.Values); s.uneven {
				s.Values, s.Runs = slices.Clone(runs[len(runs)-1]), 1
				return s
			}
			for i, v := range r {
				s.Values[i] += v
			}
		}
		for i := range s.Values {
			s.Values[i] /= float64(len(runs))
		}
	default:
		s.Values = []float64{last.Value}
		for _, m := range ms {
			s.uneven = s.uneven || kind == Exact && m.Value != last.Value
		}
	}
	return s
}

// asRuns returns a Timed sample whose values are the medians of its runs, and other samples
// unchanged.
func (s *Sample) asRuns() *Sample {
	if s.medians == nil {
		return s
	}
	c := *s
	c.Values = s.medians
	return &c
}

// ofRuns returns the samples of a side for a claim about its runs. If the runs differ by more than
// their samples explain, each run counts as one sample.
func (s *Sample) ofRuns() (_ *Sample, byRun bool) {
	if s.Drift > 0 {
		return s.asRuns(), true
	}
	return s, false
}

// runRatios returns the ratios of the medians of two cases, for each run that has both.
func runRatios(a, b *Sample) (out []float64) {
	for i, run := range a.from {
		if k := slices.Index(b.from, run); k >= 0 {
			out = append(out, a.medians[i]/b.medians[k])
		}
	}
	return out
}

// driftAlpha is the significance level at which runs are considered different.
const driftAlpha = 0.01

// drift tests each run against all others together, with Bonferroni's correction. If a run differs,
// it returns the relative range of the medians.
func drift(runs [][]float64) float64 {
	if len(runs) < 2 {
		return 0
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	differs := false
	for i, r := range runs {
		m := median(r)
		lo, hi = min(lo, m), max(hi, m)
		others := slices.Concat(slices.Concat(runs[:i]...), slices.Concat(runs[i+1:]...))
		t := benchmath.DefaultThresholds
		p := benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(r), &t), benchmath.NewSample(others, &t)).P
		differs = differs || p <= driftAlpha/float64(len(runs))
	}
	if !differs || !(lo > 0) {
		return 0
	}
	return hi/lo - 1
}

func median(xs []float64) float64 {
	s := sorted(xs)
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Summary is a sample's value with its interval.
type Summary struct {
	Center float64 `json:"center"`
	// Lo and Hi bound the value. They are nil if there are too few samples or the value is exact.
	Lo *float64 `json:"lo,omitempty"`
	Hi *float64 `json:"hi,omitempty"`
	// N counts samples or questions.
	N int `json:"n"`
}

func (s *Sample) summary(confidence float64) Summary {
	out := Summary{N: len(s.Values)}
	var lo, hi float64
	switch s.Kind {
	case Timed:
		sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(s.Values), &benchmath.DefaultThresholds), confidence)
		out.Center, lo, hi = sum.Center, sum.Lo, sum.Hi
	case Share:
		n := float64(len(s.Values))
		out.Center = sum(s.Values) / n
		lo, hi = clopperPearson(sum(s.Values), n, confidence)
	case Mean:
		m := meanOf(s.Values)
		out.Center = m.mean
		lo, hi = m.bounds(confidence)
	case Estimate:
		out.Center, out.Lo, out.Hi = s.Values[0], s.lo, s.hi
		return out
	default:
		out.Center = s.Values[0]
		return out
	}
	out.Lo, out.Hi = finite(lo), finite(hi)
	return out
}

// finite returns v, or nil if v is not finite.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// positive reports whether ratios of the values are meaningful.
func (s *Sample) positive() bool {
	for _, v := range s.Values {
		if !(v > 0) {
			return false
		}
	}
	return true
}
