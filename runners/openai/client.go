package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// Spec describes an endpoint.
type Spec struct {
	// URL is the base of the API, such as http://127.0.0.1:8000/v1.
	URL string
	// Model is the name of the model in requests.
	Model string
	// Key is sent as a bearer token if it is not empty.
	Key string
	// API is Completions or Chat; empty means the one that the server has, Completions if both.
	API string
	// Concurrency is the maximum number of requests of one Complete that run at the same time.
	Concurrency int
	// Rate is the maximum number of requests per second, 0 for no limit.
	Rate float64
	// Attempts is the maximum number of attempts of a request. Those that found their connection
	// closed by the server do not count.
	Attempts int
	// Start is how long Probe waits until the server answers; 0 means that it does not wait.
	Start time.Duration
	// Request limits the time of an attempt, Stall the time between two parts of a streamed answer.
	Request, Stall time.Duration
	// Backoff is the mean of the first wait before an attempt is repeated; it doubles each time.
	Backoff time.Duration
}

// The values of Spec.API.
const (
	Completions = "completions"
	Chat        = "chat"
)

// The defaults of a Spec.
const (
	DefaultConcurrency = 8
	DefaultAttempts    = 5
	DefaultRequest     = 10 * time.Minute
	DefaultStall       = time.Minute
	DefaultBackoff     = 500 * time.Millisecond
)

func (s Spec) withDefaults() Spec {
	s.URL = strings.TrimRight(s.URL, "/")
	if s.Concurrency <= 0 {
		s.Concurrency = DefaultConcurrency
	}
	if s.Attempts <= 0 {
		s.Attempts = DefaultAttempts
	}
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{{&s.Request, DefaultRequest}, {&s.Stall, DefaultStall}, {&s.Backoff, DefaultBackoff}} {
		if *d.to <= 0 {
			*d.to = d.def
		}
	}
	return s
}

// Limits of what a server may send.
const (
	maxLine   = 1 << 20  // a line of a stream
	maxBody   = 64 << 20 // an answer
	maxEvents = 1 << 20  // events of a stream
	maxError  = 64 << 10 // what is read of an error's text
	maxToken  = 1 << 10  // additional bytes of an answer for each token with a log-probability
)

// maxWait limits the wait before an attempt, also if the server asks for more.
const maxWait = time.Minute

// maxStale is the number of attempts of a request that may find their connection closed.
const maxStale = 10

// client sends requests to an endpoint.
type client struct {
	spec Spec
	http *http.Client

	mu sync.Mutex
	// next is the earliest time of the next attempt, for Spec.Rate.
	next time.Time
	// rejected are the optional fields that the server rejects; requests omit them.
	rejected map[string]bool
	// retried counts attempts that failed, by reason, since the last EndCase.
	retried map[string]int
	// others are the models that answers named since the last EndCase, if not that of requests.
	others map[string]bool
	// open is true if the server did not end a body at the end of its stream.
	open atomic.Bool
}

func newClient(spec Spec) *client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 1<<16 // as many as requests ran at the same time
	t.DisableCompression = true
	t.MaxResponseHeaderBytes = 1 << 20
	if strings.HasPrefix(spec.URL, "http://") {
		byLine(t)
	}
	return &client{
		spec: spec.withDefaults(),
		http: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rejected: map[string]bool{}, retried: map[string]int{}, others: map[string]bool{},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// failure is an attempt that failed.
type failure struct {
	// kind groups failures in a few words.
	kind string
	err  error
	// status and body are the HTTP status, if it is not 200, and what the server says.
	status int
	body   apiError
	// again is true if another attempt may succeed, after at least wait.
	again bool
	wait  time.Duration
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failed(kind, format string, args ...any) *failure {
	return &failure{kind: kind, err: fmt.Errorf(format, args...)}
}

// exchange is one attempt of a request that the server answered with status 200.
type exchange struct {
	c    *client
	resp *http.Response
	// sent is when the request was written.
	sent time.Time
	// read is the number of bytes of the body that were read, most the largest number.
	read, most int64
	// stall limits the time to the next part of the body. Without a call, a server may be silent
	// for as long as it computes the prompt.
	stall func(time.Duration)
}

func (x *exchange) Read(p []byte) (int, error) {
	if x.read >= x.most {
		return 0, failed("invalid answer", "the answer has more than %d MiB", x.most>>20)
	}
	n, err := x.resp.Body.Read(p)
	x.read += int64(n)
	return n, err
}

// call sends a request until it succeeds. read reads the body of an answer with status 200; if all
// of it can be repeated, repeat is true. An error is ctx's error, wraps runners.ErrUnsupported, or
// is a *runners.RequestError.
func (c *client) call(ctx context.Context, method, target string, f fields, repeat bool, read func(*exchange) error) (retries []runners.Retry, err error) {
	var vague *failure // of a request with optional fields, none of which the error names
	failures, stale := 0, 0
	for wait := c.spec.Backoff; ; wait = min(2*wait, maxWait) {
		if err := c.turn(ctx); err != nil {
			return retries, err
		}
		sent := c.accepted(f)
		if vague != nil {
			sent = sent.plain()
		}
		fail := c.attempt(ctx, method, target, sent, repeat, read, &retries)
		if fail == nil {
			if vague != nil {
				c.rejects(f)
			}
			return retries, nil
		}
		if err := ctx.Err(); err != nil {
			return retries, err
		}
		if fail.invalid() && vague == nil {
			if c.reject(sent, fail) {
				continue
			}
			if len(sent.plain()) < len(sent) {
				vague = fail
				continue
			}
		}
		if fail.invalid() && vague != nil {
			fail = vague // the optional fields were not the reason
		}
		if exhausted(fail.err) {
			return retries, fmt.Errorf("%w; the client cannot open more connections: raise its limit of open files (ulimit -n), or lower the concurrency or the rate", fail.err)
		}
		if tooLong(fail) {
			return retries, fmt.Errorf("%w: %s", runners.ErrUnsupported, fail.body.text())
		}
		if fail.again && fail.wait > maxWait {
			fail.again, fail.err = false, fmt.Errorf("%w (the server asks to wait for %s, which is over %s)", fail.err, fail.wait.Round(time.Second), maxWait)
		}
		if fail.kind == reusedClosed && stale < maxStale {
			stale++
		} else if failures++; !fail.again || failures >= c.spec.Attempts {
			return retries, &runners.RequestError{Kind: fail.kind, Retries: retries, Err: c.hide(fail.err)}
		}
		r := runners.Retry{Reason: fail.kind, Wait: max(fail.wait, time.Duration(float64(wait)*(0.5+rand.Float64())))}
		if fail.kind == reusedClosed {
			r.Wait = 0
			c.http.CloseIdleConnections() // the server may have closed others too
		}
		retries = append(retries, r)
		c.mu.Lock()
		c.retried[r.Reason]++
		c.mu.Unlock()
		if err := sleep(ctx, r.Wait); err != nil {
			return retries, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turn waits until Spec.Rate allows another attempt.
func (c *client) turn(ctx context.Context) error {
	if c.spec.Rate <= 0 {
		return ctx.Err()
	}
	c.mu.Lock()
	now := time.Now()
	at := c.next
	if at.Before(now) {
		at = now
	}
	c.next = at.Add(time.Duration(float64(time.Second) / c.spec.Rate))
	c.mu.Unlock()
	return sleep(ctx, at.Sub(now))
}

// Causes for which an attempt is ended.
var (
	errTimeout = errors.New("timeout")
	errStalled = errors.New("stalled")
)

// attempt sends a request once.
func (c *client) attempt(ctx context.Context, method, target string, f fields, repeat bool, read func(*exchange) error, retries *[]runners.Retry) *failure {
	var body io.Reader
	if f != nil {
		text, err := json.Marshal(f)
		if err != nil {
			return failed("invalid request", "%w", err)
		}
		body = bytes.NewReader(text)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(c.spec.Request, func() { cancel(errTimeout) }).Stop()
	x := &exchange{c: c, most: maxBody}
	connections, reused := 0, false
	var answered atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			connections++
			x.sent = time.Now()
			reused = i.Reused
		},
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, method, target, body)
	if err != nil {
		return failed("invalid request", "%w", err)
	}
	if f != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.spec.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.spec.Key)
	}
	x.resp, err = c.http.Do(req)
	// net/http itself repeats a request if the server had closed the idle connection.
	for ; connections > 1; connections-- {
		*retries = append(*retries, runners.Retry{Reason: reusedClosed})
	}
	if err != nil {
		f := c.broken(ctx, err, true)
		// It reports this error if the request had been written.
		if f.kind == "connection closed" && reused && !answered.Load() {
			f.kind = reusedClosed
		}
		return f
	}
	defer x.resp.Body.Close()
	if x.resp.StatusCode != http.StatusOK {
		return c.refused(x.resp)
	}
	if e := x.resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return failed("invalid answer", "the server answers with the content encoding %s, which was not asked for", c.clip(e))
	}
	stall := time.AfterFunc(c.spec.Request, func() { cancel(errStalled) })
	defer stall.Stop()
	x.stall = func(d time.Duration) { stall.Reset(d) }
	if err := read(x); err != nil {
		return c.broken(ctx, err, repeat || x.read == 0)
	}
	return nil
}

// broken classifies an error of an attempt without an error status. again says whether an attempt
// that failed like this may be repeated.
func (c *client) broken(ctx context.Context, err error, again bool) *failure {
	switch cause := context.Cause(ctx); cause {
	case nil:
	case errTimeout:
		return failed("timeout", "no complete answer within %s", c.spec.Request)
	case errStalled:
		return failed("stalled", "the answer stalled for %s", c.spec.Stall)
	default:
		return &failure{kind: "canceled", err: cause}
	}
	var f *failure
	if errors.As(err, &f) {
		f.again = f.again || again
		return f
	}
	kind, again2 := networkKind(err)
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL
	}
	return &failure{kind: kind, err: fmt.Errorf("%s: %w", kind, err), again: again && again2}
}

// hide removes the key from the text of an error.
func (c *client) hide(err error) error {
	text := err.Error()
	if hidden := c.hidden(text); hidden != text {
		return errors.New(hidden)
	}
	return err
}

// minKey is the length of the shortest key that is removed from texts. Servers that check no key
// are given words such as "EMPTY" or "none", which may be part of an answer.
const minKey = 6

// hidden removes the key from a text.
func (c *client) hidden(text string) string {
	if len(c.spec.Key) < minKey {
		return text
	}
	return strings.ReplaceAll(text, c.spec.Key, "[key]")
}

// endpoint returns the URL of a path of the API.
func (c *client) endpoint(path string) string { return c.spec.URL + path }

// host returns the URL of a path outside the API: many servers have the API at /v1.
func (c *client) host(path string) string {
	return strings.TrimSuffix(c.spec.URL, "/v1") + path
}
