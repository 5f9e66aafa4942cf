package serving

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/serving/load"
	"github.com/yocobench/yocobench/suites/result"
)

type servingCase struct {
	tok            tokenizer.Tokenizer // nil if the server's is unknown
	seed           uint64
	length, output int
	plan           load.Plan
	limits         load.Limits
	local          bool
}

// percentiles are the percentiles of a latency; the suffix of a metric's name selects one.
var percentiles = []struct {
	suffix string
	p      float64
}{{"", 50}, {"_p90", 90}, {"_p99", 99}}

// runs returns the function that measures the case.
func (c servingCase) runs(label string) func(context.Context, runners.Model, func(float64)) (result.Outcome, error) {
	return func(ctx context.Context, m runners.Model, progress func(float64)) (result.Outcome, error) {
		s, err := runners.StreamerOf(m, c.tok)
		if err != nil {
			return result.Outcome{}, err
		}
		h := fnv.New64a()
		h.Write([]byte(label))
		c.plan.Seed = c.seed ^ h.Sum64()
		return c.run(ctx, s, progress)
	}
}

func (c servingCase) run(ctx context.Context, s runners.Streamer, progress func(float64)) (out result.Outcome, err error) {
	q := load.Questions{Length: c.length, Output: c.output, Tokenizer: c.tok, Seed: c.seed}
	st, notes, err := load.Measure(ctx, s, q, c.plan, c.limits, progress)
	if err != nil {
		return out, err
	}
	late, err := c.behind(st)
	if err != nil {
		return out, err
	}
	out = result.Outcome{Metrics: c.metrics(st), Faults: st.Faults(), Notes: notes}
	if late != "" {
		out.Notes = append(out.Notes, late)
	}
	if c.local {
		out.Notes = append(out.Notes, "local: the model runs in this process and answers one request at a time; waiting is part of the latencies")
	}
	return out, nil
}

// behind returns an error if the client did not keep the rate of an open loop: over a tenth of the
// requests were sent late by more than the mean time between two requests (but at least 10 ms and
// at most 100 ms). Then the arrivals are not those of the requested process, and requests queue in
// the client. A local model shares the CPU with the client, so its case has a note instead.
func (c servingCase) behind(st *load.Stats) (note string, err error) {
	if c.plan.Rate == 0 {
		return "", nil
	}
	allowed := min(max(10*time.Millisecond, time.Duration(float64(time.Second)/c.plan.Rate)), 100*time.Millisecond)
	n := st.Behind(allowed)
	if 10*n <= len(st.Late) {
		return "", nil
	}
	median := time.Duration(load.Percentile(st.Late, 50) * float64(time.Second)).Round(time.Microsecond)
	text := fmt.Sprintf("the client did not keep the rate of %g requests/s: %d of %d requests were sent over %v late (median %v)",
		c.plan.Rate, n, len(st.Late), allowed, median)
	if c.local {
		return text, nil
	}
	return "", fmt.Errorf("%s; send from an idle machine, raise the rate limit of the model's entry, or lower the rate", text)
}

// metrics returns the metrics of a case with one or more answered requests.
func (c servingCase) metrics(st *load.Stats) map[string]result.Metric {
	out := map[string]result.Metric{}
	set := func(name string, m result.Metric) {
		m.Unit, m.Better = infos[name].Unit, infos[name].Better
		out[name] = m
	}
	for i, values := range [][]float64{st.TTFT, st.ITL, st.TPOT, st.E2EL} {
		if len(values) == 0 {
			continue
		}
		for _, p := range percentiles {
			name, m := latencies[i].name+p.suffix, result.Metric{Value: load.Percentile(values, p.p)}
			if infos[name].Kind == result.Timed {
				m.Samples = values
			} else if lo, hi, ok := load.Bounds(values, p.p); ok && latencies[i].name != "itl" { // gaps of one answer are correlated
				m = m.Interval(lo, hi, .95, "order statistics")
			}
			set(name, m)
		}
	}
	share := func(name string, n int) {
		lo, hi := stats.Wilson(float64(n), float64(st.Sent), .95)
		set(name, result.Metric{Value: float64(n) / float64(st.Sent)}.Interval(lo, hi, .95, "wilson"))
	}
	share("failed", st.Sent-st.Answered)
	if c.limits.Any() {
		share("goodput", st.Good)
	}
	value := func(name string, v float64) { set(name, result.Metric{Value: v}) }
	if window := st.Window(); window > 0 {
		value("output_tps", st.OutputRate())
		value("request_rate", float64(st.Answered)/window)
		value("in_flight", st.InFlight())
	}
	if c.plan.Rate > 0 && len(st.Late) > 0 {
		value("late", load.Percentile(st.Late, 99))
	}
	value("requests", float64(st.Sent))
	value("retries", float64(st.Retries))
	value("output_tokens", stats.Mean(st.Output))
	if len(st.Prompt) > 0 {
		value("prompt_tokens", stats.Mean(st.Prompt))
	}
	if len(st.Cached) > 0 {
		value("cached_tokens", stats.Mean(st.Cached))
	}
	return out
}

// infos holds the declarations of the metrics by name.
var infos = func() map[string]result.MetricInfo {
	out := map[string]result.MetricInfo{}
	for _, m := range (Task{}).Describe().Metrics {
		out[m.Name] = m
	}
	return out
}()
