package arch

import (
	"github.com/yocobench/yocobench/runners"
)

// network is an architecture: weights laid out on a device and the passes over them.
type network interface {
	// cacheKinds makes the caches of an empty sequence.
	newCaches(capacity int) (*caches, error)
	// prefill fills the caches of b's sequences and nothing more: a YOCO exits early.
	prefill(b *batch)
	// forward fills the caches and leaves the residual stream after the last layer in work.x.
	forward(b *batch)
	// replay rebuilds what Truncate cannot cut: the self-decoder's running state, from b's tokens.
	replay(b *batch)
	// cuttable is true where Truncate needs no replay.
	cuttable() bool
	// norm and output are the last norm and the output matrix.
	head() (norm, output runners.Weight)
}

// batch is a pass over rows of one or more sequences.
type batch struct {
	runners.Batch
	tokens []int
	caches []*caches // one a span
	// trace, where not nil, is shown activations by the names of the reference fixtures.
	trace func(name string, m runners.Mat, shape ...int)
}

// caches are what one sequence holds, in the order in which the network uses them.
type caches struct {
	global []runners.KV    // one (YOCO) or one a layer (Transformer)
	window []runners.KV    // one a self layer (sliding window)
	state  []runners.State // one a self layer (retention)
}

func (c *caches) close() {
	for _, kv := range append(c.global[:len(c.global):len(c.global)], c.window...) {
		kv.Close()
	}
	for _, s := range c.state {
		s.Close()
	}
	*c = caches{}
}

// fork copies the first n positions.
func (c *caches) fork(n int) (*caches, error) {
	f := &caches{}
	err := func() error {
		for _, pair := range []struct {
			from []runners.KV
			to   *[]runners.KV
		}{{c.global, &f.global}, {c.window, &f.window}} {
			for _, kv := range pair.from {
				k, err := kv.Fork(n)
				if err != nil {
					return err
				}
				*pair.to = append(*pair.to, k)
			}
		}
		for _, s := range c.state {
			k, err := s.Fork()
			if err != nil {
				return err
			}
			f.state = append(f.state, k)
		}
		return nil
	}()
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// scratch gathers one cache a span without allocating anew for each layer.
type scratch struct {
	kv []runners.KV
	st []runners.State
}

func (s *scratch) globals(b *batch, i int) []runners.KV {
	s.kv = s.kv[:0]
	for _, c := range b.caches {
		s.kv = append(s.kv, c.global[i])
	}
	return s.kv
}

func (s *scratch) windows(b *batch, i int) []runners.KV {
	s.kv = s.kv[:0]
	for _, c := range b.caches {
		s.kv = append(s.kv, c.window[i])
	}
	return s.kv
}

func (s *scratch) states(b *batch, i int) []runners.State {
	s.st = s.st[:0]
	for _, c := range b.caches {
		s.st = append(s.st, c.state[i])
	}
	return s.st
}

// workspace holds the activations of a pass; rows grow to the largest pass seen.
type workspace struct {
	ops   runners.Ops
	dim   int // columns of x and y
	mixer int // columns that a mixer needs
	ffn   int // columns that the feed-forward block needs
	rows  int

	x   runners.Buffer // residual stream
	y   runners.Buffer // normed input of a block
	mix runners.Buffer // what a block makes: the projections of a mixer side by side, or the gated hidden of the feed-forward block
}

// reserve makes room for rows.
func (w *workspace) reserve(rows int) error {
	if rows <= w.rows {
		return nil
	}
	w.close()
	for _, b := range []struct {
		buf  *runners.Buffer
		kind runners.BufferKind
		cols int
	}{{&w.x, runners.Residual, w.dim}, {&w.y, runners.Inner, w.dim}, {&w.mix, runners.Inner, max(w.mixer, w.ffn)}} {
		buf, err := w.ops.Buffer(b.kind, rows, b.cols)
		if err != nil {
			w.close()
			return err
		}
		*b.buf = buf
	}
	w.rows = rows
	return nil
}

func (w *workspace) close() {
	for _, b := range []*runners.Buffer{&w.x, &w.y, &w.mix} {
		if *b != nil {
			(*b).Close()
			*b = nil
		}
	}
	w.rows = 0
}

// cols is columns from..from+n-1 of a buffer.
func cols(b runners.Buffer, from, n int) runners.Mat {
	return runners.Mat{Buf: b, Col: from, Cols: n}
}

// loader lays out weights and keeps the first error.
type loader struct {
	ops    runners.Ops
	w      runners.Weights
	params map[string]runners.Param
	err    error
}

// weight lays out the named tensors (without ".weight") stacked along their first axis.
func (l *loader) weight(names ...string) runners.Weight {
	if l.err != nil {
		return nil
	}
	var stack []runners.Tensor
	for _, n := range names {
		t, err := l.w.Tensor(l.params[n+".weight"])
		if err != nil {
			l.err = err
			return nil
		}
		stack = append(stack, t)
	}
	w, err := l.ops.Weight(stack...)
	l.err = err
	return w
}
