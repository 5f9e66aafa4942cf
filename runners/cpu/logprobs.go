package cpu

import (
	"math"

	"github.com/yocobench/yocobench/runners"
)

// probJob is the current LogProbs: a task computes the logits of a group of rows for some panels of
// the output matrix into scratch. For each row it stores the largest logit, the sum of exponentials
// and, if it is in those panels, the target's logit.
type probJob struct {
	targets []int
	// partial is [row][group of panels]{max, sum}; target [row].
	partial, target []float32
	groups          int
	cap             float32
}

// probPanels is the number of panels per task: 512 logits per row if NR is 32.
const probPanels = 16

func (o *ops) LogProbs(x runners.Mat, rw runners.Weight, cap float32, targets []int, out []float32) error {
	o.flush()
	w, ok := rw.(*weight)
	if o.err != nil || !((ok && w.vec == nil && w.in == x.Cols && len(out) == len(targets)) || o.failf("LogProbs: the sizes do not fit")) {
		return o.err
	}
	for _, t := range targets {
		if !((t >= 0 && t < w.out) || o.failf("LogProbs: target %d of %d", t, w.out)) {
			return o.err
		}
	}
	j, l, rows := &o.prob, &o.lin, len(targets)
	if rows == 0 {
		return nil
	}
	if l.x, ok = o.mat(x, rows, "LogProbs"); !ok {
		return o.err
	}
	*o.flops += 2 * int64(rows) * int64(w.in) * int64(w.out)
	l.w, l.rows, l.add, l.glu = w, rows, 0, false
	l.kernels(o.k)
	if !o.operandA() {
		return o.err
	}
	l.group(o)
	l.panelGroup = min(probPanels, len(w.panels))
	j.groups = l.panelGroups()
	b, ok := o.grow(scratchProb, runners.MulBytes(rows, 2*j.groups+1))
	if !ok || !o.growWorkers(l.rowGroup*l.panelGroup*o.k.NR+l.quantScratch(o.k)) {
		return o.err
	}
	f := b.floats()
	j.cap, j.targets, j.target, j.partial = cap, targets, f[:rows], f[rows:rows+2*rows*j.groups]
	o.workers.run(l.rowGroups*j.groups, probTask)
	for r := range rows {
		best := float32(math.Inf(-1))
		part := j.partial[2*r*j.groups : 2*(r+1)*j.groups]
		for i := 0; i < len(part); i += 2 {
			best = max(best, part[i])
		}
		sum := 0.0
		for i := 0; i < len(part); i += 2 {
			sum += float64(part[i+1]) * math.Exp(float64(part[i]-best))
		}
		out[r] = float32(float64(j.target[r]-best) - math.Log(sum))
	}
	return nil
}

func probTask(o *ops, wk *worker, i int) {
	j, l := &o.prob, &o.lin
	group, rg := i/l.rowGroups, i%l.rowGroups
	r0 := rg * l.rowGroup
	rows := min(l.rowGroup, l.rows-r0)
	if rows <= 0 {
		return
	}
	a := l.a.from(r0)
	panels := l.w.panels[group*l.panelGroup : min(len(l.w.panels), (group+1)*l.panelGroup)]
	first := panels[0].col
	n := panels[len(panels)-1].col + panels[len(panels)-1].w - first
	ld := l.panelGroup * o.k.NR
	s := wk.scratch
	logits, x := cut(&s, rows*ld), cut(&s, l.quantScratch(o.k))
	depth := l.w.rows()
	for k := 0; k < depth; k += l.kBlock {
		for _, p := range panels {
			o.panelProduct(l, ptr(logits, p.col-first), 4*ld, p, a, rows, k, min(l.kBlock, depth-k), x)
		}
	}
	for r := range rows {
		row := logits[r*ld : r*ld+n]
		if j.cap != 0 {
			o.k.SoftCap(&row[0], n, j.cap)
		}
		if t := j.targets[r0+r] - first; t >= 0 && t < n {
			j.target[r0+r] = row[t]
		}
		at := 2 * ((r0+r)*j.groups + group)
		m := o.k.MaxRow(&row[0], n)
		j.partial[at], j.partial[at+1] = m, o.k.ExpRow(&row[0], n, m)
	}
}
