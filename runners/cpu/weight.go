package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// weight is a matrix [out, in] split into panels of NR outputs, which a Gemm reads sequentially:
//
//	float32:  panel[p][j] = W[col+j][p]                       p < in
//	bfloat16: panel[p][j] = W[col+j][2p] and W[col+j][2p+1]    p < (in+1)/2
//
// Each stacked tensor starts a new panel, and its last panel may be narrower, so nothing is padded
// (except for one row of zeros if in is odd and the type is bfloat16). A vector is plain float32.
// The panels of a quantized tensor are those of kernels/cpu, whose last one is padded to NR
// outputs.
type weight struct {
	out, in int
	dtype   runners.DType // of the panels that are not quantized
	// quant and plain report that there are panels of each kind.
	quant, plain bool
	panels       []panel
	// first is the index of each tensor's first panel.
	first []int
	vec   []float32
	blk   *block

	// next is the weight of the product that followed this weight's product last time; halves
	// reports that the weight is the stack of a GLU.
	next   *weight
	halves bool
}

type panel struct {
	off    int // in 32-bit words
	col, w int
	q      *cpu.Quant // nil: values of the weight's dtype
}

func (w *weight) Out() int { return w.out }
func (w *weight) In() int  { return w.in }

// rows returns the number of rows of a panel.
func (w *weight) rows() int {
	if w.dtype == runners.BF16 {
		return (w.in + 1) / 2
	}
	return w.in
}

func (o *ops) Weight(stack ...runners.Tensor) (runners.Weight, error) {
	if len(stack) == 0 {
		return nil, fmt.Errorf("a weight of no tensors")
	}
	if len(stack[0].Shape) == 1 {
		return o.vector(stack)
	}
	w := &weight{dtype: o.opts.Weights}
	if w.dtype == runners.Stored {
		w.dtype = runners.BF16
	}
	for _, t := range stack {
		if len(t.Shape) != 2 || t.Shape[1] != stack[0].Shape[1] || t.Shape[0] < 1 || t.Shape[1] < 1 {
			return nil, fmt.Errorf("%s has shape %v, but is to be stacked on %s with %v", t.Name, t.Shape, stack[0].Name, stack[0].Shape)
		}
		if err := t.Check(); err != nil {
			return nil, err
		}
		w.in = t.Shape[1]
		w.out += t.Shape[0]
	}
	bytes := int64(0)
	for _, t := range stack {
		bytes = runners.AddBytes(bytes, o.matrixBytes(t))
	}
	if bytes == math.MaxInt64 {
		return nil, fmt.Errorf("%w: %s is %d x %d", runners.ErrOutOfMemory, stack[0].Name, w.out, w.in)
	}
	var err error
	if w.blk, err = o.pool.take(runners.MemoryWeights, bytes, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", stack[0].Name, err)
	}
	o.blocks = append(o.blocks, w.blk)
	col, off := 0, 0
	for _, t := range stack {
		w.first = append(w.first, len(w.panels))
		q, name, end := o.quantOf(t), w.dtype.String(), col+t.Shape[0]
		if q != nil {
			w.quant, name = true, q.Name
		} else {
			w.plain = true
		}
		o.types[name] += o.matrixBytes(t)
		for col < end {
			n := min(o.k.NR, end-col)
			w.panels = append(w.panels, panel{off: off, col: col, w: n, q: q})
			col += n
			if q != nil {
				off += o.quantBytes(q, w.in) / 4
			} else {
				off += n * w.rows()
			}
		}
	}
	if !o.growWorkers(o.packScratch()) {
		return nil, o.err
	}
	o.pack.w, o.pack.stack = w, stack
	o.workers.run(len(w.panels), packTask)
	o.pack.w, o.pack.stack = nil, nil
	if e := o.pack.err.Swap(nil); e != nil {
		return nil, *e
	}
	return w, nil
}

// matrixBytes is the memory of a matrix, math.MaxInt64 if it overflows.
func (o *ops) matrixBytes(t runners.Tensor) int64 {
	out, in := t.Shape[0], t.Shape[1]
	if q := o.quantOf(t); q != nil {
		return runners.MulBytes((out+o.k.NR-1)/o.k.NR, o.quantBytes(q, in))
	}
	if o.opts.Weights == runners.F32 {
		return runners.MulBytes(4, out, in)
	}
	return runners.MulBytes(4, out, (in+1)/2)
}

func (o *ops) vector(stack []runners.Tensor) (runners.Weight, error) {
	w := &weight{in: 1}
	for _, t := range stack {
		if len(t.Shape) != 1 {
			return nil, fmt.Errorf("%s has shape %v, but is to be stacked on a vector", t.Name, t.Shape)
		}
		if err := t.Check(); err != nil {
			return nil, err
		}
		w.out += t.Shape[0]
	}
	var err error
	if w.blk, err = o.pool.take(runners.MemoryWeights, runners.MulBytes(4, w.out), 0); err != nil {
		return nil, fmt.Errorf("%s: %w", stack[0].Name, err)
	}
	o.blocks = append(o.blocks, w.blk)
	w.vec = w.blk.floats()
	n := 0
	for _, t := range stack {
		t.Decode(w.vec[n:n+t.Shape[0]], 0)
		n += t.Shape[0]
	}
	return w, nil
}

// packCols is the number of inputs that packTask decodes of each row at a time.
const packCols = 256

// packScratch is the number of floats that packTask needs: a block of a panel by rows, and by
// columns with one more column.
func (o *ops) packScratch() int { return o.k.NR * (2*packCols + 1) }

// packTask lays out panel i of the weight being packed.
func packTask(o *ops, wk *worker, i int) {
	w, p := o.pack.w, o.pack.w.panels[i]
	t, row := 0, p.col
	for row >= o.pack.stack[t].Shape[0] {
		row -= o.pack.stack[t].Shape[0]
		t++
	}
	if p.q != nil {
		o.packQuant(o.pack.stack[t], row, w, p)
		return
	}
	rows, cols := wk.scratch[:p.w*packCols], wk.scratch[p.w*packCols:]
	for k := 0; k < w.in; k += packCols {
		n := min(packCols, w.in-k)
		for j := range p.w {
			o.pack.stack[t].Decode(rows[j*packCols:][:n], (row+j)*w.in+k)
		}
		if w.dtype == runners.F32 {
			o.transpose(unsafe.Pointer(&w.blk.floats()[p.off+k*p.w]), 4*p.w, ptr(rows, 0), 4*packCols, p.w, n)
			continue
		}
		o.transpose(ptr(cols, 0), 4*p.w, ptr(rows, 0), 4*packCols, p.w, n)
		if n&1 == 1 {
			clear(cols[n*p.w : (n+1)*p.w])
			n++
		}
		o.k.PairRows(&w.blk.words()[p.off+k/2*p.w], 4*p.w, &cols[0], 4*p.w, n/2, p.w)
	}
}

// Embed implements runners.Ops. A row of the packed table is one value from each row of its panel.
func (o *ops) Embed(dst runners.Mat, table runners.Weight, tokens []int, scale float32) {
	o.flush()
	w, ok := table.(*weight)
	if o.err != nil || !((ok && len(w.first) == 1 && dst.Cols == w.in) || o.failf("Embed: table and destination do not fit")) {
		return
	}
	d, ok := o.mat(dst, len(tokens), "Embed")
	if !ok {
		return
	}
	for _, t := range tokens {
		if !((t >= 0 && t < w.out) || o.failf("Embed: token %d of %d", t, w.out)) {
			return
		}
	}
	o.emb = embedJob{d, w, tokens, scale}
	o.workers.run((len(tokens)+embedRows-1)/embedRows, embedTask)
	o.emb.tokens = nil
}

// embedJob is the current Embed.
type embedJob struct {
	dst    mat
	w      *weight
	tokens []int
	scale  float32
}

// embedRows is the number of tokens per task.
const embedRows = 64

func embedTask(o *ops, _ *worker, i int) {
	w, scale := o.emb.w, o.emb.scale
	for r := i * embedRows; r < min(len(o.emb.tokens), (i+1)*embedRows); r++ {
		t := o.emb.tokens[r]
		p := w.panels[t/o.k.NR]
		row := unsafe.Slice(o.emb.dst.row(r), w.in)
		if p.q != nil {
			p.q.Format.Row(row, unsafe.Pointer(&w.blk.data[4*p.off]), o.k.NR, t-p.col)
			for k := range row {
				row[k] *= scale
			}
			continue
		}
		if w.dtype == runners.F32 {
			src := w.blk.floats()[p.off+t-p.col:]
			for k := range row {
				row[k] = src[k*p.w] * scale
			}
			continue
		}
		src := w.blk.words()[p.off+t-p.col:]
		for k := range row {
			row[k] = cpu.Widen16(uint16(src[k/2*p.w]>>(16*(k&1)))) * scale
		}
	}
}
