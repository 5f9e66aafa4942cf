package needle

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/result"
)

// exact returns the share of values that the answer has in the right position. If there are
// several, the answer is split at ", ". The i-th part must start with the i-th value, without a
// further digit.
func exact(answer string, q question) float64 {
	parts := []string{answer}
	if len(q.values) > 1 {
		parts = strings.Split(answer, strings.TrimSpace(betweenValues))
	}
	hits := 0
	for i, v := range q.values {
		if i < len(parts) && begins(parts[i], v) {
			hits++
		}
	}
	return float64(hits) / float64(len(q.values))
}

// begins reports whether an answer starts with a value and no further digit follows.
func begins(answer, value string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(answer, " "), value)
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && !unicode.IsDigit(next)
}

// contains returns the share of values that occur anywhere in the answer, even within a longer
// number. The YOCO paper uses this score.
func contains(answer string, q question) float64 {
	hits := 0
	for _, v := range q.values {
		if strings.Contains(answer, v) {
			hits++
		}
	}
	return float64(hits) / float64(len(q.values))
}

// level is the confidence level of all intervals.
const level = 0.95

// metrics computes the metrics of a cell from its trials and their number of haystacks.
//
// The intervals are Wilson's with one observation per trial. If a trial asks for several values,
// its score is a fraction. The values are not independent (one text, one chain of answers), so
// counting each would make the interval too narrow. The variance of a fraction is at most that of a
// yes-or-no result with the same mean, so counting trials is conservative.
//
// Trials of one haystack are correlated too, so they count as fewer (stats.Clustered). Cells of a
// grid have different haystacks, so that a difficult text does not look like a difficult depth.
func metrics(trials []result.Trial, haystacks int) map[string]result.Metric {
	collect := func(f func(result.Trial) float64) []float64 {
		out := make([]float64, len(trials))
		for i, t := range trials {
			out[i] = f(t)
		}
		return out
	}
	score := func(samples []float64) result.Metric {
		hits, n := make([]float64, haystacks), make([]float64, haystacks)
		for i, x := range samples {
			hits[i%haystacks] += x
			n[i%haystacks]++
		}
		lo, hi := stats.Clustered(hits, n, level)
		return result.Metric{Value: stats.Mean(samples), Unit: "fraction", Better: result.Higher, Samples: samples}.
			Interval(lo, hi, level, "wilson")
	}
	mean := func(unit string, better result.Better, samples []float64) result.Metric {
		return result.Metric{Value: stats.Mean(samples), Unit: unit, Better: better, Samples: samples}
	}
	out := map[string]result.Metric{
		"exact":      score(collect(func(t result.Trial) float64 { return t.Exact })),
		"contains":   score(collect(func(t result.Trial) float64 { return t.Contains })),
		"logprob":    mean("nats", result.Higher, collect(func(t result.Trial) float64 { return t.LogProb })),
		"tokens":     mean("tokens", result.None, collect(func(t result.Trial) float64 { return float64(t.Tokens) })),
		"depth_real": mean("fraction", result.None, collect(askedDepth)),
	}
	if slices.ContainsFunc(trials, func(t result.Trial) bool { return t.NoLogProb }) {
		delete(out, "logprob")
	} else if len(trials) > 0 && len(trials[0].Choices) > 1 {
		out["margin"] = mean("nats", result.Higher, collect(result.Trial.Margin))
		out["ranked"] = score(collect(func(t result.Trial) float64 {
			if t.Margin() > 0 {
				return 1
			}
			return 0
		}))
	}
	return out
}

// askedDepth returns the mean depth of the facts that the questions ask for, which are the first in
// Facts.
func askedDepth(t result.Trial) float64 { return stats.Mean(t.Depths[:len(t.Facts)]) }
