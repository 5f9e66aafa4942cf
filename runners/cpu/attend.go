package cpu

import (
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// attendJob is the current attention operation. Spans of many rows use flash.go (queries in the
// vector lanes), single rows use decode.go (keys in the vector lanes, split among tasks).
type attendJob struct {
	b      *runners.Batch
	q, dst mat
	rope   *ropeTable
	// heads is the number of query heads, hd their width, group the number of query heads per key
	// head.
	heads, hd, group int
	window           int
	runners.Scores
	// Per span: the store of its keys, and the position of slot 0 (flash only).
	stores []*store
	base   []int

	flash   []flashUnit
	split   []splitUnit
	joins   []join
	partial []float32
}

// fewRows is the number of query rows (positions x heads of a group) of a span up to which
// positions are computed one at a time: with fewer rows, more than half of a tile's lanes would be
// empty.
const fewRows = 16

// start prepares an attention operation without units.
func (j *attendJob) start(o *ops, b *runners.Batch, dst, q runners.Mat, heads, kvHeads int, rope runners.RopeTable, scores runners.Scores) bool {
	if !((heads > 0 && kvHeads > 0 && heads%kvHeads == 0 && q.Cols%heads == 0 && dst.Cols == q.Cols) || o.failf("attention of %d heads on %d, queries [%d] to [%d]", heads, kvHeads, q.Cols, dst.Cols)) {
		return false
	}
	var ok1, ok2, ok3 bool
	j.q, ok1 = o.mat(q, b.Rows, "attention")
	j.dst, ok2 = o.mat(dst, b.Rows, "attention")
	j.rope, ok3 = o.rope(rope)
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	j.b, j.heads, j.hd, j.group = b, heads, q.Cols/heads, heads/kvHeads
	j.Scores = runners.Scores{Scale: scores.ScaleOf(j.hd), Cap: scores.Cap}
	j.window = 0
	j.stores, j.base = j.stores[:0], j.base[:0]
	j.flash, j.split, j.joins = j.flash[:0], j.split[:0], j.joins[:0]
	return (j.rope.spec.HeadDim == j.hd || o.failf("rotary positions of %d for heads of %d", j.rope.spec.HeadDim, j.hd))
}

func (o *ops) Attend(b *runners.Batch, a runners.Attended) {
	kv, heads := a.KV, a.Heads
	o.flush()
	if o.err != nil || !(len(kv) > 0 || o.failf("attention without caches")) {
		return
	}
	first, ok := kv[0].(*cache)
	j := &o.att
	if !(ok || o.failf("attention over a foreign cache")) || !j.start(o, b, a.Dst, a.Q, heads, first.heads, a.Rope, a.Scores) {
		return
	}
	for i, s := range b.Spans {
		c, ok := o.cacheOf(kv, i, b)
		if !ok || !((c.heads == first.heads && c.hd == j.hd && c.window == 0 && c.len >= s.Pos+s.Len) || o.failf("attention over positions that are not appended")) {
			return
		}
		*o.flops += attendFLOPs(heads, j.hd, s.Pos, s.Len, 0)
		j.stores, j.base = append(j.stores, &c.store), append(j.base, 0)
		if s.Len*j.group <= fewRows || s.Len == 1 {
			for r := range s.Len {
				j.cutKeys(i, s.Row+r, s.Pos+r+1)
			}
		} else {
			j.cutQueries(o, i)
		}
	}
	o.attend()
}

// attend runs the units.
func (o *ops) attend() {
	j := &o.att
	if len(j.flash) > 0 {
		if !o.growWorkers(j.flashScratch(o)) {
			return
		}
		o.workers.run(len(j.flash), flashTask)
	}
	if len(j.split) > 0 {
		o.attendSplit()
	}
}

// attendFLOPs counts 4 headDim for each pair of a query head and a visible key, for rows
// pos..pos+n-1, with a window if it is not 0.
func attendFLOPs(heads, hd, pos, n, window int) int64 {
	return 4 * int64(heads) * int64(hd) * visible(pos, n, window)
}

// visible returns the total number of keys that positions pos..pos+n-1 see.
func visible(pos, n, window int) int64 {
	sum := func(p int) int64 { // positions 0..p-1
		m := int64(p)
		if w := int64(window); w > 0 && m > w {
			return w*(w+1)/2 + (m-w)*w
		}
		return m * (m + 1) / 2
	}
	return sum(pos+n) - sum(pos)
}

// evenly returns the size of the next block when left items are split into equal blocks of at most
// m.
func evenly(left, m int) int {
	blocks := (left + m - 1) / m
	return (left + blocks - 1) / blocks
}

// AttendWindow implements runners.Ops. The keys and values of the rows are not in the ring buffer
// yet. For a few rows, each row is written first: the ring then holds exactly the window, and the
// order of its slots does not affect a softmax. For many rows, the content of the ring and the new
// rows are copied to scratch, one span after another, and attended there.
func (o *ops) AttendWindow(b *runners.Batch, w runners.Windowed) {
	o.flush()
	if o.err != nil || !(len(w.KV) > 0 || o.failf("window attention without caches")) {
		return
	}
	first, ok := w.KV[0].(*cache)
	j := &o.att
	if !(ok || o.failf("window attention over a foreign cache")) || !j.start(o, b, w.Dst, w.Q, w.Heads, first.heads, w.Rope, w.Scores) ||
		!((w.K.Cols == first.heads*j.hd && w.V.Cols == w.K.Cols) || o.failf("window attention: [%d], [%d], [%d]", w.Q.Cols, w.K.Cols, w.V.Cols)) {
		return
	}
	k, v, kv, rope := w.K, w.V, w.KV, w.Rope
	longest := 0
	for i, s := range b.Spans {
		c, ok := o.cacheOf(kv, i, b)
		if !ok || !((c.window > 0 && c.heads == first.heads && c.hd == j.hd && c.len >= s.Pos) || o.failf("window attention over a cache of another shape")) {
			return
		}
		*o.flops += attendFLOPs(w.Heads, j.hd, s.Pos, s.Len, c.window)
		j.stores, j.base = append(j.stores, &c.store), append(j.base, 0)
		if s.Len <= fewWindowRows {
			longest = max(longest, s.Len)
		}
	}
	for r := range longest {
		if !o.startAppend(b, k, v, rope, "AttendWindow") {
			return
		}
		j.split, j.joins = j.split[:0], j.joins[:0]
		for i, s := range b.Spans {
			if s.Len > fewWindowRows || r >= s.Len {
				continue
			}
			c := kv[i].(*cache)
			o.add.cutRows(&c.store, s.Row+r, c.slot(s.Pos+r), 1)
			c.len = s.Pos + r + 1
			j.cutKeys(i, s.Row+r, min(s.Pos+r+1, c.n))
		}
		o.workers.run(len(o.add.units), appendTask)
		o.attend()
	}
	j.split, j.joins = j.split[:0], j.joins[:0]
	for i, s := range b.Spans {
		if s.Len > fewWindowRows && !o.attendStaged(b, i, kv[i].(*cache), k, v, rope) {
			return
		}
	}
}

// fewWindowRows is the number of rows of a span up to which rows are attended one by one.
const fewWindowRows = 4

// attendStaged is window attention for one long span.
func (o *ops) attendStaged(b *runners.Batch, i int, c *cache, k, v runners.Mat, rope runners.RopeTable) bool {
	j, s := &o.att, b.Spans[i]
	old := min(s.Pos, c.window-1)
	st := newStore(c.heads, c.hd, old+s.Len, o.opts.KV, o.k.NR)
	blk, ok := o.grow(scratchStage, st.words())
	if !ok || !o.startAppend(b, k, v, rope, "AttendWindow") {
		return false
	}
	st.data = blk.words()
	if st.bf && st.n&1 == 1 { // the last pair has only one value
		for h := range st.heads {
			for d := 0; d < st.hd; d += st.tile {
				pairs, _ := st.half(h, st.n-1, d)
				clear(pairs)
			}
		}
	}
	for n := 0; n < old; {
		from := c.slot(s.Pos - old + n)
		m := min(old-n, c.n-from)
		st.copySlots(n, &c.store, from, m)
		n += m
	}
	o.add.cutRows(&st, s.Row, old, s.Len)
	o.workers.run(len(o.add.units), appendTask)

	j.window = c.window
	j.stores[i], j.base[i] = &st, s.Pos-old
	j.flash = j.flash[:0]
	j.cutQueries(o, i)
	o.attend()
	j.stores[i] = &c.store

	keep := min(c.n, old+s.Len)
	for n := 0; n < keep; {
		at := c.slot(s.Pos + s.Len - keep + n)
		m := min(keep-n, c.n-at)
		c.copySlots(at, &st, st.n-keep+n, m)
		n += m
	}
	c.len = s.Pos + s.Len
	return o.err == nil
}

// gemmBlocks computes c [m, n<=NR] (+)= A B in blocks of rows. It never forms a pointer beyond the
// last row, which the garbage collector would reject.
func gemmBlocks(t []cpu.Gemm, c unsafe.Pointer, ldc int, a unsafe.Pointer, rs, cs int, b unsafe.Pointer, ldb, m, k, n, add int) {
	for r := 0; r < m; {
		x := evenly(m-r, len(t)-1)
		t[x](unsafe.Add(c, r*ldc), ldc, unsafe.Add(a, r*rs), rs, cs, b, ldb, k, n, add)
		r += x
	}
}
