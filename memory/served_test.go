package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// server answers after a millisecond per token of the prompt, with a token every 10 ms, by the
// clock of synctest. It counts 2 tokens for a word and 6 more.
type server struct {
	mu       sync.Mutex // guards requests
	requests []runners.Request
	fail     error
}

func (s *server) Close() error { return nil }

func (s *server) Stream(_ context.Context, r runners.Request) (*runners.Response, error) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	asked := len(s.requests)
	s.mu.Unlock()
	if s.fail != nil && asked > 2 {
		return nil, s.fail
	}
	out := &runners.Response{Sent: time.Now(), PromptTokens: 6 + 2*len(strings.Fields(r.Prompt)), OutputTokens: r.MaxTokens}
	time.Sleep(time.Duration(out.PromptTokens) * time.Millisecond)
	for k := range r.MaxTokens {
		if k > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		out.Chunks = append(out.Chunks, runners.Chunk{At: time.Since(out.Sent)})
	}
	return out, nil
}

func servedTarget() *suites.Target {
	return &suites.Target{Name: "m", Stated: "not stated",
		Can: runners.Can(runners.Complete, runners.Stream, runners.Concurrent).Cannot(runners.Step, "no logits").Cannot(runners.Costed, "unknown layers")}
}

// A served model runs prefill and throughput by requests: their times are those of its answers.
func TestServed(t *testing.T) {
	for _, c := range []struct {
		task   suites.Task
		params any
		label  string
		want   map[string]float64
		n      int // requests
	}{
		{Prefill{}, &PrefillParams{Lengths: suites.Sizes{100}, Samples: 5, Warmup: 2}, "prefill 100", map[string]float64{"ttft": .1, "tps": 1000}, 2 + 7},
		{Throughput{}, &ThroughputParams{Depths: suites.Sizes{200}, Batches: suites.Sizes{1}, Prefills: 1, Generate: 11, Samples: 3, Warmup: 2}, "throughput @ 200 x 1",
			map[string]float64{"prefill": .2, "tpot": .01, "decode_tps": 100, "e2e_tps": 11 / .3}, 2 + 4},
		{Throughput{}, &ThroughputParams{Depths: suites.Sizes{200}, Batches: suites.Sizes{4}, Prefills: 1, Generate: 11, Samples: 3}, "throughput @ 200 x 4",
			map[string]float64{"prefill": .2, "tpot": .01, "decode_tps": 400, "e2e_tps": 4 * 11 / .3}, 2 + 12},
	} {
		synctest.Test(t, func(t *testing.T) {
			cases := plan(t, c.task, servedTarget(), c.params)
			if len(cases) != 1 || cases[0].Unsupported != "" || cases[0].Label != c.label {
				t.Fatalf("%+v", cases)
			}
			s := &server{}
			out, err := cases[0].Run(t.Context(), s, func(float64) {})
			if err != nil || len(s.requests) != c.n {
				t.Fatalf("%d requests, %v", len(s.requests), err)
			}
			about := c.task.Describe()
			for name, want := range c.want {
				m := out.Metrics[name]
				if info, ok := about.Metric(name); !ok || m.Unit != info.Unit || m.Better != info.Better || !(math.Abs(m.Value-want) <= 1e-9*want) {
					t.Errorf("%s: %s is %+v, want %g", c.label, name, m, want)
				}
			}
			if len(out.Metrics) != len(c.want) {
				t.Errorf("%s: metrics %v", c.label, out.Metrics)
			}
			seen := map[string]bool{}
			for _, r := range s.requests {
				seen[strings.Fields(r.Prompt)[0]] = true
			}
			if len(seen) != len(s.requests) {
				t.Errorf("%s: %d beginnings of %d prompts", c.label, len(seen), len(s.requests))
			}
			// If every request fails, the case does.
			s = &server{fail: &runners.RequestError{Kind: "HTTP 500", Err: fmt.Errorf("no: %w", runners.ErrUnsupported)}}
			if _, err := cases[0].Run(t.Context(), s, func(float64) {}); !errors.Is(err, runners.ErrUnsupported) {
				t.Errorf("%s: %v", c.label, err)
			}
		})
	}
}

// Cases that requests cannot measure are unsupported for a reason.
func TestServedUnsupported(t *testing.T) {
	alone := servedTarget()
	alone.Can = runners.Can(runners.Stream).Cannot(runners.Step, "no logits")
	short := servedTarget()
	short.Context = 70
	for want, c := range map[string]struct {
		m *suites.Target
		p ThroughputParams
	}{
		"32 tokens or more":  {servedTarget(), ThroughputParams{Depths: suites.Sizes{0}, Batches: suites.Sizes{1}, Generate: 8}},
		"the parameter":      {servedTarget(), ThroughputParams{Depths: suites.Sizes{64}, Batches: suites.Sizes{1}, Generate: 8, Steps: 4}},
		"2 tokens or more":   {servedTarget(), ThroughputParams{Depths: suites.Sizes{64}, Batches: suites.Sizes{1}, Generate: 1}},
		"context has 70":     {short, ThroughputParams{Depths: suites.Sizes{64}, Batches: suites.Sizes{1}, Generate: 8}},
		"unknown layers":     {servedTarget(), ThroughputParams{Depths: suites.Sizes{64}, MaxBatch: true, Memory: 1 << 30, Generate: 8}},
		"cannot run request": {alone, ThroughputParams{Depths: suites.Sizes{64}, Batches: suites.Sizes{2}, Generate: 8}},
	} {
		c.p.Prefills, c.p.Samples = 1, 1
		if got := plan(t, Throughput{}, c.m, &c.p)[0].Unsupported; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := plan(t, Prefill{}, servedTarget(), &PrefillParams{Lengths: suites.Sizes{8}, Samples: 1})[0].Unsupported; !strings.Contains(got, "32 tokens or more") {
		t.Errorf("got %q", got)
	}
	if got := plan(t, Prefill{}, short, &PrefillParams{Lengths: suites.Sizes{70}, Samples: 1})[0].Unsupported; !strings.Contains(got, "context has 70") {
		t.Errorf("got %q", got)
	}
	mute := servedTarget()
	mute.Can = mute.Can.Cannot(runners.Memory, "it does not report its memory")
	if got := plan(t, KV{}, mute, &KVParams{Lengths: suites.Sizes{64}, Batch: 1})[0].Unsupported; !strings.Contains(got, "report its memory") {
		t.Errorf("got %q", got)
	}
	// A target that can be stepped too is measured by steps.
	both := tiny(runners.Transformer)
	both.Can[runners.Stream] = ""
	c := plan(t, Prefill{}, both, &PrefillParams{Lengths: suites.Sizes{64}, Samples: 1})[0]
	if r, err := run(t, c, loadFake(t, both, 1<<30)); err != nil || r.Status != result.Status("") && r.Status != result.OK {
		t.Errorf("%+v, %v", r, err)
	}
}
