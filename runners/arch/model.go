package arch

import (
	"context"
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// Model runs a network on a device. It implements runners.Instance, Counter and Inspector.
type Model struct {
	cfg    runners.Config
	ops    runners.Ops
	net    *network
	ws     workspace
	logits runners.Buffer
	chunk  int
	closed bool
	// history is the size in bytes of the tokens that sequences keep for Truncate.
	history int64

	b   batch // reused by every pass, so decoding does not allocate
	lps []float32
}

// New loads a model onto a device. It takes ownership of ops and closes it on an error.
func New(cfg runners.Config, w runners.Weights, ops runners.Ops, opts runners.Options) (runners.Instance, error) {
	m := &Model{cfg: cfg, ops: ops, chunk: opts.PrefillChunk}
	m.ws.ops = ops
	if m.chunk <= 0 {
		m.chunk = ops.PrefillChunk()
	}
	err := cfg.Validate()
	if err == nil {
		l := newLoader(cfg, w, ops)
		m.net = newNetwork(cfg, ops, &m.ws, l)
		err = l.err
	}
	if err == nil {
		err = ops.Sync()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load %s: %w", cfg.Name, err), ops.Close())
	}
	return m, nil
}

// Config returns the model's configuration.
func (m *Model) Config() runners.Config { return m.cfg }

// Vocab implements runners.Stepper.
func (m *Model) Vocab() int { return m.cfg.Vocab }

// CanTruncate implements runners.Stepper.
func (m *Model) CanTruncate() bool { return m.cfg.CanTruncate() }

// Usage returns the memory held, by part.
func (m *Model) Usage() runners.Usage {
	u := m.ops.Usage()
	u.Workspace += m.history
	u.Peak += m.history
	return u
}

// ResetPeak frees the workspace and starts a new peak.
func (m *Model) ResetPeak() {
	m.freeWorkspace()
	m.ops.ResetPeak()
}

func (m *Model) freeWorkspace() {
	m.ws.close()
	if m.logits != nil {
		m.logits.Close()
		m.logits = nil
	}
}

// Counts returns the operations counted by the device.
func (m *Model) Counts() runners.Counts { return m.ops.Counts() }

// WeightTypes returns the bytes of the matrices by type, nil if the device does not say.
func (m *Model) WeightTypes() map[string]int64 {
	if o, ok := m.ops.(runners.WeightTypes); ok {
		return o.WeightTypes()
	}
	return nil
}

// ResetCounts sets the counts to zero.
func (m *Model) ResetCounts() { m.ops.ResetCounts() }

// Close frees the weights and the workspace. Sequences must be closed first.
func (m *Model) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	m.freeWorkspace()
	return m.ops.Close()
}

// NewSequence makes an empty sequence with room for capacity tokens.
func (m *Model) NewSequence(capacity int) (runners.Sequence, error) {
	if capacity < 1 {
		return nil, fmt.Errorf("a sequence needs room for at least 1 token, not %d", capacity)
	}
	c, err := m.net.newCaches(capacity)
	if err != nil {
		return nil, fmt.Errorf("a sequence of %d tokens: %w", capacity, err)
	}
	return m.sequence(c, 0, capacity), nil
}

// sequences returns an error unless ss are distinct open sequences of m with room for n more tokens
// each.
func (m *Model) sequences(n int, ss ...runners.Sequence) error {
	for i, s := range ss {
		q, ok := s.(*sequence)
		if !ok || q.m != m {
			return errors.New("a sequence of another model")
		}
		if q.caches == nil {
			return errors.New("the sequence is closed")
		}
		if q.length+n > q.capacity {
			return fmt.Errorf("%d tokens do not fit a sequence of capacity %d that holds %d: %w", n, q.capacity, q.length, runners.ErrOutOfMemory)
		}
		for _, t := range ss[:i] {
			if t == s {
				return errors.New("a sequence appears twice in a batch")
			}
		}
	}
	return nil
}

// begin sets up m.b for n tokens of one sequence, starting at position pos.
func (m *Model) begin(s *sequence, pos int, tokens []int) error {
	if err := m.ws.reserve(len(tokens)); err != nil {
		return err
	}
	m.b.Spans = append(m.b.Spans[:0], runners.Span{Len: len(tokens), Pos: pos})
	m.b.Rows, m.b.tokens = len(tokens), tokens
	m.b.caches = append(m.b.caches[:0], s.caches)
	m.ops.Begin(&m.b.Batch)
	return nil
}

// chunks calls pass for each chunk of the tokens appended to s. Call begin first.
func (m *Model) chunks(ctx context.Context, s *sequence, tokens []int, pass func(from, to int) error) error {
	for from := 0; from < len(tokens); from += m.chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+m.chunk, len(tokens))
		if err := m.begin(s, s.length, tokens[from:to]); err != nil {
			return err
		}
		if err := pass(from, to); err != nil {
			return err
		}
		s.append(tokens[from:to])
	}
	return m.ops.Sync()
}

// Prefill implements runners.Instance.
func (m *Model) Prefill(ctx context.Context, rs runners.Sequence, tokens []int) error {
	if err := m.checks(rs, tokens); err != nil {
		return err
	}
	if m.cfg.ChunkLogits && len(tokens) > 0 {
		if err := m.reserveLogits(min(m.chunk, len(tokens))); err != nil {
			return err
		}
	}
	return m.chunks(ctx, rs.(*sequence), tokens, func(from, to int) error {
		m.net.prefill(&m.b)
		if m.cfg.ChunkLogits {
			m.head(to - from)
		}
		return nil
	})
}

func (m *Model) checks(s runners.Sequence, tokens []int) error {
	if err := m.sequences(len(tokens), s); err != nil {
		return err
	}
	return runners.CheckTokens(m.cfg, tokens)
}

// Step implements runners.Instance.
func (m *Model) Step(ctx context.Context, ss []runners.Sequence, tokens []int, logits [][]float32) error {
	if len(logits) != len(ss) {
		return fmt.Errorf("a step needs as many logits as sequences, got %d and %d", len(logits), len(ss))
	}
	if err := m.checkRows(logits); err != nil {
		return err
	}
	l, err := m.BeginStep(ctx, ss, tokens)
	if err != nil {
		return err
	}
	if err := m.ops.Read(l, logits); err != nil {
		return err
	}
	m.EndStep(ss, tokens)
	return nil
}

func (m *Model) checkRows(logits [][]float32) error {
	for i, row := range logits {
		if len(row) != m.cfg.Vocab {
			return fmt.Errorf("logits[%d] has room for %d values, want %d", i, len(row), m.cfg.Vocab)
		}
	}
	return nil
}

// BeginStep enqueues a step and returns its logits [len(ss), vocab] on the device. The caller waits
// for them and then calls EndStep.
func (m *Model) BeginStep(ctx context.Context, ss []runners.Sequence, tokens []int) (runners.Mat, error) {
	var none runners.Mat
	if len(ss) == 0 || len(tokens) != len(ss) {
		return none, fmt.Errorf("a step needs as many tokens as sequences, got %d and %d", len(tokens), len(ss))
	}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := m.sequences(1, ss...); err != nil {
		return none, err
	}
	if err := runners.CheckTokens(m.cfg, tokens); err != nil {
		return none, err
	}
	if err := m.ws.reserve(len(ss)); err != nil {
		return none, err
	}
	b := &m.b
	b.Spans, b.caches = b.Spans[:0], b.caches[:0]
	for i, s := range ss {
		q := s.(*sequence)
		b.Spans = append(b.Spans, runners.Span{Row: i, Len: 1, Pos: q.length})
		b.caches = append(b.caches, q.caches)
	}
	b.Rows, b.tokens = len(ss), tokens
	if err := m.reserveLogits(len(ss)); err != nil {
		return none, err
	}
	m.ops.Begin(&b.Batch)
	m.net.forward(b)
	m.head(len(ss))
	return runners.All(m.logits), nil
}

// EndStep records the tokens of BeginStep in their sequences.
func (m *Model) EndStep(ss []runners.Sequence, tokens []int) {
	for i, s := range ss {
		s.(*sequence).append(tokens[i : i+1])
	}
}

// Logits reads the logits of the last step.
func (m *Model) Logits(logits [][]float32) error {
	if m.logits == nil || len(logits) > m.b.Rows {
		return fmt.Errorf("no step of %d sequences precedes this call", len(logits))
	}
	if err := m.checkRows(logits); err != nil {
		return err
	}
	return m.ops.Read(runners.All(m.logits), logits)
}

// head computes the logits of rows 0..rows-1 of the residual stream.
func (m *Model) head(rows int) {
	logits := runners.All(m.logits)
	m.ops.Linear(rows, logits, m.lastNorm(rows), m.net.output)
	if m.net.logitCap != 0 {
		m.ops.SoftCap(rows, logits, m.net.logitCap)
	}
}

// lastNorm computes the norm before the output matrix.
func (m *Model) lastNorm(rows int) runners.Mat {
	n := runners.All(m.ws.y)
	m.ops.Part(runners.PartHead)
	m.ops.RMSNorm(rows, n, runners.All(m.ws.x), m.net.norm, m.net.eps)
	return n
}

func (m *Model) reserveLogits(rows int) error {
	if m.logits != nil && m.logits.Rows() >= rows {
		return nil
	}
	if m.logits != nil {
		m.logits.Close()
		m.logits = nil
	}
	b, err := m.ops.Buffer(runners.Logits, rows, m.cfg.Vocab)
	if err == nil {
		m.logits = b
	}
	return err
}

// Score implements runners.Instance.
func (m *Model) Score(ctx context.Context, rs runners.Sequence, tokens []int, emit func(pos int, logprob float32)) error {
	if err := m.checks(rs, tokens); err != nil {
		return err
	}
	s := rs.(*sequence)
	start := s.length
	return m.chunks(ctx, s, tokens, func(from, to int) error {
		m.net.forward(&m.b)
		targets := tokens[from+1 : min(to+1, len(tokens))]
		if len(targets) == 0 {
			return nil
		}
		if cap(m.lps) < len(targets) {
			m.lps = make([]float32, m.chunk)
		}
		lps := m.lps[:len(targets)]
		if err := m.ops.LogProbs(m.lastNorm(len(targets)), m.net.output, m.net.logitCap, targets, lps); err != nil {
			return err
		}
		for i, lp := range lps {
			if lp-lp != 0 {
				return fmt.Errorf("%w: the log-probability of position %d is %v", runners.ErrNotFinite, start+from+i+1, lp)
			}
			emit(start+from+i+1, lp)
		}
		return nil
	})
}
