package memory

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// Prefill is the task "prefill": the time from a prompt to its first token.
//
//	ttft  seconds of Prefill(prompt[:n-1]) and one Step with the last token
//	tps   n / ttft, in tokens/s
//
// A model that answers requests and cannot be stepped gets requests for one token, one at a time;
// ttft is then that of package load, and n is what the server counts.
//
// Every sample is kept; the value is their median. If the machine's peaks are known, limit_seconds
// and limit_tps are the limits that they imply (runners.Profile), and limit_fraction is the
// fraction of the limit that was reached.
type Prefill struct{}

// PrefillParams are the parameters of prefill.
type PrefillParams struct {
	Models  param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern such as *-3b (default: all)"`
	Lengths suites.Sizes `yaml:"lengths" doc:"prompt lengths in tokens"`
	Samples int          `yaml:"samples" doc:"timed repetitions per length; a gate needs 10 or more"`
	Warmup  int          `yaml:"warmup" doc:"untimed repetitions per length"`
}

// Name is "prefill".
func (Prefill) Name() string { return "prefill" }

// About returns a one-line description.
func (Prefill) About() string {
	return "time to the first token and prompt tokens/s against prompt length"
}

// Params returns the defaults.
func (Prefill) Params() any {
	return &PrefillParams{Lengths: suites.Sizes{512, 2 << 10, 8 << 10}, Samples: 5, Warmup: 1}
}

// Plan makes a case for each length.
func (Prefill) Plan(p *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	a := *params.(*PrefillParams)
	if ok, err := wanted(p, a.Models, m); !ok {
		return nil, err
	}
	if err := checkSizes(p, "lengths", a.Lengths, 1); err != nil {
		return nil, err
	}
	if err := checkCount(p, "samples", a.Samples, 1, maxSamples); err != nil {
		return nil, err
	}
	if err := checkCount(p, "warmup", a.Warmup, 0, maxSamples); err != nil {
		return nil, err
	}
	if err := p.Count(len(a.Lengths)); err != nil {
		return nil, err
	}
	s := targetOf(p, m)
	if s.computed {
		a.Samples, a.Warmup = 1, 0
	}
	var cases []suites.Case
	for _, n := range a.Lengths {
		c := prefillCase{target: s, length: int(n), samples: a.Samples, warmup: a.Warmup}
		label := fmt.Sprintf("prefill %s", suites.Size(n))
		planned := suites.Case{
			Label:       label,
			Params:      s.params(map[string]any{"length": n, "samples": a.Samples, "warmup": a.Warmup}),
			Work:        c.phases(float64(c.samples + c.warmup)),
			Bytes:       s.bytes(int(n), 1).Total(),
			Least:       s.least(int(n), 1),
			Unsupported: m.Can.Missing(runners.Step),
			Run:         runs(label, p.Seed, c.run),
		}
		if served(m) {
			planned.Unsupported, planned.Run = unfit(m, c.length, 1), serves(c.answer)
		}
		cases = append(cases, planned)
	}
	return cases, nil
}

type prefillCase struct {
	target
	length, samples, warmup int
}

// phases returns the work of all repetitions.
func (c prefillCase) phases(times float64) []suites.Phase {
	last := c.length - 1
	return append(c.prefill(last, 0, times), c.step(last, 1, times)...)
}

func (c prefillCase) run(ctx context.Context, m runners.Stepper, r *result.Outcome, rng *rand.Rand, progress func(float64)) error {
	s, err := m.NewSequence(c.length)
	if err != nil {
		return err
	}
	defer s.Close()
	tokens := c.prompt(rng, m.Vocab(), c.length)
	rows, clock := c.logits(m.Vocab(), 1), runners.ClockOf(m)
	last := c.length - 1
	var ttft, tps []float64
	for i := range c.warmup + c.samples {
		if err := s.Truncate(ctx, 0); err != nil {
			return err
		}
		start := clock.Now()
		if last > 0 {
			if err := m.Prefill(ctx, s, tokens[:last]); err != nil {
				return err
			}
		}
		if err := m.Step(ctx, []runners.Sequence{s}, tokens[last:], rows); err != nil {
			return err
		}
		seconds, err := elapsed(start, clock.Now())
		if err != nil {
			return err
		}
		if err := runners.CheckFinite(rows...); err != nil { // a model that computes nothing has no speed
			return err
		}
		if i >= c.warmup {
			ttft = append(ttft, seconds)
			tps = append(tps, float64(c.length)/seconds)
		}
		progress(float64(i+1) / float64(c.warmup+c.samples))
	}
	set(r, "ttft", "s", result.Lower, ttft...)
	set(r, "tps", "tokens/s", result.Higher, tps...)
	c.limit(r, median(ttft), c.length, works(c.phases(1))...)
	c.assumptions(r, true)
	return nil
}
