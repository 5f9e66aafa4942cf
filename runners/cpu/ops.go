package cpu

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// ops implements runners.Ops. Operations are complete when they return, except norms and products
// of many rows, which a chain holds until another operation starts. The first failure is kept, and
// later operations do nothing.
//
// Every operation is split into tasks for the workers. The arguments of the current operation are
// fields here (lin, att, ...), not closures, so nothing is allocated.
type ops struct {
	k       *cpu.Tier
	opts    runners.Options
	pool    *pool
	workers *workers
	err     error

	blocks []*block // weights, released by Close
	ropes  []*ropeTable
	batch  *runners.Batch
	// pass counts calls of Begin, so that rotary tables know when they are stale.
	pass int

	counts map[runners.Part]*int64
	flops  *int64 // of the current part

	// Scratch shared by operations. Each grows to the largest size used.
	shared  [scratches]scratch
	workerB *block // the workers' scratch, divided evenly

	pack struct {
		w     *weight
		stack []runners.Tensor
		err   atomic.Pointer[error]
	}
	types  map[string]int64 // bytes of matrices by type
	chain  chain
	lin    linearJob
	before *weight // weight of the last product with few rows
	att    attendJob
	ret    retainJob
	prob   probJob
	add    appendJob
	emb    embedJob
	turn   fillJob
}

// The shared scratch buffers. Data that are live at the same time have separate ones.
const (
	scratchA     = iota // activations in bfloat16
	scratchParts        // partial results of split attention; retention's chunks
	scratchStage        // keys and values of a window's pass
	scratchOut          // retention's output before its norm
	scratchProb         // partial sums of LogProbs
	scratchQuant        // quantized activations
	scratches
)

type scratch struct{ blk *block }

// grow makes scratch i hold n 32-bit words, undefined at first.
func (o *ops) grow(i int, n int64) (*block, bool) {
	s := &o.shared[i]
	if s.blk != nil && int64(len(s.blk.data))/4 >= n {
		return s.blk, true
	}
	s.blk.free()
	b, err := o.pool.take(runners.MemoryWorkspace, 4*min(n, 1<<60), 0)
	if err != nil {
		o.fail(err)
		return nil, false
	}
	s.blk = b
	return b, true
}

// growWorkers makes each worker's scratch hold n floats.
func (o *ops) growWorkers(n int) bool {
	n = (n + 15) &^ 15
	if len(o.workers.all[0].scratch) >= n {
		return true
	}
	o.workerB.free()
	for _, w := range o.workers.all {
		w.scratch = nil
	}
	b, err := o.pool.take(runners.MemoryWorkspace, runners.MulBytes(4, n, len(o.workers.all)), 0)
	if err != nil {
		o.fail(err)
		return false
	}
	o.workerB = b
	f := b.floats()
	for _, w := range o.workers.all {
		w.scratch, f = f[:n:n], f[n:]
	}
	return true
}

func newOps(opts runners.Options, k *cpu.Tier) (*ops, error) {
	for _, d := range []struct {
		what string
		t    runners.DType
	}{{"weights", opts.Weights}, {"keys and values", opts.KV}} {
		if d.t != runners.F32 && d.t != runners.BF16 && (d.t != runners.Stored || d.what != "weights") {
			return nil, fmt.Errorf("%w: the CPU runner holds %s as f32 or bf16 (weights also as stored), not %s", runners.ErrUnsupported, d.what, d.t)
		}
	}
	budget := opts.MemoryBudget
	if budget <= 0 {
		budget = machineMemory()
	}
	o := &ops{k: k, opts: opts, pool: &pool{account: runners.NewMemoryAccount(budget)}, counts: map[runners.Part]*int64{}, types: map[string]int64{}}
	o.workers = newWorkers(o, opts.Threads)
	o.Part(runners.PartLayers)
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

// buffer is [rows, cols] with a row stride ld (in floats) chosen so that the rows of a tile do not
// map to the same cache sets.
type buffer struct {
	o              *ops
	rows, cols, ld int
	blk            *block
}

func (b *buffer) Rows() int { return b.rows }
func (b *buffer) Cols() int { return b.cols }

// Close first runs the enqueued operations, which may use b.
func (b *buffer) Close() {
	b.o.flush()
	b.blk.free()
}

// stride returns a row stride for n 32-bit words: whole cache lines, and an odd number of them if n
// is a line or more.
func stride(n int) int {
	lines := (n + 15) / 16
	return 16 * (lines | 1)
}

func (o *ops) Buffer(_ runners.BufferKind, rows, cols int) (runners.Buffer, error) {
	if rows < 1 || cols < 1 {
		return nil, fmt.Errorf("a buffer of %d x %d", rows, cols)
	}
	ld := stride(cols)
	blk, err := o.pool.take(runners.MemoryWorkspace, runners.MulBytes(4, rows, ld), 0)
	if err != nil {
		return nil, err
	}
	return &buffer{o, rows, cols, ld, blk}, nil
}

// mat is a runners.Mat as seen by kernels.
type mat struct {
	base unsafe.Pointer
	ld   int // bytes
	cols int
}

// from returns m without its first r rows.
func (m mat) from(r int) mat { return mat{unsafe.Add(m.base, r*m.ld), m.ld, m.cols} }

func (m mat) row(r int) *float32 { return (*float32)(unsafe.Add(m.base, r*m.ld)) }
func (m mat) at(r, c int) *float32 {
	return (*float32)(unsafe.Add(m.base, r*m.ld+4*c))
}

// mat converts m and checks that it has the given rows.
func (o *ops) mat(m runners.Mat, rows int, op string) (mat, bool) {
	b, ok := m.Buf.(*buffer)
	if !((ok && b.blk.data != nil && m.Col >= 0 && m.Cols > 0 && m.Col+m.Cols <= b.cols && rows <= b.rows) || o.failf("%s: %d rows of columns %d to %d are not in the buffer", op, rows, m.Col, m.Col+m.Cols)) {
		return mat{}, false
	}
	return mat{unsafe.Pointer(&b.blk.data[4*m.Col]), 4 * b.ld, m.Cols}, true
}

func (o *ops) Begin(b *runners.Batch) {
	o.flush()
	o.batch = b
	o.pass++
}

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

func (o *ops) Read(m runners.Mat, dst [][]float32) error {
	o.flush()
	if o.err != nil {
		return o.err
	}
	s, ok := o.mat(m, len(dst), "Read")
	if !ok {
		return o.err
	}
	for r, d := range dst {
		if !(len(d) == m.Cols || o.failf("Read: row %d has room for %d of %d values", r, len(d), m.Cols)) {
			return o.err
		}
		copy(d, unsafe.Slice(s.row(r), m.Cols))
	}
	return nil
}

func (o *ops) Sync() error {
	o.flush()
	return o.err
}

func (o *ops) Usage() runners.Usage { return o.pool.account.Usage() }

// ResetPeak frees the scratch, which grows again when needed.
func (o *ops) ResetPeak() {
	o.flush() // its scratch belongs to the old peak
	o.freeScratch()
	o.pool.account.ResetPeak()
}

func (o *ops) freeScratch() {
	for i := range o.shared {
		o.shared[i].blk.free()
		o.shared[i].blk = nil
	}
	for _, r := range o.ropes {
		r.blk.free()
		r.blk, r.pass = nil, 0
	}
	o.workerB.free()
	o.workerB = nil
	for _, w := range o.workers.all {
		w.scratch = nil
	}
}

// prefillChunk is large enough that reading the weights is cheap compared with the arithmetic, and
// small enough that a group of rows fits into the second-level caches.
const prefillChunk = 512

func (o *ops) PrefillChunk() int {
	if o.opts.PrefillChunk > 0 {
		return o.opts.PrefillChunk
	}
	return prefillChunk
}

// Close frees weights, rotary tables and scratch, and stops the workers. Enqueued operations are
// discarded.
func (o *ops) Close() error {
	o.chain.n = 0
	o.workers.close()
	for _, b := range o.blocks {
		b.free()
	}
	o.pool.freeArenas()
	for _, r := range o.ropes {
		r.blk.free()
		r.table.free()
	}
	for i := range o.shared {
		o.shared[i].blk.free()
	}
	o.workerB.free()
	o.blocks, o.ropes = nil, nil
	return nil
}
