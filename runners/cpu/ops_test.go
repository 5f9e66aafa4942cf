package cpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// fastest says whether a tier is the one that this machine would choose: short runs
// (those under the race detector) test it alone, for who writes what does not depend on the tier.
func fastest(tier string) bool {
	for _, k := range cpu.Tiers() {
		if k.Available() {
			return k.Name == tier
		}
	}
	return false
}

// eachTier runs f for every tier that this machine has, with float32 and with bfloat16 weights and
// caches.
func eachTier(t *testing.T, f func(t *testing.T, opts runners.Options)) {
	for _, k := range cpu.Tiers() {
		for _, d := range []runners.DType{runners.F32, runners.BF16} {
			t.Run(k.Name+"/"+d.String(), func(t *testing.T) {
				if !k.Available() {
					t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
				}
				if testing.Short() && !fastest(k.Name) {
					t.Skip("-short: the fastest tier alone")
				}
				f(t, runners.Options{Tier: k.Name, Weights: d, KV: d, Threads: 2})
			})
		}
	}
}

// openTest opens poisoned ops; at the end of the test nothing may be held.
func openTest(t testing.TB, opts runners.Options) *ops {
	o, err := open(opts)
	if err != nil {
		t.Fatal(err)
	}
	o.pool.poison = true
	t.Cleanup(func() {
		o.Close()
		if n := o.Usage().Total(); n != 0 {
			t.Errorf("%d bytes are held after Close: %+v", n, o.Usage())
		}
	})
	return o
}

// host is a matrix on the host.
type host struct {
	rows, cols int
	v          []float64
}

func (h host) at(r, c int) float64 { return h.v[r*h.cols+c] }

func randomHost(r *rand.Rand, rows, cols int, sd float64) host {
	h := host{rows, cols, make([]float64, rows*cols)}
	for i := range h.v {
		h.v[i] = float64(float32(r.NormFloat64() * sd))
	}
	return h
}

// upload puts h into a buffer wider than it, at column col.
func upload(t testing.TB, o *ops, h host, col int) (runners.Mat, func()) {
	b, err := o.Buffer(runners.Inner, h.rows, h.cols+col+3)
	if err != nil {
		t.Fatal(err)
	}
	m := runners.Mat{Buf: b, Col: col, Cols: h.cols}
	set(o, m, h)
	return m, b.Close
}

func set(o *ops, m runners.Mat, h host) {
	d, _ := o.mat(m, h.rows, "set")
	for r := range h.rows {
		for c := range h.cols {
			*d.at(r, c) = float32(h.at(r, c))
		}
	}
}

func download(t testing.TB, o *ops, m runners.Mat, rows int) host {
	h := host{rows, m.Cols, nil}
	dst := make([][]float32, rows)
	for r := range dst {
		dst[r] = make([]float32, m.Cols)
	}
	if err := o.Read(m, dst); err != nil {
		t.Fatal(err)
	}
	for _, d := range dst {
		for _, v := range d {
			h.v = append(h.v, float64(v))
		}
	}
	return h
}

// compare fails unless every |got - want| <= tol x (1 + |want|).
func compare(t testing.TB, what string, got, want host, tol float64) {
	t.Helper()
	for i := range want.v {
		if !(math.Abs(got.v[i]-want.v[i]) <= tol*(1+math.Abs(want.v[i]))) {
			t.Fatalf("%s: (%d,%d) is %g, want %g within %g", what, i/want.cols, i%want.cols, got.v[i], want.v[i], tol)
		}
	}
}

func tensorOf(h host) runners.Tensor {
	var b []byte
	for _, v := range h.v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return runners.Tensor{Name: "test", Shape: []int{h.rows, h.cols}, Data: b}
}

// rounded is h as bfloat16 would hold it, if opts say so.
func rounded(h host, d runners.DType) host {
	if d != runners.BF16 {
		return h
	}
	g := host{h.rows, h.cols, slices.Clone(h.v)}
	for i, v := range g.v {
		g.v[i] = float64(cpu.Widen16(cpu.BF16(float32(v))))
	}
	return g
}

// timesT is a bᵀ.
func timesT(a, b host) host {
	c := host{a.rows, b.rows, make([]float64, a.rows*b.rows)}
	for i := range a.rows {
		for j := range b.rows {
			for k := range a.cols {
				c.v[i*b.rows+j] += a.at(i, k) * b.at(j, k)
			}
		}
	}
	return c
}

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }

// dot reports whether products with bfloat16 are computed in bfloat16.
func dot(o *ops) bool { return o.k.Dot != nil && o.opts.Weights == runners.BF16 }

func TestLinear(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		r := rand.New(rand.NewPCG(1, 1))
		for _, sh := range [][3]int{{1, 1, 1}, {1, 64, 97}, {3, 65, 64}, {2, 63, 33}, {13, 130, 65}, {64, 16, 3}, {97, 1100, 70}, {500, 40, 129}, {5, 1027, 31},
			{20, 33, 5}, {101, 1030, 260}} { // the last with weights of more than chainBytes in either type
			rows, in, out := sh[0], sh[1], sh[2]
			x, w1, w2 := randomHost(r, rows, in, 1), randomHost(r, out, in, 1/math.Sqrt(float64(in))), randomHost(r, out+5, in, 1/math.Sqrt(float64(in)))
			w3 := randomHost(r, out, in, 1/math.Sqrt(float64(in)))
			stack, err := o.Weight(tensorOf(w1), tensorOf(w2))
			if err != nil {
				t.Fatal(err)
			}
			gated, err := o.Weight(tensorOf(w1), tensorOf(w3))
			if err != nil {
				t.Fatal(err)
			}
			ref := x
			if dot(o) && in%2 == 0 {
				ref = rounded(x, runners.BF16)
			}
			w1, w2, w3 = rounded(w1, opts.Weights), rounded(w2, opts.Weights), rounded(w3, opts.Weights)
			y1, y2, y3 := timesT(ref, w1), timesT(ref, w2), timesT(ref, w3)
			xm, done1 := upload(t, o, x, 5)
			base := randomHost(r, rows, 2*out+5, 1)
			ym, done2 := upload(t, o, base, 2)
			want := host{rows, 2*out + 5, nil}
			for i := range rows {
				want.v = append(append(want.v, y1.v[i*out:(i+1)*out]...), y2.v[i*(out+5):(i+1)*(out+5)]...)
			}
			name := fmt.Sprintf("%dx%dx%d", rows, in, out)
			o.LinearAdd(rows, ym, xm, stack)
			sum := host{rows, want.cols, slices.Clone(want.v)}
			for i := range sum.v {
				sum.v[i] += base.v[i]
			}
			compare(t, name+" LinearAdd", download(t, o, ym, rows), sum, 4e-6)
			o.Linear(rows, ym, xm, stack)
			compare(t, name+" Linear", download(t, o, ym, rows), want, 4e-6)
			gm := runners.Mat{Buf: ym.Buf, Col: 1, Cols: out}
			o.SwiGLU(rows, gm, xm, gated)
			for i := range y1.v {
				y1.v[i] = silu(y1.v[i]) * y3.v[i]
			}
			compare(t, name+" SwiGLU", download(t, o, gm, rows), y1, 4e-6)

			targets, probs := make([]int, rows), make([]float32, rows)
			for i := range targets {
				targets[i] = r.IntN(2*out + 5)
			}
			if err := o.LogProbs(xm, stack, targets, probs); err != nil {
				t.Fatal(err)
			}
			got, lp := host{1, rows, nil}, host{1, rows, nil}
			for i, p := range probs {
				s := 0.0
				for _, v := range want.v[i*want.cols : (i+1)*want.cols] {
					s += math.Exp(v)
				}
				got.v, lp.v = append(got.v, float64(p)), append(lp.v, want.at(i, targets[i])-math.Log(s))
			}
			compare(t, name+" LogProbs", got, lp, 4e-6)
			done1()
			done2()
		}
		if err := o.Sync(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRows(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		r := rand.New(rand.NewPCG(2, 2))
		for _, sh := range [][2]int{{1, 2}, {3, 63}, {65, 64}, {500, 130}} {
			rows, n := sh[0], sh[1]
			x, w := randomHost(r, rows, n, 1), randomHost(r, 1, n, 1)
			wt := tensorOf(w)
			wt.Shape = []int{n}
			norm, err := o.Weight(wt)
			if err != nil {
				t.Fatal(err)
			}
			xm, done := upload(t, o, x, 1)
			want := host{rows, n, nil}
			for i := range rows {
				s := 0.0
				for c := range n {
					s += x.at(i, c) * x.at(i, c)
				}
				for c := range n {
					want.v = append(want.v, x.at(i, c)/math.Sqrt(s/float64(n)+0.01)*w.v[c])
				}
			}
			o.RMSNorm(rows, xm, xm, norm, 0.01)
			compare(t, "RMSNorm", download(t, o, xm, rows), want, 2e-6)

			table := randomHost(r, 50, n, 1)
			tw, err := o.Weight(tensorOf(table))
			if err != nil {
				t.Fatal(err)
			}
			tokens := make([]int, rows)
			for i := range tokens {
				tokens[i] = r.IntN(50)
			}
			o.Embed(xm, tw, tokens, 2)
			table = rounded(table, opts.Weights)
			for i, k := range tokens {
				for c := range n {
					want.v[i*n+c] = 2 * table.at(k, c)
				}
			}
			compare(t, "Embed", download(t, o, xm, rows), want, 0)
			done()
		}
	})
}

// rotated is row r of x, head h, at a position.
func rotated(x host, r, h int, spec runners.Rope, pos int) []float64 {
	hd := spec.HeadDim
	v := slices.Clone(x.v[r*x.cols+h*hd : r*x.cols+(h+1)*hd])
	for j := range hd / 2 {
		e := 2 * float64(j) / float64(hd)
		if spec.EndPoint {
			e = float64(j) / float64(hd/2-1)
		}
		s, c := math.Sincos(float64(pos) * math.Pow(spec.Theta, -e))
		a, b := j, j+hd/2
		if spec.Interleaved {
			a, b = 2*j, 2*j+1
		}
		v[a], v[b] = v[a]*c-v[b]*s, v[b]*c+v[a]*s
	}
	return v
}

// turned is rotated as the runner computes it, held against float64: which way a
// value rounds to bfloat16 hangs on its last bit.
func turned(t *testing.T, o *ops, table *ropeTable, x host, r, h int, pos int) (v []float64) {
	hd := table.spec.HeadDim
	f := make([]float32, hd)
	for d := range f {
		f[d] = float32(x.at(r, h*hd+d))
	}
	o.rotateHeads(table, r, 1, &f[0], 1)
	for _, y := range f {
		v = append(v, float64(y))
	}
	compare(t, "rotated key", host{1, hd, v}, host{1, hd, rotated(x, r, h, table.spec, pos)}, 1e-6)
	return v
}

// reference attention over all keys and values of the past, window 0 for none.
func attention(q [][]float64, keys, values func(pos int) []float64, pos, window int) [][]float64 {
	from := 0
	if window > 0 {
		from = max(0, pos-window+1)
	}
	var out [][]float64
	for _, x := range q {
		o, sum, best := make([]float64, len(x)), 0.0, math.Inf(-1)
		var s []float64
		for p := from; p <= pos; p++ {
			d := 0.0
			for i, v := range keys(p) {
				d += v * x[i]
			}
			s = append(s, d/math.Sqrt(float64(len(x))))
			best = max(best, s[len(s)-1])
		}
		for i, v := range s {
			w := math.Exp(v - best)
			sum += w
			for d, y := range values(from + i) {
				o[d] += w * y
			}
		}
		for d := range o {
			o[d] /= sum
		}
		out = append(out, o)
	}
	return out
}

// past is what a test keeps of a sequence: rotated keys and values by position, [heads x hd] each.
type past struct{ k, v [][]float64 }

// attentionCase is a sequence of passes over two sequences: the rows that each gets.
type attentionCase struct {
	heads, kvHeads, hd, window int
	spec                       runners.Rope
	passes                     [][2]int
}

func TestAttention(t *testing.T) {
	yoco := runners.Rope{Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}}
	plain := runners.Rope{Rotary: runners.Rotary{Theta: 1e4}}
	cases := []attentionCase{
		{4, 2, 16, 0, yoco, [][2]int{{1, 3}, {63, 0}, {64, 65}, {1, 1}, {500, 2}, {1, 1}}},
		{3, 1, 64, 0, plain, [][2]int{{130, 1}, {1, 40}, {7, 300}, {1, 1}, {1, 700}, {1, 1}}},
		{2, 2, 6, 0, plain, [][2]int{{3, 33}, {40, 1}, {1, 1}}},
		{6, 2, 40, 0, yoco, [][2]int{{100, 5}, {1, 1}, {29, 30}}},
		{2, 2, 128, 0, plain, [][2]int{{65, 5}, {1, 1}}},
		{4, 4, 16, 16, yoco, [][2]int{{1, 5}, {15, 20}, {1, 1}, {3, 100}, {63, 1}, {4, 4}, {300, 1}}},
		{2, 2, 8, 1, yoco, [][2]int{{9, 1}, {1, 1}, {2, 33}}},
		{2, 2, 64, 200, plain, [][2]int{{130, 65}, {1, 1}, {500, 3}, {1, 1}, {64, 64}}},
		{1, 1, 10, 1000, plain, [][2]int{{3, 70}, {1, 1}, {80, 0}}},
		{6, 2, 16, 16, plain, [][2]int{{1, 5}, {15, 20}, {1, 1}, {3, 100}, {63, 1}, {4, 4}, {300, 1}}},
		{4, 1, 10, 40, yoco, [][2]int{{9, 1}, {1, 1}, {2, 53}, {1, 1}}},
		{32, 16, 4, 0, plain, [][2]int{{800, 1}, {1, 1}}}, // enough heads for splits of twice the least length
	}
	eachTier(t, func(t *testing.T, opts runners.Options) {
		for i, c := range cases {
			t.Run(fmt.Sprint(i), func(t *testing.T) { testAttention(t, opts, c) })
		}
	})
}

// TestSplitKeys: every split is whole tiles, and there are enough of them or they are as short as
// can be.
func TestSplitKeys(t *testing.T) {
	for _, heads := range []int{1, 2, 3, 9, 32} {
		for _, keys := range []int{1, 511, 512, 4096, 4097, 1 << 15, 1 << 20} {
			n := splitKeys(heads, keys)
			if n%cpu.MaxNR != 0 || n < minSplit || n > maxSplit || n > minSplit && heads*keys/n < splitTasks {
				t.Errorf("%d heads, %d keys: splits of %d", heads, keys, n)
			}
		}
	}
	if n := splitKeys(3, 4096); n != 1024 {
		t.Errorf("3 heads, 4096 keys: splits of %d, want 1024", n)
	}
}

func testAttention(t *testing.T, opts runners.Options, c attentionCase) {
	o := openTest(t, opts)
	r := rand.New(rand.NewPCG(3, uint64(c.hd)))
	c.spec.HeadDim = c.hd
	rope := o.Rope(c.spec)
	var open []interface{ Close() }
	t.Cleanup(func() {
		for _, x := range open {
			x.Close()
		}
	})
	var kv []runners.KV
	var total [2]int
	for i := range 2 {
		for _, p := range c.passes {
			total[i] += p[i]
		}
		x, err := o.GlobalKV(c.kvHeads, c.hd, total[i])
		if c.window > 0 {
			x.Close()
			x, err = o.WindowKV(c.kvHeads, c.hd, c.window, total[i])
		}
		if err != nil {
			t.Fatal(err)
		}
		kv, open = append(kv, x), append(open, x)
	}
	tol := 5e-6
	if opts.KV == runners.BF16 && o.k.Dot != nil {
		// Queries and probabilities are rounded to 8 bits: a score is the sum of hd
		// products of values near 1 over the root of hd, so it is off by some 2^-9,
		// at worst by a few times that, and so is what it weighs.
		tol = 2e-2
	}
	var seqs [2]past
	var want int64
	o.ResetCounts()
	for _, pass := range c.passes {
		b := &runners.Batch{}
		var caches []runners.KV
		var who []int
		for i, n := range pass {
			if n > 0 {
				b.Spans = append(b.Spans, runners.Span{Row: b.Rows, Len: n, Pos: len(seqs[i].k)})
				b.Rows += n
				caches, who = append(caches, kv[i]), append(who, i)
			}
		}
		q := randomHost(r, b.Rows, c.heads*c.hd, 1)
		k := randomHost(r, b.Rows, c.kvHeads*c.hd, 1)
		v := randomHost(r, b.Rows, c.kvHeads*c.hd, 1)
		qm, done1 := upload(t, o, q, 0)
		km, done2 := upload(t, o, k, 7)
		vm, done3 := upload(t, o, v, 2)
		open = append(open, qm.Buf, km.Buf, vm.Buf)
		o.Begin(b)
		table, ok := o.rope(rope)
		if !ok {
			t.Fatal(o.Sync())
		}
		if c.window > 0 {
			o.AttendWindow(b, runners.Windowed{Dst: qm, Q: qm, K: km, V: vm, Heads: c.heads, KV: caches, Rope: rope})
		} else {
			o.AppendKV(b, caches, km, vm, rope)
			o.Attend(b, qm, qm, c.heads, caches, rope)
		}
		got := download(t, o, qm, b.Rows)
		for s, span := range b.Spans {
			sq := &seqs[who[s]]
			for x := range span.Len {
				var kr, vr []float64
				for h := range c.kvHeads {
					kr = append(kr, turned(t, o, table, k, span.Row+x, h, span.Pos+x)...)
					vr = append(vr, v.v[(span.Row+x)*v.cols+h*c.hd:(span.Row+x)*v.cols+(h+1)*c.hd]...)
				}
				sq.k = append(sq.k, rounded(host{1, len(kr), kr}, opts.KV).v)
				sq.v = append(sq.v, rounded(host{1, len(vr), vr}, opts.KV).v)
			}
			for x := range span.Len {
				pos := span.Pos + x
				visible := pos + 1
				if c.window > 0 {
					visible = min(visible, c.window)
				}
				want += int64(4 * c.heads * c.hd * visible)
				for h := range c.heads {
					g := h / (c.heads / c.kvHeads)
					part := func(m [][]float64) func(int) []float64 {
						return func(p int) []float64 { return m[p][g*c.hd : (g+1)*c.hd] }
					}
					ref := attention([][]float64{rotated(q, span.Row+x, h, c.spec, pos)}, part(sq.k), part(sq.v), pos, c.window)[0]
					row := host{1, c.hd, got.v[(span.Row+x)*got.cols+h*c.hd : (span.Row+x)*got.cols+(h+1)*c.hd]}
					compare(t, fmt.Sprintf("rows %v, position %d, head %d", pass, pos, h), row, host{1, c.hd, ref}, tol)
				}
			}
		}
		done1()
		done2()
		done3()
	}
	if got := o.Counts().FLOPs[runners.PartLayers]; got != want {
		t.Errorf("counted %d FLOP, want %d", got, want)
	}
	for i, sq := range seqs {
		from := 0
		if c.window > 0 {
			from = max(0, len(sq.k)-c.window)
		}
		check := func(what string, x runners.KV, to int) {
			kr, vr, err := x.Read(from, to-from)
			if err != nil {
				t.Fatal(err)
			}
			for p := from; p < to; p++ {
				for d := range sq.k[p] {
					at := (p-from)*len(sq.k[p]) + d
					if float64(kr[at]) != sq.k[p][d] || float64(vr[at]) != sq.v[p][d] {
						t.Fatalf("%s %d: position %d, %d: key %g value %g, want %g %g", what, i, p, d, kr[at], vr[at], sq.k[p][d], sq.v[p][d])
					}
				}
			}
		}
		check("cache", kv[i], len(sq.k))
		n := len(sq.k)
		if c.window == 0 {
			n = n*2/3 + 1
		}
		f, err := kv[i].Fork(n)
		if err != nil {
			t.Fatal(err)
		}
		check("fork", f, n)
		f.Close()
	}
}

// retainCase is a sequence of passes over two sequences: the rows that each gets.
type retainCase struct {
	heads, hd int
	gate      float64 // mean of the gate
	passes    [][2]int
}

func TestRetain(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		for _, c := range []retainCase{
			{2, 32, 0, [][2]int{{1, 3}, {63, 64}, {65, 1}, {1, 1}, {500, 2}, {1, 1}}},
			{1, 64, 40, [][2]int{{130, 1}, {64, 128}}},
			{3, 10, -12, [][2]int{{7, 100}, {1, 1}, {200, 0}}},
			{2, 8, -1000, [][2]int{{70, 3}, {1, 1}}},
			{1, 256, 3, [][2]int{{70, 1}, {1, 65}}},
		} {
			testRetain(t, opts, c)
		}
	})
}

func testRetain(t *testing.T, opts runners.Options, c retainCase) {
	o := openTest(t, opts)
	r := rand.New(rand.NewPCG(4, uint64(c.hd)))
	spec := runners.Rope{HeadDim: c.hd, Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}}
	rope := o.Rope(spec)
	var st []runners.State
	var ref [2][][]float64 // [head][hd x hd]
	var pos [2]int
	for i := range 2 {
		s, err := o.State(c.heads, c.hd)
		if err != nil {
			t.Fatal(err)
		}
		st = append(st, s)
		for range c.heads {
			ref[i] = append(ref[i], make([]float64, c.hd*c.hd))
		}
	}
	for _, pass := range c.passes {
		b := &runners.Batch{}
		var states []runners.State
		var who []int
		for i, n := range pass {
			if n > 0 {
				b.Spans = append(b.Spans, runners.Span{Row: b.Rows, Len: n, Pos: pos[i]})
				b.Rows += n
				pos[i] += n
				states, who = append(states, st[i]), append(who, i)
			}
		}
		d := c.heads * c.hd
		var m [5]runners.Mat
		var h [5]host
		for i := range m {
			cols, sd := d, 1.0
			if i == 4 {
				cols, sd = c.heads, 3
			}
			h[i] = randomHost(r, b.Rows, cols, sd)
			if i == 4 {
				for x := range h[i].v {
					h[i].v[x] = float64(float32(h[i].v[x] + c.gate))
				}
			}
			var done func()
			m[i], done = upload(t, o, h[i], i)
			defer done()
		}
		q, k, v, g, gate := h[0], h[1], h[2], h[3], h[4]
		o.Begin(b)
		o.Retain(b, runners.Retained{Dst: m[0], Q: m[0], K: m[1], V: m[2], Gate: m[3], Decay: m[4], Heads: c.heads, State: states, Rope: rope, Eps: 1e-5})
		if err := o.Sync(); err != nil {
			t.Fatal(err)
		}
		want, worst := host{b.Rows, d, make([]float64, b.Rows*d)}, 1.0
		for s, span := range b.Spans {
			for x := range span.Len {
				row := span.Row + x
				for hh := range c.heads {
					S := ref[who[s]][hh]
					gamma := math.Exp(-math.Log1p(math.Exp(-gate.at(row, hh))) / runners.GateNormalizer)
					kr, qr := rotated(k, row, hh, spec, span.Pos+x), rotated(q, row, hh, spec, span.Pos+x)
					out, ss, size := make([]float64, c.hd), 0.0, 0.0
					for a := range c.hd {
						for e := range c.hd {
							S[a*c.hd+e] = S[a*c.hd+e]*gamma + kr[a]/math.Sqrt(float64(c.hd))*v.at(row, hh*c.hd+e)
							out[e] += S[a*c.hd+e] * qr[a]
						}
					}
					for e, y := range out {
						ss += y * y
						sum := 0.0
						for a := range c.hd {
							sum += math.Abs(S[a*c.hd+e] * qr[a])
						}
						size = max(size, sum)
					}
					// The norm divides by what may be left of a sum after cancellation.
					worst = max(worst, size/math.Sqrt(ss/float64(c.hd)+1e-5))
					for e, y := range out {
						want.v[row*d+hh*c.hd+e] = silu(g.at(row, hh*c.hd+e)) * y / math.Sqrt(ss/float64(c.hd)+1e-5)
					}
				}
			}
		}
		compare(t, fmt.Sprintf("heads %d hd %d gate %g rows %v", c.heads, c.hd, c.gate, pass), download(t, o, m[0], b.Rows), want, 1e-6*(1+worst))
	}
	for i, s := range st {
		f, err := s.Fork()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []runners.State{s, f} {
			got, err := x.Read()
			if err != nil {
				t.Fatal(err)
			}
			var g, w host
			for _, v := range got {
				g.v = append(g.v, float64(v))
			}
			for _, v := range ref[i] {
				w.v = append(w.v, v...)
			}
			w.cols = c.hd
			compare(t, "state", g, w, 1e-5)
		}
		f.Close()
		s.Reset()
		if got, _ := s.Read(); slices.Max(got) != 0 || slices.Min(got) != 0 {
			t.Error("Reset left something")
		}
		s.Close()
	}
}

// TestRopeFar: rotary positions are as good at ten million as at ten.
func TestRopeFar(t *testing.T) {
	o := openTest(t, runners.Options{})
	for _, spec := range []runners.Rope{{HeadDim: 64, Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}}, {HeadDim: 64, Rotary: runners.Rotary{Theta: 5e5}}} {
		rope := o.Rope(spec)
		for _, pos := range []int{0, 255, 256, 1000000, 10000019} {
			b := &runners.Batch{Spans: []runners.Span{{Row: 0, Len: 3, Pos: pos}}, Rows: 3}
			x := randomHost(rand.New(rand.NewPCG(1, 9)), 3, 64, 1)
			m, done := upload(t, o, x, 0)
			o.Begin(b)
			table, _ := o.rope(rope)
			d, _ := o.mat(m, 3, "")
			want := host{3, 64, nil}
			for r := range 3 {
				o.rotateHeads(table, r, 1, d.row(r), 1)
				want.v = append(want.v, rotated(x, r, 0, spec, pos+r)...)
			}
			compare(t, fmt.Sprint("position ", pos), download(t, o, m, 3), want, 5e-7)
			done()
		}
	}
}

// TestErrors: the first failure stays, and nothing runs after it.
func TestErrors(t *testing.T) {
	o := openTest(t, runners.Options{MemoryBudget: 1 << 20})
	if _, err := o.GlobalKV(1<<20, 1<<20, 1<<20); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("2^61 bytes: %v", err)
	}
	if _, err := o.GlobalKV(8, 64, 10000); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("over the budget: %v", err)
	}
	if _, err := o.State(1<<20, 1<<20); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("state: %v", err)
	}
	if _, err := o.Buffer(runners.Inner, 1<<40, 1<<40); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("buffer: %v", err)
	}
	b, err := o.Buffer(runners.Inner, 2, 8)
	if err != nil {
		t.Fatal(err)
	}
	w, err := o.Weight(tensorOf(randomHost(rand.New(rand.NewPCG(1, 1)), 4, 8, 1)))
	if err != nil {
		t.Fatal(err)
	}
	o.Embed(runners.All(b), w, []int{4}, 1)
	first := o.Sync()
	if first == nil {
		t.Fatal("a token outside the table was accepted")
	}
	o.Linear(1000, runners.All(b), runners.All(b), w)
	if o.Sync() != first {
		t.Errorf("a later failure replaced the first: %v", o.Sync())
	}
	b.Close()
	b.Close()
	for _, opts := range []runners.Options{{KV: runners.F16}, {Weights: runners.F16}} {
		if _, err := open(opts); !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	if _, err := open(runners.Options{Tier: "mmx"}); err == nil {
		t.Error("an unknown tier was accepted")
	}
}

// TestCacheBytes: what is counted is what Config.CacheBytes says, odd capacities included.
func TestCacheBytes(t *testing.T) {
	for _, d := range []runners.DType{runners.F32, runners.BF16} {
		o := openTest(t, runners.Options{KV: d})
		for _, capacity := range []int{1, 33, 1000} {
			k, err := o.GlobalKV(3, 10, capacity)
			if err != nil {
				t.Fatal(err)
			}
			w, err := o.WindowKV(3, 10, 64, capacity)
			if err != nil {
				t.Fatal(err)
			}
			s, err := o.State(2, 10)
			if err != nil {
				t.Fatal(err)
			}
			u := o.Usage()
			if u.GlobalKV != int64(2*3*10*capacity*d.Size()) || u.WindowKV != int64(2*3*10*min(64, capacity)*d.Size()) || u.State != 2*10*10*4 {
				t.Errorf("%s, %d positions: %+v", d, capacity, u)
			}
			k.Close()
			w.Close()
			s.Close()
		}
	}
}
