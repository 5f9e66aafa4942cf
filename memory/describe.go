package memory

import "github.com/yocobench/yocobench/suites/result"

// Describe describes the task and its metrics: held and computed parts, and sums.
func (KV) Describe() result.Task {
	held := func(name, head string) result.MetricInfo {
		return result.MetricInfo{Name: name, Unit: "bytes", Better: result.Lower, Kind: result.Exact, Head: head}
	}
	local := func(m result.MetricInfo) result.MetricInfo {
		m.Local = true
		return m
	}
	computed := func(name string) result.MetricInfo {
		return result.MetricInfo{Name: name + "_computed", Unit: "bytes", Better: result.None, Kind: result.Exact}
	}
	return result.Task{
		Name:  KV{}.Name(),
		Title: "Memory",
		Lead:  "What does the context cost in memory? Bytes of one sequence at each context length; ratio: baseline over model.",
		Metrics: []result.MetricInfo{
			held("weights", ""), computed("weights"),
			held("global_kv", "global KV"), computed("global_kv"),
			held("window_kv", "window KV"), computed("window_kv"),
			held("state", ""), computed("state"),
			local(held("workspace", "")),
			{Name: "total", Unit: "bytes", Better: result.Lower, Kind: result.Exact, Local: true, Title: "Memory in total", Head: "total", Label: "memory", Primary: true},
			{Name: "bytes_per_token", Unit: "bytes", Better: result.Lower, Kind: result.Exact, Title: "KV cache per token", Role: result.CostRole},
			local(held("peak", "")),
			{Name: "device_used", Unit: "bytes", Better: result.None, Kind: result.Exact, Local: true},
		},
		Axes:            []result.Axis{{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true}},
		Repeats:         []string{"fill"},
		ModelParams:     []string{"dtype", "kv"},
		DescribedParams: []string{"batch", "dtype", "kv"},
		Remarks: []result.Remark{{Partly: "workspace",
			Text: "Lengths without a workspace were allocated but not filled: their totals leave it out."}},
		Views: []result.View{
			{Kind: result.ViewSizes, Metrics: []string{"bytes_per_token", "total"}},
			{Kind: result.ViewCurves, Metrics: []string{"total"}},
			{Kind: result.ViewParts, Title: "Memory by part", Metrics: []string{"weights", "global_kv", "window_kv", "state", "workspace", "total"}},
		},
	}
}

// limitMetrics are the metrics that limit records.
var limitMetrics = []result.MetricInfo{
	{Name: "limit_seconds", Unit: "s", Better: result.None, Kind: result.Timed},
	{Name: "limit_tps", Unit: "tokens/s", Better: result.None, Kind: result.Timed, Head: "limit tok/s"},
	{Name: "limit_fraction", Unit: "fraction", Better: result.Higher, Kind: result.Timed, Head: "of limit"},
}

// Describe describes the task and its metrics.
func (Prefill) Describe() result.Task {
	return result.Task{
		Name:        Prefill{}.Name(),
		Title:       "Prefill",
		Lead:        "How long until the first token? Ratio: the baseline's time over the model's.",
		Interleaved: true, // speeds of different models are compared
		Metrics: append([]result.MetricInfo{
			{Name: "ttft", Unit: "s", Better: result.Lower, Kind: result.Timed, Title: "Time to first token", Head: "ttft", Label: "time to first token", Role: result.CostRole},
			{Name: "tps", Unit: "tokens/s", Better: result.Higher, Kind: result.Timed, Title: "Prompt tokens per second", Label: "prompt tokens per second", Primary: true},
		}, limitMetrics...),
		Axes:            []result.Axis{{Param: "length", Title: "prompt", Label: "prompt length", Unit: "tokens", Log: true}},
		ModelParams:     []string{"dtype", "kv"},
		DescribedParams: []string{"dtype", "kv"},
		Views: []result.View{
			{Kind: result.ViewCurves, Metrics: []string{"ttft", "tps"}},
			{Kind: result.ViewDetails, Of: "ttft", Metrics: []string{"limit_tps", "limit_fraction"}, Limit: "limit_tps",
				Note: "as the two limits give it"},
		},
	}
}

// Describe describes the task and its metrics.
func (Throughput) Describe() result.Task {
	speed := func(name, title, head string) result.MetricInfo {
		return result.MetricInfo{Name: name, Unit: "tokens/s", Better: result.Higher, Kind: result.Timed, Title: title, Head: head, Label: "tokens per second"}
	}
	decode := speed("decode_tps", "Decode tokens per second", "decode tok/s")
	decode.Primary = true
	return result.Task{
		Name:  Throughput{}.Name(),
		Title: "Throughput",
		Lead: "How fast does it generate behind a context? Decode counts generated tokens only, end to end counts the time of the prefill too. " +
			"Ratio: model over baseline.",
		Interleaved: true, // speeds of different models are compared
		Metrics: append([]result.MetricInfo{
			decode,
			{Name: "tpot", Unit: "s", Better: result.Lower, Kind: result.Timed, Head: "time/token"},
			{Name: "prefill", Unit: "s", Better: result.Lower, Kind: result.Timed},
			speed("e2e_tps", "Tokens per second, prefill counted", ""),
			{Name: "held", Unit: "bytes", Better: result.Lower, Kind: result.Exact, Local: true},
			{Name: "max_batch", Unit: "sequences", Better: result.Higher, Kind: result.Exact, Local: true, Head: "max batch"},
		}, limitMetrics...),
		Axes: []result.Axis{
			{Param: "depth", Label: "context before the first token generated", Short: "context", Unit: "tokens", Log: true},
			{Param: "batch"},
		},
		ModelParams:     []string{"dtype", "kv"},
		DescribedParams: []string{"dtype", "generate", "kv", "memory", "steps"},
		Remarks:         []result.Remark{{Param: "batch", Value: "max", Text: "Each at the largest batch that fits the memory budget."}},
		Views: []result.View{
			{Kind: result.ViewCurves, Metrics: []string{"decode_tps"}},
			{Kind: result.ViewCurves, Metrics: []string{"e2e_tps"}},
			{Kind: result.ViewDetails, Of: "decode_tps", Metrics: []string{"tpot", "max_batch", "limit_tps", "limit_fraction"}, Limit: "limit_tps",
				Note: "as the two limits give it for decoding, each at its own batch"},
		},
	}
}
