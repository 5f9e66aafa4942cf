package cpu

import "unsafe"

// chain holds enqueued operations on rows. A row of a norm or a product depends only on the same
// row of the preceding operation, so a worker runs all operations of the chain on one group of
// rows: the workers need not synchronize between operations, and the rows stay in the worker's own
// caches.
//
// A product is not chained if its weights exceed chainBytes, which is more than those caches hold;
// if it has so few rows that reading the weights dominates; if weights are quantized; or if padA
// must copy its rows.
type chain struct {
	queued [16]rowOp
	n      int
	rows   int
	// group is the number of rows of a task, scratch the number of floats that a task needs.
	group, scratch int
}

// rowOp is a product or, where row has a function, another operation on rows.
type rowOp struct {
	row rowJob
	lin linearJob
}

const (
	chainBytes = 1 << 20
	chainRows  = 64 // maximum rows of a task
)

// enqueue appends an operation on the given number of rows to the chain, and returns it.
func (o *ops) enqueue(rows int) *rowOp {
	c := &o.chain
	if c.rows != rows || c.n == len(c.queued) {
		o.flush()
		c.rows, c.group, c.scratch = rows, o.chainGroup(rows), 0
	}
	c.n++
	return &c.queued[c.n-1]
}

// chainGroup divides the rows evenly among tasks, in whole pairs of tiles if the tier has matrix
// registers.
func (o *ops) chainGroup(rows int) int {
	if rows <= o.k.MR {
		return rows // a norm in a step: the other workers prefetch meanwhile
	}
	groups := (rows + chainRows - 1) / chainRows
	workers := len(o.workers.all)
	groups = (groups + workers - 1) / workers * workers
	n := (rows + groups - 1) / groups
	if o.k.Tiles != nil {
		n = (n + 31) &^ 31
	}
	return n
}

// flush runs the enqueued operations. Every operation that cannot be enqueued calls it first.
func (o *ops) flush() {
	c := &o.chain
	if c.n > 0 && o.err == nil && o.growWorkers(c.scratch) {
		if c.rows > o.k.MR {
			o.workers.prefetch.Store(nil)
		}
		o.workers.run((c.rows+c.group-1)/c.group, chainTask)
	}
	c.n, c.rows = 0, 0
}

func chainTask(o *ops, wk *worker, i int) {
	c := &o.chain
	r0 := i * c.group
	rows := min(c.group, c.rows-r0)
	for i := range c.queued[:c.n] {
		l := &c.queued[i]
		if l.row.run != nil {
			l.row.run(o, &l.row, r0, rows, wk.scratch)
			continue
		}
		j, s := &l.lin, wk.scratch
		a := j.x.from(r0)
		if j.rounded {
			ld := stride((a.cols + 1) / 2)
			to := mat{ptr(cut(&s, rows*ld), 0), 4 * ld, a.cols}
			for r := range rows {
				o.roundRow((*uint16)(unsafe.Pointer(to.row(r))), a.row(r), a.cols)
			}
			a = to
		}
		o.rowsProduct(j, a, r0, rows, 0, j.units(), s)
	}
}
