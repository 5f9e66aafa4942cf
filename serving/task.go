// Package serving defines the task "serving": latencies, throughput and goodput of a model that
// answers requests under load.
package serving

import (
	"fmt"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/serving/load"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// Task is the task "serving". Each case has a prompt length, an output length and a load; package
// load defines the latencies. A local model answers one request at a time, others wait.
//
//	ttft, itl, tpot, e2el  median, in seconds; NAME_p90 and NAME_p99 are other percentiles
//	output_tps     output tokens/s from when the first request was due to the last answer
//	request_rate   answered requests/s in the same time
//	goodput        fraction of all requests that were answered within the limits
//	failed         fraction of all requests that failed after all attempts
//	retries        attempts that failed and were repeated
//	requests       measured requests
//	in_flight      mean number of requests in flight
//	late           99th percentile of the delay of the client in an open loop, in seconds
//	prompt_tokens, cached_tokens, output_tokens
//	               means per request as the server reports them
//
// A case fails if all its requests fail, if the server ends meanwhile, or if the client sent over a
// tenth of the requests of an open loop too late.
type Task struct{}

// Params are the parameters of serving.
type Params struct {
	Models      param.Models    `yaml:"models" doc:"models of the suite to run, by name or pattern such as *-3b (default: all)"`
	Lengths     suites.Sizes    `yaml:"lengths" doc:"prompt lengths in tokens; no two prompts begin alike, so a cache of prefixes does not help"`
	Outputs     suites.Sizes    `yaml:"outputs" doc:"output lengths in tokens; requests ask the model to ignore its end token"`
	Concurrency suites.Sizes    `yaml:"concurrency" doc:"closed loops: numbers of requests in flight (default 1, or none with rate)"`
	Rate        []float64       `yaml:"rate" doc:"open loops: mean numbers of requests per second, sent at random times (a Poisson process)"`
	Requests    int             `yaml:"requests" doc:"measured requests per case"`
	Duration    suites.Duration `yaml:"duration" doc:"no request is sent that long after the first measured one (default: no limit)"`
	Warmup      int             `yaml:"warmup" doc:"unmeasured requests before the measured ones, in the same loop; a closed loop sends as many for each request in flight"`
	Goodput     Limits          `yaml:"goodput" doc:"limits of a good request, such as {ttft: 500ms, tpot: 50ms}; goodput is the fraction of requests within all of them (default: none)"`
}

// Limits are the limits of a good request; 0 means no limit.
type Limits struct {
	TTFT suites.Duration `yaml:"ttft"`
	TPOT suites.Duration `yaml:"tpot"`
	E2EL suites.Duration `yaml:"e2el"`
}

// Bounds of params, which detect typing errors.
const (
	maxLength      = 1 << 24
	maxOutput      = 1 << 20
	maxConcurrency = 4096
	maxRate        = 10_000
	maxRequests    = 100_000
	maxTokens      = 50_000_000 // of the answers of a case: each has a time between chunks
)

// Name is "serving".
func (Task) Name() string { return "serving" }

// About returns a one-line description.
func (Task) About() string {
	return "latency percentiles, throughput and goodput of requests, in closed and open loops"
}

// Params returns the defaults.
func (Task) Params() any {
	return &Params{Lengths: suites.Sizes{1 << 10}, Outputs: suites.Sizes{128}, Requests: 64, Warmup: 1}
}

// check reports the first problem and fills in the default load.
func (a *Params) check(p *suites.Planner) error {
	sizes := func(name string, values suites.Sizes, least, most int64) error {
		for _, n := range values {
			if n < least || n > most {
				return p.Errorf("%s: %d, expected %d to %d", name, n, least, most)
			}
		}
		return nil
	}
	if len(a.Concurrency) == 0 && len(a.Rate) == 0 {
		a.Concurrency = suites.Sizes{1}
	}
	if len(a.Lengths) == 0 || len(a.Outputs) == 0 {
		return p.Errorf("lengths and outputs: expected one or more sizes each")
	}
	for _, err := range []error{
		sizes("lengths", a.Lengths, load.MinLength, maxLength), sizes("outputs", a.Outputs, 1, maxOutput),
		sizes("concurrency", a.Concurrency, 1, maxConcurrency),
		sizes("requests", suites.Sizes{int64(a.Requests)}, 1, maxRequests), sizes("warmup", suites.Sizes{int64(a.Warmup)}, 0, maxRequests),
	} {
		if err != nil {
			return err
		}
	}
	for _, n := range a.Outputs {
		if t := n * int64(a.Requests); t > maxTokens {
			return p.Errorf("%d requests of %d output tokens: %d tokens, expected at most %d", a.Requests, n, t, maxTokens)
		}
	}
	for i, r := range a.Rate {
		if !(r >= 1e-3 && r <= maxRate) {
			return p.Errorf("rate: %g, expected 0.001 to %d requests per second", r, maxRate)
		}
		for _, o := range a.Rate[:i] {
			if r == o {
				return p.Errorf("rate: %g is listed twice", r)
			}
		}
	}
	for _, c := range a.Concurrency {
		if int64(a.Requests) < c {
			return p.Errorf("requests: %d for %d in flight, expected at least as many", a.Requests, c)
		}
	}
	return nil
}

// Plan makes a case for each prompt length, output length and load.
func (Task) Plan(p *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	a := *params.(*Params)
	if ok, err := a.Models.Match(m.Name); err != nil {
		return nil, p.Errorf("%v", err)
	} else if !ok {
		return nil, nil
	}
	if err := a.check(p); err != nil {
		return nil, err
	}
	if err := p.Count(len(a.Lengths), len(a.Outputs), len(a.Concurrency)+len(a.Rate)); err != nil {
		return nil, err
	}
	var cases []suites.Case
	for _, n := range a.Lengths {
		for _, out := range a.Outputs {
			c := servingCase{tok: m.Tokenizer, seed: p.Seed, length: int(n), output: int(out), local: !m.Served(), limits: load.Limits{
				TTFT: time.Duration(a.Goodput.TTFT), TPOT: time.Duration(a.Goodput.TPOT), E2EL: time.Duration(a.Goodput.E2EL)}}
			for _, k := range a.Concurrency {
				c.plan = load.Plan{Concurrency: int(k), Warmup: a.Warmup * int(k), Requests: a.Requests, Duration: time.Duration(a.Duration)}
				cases = append(cases, c.planned(m, a.Warmup))
			}
			for _, r := range a.Rate {
				c.plan = load.Plan{Rate: r, Warmup: a.Warmup, Requests: a.Requests, Duration: time.Duration(a.Duration)}
				cases = append(cases, c.planned(m, a.Warmup))
			}
		}
	}
	return cases, nil
}

// planned returns the case of a load. warmup is the parameter.
func (c servingCase) planned(m *suites.Target, warmup int) suites.Case {
	params := map[string]any{"length": c.length, "output": c.output, "requests": c.plan.Requests, "warmup": warmup}
	params["dtype"], params["kv"] = m.TypeNames()
	label := fmt.Sprintf("serving %s + %s", suites.Size(c.length), suites.Size(c.output))
	if c.plan.Rate > 0 {
		params["loop"], params["rate"] = "open loop", c.plan.Rate
		label += fmt.Sprintf(" @ %g/s", c.plan.Rate)
	} else {
		params["loop"], params["concurrency"] = "closed loop", c.plan.Concurrency
		label += fmt.Sprintf(" x %d", c.plan.Concurrency)
	}
	for name, d := range map[string]time.Duration{"ttft_limit": c.limits.TTFT, "tpot_limit": c.limits.TPOT, "e2el_limit": c.limits.E2EL, "duration": c.plan.Duration} {
		if d > 0 {
			params[name] = d.String()
		}
	}
	out := suites.Case{Label: label, Params: params, Unsupported: c.unsupported(m), Run: c.runs(label)}
	if c.plan.Rate > 0 {
		out.Wait = float64(c.plan.Warmup+c.plan.Requests) / c.plan.Rate
		if d := c.plan.Duration.Seconds(); d > 0 {
			out.Wait = min(out.Wait, float64(c.plan.Warmup)/c.plan.Rate+d)
		}
	}
	if m.Config != nil && c.local {
		types, total := m.Types(runners.F32), float64(c.plan.Warmup+c.plan.Requests)
		out.Work = []suites.Phase{
			{Work: m.Config.PrefillWork(c.length-1, 0, types), Times: total},
			{Work: m.Config.StepWork(c.length+c.output/2, 1, types), Times: total * float64(c.output)},
		}
		out.Bytes = m.Config.RunBytes(c.length+c.output, 1, m.Options.PrefillChunk, types).Total()
		out.Least = m.Config.LeastBytes(c.length+c.output, 1, types)
	}
	return out
}

// unsupported returns the reason for which a model cannot run the case, or "".
func (c servingCase) unsupported(m *suites.Target) string {
	switch {
	case m.Computed:
		return "a computed model answers no requests; prefill and throughput compute its times"
	case c.local && m.Tokenizer == nil:
		return "it has no tokenizer"
	case c.local && c.plan.Concurrency > 1:
		return "a local model answers one request at a time; throughput measures batches"
	case c.local:
		return m.Can.Missing(runners.Step)
	case (c.plan.Concurrency > 1 || c.plan.Rate > 0) && m.Can.Missing(runners.Concurrent) != "":
		return m.Can.Missing(runners.Concurrent)
	}
	return m.TooLong(c.length + c.output)
}
