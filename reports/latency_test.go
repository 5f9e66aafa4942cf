package reports

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// answersTask declares a task of latencies against a load.
func answersTask() *result.Task {
	t := &result.Task{Name: "answers", Title: "Answers", Lead: "How long does an answer take?",
		Axes: []result.Axis{{Param: "rate", Title: "requests/s", Label: "requests per second", Numbers: true},
			{Param: "concurrency", Title: "in flight", Label: "requests in flight", Log: true, Numbers: true}},
		NameParams: []string{"loop"}, DescribedParams: []string{"length"}}
	view := result.View{Kind: result.ViewLatency, Title: "Latency"}
	for _, m := range []struct{ name, title string }{{"ttft", "Time to first token"}, {"tpot", "Time per output token"}, {"e2el", "Time of a request"}} {
		for _, suffix := range []string{"", "_p90", "_p99"} {
			t.Metrics = append(t.Metrics, result.MetricInfo{Name: m.name + suffix, Unit: "s", Better: result.Lower, Kind: result.Estimate, Title: m.title})
		}
		view.Metrics = append(view.Metrics, m.name)
	}
	for _, m := range []result.MetricInfo{
		{Name: "output_tps", Unit: "tokens/s", Better: result.Higher, Kind: result.Estimate, Title: "Output tokens per second", Head: "output tok/s"},
		{Name: "goodput", Unit: "fraction", Better: result.Higher, Kind: result.Estimate, Title: "Requests within the limits"},
		{Name: "asked", Unit: "requests", Better: result.None, Kind: result.Estimate},
		{Name: "never", Unit: "s", Better: result.Lower, Kind: result.Estimate},
	} {
		t.Metrics, view.Metrics = append(t.Metrics, m), append(view.Metrics, m.Name)
	}
	t.Views = []result.View{view}
	return t
}

// servedJournal has answers of two served models at several loads, and prefills of one of them and
// of a local model.
func servedJournal() *result.Journal {
	j := small()
	j.Records = nil
	j.Runs[0].Tasks = append(result.Tasks{answersTask()}, (&result.Journal{}).Tasks()...)
	j.Runs[0].Baselines = map[string]string{"served-a": "local", "served-b": "local", "local": "local"}
	served := func(r result.Record) {
		r.Runner, r.Device, r.Served = "http", "server "+r.Model[len(r.Model)-1:], true
		j.Records = append(j.Records, r)
	}
	for i, m := range []string{"served-a", "served-b"} {
		capacity := 9.0 + 4*float64(i)
		for _, loop := range []string{"rate", "concurrency"} {
			for _, x := range []float64{0.5, 2, 4, 8, 16} {
				r := record("answers", m, "x", fmt.Sprintf("answers %s %g", loop, x), map[string]any{"length": ki, "loop": "by " + loop, loop: x})
				if loop == "rate" && x > capacity {
					r.Status, r.Reason = result.Failed, "the client did not keep the rate"
					served(r)
					continue
				}
				busy := 1 / (1 - min(x, capacity)/(capacity+1))
				r.Metrics = map[string]result.Metric{
					"asked":      {Value: 64, Unit: "requests", Better: result.None},
					"output_tps": {Value: 32 * min(x, capacity), Unit: "tokens/s", Better: result.Higher},
					"goodput":    bounded(min(1, 2/busy), max(0, 2/busy-.1), min(1, 2/busy+.1), "fraction", result.Higher, "wilson"),
				}
				for name, base := range map[string]float64{"ttft": .08, "tpot": .011, "e2el": .4} {
					for suffix, f := range map[string]float64{"": 1, "_p90": 2, "_p99": 3.5} {
						v := base * math.Pow(busy, f/2) * (1 + .1*noise(m, name, x))
						r.Metrics[name+suffix] = bounded(v, v*.9, v*1.2, "s", result.Lower, "order statistics")
					}
				}
				if x > 4 {
					r.Faults = []result.Fault{{Kind: "HTTP 429", Retried: 12}, {Kind: "timeout", Failed: 2, Example: "no complete answer within 10m0s <script>alert(1)</script>"}}
				}
				served(r)
			}
		}
	}
	for _, m := range []string{"local", "served-a"} {
		for _, l := range []float64{ki, 4 * ki} {
			r := record("prefill", m, "x", fmt.Sprintf("prefill %g", l), map[string]any{"length": l})
			r.Metrics = map[string]result.Metric{"ttft": {Value: l * 1e-5, Unit: "s", Better: result.Lower}, "tps": {Value: 1e5, Unit: "tokens/s", Better: result.Higher}}
			if m == "local" {
				j.Records = append(j.Records, r)
			} else {
				served(r)
			}
		}
	}
	j.Runs[0].Cases = len(j.Records)
	return j
}

func TestGoldenLatency(t *testing.T) {
	v := newView(t.Context(), reread(t, servedJournal()), nil)
	files, err := v.render(Text)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "latency.txt", files[0].data, bytes.Equal)
	pictures, err := v.pictures(PNG, 48)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range pictures {
		if strings.HasPrefix(f.name, "answers-") {
			n++
			golden(t, f.name, f.data, func(got, want []byte) bool { return alike(t, f.name, got, want) })
		}
	}
	if n != 2 {
		t.Errorf("%d pictures, want one for each loop", n)
	}
}

// Times of served models are in tables, pictures and ratios of their own, and marked. Models of
// several servers are compared.
func TestServedTimesAreApart(t *testing.T) {
	v := newView(t.Context(), reread(t, servedJournal()), nil)
	for _, g := range v.groups {
		for _, r := range g.records {
			if r.Served != g.served {
				t.Errorf("%s %s mixes served and local times", g.about.Name, g.name)
			}
		}
		if g.served != strings.Contains(g.name, "(served)") || g.served != strings.Contains(g.describe(), "the server's queue") {
			t.Errorf("%s %q is not marked: %s", g.about.Name, g.name, g.describe())
		}
		if g.about.Name == "answers" && (len(g.models) != 2 || !strings.Contains(g.describe(), "by http on server a, server b")) {
			t.Errorf("%q has the models %v: %s", g.name, g.models, g.describe())
		}
	}
	for _, s := range v.sections {
		for _, tab := range s.tables {
			if text := fmt.Sprint(tab.head, tab.rows); strings.Contains(text, "local") && strings.Contains(text, "served-a") {
				t.Errorf("the table %s shows both: %s", tab.title, text)
			}
		}
	}
}
