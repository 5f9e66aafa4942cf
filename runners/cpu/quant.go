package cpu

import (
	"fmt"
	"maps"
	"strings"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// Quantized weights (runners.Stored). For few rows, the activations are quantized too and
// multiplied with the blocks as integers, so only the bytes of the stored form are read. For more
// rows, a task converts each block of a panel to bfloat16 and multiplies it like a weight loaded as
// bfloat16.

// quantRowGroup is the maximum number of rows per task for such weights: a panel is unpacked once
// per task.
const quantRowGroup = 192

// quantFewRows is the maximum number of rows whose activations are quantized. The integer kernels
// are slower than those of bfloat16; at this number of rows, the difference equals the cost of
// unpacking. Matrix registers are faster still and take over at MR rows.
const quantFewRows = 64

// few reports whether the activations are quantized.
func (j *linearJob) few(k *cpu.Tier) bool {
	return j.w.quant && (j.rows <= k.MR || k.Tiles == nil && j.rows <= quantFewRows)
}

// unpackBlocks is the number of blocks of 32 inputs that are unpacked at a time.
const unpackBlocks = 8

// quantOf returns the quantized type in which a matrix is held, nil if it is not quantized.
func (o *ops) quantOf(t runners.Tensor) *cpu.Quant {
	if o.opts.Weights != runners.Stored || t.Blocks == nil || o.k.QuantRow == nil {
		return nil
	}
	return cpu.QuantOf(t.Blocks.Type)
}

// quantBytes returns the size of a panel in bytes.
func (o *ops) quantBytes(q *cpu.Quant, in int) int {
	return (in + q.Format.Values() - 1) / q.Format.Values() * q.Format.Bytes(o.k.NR)
}

// packQuant packs the rows of t, starting at row, into a panel.
func (o *ops) packQuant(t runners.Tensor, row int, w *weight, p panel) {
	data := w.blk.data[4*p.off:][:o.quantBytes(p.q, w.in)]
	for j := range p.w {
		var err error
		src := t.Blocks.Row(row + j)
		switch {
		case w.in%p.q.Values != 0 || len(src) != w.in/p.q.Values*p.q.Bytes:
			err = fmt.Errorf("row %d of %s has %d bytes, which are not %d values of %s", row+j, t.Name, len(src), w.in, p.q.Name)
		case !p.q.Pack(data, o.k.NR, j, src):
			err = fmt.Errorf("%w: row %d of %s has a block whose scale is infinite or NaN", runners.ErrNotFinite, row+j, t.Name)
		}
		if err != nil {
			o.pack.err.CompareAndSwap(nil, &err)
			return
		}
	}
}

// quantA quantizes x.
func (o *ops) quantA() bool {
	j := &o.lin
	ld := j.w.in / 32 * cpu.QuantBlockBytes
	b, ok := o.grow(scratchQuant, runners.MulBytes(j.rows, ld/4))
	if !ok {
		return false
	}
	j.quant = mat{unsafe.Pointer(&b.data[0]), ld, j.w.in}
	o.workers.run((j.rows+roundRows-1)/roundRows, quantTask)
	return true
}

// quantTask quantizes some rows of x.
func quantTask(o *ops, _ *worker, i int) {
	j := &o.lin
	for r := i * roundRows; r < min(j.rows, (i+1)*roundRows); r++ {
		o.k.QuantRow(unsafe.Pointer(j.quant.row(r)), j.x.row(r), j.w.in/32)
	}
}

// quantScratch is the number of floats that quantProduct or unpackPanel needs.
func (j *linearJob) quantScratch(k *cpu.Tier) int {
	switch {
	case !j.w.quant:
		return 0
	case j.few(k):
		return j.rows * k.NR
	default:
		return (32*unpackBlocks + j.kBlock) * k.NR
	}
}

// quantProduct is panelProduct for a quantized panel and few rows.
func (o *ops) quantProduct(j *linearJob, c unsafe.Pointer, ldc int, p panel, rows, k, n, add int, s []float32) {
	f, nr := p.q.Format, o.k.NR
	w := unsafe.Pointer(&j.w.blk.data[4*p.off+2*k/f.Values()*f.Bytes(nr)])
	a := unsafe.Add(j.quant.base, k/16*cpu.QuantBlockBytes)
	to, ldt, plus := c, ldc, add
	if p.w < nr { // the kernels write NR columns
		to, ldt, plus = ptr(s, 0), 4*nr, 0
	}
	dot := o.k.Quant[f].Dot
	mr := len(dot) - 1
	groups := (rows + mr - 1) / mr
	for i, r := 0, 0; i < groups; i++ {
		m := (rows - r + groups - i - 1) / (groups - i)
		dot[m](unsafe.Add(to, r*ldt), ldt, unsafe.Add(a, r*j.quant.ld), j.quant.ld, w, n/16, plus)
		r += m
	}
	if p.w == nr {
		return
	}
	for r := range rows {
		d := unsafe.Slice((*float32)(unsafe.Add(c, r*ldc)), p.w)
		for i, v := range s[r*nr : r*nr+p.w] {
			if add != 0 {
				v += d[i]
			}
			d[i] = v
		}
	}
}

// unpackPanel converts rows k..k+n-1 of a quantized panel to pairs of bfloat16, [n][NR].
func (o *ops) unpackPanel(j *linearJob, p panel, k, n int, s []float32) unsafe.Pointer {
	f, nr := p.q.Format, o.k.NR
	values, out := cut(&s, 32*unpackBlocks*nr), cut(&s, n*nr)
	for i := 0; i < n; i += 16 * unpackBlocks {
		m := min(16*unpackBlocks, n-i)
		w := unsafe.Pointer(&j.w.blk.data[4*p.off+2*(k+i)/f.Values()*f.Bytes(nr)])
		o.k.Quant[f].Unpack(&values[0], w, m/16)
		o.k.PairRows((*uint32)(ptr(out, i*nr)), 4*nr, &values[0], 4*nr, m, nr)
	}
	return ptr(out, 0)
}

// WeightTypes returns the bytes of the matrices by type.
func (o *ops) WeightTypes() map[string]int64 { return maps.Clone(o.types) }

// StoredSize returns the mean number of bytes that a matrix's weight takes in memory, if
// opts.Weights is Stored. It is an error if no matrix would keep its stored form.
func (*Runner) StoredSize(cfg runners.Config, w runners.Weights, opts runners.Options) (float64, error) {
	k, _, err := cpu.Choose(opts.Tier)
	if err != nil {
		return 0, err
	}
	_, size, err := (&ops{k: k, opts: opts}).storedBytes(cfg, w)
	return size, err
}

// storedBytes returns the memory of a model's weights and the mean size of a matrix's weight. If no
// matrix would keep its stored form, it returns an error, because the speed would not be that of
// stored weights.
func (o *ops) storedBytes(cfg runners.Config, w runners.Weights) (all int64, mean float64, err error) {
	quant := false
	var matrices, values int64
	for _, p := range cfg.Parameters() {
		t, err := w.Tensor(p)
		if err != nil {
			return 0, 0, err
		}
		if len(p.Shape) != 2 {
			all = runners.AddBytes(all, runners.MulBytes(4, t.Len()))
			continue
		}
		matrices = runners.AddBytes(matrices, o.matrixBytes(t))
		values = runners.AddBytes(values, t.Len())
		quant = quant || o.quantOf(t) != nil
	}
	switch {
	case quant:
		return runners.AddBytes(all, matrices), float64(matrices) / float64(values), nil
	case o.k.QuantRow == nil:
		return 0, 0, fmt.Errorf("%w: kernel tier %s does not multiply by quantized weights in their stored form; use f32 or bf16", runners.ErrUnsupported, o.k.Name)
	default:
		return 0, 0, fmt.Errorf("%w: %s has no matrix of a quantized type that is multiplied in its stored form (%s); use f32 or bf16",
			runners.ErrUnsupported, w.Source(), strings.Join(cpu.QuantNames(), ", "))
	}
}
