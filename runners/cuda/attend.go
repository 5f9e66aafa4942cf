//go:build cuda

package cuda

import (
	"fmt"
	"math"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// watchedFLOPs limits the FLOPs of an attention launch on a GPU whose display watchdog ends kernels
// that take seconds.
var watchedFLOPs = 2e13

// Attention in a pass of single rows (decoding) is one launch for all sequences, whose keys are
// divided into splits, and one launch that combines the splits. In any other pass it is one launch
// per span.

// attention checks the queries and the output and returns the head dimension.
func (o *ops) attention(b *runners.Batch, dst, q runners.Mat, heads, kvHeads int) (d, x mat, hd int, ok bool) {
	if !((heads > 0 && kvHeads > 0 && heads%kvHeads == 0 && q.Cols%heads == 0 && dst.Cols == q.Cols) || o.failf("attention of %d heads on %d, queries [%d] to [%d]", heads, kvHeads, q.Cols, dst.Cols)) {
		return d, x, 0, false
	}
	hd = q.Cols / heads
	if d, ok = o.inner(dst, b.Rows, "attention"); !ok {
		return d, x, 0, false
	}
	x, ok = o.inner(q, b.Rows, "attention")
	return d, x, hd, ok && o.headDim(hd)
}

// scores checks the parameters of scores.
func (o *ops) scores(s runners.Scores) bool {
	return s.Cap >= 0 || o.failf("scores bounded by %g", s.Cap)
}

// headDim checks that the kernels support the head dimension.
func (o *ops) headDim(hd int) bool {
	return (hd <= maxHeadDim || o.failf("%w: heads of %d, more than the kernels' %d", runners.ErrUnsupported, hd, maxHeadDim)) && o.aligned("head dimension", hd)
}

// cacheOf returns cache i and checks that span i of b continues it.
func (o *ops) cacheOf(kv []runners.KV, i int, b *runners.Batch) (*cache, bool) {
	if !(len(kv) == len(b.Spans) || o.failf("%d caches for %d spans", len(kv), len(b.Spans))) {
		return nil, false
	}
	c, ok := kv[i].(*cache)
	s := b.Spans[i]
	return c, (ok && c.blk.ptr != 0 && s.Pos+s.Len <= c.capacity && s.Pos >= 0 && s.Len >= 1 && s.Row+s.Len <= b.Rows && s.Pos <= c.len) || o.failf("positions %d to %d do not fit the cache", s.Pos, s.Pos+s.Len)
}

// table puts the address and the number of slots of each cache into the arena.
func (o *ops) table(kv []runners.KV) (uint64, bool) {
	at, words, err := o.ar.words(2 * len(kv))
	if !o.check(err) {
		return 0, false
	}
	for i, x := range kv {
		c := x.(*cache)
		words[2*i], words[2*i+1] = c.blk.at(0), uint64(c.slots)
	}
	return o.ar.at(at), o.check(o.ar.ready())
}

// keysValues checks k and v [rows, heads x hd].
func (o *ops) keysValues(b *runners.Batch, k, v runners.Mat, hd int, op string) (km, vm mat, ok bool) {
	if !((k.Cols == v.Cols && k.Cols%hd == 0) || o.failf("%s: keys [%d] and values [%d]", op, k.Cols, v.Cols)) {
		return km, vm, false
	}
	if km, ok = o.inner(k, b.Rows, op); !ok {
		return km, vm, false
	}
	vm, ok = o.inner(v, b.Rows, op)
	return km, vm, ok && o.headDim(hd)
}

func (o *ops) AppendKV(b *runners.Batch, kv []runners.KV, k, v runners.Mat, rope runners.RopeTable) {
	if o.err != nil || !(rope != nil || o.failf("AppendKV without rotary positions")) {
		return
	}
	hd := rope.Spec().HeadDim
	r, ok := o.rope(rope, hd)
	if !ok {
		return
	}
	km, vm, ok := o.keysValues(b, k, v, hd, "AppendKV")
	if !ok {
		return
	}
	for i := range b.Spans {
		c, ok := o.cacheOf(kv, i, b)
		if !ok || !((c.heads == k.Cols/hd && c.hd == hd && c.window == 0) || o.failf("AppendKV to a cache of another shape")) {
			return
		}
	}
	table, ok := o.table(kv)
	if !ok {
		return
	}
	o.k.RopeStore(&o.c, hd, r.spec.Interleaved, table, km.ptr, vm.ptr, r.lo.at(0), r.hi.at(0), o.pos(0), o.seq(0), b.Rows, k.Cols/hd, hd, km.ld, vm.ld, 1)
	if !o.enqueue() {
		return
	}
	for i, s := range b.Spans {
		kv[i].(*cache).len = s.Pos + s.Len
	}
}

func (o *ops) Attend(b *runners.Batch, a runners.Attended) {
	kv, heads := a.KV, a.Heads
	if o.err != nil || !(len(kv) > 0 || o.failf("attention without caches")) {
		return
	}
	first, ok := kv[0].(*cache)
	if !(ok || o.failf("attention over a foreign cache")) {
		return
	}
	d, x, hd, ok := o.attention(b, a.Dst, a.Q, heads, first.heads)
	if !ok {
		return
	}
	r, ok := o.rope(a.Rope, hd)
	if !ok || !o.scores(a.Scores) {
		return
	}
	for i, s := range b.Spans {
		c, ok := o.cacheOf(kv, i, b)
		if !ok || !((c.heads == first.heads && c.hd == hd && c.window == 0 && c.len >= s.Pos+s.Len) || o.failf("attention over positions that are not appended")) {
			return
		}
		*o.flops += 4 * int64(heads*hd) * int64(runners.CausalKeys(s.Len, s.Pos))
	}
	if o.single {
		o.decode(kv, d, x, heads, first.heads, hd, r, a.Scores)
		return
	}
	if !o.rotate(x, b.Rows, heads, hd, r) {
		return
	}
	for _, s := range o.launches(b, heads*hd) {
		c := kv[s.cache].(*cache)
		p := prefill{dst: d.row(s.Row), q: x.row(s.Row), ldDst: d.ld, ldQ: x.ld, cache: c, rows: s.Len, pos: s.Pos, heads: heads, scores: a.Scores}
		size := p.size()
		way := o.chosen[size]
		if way == nil {
			if way = o.choose(size, p); way == nil {
				return
			}
		}
		way.used = true
		o.prefill(&p, way.tile)
		if !o.enqueue() {
			return
		}
	}
}

// piece is a part of a span, with the index of its cache.
type piece struct {
	runners.Span
	cache int
}

// launches returns the spans of b as they are launched, for queries of the given width: whole,
// unless a watchdog would end a long launch.
func (o *ops) launches(b *runners.Batch, width int) (pieces []piece) {
	const step = 128 // a multiple of every tile
	for i, s := range b.Spans {
		rows := s.Len
		if o.d.info.Watched {
			rows = max(step, int(watchedFLOPs/(4*float64(width)*float64(s.Pos+s.Len)))/step*step)
		}
		for at := 0; at < s.Len; at += rows {
			pieces = append(pieces, piece{runners.Span{Row: s.Row + at, Len: min(rows, s.Len-at), Pos: s.Pos + at}, i})
		}
	}
	return pieces
}

// prefill is attention of rows queries from position pos on, over a cache that already holds their
// keys.
type prefill struct {
	dst, q     uint64
	ldDst, ldQ int
	cache      *cache
	rows, pos  int
	heads      int
	scores     runners.Scores
}

// prefill fills o.c with an attention call; tile is an index of the kernel's tiles for its head
// dimension. The kernel for bounded scores has one.
func (o *ops) prefill(p *prefill, tile int) {
	c, scale := p.cache, p.scores.ScaleOf(p.cache.hd)
	if p.scores.Cap > 0 {
		o.k.AttendPrefillCap(&o.c, c.hd, p.dst, p.q, c.blk.at(0), p.rows, p.pos, p.heads, c.heads, c.hd, c.slots, p.ldDst, p.ldQ, scale, p.scores.Cap)
	} else {
		o.k.AttendPrefill(&o.c, c.hd, tile, p.dst, p.q, c.blk.at(0), p.rows, p.pos, p.heads, c.heads, c.hd, c.slots, p.ldDst, p.ldQ, scale)
	}
}

// size is the key of the choice of a kernel.
func (p *prefill) size() raceSize {
	rows := min(floor2(p.rows), raceRows)
	kernel := "attend_prefill"
	if p.scores.Cap > 0 {
		kernel = "attend_prefill_cap"
	}
	return raceSize{kernel: kernel, rows: rows, keys: keysOf(p.pos+p.rows, rows), heads: p.heads, kvHeads: p.cache.heads, hdim: p.cache.hd}
}

// timed returns the attention that is timed for the choice, with the rows and keys of size.
func (p prefill) timed() prefill {
	size := p.size()
	p.rows, p.pos = size.rows, size.keys-size.rows
	return p
}

// candidates implements operation.
func (p prefill) candidates(o *ops, add func(string, kernels.Call)) {
	p = p.timed()
	o.prefill(&p, 0)
	for i, k := range o.k.Tiles(o.c.Kernel) {
		if k.Shared > o.d.info.SharedMemory && i > 0 {
			break // tile numbers have no gaps
		}
		o.prefill(&p, i)
		add(k.Name, o.c)
	}
}

// result implements operation: the queries, if the result overwrites them.
func (p prefill) result(o *ops) (at uint64, bytes int) {
	if p.dst != p.q {
		return 0, 0
	}
	return p.q, ((p.timed().rows-1)*p.ldQ + p.heads*p.cache.hd) * o.t.Size()
}

// wrong implements operation. For some rows and heads, no value may differ from float64, with
// weights w of the values v, by more than
//
//	(u + 2e + 8 sqrt(n) 2^-23 + 2^-20) sum |w v| + u |value|
//
// where u is half a unit in the last place of T, to which the weights and the value are rounded, e
// the largest error of a score, as for gemm, and n the number of keys; 2^-20 covers the
// exponentials. Scores have no bound: the kernel of bounded scores has one tile.
func (p prefill) wrong(o *ops, who string, run func() error) (string, error) {
	p = p.timed()
	hd, size := p.cache.hd, o.t.Size()
	u := 0x1p-24
	if o.t == runners.BF16 {
		u = 0x1p-8
	}
	type place struct{ row, head int }
	places := []place{{0, 0}, {p.rows / 2, p.heads / 2}, {p.rows - 1, p.heads - 1}, {p.rows - 1, 0}}
	at := func(base uint64, ld int, x place) uint64 { return base + uint64((x.row*ld+x.head*hd)*size) }
	want, tol := make([][]float64, len(places)), make([][]float64, len(places))
	for i, x := range places {
		n := p.pos + x.row + 1
		q, err := o.values(at(p.q, p.ldQ, x), hd, o.t)
		if err != nil {
			return "", err
		}
		kv := x.head / (p.heads / p.cache.heads)
		k, err := o.values(p.cache.blk.at(int64(kv*p.cache.slots*hd*size)), n*hd, o.t)
		if err != nil {
			return "", err
		}
		v, err := o.values(p.cache.blk.at(int64((p.cache.heads+kv)*p.cache.slots*hd*size)), n*hd, o.t)
		if err != nil {
			return "", err
		}
		scores, top, e, scale := make([]float64, n), math.Inf(-1), 0.0, float64(p.scores.ScaleOf(hd))
		for j := range scores {
			var size float64
			for c := range hd {
				s := float64(q[c]) * float64(k[j*hd+c]) * scale
				scores[j] += s
				size += math.Abs(s)
			}
			top = max(top, scores[j])
			e = max(e, 8*math.Sqrt(float64(hd))*0x1p-23*size)
		}
		var total float64
		want[i], tol[i] = make([]float64, hd), make([]float64, hd)
		for j, s := range scores {
			w := math.Exp(s - top)
			total += w
			for c := range hd {
				want[i][c] += w * float64(v[j*hd+c])
				tol[i][c] += w * math.Abs(float64(v[j*hd+c]))
			}
		}
		for c := range hd {
			want[i][c] /= total
			tol[i][c] = (u+2*e+8*math.Sqrt(float64(n))*0x1p-23+0x1p-20)*tol[i][c]/total + u*math.Abs(want[i][c])
		}
	}
	if err := run(); err != nil {
		return "", err
	}
	for i, x := range places {
		got, err := o.values(at(p.dst, p.ldDst, x), hd, o.t)
		if err != nil {
			return "", err
		}
		for c, g := range got {
			if !(math.Abs(float64(g)-want[i][c]) <= tol[i][c]) {
				return fmt.Sprintf("%s is wrong: row %d, head %d, element %d is %g, not %g", who, x.row, x.head, c, g, want[i][c]), nil
			}
		}
	}
	return "", nil
}

// rotate rotates the heads of all rows of the pass in place.
func (o *ops) rotate(x mat, rows, heads, hd int, r *ropeTable) bool {
	o.k.Rope(&o.c, hd, r.spec.Interleaved, x.ptr, r.lo.at(0), r.hi.at(0), o.pos(0), rows, heads, hd, x.ld)
	return o.enqueue()
}

// splitSlots is the minimum number of slots per split: for fewer, combining the splits costs more
// than it saves.
const splitSlots = 256

// decode is attention of one row per sequence over its whole cache, including the row's own
// position.
func (o *ops) decode(kv []runners.KV, d, x mat, heads, kvHeads, hd int, r *ropeTable, s runners.Scores) {
	if table, ok := o.table(kv); ok {
		o.decodeOver(table, kv, d, x, heads, kvHeads, hd, r, s)
	}
}

// decodeOver is decode with the table of caches already in the arena.
func (o *ops) decodeOver(table uint64, kv []runners.KV, d, x mat, heads, kvHeads, hd int, r *ropeTable, s runners.Scores) {
	n, slots := len(kv), 0
	for _, c := range kv {
		slots = max(slots, c.(*cache).slots)
	}
	// Two blocks per multiprocessor, unless the caches are short. The number does not depend on
	// positions, so a step has the same launches as the step before.
	splits := min((2*o.d.info.Multiprocessors+n*kvHeads-1)/(n*kvHeads), (slots+splitSlots-1)/splitSlots)
	parts, ok := o.scratch(scratchParts, runners.MulBytes(4, n, heads, splits, hd))
	if !ok {
		return
	}
	stats, ok := o.scratch(scratchStats, runners.MulBytes(8, n, heads, splits))
	if !ok {
		return
	}
	o.k.AttendDecode(&o.c, hd, r.spec.Interleaved, parts, stats, x.ptr, table, r.lo.at(0), r.hi.at(0), o.pos(0), n, heads, kvHeads, hd, x.ld, s.ScaleOf(hd), s.Cap, splits)
	if !o.enqueue() {
		return
	}
	o.k.AttendReduce(&o.c, hd, d.ptr, parts, stats, n, heads, hd, d.ld, splits)
	o.enqueue()
}

// windowed is attention of rows queries from position pos on through the window of a cache that
// holds the positions before, and over their own k and v.
type windowed struct {
	dst, q, k, v         uint64
	ldDst, ldQ, ldK, ldV int
	cache                *cache
	rows, pos, heads     int
	scores               runners.Scores
}

// window fills o.c with attention.
func (o *ops) window(w windowed) {
	c, scale := w.cache, w.scores.ScaleOf(w.cache.hd)
	if w.scores.Cap > 0 {
		o.k.AttendWindowCap(&o.c, c.hd, w.dst, w.q, w.k, w.v, c.blk.at(0), w.rows, w.pos, w.heads, c.heads, c.hd, c.window, c.slots, w.ldDst, w.ldQ, w.ldK, w.ldV, scale, w.scores.Cap)
	} else {
		o.k.AttendWindow(&o.c, c.hd, w.dst, w.q, w.k, w.v, c.blk.at(0), w.rows, w.pos, w.heads, c.heads, c.hd, c.window, c.slots, w.ldDst, w.ldQ, w.ldK, w.ldV, scale)
	}
}

// AttendWindow implements runners.Ops. Single rows are written into the ring buffer first, which
// then holds exactly the window; the order of its slots does not affect a softmax. A long span
// attends to the old content of the ring and its own keys; its last rows are written afterwards.
func (o *ops) AttendWindow(b *runners.Batch, w runners.Windowed) {
	if o.err != nil || !(len(w.KV) > 0 || o.failf("window attention without caches")) {
		return
	}
	first, ok := w.KV[0].(*cache)
	if !(ok || o.failf("window attention over a foreign cache")) {
		return
	}
	kv, heads, kvHeads := w.KV, w.Heads, first.heads
	d, x, hd, ok := o.attention(b, w.Dst, w.Q, heads, kvHeads)
	if !ok {
		return
	}
	r, ok := o.rope(w.Rope, hd)
	if !ok || !o.scores(w.Scores) {
		return
	}
	km, vm, ok := o.keysValues(b, w.K, w.V, hd, "window attention")
	if !ok || !(w.K.Cols == kvHeads*hd || o.failf("window attention: [%d], [%d], [%d]", w.Q.Cols, w.K.Cols, w.V.Cols)) {
		return
	}
	for i, s := range b.Spans {
		c, ok := o.cacheOf(kv, i, b)
		if !ok || !((c.window > 0 && c.heads == kvHeads && c.hd == hd && c.len >= s.Pos) || o.failf("window attention over a cache of another shape")) {
			return
		}
		*o.flops += 4 * int64(heads*hd) * int64(runners.WindowKeys(s.Len, s.Pos, c.window))
	}
	table, ok := o.table(kv)
	if !ok {
		return
	}
	if o.single {
		o.k.RopeStore(&o.c, hd, r.spec.Interleaved, table, km.ptr, vm.ptr, r.lo.at(0), r.hi.at(0), o.pos(0), o.seq(0), b.Rows, kvHeads, hd, km.ld, vm.ld, 1)
		if o.enqueue() {
			o.decodeOver(table, kv, d, x, heads, kvHeads, hd, r, w.Scores)
		}
	} else if o.rotate(x, b.Rows, heads, hd, r) && o.rotate(km, b.Rows, kvHeads, hd, r) {
		for i, s := range b.Spans {
			c := kv[i].(*cache)
			o.window(windowed{d.row(s.Row), x.row(s.Row), km.row(s.Row), vm.row(s.Row), d.ld, x.ld, km.ld, vm.ld, c, s.Len, s.Pos, heads, w.Scores})
			if !o.enqueue() {
				return
			}
			keep := min(s.Len, c.slots)
			row := s.Row + s.Len - keep
			o.k.RopeStore(&o.c, hd, r.spec.Interleaved, table, km.row(row), vm.row(row), r.lo.at(0), r.hi.at(0), o.pos(row), o.seq(row), keep, kvHeads, hd, km.ld, vm.ld, 0)
			if !o.enqueue() {
				return
			}
		}
	}
	for i, s := range b.Spans {
		kv[i].(*cache).len = s.Pos + s.Len
	}
}
