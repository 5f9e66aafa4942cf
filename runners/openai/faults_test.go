package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// faulty starts a server behind a proxy and probes it.
func faulty(t *testing.T, o servertest.Options) (*Model, *servertest.Proxy) {
	p := servertest.StartProxy(t, servertest.Start(t, o))
	return open(t, quick(p.URL), nil), p
}

// leaks fails the test if goroutines are left at its end.
func leaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines, %d at the start", runtime.NumGoroutine(), before)
	})
}

// TestStreamFaultAtEveryByte injects a fault at each byte of a streamed response. The request
// succeeds with the whole answer, after a failed attempt, or fails with a part of the answer. It
// never succeeds with another answer.
func TestStreamFaultAtEveryByte(t *testing.T) {
	for _, api := range []string{Completions, Chat} {
		for effect, kinds := range map[servertest.Effect][]string{
			servertest.Close:   {"truncated", "connection closed"},
			servertest.Reset:   {"connection closed", "truncated"},
			servertest.Garbage: {"invalid answer", "truncated", "connection failed"},
		} {
			t.Run(fmt.Sprintf("%s %d", api, effect), func(t *testing.T) {
				leaks(t)
				m, p := faulty(t, servertest.Options{NoCompletions: api == Chat, ChunkTokens: 3})
				ask := func() (*runners.Response, error) {
					return m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 7})
				}
				want, err := ask()
				if err != nil || len(want.Chunks) != 3 || want.OutputTokens != 7 {
					t.Fatalf("without a fault: %+v, %v", want, err)
				}
				length, failures, retries := len(p.Last()), map[string]int{}, map[string]int{}
				if length < 500 {
					t.Fatalf("a response of %d bytes", length)
				}
				step := 1
				if api == Chat {
					step = 5 // the same code reads it
				}
				for at := 0; at < length; at += step {
					p.Set(servertest.Fault{Do: effect, At: at})
					got, err := ask()
					switch e := (*runners.RequestError)(nil); {
					case err == nil:
						if got.Text != want.Text || len(got.Chunks) != 3 || got.OutputTokens != 7 || got.PromptTokens != want.PromptTokens || got.Finish != want.Finish {
							t.Fatalf("fault at byte %d: %+v, want %+v", at, got, want)
						}
						if len(got.Retries) != p.Count()-1 {
							t.Errorf("fault at byte %d: %d requests, retries %v", at, p.Count(), got.Retries)
						}
						for _, r := range got.Retries {
							retries[r.Reason]++
						}
					case !errors.As(err, &e):
						t.Fatalf("fault at byte %d: %T %v", at, err, err)
					default:
						failures[e.Kind]++
						if !slices.Contains(kinds, e.Kind) {
							t.Errorf("fault at byte %d: kind %q: %v", at, e.Kind, err)
						}
						if got != nil && !strings.HasPrefix(want.Text, got.Text) || p.Count() != 1 {
							t.Fatalf("fault at byte %d after %d requests: %+v", at, p.Count(), got)
						}
					}
				}
				if len(failures) == 0 || len(retries) == 0 {
					t.Errorf("failures %v, retries %v", failures, retries)
				}
			})
		}
	}
}

// TestFaultAtEveryByte injects a fault at each byte of a response whose time is not measured: such
// requests are repeated, so no answer is lost.
func TestFaultAtEveryByte(t *testing.T) {
	leaks(t)
	m, p := faulty(t, servertest.Options{})
	ask := func() (out runners.Answer, err error) {
		group := []runners.Prompt{{Text: "A prompt", Turns: []runners.Turn{{MaxTokens: 7}}}}
		_, err = m.Complete(t.Context(), group, 0, func(_ int, a []runners.Answer) { out = a[0] })
		return out, err
	}
	want, err := ask()
	if err != nil || want.Text != servertest.Greedy("A prompt", 7) {
		t.Fatalf("%+v, %v", want, err)
	}
	length, repeated := len(p.Last()), 0
	for _, effect := range []servertest.Effect{servertest.Close, servertest.Reset, servertest.Garbage} {
		for at := range length {
			p.Set(servertest.Fault{Do: effect, At: at})
			got, err := ask()
			if err != nil || got.Text != want.Text || got.Tokens != want.Tokens {
				t.Fatalf("effect %d at byte %d: %+v, %v", effect, at, got, err)
			}
			repeated += p.Count() - 1
		}
	}
	notes, _ := m.EndCase()
	if repeated < 2*length || len(notes) != 1 || !strings.Contains(notes[0], fmt.Sprintf("%d attempts failed and were repeated", repeated)) {
		t.Errorf("%d attempts of %d repeated: %q", repeated, 3*length, notes)
	}
}

// TestDelayedStream checks that a delay at any place of a response shows in the times after it and
// in none before it.
func TestDelayedStream(t *testing.T) {
	m, p := faulty(t, servertest.Options{})
	ask := func() *runners.Response {
		r, err := m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	ask()
	var ends []int // of the chunks' events, in the response
	from := 0
	for range 4 {
		from += strings.Index(p.Last()[from:], `"text":"`)
		from += strings.Index(p.Last()[from:], "\n\n") + 2
		ends = append(ends, from)
	}
	for at := 0; at < len(p.Last()); at += len(p.Last()) / 20 {
		const wait = 20 * time.Millisecond
		p.Set(servertest.Fault{Do: servertest.Delay, At: at, Wait: wait})
		r := ask()
		if len(r.Chunks) != 4 {
			t.Fatalf("delay at byte %d: %d chunks", at, len(r.Chunks))
		}
		for i, c := range r.Chunks {
			if ends[i] > at && c.At < wait {
				t.Errorf("delay at byte %d: chunk %d, which ends at %d, after %s", at, i, ends[i], c.At)
			}
		}
	}
	// A delay that is longer than the machine could be busy.
	const wait = 2 * time.Second
	p.Set(servertest.Fault{Do: servertest.Delay, At: ends[1], Wait: wait})
	if r := ask(); r.Chunks[1].At >= wait || r.Chunks[2].At < wait {
		t.Errorf("delay after the second chunk: %+v", r.Chunks)
	}
}

// TestStalledStream checks that a stream that stops is given up, and that the wait for its first
// byte has the limit of the whole request.
func TestStalledStream(t *testing.T) {
	leaks(t)
	p := servertest.StartProxy(t, servertest.Start(t, servertest.Options{}))
	hang := func(m *Model, at int) string {
		p.Set(servertest.Fault{Do: servertest.Hang, At: at})
		_, err := m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 4})
		if p.Count() != 1 {
			t.Errorf("hang at byte %d: %d requests", at, p.Count())
		}
		return kindOf(err)
	}
	m := open(t, quick(p.URL), nil)
	if _, err := m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 4}); err != nil {
		t.Fatal(err)
	}
	length := len(p.Last())
	m.s.c.spec.Stall = 50 * time.Millisecond
	for _, at := range []int{strings.Index(p.Last(), "\n\n") + 2, length / 2, length - 20} {
		if kind := hang(m, at); kind != "stalled" {
			t.Errorf("hang at byte %d of %d: %s", at, length, kind)
		}
	}
	m.s.c.spec.Request = 200 * time.Millisecond
	for _, at := range []int{0, 30} {
		if kind := hang(m, at); kind != "timeout" {
			t.Errorf("hang at byte %d of the header: %s", at, kind)
		}
	}
}

// TestOpenAfterEnd checks that a body that does not end after the end of its stream is a success,
// and that only the first such request waits for it.
func TestOpenAfterEnd(t *testing.T) {
	m, p := faulty(t, servertest.Options{})
	ask := func() (*runners.Response, error) {
		return m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 4})
	}
	want, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if m.s.c.open.Load() {
		t.Error("the server ends its bodies")
	}
	hang := servertest.Fault{Do: servertest.Hang, At: strings.Index(p.Last(), "[DONE]") + len("[DONE]\n\n")}
	p.Set(hang, hang)
	for range 2 {
		if got, err := ask(); err != nil || got.Text != want.Text || len(got.Retries) > 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if !m.s.c.open.Load() {
			t.Error("the server does not end its bodies")
		}
	}
}

// TestSlowPrompt checks that a server may be silent for longer than between two parts of an answer
// while it computes the prompt, also after it has sent the role of its message.
func TestSlowPrompt(t *testing.T) {
	m, p := faulty(t, servertest.Options{NoCompletions: true})
	ask := func() (*runners.Response, error) {
		return m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 4})
	}
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	role := strings.Index(p.Last(), "\n\n") + 2
	m.s.c.spec.Stall = time.Second
	p.Set(servertest.Fault{Do: servertest.Delay, At: role, Wait: 2 * time.Second})
	if r, err := ask(); err != nil || !strings.Contains(p.Last()[:role], "assistant") || r.Chunks[0].At < 2*time.Second {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestStatuses checks which error statuses are repeated, and how long the client waits.
func TestStatuses(t *testing.T) {
	m, p := faulty(t, servertest.Options{})
	for status, again := range map[int]bool{
		400: false, 401: false, 403: false, 404: false, 408: true, 409: true, 418: false, 422: false, 429: true,
		500: true, 501: false, 502: true, 503: true, 504: true, 529: true, 302: false, 307: false, 204: false,
	} {
		p.Set(servertest.Fault{Do: servertest.Answer, Status: status}, servertest.Fault{Do: servertest.Answer, Status: status})
		r, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2})
		kind, requests := fmt.Sprintf("HTTP %d", status), 1
		if status == 400 || status == 422 {
			requests = 2 // without optional fields
		}
		if again {
			if err != nil || p.Count() != 3 || len(r.Retries) != 2 || r.Retries[1].Reason != kind {
				t.Errorf("status %d: %v after %d requests", status, err, p.Count())
			}
		} else if kindOf(err) != kind || p.Count() != requests {
			t.Errorf("status %d: %v after %d requests", status, err, p.Count())
		}
	}
	// A status that stays is an error after the last attempt, which lists the earlier ones.
	p.Set(slices.Repeat([]servertest.Fault{{Do: servertest.Answer, Status: 503}}, 50)...)
	_, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2})
	var e *runners.RequestError
	if !errors.As(err, &e) || e.Kind != "HTTP 503" || len(e.Retries) != DefaultAttempts-1 || p.Count() != DefaultAttempts || !strings.Contains(err.Error(), "injected") {
		t.Errorf("%v after %d requests", err, p.Count())
	}
	// The server decides how long the client waits.
	p.Set(servertest.Fault{Do: servertest.Answer, Status: 429, Header: "Retry-After: 0.25\r\n"})
	start := time.Now()
	r, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2})
	if err != nil || len(r.Retries) != 1 || r.Retries[0].Wait != 250*time.Millisecond || time.Since(start) < 250*time.Millisecond {
		t.Errorf("%+v, %v", r, err)
	}
	if last := r.Chunks[len(r.Chunks)-1].At; r.Sent.Sub(start) < 250*time.Millisecond || last > time.Since(r.Sent) {
		t.Errorf("the wait is part of a latency: sent after %s, last chunk at %s", r.Sent.Sub(start), last)
	}
	// A wait of hours is an error at once.
	p.Set(servertest.Fault{Do: servertest.Answer, Status: 429, Header: "Retry-After: 7200\r\n"})
	if _, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2}); kindOf(err) != "HTTP 429" || p.Count() != 1 || !strings.Contains(err.Error(), "2h0m0s") {
		t.Errorf("%v after %d requests", err, p.Count())
	}
	// The end of the context ends a wait.
	p.Set(servertest.Fault{Do: servertest.Answer, Status: 429, Header: "Retry-After: 50\r\n"})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := m.Stream(ctx, runners.Request{Prompt: "x", MaxTokens: 2}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "0.5": time.Second / 2, "-1": 0, "x": 0, "NaN": 0, "Inf": 1e6 * time.Second, "1e300": 1e6 * time.Second,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("Retry-After: %s is %s, want %s", text, got, want)
		}
	}
}

// TestRefusals checks the errors that a server answers.
func TestRefusals(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Context: 60})
		m := open(t, quick(s.URL), tokenizer.Bytes{})
		long := strings.Repeat("x", 60)
		_, err := m.Complete(t.Context(), []runners.Prompt{{Text: long, Turns: []runners.Turn{{MaxTokens: 1}}}}, 0, nil)
		if !errors.Is(err, runners.ErrUnsupported) || !strings.Contains(err.Error(), "maximum context length is 60 tokens") {
			t.Error(err)
		}
		_, err = m.Stream(t.Context(), runners.Request{Prompt: long, MaxTokens: 1})
		if !errors.Is(err, runners.ErrUnsupported) {
			t.Error(err)
		}
		before := len(s.Requests())
		_, err = m.Complete(t.Context(), []runners.Prompt{{Text: "x", Turns: []runners.Turn{{MaxTokens: 1}}}}, 61, nil)
		if !errors.Is(err, runners.ErrUnsupported) || len(s.Requests()) != before {
			t.Error(err)
		}
	})
	for name, c := range map[string]struct {
		o    servertest.Options
		spec Spec
		want string
	}{
		"model": {servertest.Options{}, Spec{Model: "other"}, "the model other does not exist"},
		"key":   {servertest.Options{Key: "sk-right"}, Spec{}, "the server refuses the key"},
		"api":   {servertest.Options{NoChat: true}, Spec{API: Chat}, "chat of loopback: HTTP 404"},
		"text": {servertest.Options{Handler: func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, "<html>hello</html>")
			return true
		}}, Spec{}, "the server answers with text/html"},
		"redirect": {servertest.Options{Handler: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://example.com/v1?x=y", http.StatusTemporaryRedirect)
			return true
		}}, Spec{}, "redirects to https://example.com; set"},
		"error with status 200": {servertest.Options{Handler: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"error": {"message": "engine died"}}`)
			return true
		}}, Spec{}, "engine died"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := quick(servertest.Start(t, c.o).URL)
			if c.spec.Model != "" {
				spec.Model = c.spec.Model
			}
			spec.API = c.spec.API
			_, err := Probe(t.Context(), spec, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		_, err := Probe(t.Context(), quick("http://127.0.0.1:1/v1"), nil)
		if kindOf(err) != "connection refused" {
			t.Error(err)
		}
	})
}
