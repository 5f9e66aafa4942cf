package cpu

import "unsafe"

// chain is work on rows that was asked for and is not done yet. A row of a norm
// or a product depends on the same row of what was before it and on nothing
// else, so a worker takes a group of rows through one operation after the
// other: the workers need not wait for each other in between, and the rows
// stay in the worker's own caches.
//
// No part of it are products with weights of more than chainBytes, which those caches do not
// hold, of so few rows that reading the weights is what takes the time, and those
// for which padA copies the rows.
type chain struct {
	links [16]link
	n     int
	rows  int
	// group is the rows of a task, scratch the floats that it needs.
	group, scratch int
}

// link is a norm or a product.
type link struct {
	norm bool
	row  rowJob
	lin  linearJob
}

const (
	chainBytes = 1 << 20
	chainRows  = 64 // the most rows of a task
)

// link returns the next link of the chain for operations on so many rows.
func (o *ops) link(rows int) *link {
	c := &o.chain
	if c.rows != rows || c.n == len(c.links) {
		o.flush()
		c.rows, c.group, c.scratch = rows, o.chainGroup(rows), 0
	}
	c.n++
	return &c.links[c.n-1]
}

// chainGroup shares rows out evenly, in whole pairs of tiles where there are matrix registers.
func (o *ops) chainGroup(rows int) int {
	if rows <= o.k.MR {
		return rows // a norm in a step: the other workers read ahead meanwhile
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

// flush does what was asked for. Every operation that is no link begins with it.
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
	for i := range c.links[:c.n] {
		l := &c.links[i]
		if l.norm {
			o.normRows(&l.row, r0, rows, wk.scratch)
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
