package exec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// Probe starts the command, reads its hello and ends it.
func Probe(ctx context.Context, spec Spec) (*Hello, error) {
	c, h, err := open(ctx, spec.withDefaults())
	if err != nil {
		return nil, err
	}
	_ = c.close(ctx)
	return h, ctx.Err()
}

// open starts the command and reads its hello.
func open(ctx context.Context, spec Spec) (*child, *Hello, error) {
	c, err := start(spec)
	if err != nil {
		return nil, nil, err
	}
	a, _, err := c.call(ctx, request{Op: "hello", Protocol: Protocol}, spec.Start)
	if err != nil {
		return nil, nil, err
	}
	var h *Hello
	if !*a.OK {
		err = a.refused()
	} else {
		h, err = a.hello()
	}
	if err != nil {
		return nil, nil, c.failed("hello", err)
	}
	return c, h, nil
}

// Capabilities returns what the model can do as New returns it.
func (h *Hello) Capabilities() runners.Capabilities {
	c := runners.Can(runners.Step).Cannot(runners.Costed, "its layers are not known: it is a command").
		Cannot(runners.Complete, "the command has neither encode and decode nor a tokenizer in the suite").
		Cannot(runners.Score, "the command has no tokenizer in the suite, by whose tokens texts are split").
		Cannot(runners.Choose, "the command has no score, or neither encode and decode nor a tokenizer in the suite").
		Cannot(runners.Fork, "the command has no fork").Cannot(runners.Memory, "the command has no usage")
	for what, op := range map[runners.Capability]string{runners.Complete: opEncode, runners.Fork: opFork, runners.Memory: opUsage} {
		if h.Has(op) {
			c[what] = ""
		}
	}
	if h.Has(opEncode) && h.Has(opScore) {
		c[runners.Choose] = ""
	}
	return c
}

// refused is the error of an answer that is not ok.
func (a *answer) refused() error {
	text := a.Error
	if a.Message != "" {
		text += ": " + clip(a.Message)
	}
	switch a.Error {
	case codeOutOfMemory:
		return fmt.Errorf("%w in the child process: %s", runners.ErrOutOfMemory, clip(a.Message))
	case codeUnsupported:
		return fmt.Errorf("%w by the child process: %s", runners.ErrUnsupported, clip(a.Message))
	}
	return errors.New(text)
}

// Model is a model in a child process. It implements runners.Stepper, Greedy, Answerer and Cased.
type Model struct {
	spec  Spec
	hello *Hello
	ctx   context.Context // of the case, for methods without a context

	mu    sync.Mutex // held during a call, because the idle timer ends the child from its own goroutine
	c     *child     // nil: none runs
	err   error      // the failure of this case
	names int
	times map[string]*timing
	idle  *time.Timer
	last  [][]candidate // of the last Greedy
}

// timing are the times of the calls of an operation, in seconds.
type timing struct{ ours, theirs []float64 }

// New returns a model that starts the command at its first use. Its hello must then equal h, the
// result of Probe. The model is a runners.Meter if the child has usage, and with texts a
// runners.Completer that encodes texts with the child's own tokenizer.
func New(spec Spec, h *Hello, texts bool) runners.Stepper {
	m := newModel(spec, h)
	switch {
	case texts && h.Has(opUsage):
		return struct {
			*Model
			meter
			texted
		}{m, meter{m}, texted{m}}
	case texts:
		return struct {
			*Model
			texted
		}{m, texted{m}}
	case h.Has(opUsage):
		return struct {
			*Model
			meter
		}{m, meter{m}}
	}
	return m
}

func newModel(spec Spec, h *Hello) *Model {
	return &Model{spec: spec.withDefaults(), hello: h, ctx: context.Background(), times: map[string]*timing{}}
}

// BeginCase begins a case: ctx also ends the calls that have no context of their own.
func (m *Model) BeginCase(ctx context.Context) { m.ctx = ctx }

// call sends a request, and starts the child first if none runs. After a failure every call fails
// until EndCase.
func (m *Model) call(ctx context.Context, r request) (*answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locked(ctx, r)
}

func (m *Model) locked(ctx context.Context, r request) (*answer, error) {
	if m.err != nil {
		return nil, m.err
	}
	if m.idle != nil {
		m.idle.Stop()
	}
	if m.c == nil {
		c, h, err := open(ctx, m.spec)
		if err != nil {
			return nil, m.fail(err)
		}
		m.c = c
		if h.Vocab != m.hello.Vocab || h.Name != m.hello.Name || h.Identity != m.hello.Identity {
			return nil, m.fail(c.failed("hello", fmt.Errorf("it is %s with a vocabulary of %d now, and was %s with %d when the run was planned",
				h.Name+" "+h.Identity, h.Vocab, m.hello.Name+" "+m.hello.Identity, m.hello.Vocab)))
		}
	}
	a, took, err := m.c.call(ctx, r, m.spec.Request)
	if f := (*Failure)(nil); errors.As(err, &f) {
		return nil, m.fail(err)
	}
	if err != nil { // nothing was sent
		return nil, err
	}
	if !*a.OK {
		err := fmt.Errorf("%s: %w", r.Op, a.refused())
		if a.Error == codeFailed { // whether it still works is not known
			err = m.fail(m.c.failed(r.Op, a.refused()))
		}
		return nil, err
	}
	t := m.times[r.Op]
	if t == nil {
		t = &timing{}
		m.times[r.Op] = t
	}
	t.ours = append(t.ours, took.Seconds())
	if a.MS != nil {
		t.theirs = append(t.theirs, *a.MS/1000)
	}
	return a, nil
}

// fail records the failure of a case. The child has ended.
func (m *Model) fail(err error) error {
	m.err, m.c = err, nil
	return err
}

// wrong ends the child because an answer is not what was asked for.
func (m *Model) wrong(op string, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c == nil {
		return m.err
	}
	return m.fail(m.c.failed(op, err))
}

// Close ends the child.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle != nil {
		m.idle.Stop()
	}
	m.rest()
	m.err = errors.New("the model is closed")
	return nil
}

// rest ends the child, if one runs. m.mu is held.
func (m *Model) rest() {
	if m.c != nil {
		_ = m.c.close(context.Background()) // results do not depend on how it ends
		m.c = nil
	}
}

// EndCase ends a case: after a failure, the next case starts a new child. The notes compare the
// times by the child's clock and by ours. err is a failure of a call that cannot return one.
func (m *Model) EndCase() (notes []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err, m.err, m.ctx = m.err, nil, context.Background()
	if note := m.timesNote(); note != "" {
		notes = append(notes, note)
	}
	m.times = map[string]*timing{}
	if m.c != nil {
		var mine *time.Timer
		mine = time.AfterFunc(m.spec.Idle, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.idle == mine {
				m.rest()
			}
		})
		m.idle = mine
	}
	return notes, err
}

// timesNote compares the two clocks.
func (m *Model) timesNote() string {
	var parts []string
	for _, op := range []string{"prefill", "step", opScore, opGenerate} {
		t := m.times[op]
		if t == nil || len(t.theirs) != len(t.ours) {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.4g ms (%.4g ms with the pipe, %d calls)", op, 1000*median(t.theirs), 1000*median(t.ours), len(t.ours)))
	}
	if parts == nil {
		return ""
	}
	return "times include the pipe to the child process; median by the child's own clock: " + strings.Join(parts, ", ")
}

func median(s []float64) float64 {
	s = slices.Sorted(slices.Values(s))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Vocab is the number of token ids.
func (m *Model) Vocab() int { return m.hello.Vocab }

// CanTruncate reports whether the child can cut a sequence back.
func (m *Model) CanTruncate() bool { return m.hello.Has(opTruncate) }

// NewSequence makes a sequence in the child.
func (m *Model) NewSequence(capacity int) (runners.Sequence, error) {
	if h := m.hello; h.Context > 0 && capacity > h.Context {
		return nil, fmt.Errorf("%w: a sequence of %d tokens, the child process takes %d at most", runners.ErrUnsupported, capacity, h.Context)
	}
	s := &sequence{m: m, capacity: capacity}
	return s, s.make(m.ctx)
}

// own returns the sequences of the model, ready for use in the child.
func (m *Model) own(ctx context.Context, ss ...runners.Sequence) (out []*sequence, names []string, err error) {
	for _, s := range ss {
		o, ok := s.(*sequence)
		if !ok || o.m != m {
			return nil, nil, errors.New("the sequence belongs to another model")
		}
		if err := o.sync(ctx); err != nil {
			return nil, nil, err
		}
		out, names = append(out, o), append(names, o.name)
	}
	return out, names, nil
}

// take checks that a sequence has room for tokens, and that these are in the vocabulary.
func (m *Model) take(s *sequence, tokens []int) error {
	if n := s.Len() + len(tokens); n > s.capacity {
		return fmt.Errorf("%d tokens do not fit into a sequence of %d", n, s.capacity)
	}
	return m.hello.check("tokens", tokens)
}

// Prefill appends tokens.
func (m *Model) Prefill(ctx context.Context, s runners.Sequence, tokens []int) error {
	os, _, err := m.own(ctx, s)
	if err != nil {
		return err
	}
	if err := m.take(os[0], tokens); err != nil {
		return err
	}
	return os[0].prefill(ctx, tokens)
}

// top appends a token to each sequence, and returns the most likely token after each.
func (m *Model) top(ctx context.Context, ss []runners.Sequence, tokens []int, k int) ([][]candidate, error) {
	os, names, err := m.own(ctx, ss...)
	if err != nil {
		return nil, err
	}
	if len(os) == 0 || len(tokens) != len(os) {
		return nil, fmt.Errorf("step: %d tokens for %d sequences", len(tokens), len(os))
	}
	for i, s := range os {
		if err := m.take(s, tokens[i:i+1]); err != nil {
			return nil, err
		}
	}
	a, err := m.call(ctx, request{Op: "step", Seqs: names, Tokens: tokens, Top: k})
	if err != nil {
		return nil, err
	}
	out, err := a.tops(m.hello, len(os), k)
	if err != nil {
		return nil, m.wrong("step", err)
	}
	for i, s := range os {
		s.tokens = append(s.tokens, tokens[i])
	}
	return out, nil
}

// Step appends a token to each sequence. Row i is the distribution that the package's comment
// describes.
func (m *Model) Step(ctx context.Context, ss []runners.Sequence, tokens []int, logits [][]float32) error {
	top, err := m.top(ctx, ss, tokens, 1)
	if err != nil {
		return err
	}
	return fill(logits, top)
}

// Greedy appends a token to each sequence and writes the most likely token after it to out.
func (m *Model) Greedy(ctx context.Context, ss []runners.Sequence, tokens, out []int) error {
	top, err := m.top(ctx, ss, tokens, 1)
	if err != nil {
		return err
	}
	for i, t := range top {
		out[i] = t[0].token
	}
	m.last = top
	return nil
}

// Logits writes the rows of the last Greedy.
func (m *Model) Logits(logits [][]float32) error { return fill(logits, m.last) }

// fill writes for each row a distribution whose most likely token is given.
func fill(rows [][]float32, top [][]candidate) error {
	if len(rows) != len(top) {
		return fmt.Errorf("%d rows for %d sequences", len(rows), len(top))
	}
	for i, row := range rows {
		best := top[i][0]
		others := max(1-math.Exp(best.logProb), 1e-30) / float64(max(len(row)-1, 1))
		v := float32(min(math.Log(others), best.logProb))
		for j := range row {
			row[j] = v
		}
		row[best.token] = float32(best.logProb)
	}
	return nil
}

// Score appends tokens and emits the log-probability of each but the first.
func (m *Model) Score(ctx context.Context, s runners.Sequence, tokens []int, emit func(pos int, logprob float32)) error {
	if !m.hello.Has(opScore) {
		return fmt.Errorf("%w: the child process has no score", runners.ErrUnsupported)
	}
	if len(tokens) > maxScored {
		return fmt.Errorf("%w: %d tokens to score, the protocol has %d at most", runners.ErrUnsupported, len(tokens), maxScored)
	}
	os, names, err := m.own(ctx, s)
	if err != nil {
		return err
	}
	o := os[0]
	if err := m.take(o, tokens); err != nil || len(tokens) == 0 {
		return err
	}
	a, err := m.call(ctx, request{Op: opScore, Seq: names[0], Tokens: tokens})
	if err != nil {
		return err
	}
	lps, err := a.scores(len(tokens) - 1)
	if err != nil {
		return m.wrong(opScore, err)
	}
	first := o.Len() + 1
	o.tokens = append(o.tokens, tokens...)
	for i, lp := range lps {
		emit(first+i, float32(lp))
	}
	return nil
}

// Answer is runners.AnswerOf for a child process. Continuations are scored on a fork, on the
// sequence itself if it can be cut back, or else on a new sequence.
func (m *Model) Answer(ctx context.Context, s runners.Sequence, prompt []int, continuations [][]int, most int, stop func([]int) bool) (runners.Answered, error) {
	var a runners.Answered
	os, names, err := m.own(ctx, s)
	if err != nil {
		return a, err
	}
	o, n := os[0], len(prompt)
	if n == 0 {
		return a, errors.New("an empty prompt")
	}
	if need := o.Len() + n + max(most, runners.Longest(continuations), 1) - 1; need > o.capacity {
		return a, fmt.Errorf("prompt and answer need %d tokens, the sequence has room for %d", need, o.capacity)
	}
	if n > 1 {
		if err := m.Prefill(ctx, o, prompt[:n-1]); err != nil {
			return a, err
		}
	}
	last := prompt[n-1]
	if m.hello.Has(opScore) {
		for _, c := range continuations {
			lp, err := m.branch(ctx, o, append([]int{last}, c...))
			if err != nil {
				return a, err
			}
			a.LogProbs = append(a.LogProbs, lp)
		}
	}
	if most == 0 {
		return a, nil
	}
	if ends := m.hello.EOS; m.hello.Has(opGenerate) {
		if err := m.take(o, []int{last}); err != nil {
			return a, err
		}
		r, err := m.call(ctx, request{Op: opGenerate, Seq: names[0], Tokens: []int{last}, N: most, Stop: ends})
		if err != nil {
			return a, err
		}
		tokens, err := r.generated(m.hello, most, ends)
		if err != nil {
			return a, m.wrong(opGenerate, err)
		}
		// The child holds its answer without the last token.
		o.tokens = append(append(o.tokens, last), tokens[:len(tokens)-1]...)
		for i := range tokens {
			if a.Tokens = tokens[:i+1]; stop(a.Tokens) && i+1 < len(tokens) {
				o.tokens, o.over = o.tokens[:o.Len()-(len(tokens)-i-1)], true
				break
			}
		}
		return a, nil
	}
	for len(a.Tokens) < most {
		top, err := m.top(ctx, []runners.Sequence{o}, []int{last}, 1)
		if err != nil {
			return a, err
		}
		last = top[0][0].token
		a.Tokens = append(a.Tokens, last)
		if stop(a.Tokens) {
			break
		}
	}
	return a, nil
}

// branch returns the sum of the log-probabilities of tokens[1:] after s and tokens[0]. It leaves s
// unchanged.
func (m *Model) branch(ctx context.Context, s *sequence, tokens []int) (sum float64, err error) {
	emit := func(_ int, lp float32) { sum += float64(lp) }
	n := s.Len()
	room := s.capacity >= n+len(tokens)
	if room && m.hello.Has(opTruncate) {
		if err := m.Score(ctx, s, tokens, emit); err != nil {
			return 0, err
		}
		return sum, s.Truncate(ctx, n)
	}
	var other runners.Sequence
	if room && m.hello.Has(opFork) {
		other, err = s.Fork()
	} else if other, err = m.NewSequence(n + len(tokens)); err == nil && n > 0 {
		err = m.Prefill(ctx, other, s.tokens)
	}
	if other != nil {
		defer other.Close()
	}
	if err == nil {
		err = m.Score(ctx, other, tokens, emit)
	}
	return sum, err
}

// meter reports the memory of the child.
type meter struct{ m *Model }

// Usage is the memory that the child reports. If the call fails, EndCase returns the error.
func (m meter) Usage() runners.Usage { return m.m.usage(false) }

// ResetPeak sets the child's peak to what it holds now.
func (m meter) ResetPeak() { m.m.usage(true) }

func (m *Model) usage(reset bool) (u runners.Usage) {
	a, err := m.call(m.ctx, request{Op: opUsage, Reset: reset})
	if err != nil {
		m.mu.Lock()
		if m.err == nil { // a refusal: the child is alive
			m.err = err
		}
		m.mu.Unlock()
		return u
	}
	if a.Weights == nil || a.Cache == nil {
		m.wrong(opUsage, errors.New("expected weights and cache, in bytes, and perhaps workspace and peak"))
		return u
	}
	for _, n := range []int64{*a.Weights, *a.Cache, a.Workspace, a.Peak} {
		if n < 0 || n > maxBytes {
			m.wrong(opUsage, fmt.Errorf("%d bytes, expected 0 to %d", n, int64(maxBytes)))
			return u
		}
	}
	return runners.Usage{Weights: *a.Weights, GlobalKV: *a.Cache, Workspace: a.Workspace, Peak: a.Peak}
}
