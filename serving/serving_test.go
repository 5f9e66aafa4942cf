package serving

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
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// server is a model that answers after 100 ms with a token every 10 ms, by the clock of synctest.
// It counts 2 tokens for a word.
type server struct {
	mu     sync.Mutex
	n      int
	answer func(i int, r *runners.Response) error
}

func (s *server) Close() error { return nil }

func (s *server) Stream(ctx context.Context, r runners.Request) (*runners.Response, error) {
	s.mu.Lock()
	i := s.n
	s.n++
	s.mu.Unlock()
	out := &runners.Response{Sent: time.Now(), PromptTokens: 2 * len(strings.Fields(r.Prompt)), OutputTokens: r.MaxTokens, Finish: "length"}
	time.Sleep(100 * time.Millisecond)
	for k := range r.MaxTokens {
		if k > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		out.Chunks = append(out.Chunks, runners.Chunk{At: time.Since(out.Sent), Bytes: 1})
	}
	if s.answer != nil {
		return out, s.answer(i, out)
	}
	return out, nil
}

// served is a target that answers requests.
func served() *suites.Target {
	return &suites.Target{Name: "m", Stated: "not stated", Can: runners.Can(runners.Stream, runners.Concurrent)}
}

func plan(t *testing.T, m *suites.Target, p *Params) []suites.Case {
	t.Helper()
	cases, err := Task{}.Plan(&suites.Planner{Seed: 1}, m, p)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// run runs a case and checks its outcome against the declaration of the task.
func run(t *testing.T, c suites.Case, m runners.Model) (result.Outcome, error) {
	t.Helper()
	last := 0.0
	out, err := c.Run(t.Context(), m, func(p float64) {
		if !(p >= last && p <= 1) {
			t.Errorf("progress from %g to %g", last, p)
		}
		last = p
	})
	about := Task{}.Describe()
	for name, x := range out.Metrics {
		if info, ok := about.Metric(name); !ok || info.Unit != x.Unit || info.Better != x.Better || math.IsNaN(x.Value) || math.IsInf(x.Value, 0) {
			t.Errorf("metric %s: %+v, declared as %+v", name, x, info)
		}
	}
	return out, err
}

func check(t *testing.T, out result.Outcome, want map[string]float64) {
	t.Helper()
	for name, w := range want {
		if m, ok := out.Metrics[name]; !ok || !(math.Abs(m.Value-w) <= 1e-9*math.Abs(w)) {
			t.Errorf("%s is %g (%v), want %g", name, m.Value, ok, w)
		}
	}
}

func TestDescribe(t *testing.T) {
	about := Task{}.Describe()
	if err := about.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Task{}.Params().(*Params)
		p.Lengths, p.Outputs, p.Concurrency, p.Requests = suites.Sizes{100}, suites.Sizes{11}, suites.Sizes{1, 4}, 400
		p.Goodput = Limits{TTFT: suites.Duration(150 * time.Millisecond), TPOT: suites.Duration(20 * time.Millisecond)}
		cases := plan(t, served(), p)
		if len(cases) != 2 || cases[1].Unsupported != "" || cases[1].Label != "serving 100 + 11 x 4" {
			t.Fatalf("%+v", cases)
		}
		s := &server{}
		s.answer = func(i int, r *runners.Response) error {
			r.CachedTokens = 1
			switch {
			case i < 2+4: // prompts to count tokens, and the warm-up
			case i%10 == 0:
				return &runners.RequestError{Kind: "HTTP 500", Err: errors.New("it broke")}
			case i%10 == 1:
				for k := range r.Chunks {
					r.Chunks[k].At += time.Second
				}
				r.Retries = []runners.Retry{{Reason: "timeout"}}
			}
			return nil
		}
		out, err := run(t, cases[1], s)
		if err != nil {
			t.Fatal(err)
		}
		check(t, out, map[string]float64{"ttft": .1, "ttft_p90": 1.1, "ttft_p99": 1.1, "itl": .01, "itl_p99": .01, "tpot": .01, "e2el": .2, "e2el_p99": 1.2,
			"output_tps": 198, "request_rate": 18, "goodput": .8, "failed": .1, "retries": 40, "requests": 400, "in_flight": 4,
			"prompt_tokens": 100, "cached_tokens": 1, "output_tokens": 11})
		if n := len(out.Metrics["ttft"].Samples); n != 360 {
			t.Errorf("%d samples of ttft", n)
		}
		if m := out.Metrics["failed"]; m.Lo == nil || *m.Lo > .08 || *m.Hi < .12 {
			t.Errorf("failed %+v", m)
		}
		if got := fmt.Sprint(out.Faults); got != "[{HTTP 500 40 0 it broke} {timeout 0 40 }]" {
			t.Errorf("faults %s", got)
		}
		notes := strings.Join(out.Notes, "\n")
		for _, want := range []string{"40 of 400 requests failed", "up to 1 tokens of a prompt from a cache"} {
			if !strings.Contains(notes, want) {
				t.Errorf("no note %q in %q", want, notes)
			}
		}
	})
}

// A rate that the client keeps gives latencies; one that it does not keep fails the case.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Task{}.Params().(*Params)
		p.Lengths, p.Outputs, p.Rate, p.Requests = suites.Sizes{64}, suites.Sizes{1}, []float64{2, 0.5}, 50
		cases := plan(t, served(), p)
		if len(cases) != 2 || cases[0].Params["loop"] != "open loop" || cases[0].Params["rate"] != 2.0 || cases[1].Label != "serving 64 + 1 @ 0.5/s" {
			t.Fatalf("%+v", cases)
		}
		if cases[0].Wait != 25.5 || cases[1].Wait != 102 {
			t.Errorf("51 requests take %g s at 2/s and %g s at 0.5/s", cases[0].Wait, cases[1].Wait)
		}
		out, err := run(t, cases[0], &server{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, out, map[string]float64{"ttft": .1, "e2el": .1, "late": 0, "failed": 0})
		if _, ok := out.Metrics["tpot"]; ok {
			t.Error("an answer of one token has a time per token")
		}
		s := &server{answer: func(i int, r *runners.Response) error {
			if i%4 == 0 {
				r.Sent = r.Sent.Add(time.Second)
			}
			return nil
		}}
		if _, err := run(t, cases[0], s); err == nil || !strings.Contains(err.Error(), "did not keep the rate of 2 requests/s: 13 of 50 requests were sent over 100ms late (median 0s)") {
			t.Errorf("got %v", err)
		}
		local := served()
		local.Can, local.Tokenizer = runners.Can(runners.Step), tokenizer.Bytes{}
		if out, err := run(t, plan(t, local, p)[0], s); err != nil || !strings.Contains(strings.Join(out.Notes, "\n"), "did not keep the rate") {
			t.Errorf("a local model: %v, %q", err, out.Notes)
		}
	})
}

func TestAllFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Task{}.Params().(*Params)
		p.Lengths, p.Requests = suites.Sizes{64}, 5
		c := plan(t, served(), p)[0]
		s := &server{answer: func(i int, r *runners.Response) error {
			if i < 3 {
				return nil
			}
			return &runners.RequestError{Kind: "HTTP 503", Err: errors.New("busy")}
		}}
		if _, err := run(t, c, s); err == nil || err.Error() != "all 5 requests failed (5 HTTP 503): busy" {
			t.Errorf("got %v", err)
		}
	})
}

func TestPlanErrors(t *testing.T) {
	for want, change := range map[string]func(p *Params){
		"lengths: 16, expected 32":              func(p *Params) { p.Lengths = suites.Sizes{16} },
		"outputs: 0, expected 1":                func(p *Params) { p.Outputs = suites.Sizes{0} },
		"expected one or more sizes":            func(p *Params) { p.Outputs = nil },
		"concurrency: 5000, expected 1 to 4096": func(p *Params) { p.Concurrency = suites.Sizes{5000} },
		"requests: 64 for 65 in flight":         func(p *Params) { p.Concurrency = suites.Sizes{65} },
		"tokens, expected at most 50000000":     func(p *Params) { p.Outputs, p.Requests = suites.Sizes{1 << 20}, 50 },
		"rate: 0, expected 0.001":               func(p *Params) { p.Rate = []float64{0} },
		"rate: NaN, expected 0.001":             func(p *Params) { p.Rate = []float64{math.NaN()} },
		"rate: +Inf, expected 0.001":            func(p *Params) { p.Rate = []float64{math.Inf(1)} },
		"rate: 2 is listed twice":               func(p *Params) { p.Rate = []float64{2, 2} },
		"requests: 0, expected 1":               func(p *Params) { p.Requests = 0 },
		"warmup: -1, expected 0":                func(p *Params) { p.Warmup = -1 },
		"models: ":                              func(p *Params) { p.Models = []string{"["} },
		"exceed the limit of a plan (250000)": func(p *Params) {
			p.Lengths, p.Outputs = make(suites.Sizes, 4000), make(suites.Sizes, 4000)
			fill(p.Lengths)
			fill(p.Outputs)
		},
	} {
		p := Task{}.Params().(*Params)
		change(p)
		if _, err := (Task{}).Plan(&suites.Planner{}, served(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func fill(s suites.Sizes) {
	for i := range s {
		s[i] = int64(32 + i)
	}
}

// Cases that a target cannot run are unsupported for a reason.
func TestUnsupported(t *testing.T) {
	local := suites.Local("m", runners.Shape{Name: "tiny", Dim: 64, Layers: 4, FFN: 128, Vocab: 300,
		Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(runners.Transformer, 4, 128).Config())
	computed, mute, alone, short := *local, *local, served(), served()
	short.Context = 1<<10 + 100 // the prompt fits, but not the answer
	computed.Computed, mute.Tokenizer = true, nil
	alone.Can = runners.Can(runners.Stream)
	for _, c := range []struct {
		m    *suites.Target
		want [3]string // concurrency 1 and 2, rate 1
	}{
		{local, [3]string{"", "one request at a time", ""}},
		{&computed, [3]string{"a computed model", "a computed model", "a computed model"}},
		{&mute, [3]string{"no tokenizer", "no tokenizer", "no tokenizer"}},
		{served(), [3]string{}},
		{short, [3]string{"the server's context", "the server's context", "the server's context"}},
		{alone, [3]string{"", "at the same time", "at the same time"}},
		{&suites.Target{Name: "m", Tokenizer: local.Tokenizer, Can: runners.Can(runners.Complete)}, [3]string{"cannot be stepped", "one request at a time", "cannot be stepped"}},
	} {
		p := Task{}.Params().(*Params)
		p.Concurrency, p.Rate = suites.Sizes{1, 2}, []float64{1}
		for i, x := range plan(t, c.m, p) {
			if c.want[i] == "" && x.Unsupported != "" || !strings.Contains(x.Unsupported, c.want[i]) {
				t.Errorf("%s of %+v: %q, want %q", x.Label, c.m.Can, x.Unsupported, c.want[i])
			}
			if c.m == local && (len(x.Work) == 0 || x.Bytes == 0 || x.Least == 0) {
				t.Errorf("%s: no estimate", x.Label)
			}
		}
	}
	p := Task{}.Params().(*Params)
	p.Models = []string{"other"}
	if cases := plan(t, served(), p); len(cases) != 0 {
		t.Errorf("%d cases of a model that is not wanted", len(cases))
	}
}
