//go:build cuda

package cuda

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/yocobench/yocobench/runners"
)

// Measurements of the kernels that work row by row.

// Number returns the i-th integer input of a measurement (a token or a target), which is below
// limit.
func Number(i, limit int) int { return i * 40503 % limit }

// numbers makes a block of n 32-bit integers.
func (b *bench) numbers(n int, f func(int) int) (*block, error) {
	x, err := b.output(n, runners.F32)
	if err != nil {
		return nil, err
	}
	return x, b.o.st.upload(b.o.d, x.at(0), x.bytes, func(piece []byte, at int64) {
		for i := range len(piece) / 4 {
			binary.LittleEndian.PutUint32(piece[4*i:], uint32(f(int(at)/4+i)))
		}
	})
}

// angles makes the tables of r for positions below end.
func (b *bench) angles(r *ropeTable, end int) (err error) {
	for _, t := range []struct {
		to      **block
		n, step int
	}{{&r.lo, ropeStep, 1}, {&r.hi, end/ropeStep + 1, ropeStep}} {
		if *t.to, err = b.o.angles(r, t.n, t.step); err != nil {
			return err
		}
		b.blocks = append(b.blocks, *t.to)
	}
	return nil
}

// identityRotation makes rotary tables with zero frequencies for positions below end, which leave
// every head unchanged at every position.
func (b *bench) identityRotation(hd, end int) (*ropeTable, error) {
	r := &ropeTable{spec: runners.Rope{HeadDim: hd, Rotary: runners.Rotary{Theta: benchTheta}}, freq: make([]float64, hd/2)}
	return r, b.angles(r, end)
}

// pass starts a pass of n rows at the given positions, and returns their offset in the arena.
func (b *bench) pass(n int, position func(int) int) (at int, err error) {
	if err := b.o.ar.begin(); err != nil {
		return 0, err
	}
	b.o.q.begin(false)
	at, pos, err := b.o.ar.ints(n)
	if err != nil {
		return 0, err
	}
	for i := range pos {
		pos[i] = int32(position(i))
	}
	return at, b.o.ar.ready()
}

// benchTheta is the base of the rotary positions: pair j of a head is rotated by position x
// benchTheta^(-2j/hd).
const benchTheta = 1e6

// rotation makes rotary tables for positions below end, and a function that rotates a head for a
// position.
func (b *bench) rotation(hd, end int) (*ropeTable, func(x []float64, pos int) []float64, error) {
	r := &ropeTable{spec: runners.Rope{HeadDim: hd, Rotary: runners.Rotary{Theta: benchTheta, Interleaved: true}}}
	for j := range hd / 2 {
		r.freq = append(r.freq, math.Pow(benchTheta, -2*float64(j)/float64(hd)))
	}
	return r, func(x []float64, pos int) []float64 {
		y := slices.Clone(x)
		for j, f := range r.freq {
			s, c := math.Sincos(float64(pos) * f)
			y[2*j], y[2*j+1] = x[2*j]*c-x[2*j+1]*s, x[2*j+1]*c+x[2*j]*s
		}
		return y
	}, b.angles(r, end)
}

// embed measures the embedding of Numbers by a table [vocab, dim] (input 2) times sqrt(dim), in
// float32.
func (b *bench) embed(rows, dim, vocab int) error {
	b.m.Kernel, b.m.Shape = "embed", map[string]int{"rows": rows, "dim": dim, "vocab": vocab}
	table, err := b.input(2, vocab*dim)
	if err != nil {
		return err
	}
	tokens, err := b.numbers(rows, func(i int) int { return Number(i, vocab) })
	if err != nil {
		return err
	}
	out, err := b.output(rows*dim, runners.F32)
	if err != nil {
		return err
	}
	scale := math.Sqrt(float64(dim))
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, dim)
		b.sample(r, c, float64(Input(2, Number(r, vocab)*dim+c))*scale)
	}
	b.o.k.Embed(&b.o.c, out.at(0), table.at(0), tokens.at(0), rows, dim, dim, float32(scale))
	b.m.FLOPs = float64(rows * dim)
	b.m.Bytes = float64(rows*dim) * float64(4+b.o.t.Size())
	return b.launched(out, runners.F32, dim, exact)
}

// exact is the tolerance of a few float32 operations whose result is not rounded to T.
const exact = 1e-6

// launched launches the call in o.c, and calls finish.
func (b *bench) launched(out *block, t runners.DType, cols int, tolerance float64) error {
	if err := b.launch(); err != nil {
		return err
	}
	return b.finish(out, t, cols, tolerance, b.launch)
}

const benchEps = 1e-5

// norm measures RMSNorm of float32 rows (input 1) with a weight (input 2).
func (b *bench) norm(rows, dim int) error {
	b.m.Kernel, b.m.Shape = "rmsnorm", map[string]int{"rows": rows, "dim": dim}
	x, err := b.inputOf(runners.F32, 1, rows*dim)
	if err != nil {
		return err
	}
	w, err := b.inputOf(runners.F32, 2, dim)
	if err != nil {
		return err
	}
	out, err := b.output(rows*dim, b.o.t)
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, dim)
		b.sample(r, c, normed(head(1, r, 1, 0, dim), c)*float64(Input(2, c)))
	}
	b.o.k.Rmsnorm(&b.o.c, out.at(0), x.at(0), w.at(0), rows, dim, dim, dim, benchEps)
	b.m.FLOPs = 4 * float64(rows*dim)
	b.m.Bytes = float64(rows*dim) * float64(4+b.o.t.Size())
	return b.launched(out, b.o.t, dim, b.tolerance(1))
}

// headNorm measures the norm of heads (input 1 [rows, heads, hd]) with a weight (input 2) in place.
// Each run works on the output of the previous one, so the result of the first run is compared.
func (b *bench) headNorm(rows, heads, hd int) error {
	b.m.Kernel, b.m.Shape = "head_norm", map[string]int{"rows": rows, "heads": heads, "hd": hd}
	x, err := b.input(1, rows*heads*hd)
	if err != nil {
		return err
	}
	w, err := b.inputOf(runners.F32, 2, hd)
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, h, e := spread(i, rows), i%heads, (11*i)%hd
		b.sample(r, h*hd+e, normed(head(1, r, heads, h, hd), e)*float64(Input(2, e)))
	}
	b.o.k.HeadNorm(&b.o.c, 0, x.at(0), w.at(0), rows, heads, hd, heads*hd, benchEps)
	b.m.FLOPs = 4 * float64(rows*heads*hd)
	b.m.Bytes = 2 * float64(rows*heads*hd) * float64(b.o.t.Size())
	return b.launched(x, b.o.t, heads*hd, b.tolerance(1))
}

// addNorm measures adding the norm of rows (input 1) with a weight (input 2) to float32 rows (input
// 3). What is compared is of the first run.
func (b *bench) addNorm(rows, dim int) error {
	b.m.Kernel, b.m.Shape = "add_norm", map[string]int{"rows": rows, "dim": dim}
	x, err := b.input(1, rows*dim)
	if err != nil {
		return err
	}
	w, err := b.inputOf(runners.F32, 2, dim)
	if err != nil {
		return err
	}
	dst, err := b.inputOf(runners.F32, 3, rows*dim)
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, dim)
		b.sample(r, c, float64(Input(3, r*dim+c))+normed(head(1, r, 1, 0, dim), c)*float64(Input(2, c)))
	}
	b.o.k.AddNorm(&b.o.c, dst.at(0), x.at(0), w.at(0), rows, dim, dim, dim, benchEps)
	b.m.FLOPs = 5 * float64(rows*dim)
	b.m.Bytes = float64(rows*dim) * float64(8+b.o.t.Size())
	return b.launched(dst, runners.F32, dim, b.tolerance(0))
}

// addBias measures adding a vector (input 2) to rows (input 1) in place. What is compared is of the
// first run.
func (b *bench) addBias(rows, cols int) error {
	b.m.Kernel, b.m.Shape = "add_bias", map[string]int{"rows": rows, "cols": cols}
	x, err := b.input(1, rows*cols)
	if err != nil {
		return err
	}
	bias, err := b.inputOf(runners.F32, 2, cols)
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, cols)
		b.sample(r, c, float64(Input(1, r*cols+c))+float64(Input(2, c)))
	}
	b.o.k.AddBias(&b.o.c, x.at(0), bias.at(0), rows, cols, cols)
	b.m.FLOPs = float64(rows * cols)
	b.m.Bytes = 2 * float64(rows*cols) * float64(b.o.t.Size())
	return b.launched(x, b.o.t, cols, b.tolerance(1))
}

// copied measures copying float32 rows (input 1) to rows of T.
func (b *bench) copied(rows, cols int) error {
	b.m.Kernel, b.m.Shape = "copy", map[string]int{"rows": rows, "cols": cols}
	x, err := b.inputOf(runners.F32, 1, rows*cols)
	if err != nil {
		return err
	}
	out, err := b.output(rows*cols, b.o.t)
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, cols)
		b.sample(r, c, float64(Input(1, r*cols+c)))
	}
	b.o.k.Copy(&b.o.c, out.at(0), x.at(0), rows, cols, cols, cols)
	b.m.Bytes = float64(rows*cols) * float64(4+b.o.t.Size())
	return b.launched(out, b.o.t, cols, b.tolerance(1))
}

// softCap measures bounding float32 rows (input 1) by benchCap in place. What is compared is of the
// first run.
func (b *bench) softCap(rows, cols int) error {
	b.m.Kernel, b.m.Shape = "soft_cap", map[string]int{"rows": rows, "cols": cols, "cap": benchCap}
	x, err := b.inputOf(runners.F32, 1, rows*cols)
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, c := spread(i, rows), spread((7*i)%benchChecks, cols)
		b.sample(r, c, benchCap*math.Tanh(float64(Input(1, r*cols+c))/benchCap))
	}
	b.o.k.SoftCap(&b.o.c, x.at(0), rows, cols, cols, benchCap)
	b.m.FLOPs = 6 * float64(rows*cols)
	b.m.Bytes = 8 * float64(rows*cols)
	return b.launched(x, runners.F32, cols, b.tolerance(0))
}

// normed returns element i of x divided by the root mean square of x.
func normed(x []float64, i int) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return x[i] / math.Sqrt(sum/float64(len(x))+benchEps)
}

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }

// step computes one step of gated retention with the gate's logit z: it updates the state S [hd,
// hd] and returns q S.
func step(S, q, k, v []float64, z float64) []float64 {
	hd := len(q)
	gamma := math.Exp((math.Min(z, 0) - math.Log1p(math.Exp(-math.Abs(z)))) / runners.GateNormalizer)
	y := make([]float64, hd)
	for a := range hd {
		for e := range hd {
			S[a*hd+e] = gamma*S[a*hd+e] + k[a]*v[e]/math.Sqrt(float64(hd))
			y[e] += S[a*hd+e] * q[a]
		}
	}
	return y
}

// rope measures the rotation of heads (input 1 [rows, heads, hd]) in place, at the last rows
// positions before end. Every run rotates them further, so the result of the first run is compared.
func (b *bench) rope(rows, heads, hd, end int) error {
	b.m.Kernel, b.m.Shape = "rope", map[string]int{"rows": rows, "heads": heads, "hd": hd, "end": end}
	x, err := b.input(1, rows*heads*hd)
	if err != nil {
		return err
	}
	table, turn, err := b.rotation(hd, end)
	if err != nil {
		return err
	}
	pos, err := b.pass(rows, func(i int) int { return end - rows + i })
	if err != nil {
		return err
	}
	for i := range benchChecks {
		r, h := spread(i, rows), i%heads
		e := (11 * i) % hd
		b.sample(r, h*hd+e, turn(head(1, r, heads, h, hd), end-rows+r)[e])
	}
	b.o.k.Rope(&b.o.c, hd, true, x.at(0), table.lo.at(0), table.hi.at(0), b.o.ar.at(pos), rows, heads, hd, heads*hd)
	b.m.FLOPs = 3 * float64(rows*heads*hd)
	b.m.Bytes = 2 * float64(rows*heads*hd) * float64(b.o.t.Size())
	return b.launched(x, b.o.t, heads*hd, b.tolerance(1))
}

// ropeStore measures writing rotated keys and values (inputs 1 and 2 [rows, heads, hd]) of
// positions 0..rows-1 to a cache [2 heads, rows, hd].
func (b *bench) ropeStore(rows, heads, hd int) error {
	b.m.Kernel, b.m.Shape = "rope_store", map[string]int{"rows": rows, "kv_heads": heads, "hd": hd}
	n, o := rows*heads*hd, b.o
	x, err := b.inputs(n, n)
	if err != nil {
		return err
	}
	cacheBlock, err := b.output(2*n, o.t)
	if err != nil {
		return err
	}
	table, turn, err := b.rotation(hd, rows)
	if err != nil {
		return err
	}
	pos, err := b.pass(rows, func(i int) int { return i })
	if err != nil {
		return err
	}
	seq, err := b.numbers(rows, func(int) int { return 0 })
	if err != nil {
		return err
	}
	caches, ok := o.table([]runners.KV{&cache{o: o, blk: cacheBlock, heads: heads, hd: hd, slots: rows, capacity: rows}})
	if !ok {
		return o.Sync()
	}
	for i := range benchChecks {
		h, p, e := i%(2*heads), spread(i, rows), (11*i)%hd
		want := float64(Input(2, (p*heads+h%heads)*hd+e))
		if h < heads {
			want = turn(head(1, p, heads, h, hd), p)[e]
		}
		b.sample(h*rows+p, e, want)
	}
	o.k.RopeStore(&o.c, hd, true, caches, x[0].at(0), x[1].at(0), table.lo.at(0), table.hi.at(0), o.ar.at(pos), seq.at(0), rows, heads, hd, heads*hd, heads*hd, 1)
	b.m.FLOPs = 3 * float64(n)
	b.m.Bytes = 4 * float64(n) * float64(o.t.Size())
	return b.launched(cacheBlock, o.t, hd, b.tolerance(1))
}

// logitScale divides the input of logprobs, so that the logits are near zero and every one
// contributes to the sum.
const logitScale = 32

// logprobs measures the log-probabilities of Numbers after rows (input 1 [rows, dim] divided by
// logitScale) times the output matrix (input 2 [vocab, dim]).
func (b *bench) logprobs(rows, dim, vocab int) error {
	b.m.Kernel, b.m.Shape = "logprobs", map[string]int{"rows": rows, "dim": dim, "vocab": vocab}
	x, err := b.fill(b.o.t, rows*dim, func(i int) float32 { return Input(1, i) / logitScale })
	if err != nil {
		return err
	}
	w, err := b.input(2, vocab*dim)
	if err != nil {
		return err
	}
	targets, err := b.numbers(rows, func(i int) int { return Number(i, vocab) })
	if err != nil {
		return err
	}
	o := b.o
	splits := o.k.LogprobsSplits(rows, vocab, o.d.info.Multiprocessors)
	part, err := b.output(rows*splits*3, runners.F32)
	if err != nil {
		return err
	}
	out, err := b.output(rows, runners.F32)
	if err != nil {
		return err
	}
	// Only two rows, because each needs the whole matrix.
	for _, r := range []int{0, rows - 1} {
		row, logits := head(1, r, 1, 0, dim), make([]float64, vocab)
		for v := range logits {
			for i, a := range row {
				logits[v] += a / logitScale * float64(Input(2, v*dim+i))
			}
		}
		top, sum := slices.Max(logits), 0.0
		for _, l := range logits {
			sum += math.Exp(l - top)
		}
		b.sample(r, 0, logits[Number(r, vocab)]-top-math.Log(sum))
	}
	run := func() error {
		o.k.Logprobs(&o.c, part.at(0), x.at(0), w.at(0), targets.at(0), rows, vocab, dim, dim, dim, splits, 0)
		if err := b.launch(); err != nil {
			return err
		}
		o.k.LogprobsReduce(&o.c, out.at(0), part.at(0), rows, splits)
		return b.launch()
	}
	if err := run(); err != nil {
		return err
	}
	b.m.FLOPs = 2 * float64(rows) * float64(dim) * float64(vocab)
	b.m.Bytes = float64(o.t.Size())*(float64(rows*dim)+float64(vocab)*float64(dim)) + 4*float64(rows)
	return b.finish(out, runners.F32, 1, b.tolerance(0), run)
}

// argmax measures the index of the largest value of each row (inputs 1 + 2/256 [rows, n], float32),
// the lowest if several are equal.
func (b *bench) argmax(rows, n int) error {
	b.m.Kernel, b.m.Shape = "argmax", map[string]int{"rows": rows, "n": n}
	value := func(i int) float32 { return Input(1, i) + Input(2, i)/256 }
	x, err := b.fill(runners.F32, rows*n, value)
	if err != nil {
		return err
	}
	out, err := b.output(rows, runners.F32)
	if err != nil {
		return err
	}
	for r := range rows {
		best := 0
		for i := range n {
			if value(r*n+i) > value(r*n+best) {
				best = i
			}
		}
		b.sample(r, 0, float64(best))
	}
	b.m.FLOPs = float64(rows * n)
	b.m.Bytes = 4 * float64(rows*n)
	b.integers = true
	b.o.k.Argmax(&b.o.c, out.at(0), x.at(0), rows, n, n)
	return b.launched(out, runners.F32, 1, 0)
}

// retainStep measures a step of gated retention of a batch (inputs 1 to 5: q, k, v, g and gates;
// not rotated). Each sequence has its own state (input 6 divided by 16, which is about as large as
// what the step adds). The result of the first step is compared.
func (b *bench) retainStep(batch, heads, hd int) error {
	b.m.Kernel, b.m.Shape = "retain_step", map[string]int{"batch": batch, "heads": heads, "hd": hd}
	o, n, ldGate := b.o, batch*heads*hd, (heads+15)&^15
	x, err := b.inputs(n, n, n, n, batch*ldGate)
	if err != nil {
		return err
	}
	out, err := b.output(n, o.t)
	if err != nil {
		return err
	}
	identity, err := b.identityRotation(hd, 1)
	if err != nil {
		return err
	}
	pos, err := b.pass(batch, func(int) int { return 0 })
	if err != nil {
		return err
	}
	at, words, err := o.ar.words(batch)
	if err != nil {
		return err
	}
	for i := range words {
		st, err := b.fill(runners.F32, heads*hd*hd, func(i int) float32 { return Input(6, i) / 16 })
		if err != nil {
			return err
		}
		words[i] = st.at(0)
	}
	if err := o.ar.ready(); err != nil {
		return err
	}
	for i := range benchChecks {
		r, h := i%batch, (5*i)%heads
		q, k, v, g := head(1, r, heads, h, hd), head(2, r, heads, h, hd), head(3, r, heads, h, hd), head(4, r, heads, h, hd)
		S := head(6, h, 1, 0, hd*hd)
		for j := range S {
			S[j] /= 16
		}
		y := step(S, q, k, v, float64(Input(5, r*ldGate+h)))
		e := (11 * i) % hd
		b.sample(r, h*hd+e, silu(g[e])*normed(y, e))
	}
	ld := heads * hd
	o.k.RetainStep(&o.c, hd, false, out.at(0), x[0].at(0), x[1].at(0), x[2].at(0), x[3].at(0), x[4].at(0), o.ar.at(at), identity.lo.at(0), identity.hi.at(0), o.ar.at(pos),
		batch, heads, hd, ld, ld, ld, ld, ld, ldGate, benchEps)
	b.m.FLOPs = 5 * float64(batch*heads*hd*hd)
	b.m.Bytes = 8*float64(batch*heads*hd*hd) + 5*float64(n)*float64(o.t.Size())
	return b.launched(out, o.t, ld, b.tolerance(1))
}
