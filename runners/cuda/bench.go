//go:build cuda

package cuda

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// Measurement is the result for one kernel (or the few kernels of one operation) on one shape. It
// is first compared with float64, and timed only if it passes.
type Measurement struct {
	// Kernel is the operation: gemm, gemv (_f32 writes float32, _add adds to float32), swiglu,
	// attend_prefill, attend_window, attend_decode, retain, retain_step, embed, rmsnorm, rope,
	// rope_store, logprobs or argmax.
	Kernel string `json:"kernel"`
	// Shape is its sizes by name, from which a peer can generate the same inputs (see Input).
	Shape map[string]int `json:"shape"`
	DType string         `json:"dtype"`
	// Checked is the number of values compared with float64, Error the largest difference divided
	// by 1 + |value|, Tolerance the largest allowed Error. OK reports whether the kernel passed.
	Checked   int     `json:"checked"`
	Error     float64 `json:"error"`
	Tolerance float64 `json:"tolerance"`
	OK        bool    `json:"ok"`
	// Samples are some values of the result, for comparison with a peer: of row Row, column Col.
	Samples []Sample `json:"samples"`
	// Millis are the times in milliseconds from the device's events; empty unless OK.
	Millis []float64 `json:"ms,omitempty"`
	// Choice is the choice among this kernel's tiles and cuBLAS; nil if there is only one
	// candidate. The fastest tile was measured.
	Choice *Choice `json:"choice,omitempty"`
	// FLOPs and Bytes are computed: each operand is read once and each result is written once.
	FLOPs float64 `json:"flops"`
	Bytes float64 `json:"bytes"`
}

// Sample is one value of a result.
type Sample struct {
	Row   int     `json:"row"`
	Col   int     `json:"col"`
	Value float64 `json:"value"`
	want  float64
}

// Median returns the median time in milliseconds, NaN if there is none.
func (m Measurement) Median() float64 {
	if len(m.Millis) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(m.Millis))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Input returns element i of input number seed of a measurement: one of 256 values from -1 to
// 127/128, which bfloat16 represents exactly.
//
//	h = (i * 2654435761 + seed * 2246822519) mod 2^32;  h = ((h xor h >> 15) * 2246822519) mod 2^32;  ((h >> 24) - 128) / 128
func Input(seed, i int) float32 {
	h := uint32(i)*2654435761 + uint32(seed)*2246822519
	h = (h ^ h>>15) * 2246822519
	return float32(int(h>>24)-128) / 128
}

const (
	benchSamples = 12 // timed runs
	benchWarmup  = 2
	benchChecks  = 24 // rows that are compared
	benchScratch = 512 << 20
)

// bench is the state of one measurement.
type bench struct {
	o      *ops
	ctx    context.Context
	m      Measurement
	blocks []*block
	// tile is the index of the kernel's tile that is measured, as named in Choice.
	tile int
	// integers is set if the result consists of 32-bit integers.
	integers bool
	// scratch is the number of bytes written before each timed run. This evicts the inputs from the
	// device's cache, as in a model, and keeps the device busy until the host has enqueued the run.
	scratch int
}

// Bench measures the kernels of a build on the shapes of YOCO-3B, or on small ones, and emits each
// result. Measurement i (from 0) is skipped unless wants(i). An error means that a kernel could not
// run; a wrong result is a Measurement that is not OK.
func Bench(ctx context.Context, opts runners.Options, small bool, wants func(i int) bool, emit func(Measurement)) (err error) {
	opts.KV = opts.Weights
	o, err := newOps(opts)
	if err != nil {
		return err
	}
	defer func() {
		if e := o.Close(); err == nil {
			err = e
		}
	}()
	dim, ffn, vocab, heads, kvHeads, hd, window := 3072, 8192, 100288, 24, 8, 128, 1024
	rows, long, deep, before, scratch := 8<<10, 16<<10, 128<<10, 496<<10, benchScratch
	few, some := 32, 64 // rows of products for which there are small tiles
	if small {
		scratch = 4 << 10
		dim, ffn, vocab, heads, kvHeads, hd, window = 64, 96, 130, 4, 2, 16, 24
		rows, long, deep, before = 40, 70, 300, 230
		few, some = 18, 30
	}
	all := []func(*bench) error{
		func(b *bench) error { return b.product("gemm", rows, dim, 4*dim+heads) },
		func(b *bench) error { return b.product("gemm", rows, dim, dim) },
		func(b *bench) error { return b.product("gemm", rows, ffn, dim) },
		func(b *bench) error { return b.product("gemm_add", rows, ffn, dim) },
		func(b *bench) error { return b.product("gemm_f32", min(rows, 2<<10), dim, vocab) },
		func(b *bench) error { return b.product("swiglu", rows, dim, ffn) },
		func(b *bench) error { return b.attend(long, 0, heads, kvHeads, hd, 0, 0) },
		// The last chunk of a prompt of 512 Ki tokens, which dominates a Transformer's long
		// prefill.
		func(b *bench) error { return b.attend(long, before, heads, kvHeads, hd, 0, 0) },
		func(b *bench) error { return b.attend(long, 0, heads, heads, hd, window, 0) },
		func(b *bench) error { return b.attend(long, 0, heads, kvHeads, hd, 0, benchCap) },
		func(b *bench) error { return b.attend(long, 0, heads, kvHeads, hd, window, benchCap) },
		func(b *bench) error { return b.retain(long, heads, hd) },
		func(b *bench) error { return b.product("gemm", few, dim, dim) },
		func(b *bench) error { return b.product("gemm", some, dim, dim) },
		func(b *bench) error { return b.product("gemm_add", few, ffn, dim) },
		func(b *bench) error { return b.product("swiglu", some, dim, ffn) },
		func(b *bench) error { return b.product("gemv", 1, dim, 4*dim+heads) },
		func(b *bench) error { return b.product("gemv", 1, dim, vocab) },
		func(b *bench) error { return b.product("gemv_f32", 1, dim, vocab) },
		func(b *bench) error { return b.product("gemv_add", 1, ffn, dim) },
		func(b *bench) error { return b.product("swiglu", 1, dim, ffn) },
		func(b *bench) error { return b.product("gemv", 16, dim, vocab) },
		func(b *bench) error { return b.decode(deep, 1, heads, kvHeads, hd) },
		func(b *bench) error { return b.decode(deep/8, 16, heads, kvHeads, hd) },
		func(b *bench) error { return b.retainStep(16, heads, hd) },
		func(b *bench) error { return b.embed(long, dim, vocab) },
		func(b *bench) error { return b.norm(long, dim) },
		func(b *bench) error { return b.headNorm(long, heads, hd) },
		func(b *bench) error { return b.addNorm(long, dim) },
		func(b *bench) error { return b.addBias(long, dim) },
		func(b *bench) error { return b.copied(long, dim) },
		func(b *bench) error { return b.softCap(16, vocab) },
		func(b *bench) error { return b.rope(long, heads, hd, deep) },
		func(b *bench) error { return b.ropeStore(long, kvHeads, hd) },
		func(b *bench) error { return b.logprobs(min(rows, 2<<10), dim, vocab) },
		func(b *bench) error { return b.argmax(16, vocab) },
	}
	for i, f := range all {
		if !wants(i) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b := &bench{o: o, ctx: ctx, scratch: scratch, m: Measurement{DType: opts.Weights.String()}}
		err := f(b)
		for _, x := range b.blocks {
			x.free()
		}
		if err != nil {
			return fmt.Errorf("%s %v: %w", b.m.Kernel, b.m.Shape, err)
		}
		emit(b.m)
	}
	return nil
}

// input makes a block with n values of input seed, of type T.
func (b *bench) input(seed, n int) (*block, error) { return b.inputOf(b.o.t, seed, n) }

// inputOf is input for another type.
func (b *bench) inputOf(t runners.DType, seed, n int) (*block, error) {
	return b.fill(t, n, func(i int) float32 { return Input(seed, i) })
}

// fill makes a block of n values, which t must represent exactly.
func (b *bench) fill(t runners.DType, n int, value func(i int) float32) (*block, error) {
	x, err := b.output(n, t)
	if err != nil {
		return nil, err
	}
	size := t.Size()
	return x, b.o.st.upload(b.o.d, x.at(0), x.bytes, func(piece []byte, at int64) {
		for i := range len(piece) / size {
			v := value(int(at)/size + i)
			if size == 4 {
				binary.LittleEndian.PutUint32(piece[4*i:], math.Float32bits(v))
			} else {
				binary.LittleEndian.PutUint16(piece[2*i:], runners.BFloat16(v))
			}
		}
	})
}

// output makes a block for n values.
func (b *bench) output(n int, t runners.DType) (*block, error) {
	x, err := b.o.pool.take(runners.MemoryWorkspace, runners.MulBytes(n, t.Size()))
	if err == nil {
		b.blocks = append(b.blocks, x)
	}
	return x, err
}

// inputs makes inputs 1, 2, … of the given lengths.
func (b *bench) inputs(n ...int) (xs []*block, err error) {
	for i, n := range n {
		x, err := b.input(i+1, n)
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return xs, nil
}

// finish reads the samples' values from out [rows, cols] and compares them with the expected ones.
// If they agree, it times run. The results of one run must not affect the time of the next.
func (b *bench) finish(out *block, t runners.DType, cols int, tolerance float64, run func() error) error {
	b.m.Tolerance = tolerance
	b.m.OK = len(b.m.Samples) > 0
	for i := range b.m.Samples {
		s := &b.m.Samples[i]
		at := out.at(int64(s.Row*cols+s.Col) * int64(t.Size()))
		err := b.o.st.download(b.o.d, at, int64(t.Size()), func(p []byte, _ int64) {
			if b.integers {
				s.Value = float64(int32(binary.LittleEndian.Uint32(p)))
				return
			}
			var v [1]float32
			widen(v[:], p, t)
			s.Value = finite(float64(v[0]))
		})
		if err != nil {
			return err
		}
		e := math.Abs(s.Value-s.want) / (1 + math.Abs(s.want))
		b.m.Error = max(b.m.Error, e)
		b.m.OK = b.m.OK && e <= tolerance
	}
	b.m.Checked = len(b.m.Samples)
	if !b.m.OK {
		return nil
	}
	scratch, err := b.output(b.scratch/4, runners.F32)
	if err != nil {
		return err
	}
	b.m.Millis, err = b.o.times(benchWarmup, benchSamples, func() error {
		return failure("fill memory", cu.MemsetD32Async(scratch.ptr, 0, scratch.bytes/4, b.o.d.stream))
	}, run)
	return err
}

// finite returns x, or the largest float64 if x is not finite, because JSON cannot represent it. No
// check accepts that value.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return math.MaxFloat64
	}
	return x
}

// launch runs the call in o.c.
func (b *bench) launch() error {
	defer b.o.d.bind()()
	return b.o.d.launch(&b.o.c)
}

// sample adds an expected value at a position.
func (b *bench) sample(row, col int, want float64) {
	b.m.Samples = append(b.m.Samples, Sample{Row: row, Col: col, want: want})
}

// spread returns index i of benchChecks indices spread over 0..n-1, including the first and the
// last.
func spread(i, n int) int { return i * (n - 1) / (benchChecks - 1) }

// tolerance returns the tolerance of a float32 sum of numbers near 1 that is rounded to T at the
// end, or steps times during the computation.
func (b *bench) tolerance(steps int) float64 {
	if b.o.t == runners.F32 {
		return 2e-5
	}
	return 2e-5 + float64(steps)*0x1p-8
}

// product measures [rows, in] times b [out, in]ᵀ (inputs 1 and 2), or SwiGLU with b [2 out, in].
// The result is in T, or in float32 for kernels that end in _f32 and _add. _add adds to input 3,
// whose row stride is out rounded up to 16.
func (b *bench) product(kernel string, rows, in, out int) error {
	b.m.Kernel, b.m.Shape = kernel, map[string]int{"rows": rows, "in": in, "out": out}
	n, t := out, b.o.t
	if kernel == "swiglu" {
		n = 2 * out
	}
	wide := strings.HasSuffix(kernel, "_f32") || strings.HasSuffix(kernel, "_add") // the result is float32
	if wide {
		t = runners.F32
	}
	x, err := b.inputs(rows*in, n*in)
	if err != nil {
		return err
	}
	ld := (out + 15) &^ 15
	add := strings.HasSuffix(kernel, "_add")
	var c *block
	if add {
		c, err = b.inputOf(t, 3, rows*ld)
	} else {
		c, err = b.output(rows*ld, t)
	}
	if err != nil {
		return err
	}
	dot := func(r, c int) (sum float64) {
		for i := range in {
			sum += float64(Input(1, r*in+i)) * float64(Input(2, c*in+i))
		}
		return sum
	}
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, out)
		want := dot(r, c)
		if kernel == "swiglu" {
			want = silu(want) * dot(r, out+c)
		}
		if add {
			want += float64(Input(3, r*ld+c))
		}
		b.sample(r, c, want)
	}
	o := b.o
	kind := map[string]gemmKind{"gemm_f32": gemmF32, "gemv_f32": gemmF32, "gemm_add": gemmAdd, "gemv_add": gemmAdd, "swiglu": gemmGLU}[kernel]
	g := gemm{kind: kind, c: c.at(0), a: x[0].at(0), b: x[1].at(0), m: rows, n: out, k: in, ldc: ld, lda: in, ldb: in}
	if rows > gemvRows {
		if err := b.choose(g.size(), g); err != nil {
			return err
		}
	}
	o.viaKernel(&g, b.tile)
	size := float64(o.t.Size())
	b.m.FLOPs = 2 * float64(rows) * float64(in) * float64(n)
	b.m.Bytes = size*(float64(rows*in)+float64(n)*float64(in)) + float64(t.Size())*float64(rows*out)
	if add {
		b.m.Bytes += 4 * float64(rows*out)
	}
	steps := 1
	if wide {
		steps = 0
	}
	return b.launched(c, t, ld, b.tolerance(steps))
}

// choose makes the choice for an operation whose operands exist. The fastest of our kernels is then
// measured.
func (b *bench) choose(size raceSize, x operation) error {
	c, err := b.o.race(size, x)
	if err != nil || len(c.Candidates) == 1 {
		return err
	}
	b.m.Choice = &c
	for i, w := range c.Candidates {
		if ours := b.o.d.blas == nil || w.Name != b.o.d.blas.name; ours && w.Millis > 0 && w.Millis < c.Candidates[b.tile].Millis {
			b.tile = i
		}
	}
	return nil
}

// head returns one head of an input [rows, heads, hd].
func head(seed, row, heads, h, hd int) []float64 {
	v := make([]float64, hd)
	for i := range v {
		v[i] = float64(Input(seed, (row*heads+h)*hd+i))
	}
	return v
}

// benchCap is the bound of bounded scores and logits: small, so that it changes them.
const benchCap = 2

// softmax returns the attention of q over keys and values from..to-1, with scores bounded by limit
// where it is not 0.
func softmax(q []float64, from, to int, limit float64, key, value func(int) []float64) []float64 {
	out, sum, top := make([]float64, len(q)), 0.0, math.Inf(-1)
	scores := make([]float64, to-from)
	for p := from; p < to; p++ {
		for i, v := range key(p) {
			scores[p-from] += v * q[i]
		}
		scores[p-from] /= math.Sqrt(float64(len(q)))
		if limit > 0 {
			scores[p-from] = limit * math.Tanh(scores[p-from]/limit)
		}
		top = max(top, scores[p-from])
	}
	for p := from; p < to; p++ {
		w := math.Exp(scores[p-from] - top)
		sum += w
		for i, v := range value(p) {
			out[i] += w * v
		}
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// attend measures causal attention of rows queries (input 1 [rows, heads, hd]) at positions from
// pos0 on, over the keys up to their own: in a cache [kv_heads, pos0+rows, hd] (inputs 2 and 3,
// values after keys), or, with pos0 = 0, through a window over rows [rows, heads, hd] of inputs 2
// and 3. Scores are bounded by limit where it is not 0.
func (b *bench) attend(rows, pos0, heads, kvHeads, hd, window, limit int) error {
	b.m.Kernel, b.m.Shape = "attend_prefill", map[string]int{"rows": rows, "heads": heads, "kv_heads": kvHeads, "hd": hd}
	if window > 0 {
		b.m.Kernel, b.m.Shape["window"] = "attend_window", window
	}
	if limit > 0 {
		b.m.Kernel, b.m.Shape["cap"] = b.m.Kernel+"_cap", limit
	}
	scores := runners.Scores{Cap: float32(limit)}
	if pos0 > 0 {
		b.m.Shape["pos0"] = pos0
	}
	o, slots := b.o, pos0+rows
	n := kvHeads * slots * hd
	c, err := b.output(rows*heads*hd, o.t)
	if err != nil {
		return err
	}
	q, err := b.input(1, rows*heads*hd)
	if err != nil {
		return err
	}
	ld, ldk := heads*hd, kvHeads*hd
	cacheAt := func(seed int) func(h, p int) []float64 {
		return func(h, p int) []float64 { return head(seed, h*slots+p, 1, 0, hd) }
	}
	if window > 0 {
		k, err := b.input(2, n)
		if err != nil {
			return err
		}
		v, err := b.input(3, n)
		if err != nil {
			return err
		}
		ring, err := b.input(4, 2*kvHeads*window*hd) // not read, because the span begins at position 0
		if err != nil {
			return err
		}
		cacheAt = func(seed int) func(h, p int) []float64 {
			return func(h, p int) []float64 { return head(seed, p, kvHeads, h, hd) }
		}
		o.window(windowed{dst: c.at(0), q: q.at(0), k: k.at(0), v: v.at(0), ldDst: ld, ldQ: ld, ldK: ldk, ldV: ldk, rows: rows, heads: heads, scores: scores,
			cache: &cache{o: o, blk: ring, heads: kvHeads, hd: hd, slots: window, window: window}})
	} else {
		kv, err := b.keysValues(n)
		if err != nil {
			return err
		}
		p := prefill{dst: c.at(0), q: q.at(0), ldDst: ld, ldQ: ld, rows: rows, pos: pos0, heads: heads, scores: scores,
			cache: &cache{o: o, blk: kv, heads: kvHeads, hd: hd, slots: slots, capacity: slots, len: slots}}
		if err := b.choose(p.size(), p); err != nil {
			return err
		}
		o.prefill(&p, b.tile)
	}
	keys, values := cacheAt(2), cacheAt(3)
	pairs := runners.CausalKeys(rows, pos0)
	if window > 0 {
		pairs = runners.WindowKeys(rows, 0, window)
	}
	checks := 1 // instead of benchChecks, because each check reads a long context
	if slots > 64<<10 {
		checks = 4
	}
	for i := 0; i < benchChecks; i += checks {
		r, h := spread(i, rows), i%heads
		from := 0
		if window > 0 {
			from = max(0, r+1-window)
		}
		kh := h / (heads / kvHeads)
		ref := softmax(head(1, r, heads, h, hd), from, pos0+r+1, float64(limit), func(p int) []float64 { return keys(kh, p) }, func(p int) []float64 { return values(kh, p) })
		b.sample(r, h*hd+i%hd, ref[i%hd])
	}
	b.m.FLOPs = 4 * float64(heads*hd) * pairs
	b.m.Bytes = float64(o.t.Size()) * (2*float64(rows*ld) + 2*float64(n))
	return b.launched(c, o.t, ld, b.tolerance(2))
}

// keysValues makes a cache of inputs 2 and 3, n values each.
func (b *bench) keysValues(n int) (*block, error) {
	x, err := b.output(2*n, b.o.t)
	if err != nil {
		return nil, err
	}
	size := b.o.t.Size()
	return x, b.o.st.upload(b.o.d, x.at(0), x.bytes, func(piece []byte, at int64) {
		for i := range len(piece) / size {
			e, seed := int(at)/size+i, 2
			if e >= n {
				e, seed = e-n, 3
			}
			v := Input(seed, e)
			if size == 4 {
				binary.LittleEndian.PutUint32(piece[4*i:], math.Float32bits(v))
			} else {
				binary.LittleEndian.PutUint16(piece[2*i:], runners.BFloat16(v))
			}
		}
	})
}

// decode measures one query per sequence (input 1 [batch, heads, hd], at rotary position 0, so not
// rotated) over depth keys. Every sequence reads its own cache of inputs 2 and 3.
func (b *bench) decode(depth, batch, heads, kvHeads, hd int) error {
	b.m.Kernel, b.m.Shape = "attend_decode", map[string]int{"depth": depth, "batch": batch, "heads": heads, "kv_heads": kvHeads, "hd": hd}
	o, n := b.o, kvHeads*depth*hd
	q, err := b.input(1, batch*heads*hd)
	if err != nil {
		return err
	}
	c, err := b.output(batch*heads*hd, o.t)
	if err != nil {
		return err
	}
	identity, err := b.identityRotation(hd, depth)
	if err != nil {
		return err
	}
	posAt, err := b.pass(batch, func(int) int { return depth - 1 })
	if err != nil {
		return err
	}
	var caches []runners.KV
	for range batch {
		x, err := b.keysValues(n)
		if err != nil {
			return err
		}
		caches = append(caches, &cache{o: o, blk: x, heads: kvHeads, hd: hd, slots: depth, capacity: depth, len: depth})
	}
	o.posAt = posAt
	x, d := mat{q.at(0), heads * hd, heads * hd, o.t}, mat{c.at(0), heads * hd, heads * hd, o.t}
	table, ok := o.table(caches)
	if !ok {
		return o.Sync()
	}
	run := func() error {
		o.decodeOver(table, caches, d, x, heads, kvHeads, hd, identity, runners.Scores{})
		return o.err
	}
	if err := run(); err != nil {
		return err
	}
	for i := range min(benchChecks, 8) {
		s, h := i%batch, (5*i)%heads
		kh := h / (heads / kvHeads)
		at := func(seed int) func(int) []float64 {
			return func(p int) []float64 { return head(seed, kh*depth+p, 1, 0, hd) }
		}
		ref := softmax(head(1, s, heads, h, hd), 0, depth, 0, at(2), at(3))
		b.sample(s, h*hd+(11*i)%hd, ref[(11*i)%hd])
	}
	b.m.FLOPs = 4 * float64(batch*heads*hd) * float64(depth)
	b.m.Bytes = float64(o.t.Size()) * (2*float64(batch)*float64(n) + 2*float64(batch*heads*hd))
	return b.finish(c, o.t, heads*hd, b.tolerance(2), run)
}

// retain measures gated retention of rows (inputs 1 to 5: q, k, v, g and gates; not rotated) from
// an empty state.
func (b *bench) retain(rows, heads, hd int) error {
	b.m.Kernel, b.m.Shape = "retain", map[string]int{"rows": rows, "heads": heads, "hd": hd}
	o, n := b.o, rows*heads*hd
	ldGate := (heads + 15) &^ 15
	xs, err := b.inputs(n, n, n, n, rows*ldGate)
	if err != nil {
		return err
	}
	out, err := b.output(n, o.t)
	if err != nil {
		return err
	}
	st, err := o.newState(heads, hd)
	if err != nil {
		return err
	}
	b.blocks = append(b.blocks, st.blk)
	ld := heads * hd
	m := [6]mat{{out.at(0), ld, ld, o.t}}
	for i, x := range xs {
		m[i+1] = mat{x.at(0), ld, ld, o.t}
	}
	m[5].ld, m[5].cols = ldGate, heads
	o.q.begin(false)
	run := func() error {
		st.Reset()
		for at := 0; at < rows; at += retainRows {
			if !o.retainChunks(m, at, min(retainRows, rows-at), heads, hd, st, benchEps) {
				break
			}
		}
		return o.err
	}
	if err := run(); err != nil {
		return err
	}
	const checked = 600 // the first rows, a few chunks
	h := heads - 1
	S := make([]float64, hd*hd)
	for r := range min(rows, checked) {
		q, k, v, g := head(1, r, heads, h, hd), head(2, r, heads, h, hd), head(3, r, heads, h, hd), head(4, r, heads, h, hd)
		y := step(S, q, k, v, float64(Input(5, r*ldGate+h)))
		if r%(checked/benchChecks) == 0 || r == rows-1 {
			e := r % hd
			b.sample(r, h*hd+e, silu(g[e])*normed(y, e))
		}
	}
	b.m.FLOPs = float64(heads) * runners.RetentionFLOPs(rows, hd, o.chunk())
	b.m.Bytes = float64(o.t.Size()) * (5*float64(n) + float64(rows*heads))
	return b.finish(out, o.t, ld, b.tolerance(4), run)
}
