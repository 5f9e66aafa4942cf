// Package load sends requests to a runners.Streamer and measures their latencies.
//
// A closed loop keeps a number of requests in flight: when one is answered, the next one is sent.
// An open loop sends requests at the times of a Poisson process, whether earlier ones were answered
// or not, so a queue in the server shows in the latencies.
//
// Latencies are those of vLLM's benchmark, measured from the time at which a request was sent:
//
//	ttft  time to the first chunk of the answer
//	itl   time between two chunks
//	e2el  time to the last chunk
//	tpot  (e2el - ttft) / (output tokens - 1)
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Plan describes the requests of a measurement.
type Plan struct {
	// Concurrency is the number of requests in flight of a closed loop. Rate is the mean number of
	// requests per second of an open loop. One of them is 0.
	Concurrency int
	Rate        float64
	// Warmup is the number of requests before the measured ones, sent in the same loop without a
	// break.
	Warmup int
	// Requests is the largest number of measured requests, at least 1. If Duration is not 0, no
	// request is sent that long after the first measured one.
	Requests int
	Duration time.Duration
	// Seed determines the times of an open loop.
	Seed uint64
}

// Sample is one request.
type Sample struct {
	// Index counts requests from 0 in the order of Due; those below Plan.Warmup are not measured.
	Index int
	// Due is when the request was to be sent, End when its answer ended.
	Due, End time.Time
	// Response is nil if nothing arrived. Err is nil if the request succeeded.
	Response *runners.Response
	Err      *runners.RequestError
}

// Late returns the time from Due to when the request was sent: the part of the queue that is in the
// client. ok is false if it is unknown, because nothing arrived or an attempt was repeated.
func (s Sample) Late() (d time.Duration, ok bool) {
	if s.Response == nil || len(s.Response.Retries) > 0 {
		return 0, false
	}
	return s.Response.Sent.Sub(s.Due), true
}

// maxInFlight limits the requests in flight of an open loop, each of which has a connection. If it
// is reached, requests are sent late.
const maxInFlight = 4096

// A run ends early if its first mostFailed requests all fail, or if mostRefused requests in a row
// find that nothing listens at the server's address, each after several attempts.
const (
	mostFailed  = 32
	mostRefused = 8
)

// Run sends requests until the plan is done and all are answered. It calls next with the index of
// each request before it is due, and done with each sample, warm-up included; calls of one function
// do not overlap. Failed requests are samples too. Run ends early with an error if the first
// requests all fail, if nothing listens at the server's address any more, or if the Streamer
// returns an error that is not a *runners.RequestError.
func Run(ctx context.Context, s runners.Streamer, p Plan, next func(i int) runners.Request, done func(Sample)) error {
	if (p.Concurrency > 0) == (p.Rate > 0) || p.Requests < 1 {
		return fmt.Errorf("load: %d requests in flight at %g requests/s, %d in all", p.Concurrency, p.Rate, p.Requests)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{Plan: p, ctx: ctx, cancel: cancel, s: s, next: next, done: done}
	if p.Rate > 0 {
		r.open()
	} else {
		r.closed()
	}
	return cmp.Or(context.Cause(ctx), r.gaveUp)
}

type run struct {
	Plan
	ctx    context.Context
	cancel context.CancelCauseFunc
	s      runners.Streamer
	next   func(int) runners.Request
	done   func(Sample)

	taking sync.Mutex
	taken  int
	end    time.Time // when Duration ends; zero before the first measured request

	mu             sync.Mutex
	failed, served int
	refused        int // consecutive refused requests so far
	first, last    *runners.RequestError
	gaveUp         error
}

// take returns the index and the request to send next. ok is false if there is none.
func (r *run) take() (i int, q runners.Request, ok bool) {
	r.taking.Lock()
	defer r.taking.Unlock()
	if r.taken == r.Warmup+r.Requests || r.ctx.Err() != nil || r.hopeless() {
		return 0, q, false
	}
	i = r.taken
	r.taken++
	return i, r.next(i), true
}

// over reports whether the time of a request is past the plan's duration.
func (r *run) over(i int, due time.Time) bool {
	r.taking.Lock()
	defer r.taking.Unlock()
	if r.Duration == 0 || i < r.Warmup {
		return false
	}
	if r.end.IsZero() {
		r.end = due.Add(r.Duration)
	}
	return !due.Before(r.end)
}

// hopeless reports whether the run gave up.
func (r *run) hopeless() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gaveUp != nil
}

// giveUp gives up if many requests were sent and all failed, or the server has ended. r.mu is held.
func (r *run) giveUp() {
	ended := r.refused >= max(mostRefused, r.Concurrency)
	switch {
	case r.gaveUp != nil:
	case r.served == 0 && (ended || r.failed >= max(mostFailed, r.Concurrency)):
		r.gaveUp = fmt.Errorf("the first %d requests all failed: %w", r.failed, r.first)
	case ended:
		r.gaveUp = fmt.Errorf("the server has ended: after %d answered requests, the last %d found no server: %w", r.served, r.refused, r.last)
	}
}

// send sends a request and passes on its sample.
func (r *run) send(i int, due time.Time, q runners.Request) {
	answer, err := r.s.Stream(r.ctx, q)
	s := Sample{Index: i, Due: due, End: time.Now(), Response: answer}
	if r.ctx.Err() != nil {
		return
	}
	if err != nil && !errors.As(err, &s.Err) {
		r.cancel(err)
		return
	}
	if s.Err == nil && len(answer.Chunks) == 0 {
		s.Err = &runners.RequestError{Kind: "no tokens", Err: errors.New("the answer has no tokens"), Retries: answer.Retries}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused++; !errors.Is(err, syscall.ECONNREFUSED) {
		r.refused = 0
	}
	if r.last = s.Err; s.Err != nil {
		if r.failed++; r.first == nil {
			r.first = s.Err
		}
	} else {
		r.served++
	}
	r.giveUp()
	r.done(s)
}

// closed runs a closed loop. A worker's next request is due when its last one was answered.
func (r *run) closed() {
	var wg sync.WaitGroup
	for range r.Concurrency {
		wg.Go(func() {
			for {
				i, q, ok := r.take()
				due := time.Now() // after the prompt is made
				if !ok || r.over(i, due) {
					return
				}
				r.send(i, due, q)
			}
		})
	}
	wg.Wait()
}

// open runs an open loop.
func (r *run) open() {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, maxInFlight)
	gaps := rng.New("arrivals", r.Seed)
	at := time.Now()
	for {
		i, q, ok := r.take()
		if i > 0 {
			at = at.Add(gap(gaps, r.Rate))
		}
		due := at
		if !ok || r.over(i, due) || !r.wait(time.Until(due)) {
			return
		}
		select {
		case room <- struct{}{}:
		case <-r.ctx.Done():
			return
		}
		wg.Go(func() {
			r.send(i, due, q)
			<-room
		})
	}
}

// gap returns the time between two events of a Poisson process.
func gap(random *rng.Rand, rate float64) time.Duration {
	u := float64(random.Uint64()>>11) / (1 << 53) // in [0, 1)
	return time.Duration(-math.Log1p(-u) / rate * float64(time.Second))
}

// wait waits. It returns false if the run ended.
func (r *run) wait(d time.Duration) bool {
	if d <= 0 {
		return r.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// Questions describes the requests of Measure: prompts of Length tokens for answers of Output
// tokens.
type Questions struct {
	Length, Output int
	// Tokenizer is the model's, or nil if it is unknown.
	Tokenizer tokenizer.Tokenizer
	Seed      uint64
}

// Measure runs a plan with new prompts and returns its statistics, with remarks on them. It is an
// error if no measured request is answered. progress is called with fractions of the plan.
func Measure(ctx context.Context, s runners.Streamer, q Questions, p Plan, l Limits, progress func(float64)) (*Stats, []string, error) {
	prompts, err := NewPrompts(ctx, s, q)
	if err != nil {
		return nil, nil, err
	}
	st, n := NewStats(q.Output, l), 0.0
	err = Run(ctx, s, p, func(int) runners.Request { return prompts.Request() }, func(x Sample) {
		if x.Index >= p.Warmup {
			st.Add(x)
		}
		n++
		progress(n / float64(p.Warmup+p.Requests))
	})
	if err == nil {
		err = st.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	return st, append(prompts.notes, st.notes(q.Length)...), nil
}
