package downstream

import (
	"fmt"
	"math"
	"slices"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// level is the confidence level of all intervals.
const level = 0.95

// The metrics of each type, by the names of lm-evaluation-harness.
var typeMetrics = map[string][]string{
	multipleChoice: {"acc", "acc_norm", "acc_bytes"},
	generateUntil:  {"exact_match"},
	rolling:        {"word_perplexity", "byte_perplexity", "bits_per_byte"},
}

// parseMetrics sets the metrics to report and the options of exact_match.
func (f *form) parseMetrics() (err error) {
	known := slices.Clone(typeMetrics[f.OutputType])
	if f.Blank != "" {
		known = known[:1] // the scored text is the same for all choices
	}
	about := Task{}.Describe()
	for _, m := range f.Metrics {
		if !slices.Contains(known, m.Metric) {
			return fmt.Errorf("metric_list: %s has no metric %q here; %s", f.OutputType, m.Metric, suites.Suggest(m.Metric, slices.Clone(known)))
		}
		info, _ := about.Metric(m.Metric)
		aggregation := aggregations[m.Metric]
		if aggregation == "" {
			aggregation = "mean"
		}
		if m.Aggregation != "" && m.Aggregation != aggregation || m.HigherIsBetter != nil && *m.HigherIsBetter != (info.Better == result.Higher) {
			return fmt.Errorf("metric_list: %s is the %s of the documents, and %s is better; nothing else is supported", m.Metric, aggregation, info.Better)
		}
		if m.Metric != "exact_match" && (m.Case || m.Punctuation || m.Numbers || m.Regexes != nil) {
			return fmt.Errorf("metric_list: %s has no options", m.Metric)
		}
		if slices.Contains(f.metrics, m.Metric) {
			return fmt.Errorf("metric_list: %s is listed twice", m.Metric)
		}
		f.metrics = append(f.metrics, m.Metric)
		if f.match, err = newMatcher(m.ExactMatch); err != nil {
			return fmt.Errorf("metric_list: %w", err)
		}
	}
	if f.metrics == nil {
		f.metrics = known
	}
	return nil
}

// aggregations are those that are not the mean.
var aggregations = map[string]string{"word_perplexity": "weighted_perplexity", "byte_perplexity": "weighted_perplexity", "bits_per_byte": "bits_per_byte"}

// Describe declares the task.
func (Task) Describe() result.Task {
	share := func(name, head string) result.MetricInfo {
		return result.MetricInfo{Name: name, Unit: "fraction", Better: result.Higher, Kind: result.Share, Head: head}
	}
	acc := share("acc", "")
	acc.Primary, acc.Role = true, result.Quality
	perplexity := func(name, unit string) result.MetricInfo {
		return result.MetricInfo{Name: name, Unit: unit, Better: result.Lower, Kind: result.Estimate}
	}
	return result.Task{
		Name:  Task{}.Name(),
		Title: "Downstream tasks",
		Lead: "Tasks from files of documents, scored as lm-evaluation-harness does. acc: the choice with the highest log-likelihood is correct; " +
			"acc_norm and acc_bytes: the same with log-likelihoods divided by the characters and bytes of the choice. guess: the expected acc of a random choice. " +
			"Intervals of shares are Wilson's, of perplexities Student's over documents, at 95 %.",
		Metrics: []result.MetricInfo{
			acc, share("acc_norm", ""), share("acc_bytes", ""),
			{Name: "guess", Unit: "fraction", Better: result.None, Kind: result.Estimate},
			{Name: "logprob", Unit: "nats", Better: result.Higher, Kind: result.Mean, Head: "log-probability"},
			share("exact_match", ""),
			perplexity("word_perplexity", "perplexity"), perplexity("byte_perplexity", "perplexity"), perplexity("bits_per_byte", "bits/byte"),
		},
		Repeats:         []string{"documents"},
		ModelParams:     []string{"dtype", "kv"},
		NameParams:      []string{"name"},
		DescribedParams: []string{"documents", "dtype", "file", "from", "kv", "name", "output_type"},
	}
}

// shareOf returns the mean of scores in 0..1 with Wilson's interval.
func shareOf(scores []float64) result.Metric {
	sum := 0.0
	for _, s := range scores {
		sum += s
	}
	n := float64(len(scores))
	lo, hi := stats.Wilson(sum, n, level)
	return result.Metric{Value: sum / n, Unit: "fraction", Better: result.Higher, Samples: scores}.Interval(lo, hi, level, "wilson")
}

// texts holds the log-probability and the size of each text of a perplexity.
type texts struct{ logProbs, words, bytes []float64 }

func (t *texts) add(logProb float64, text string) {
	t.logProbs = append(t.logProbs, logProb)
	t.words = append(t.words, float64(words(text)))
	t.bytes = append(t.bytes, float64(len(text)))
}

// words returns the number of parts of a text between runs of white space, which lm-evaluation-
// harness counts as words: white space at the beginning or the end adds an empty part.
func words(text string) int {
	n, space := 1, false
	for _, r := range text {
		if isSpace(r) && !space {
			n++
		}
		space = isSpace(r)
	}
	return n
}

// metrics returns the perplexities over all texts, with intervals from leaving out one text at a
// time. Those of the nats per word and per byte are computed on a logarithmic scale, so no bound of
// a perplexity is below 1, and those of byte_perplexity and bits_per_byte agree.
func (t *texts) metrics() map[string]result.Metric {
	each := make([]int, len(t.logProbs))
	for i := range each {
		each[i] = i
	}
	statistics := func(times []int, out []float64) {
		var lp, words, bytes float64
		for i := range t.logProbs {
			if times == nil || times[i] > 0 {
				lp, words, bytes = lp+t.logProbs[i], words+t.words[i], bytes+t.bytes[i]
			}
		}
		out[0], out[1] = -lp/words, -lp/bytes
	}
	nats := make([]float64, 2) // per word and per byte
	statistics(nil, nats)
	j := stats.Jackknife(each, len(nats), statistics)
	out, about := map[string]result.Metric{}, Task{}.Describe()
	finite := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	for _, of := range []struct {
		name string
		nats int
		unit func(nats float64) float64
	}{
		{"word_perplexity", 0, math.Exp},
		{"byte_perplexity", 1, math.Exp},
		{"bits_per_byte", 1, func(nats float64) float64 { return nats / math.Ln2 }},
	} {
		info, _ := about.Metric(of.name)
		m := result.Metric{Value: of.unit(nats[of.nats]), Unit: info.Unit, Better: info.Better}
		if !finite(m.Value) {
			continue // too many nats for one word
		}
		if lo, hi, ok := j.PositiveInterval(of.nats, level); ok && lo >= 0 && finite(of.unit(hi)) {
			m = m.Interval(of.unit(lo), of.unit(hi), level, "jackknife, Student's t")
		}
		out[of.name] = m
	}
	return out
}
