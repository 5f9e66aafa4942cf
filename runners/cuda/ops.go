//go:build cuda

package cuda

import (
	"errors"
	"fmt"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// maxBatch is the maximum number of sequences of a step: they are one dimension of a grid.
const maxBatch = 65535

// ops implements runners.Ops. The first failure is kept, and later operations do nothing, until
// Read, LogProbs or Sync has returned the error. If the error says that memory ran out or that
// something is unsupported, it is then cleared, because the next pass may succeed.
type ops struct {
	d    *device
	k    *kernels.Set
	pool *pool
	q    queue
	ar   arena
	st   staging
	opts runners.Options
	// t is the type of weights, caches and Inner buffers.
	t   runners.DType
	err error

	blocks []*block // weights, released by Close
	ropes  []*ropeTable
	batch  *runners.Batch
	single bool // every span is one row, in order
	// posAt and seqAt are the places of the rows' positions and sequences in the arena.
	posAt, seqAt int

	counts map[runners.Part]*int64
	flops  *int64 // of the current part

	// Scratch shared by operations. Each grows to the largest size used.
	shared [scratches]*block
	c      kernels.Call
	read   reader
	picked idReader

	// chosen holds the choices requested so far.
	chosen map[raceSize]*chosen
	// noCUBLAS says why cuBLAS is not used although it is installed.
	noCUBLAS string
}

// The shared scratch buffers. Data that are live at the same time have separate ones.
const (
	scratchParts = iota // partial results of split attention and of LogProbs; retention's states
	scratchStats        // maxima and sums of split attention; retention's decay; results of LogProbs
	scratches
)

func newOps(opts runners.Options) (*ops, error) {
	d, err := openDevice(opts.Weights.String(), opts.Tier)
	if err != nil {
		return nil, err
	}
	budget := opts.MemoryBudget
	if budget <= 0 || budget > d.info.Memory {
		budget = d.info.Memory
	}
	o := &ops{d: d, k: d.set, opts: opts, t: opts.Weights, pool: &pool{d: d, account: runners.NewMemoryAccount(budget)}, counts: map[runners.Part]*int64{}, chosen: map[raceSize]*chosen{}}
	o.q.d, o.ar.o = d, o
	o.pool.before = func() { o.check(o.flush(false)) }
	o.read.take, o.picked.take = o.read.piece, o.picked.piece
	o.Part(runners.PartLayers)
	if err := o.st.open(d); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	if err := o.openCUBLAS(); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

func (o *ops) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// failf records a failure and returns false. Use it as `ok || o.failf(...)`: the arguments are
// evaluated only on failure, so the normal path does not allocate.
func (o *ops) failf(format string, args ...any) bool {
	o.fail(fmt.Errorf(format, args...))
	return false
}

// check records err if it is not nil, and reports whether it is nil.
func (o *ops) check(err error) bool {
	if err != nil {
		o.fail(err)
	}
	return err == nil
}

// wait returns the first error. It is called after an operation that has waited for the device.
func (o *ops) wait() error {
	err := o.err
	if errors.Is(err, runners.ErrOutOfMemory) || errors.Is(err, runners.ErrUnsupported) {
		o.err = nil
	}
	return err
}

// enqueue enqueues the call in o.c.
func (o *ops) enqueue() bool { return o.check(o.q.call(&o.c)) }

// flush launches the collected calls. end is true at the end of a pass.
func (o *ops) flush(end bool) error {
	if len(o.q.list) == 0 {
		return nil
	}
	if o.err != nil {
		o.q.list = o.q.list[:0]
		return nil
	}
	if err := o.ar.send(); err != nil {
		return err
	}
	return o.q.flush(end)
}

// scratch makes shared scratch i at least n bytes long; its content is undefined.
func (o *ops) scratch(i int, n int64) (uint64, bool) {
	if b := o.shared[i]; b != nil && b.bytes >= n {
		b.undefined()
		return b.at(0), true
	}
	o.shared[i].free()
	o.shared[i] = nil
	b, err := o.pool.take(runners.MemoryWorkspace, n)
	if !o.check(err) {
		return 0, false
	}
	o.shared[i] = b
	return b.at(0), true
}

// buffer is [rows, cols] with a row stride ld in elements, a multiple of 16.
type buffer struct {
	rows, cols, ld int
	t              runners.DType
	blk            *block
}

func (b *buffer) Rows() int { return b.rows }
func (b *buffer) Cols() int { return b.cols }
func (b *buffer) Close()    { b.blk.free() }

func (o *ops) Buffer(kind runners.BufferKind, rows, cols int) (runners.Buffer, error) {
	if rows < 1 || cols < 1 {
		return nil, fmt.Errorf("a buffer of %d x %d", rows, cols)
	}
	t := runners.F32
	if kind == runners.Inner {
		t = o.t
	}
	ld := (cols + 15) &^ 15
	blk, err := o.pool.take(runners.MemoryWorkspace, runners.MulBytes(t.Size(), rows, ld))
	if err != nil {
		return nil, err
	}
	return &buffer{rows, cols, ld, t, blk}, nil
}

// mat is a runners.Mat as seen by kernels.
type mat struct {
	ptr      uint64
	ld, cols int // elements
	t        runners.DType
}

// row returns the address of a row.
func (m mat) row(r int) uint64 { return m.ptr + uint64(r*m.ld*m.t.Size()) }

// mat converts m and checks that it has the given rows.
func (o *ops) mat(m runners.Mat, rows int, op string) (mat, bool) {
	b, ok := m.Buf.(*buffer)
	if !((ok && b.blk.ptr != 0 && m.Col >= 0 && m.Cols > 0 && m.Col+m.Cols <= b.cols && rows <= b.rows) || o.failf("%s: %d rows of columns %d to %d are not in the buffer", op, rows, m.Col, m.Col+m.Cols)) {
		return mat{}, false
	}
	return mat{b.blk.at(int64(m.Col * b.t.Size())), b.ld, m.Cols, b.t}, true
}

// inner is mat for activations inside a block: of type T and aligned as its kernels need.
func (o *ops) inner(m runners.Mat, rows int, op string) (mat, bool) {
	a, ok := o.mat(m, rows, op)
	return a, ok && (a.t == o.t || o.failf("%s: a buffer of %s where %s is wanted", op, a.t, o.t)) &&
		(o.t == runners.F32 || a.ptr%16 == 0 || o.failf("%w: %s: columns from %d on are not aligned to 16 bytes", runners.ErrUnsupported, op, m.Col))
}

// float is mat for the residual stream and logits.
func (o *ops) float(m runners.Mat, rows int, op string) (mat, bool) {
	a, ok := o.mat(m, rows, op)
	return a, ok && (a.t == runners.F32 || o.failf("%s: a buffer of %s where float32 is wanted", op, a.t)) &&
		(o.t == runners.F32 || a.ptr%16 == 0 || o.failf("%w: %s: columns from %d on are not aligned to 16 bytes", runners.ErrUnsupported, op, m.Col))
}

// maxSingles is the maximum number of rows of a pass whose calls are collected.
const maxSingles = 1024

func (o *ops) Begin(b *runners.Batch) {
	o.batch = b
	if o.err != nil {
		return
	}
	o.check(o.flush(true)) // calls of a pass that was not waited for
	o.single = true
	end := 0
	for i, s := range b.Spans {
		o.single = o.single && s.Len == 1 && s.Row == i
		end = max(end, s.Pos+s.Len)
	}
	o.q.begin(o.single && b.Rows <= maxSingles)
	if o.single && b.Rows > maxBatch {
		o.failf("%w: a step of %d sequences, and the CUDA kernels take %d", runners.ErrUnsupported, b.Rows, maxBatch)
	}
	if o.err != nil || !o.check(o.ar.begin()) || !o.reachRopes(end) {
		return
	}
	at, v, err := o.ar.ints(2 * b.Rows)
	if !o.check(err) {
		return
	}
	o.posAt, o.seqAt = at, at+4*b.Rows
	pos, seq := v[:b.Rows], v[b.Rows:]
	for i, s := range b.Spans {
		for r := range s.Len {
			pos[s.Row+r], seq[s.Row+r] = int32(s.Pos+r), int32(i)
		}
	}
	o.check(o.ar.ready())
}

// pos and seq return the addresses of the positions and sequences from a row on.
func (o *ops) pos(row int) uint64 { return o.ar.at(o.posAt + 4*row) }
func (o *ops) seq(row int) uint64 { return o.ar.at(o.seqAt + 4*row) }

func (o *ops) Part(p runners.Part) {
	c := o.counts[p]
	if c == nil {
		c = new(int64)
		o.counts[p] = c
	}
	o.flops = c
}

func (o *ops) Counts() runners.Counts {
	c := runners.Counts{FLOPs: map[runners.Part]int64{}}
	for p, n := range o.counts {
		if *n != 0 {
			c.FLOPs[p] = *n
		}
	}
	return c
}

func (o *ops) ResetCounts() {
	for _, n := range o.counts {
		*n = 0
	}
}

// Sync implements runners.Ops.
func (o *ops) Sync() error {
	o.check(o.flush(true))
	if err := o.d.sync(); err != nil {
		o.fail(err)
	}
	return o.wait()
}

func (o *ops) Usage() runners.Usage { return o.pool.account.Usage() }

// ResetPeak frees the scratch, which grows again when needed.
func (o *ops) ResetPeak() {
	for i := range o.shared {
		o.shared[i].free()
		o.shared[i] = nil
	}
	o.ar.release()
	for _, r := range o.ropes {
		r.hi.free()
		r.hi = nil
	}
	o.pool.account.ResetPeak()
}

func (o *ops) PrefillChunk() int {
	if o.opts.PrefillChunk > 0 {
		return o.opts.PrefillChunk
	}
	return PrefillChunk
}

// Close frees all device memory and pinned memory of the model.
func (o *ops) Close() error {
	o.q.list = o.q.list[:0]
	o.q.close()
	err := o.closeCUBLAS()
	for _, b := range o.blocks {
		b.free()
	}
	for i := range o.shared {
		o.shared[i].free()
		o.shared[i] = nil
	}
	for _, r := range o.ropes {
		r.lo.free()
		r.hi.free()
	}
	o.blocks, o.ropes = nil, nil
	o.ar.close()
	o.st.close(o.d)
	return errors.Join(err, o.d.close())
}
