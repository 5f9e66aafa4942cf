package needle

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/result"
)

// exact is the share of the values that the answer gives at their place: the
// answer, cut at ", " where several were asked for, has the i-th value at the
// beginning of its i-th part, and no further digit follows it.
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

// begins reports whether an answer begins with a value that no further digit continues.
func begins(answer, value string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(answer, " "), value)
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && !unicode.IsDigit(next)
}

// contains is the share of the values that occur anywhere in the answer, as part of a longer number
// too. It is what the YOCO paper counts.
func contains(answer string, q question) float64 {
	hits := 0
	for _, v := range q.values {
		if strings.Contains(answer, v) {
			hits++
		}
	}
	return float64(hits) / float64(len(q.values))
}

// level is that of every interval.
const level = 0.95

// metrics sums up a cell's trials, of so many haystacks.
//
// The intervals are Wilson's with one observation a trial. Where a trial asks
// for several values its score is a fraction, and its values are not independent
// of each other (one text, one chain of answers); counting them one by one would
// make the interval too narrow. A fraction varies at most as much as a yes or
// no with the same mean, so counting trials makes it too wide if anything.
//
// Trials of one haystack are alike too, and count as fewer (stats.Clustered). Cells of a grid have
// haystacks of their own, so that a bad patch of text is not taken for a bad depth.
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
	}
	return out
}

// askedDepth is the mean depth of the facts that were asked for: those that come first in Facts.
func askedDepth(t result.Trial) float64 { return stats.Mean(t.Depths[:len(t.Facts)]) }
