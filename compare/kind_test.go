package compare

import (
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestKindOf checks that a metric has the kind that its task declares, if its samples allow it.
// Without a declaration its unit and samples decide.
func TestKindOf(t *testing.T) {
	tasks := result.Tasks{{Name: "sieve", Metrics: []result.MetricInfo{
		{Name: "timed", Kind: result.Timed}, {Name: "exact", Kind: result.Exact}, {Name: "share", Kind: result.Share},
		{Name: "mean", Kind: result.Mean}, {Name: "estimate", Kind: result.Estimate}}}}
	one, two := []float64{0.5}, []float64{0.5, 1}
	lo := 0.1
	for _, c := range []struct {
		task, metric string
		m            result.Metric
		want         Kind
	}{
		{"sieve", "timed", result.Metric{Unit: "bytes", Samples: two}, Timed},
		{"sieve", "exact", result.Metric{Unit: "s", Samples: two}, Exact},
		{"sieve", "share", result.Metric{Unit: "s", Samples: one}, Share},
		{"sieve", "share", result.Metric{Unit: "s"}, Estimate},
		{"sieve", "mean", result.Metric{Unit: "s", Samples: two}, Mean},
		{"sieve", "mean", result.Metric{Unit: "s", Samples: one}, Estimate},
		{"sieve", "estimate", result.Metric{Unit: "bytes", Samples: two}, Estimate},
		{"sieve", "other", result.Metric{Unit: "bytes"}, Exact},
		{"other", "exact", result.Metric{Unit: "s", Samples: two}, Timed},
		{"other", "share", result.Metric{Unit: "fraction", Method: "wilson", Samples: two}, Share},
		{"other", "mean", result.Metric{Unit: "s", Lo: &lo, Samples: two}, Mean},
		{"other", "mean", result.Metric{Unit: "nats"}, Estimate},
	} {
		r := &result.Record{Task: c.task, Source: result.Measured, Metrics: map[string]result.Metric{c.metric: c.m}}
		if got := KindOf(tasks, r, c.metric); got != c.want {
			t.Errorf("%s.%s in %s with %d samples: %s, want %s", c.task, c.metric, c.m.Unit, len(c.m.Samples), got, c.want)
		}
		if Repeats(tasks, r, c.metric) != (c.want == Timed) || Repeats(tasks, r, "absent") {
			t.Errorf("%s.%s: repeats", c.task, c.metric)
		}
		r.Source = result.Computed
		if got := KindOf(tasks, r, c.metric); got != Exact {
			t.Errorf("computed %s.%s: %s", c.task, c.metric, got)
		}
	}
}
