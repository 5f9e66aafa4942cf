package needle

import "github.com/yocobench/yocobench/suites/result"

// Describe declares the task and the metrics of a cell.
func (Task) Describe() result.Task {
	return result.Task{
		Name:  Task{}.Name(),
		Title: "Needle in a haystack",
		Lead: "Does the model find a fact in its context? Exact: the greedy answer begins with the correct value, and no digit follows. " +
			"Depth 0 % is the start of the text. Pooled rows combine the trials of a column. Intervals are Wilson's at 95 %; n trials of one haystack count as n / (1 + .2 (n-1)).",
		Metrics: []result.MetricInfo{
			{Name: "exact", Unit: "fraction", Better: result.Higher, Kind: result.Share, Primary: true, Role: result.Quality},
			{Name: "contains", Unit: "fraction", Better: result.Higher, Kind: result.Share},
			{Name: "logprob", Unit: "nats", Better: result.Higher, Kind: result.Mean, Head: "log-probability"},
			{Name: "ranked", Unit: "fraction", Better: result.Higher, Kind: result.Share, Head: "ranked first"},
			{Name: "margin", Unit: "nats", Better: result.Higher, Kind: result.Mean},
			{Name: "tokens", Unit: "tokens", Better: result.None, Kind: result.Exact},
			{Name: "depth_real", Unit: "fraction", Better: result.None, Kind: result.Mean, Head: "actual depth"},
		},
		Axes: []result.Axis{
			{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true},
			{Param: "depth", Label: "needle depth", Numbers: true},
			{Param: "needles", Without: "depth"},
		},
		Repeats:         []string{"trials", "haystacks"},
		ModelParams:     []string{"dtype", "kv"},
		NameParams:      []string{"kind", "haystack"},
		DescribedParams: []string{"chat", "depth", "dtype", "haystack", "kind", "kv", "template"},
		Views:           []result.View{{Kind: result.ViewGrid, Title: "Needle", Metrics: []string{"exact"}, Actual: "depth_real"}},
	}
}
