package serving

import "github.com/yocobench/yocobench/suites/result"

// latencies are the latencies of requests, with their titles.
var latencies = []struct{ name, title, head string }{
	{"ttft", "Time to first token", "ttft"},
	{"itl", "Time between chunks", "itl"},
	{"tpot", "Time per output token", "tpot"},
	{"e2el", "Time of a request", "e2el"},
}

// Describe describes the task and its metrics.
func (Task) Describe() result.Task {
	t := result.Task{
		Name:  Task{}.Name(),
		Title: "Serving",
		Lead: "How fast are requests answered under load? Percentiles of all answered requests, measured from when each was sent. " +
			"A closed loop keeps a number of requests in flight; an open loop sends them at random times, whether earlier ones were answered or not.",
		Interleaved: true, // times of different models are compared
		Axes: []result.Axis{
			{Param: "rate", Title: "requests/s", Label: "requests per second", Numbers: true},
			{Param: "concurrency", Title: "in flight", Label: "requests in flight", Log: true, Numbers: true},
		},
		Repeats:         []string{"requests", "duration", "warmup"},
		ModelParams:     []string{"dtype", "kv"},
		NameParams:      []string{"loop"},
		DescribedParams: []string{"length", "output", "ttft_limit", "tpot_limit", "e2el_limit"},
	}
	view := result.View{Kind: result.ViewLatency, Title: "Latency"}
	for _, l := range latencies {
		for _, p := range percentiles {
			kind := result.Estimate
			if p.suffix == "" && l.name != "itl" { // the samples are too many for itl
				kind = result.Timed
			}
			t.Metrics = append(t.Metrics, result.MetricInfo{Name: l.name + p.suffix, Unit: "s", Better: result.Lower, Kind: kind,
				Title: l.title, Head: l.head, Primary: l.name+p.suffix == "ttft"})
		}
		view.Metrics = append(view.Metrics, l.name)
	}
	for _, m := range []result.MetricInfo{
		{Name: "output_tps", Unit: "tokens/s", Better: result.Higher, Kind: result.Estimate, Title: "Output tokens per second", Head: "output tok/s"},
		{Name: "request_rate", Unit: "requests/s", Better: result.Higher, Kind: result.Estimate, Title: "Answered requests per second", Head: "answered/s"},
		{Name: "goodput", Unit: "fraction", Better: result.Higher, Kind: result.Estimate, Title: "Requests within the limits", Head: "goodput"},
		{Name: "failed", Unit: "fraction", Better: result.Lower, Kind: result.Estimate, Title: "Requests that failed", Head: "failed"},
		{Name: "retries", Unit: "attempts", Better: result.None, Kind: result.Estimate, Head: "retries"},
		{Name: "requests", Unit: "requests", Better: result.None, Kind: result.Estimate, Head: "requests"},
		{Name: "in_flight", Unit: "requests", Better: result.None, Kind: result.Estimate, Head: "mean in flight"},
		{Name: "late", Unit: "s", Better: result.None, Kind: result.Estimate, Title: "Delay of the client, 99th percentile", Head: "client delay, p99"},
		{Name: "prompt_tokens", Unit: "tokens", Better: result.None, Kind: result.Estimate, Head: "prompt"},
		{Name: "cached_tokens", Unit: "tokens", Better: result.None, Kind: result.Estimate, Head: "cached"},
		{Name: "output_tokens", Unit: "tokens", Better: result.None, Kind: result.Estimate, Head: "output"},
	} {
		t.Metrics = append(t.Metrics, m)
		view.Metrics = append(view.Metrics, m.Name)
	}
	t.Views = []result.View{view}
	return t
}
