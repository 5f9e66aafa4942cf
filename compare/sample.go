package compare

import (
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/yocobench/yocobench/suites/result"
)

// Kind says what a metric's samples are, and with that how they are summed up and tested.
type Kind = result.Kind

// The kinds, as tasks declare them; the package's documentation says how each is tested.
const (
	Exact    = result.Exact
	Timed    = result.Timed
	Share    = result.Share
	Mean     = result.Mean
	Estimate = result.Estimate
)

// KindOf returns the kind of a record's metric: the one that its task declares in the record's
// journal, as far as the record has the samples for it.
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
	// Values are times, put together; or scores, one a question, averaged over runs.
	Values []float64
	// Runs counts the runs that the values come from.
	Runs int
	// Drift is how far apart the runs' medians are, as a part of the smallest, where they differ by
	// more than their samples explain; else 0.
	Drift float64
	// medians are those of the runs, of a Timed sample, and from says which of the side's journals
	// each run is.
	medians []float64
	from    []int
	// turns are the samples by round, of an interleaved Timed sample (NewTurns).
	turns [][]float64
	// lo, hi and level are the interval of an Estimate.
	lo, hi *float64
	level  float64
	// uneven: exact values differ, or the runs had different numbers of questions.
	uneven bool
}

// pool sums up a metric's records, one a run, or one a round of an interleaved measurement.
func pool(kind Kind, ms []result.Metric, inTurns bool) *Sample {
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
		if inTurns {
			s.turns = runs
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

// asRuns returns a Timed sample whose values are the medians of its runs. Other samples stay as
// they are.
func (s *Sample) asRuns() *Sample {
	if s.medians == nil {
		return s
	}
	c := *s
	c.Values = s.medians
	return &c
}

// ofRuns returns the samples of a side for a claim about its runs. Where the runs differ among
// themselves by more than their samples explain, each run counts as one sample.
func (s *Sample) ofRuns() (_ *Sample, byRun bool) {
	if s.Drift > 0 {
		return s.asRuns(), true
	}
	return s, false
}

// runRatios are the ratios of the medians of two cases in each run that has both.
func runRatios(a, b *Sample) (out []float64) {
	for i, run := range a.from {
		if k := slices.Index(b.from, run); k >= 0 {
			out = append(out, a.medians[i]/b.medians[k])
		}
	}
	return out
}

// driftAlpha is how unlikely equal runs must be before they are taken to differ.
const driftAlpha = 0.01

// drift tests each run against the others together, with Bonferroni's correction, and returns how
// far their medians differ if one differs.
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

// Summary is a sample's figure with its interval.
type Summary struct {
	Center float64 `json:"center"`
	// Lo and Hi bound it; nil where the samples are too few to tell, or nothing is to tell.
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

// finite is v where it is a number, nil where it is none.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// positive reports whether ratios of the values mean anything.
func (s *Sample) positive() bool {
	for _, v := range s.Values {
		if !(v > 0) {
			return false
		}
	}
	return true
}
