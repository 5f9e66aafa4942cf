package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/runners"
)

// sequence is a sequence in the child.
type sequence struct {
	m        *Model
	c        *child // that has it
	name     string
	capacity int
	tokens   []int
	// over is true if the child holds more than tokens, because some tokens that it generated were
	// not used.
	over bool
}

// make makes the sequence in the child.
func (s *sequence) make(ctx context.Context) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.names++
	s.name = fmt.Sprintf("s%d", s.m.names)
	_, err := s.m.locked(ctx, request{Op: "new", Seq: s.name, Capacity: s.capacity})
	s.c = s.m.c
	return err
}

// alive returns an error if the child that has the sequence has ended.
func (s *sequence) alive() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.err != nil {
		return s.m.err
	}
	if s.c == nil || s.c != s.m.c {
		return errors.New("the sequence is closed, or the child process that had it has ended")
	}
	return nil
}

func (s *sequence) prefill(ctx context.Context, tokens []int) error {
	for part := range slices.Chunk(tokens, maxTokens) {
		if _, err := s.m.call(ctx, request{Op: "prefill", Seq: s.name, Tokens: part}); err != nil {
			return err
		}
		s.tokens = append(s.tokens, part...)
	}
	return nil
}

// Len is the number of tokens held.
func (s *sequence) Len() int { return len(s.tokens) }

// Capacity is the largest number of tokens.
func (s *sequence) Capacity() int { return s.capacity }

// Fork copies the sequence.
func (s *sequence) Fork() (runners.Sequence, error) {
	m := s.m
	if !m.hello.Has(opFork) {
		return nil, fmt.Errorf("%w: the child process has no fork", runners.ErrUnsupported)
	}
	if err := s.sync(m.ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names++
	f := &sequence{m: m, c: m.c, name: fmt.Sprintf("s%d", m.names), capacity: s.capacity, tokens: slices.Clone(s.tokens)}
	if _, err := m.locked(m.ctx, request{Op: opFork, From: s.name, Seq: f.name}); err != nil {
		return nil, err
	}
	return f, nil
}

// Truncate keeps the first n tokens. Without the operation in the child, they are computed again in
// a new sequence.
func (s *sequence) Truncate(ctx context.Context, n int) error {
	if err := s.alive(); err != nil {
		return err
	}
	if n < 0 || n > len(s.tokens) {
		return fmt.Errorf("truncate to %d of %d tokens", n, len(s.tokens))
	}
	s.over = s.over || n < len(s.tokens)
	s.tokens = s.tokens[:n]
	return s.sync(ctx)
}

// sync cuts the child's sequence back to tokens, if it holds more.
func (s *sequence) sync(ctx context.Context) error {
	if err := s.alive(); err != nil || !s.over {
		return err
	}
	s.over = false
	if n := len(s.tokens); s.m.hello.Has(opTruncate) {
		_, err := s.m.call(ctx, request{Op: opTruncate, Seq: s.name, Length: &n})
		return err
	}
	kept := s.tokens
	if err := s.free(ctx); err != nil {
		return err
	}
	if err := s.make(ctx); err != nil {
		return err
	}
	s.tokens = nil
	return s.prefill(ctx, kept)
}

func (s *sequence) free(ctx context.Context) error {
	_, err := s.m.call(ctx, request{Op: "free", Seq: s.name})
	return err
}

// Close frees the sequence.
func (s *sequence) Close() error {
	if s.alive() != nil {
		return nil // it ended with its child
	}
	err := s.free(s.m.ctx)
	s.c = nil
	return err
}
