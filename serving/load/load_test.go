package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// server is a Streamer that answers after 100 ms, with a token every 10 ms, by a clock of synctest.
// Answers need a place, and there are places of them.
type server struct {
	places chan struct{}
	// answer changes the i-th answer.
	answer func(i int, r *runners.Response) error

	mu       sync.Mutex
	requests []runners.Request
	sent     []time.Time
	now, max int
}

func newServer(places int) *server { return &server{places: make(chan struct{}, places)} }

func (s *server) Stream(ctx context.Context, r runners.Request) (*runners.Response, error) {
	out := &runners.Response{Sent: time.Now(), PromptTokens: 7 + 2*len(strings.Fields(r.Prompt)), OutputTokens: r.MaxTokens, Finish: "length"}
	s.mu.Lock()
	i := len(s.requests)
	s.requests, s.sent = append(s.requests, r), append(s.sent, out.Sent)
	s.now++
	s.max = max(s.max, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	s.places <- struct{}{}
	defer func() { <-s.places }()
	time.Sleep(100 * time.Millisecond)
	for k := range r.MaxTokens {
		if k > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		out.Chunks = append(out.Chunks, runners.Chunk{At: time.Since(out.Sent), Bytes: 4})
	}
	if s.answer != nil {
		if err := s.answer(i, out); err != nil {
			return nil, err
		}
	}
	return out, ctx.Err()
}

func request(int) runners.Request {
	return runners.Request{Prompt: "x", MaxTokens: 11, Exact: true}
}

// measure runs a plan and returns its statistics and all samples.
func measure(t *testing.T, s runners.Streamer, p Plan, l Limits) (*Stats, []Sample) {
	t.Helper()
	st := NewStats(11, l)
	var all []Sample
	if err := Run(t.Context(), s, p, request, func(x Sample) {
		all = append(all, x)
		if x.Index >= p.Warmup {
			st.Add(x)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return st, all
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// A closed loop keeps its requests in flight: 4 requests of 200 ms each give 20 requests/s.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(100)
		st, all := measure(t, s, Plan{Concurrency: 4, Warmup: 4, Requests: 40}, Limits{})
		if len(all) != 44 || st.Sent != 40 || st.Answered != 40 || s.max != 4 {
			t.Errorf("%d samples, %d measured, %d in flight", len(all), st.Sent, s.max)
		}
		near(t, "ttft", Percentile(st.TTFT, 99), 0.1)
		near(t, "itl", Percentile(st.ITL, 50), 0.01)
		near(t, "tpot", Percentile(st.TPOT, 50), 0.01)
		near(t, "e2el", Percentile(st.E2EL, 90), 0.2)
		near(t, "window", st.Window(), 2)
		near(t, "in flight", st.InFlight(), 4)
		near(t, "output rate", st.OutputRate(), 220)
	})
}

// If the server has fewer places than requests, the wait for a place is a latency.
func TestClosedLoopWithQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _ := measure(t, newServer(1), Plan{Concurrency: 3, Warmup: 3, Requests: 30}, Limits{TTFT: 400 * time.Millisecond})
		near(t, "ttft", Percentile(st.TTFT, 50), 0.5)
		near(t, "tpot", Percentile(st.TPOT, 50), 0.01)
		if st.Good != 0 {
			t.Errorf("%d requests within 400 ms", st.Good)
		}
	})
}

// An open loop sends on time while the server falls behind: the queue is the server's, and shows in
// ttft.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Plan{Rate: 10, Requests: 4000, Seed: 1}
		s := newServer(1000)
		st, all := measure(t, s, p, Limits{TTFT: 100 * time.Millisecond, TPOT: 10 * time.Millisecond, E2EL: 200 * time.Millisecond})
		if n := st.Behind(0); n > 0 || len(st.Late) != 4000 || st.Good != 4000 {
			t.Errorf("%d requests sent late, %d of %d good", n, st.Good, st.Sent)
		}
		if rate := st.SentRate(); !(math.Abs(rate-10) < 0.5) { // 3 standard errors
			t.Errorf("%g requests/s", rate)
		}
		// Gaps of a Poisson process are exponential: their standard deviation is their mean, and
		// 1/e of them exceed it.
		slices.SortFunc(all, func(a, b Sample) int { return a.Index - b.Index })
		sum, squares, long := 0.0, 0.0, 0.0
		for i := range all[1:] {
			g := all[i+1].Due.Sub(all[i].Due).Seconds()
			sum, squares = sum+g, squares+g*g
			if g > 0.1 {
				long++
			}
		}
		n := float64(len(all) - 1)
		if sd := math.Sqrt(squares/n - sum/n*sum/n); !(math.Abs(sd-0.1) < 0.01) || !(math.Abs(long/n-1/math.E) < 0.025) {
			t.Errorf("standard deviation %g s, %g of the gaps above the mean", sd, long/n)
		}
		slow := newServer(1)
		st, again := measure(t, slow, Plan{Rate: 10, Requests: 100, Seed: 1}, Limits{})
		if n := st.Behind(0); n > 0 || Percentile(st.TTFT, 99) < 5 || slow.max < 20 {
			t.Errorf("%d late, p99 of ttft %g s, %d in flight", n, Percentile(st.TTFT, 99), slow.max)
		}
		slices.SortFunc(again, func(a, b Sample) int { return a.Index - b.Index })
		for i := range again {
			if a, b := again[i].Due.Sub(again[0].Due), all[i].Due.Sub(all[0].Due); a != b {
				t.Fatalf("request %d is due after %v, and after %v in another run of the same seed", i, a, b)
			}
		}
	})
}

// A client that queues requests itself is found out: their delay is not a latency of the server.
func TestLateClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(100)
		s.answer = func(i int, r *runners.Response) error {
			if i%2 > 0 { // it waited 30 ms for a place in the client
				r.Sent = r.Sent.Add(30 * time.Millisecond)
			}
			return nil
		}
		st, _ := measure(t, s, Plan{Rate: 50, Requests: 100}, Limits{})
		if n := st.Behind(20 * time.Millisecond); n != 50 {
			t.Errorf("%d of 100 requests were late", n)
		}
		near(t, "ttft", Percentile(st.TTFT, 99), 0.1)
	})
}

func TestDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _ := measure(t, newServer(100), Plan{Concurrency: 2, Warmup: 2, Requests: 1000, Duration: time.Second}, Limits{})
		if st.Sent != 10 {
			t.Errorf("%d requests of 200 ms in a second, 2 at a time", st.Sent)
		}
		st, _ = measure(t, newServer(100), Plan{Rate: 100, Warmup: 10, Requests: 1000, Duration: time.Second}, Limits{})
		if st.Sent < 70 || st.Sent > 130 {
			t.Errorf("%d requests in a second", st.Sent)
		}
	})
}

// Failed requests are counted by kind and are not part of latencies. Attempts before the last one
// are not either.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(100)
		s.answer = func(i int, r *runners.Response) error {
			switch i % 4 {
			case 1:
				return &runners.RequestError{Kind: "HTTP 500", Err: fmt.Errorf("HTTP 500 at request %d\n of all", i), Retries: []runners.Retry{{Reason: "HTTP 429"}}}
			case 2:
				r.Chunks = nil
			case 3:
				r.Retries = []runners.Retry{{Reason: "HTTP 429"}, {Reason: "connection closed"}}
				r.OutputTokens, r.CachedTokens = -1, -1
			}
			return nil
		}
		st, _ := measure(t, s, Plan{Concurrency: 1, Requests: 40}, Limits{})
		if st.Sent != 40 || st.Answered != 20 || len(st.TTFT) != 20 || len(st.Late) != 20 || st.Retries != 30 || st.Counted != 10 {
			t.Errorf("%d sent, %d answered, %d times, %d delays, %d retries, %d counted", st.Sent, st.Answered, len(st.TTFT), len(st.Late), st.Retries, st.Counted)
		}
		got := fmt.Sprintf("%+v", st.Faults())
		if want := "[{Kind:HTTP 429 Failed:0 Retried:20 Example:} {Kind:HTTP 500 Failed:10 Retried:0 Example:HTTP 500 at request 1 of all} " +
			"{Kind:connection closed Failed:0 Retried:10 Example:} {Kind:no tokens Failed:10 Retried:0 Example:the answer has no tokens}]"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		notes := strings.Join(st.notes(9), "\n")
		for _, want := range []string{"20 of 40 requests failed", "chunks are counted as tokens"} {
			if !strings.Contains(notes, want) {
				t.Errorf("no note %q in %q", want, notes)
			}
		}
	})
}

// Servers pack tokens into chunks, count an end token that no chunk has, or send the answer at
// once.
func TestChunks(t *testing.T) {
	for _, c := range []struct {
		keep   func(k int) bool // the chunks that arrive
		tokens int
		want   string // counts, tpot and the number of gaps
		good   int
	}{
		{func(int) bool { return true }, 11, "packed 0 whole 0 short 0 long 0 tpot 0.01 gaps 10", 1},
		{func(int) bool { return true }, 12, "packed 0 whole 0 short 0 long 0 tpot 0.0091 gaps 10", 1},
		{func(k int) bool { return k%2 == 0 }, 11, "packed 1 whole 0 short 0 long 0 tpot 0.01 gaps 5", 1},
		{func(k int) bool { return k == 10 }, 11, "packed 1 whole 1 short 0 long 0 tpot NaN gaps 0", 0},
		{func(k int) bool { return k < 4 }, 4, "packed 0 whole 0 short 1 long 0 tpot 0.01 gaps 3", 1},
		{func(k int) bool { return k < 4 }, -1, "packed 0 whole 0 short 1 long 0 tpot 0.01 gaps 3", 1},
		{func(k int) bool { return k < 4 }, 0, "packed 0 whole 0 short 1 long 0 tpot 0.01 gaps 3", 1},
		{func(int) bool { return true }, 101, "packed 1 whole 0 short 0 long 1 tpot 0.001 gaps 10", 1},
		{func(k int) bool { return k == 0 }, 1, "packed 0 whole 0 short 1 long 0 tpot NaN gaps 0", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(1)
			s.answer = func(_ int, r *runners.Response) error {
				var kept []runners.Chunk
				for k, x := range r.Chunks {
					if c.keep(k) {
						kept = append(kept, x)
					}
				}
				r.Chunks, r.OutputTokens = kept, c.tokens
				return nil
			}
			st, _ := measure(t, s, Plan{Concurrency: 1, Requests: 1}, Limits{TPOT: 20 * time.Millisecond})
			got := fmt.Sprintf("packed %d whole %d short %d long %d tpot %.2g gaps %d", st.Packed, st.Whole, st.Short, st.Long, Percentile(st.TPOT, 50), len(st.ITL))
			if got != c.want || st.Good != c.good {
				t.Errorf("%d tokens: %s, %d good; want %s, %d", c.tokens, got, st.Good, c.want, c.good)
			}
		})
	}
}

// A server that ignores the limit of tokens but counts no more than that has more chunks.
func TestMoreChunksThanTokens(t *testing.T) {
	for n, want := range map[int]int{2: 0, 3: 0, 4: 1} {
		st := Stats{output: 2}
		st.answer(&runners.Response{Chunks: make([]runners.Chunk, n), OutputTokens: 2})
		if st.Long != want || strings.Contains(strings.Join(st.notes(1), "\n"), "more than the 2 tokens") != (want > 0) {
			t.Errorf("%d chunks: %d long answers, want %d; %q", n, st.Long, want, st.notes(1))
		}
	}
}

// If the first requests all fail, the run ends early with the reason. An error that is not a
// request's ends it at once.
func TestHopeless(t *testing.T) {
	for _, p := range []Plan{{Concurrency: 8, Requests: 100000, Duration: time.Hour}, {Rate: 100, Requests: 100000}, {Concurrency: 50, Warmup: 50, Requests: 50}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(1000)
			s.answer = func(int, *runners.Response) error {
				return &runners.RequestError{Kind: "HTTP 400", Err: fmt.Errorf("too long: %w", runners.ErrUnsupported)}
			}
			n := 0
			err := Run(t.Context(), s, p, request, func(Sample) { n++ })
			if !errors.Is(err, runners.ErrUnsupported) || !strings.Contains(err.Error(), "requests all failed: too long") || n > 100 {
				t.Errorf("%+v: %d requests, %v", p, n, err)
			}
			lost := errors.New("lost")
			s.answer = func(int, *runners.Response) error { return lost }
			if err := Run(t.Context(), s, p, request, func(Sample) { t.Error("a sample") }); err != lost {
				t.Errorf("%+v: %v", p, err)
			}
		})
	}
}

// TestServerEnds checks that a run ends soon after its server, and not if the server is only busy.
func TestServerEnds(t *testing.T) {
	refused := &runners.RequestError{Kind: "connection refused", Err: fmt.Errorf("dial: %w", syscall.ECONNREFUSED)}
	for _, p := range []Plan{{Concurrency: 3, Requests: 5000}, {Concurrency: 20, Requests: 5000}, {Rate: 100, Requests: 5000}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(1000)
			s.answer = func(i int, _ *runners.Response) error {
				if i >= 50 {
					return refused
				}
				return nil
			}
			n := 0
			err := Run(t.Context(), s, p, request, func(Sample) { n++ })
			if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "the server has ended: after 50 answered requests, the last ") || n > 200 {
				t.Errorf("%+v: %d requests, %v", p, n, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1000)
		s.answer = func(i int, _ *runners.Response) error {
			if i < 50 {
				return nil
			}
			return &runners.RequestError{Kind: "HTTP 429", Err: errors.New("busy")}
		}
		n := 0
		if err := Run(t.Context(), s, Plan{Rate: 1000, Requests: 300}, request, func(Sample) { n++ }); err != nil || n != 300 {
			t.Errorf("a busy server: %d requests, %v", n, err)
		}
	})
}

// If all of a few requests fail, the statistics have the reasons.
func TestAllFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1000)
		s.answer = func(i int, _ *runners.Response) error {
			return &runners.RequestError{Kind: fmt.Sprintf("HTTP %d", 400+i%2), Err: fmt.Errorf("error %d: %w", i, runners.ErrUnsupported)}
		}
		st, _ := measure(t, s, Plan{Concurrency: 1, Warmup: 1, Requests: 3}, Limits{})
		if err := st.Err(); !errors.Is(err, runners.ErrUnsupported) || err.Error() != "all 3 requests failed (2 HTTP 401, 1 HTTP 400): error 1: unsupported" {
			t.Errorf("got %v", err)
		}
	})
}

func TestInterrupted(t *testing.T) {
	for _, p := range []Plan{{Concurrency: 8, Requests: 1000}, {Rate: 1, Requests: 1000}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			err := Run(ctx, newServer(1000), p, request, func(Sample) {})
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 11*time.Second {
				t.Errorf("%+v: %v after %v", p, err, time.Since(start))
			}
		})
	}
}

// Prompts have the requested length and no common beginning.
func TestPrompts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tok := range []tokenizer.Tokenizer{nil, tokenizer.Bytes{}} {
			for _, length := range []int{MinLength, 100, 5000} {
				s := newServer(1)
				p, err := NewPrompts(t.Context(), s, Questions{length, 3, tok, 1})
				if err != nil {
					t.Fatal(err)
				}
				begins := map[string]bool{}
				for range 50 {
					r := p.Request()
					n := len(r.Tokens)
					if tok == nil {
						n = 7 + 2*len(strings.Fields(r.Prompt)) // as the server counts
					} else if got := tok.Decode(r.Tokens); got != r.Prompt {
						t.Fatalf("tokens of %q, prompt %q", got, r.Prompt)
					}
					if d := n - length; d < -1 || d > 1 {
						t.Fatalf("%d tokens, want %d", n, length)
					}
					begins[r.Prompt[:3]] = true
				}
				if len(begins) < 40 {
					t.Errorf("50 prompts have %d beginnings", len(begins))
				}
			}
		}
	})
}

func TestPromptsOfUncountingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for tokens, want := range map[int]string{-1: "there is no tokenizer", 500: "cannot be controlled"} {
			s := newServer(1)
			s.answer = func(_ int, r *runners.Response) error {
				r.PromptTokens = tokens
				return nil
			}
			p, err := NewPrompts(t.Context(), s, Questions{100, 3, nil, 1})
			if err == nil {
				err = errors.New(strings.Join(p.notes, "\n"))
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	})
}
