package openai_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/llamacpp"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/openai"
)

// stopwatch is a TCP proxy that records when bytes pass it.
type stopwatch struct {
	addr string

	mu sync.Mutex
	// request is the time at which the latest request began; answered holds the parts of its
	// answer.
	request  time.Time
	answered []part
}

type part struct {
	at   time.Time
	text []byte
}

func newStopwatch(t *testing.T, target string) *stopwatch {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &stopwatch{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			go w.pipe(out, in, func(p part) {
				if bytes.HasPrefix(p.text, []byte("POST ")) {
					w.request, w.answered = p.at, nil
				}
			})
			go w.pipe(in, out, func(p part) { w.answered = append(w.answered, p) })
		}
	}()
	return w
}

func (w *stopwatch) pipe(to io.WriteCloser, from io.Reader, record func(part)) {
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			w.mu.Lock()
			record(part{time.Now(), bytes.Clone(b[:n])})
			w.mu.Unlock()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// events returns when each event with a token passed.
func (w *stopwatch) events() (out []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text []byte
	from := 0
	for _, p := range w.answered {
		text = append(text, p.text...)
		for {
			n := bytes.Index(text[from:], []byte("\n\n"))
			if n < 0 {
				break
			}
			if event := string(text[from : from+n]); strings.Contains(event, "data: {") && strings.Contains(event, `"finish_reason":null`) && !strings.Contains(event, `"role"`) {
				out = append(out, p.at)
			}
			from += n + 2
		}
	}
	return out
}

// The times of a streamed answer of a real server are those that a proxy in front of it observes.
func TestTimesAreThoseOfAnOutsideStopwatch(t *testing.T) {
	url := llamacpp.Start(t, llamacpp.Options{Model: testenv.SmolLM2(t), Context: 1024})
	w := newStopwatch(t, strings.TrimPrefix(url, "http://"))
	prompt := strings.Repeat("The grass is green. The sky is blue. ", 20)
	for _, api := range []string{openai.Completions, openai.Chat} {
		t.Run(api, func(t *testing.T) {
			s, err := openai.Probe(t.Context(), openai.Spec{URL: "http://" + w.addr + "/v1", Model: "any", API: api}, nil)
			if err != nil {
				t.Fatal(err)
			}
			m := openai.New(s)
			defer m.Close()
			const tokens = 24
			r, err := m.Stream(t.Context(), runners.Request{Prompt: prompt, MaxTokens: tokens, Exact: true})
			if err != nil {
				t.Fatal(err)
			}
			seen := w.events()
			if r.OutputTokens != tokens || len(r.Chunks) != tokens || len(seen) != tokens || r.CachedTokens != 0 || r.PromptTokens < 180 {
				t.Fatalf("%d tokens in %d chunks after %d, %d of them cached; the proxy saw %d", r.OutputTokens, len(r.Chunks), r.PromptTokens, r.CachedTokens, len(seen))
			}
			if before := w.request.Sub(r.Sent); before < 0 || before > 50*time.Millisecond {
				t.Errorf("the request passed the proxy %s after it was sent", before)
			}
			var late []time.Duration
			for i, c := range r.Chunks {
				d := r.Sent.Add(c.At).Sub(seen[i])
				if d < 0 {
					t.Errorf("chunk %d arrived %s before it passed the proxy", i, -d)
				}
				late = append(late, d)
			}
			slices.Sort(late)
			t.Logf("ttft %s, end %s; later than at the proxy by %s (median), %s to %s", r.Chunks[0].At, r.Chunks[tokens-1].At, late[tokens/2], late[0], late[tokens-1])
			if late[0] > 5*time.Millisecond || late[tokens/2] > 50*time.Millisecond {
				t.Errorf("chunks arrived %s (median) after they passed the proxy", late[tokens/2])
			}
		})
	}
}
