package contrast

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/result"
)

// right reports whether an answer is right: it begins with the right name or, in a chat, no other
// person's name is before it.
func (c *cell) right(answer string, t *trial) bool {
	at := names(answer, t.name)
	if c.chat == nil {
		return at == 0
	}
	return at >= 0 && !slices.ContainsFunc(t.others, func(n string) bool {
		other := names(answer, n)
		return other >= 0 && other < at
	})
}

// names returns the position of a name as a whole word in an answer, or -1.
func names(answer, name string) int {
	for from := 0; ; {
		i := strings.Index(answer[from:], name)
		if i < 0 {
			return -1
		}
		at := from + i
		before, _ := utf8.DecodeLastRuneInString(answer[:at])
		after, _ := utf8.DecodeRuneInString(answer[at+len(name):])
		if !inWord(before) && !inWord(after) {
			return at
		}
		from = at + len(name)
	}
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func share(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

// level is the confidence level of all intervals.
const level = 0.95

// The suffixes of the metrics of a condition.
const (
	ranked = "_ranked"
	margin = "_margin"
	// difference is that of a score from the first condition's.
	difference = "_diff"
)

// metrics computes the metrics from the trials, which hold all conditions of the first trial, then
// those of the second. facts is the number of different facts.
//
// Trials of one fact are correlated, so they are a cluster in the intervals. The intervals of
// scores are Wilson's, those of differences are of paired scores (stats.PairedDifference), those of
// margins Student's.
func metrics(all []result.Trial, facts int) map[string]result.Metric {
	out := map[string]result.Metric{}
	n := len(all) / len(conditions)
	cluster := make([]int, n)
	for i := range cluster {
		cluster[i] = i % facts
	}
	of := func(condition int, f func(result.Trial) float64) []float64 {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = f(all[i*len(conditions)+condition])
		}
		return xs
	}
	scores := func(suffix string, f func(result.Trial) float64) {
		first := of(0, f)
		for k, name := range conditions {
			xs := of(k, f)
			lo, hi := stats.ClusteredScores(xs, cluster, level)
			out[name+suffix] = result.Metric{Value: stats.Mean(xs), Unit: "fraction", Better: result.Higher, Samples: xs}.Interval(lo, hi, level, "wilson")
			if k == 0 {
				continue
			}
			lo, hi = stats.PairedDifference(xs, first, cluster, level)
			diffs := slices.Clone(xs)
			for i := range diffs {
				diffs[i] -= first[i]
			}
			out[name+suffix+difference] = result.Metric{Value: stats.Mean(diffs), Unit: "fraction", Better: result.Higher, Samples: diffs}.Interval(lo, hi, level, "newcombe")
		}
	}
	scores("", func(t result.Trial) float64 { return t.Exact })
	if !slices.ContainsFunc(all, func(t result.Trial) bool { return t.NoLogProb }) {
		scores(ranked, func(t result.Trial) float64 { return share(t.Margin() > 0) })
		for k, name := range conditions {
			xs := of(k, result.Trial.Margin)
			m := result.Metric{Value: stats.Mean(xs), Unit: "nats", Better: result.Higher, Samples: xs}
			if lo, hi, ok := stats.ClusteredMean(xs, cluster, level); ok {
				m = m.Interval(lo, hi, level, "student")
			}
			out[name+margin] = m
		}
	}
	// A guess is one of the persons of the facts.
	out["guess"] = result.Metric{Value: 1 / float64(len(all[0].Choices)), Unit: "fraction", Better: result.None}
	tokens := make([]float64, len(all))
	for i, t := range all {
		tokens[i] = float64(t.Tokens)
	}
	out["tokens"] = result.Metric{Value: stats.Mean(tokens), Unit: "tokens", Better: result.None, Samples: tokens}
	return out
}
