package cpu

import (
	"math"
	"unsafe"

	"github.com/yocobench/yocobench/runners"
)

// Attention of single positions over a long cache, with the keys split among tasks.
//
// Keys are in the vector lanes: with the queries of the group as A (one row per head), the scores
// [group][keys] = Q Kᵀ read a tile of keys as B, and the sums [group][hd] = P V read the values as
// B, directly from the cache's number type. Each split produces its maximum, its sum and its
// unnormalized output; joins combine them. The length of a split depends only on the numbers of
// keys and heads, so results do not depend on the number of threads or on the other rows of a
// batch.
//
// Cost: 4 hd FLOP per query and key. Each key and value is read once for the whole group; these
// reads limit the speed.

type splitUnit struct {
	span, row, head int
	from, n         int
}

// join combines the splits first..first+n-1 of one row and key head.
type join struct{ first, n int }

// splitKeys returns the number of keys per split, a multiple of every tile: between minSplit and
// maxSplit, and the largest that leaves at least splitTasks tasks. Long splits read long contiguous
// runs of keys and values, for which memory bandwidth is higher.
func splitKeys(heads, keys int) int {
	n := minSplit
	for n < maxSplit && heads*keys >= 2*n*splitTasks {
		n *= 2
	}
	return n
}

const (
	minSplit   = 512
	maxSplit   = 4096
	splitTasks = 12
)

// cutKeys adds the units of one row over slots 0..keys-1 of span i's store.
func (j *attendJob) cutKeys(i, row, keys int) {
	step := splitKeys(j.heads/j.group, keys)
	for h := range j.heads / j.group {
		j.joins = append(j.joins, join{len(j.split), (keys + step - 1) / step})
		for k := 0; k < keys; k += step {
			j.split = append(j.split, splitUnit{i, row, h, k, min(step, keys-k)})
		}
	}
}

// partialWords is the size of a split's result: maxima [group], sums [group], outputs [group][hd].
func (j *attendJob) partialWords() int { return (j.group*(j.hd+2) + 15) &^ 15 }

func (o *ops) attendSplit() {
	j := &o.att
	b, ok := o.grow(scratchParts, runners.MulBytes(len(j.split), j.partialWords()))
	if !ok || !o.growWorkers(j.group*(j.longest()+splitGap)) {
		return
	}
	j.partial = b.floats()
	for _, u := range j.joins {
		s := j.split[u.first]
		o.rotateHeads(j.rope, s.row, j.group, j.q.at(s.row, s.head*j.group*j.hd), j.Scale)
		if j.stores[s.span].bf && o.k.Dot != nil {
			for g := range j.group {
				q := j.q.at(s.row, (s.head*j.group+g)*j.hd)
				o.roundRow((*uint16)(unsafe.Pointer(q)), q, j.hd)
			}
		}
	}
	o.workers.run(len(j.split), splitTask)
	o.workers.run((len(j.joins)+joinsPerTask-1)/joinsPerTask, joinTask)
}

// longest returns the number of keys of the longest split.
func (j *attendJob) longest() (n int) {
	for _, u := range j.split {
		n = max(n, u.n)
	}
	return n
}

// splitGap is the padding of a row of probabilities after its keys: the other half of the last
// pair, and space for whole vectors.
const splitGap = 32

func splitTask(o *ops, wk *worker, i int) {
	j := &o.att
	u, st := j.split[i], j.stores[j.split[i].span]
	hd, g, nr := j.hd, j.group, o.k.NR
	out := j.partial[i*j.partialWords():]
	m, l, sum := out[:g], out[g:2*g], out[2*g:]
	ld := (u.n+15)&^15 + 16
	p := wk.scratch[:g*ld]
	gemm, depth, keys := o.k.F32, hd, u.n
	dot := st.bf && o.k.Dot != nil
	if st.bf {
		gemm, depth, keys = o.k.Wide, hd/2, (u.n+1)/2
	}
	if dot {
		gemm = o.k.Dot
	}
	q := unsafe.Pointer(j.q.at(u.row, u.head*g*hd))
	for k := 0; k < u.n; k += st.tile {
		tile, stride := st.key(u.head, u.from+k)
		gemmBlocks(gemm, ptr(p, k), 4*ld, q, 4*hd, 4, tile, stride, g, depth, min(st.tile, u.n-k), 0)
	}
	for x := range g {
		row := p[x*ld : (x+1)*ld]
		if j.Cap != 0 {
			o.k.SoftCap(&row[0], u.n, j.Cap)
		}
		m[x] = o.k.MaxRow(&row[0], u.n)
		l[x] = o.k.ExpRow(&row[0], u.n, m[x])
		row[u.n] = 0 // the other half of the last pair
		if dot {
			o.roundRow((*uint16)(unsafe.Pointer(&row[0])), &row[0], 2*keys)
		}
	}
	for d := 0; d < hd; d += nr {
		v, w := st.value(u.head, u.from, d)
		gemmBlocks(gemm, ptr(sum, d), 4*hd, ptr(p, 0), 4*ld, 4, v, 4*w, g, keys, w, 0)
	}
}

const joinsPerTask = 4

// joinTask combines the splits of some rows: with M the largest maximum, o = Σ exp(m-M) o_i / Σ
// exp(m-M) l_i.
func joinTask(o *ops, _ *worker, i int) {
	j := &o.att
	pw := j.partialWords()
	for _, u := range j.joins[i*joinsPerTask : min(len(j.joins), (i+1)*joinsPerTask)] {
		s := j.split[u.first]
		for g := range j.group {
			best := float32(math.Inf(-1))
			for x := range u.n {
				best = max(best, j.partial[(u.first+x)*pw+g])
			}
			dst := j.dst.at(s.row, (s.head*j.group+g)*j.hd)
			total := float32(0)
			for x := range u.n {
				part := j.partial[(u.first+x)*pw:]
				w := float32(math.Exp(float64(part[g] - best)))
				total += w * part[j.group+g]
				from := &part[2*j.group+g*j.hd]
				if x == 0 {
					o.k.Scale(dst, from, j.hd, w)
				} else {
					o.k.Axpy(dst, from, j.hd, w)
				}
			}
			o.k.Scale(dst, dst, j.hd, 1/total)
		}
	}
}
