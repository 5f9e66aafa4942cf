package arch

import (
	"context"
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// sequence is the caches and the length of one text.
type sequence struct {
	m        *Model
	caches   *caches // nil once closed
	length   int
	capacity int
	// history keeps the tokens if Truncate must replay them: 4 bytes per token on the host.
	history []int32
}

func (m *Model) sequence(c *caches, length, capacity int) *sequence {
	s := &sequence{m: m, caches: c, length: length, capacity: capacity}
	if !m.net.canTruncate() {
		s.history = make([]int32, 0, capacity)
		m.history += 4 * int64(cap(s.history))
	}
	return s
}

func (s *sequence) Len() int { return s.length }

func (s *sequence) Capacity() int { return s.capacity }

// append records tokens that a pass has written to the caches.
func (s *sequence) append(tokens []int) {
	s.length += len(tokens)
	if s.m.net.canTruncate() {
		return
	}
	for _, t := range tokens {
		s.history = append(s.history, int32(t))
	}
}

func (s *sequence) Fork() (runners.Sequence, error) {
	if s.caches == nil {
		return nil, errors.New("fork: the sequence is closed")
	}
	c, err := s.caches.fork(s.length)
	if err != nil {
		return nil, fmt.Errorf("fork a sequence of %d tokens: %w", s.length, err)
	}
	f := s.m.sequence(c, s.length, s.capacity)
	f.history = append(f.history, s.history...)
	return f, nil
}

// Truncate implements runners.Sequence. If a replay is interrupted, the sequence is empty
// afterwards.
func (s *sequence) Truncate(ctx context.Context, n int) error {
	if s.caches == nil {
		return errors.New("truncate: the sequence is closed")
	}
	if n < 0 || n > s.length {
		return fmt.Errorf("truncate to %d tokens, but the sequence holds %d", n, s.length)
	}
	if n == s.length {
		return nil
	}
	if s.m.net.canTruncate() {
		s.length = n
		return nil
	}
	history := s.history[:n]
	s.length, s.history = 0, s.history[:0]
	if n == 0 {
		s.caches.resetStates()
		return nil
	}
	tokens := make([]int, n)
	for i, t := range history {
		tokens[i] = int(t)
	}
	return s.m.chunks(ctx, s, tokens, func(int, int) error {
		s.m.net.replay(&s.m.b)
		return nil
	})
}

func (s *sequence) Close() error {
	if s.caches != nil {
		s.caches.close()
		s.m.history -= 4 * int64(cap(s.history))
		s.caches, s.history = nil, nil
	}
	return nil
}
