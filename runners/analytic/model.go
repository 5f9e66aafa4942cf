package analytic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// shape provides what the cost of a model is computed from.
type shape interface {
	name() string
	vocab() int
	canTruncate() bool
	// usage is the memory held with count sequences of at most longest tokens, without their
	// caches.
	usage(longest, count int) runners.Usage
	// caches is the memory of one sequence with the given capacity.
	caches(capacity int) runners.Usage
	// prefill returns the seconds of n tokens after depth tokens, step those of one token for
	// sequences of the given depths.
	prefill(n, depth int) float64
	step(depths []int) float64
}

// Model counts time and memory without computing. It implements runners.Stepper, runners.Meter and
// runners.Clock.
type Model struct {
	shape
	profile runners.Profile
	memory  int64 // maximum bytes held
	seconds float64
	peak    int64
	cache   runners.Usage // caches and states of the live sequences
	live    map[int]int   // number of live sequences by capacity
	steps   int
}

// sequence is a length and a capacity.
type sequence struct {
	m             *Model
	len, capacity int
	closed        bool
	step          int // the last Step that included it
}

var errClosed = errors.New("the sequence is closed, or belongs to another model")

// Vocab implements runners.Stepper.
func (m *Model) Vocab() int { return m.vocab() }

// CanTruncate implements runners.Stepper.
func (m *Model) CanTruncate() bool { return m.canTruncate() }

// Now returns the virtual time since Load.
func (m *Model) Now() time.Duration { return time.Duration(m.seconds * 1e9) }

// Usage returns the memory held now, as computed by the cost model.
func (m *Model) Usage() runners.Usage {
	longest, count := 0, 0
	for capacity, n := range m.live {
		longest = max(longest, capacity)
		count += n
	}
	u := m.usage(longest, count)
	u.GlobalKV, u.WindowKV, u.State = m.cache.GlobalKV, m.cache.WindowKV, m.cache.State
	u.Peak = m.peak
	return u
}

// account adds n (1 or -1) sequences with the given capacity.
func (m *Model) account(capacity, n int) {
	u := m.caches(capacity)
	m.cache.GlobalKV += int64(n) * u.GlobalKV
	m.cache.WindowKV += int64(n) * u.WindowKV
	m.cache.State += int64(n) * u.State
	if m.live[capacity] += n; m.live[capacity] == 0 {
		delete(m.live, capacity)
	}
}

// ResetPeak sets the peak to the memory held now.
func (m *Model) ResetPeak() { m.peak = m.Usage().Total() }

func (m *Model) outOfMemory(what string, need int64) error {
	return fmt.Errorf("%s of %s on %s: %.2f GB needed, %.2f GB available: %w",
		what, m.name(), m.profile.Name, float64(need)/1e9, float64(m.memory)/1e9, runners.ErrOutOfMemory)
}

// NewSequence accounts for the caches of capacity tokens.
func (m *Model) NewSequence(capacity int) (runners.Sequence, error) {
	if capacity < 1 {
		return nil, fmt.Errorf("a sequence's capacity is %d, want at least 1", capacity)
	}
	return m.hold(&sequence{m: m, capacity: capacity})
}

func (m *Model) hold(s *sequence) (runners.Sequence, error) {
	m.account(s.capacity, 1)
	total := m.Usage().Total()
	if total > m.memory {
		m.account(s.capacity, -1)
		return nil, m.outOfMemory(fmt.Sprintf("another sequence of %d tokens", s.capacity), total)
	}
	m.peak = max(m.peak, total)
	return s, nil
}

// extend returns the sequence after checking that it has room for n more tokens.
func (m *Model) extend(ctx context.Context, rs runners.Sequence, n int) (*sequence, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, ok := rs.(*sequence)
	if !ok || s.m != m || s.closed {
		return nil, errClosed
	}
	if n > s.capacity-s.len {
		return nil, fmt.Errorf("%d tokens after %d exceed the sequence's capacity of %d", n, s.len, s.capacity)
	}
	return s, nil
}

// Prefill advances the clock by the time of the tokens' prefill. The values of tokens are ignored.
func (m *Model) Prefill(ctx context.Context, rs runners.Sequence, tokens []int) error {
	s, err := m.extend(ctx, rs, len(tokens))
	if err != nil {
		return err
	}
	m.seconds += m.prefill(len(tokens), s.len)
	s.len += len(tokens)
	return nil
}

// Step advances the clock by the time of one token for each sequence. Logits are zero; rows of
// logits may be nil.
func (m *Model) Step(ctx context.Context, rs []runners.Sequence, tokens []int, logits [][]float32) error {
	if len(tokens) != len(rs) || len(logits) != len(rs) {
		return fmt.Errorf("step of %d sequences with %d tokens and %d rows of logits", len(rs), len(tokens), len(logits))
	}
	m.steps++
	depths := make([]int, len(rs))
	for i, r := range rs {
		s, err := m.extend(ctx, r, 1)
		if err != nil {
			return err
		}
		if s.step == m.steps {
			return errors.New("step of a batch that contains a sequence twice")
		}
		s.step, depths[i] = m.steps, s.len
	}
	m.seconds += m.step(depths)
	for i, r := range rs {
		r.(*sequence).len++
		clear(logits[i])
	}
	return nil
}

// Score is unsupported, because the model has no probabilities.
func (m *Model) Score(context.Context, runners.Sequence, []int, func(int, float32)) error {
	return fmt.Errorf("the analytic runner computes time and memory, not probabilities: %w", runners.ErrUnsupported)
}

// Inspect is unsupported, because the model has no tensors.
func (m *Model) Inspect(context.Context, runners.Sequence, []int, func(string, []int, []float32)) error {
	return fmt.Errorf("the analytic runner computes time and memory, not tensors: %w", runners.ErrUnsupported)
}

// Close does nothing: the model holds no resources.
func (m *Model) Close() error { return nil }

func (s *sequence) Len() int      { return s.len }
func (s *sequence) Capacity() int { return s.capacity }

func (s *sequence) Fork() (runners.Sequence, error) {
	if s.closed {
		return nil, errClosed
	}
	c := *s
	return s.m.hold(&c)
}

func (s *sequence) Truncate(ctx context.Context, n int) error {
	if _, err := s.m.extend(ctx, s, 0); err != nil {
		return err
	}
	if n < 0 || n > s.len {
		return fmt.Errorf("cannot cut %d tokens to %d", s.len, n)
	}
	if !s.m.canTruncate() && n < s.len {
		s.m.seconds += s.m.prefill(n, 0)
	}
	s.len = n
	return nil
}

func (s *sequence) Close() error {
	if !s.closed {
		s.closed = true
		s.m.account(s.capacity, -1)
	}
	return nil
}
