package cpu

import (
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// linearJob is a Linear, LinearAdd or GLU: a matrix product of activations [rows, in] with a
// packed weight.
//
// A task is a group of rows times a group of panels, or times all panels in a chain. Within a task
// the sum over `in` is split into equal blocks of at most kBlock rows of a panel (64 KiB), so a
// panel's block is read from the second-level cache for every tile of rows, and the rows' block
// stays there for every panel. If there is only one tile of rows, the panels are read sequentially,
// for which memory bandwidth is highest.
type linearJob struct {
	dst, x mat
	w      *weight
	rows   int
	add    int
	glu    bool
	act    runners.Activation // of a GLU
	gemm   []cpu.Gemm
	tiles  cpu.Tiles // replaces gemm if not nil
	// a is operand A of the kernel: x itself, or x rounded to bfloat16 or padded.
	a mat
	// cs is the kernel's column stride of A, aStep the step of A per row of a panel, in bytes.
	cs, aStep int
	kBlock    int // rows of a panel
	// rounded means that a is x rounded to bfloat16, padded that it is x with an extra zero per
	// row.
	rounded, padded bool
	// quant are the quantized rows of x; nil if there are more rows than those kernels take, or no
	// quantized panels.
	quant mat
	// rowGroup and panelGroup are the sizes of a task, rowGroups is the number of row groups.
	rowGroup, panelGroup, rowGroups int
}

// kBlock is the maximum number of panel rows summed at a time, rowGroupMax the maximum number of
// rows per task, and fewRowsWork the number of weights per task for few rows.
const (
	kBlock      = 512
	rowGroupMax = 96
	fewRowsWork = 1 << 16
)

// units is the number of units that are divided among tasks: panels, or pairs of panels.
func (j *linearJob) units() int {
	if j.glu {
		return len(j.w.panels) / 2
	}
	return len(j.w.panels)
}

// panelGroups is the number of tasks per row group.
func (j *linearJob) panelGroups() int { return (j.units() + j.panelGroup - 1) / j.panelGroup }

func (o *ops) Linear(rows int, dst, x runners.Mat, w runners.Weight)    { o.linear(rows, dst, x, w, 0) }
func (o *ops) LinearAdd(rows int, dst, x runners.Mat, w runners.Weight) { o.linear(rows, dst, x, w, 1) }

func (o *ops) linear(rows int, dst, x runners.Mat, rw runners.Weight, add int) {
	w, ok := rw.(*weight)
	if o.err != nil || !((ok && w.vec == nil && w.in == x.Cols && w.out == dst.Cols) || o.failf("Linear: [%d] times a weight into [%d]: the sizes do not fit", x.Cols, dst.Cols)) {
		return
	}
	o.product(rows, dst, x, w, add, false, runners.SiLU)
}

// GLU computes a panel of each half into scratch and combines them.
func (o *ops) GLU(rows int, dst, x runners.Mat, rw runners.Weight, act runners.Activation) {
	w, ok := rw.(*weight)
	if o.err != nil || !((ok && len(w.first) == 2 && w.in == x.Cols && w.out == 2*dst.Cols && 2*w.first[1] == len(w.panels)) || o.failf("GLU: the weight is not a stack of two [%d, %d]", dst.Cols, x.Cols)) {
		return
	}
	o.product(rows, dst, x, w, 0, true, act)
}

func (o *ops) product(rows int, dst, x runners.Mat, w *weight, add int, glu bool, act runners.Activation) {
	d, ok1 := o.mat(dst, rows, "Linear")
	a, ok2 := o.mat(x, rows, "Linear")
	if !ok1 || !ok2 || rows < 1 {
		return
	}
	*o.flops += 2 * int64(rows) * int64(w.in) * int64(w.out)
	next := linearJob{dst: d, x: a, w: w, rows: rows, add: add, glu: glu, act: act}
	next.kernels(o.k)
	if rows > o.k.MR && len(w.blk.data) <= chainBytes && !next.padded && !w.quant {
		l := o.enqueue(rows)
		l.row.run, l.lin = nil, next
		n := 2 * o.k.NR
		if next.rounded {
			n += stride((w.in + 1) / 2)
		}
		o.chain.scratch = max(o.chain.scratch, o.chain.group*n)
		return
	}
	if o.flush(); o.err != nil {
		return
	}
	j := &o.lin
	*j = next
	if !o.operandA() {
		return
	}
	j.group(o)
	if !o.growWorkers(j.rowGroup*2*o.k.NR + j.quantScratch(o.k)) {
		return
	}
	o.workers.prefetch.Store(o.follower(w))
	o.workers.run(j.rowGroups*j.panelGroups(), linearTask)
}

// kernels chooses the kernels for the weight's type.
func (j *linearJob) kernels(k *cpu.Tier) {
	j.quant = mat{}
	j.a, j.cs, j.aStep, j.gemm, j.tiles, j.rounded, j.padded = j.x, 4, 4, k.F32, nil, false, false
	// Every block except the last is a whole number of steps of the matrix registers.
	j.kBlock = (evenly(j.w.rows(), kBlock) + 15) &^ 15
	if j.w.quant { // and of the largest blocks
		j.kBlock = (j.kBlock + 127) &^ 127
	}
	switch {
	case j.w.dtype != runners.BF16:
	case k.Dot == nil || j.w.in&1 == 1:
		j.gemm, j.aStep, j.padded = k.Wide, 8, j.w.in&1 == 1
	default:
		j.gemm, j.tiles, j.rounded = k.Dot, k.Tiles, true
	}
}

// operandA prepares operand A of the kernel, if it is not x itself.
func (o *ops) operandA() bool {
	j := &o.lin
	if j.few(o.k) {
		if !o.quantA() || !j.w.plain {
			return o.err == nil
		}
	}
	if !j.rounded {
		return !j.padded || o.padA(j.w.in)
	}
	ld := stride((j.w.in + 1) / 2)
	b, ok := o.grow(scratchA, runners.MulBytes(j.rows, ld))
	if !ok {
		return false
	}
	j.a = mat{unsafe.Pointer(&b.data[0]), 4 * ld, j.w.in}
	o.workers.run((j.rows+roundRows-1)/roundRows, roundTask)
	return true
}

// padA copies x with a zero appended to each row, for an odd number of inputs with pairs of
// bfloat16.
func (o *ops) padA(in int) bool {
	j := &o.lin
	ld := stride(in + 1)
	b, ok := o.grow(scratchA, runners.MulBytes(j.rows, ld))
	if !ok {
		return false
	}
	a := mat{unsafe.Pointer(&b.data[0]), 4 * ld, in + 1}
	for r := range j.rows {
		d := unsafe.Slice(a.row(r), in+1)
		copy(d, unsafe.Slice(j.x.row(r), in))
		d[in] = 0
	}
	j.a = a
	return true
}

const roundRows = 16

// roundTask rounds some rows of x to bfloat16.
func roundTask(o *ops, _ *worker, i int) {
	j := &o.lin
	for r := i * roundRows; r < min(j.rows, (i+1)*roundRows); r++ {
		o.roundRow((*uint16)(unsafe.Pointer(j.a.row(r))), j.x.row(r), j.x.cols)
	}
}

// roundRow calls the kernel of that name and handles any n.
func (o *ops) roundRow(dst *uint16, x *float32, n int) {
	if m := n &^ 15; m > 0 {
		o.k.RoundRow(dst, x, m)
	}
	for i := n &^ 15; i < n; i++ {
		*(*uint16)(unsafe.Add(unsafe.Pointer(dst), 2*i)) = cpu.BF16(*(*float32)(unsafe.Add(unsafe.Pointer(x), 4*i)))
	}
}

// group splits the work into tasks. The split does not affect results: one task computes each
// output, always in the same order.
func (j *linearJob) group(o *ops) {
	units := j.units()
	if j.rows <= o.k.MR || j.few(o.k) {
		// Reading the weights dominates: a task reads about 64 Ki weights or one panel, so no
		// worker waits long for another's last task, and all have equally many.
		j.rowGroup, j.rowGroups = j.rows, 1
		workers := len(o.workers.all)
		tasks := max(1, units*j.w.in*o.k.NR/fewRowsWork)
		tasks = min(units, (tasks+workers-1)/workers*workers)
		j.panelGroup = (units + tasks - 1) / tasks
		return
	}
	most := rowGroupMax
	if j.w.quant {
		most = quantRowGroup
	}
	j.rowGroups = (j.rows + most - 1) / most
	j.rowGroup = (j.rows + j.rowGroups - 1) / j.rowGroups
	// A task has about 2 million multiply-adds, or an eighth of a worker's share if that is less.
	work := 2 << 20
	if j.tiles != nil { // whole pairs of tiles, with a similar time per task
		j.rowGroup = min(j.rows, (j.rowGroup+31)&^31)
		work *= 8
	}
	perUnit := j.rowGroup * j.w.in * o.k.NR
	n := max(1, work/max(1, perUnit))
	share := (units*j.rowGroups + 8*len(o.workers.all) - 1) / (8 * len(o.workers.all))
	if perUnit*share < 1<<16 { // too small to split further
		share = min(units, max(share, (1<<16)/perUnit))
	}
	j.panelGroup = max(1, min(n, share, units))
}

// unscaled is the scale 1, for kernels that take a pointer to a scale.
var unscaled = float32(1)

func linearTask(o *ops, wk *worker, i int) {
	j := &o.lin
	group, rg := i/j.rowGroups, i%j.rowGroups
	r0 := rg * j.rowGroup
	if rows := min(j.rowGroup, j.rows-r0); rows > 0 {
		o.rowsProduct(j, j.a.from(r0), r0, rows, group*j.panelGroup, min(j.units(), (group+1)*j.panelGroup), wk.scratch)
	}
}

// rowsProduct computes rows from r0 on of the units first..last-1; a begins with row r0.
func (o *ops) rowsProduct(j *linearJob, a mat, r0, rows, first, last int, s []float32) {
	depth := j.w.rows()
	x := cut(&s, j.quantScratch(o.k))
	if !j.glu {
		if rows <= o.k.MR {
			for _, p := range j.w.panels[first:last] {
				for k := 0; k < depth; k += j.kBlock {
					o.panelProduct(j, unsafe.Pointer(j.dst.at(r0, p.col)), j.dst.ld, p, a, rows, k, min(j.kBlock, depth-k), x)
				}
			}
			return
		}
		for k := 0; k < depth; k += j.kBlock {
			for _, p := range j.w.panels[first:last] {
				o.panelProduct(j, unsafe.Pointer(j.dst.at(r0, p.col)), j.dst.ld, p, a, rows, k, min(j.kBlock, depth-k), x)
			}
		}
		return
	}
	nr, units := o.k.NR, j.units()
	out := cut(&s, rows*2*nr)
	gate := o.k.SiluRows
	if j.act == runners.GELUTanh {
		gate = o.k.GeluRows
	}
	for u := first; u < last; u++ {
		p, q := j.w.panels[u], j.w.panels[u+units]
		for k := 0; k < depth; k += j.kBlock {
			n := min(j.kBlock, depth-k)
			o.panelProduct(j, ptr(out, 0), 8*nr, p, a, rows, k, n, x)
			o.panelProduct(j, ptr(out, nr), 8*nr, q, a, rows, k, n, x)
		}
		gate(j.dst.at(r0, p.col), j.dst.ld, &out[0], 8*nr, &out[nr], 8*nr, rows, p.w, &unscaled, 0)
	}
}

// panelProduct computes the rows of a times rows k..k+n-1 of one panel into c. It adds to c if the
// job is an addition or k > 0. s is scratch for quantized panels.
func (o *ops) panelProduct(j *linearJob, c unsafe.Pointer, ldc int, p panel, a mat, rows, k, n int, s []float32) {
	aStep := k * j.aStep
	add := j.add
	if k > 0 {
		add = 1
	}
	var b unsafe.Pointer
	ldb := 4 * p.w
	switch {
	case p.q == nil:
		b = unsafe.Pointer(&j.w.blk.data[4*(p.off+k*p.w)])
	case j.quant.base != nil:
		o.quantProduct(j, c, ldc, p, rows, k, n, add, s)
		return
	default:
		b, ldb = o.unpackPanel(j, p, k, n, s), 4*o.k.NR
	}
	if j.tiles != nil {
		j.tiles(c, ldc, unsafe.Add(a.base, aStep), a.ld, b, ldb, rows, n, p.w, add)
		return
	}
	mr := len(j.gemm) - 1
	blocks := (rows + mr - 1) / mr
	for i, r := 0, 0; i < blocks; i++ {
		m := (rows - r + blocks - i - 1) / (blocks - i)
		j.gemm[m](unsafe.Add(c, r*ldc), ldc, unsafe.Add(a.base, r*a.ld+aStep), a.ld, j.cs, b, ldb, n, p.w, add)
		r += m
	}
}

// follower records that w followed the weight of the preceding product, and returns the weight that
// followed w last time. It returns nil if that is unknown, or if there are so many rows that
// reading weights does not dominate.
func (o *ops) follower(w *weight) *weight {
	j := &o.lin
	if j.rows > o.k.MR {
		o.before = nil
		return nil
	}
	if o.before != nil {
		o.before.next = w
	}
	o.before = w
	if w.halves != j.glu { // avoid writing while others read w
		w.halves = j.glu
	}
	return w.next
}

// aheadBytes is the number of bytes that each worker prefetches: a part of its second-level cache.
const aheadBytes = 256 << 10

// readAhead prefetches a small piece of what worker me will need of w, the next product's weight.
// It returns false if nothing is left to prefetch. Between two products of a step only one worker
// is busy, so the others have time for this.
func (o *ops) readAhead(me int, w *weight) bool {
	wk := o.workers.all[me]
	if wk.aheadOf != w {
		wk.aheadOf, wk.aheadAt = w, 0
	}
	if wk.aheadAt >= aheadBytes {
		return false
	}
	// Prefetch the first panels of the worker's share; of two halves, from both.
	units, at, half := len(w.panels), wk.aheadAt, 0
	if w.halves {
		units /= 2
		half = at / aheadPiece % 2 * units
		at = at / 2 / aheadPiece * aheadPiece
	}
	wk.aheadAt += aheadPiece
	from := 4*w.panels[half+me*units/len(o.workers.all)].off + at
	if from+aheadPiece > len(w.blk.data) {
		return false
	}
	o.k.Touch(unsafe.Pointer(&w.blk.data[from]), aheadPiece)
	return true
}

// aheadPiece is small enough that reading it takes less time than starting a job.
const aheadPiece = 2 << 10
