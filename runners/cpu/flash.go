package cpu

import (
	"math"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
)

// Attention of many rows, with an online softmax over blocks of keys.
//
// Queries are in the vector lanes. For a block of keys and NR queries
//
//	Sᵀ [keys][NR] = K Qᵀ     A = a key's values (broadcast), B = Qᵀ [d][NR]
//	Pᵀ = exp(Sᵀ - m)         lane by lane, no reduction across lanes
//	Oᵀ [d][NR] += Vᵀ Pᵀ      A = the values' columns (broadcast), B = Pᵀ
//
// so only Q and O are transposed, once each. A lane is one position and one head of the group that
// shares a key head, in ascending order of positions, so the group shares every tile of keys and
// values. A unit is up to flashLanes tiles of lanes, which share a block of keys while it is in the
// cache.
//
// Cost: 4 hd FLOP per visible key and query, rounded up to whole lanes and to the block on the
// diagonal; keys and values are read once per unit. Scratch: flashScratch floats per worker,
// independent of the length.

type flashUnit struct {
	span, head  int
	lane, lanes int
}

const (
	flashKeys  = 128 // keys per block
	flashTiles = 4   // tiles of lanes per unit
)

// cutQueries adds the units of span i: the longest first or, if a window makes all equally long, in
// the order of rows, so that a worker gets the same rows as in other operations.
func (j *attendJob) cutQueries(o *ops, i int) {
	s := j.b.Spans[i]
	total := s.Len * j.group
	step := flashTiles * o.k.NR
	units := (total + step - 1) / step
	for u := range units {
		lane := u * step
		if j.window == 0 {
			lane = (units - 1 - u) * step
		}
		for h := range j.heads / j.group {
			j.flash = append(j.flash, flashUnit{i, h, lane, min(step, total-lane)})
		}
	}
}

func (j *attendJob) flashScratch(o *ops) int {
	nr := o.k.NR
	return flashTiles*nr*(2*j.hd+3) + nr*j.hd + flashKeys*nr*3/2 + flashKeys*2*j.hd + 1024
}

// flasher is the state of one unit.
type flasher struct {
	o      *ops
	st     *store
	nr, hd int
	head   int
	dot    bool
	s, p   []float32 // scores [keys][NR]; in bfloat16 arithmetic, pairs of probabilities
	kf, vf []float32 // a block of bfloat16 keys and values, widened to float32
}

func flashTask(o *ops, wk *worker, i int) {
	j := &o.att
	u := j.flash[i]
	sp, st, base := j.b.Spans[u.span], j.stores[u.span], j.base[u.span]
	nr, hd, tiles := o.k.NR, j.hd, (u.lanes+o.k.NR-1)/o.k.NR
	mem := wk.scratch
	f := flasher{o: o, st: st, nr: nr, hd: hd, head: u.head, dot: st.bf && o.k.Dot != nil}
	q, out := cut(&mem, tiles*hd*nr), cut(&mem, tiles*hd*nr)
	m, l, alpha := cut(&mem, tiles*nr), cut(&mem, tiles*nr), cut(&mem, nr)
	rows := cut(&mem, nr*hd)
	f.s, f.p = cut(&mem, flashKeys*nr), cut(&mem, flashKeys/2*nr)
	if st.bf && !f.dot {
		f.kf, f.vf = cut(&mem, flashKeys*hd), cut(&mem, flashKeys*hd)
	}
	for t := range tiles {
		j.loadQ(o, &f, u, t, rows, q[t*hd*nr:])
	}
	clear(out)
	clear(l)
	for x := range m {
		m[x] = cpu.MaskedMax
	}
	// slot returns the slot of the key at a lane's own position.
	slot := func(lane int) int { return sp.Pos + (u.lane+lane)/j.group - base }
	end := slot(u.lanes-1) + 1
	begin := 0
	if j.window > 0 {
		begin = max(0, slot(0)-j.window+1)
	}
	for kb := begin / flashKeys * flashKeys; kb < end; kb += flashKeys {
		if f.kf != nil {
			st.widen(o, u.head, kb, min(flashKeys, end-kb), f.kf, f.vf)
		}
		for t := range tiles {
			lane := t * nr
			first, last := slot(lane), slot(min(lane+nr, u.lanes)-1)
			from, to := kb, min(kb+flashKeys, last+1)
			if j.window > 0 {
				from = max(kb, (first-j.window+1)&^1)
			}
			if from >= to {
				continue
			}
			f.scores(q[t*hd*nr:], kb, from, to-from)
			if j.Cap != 0 {
				o.k.SoftCap(&f.s[0], (to-from)*nr, j.Cap)
			}
			// Queries at positions before the key do not see it: lanes from 0 on.
			for k := max(from, first+1); k < to; k++ {
				x := (k+base-sp.Pos)*j.group - u.lane - lane
				fill(f.s[(k-from)*nr : (k-from)*nr+min(x, nr)])
			}
			// Nor do queries at least a window after it: lanes up to NR-1.
			if j.window > 0 {
				for k := from; k < min(to, last-j.window+1); k++ {
					x := (k+base-sp.Pos+j.window)*j.group - u.lane - lane
					fill(f.s[(k-from)*nr+max(x, 0) : (k-from+1)*nr])
				}
			}
			if o.k.SoftmaxCols(&f.s[0], to-from, &m[lane], &l[lane], &alpha[0]) != 0 {
				o.k.ScaleCols(&out[t*hd*nr], hd, &alpha[0])
			}
			f.sums(out[t*hd*nr:], kb, from, to-from)
		}
	}
	for t := range tiles {
		for x := range alpha {
			alpha[x] = 1 / l[t*nr+x]
		}
		o.k.ScaleCols(&out[t*hd*nr], hd, &alpha[0])
		o.transpose(ptr(rows, 0), 4*hd, ptr(out, t*hd*nr), 4*nr, hd, nr)
		for x := range min(nr, u.lanes-t*nr) {
			lane := u.lane + t*nr + x
			copyRows(unsafe.Pointer(j.dst.at(sp.Row+lane/j.group, (u.head*j.group+lane%j.group)*hd)), 0, ptr(rows, x*hd), 0, 1, hd)
		}
	}
}

func fill(s []float32) {
	for i := range s {
		s[i] = float32(math.Inf(-1))
	}
}

// loadQ rotates and scales the queries of tile t and stores them as [d][NR] (in bfloat16 arithmetic
// as pairs, [d/2][NR]). Lanes without a query are zero.
func (j *attendJob) loadQ(o *ops, f *flasher, u flashUnit, t int, rows, q []float32) {
	sp, hd, nr := j.b.Spans[u.span], j.hd, f.nr
	n := min(nr, u.lanes-t*nr)
	words := hd
	if f.dot {
		words = hd / 2
	}
	for x := 0; x < n; {
		lane := u.lane + t*nr + x
		row, head := sp.Row+lane/j.group, lane%j.group
		heads := min(n-x, j.group-head) // of this row
		p := j.q.at(row, (u.head*j.group+head)*hd)
		o.rotateHeads(j.rope, row, heads, p, j.Scale)
		if f.dot {
			for h := range heads {
				o.roundRow((*uint16)(ptr(rows, (x+h)*words)), j.q.at(row, (u.head*j.group+head+h)*hd), hd)
			}
		} else {
			copyRows(ptr(rows, x*hd), 0, unsafe.Pointer(p), 0, 1, heads*hd)
		}
		x += heads
	}
	clear(rows[n*words : nr*words])
	o.transpose(ptr(q, 0), 4*nr, ptr(rows, 0), 4*words, nr, words)
}

// scores computes n rows of Sᵀ for the keys from slot from on; kb is the first slot of the block.
func (f *flasher) scores(q []float32, kb, from, n int) {
	o, st := f.o, f.st
	gemm, depth := o.k.F32, f.hd
	if f.dot {
		gemm, depth = o.k.Dot, f.hd/2
	}
	for i := 0; i < n; {
		slot := from + i
		m := min(n-i, st.tile-slot%st.tile)
		a, stride := st.key(f.head, slot)
		if f.kf != nil {
			t := (slot - kb) / st.tile * st.tile
			a = ptr(f.kf, t*f.hd+slot-kb-t)
		}
		gemmBlocks(gemm, ptr(f.s, i*f.nr), 4*f.nr, a, 4, stride, ptr(q, 0), 4*f.nr, m, depth, f.nr, 0)
		i += m
	}
}

// sums adds Vᵀ Pᵀ for n keys from slot from on to out.
func (f *flasher) sums(out []float32, kb, from, n int) {
	o, nr := f.o, f.nr
	gemm, p := o.k.F32, f.s
	if f.dot {
		if n&1 == 1 {
			clear(f.s[n*nr : (n+1)*nr])
			n++
		}
		o.k.PairRows((*uint32)(ptr(f.p, 0)), 4*nr, &f.s[0], 4*nr, n/2, nr)
		gemm, p, n = o.k.Dot, f.p, n/2
	}
	for d := 0; d < f.hd; d += f.st.tile {
		a, w := f.st.value(f.head, from, d)
		if f.kf != nil {
			a = ptr(f.vf, d*flashKeys+(from-kb)*w)
		}
		gemmBlocks(gemm, ptr(out, d*nr), 4*nr, a, 4, 4*w, ptr(p, 0), 4*nr, w, n, nr, 1)
	}
}
