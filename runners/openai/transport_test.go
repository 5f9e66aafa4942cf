package openai

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

const secret = "sk-Zq81-not-for-others"

// TestKeyStaysHere checks that texts of a server that repeats the key do not contain it, whatever
// the form of the answer.
func TestKeyStaysHere(t *testing.T) {
	escaped := strings.ReplaceAll(secret, "Z", `\u005a`)
	long := strings.Repeat("x", 290) + secret // would be cut within the key
	for name, answer := range map[string]func(w http.ResponseWriter, path string){
		"status": func(w http.ResponseWriter, _ string) { http.Error(w, "bad key "+secret, http.StatusUnauthorized) },
		"long":   func(w http.ResponseWriter, _ string) { http.Error(w, long, http.StatusBadRequest) },
		"JSON": func(w http.ResponseWriter, _ string) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error": {"message": %q, "type": %q, "code": "%s"}}`, long, secret, escaped)
		},
		"escaped": func(w http.ResponseWriter, _ string) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"detail": "%s%s"}`, strings.Repeat("x", 290), escaped)
		},
		"context": func(w http.ResponseWriter, _ string) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error": {"message": "context length of %s", "code": "context_length_exceeded"}}`, secret)
		},
		"error with status 200": func(w http.ResponseWriter, _ string) {
			fmt.Fprintf(w, `{"error": {"message": "%s"}}`, escaped)
		},
		"garbage": func(w http.ResponseWriter, _ string) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, long)
		},
		"type": func(w http.ResponseWriter, _ string) { w.Header().Set("Content-Type", "text/"+long) },
		"redirect": func(w http.ResponseWriter, _ string) {
			w.Header().Set("Location", "https://"+secret+".example/"+secret)
			w.WriteHeader(http.StatusFound)
		},
		"answers": func(w http.ResponseWriter, path string) {
			w.Header().Set("Content-Type", "application/json")
			if strings.HasSuffix(path, "models") {
				fmt.Fprintf(w, `{"data": [{"id": "%s", "root": "/%s", "owned_by": "%s"}]}`, escaped, escaped, secret)
				return
			}
			fmt.Fprintf(w, `{"choices": [{"text": " %s", "finish_reason": "%s"}], "usage": {"prompt_tokens": 3}}`, escaped, secret)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+secret {
					t.Errorf("request %s has %q", r.URL, r.Header)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				answer(w, r.URL.Path)
			}))
			defer h.Close()
			spec := quick(h.URL + "/v1")
			spec.Key, spec.Attempts = secret, 2
			var said []string
			s, err := Probe(t.Context(), spec, tokenizer.Bytes{})
			if err != nil {
				said = append(said, err.Error())
			} else {
				said = append(said, s.Reported, s.NoScore, s.Host(), s.Kind)
				m := New(s)
				_, err := m.Complete(t.Context(), []runners.Prompt{{Text: "x", Turns: []runners.Turn{{MaxTokens: 9}}}}, 0, func(_ int, a []runners.Answer) { said = append(said, fmt.Sprint(a)) })
				said = append(said, fmt.Sprint(err))
				notes, _ := m.EndCase()
				said = append(said, notes...)
			}
			// No part of the key of some length either.
			for i := range len(secret) - 8 {
				if all := strings.Join(said, "\n"); strings.Contains(all, secret[i:i+9]) {
					t.Fatalf("%q contains a part of the key", all)
				}
			}
		})
	}
}

// TestKeyInStream checks that a key is removed from a streamed answer that repeats it byte by byte.
func TestKeyInStream(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Key: secret, Answer: func(string) string { return "it is " + secret + "." }})
	spec := quick(s.URL)
	spec.Key = secret
	m := open(t, spec, nil)
	r, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 100})
	if err != nil || r.Text != "it is [key]." {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = m.Complete(t.Context(), []runners.Prompt{{Text: "x", Turns: []runners.Turn{{MaxTokens: 100}}}}, 0, func(_ int, a []runners.Answer) {
		if a[0].Text != "it is [key]." {
			t.Errorf("%q", a[0].Text)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestKeyIsNotRedirected checks that no redirect carries the key, or anything, to another host.
func TestKeyIsNotRedirected(t *testing.T) {
	var arrived atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+r.URL.Path, status)
		}))
		spec := quick(h.URL + "/v1")
		spec.Key = secret
		if _, err := Probe(t.Context(), spec, nil); kindOf(err) != fmt.Sprintf("HTTP %d", status) {
			t.Errorf("status %d: %v", status, err)
		}
		h.Close()
	}
	if arrived.Load() > 0 {
		t.Errorf("%d requests arrived at another host", arrived.Load())
	}
}

// TestConcurrency checks that as many requests run at the same time as the spec allows, and that
// later ones use their connections.
func TestConcurrency(t *testing.T) {
	const most = 5
	var now, peak, connections atomic.Int32
	all := make(chan struct{})
	var once sync.Once
	s := servertest.Start(t, servertest.Options{})
	counting := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		if n == most {
			once.Do(func() { close(all) })
		}
		if r.Method == "POST" && r.Header.Get("Content-Length") != "" && connections.Load() > 1 {
			<-all
		}
		s.ServeHTTP(w, r)
		now.Add(-1)
	}))
	counting.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	counting.Start()
	defer counting.Close()
	spec := quick(counting.URL + "/v1")
	spec.Concurrency = most
	m := open(t, spec, nil)
	group := make([]runners.Prompt, 60)
	for i := range group {
		group[i] = runners.Prompt{Text: fmt.Sprint(i), Turns: []runners.Turn{{MaxTokens: 3}}}
	}
	seen := 0
	if _, err := m.Complete(t.Context(), group, 0, func(int, []runners.Answer) { seen++ }); err != nil || seen != len(group) {
		t.Fatalf("%d answers, %v", seen, err)
	}
	// A connection may not have been returned yet when the next request starts.
	if peak.Load() != most || int(connections.Load()) > len(group)/2 {
		t.Errorf("%d requests at the same time, want %d; %d requests on %d connections", peak.Load(), most, len(group), connections.Load())
	}
}

// TestRate checks the rate limit, and that the wait for it is in no latency.
func TestRate(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	spec := quick(s.URL)
	m := open(t, spec, nil)
	m.s.c.spec.Rate = 20
	start := time.Now()
	var all sync.WaitGroup
	for range 7 {
		all.Go(func() {
			if _, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("7 requests at 20 per second took %s", took)
	}
	m.s.c.spec.Rate = 0.001
	if err := m.s.c.turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := m.Stream(ctx, runners.Request{Prompt: "x", MaxTokens: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait for the rate gave %v", err)
	}
}

// TestGroupEnds checks that the failure of one prompt ends the others, and that no goroutine is
// left.
func TestGroupEnds(t *testing.T) {
	leaks(t)
	s := servertest.Start(t, servertest.Options{Handler: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Content-Length") != "" && r.ContentLength > 1000 {
			w.WriteHeader(http.StatusTeapot)
			return true
		}
		return false
	}})
	m := open(t, quick(s.URL), nil)
	group := make([]runners.Prompt, 500)
	for i := range group {
		group[i] = runners.Prompt{Text: "x", Turns: []runners.Turn{{MaxTokens: 1}}}
	}
	group[20].Text = strings.Repeat("x", 2000)
	seen := 0
	_, err := m.Complete(t.Context(), group, 0, func(int, []runners.Answer) { seen++ })
	if kindOf(err) != "HTTP 418" || !strings.Contains(err.Error(), "prompt 21") || seen >= len(group)-1 {
		t.Errorf("%d answers, %v", seen, err)
	}
}

// TestEnvironment checks the settings of the environment in a process of its own, because net/http
// reads them once: a proxy is used, but not for loopback, and a certificate of SSL_CERT_FILE is
// trusted.
func TestEnvironment(t *testing.T) {
	if url := os.Getenv("OPENAI_TEST_URL"); url != "" {
		_, err := Probe(t.Context(), quick(url), nil)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	s := servertest.Start(t, servertest.Options{})
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied.Add(1)
		if r.URL.Host != "model.example" {
			t.Errorf("the proxy is asked for %s", r.URL)
		}
		s.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	encrypted := httptest.NewTLSServer(s)
	defer encrypted.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(url string, env ...string) (string, error) {
		cmd := exec.Command(self, "-test.run=^TestEnvironment$", "-test.count=1")
		cmd.Env = append(os.Environ(), append([]string{"OPENAI_TEST_URL=" + url, "HTTP_PROXY=" + proxy.URL, "HTTPS_PROXY=", "NO_PROXY="}, env...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("http://model.example/v1"); err != nil || proxied.Load() == 0 {
		t.Errorf("by the proxy: %v, %d requests: %s", err, proxied.Load(), out)
	}
	if out, err := run("http://model.example/v1", "HTTP_PROXY=http://127.0.0.1:1"); err == nil || !strings.Contains(out, "proxy: proxyconnect") {
		t.Errorf("no proxy answers: %v: %s", err, out)
	}
	before := proxied.Load()
	if out, err := run(s.URL); err != nil || proxied.Load() != before {
		t.Errorf("loopback: %v, %d requests by the proxy: %s", err, proxied.Load()-before, out)
	}
	if out, err := run("http://model.example/v1", "NO_PROXY=model.example"); err == nil || proxied.Load() != before {
		t.Errorf("NO_PROXY: %v, %d requests by the proxy: %s", err, proxied.Load()-before, out)
	}
	if out, err := run(encrypted.URL+"/v1", "SSL_CERT_FILE="+ca); err != nil {
		t.Errorf("with the certificate: %v: %s", err, out)
	}
	if out, err := run(encrypted.URL+"/v1", "SSL_CERT_FILE=/dev/null"); err == nil || !strings.Contains(out, "TLS: ") {
		t.Errorf("without the certificate: %v: %s", err, out)
	}
}

// TestPartOfNextEvent checks that an event that arrives together with a part of the next one is
// read at once, on plain and encrypted connections and by HTTP/2.
func TestPartOfNextEvent(t *testing.T) {
	const (
		wait   = 2 * time.Second
		first  = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n"
		second = "data: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"stop\"}]}\n\n"
		end    = "data: [DONE]\n\n"
	)
	for _, kind := range []string{"plain", "encrypted", "HTTP/2"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				write := func(text string) {
					_, _ = io.WriteString(w, text)
					w.(http.Flusher).Flush()
				}
				body, rest := first+second[:20], second[20:]+end
				if kind == "HTTP/2" {
					w.Header().Set("Content-Type", "text/event-stream")
				} else {
					c, _, err := w.(http.Hijacker).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					write = func(text string) { _, _ = io.WriteString(c, text) }
					body = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
						fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s", len(first), first, len(second), second[:20])
					rest = fmt.Sprintf("%s\r\n%x\r\n%s\r\n0\r\n\r\n", second[20:], len(end), end)
				}
				write(body)
				time.Sleep(wait)
				write(rest)
			}))
			defer h.Close()
			var out runners.Response
			var c *client
			if kind == "plain" {
				h.Start()
				c = newClient(quick(h.URL))
			} else {
				h.EnableHTTP2 = kind == "HTTP/2"
				h.StartTLS()
				c = newClient(quick(h.URL))
				c.http.Transport.(*http.Transport).TLSClientConfig = h.Client().Transport.(*http.Transport).TLSClientConfig
			}
			defer c.close()
			_, err := c.call(t.Context(), "POST", h.URL, fields{}, false, func(x *exchange) error {
				if got := x.resp.ProtoMajor == 2; got != (kind == "HTTP/2") {
					t.Errorf("protocol %s", x.resp.Proto)
				}
				out.Sent = x.sent
				return readStream(x, &out)
			})
			if err != nil || out.Text != "ab" || len(out.Chunks) != 2 || out.Chunks[1].At-out.Chunks[0].At < wait/2 {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
}
