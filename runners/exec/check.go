package exec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// Finding is the result of one conformance test.
type Finding struct {
	Test string `json:"test"`
	// Status is "ok", "failed" or "missing": the child does not offer what is tested.
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// tolerance is the largest difference of log-probabilities that should be equal, in nats.
const tolerance = 1e-3

// Check runs the conformance tests on a command and calls emit with each result. It reports whether
// none has failed. Without a valid hello it runs no other test.
func Check(ctx context.Context, spec Spec, emit func(Finding)) (ok bool) {
	h, err := Probe(ctx, spec)
	if err != nil {
		emit(Finding{"hello", "failed", err.Error()})
		return false
	}
	emit(Finding{"hello", "ok", h.String()})
	k := &checker{m: newModel(spec, h), h: h, ctx: ctx, rng: rand.New(rand.NewPCG(1, 1))}
	defer k.m.Close()
	ok = true
	for _, t := range []struct {
		name    string
		needs   string
		without string // what is not possible without it
		run     func() (string, error)
	}{
		{"encode and decode", opEncode, "suites need the field tokenizer", k.roundTrip},
		{"capacity of one token", "", "", k.one},
		{"prefill and step repeat", "", "", k.repeat},
		{"score equals prefill and step", opScore, "no nll, and no log-probability of right answers", k.score},
		{"batch of two equals singles", "", "", k.batch},
		{"fork", opFork, "common prefixes are computed for each prompt, and no throughput of batches", k.fork},
		{"truncate", opTruncate, "a shortened sequence is computed again", k.truncate},
		{"generate equals steps", opGenerate, "each token takes a round trip", k.generate},
		{"usage", opUsage, "no memory in reports", k.usage},
		{"token outside the vocabulary", "", "", k.outside},
		{"unknown sequence", "", "", k.unknown},
		{"times", "", "", k.times},
		{"bye", "", "", k.bye},
	} {
		f := Finding{Test: t.name, Status: "ok"}
		if t.needs != "" && !h.Has(t.needs) {
			f.Status, f.Detail = "missing", "without "+t.needs+": "+t.without
		} else if f.Detail, err = t.run(); err != nil {
			f.Status, f.Detail, ok = "failed", err.Error(), false
		}
		emit(f)
		_, _ = k.m.EndCase() // the next test starts a new child if this one has ended
		if ctx.Err() != nil {
			return false
		}
	}
	return ok
}

// String describes the child in a line.
func (h *Hello) String() string {
	parts := []string{h.Name, fmt.Sprintf("vocabulary of %d", h.Vocab)}
	if h.Context > 0 {
		parts = append(parts, fmt.Sprintf("context of %d", h.Context))
	}
	for _, s := range []string{h.Device, h.DType, h.Identity} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

type checker struct {
	m   *Model
	h   *Hello
	ctx context.Context
	rng *rand.Rand
}

// tokens makes n pseudo-random tokens.
func (k *checker) tokens(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = k.rng.IntN(k.h.Vocab)
	}
	return out
}

// length is n, or less if the child's context is shorter.
func (k *checker) length(n int) int {
	if k.h.Context > 0 {
		return min(n, k.h.Context)
	}
	return n
}

// after makes a sequence with tokens, all but the last prefilled, and returns the most likely
// tokens after them.
func (k *checker) after(tokens []int, capacity int) (runners.Sequence, []candidate, error) {
	s, err := k.m.NewSequence(capacity)
	if err != nil {
		return nil, nil, err
	}
	if n := len(tokens) - 1; n > 0 {
		if err := k.m.Prefill(k.ctx, s, tokens[:n]); err != nil {
			return nil, nil, err
		}
	}
	top, err := k.step(tokens[len(tokens)-1], s)
	if err != nil {
		return nil, nil, err
	}
	return s, top, nil
}

// listed is the number of tokens that are compared.
const listed = 5

func (k *checker) step(token int, s runners.Sequence) ([]candidate, error) {
	top, err := k.m.top(k.ctx, []runners.Sequence{s}, []int{token}, listed)
	if err != nil {
		return nil, err
	}
	return top[0], nil
}

// same compares two lists of the most likely tokens.
func same(got, want []candidate) error {
	for i := range want {
		if d := math.Abs(got[i].logProb - want[i].logProb); !(d <= tolerance) {
			return fmt.Errorf("the log-probability of rank %d is %.6g, expected %.6g", i+1, got[i].logProb, want[i].logProb)
		}
	}
	clear := len(want) == 1 || want[0].logProb-want[1].logProb > 2*tolerance
	if clear && got[0].token != want[0].token {
		return fmt.Errorf("the most likely token is %d, expected %d", got[0].token, want[0].token)
	}
	return nil
}

func closeAll(ss ...runners.Sequence) error {
	var errs []error
	for _, s := range ss {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

func (k *checker) roundTrip() (string, error) {
	const text = "The quick brown fox jumps over the lazy dog. 12 + 30 = 42"
	t := newChildTokenizer(k.ctx, k.m)
	ids := t.Encode(text)
	got := t.Decode(ids)
	if t.err != nil {
		return "", t.err
	}
	if strings.TrimSpace(got) != text {
		return "", fmt.Errorf("%q became %q", text, got)
	}
	return fmt.Sprintf("%d bytes are %d tokens", len(text), len(ids)), nil
}

func (k *checker) one() (string, error) {
	s, _, err := k.after(k.tokens(1), 1)
	if err != nil {
		return "", err
	}
	return "", s.Close()
}

func (k *checker) repeat() (string, error) {
	tokens := k.tokens(k.length(12))
	a, first, err := k.after(tokens, len(tokens))
	if err != nil {
		return "", err
	}
	b, second, err := k.after(tokens, len(tokens))
	if err != nil {
		return "", err
	}
	return "", errors.Join(same(second, first), closeAll(a, b))
}

// greedy steps greedily and returns the tokens and the sum of their log-probabilities, one each.
func (k *checker) greedy(prompt []int, n int) (out []int, lps []float64, err error) {
	s, top, err := k.after(prompt, len(prompt)+n)
	if err != nil {
		return nil, nil, err
	}
	for {
		out, lps = append(out, top[0].token), append(lps, top[0].logProb)
		if len(out) == n {
			return out, lps, s.Close()
		}
		if top, err = k.step(top[0].token, s); err != nil {
			return nil, nil, err
		}
	}
}

func (k *checker) score() (string, error) {
	n := k.length(16) / 2
	if n < 1 {
		return "the context is too short to test it", nil
	}
	prompt := k.tokens(n)
	answer, want, err := k.greedy(prompt, n)
	if err != nil {
		return "", err
	}
	s, err := k.m.NewSequence(2 * n)
	if err != nil {
		return "", err
	}
	worst := 0.0
	err = k.m.Score(k.ctx, s, append(prompt, answer...), func(pos int, lp float32) {
		if pos >= n {
			worst = max(worst, math.Abs(float64(lp)-want[pos-n]))
		}
	})
	if err != nil {
		return "", err
	}
	if !(worst <= tolerance) {
		return "", fmt.Errorf("log-probabilities of score and of prefill and step differ by %.3g", worst)
	}
	return fmt.Sprintf("the largest difference is %.2g", worst), s.Close()
}

func (k *checker) batch() (string, error) {
	n := k.length(8)
	prompts := [][]int{k.tokens(n), k.tokens(max(n-3, 1))}
	next := k.tokens(2)
	if n < 2 {
		return "the context is too short to test it", nil
	}
	prompts[0] = prompts[0][:n-1] // room for the step
	var want [2][]candidate
	var ss []runners.Sequence
	for i, p := range prompts {
		s, top, err := k.after(append(p[:len(p):len(p)], next[i]), len(p)+1)
		if err != nil {
			return "", err
		}
		want[i] = top
		if err := s.Close(); err != nil {
			return "", err
		}
		if s, err = k.m.NewSequence(len(p) + 1); err != nil {
			return "", err
		}
		if err := k.m.Prefill(k.ctx, s, p); err != nil {
			return "", err
		}
		ss = append(ss, s)
	}
	got, err := k.m.top(k.ctx, ss, next, listed)
	if err != nil {
		return "", err
	}
	for i := range got {
		if err := same(got[i], want[i]); err != nil {
			return "", fmt.Errorf("sequence %d: %w", i+1, err)
		}
	}
	return "", closeAll(ss...)
}

func (k *checker) fork() (string, error) {
	n := k.length(8)
	if n < 2 {
		return "the context is too short to test it", nil
	}
	prompt, next := k.tokens(n-1), k.tokens(2)
	s, err := k.m.NewSequence(n)
	if err != nil {
		return "", err
	}
	if err := k.m.Prefill(k.ctx, s, prompt); err != nil {
		return "", err
	}
	f, err := s.Fork()
	if err != nil {
		return "", err
	}
	for i, x := range []runners.Sequence{f, s} { // the fork first: it must not change the original
		fresh, want, err := k.after(append(prompt[:n-1:n-1], next[i]), n)
		if err != nil {
			return "", err
		}
		got, err := k.step(next[i], x)
		if err != nil {
			return "", err
		}
		if err := same(got, want); err != nil {
			return "", fmt.Errorf("%s: %w", []string{"the fork", "the original after its fork"}[i], err)
		}
		if err := fresh.Close(); err != nil {
			return "", err
		}
	}
	return "", closeAll(f, s)
}

func (k *checker) truncate() (string, error) {
	n := k.length(10)
	keep := n / 2
	if keep < 1 {
		return "the context is too short to test it", nil
	}
	tokens, next := k.tokens(n), k.tokens(1)[0]
	s, _, err := k.after(tokens, n)
	if err != nil {
		return "", err
	}
	fresh, want, err := k.after(append(tokens[:keep:keep], next), n)
	if err != nil {
		return "", err
	}
	if err := s.Truncate(k.ctx, keep); err != nil {
		return "", err
	}
	got, err := k.step(next, s)
	if err != nil {
		return "", err
	}
	return "", errors.Join(same(got, want), s.Truncate(k.ctx, 0), closeAll(s, fresh))
}

func (k *checker) generate() (string, error) {
	n := k.length(12) / 2
	if n < 1 {
		return "the context is too short to test it", nil
	}
	prompt := k.tokens(n)
	want, _, err := k.greedy(prompt, n)
	if err != nil {
		return "", err
	}
	s, err := k.m.NewSequence(2 * n)
	if err != nil {
		return "", err
	}
	if n > 1 {
		if err := k.m.Prefill(k.ctx, s, prompt[:n-1]); err != nil {
			return "", err
		}
	}
	names := []string{s.(*sequence).name}
	a, err := k.m.call(k.ctx, request{Op: opGenerate, Seq: names[0], Tokens: prompt[n-1:], N: n})
	if err != nil {
		return "", err
	}
	got, err := a.generated(k.h, n, nil)
	if err != nil {
		return "", err
	}
	for i := range want {
		if got[i] != want[i] {
			return "", fmt.Errorf("token %d is %d, by steps %d", i+1, got[i], want[i])
		}
	}
	return "", s.Close()
}

func (k *checker) usage() (string, error) {
	s, _, err := k.after(k.tokens(k.length(8)), k.length(8))
	if err != nil {
		return "", err
	}
	u := k.m.usage(false)
	if err := k.m.failure(); err != nil {
		return "", err
	}
	if u.Peak > 0 && u.Peak < u.Total() {
		return "", fmt.Errorf("the peak of %d bytes is less than the %d held", u.Peak, u.Total())
	}
	return fmt.Sprintf("weights %d, cache %d, workspace %d, peak %d bytes", u.Weights, u.GlobalKV, u.Workspace, u.Peak), s.Close()
}

// refuses sends a request that must be answered by bad_request, and then a valid one.
func (k *checker) refuses(r request) (string, error) {
	_, err := k.m.call(k.ctx, r)
	switch {
	case err == nil:
		return "", errors.New("it was accepted; expected the error bad_request")
	case k.m.failure() != nil:
		return "", err
	case !strings.Contains(err.Error(), codeBadRequest):
		return "", fmt.Errorf("expected the error bad_request, got: %w", err)
	}
	if _, err := k.one(); err != nil {
		return "", fmt.Errorf("after the refusal: %w", err)
	}
	return "", nil
}

func (k *checker) outside() (string, error) {
	s, err := k.m.NewSequence(1)
	if err != nil {
		return "", err
	}
	defer s.Close()
	for _, token := range []int{k.h.Vocab, -1} {
		if text, err := k.refuses(request{Op: "step", Seqs: []string{s.(*sequence).name}, Tokens: []int{token}, Top: 1}); err != nil {
			return text, fmt.Errorf("token %d: %w", token, err)
		}
	}
	return "", nil
}

func (k *checker) unknown() (string, error) {
	return k.refuses(request{Op: "step", Seqs: []string{"no such sequence"}, Tokens: []int{0}, Top: 1})
}

func (k *checker) times() (string, error) {
	s, _, err := k.after(k.tokens(k.length(2)), k.length(2))
	if err != nil {
		return "", err
	}
	k.m.mu.Lock()
	defer func() { k.m.mu.Unlock(); s.Close() }()
	for _, op := range []string{"prefill", "step"} {
		if t := k.m.times[op]; t != nil && len(t.theirs) != len(t.ours) {
			return "", fmt.Errorf("the answer to %s has no ms; times then include the pipe without a figure for it", op)
		}
		if t := k.m.times[op]; t != nil && t.theirs[len(t.theirs)-1] > t.ours[len(t.ours)-1]+0.001 {
			return "", fmt.Errorf("%s took %.4g ms by the child's clock, %.4g ms by ours", op, 1000*t.theirs[len(t.theirs)-1], 1000*t.ours[len(t.ours)-1])
		}
	}
	return "", nil
}

func (k *checker) bye() (string, error) {
	c, _, err := open(k.ctx, k.m.spec)
	if err != nil {
		return "", err
	}
	begin := time.Now()
	if err := c.close(k.ctx); err != nil {
		return "", fmt.Errorf("%w; expected status 0 within %s of bye", err, goodbye)
	}
	return fmt.Sprintf("it ended after %.0f ms", time.Since(begin).Seconds()*1000), nil
}

// failure returns the failure of the current case.
func (m *Model) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
