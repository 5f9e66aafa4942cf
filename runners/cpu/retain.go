package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/yocobench/yocobench/runners"
)

// Gated retention. With b the running sum of log gamma within a chunk of C
// positions (inclusive), the chunk form of
//
//	S_t = gamma_t S_{t-1} + k_t v_tᵀ,  o_t = S_tᵀ q_t
//
// is, i and j positions of the chunk and S the state before it,
//
//	P[i][j] = exp(b_i - b_j) q_i·k_j           j <= i
//	o_i     = exp(b_i) Sᵀ q_i + Σ_j P[i][j] v_j
//	S'      = exp(b_C) S + Σ_j exp(b_C - b_j) k_j v_jᵀ
//
// Every exponent is at most 0, so nothing overflows, however strong the decay. b is summed in
// float64 and stored as two float32, so b_i - b_j of neighbors is exact even if b is large.
//
// There are three rounds of tasks. The first computes scores P and transposed keys for each (chunk,
// head), independent of the state. The second runs through the chunks in order for each (head, NR
// columns of v), because the columns of S are independent. The third applies the norm and the gate
// to each row. Spans of one row use the recurrent form, one task per head.
//
// Cost of a span of n > 1 rows, for each head of width hd (retentionFLOPs): 4 hd² per row for the
// state, and 4 hd for each pair j <= i of a chunk. For a span of one row: 4 hd². Scratch: rows x
// heads x (C + 2 hd + 3) floats.

// RetentionChunk is the chunk length C of this runner.
const RetentionChunk = 64

// retentionFLOPs counts the FLOPs of one head over a span of n rows.
func retentionFLOPs(n, chunk, hd int) int64 {
	f := 4 * int64(n) * int64(hd) * int64(hd)
	if n > 1 {
		pairs := func(c int64) int64 { return c * (c + 1) / 2 }
		f += 4 * int64(hd) * (int64(n/chunk)*pairs(int64(chunk)) + pairs(int64(n%chunk)))
	}
	return f
}

type state struct {
	o         *ops
	heads, hd int
	blk       *block
}

func (o *ops) State(heads, hd int) (runners.State, error) { return o.newState(heads, hd) }

func (o *ops) newState(heads, hd int) (*state, error) {
	if heads < 1 || hd < 1 {
		return nil, fmt.Errorf("a state of %d heads of %d", heads, hd)
	}
	blk, err := o.pool.take(runners.MemoryState, runners.MulBytes(4, heads, hd, hd), 0)
	if err != nil {
		return nil, err
	}
	return &state{o, heads, hd, blk}, nil
}

func (s *state) Fork() (runners.State, error) {
	f, err := s.o.newState(s.heads, s.hd)
	if err != nil {
		return nil, err
	}
	copy(f.blk.data, s.blk.data)
	return f, nil
}

func (s *state) Reset() { clear(s.blk.data) }
func (s *state) Close() { s.blk.free() }

func (s *state) Read() ([]float32, error) {
	if s.o.err != nil {
		return nil, s.o.err
	}
	return append([]float32(nil), s.blk.floats()...), nil
}

// head returns the address of a head's state.
func (s *state) head(h int) *float32 { return &s.blk.floats()[h*s.hd*s.hd] }

type retainJob struct {
	b                        *runners.Batch
	dst, q, k, v, g, gate    mat
	rope                     *ropeTable
	heads, hd                int
	scale, eps               float32
	st                       []*state
	chunks                   []chunk      // of long spans
	spans                    []spanChunks // long spans
	single                   []int        // spans of one row
	panels                   int
	scores, keys, decay, out []float32
}

// chunk is n rows of one span.
type chunk struct{ row, n int }

// spanChunks is the chunks of one span.
type spanChunks struct{ span, first, n int }

func (o *ops) Retain(b *runners.Batch, r runners.Retained) {
	o.flush()
	heads, q, st := r.Heads, r.Q, r.State
	if o.err != nil || !((heads > 0 && q.Cols%heads == 0 && len(st) == len(b.Spans) && r.Decay.Cols == heads &&
		r.Dst.Cols == q.Cols && r.K.Cols == q.Cols && r.V.Cols == q.Cols && r.Gate.Cols == q.Cols) || o.failf("Retain: the sizes do not fit")) {
		return
	}
	j := &o.ret
	ok := true
	for _, m := range []struct {
		to   *mat
		from runners.Mat
	}{{&j.dst, r.Dst}, {&j.q, q}, {&j.k, r.K}, {&j.v, r.V}, {&j.g, r.Gate}, {&j.gate, r.Decay}} {
		var fits bool
		*m.to, fits = o.mat(m.from, b.Rows, "Retain")
		ok = ok && fits
	}
	var fits bool
	if j.rope, fits = o.rope(r.Rope); !ok || !fits {
		return
	}
	j.b, j.heads, j.hd, j.eps = b, heads, q.Cols/heads, r.Eps
	j.scale = float32(1 / math.Sqrt(float64(j.hd)))
	if !(j.rope.spec.HeadDim == j.hd || o.failf("Retain: rotary positions of %d for heads of %d", j.rope.spec.HeadDim, j.hd)) {
		return
	}
	j.st, j.chunks, j.spans, j.single = j.st[:0], j.chunks[:0], j.spans[:0], j.single[:0]
	for i, s := range b.Spans {
		x, ok := st[i].(*state)
		if !((ok && x.blk.data != nil && x.heads == heads && x.hd == j.hd && s.Len >= 1) || o.failf("Retain: a state of another shape")) {
			return
		}
		j.st = append(j.st, x)
		*o.flops += int64(heads) * retentionFLOPs(s.Len, RetentionChunk, j.hd)
		if s.Len == 1 {
			j.single = append(j.single, i)
			continue
		}
		j.spans = append(j.spans, spanChunks{i, len(j.chunks), (s.Len + RetentionChunk - 1) / RetentionChunk})
		for r := 0; r < s.Len; r += RetentionChunk {
			j.chunks = append(j.chunks, chunk{s.Row + r, min(RetentionChunk, s.Len-r)})
		}
	}
	if !o.growWorkers(max(RetentionChunk*o.k.NR, j.hd) + 64) {
		return
	}
	o.workers.run(len(j.single)*heads, retainStepTask)
	if len(j.chunks) > 0 {
		o.retainChunks()
	}
}

func (o *ops) retainChunks() {
	j := &o.ret
	n, c, hd := len(j.chunks)*j.heads, RetentionChunk, j.hd
	b, ok := o.grow(scratchParts, runners.MulBytes(n, c*c+c*hd+4*c))
	if !ok {
		return
	}
	out, ok := o.grow(scratchOut, runners.MulBytes(n, c*hd))
	if !ok {
		return
	}
	f := b.floats()
	j.scores, f = f[:n*c*c], f[n*c*c:]
	j.keys, f = f[:n*c*hd], f[n*c*hd:]
	j.decay, j.out = f[:n*4*c], out.floats()[:n*c*hd]
	j.panels = (hd + o.k.NR - 1) / o.k.NR
	o.workers.run(n, retainScoresTask)
	o.workers.run(len(j.spans)*j.heads*j.panels, retainStateTask)
	o.workers.run(n, retainGateTask)
}

// decays returns the factors of one chunk and head: b as hi + lo, exp(b_i), exp(b_C - b_i).
func (j *retainJob) decays(i int) (hi, lo, grow, rest []float32) {
	const c = RetentionChunk
	d := j.decay[i*4*c : (i+1)*4*c]
	return d[:c], d[c : 2*c], d[2*c : 3*c], d[3*c:]
}

// retainScoresTask prepares chunk i/heads for head i%heads: rotates q and k,
// transposes the scaled keys, and computes P.
func retainScoresTask(o *ops, _ *worker, i int) {
	j := &o.ret
	const c = RetentionChunk
	ch, h, hd, nr := j.chunks[i/j.heads], i%j.heads, j.hd, o.k.NR
	hi, lo, grow, rest := j.decays(i)
	o.rotate(j.rope, ch.row, ch.n, j.q.at(ch.row, h*hd), j.q.ld, 1)
	o.rotate(j.rope, ch.row, ch.n, j.k.at(ch.row, h*hd), j.k.ld, j.scale)
	for r := range ch.n {
		hi[r] = *j.gate.at(ch.row+r, h)
	}
	o.k.LogSigmoid(&hi[0], ch.n)
	sum := 0.0
	for r := range ch.n {
		sum += float64(hi[r]) / runners.GateNormalizer
		hi[r] = float32(sum)
		lo[r] = float32(sum - float64(hi[r]))
		grow[r], rest[r] = hi[r], 1
	}
	o.k.ExpRow(&grow[0], ch.n, 0)
	// The state is multiplied by this once per chunk, so its error must not accumulate.
	grow[ch.n-1] = float32(math.Exp(sum))
	o.k.DecayRow(&rest[0], &hi[0], &lo[0], ch.n, hi[ch.n-1], lo[ch.n-1])
	keys := j.keys[i*c*hd:]
	o.transpose(ptr(keys, 0), 4*c, unsafe.Pointer(j.k.at(ch.row, h*hd)), j.k.ld, ch.n, hd)
	scores := j.scores[i*c*c:]
	for r := 0; r < ch.n; {
		m := evenly(ch.n-r, o.k.MR)
		a := unsafe.Pointer(j.q.at(ch.row+r, h*hd))
		for col := 0; col < r+m; col += nr {
			o.k.F32[m](ptr(scores, r*c+col), 4*c, a, j.q.ld, 4, ptr(keys, col), 4*c, hd, min(nr, r+m-col), 0)
		}
		for x := r; x < r+m; x++ {
			o.k.DecayRow(&scores[x*c], &hi[0], &lo[0], x+1, hi[x], lo[x])
			clear(scores[x*c+x+1 : x*c+r+m])
		}
		r += m
	}
}

// retainStateTask runs NR columns of one head's state through the chunks of a span.
func retainStateTask(o *ops, wk *worker, i int) {
	j := &o.ret
	const c = RetentionChunk
	sp := j.spans[i/(j.heads*j.panels)]
	h, hd, nr := i/j.panels%j.heads, j.hd, o.k.NR
	col := i % j.panels * nr
	n := min(nr, hd-col)
	s := unsafe.Add(unsafe.Pointer(j.st[sp.span].head(h)), 4*col)
	weighed := wk.scratch[:c*nr]
	for x := sp.first; x < sp.first+sp.n; x++ {
		ch, at := j.chunks[x], x*j.heads+h
		_, _, grow, rest := j.decays(at)
		keys, scores := j.keys[at*c*hd:], j.scores[at*c*c:]
		out := ptr(j.out, at*c*hd+col)
		gemmBlocks(o.k.F32, out, 4*hd, unsafe.Pointer(j.q.at(ch.row, h*hd)), j.q.ld, 4, s, 4*hd, ch.n, hd, n, 0)
		o.k.ScaleRows((*float32)(out), 4*hd, (*float32)(out), 4*hd, ch.n, n, &grow[0], 4)
		v := unsafe.Pointer(j.v.at(ch.row, h*hd+col))
		for r := 0; r < ch.n; {
			m := evenly(ch.n-r, o.k.MR)
			o.k.F32[m](unsafe.Add(out, 4*r*hd), 4*hd, ptr(scores, r*c), 4*c, 4, v, j.v.ld, r+m, n, 1)
			r += m
		}
		o.k.ScaleRows((*float32)(s), 4*hd, (*float32)(s), 4*hd, hd, n, &grow[ch.n-1], 0)
		o.k.ScaleRows(&weighed[0], 4*nr, (*float32)(v), j.v.ld, ch.n, n, &rest[0], 4)
		gemmBlocks(o.k.F32, s, 4*hd, ptr(keys, 0), 4*c, 4, ptr(weighed, 0), 4*nr, hd, ch.n, n, 1)
	}
}

// retainGateTask applies the norm and the gate to the rows of chunk i/heads, head i%heads.
func retainGateTask(o *ops, wk *worker, i int) {
	j := &o.ret
	ch, h, hd := j.chunks[i/j.heads], i%j.heads, j.hd
	x, f := &j.out[i*RetentionChunk*hd], &wk.scratch[0]
	o.k.RMSRows(f, x, 4*hd, ch.n, hd, j.eps)
	o.k.SiluRows(j.dst.at(ch.row, h*hd), j.dst.ld, j.g.at(ch.row, h*hd), j.g.ld, x, 4*hd, ch.n, hd, f, 4)
}

// retainStepTask computes one token of one head.
func retainStepTask(o *ops, wk *worker, i int) {
	j := &o.ret
	span, h, hd := j.single[i/j.heads], i%j.heads, j.hd
	row := j.b.Spans[span].Row
	mem := wk.scratch
	f, out := cut(&mem, 1), cut(&mem, hd)
	q, k := j.q.at(row, h*hd), j.k.at(row, h*hd)
	o.rotateHeads(j.rope, row, 1, q, 1)
	o.rotateHeads(j.rope, row, 1, k, j.scale)
	f[0] = *j.gate.at(row, h)
	o.k.LogSigmoid(&f[0], 1)
	gamma := float32(math.Exp(float64(f[0]) / runners.GateNormalizer))
	o.k.RetainStep(j.st[span].head(h), hd, hd, k, j.v.at(row, h*hd), q, &out[0], gamma)
	o.k.RMSRows(&f[0], &out[0], 0, 1, hd, j.eps)
	o.k.SiluRows(j.dst.at(row, h*hd), 0, j.g.at(row, h*hd), 0, &out[0], 0, 1, hd, &f[0], 0)
}
