package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/result"
)

// conditionsJournal has two models under three conditions, with differences. The second has no
// result at the longest length.
func conditionsJournal() *result.Journal {
	names := []string{"literal", "paraphrase", "association"}
	task := &result.Task{Name: "ways", Title: "Ways of asking", Lead: "What do words matter?",
		Axes:    []result.Axis{{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true}},
		Repeats: []string{"trials"}, DescribedParams: []string{"haystack"},
		Metrics: []result.MetricInfo{{Name: "guess", Unit: "fraction", Better: result.None, Kind: result.Exact}},
		Views:   []result.View{{Kind: result.ViewConditions, Title: "Answers", Metrics: names, Guess: "guess"}, {Kind: result.ViewConditions, Title: "Margin", Metrics: []string{"literal_margin", "paraphrase_margin"}}}}
	for i, c := range names {
		task.Metrics = append(task.Metrics, result.MetricInfo{Name: c, Unit: "fraction", Better: result.Higher, Kind: result.Share})
		if i > 0 {
			task.Metrics = append(task.Metrics, result.MetricInfo{Name: c + "_diff", Unit: "fraction", Better: result.Higher, Kind: result.Mean, Head: c + " - literal"})
		}
		task.Metrics = append(task.Metrics, result.MetricInfo{Name: c + "_margin", Unit: "nats", Better: result.Higher, Kind: result.Mean, Head: c})
	}
	j := &result.Journal{Runs: []result.Run{{Type: "run", Schema: 1, Suite: "synthetic", SuiteHash: "5f0e1d2c3b4a59687786", Start: fixtureStart,
		Command: "yocobench run synthetic", Tasks: result.Tasks{task}}}}
	for k, m := range []string{"words", "meaning"} {
		for i, length := range []float64{512, 1024, 2048} {
			r := record("ways", m, "transformer", "ways", map[string]any{"length": length, "trials": 20.0, "haystack": "prose"})
			if k == 1 && i == 2 {
				r.Status, r.Reason = result.OOM, "out of memory"
				j.Records = append(j.Records, r)
				continue
			}
			r.Metrics = map[string]result.Metric{"guess": {Value: 0.2, Unit: "fraction", Better: result.None}}
			var first []float64
			for c, name := range names {
				var xs []float64
				for n := range 20 {
					x := 0.0
					if n < 18-2*i-(1-k)*6*c {
						x = 1
					}
					xs = append(xs, x)
				}
				each := make([]int, len(xs))
				for n := range each {
					each[n] = n
				}
				lo, hi := stats.ClusteredScores(xs, each, 0.95)
				r.Metrics[name] = bounded(stats.Mean(xs), lo, hi, "fraction", result.Higher, "wilson")
				r.Metrics[name+"_margin"] = bounded(stats.Mean(xs)*4-2, stats.Mean(xs)*4-3, stats.Mean(xs)*4-1, "nats", result.Higher, "student")
				if c == 0 {
					first = xs
					continue
				}
				lo, hi = stats.PairedDifference(xs, first, each, 0.95)
				r.Metrics[name+"_diff"] = bounded(stats.Mean(xs)-stats.Mean(first), lo, hi, "fraction", result.Higher, "newcombe")
			}
			j.Records = append(j.Records, r)
		}
	}
	j.Runs[0].Cases = len(j.Records)
	return j
}

func TestConditions(t *testing.T) {
	v := newView(t.Context(), reread(t, conditionsJournal()), nil)
	files, err := v.render(Text)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(files[0].data), "Environment")
	golden(t, "conditions.txt", []byte(text), bytes.Equal)
	pictures, err := v.pictures(PNG, 48)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range pictures {
		golden(t, f.name, f.data, func(got, want []byte) bool { return alike(t, f.name, got, want) })
	}
	if len(pictures) != 2 {
		t.Errorf("%d pictures, want one of the scores and one of the margins", len(pictures))
	}
}

// A journal without the differences, the guess or any result still has a report.
func TestConditionsWithoutMetrics(t *testing.T) {
	j := conditionsJournal()
	for i := range j.Records {
		for name := range j.Records[i].Metrics {
			if i%3 == 0 || name == "guess" || strings.HasSuffix(name, "_diff") {
				delete(j.Records[i].Metrics, name)
			}
		}
	}
	j.Records = append(j.Records, record("ways", "words", "transformer", "ways", map[string]any{"trials": 1.0}))
	for _, f := range Formats() {
		if _, err := newView(t.Context(), reread(t, j), nil).render(f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
