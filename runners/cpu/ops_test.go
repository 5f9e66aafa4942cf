package cpu

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// fastest reports whether this machine would choose the tier. Short runs (such as those under the
// race detector) test only that tier, because data races do not depend on the tier.
func fastest(tier string) bool {
	for _, k := range cpu.Tiers() {
		if k.Available() {
			return k.Name == tier
		}
	}
	return false
}

// threads returns the number of threads with which tests compare whole models on a tier with
// references: two on the fastest tier. Elsewhere one is enough, because results do not depend on it
// (TestThreads), and idle workers spin between the small jobs of the fixtures.
func threads(tier string) int {
	if fastest(tier) {
		return 2
	}
	return 1
}

// eachTier runs f for every tier that this machine supports, with float32 and with bfloat16 weights
// and caches.
func eachTier(t *testing.T, f func(t *testing.T, opts runners.Options)) {
	for _, k := range cpu.Tiers() {
		for _, d := range []runners.DType{runners.F32, runners.BF16} {
			t.Run(k.Name+"/"+d.String(), func(t *testing.T) {
				if !k.Available() {
					t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
				}
				if testing.Short() && !fastest(k.Name) {
					t.Skip("-short: testing only the fastest tier")
				}
				f(t, runners.Options{Tier: k.Name, Weights: d, KV: d, Threads: 2})
			})
		}
	}
}

// openTest opens ops with poisoned memory; at the end of the test no memory may be held.
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

// upload copies h to a buffer wider than h, at column col.
func upload(t testing.TB, o *ops, h optest.Host, col int) (runners.Mat, func()) {
	b, err := o.Buffer(runners.Inner, h.Rows, h.Cols+col+3)
	if err != nil {
		t.Fatal(err)
	}
	m := runners.Mat{Buf: b, Col: col, Cols: h.Cols}
	set(o, m, h)
	return m, b.Close
}

func set(o *ops, m runners.Mat, h optest.Host) {
	d, _ := o.mat(m, h.Rows, "set")
	for r := range h.Rows {
		for c := range h.Cols {
			*d.at(r, c) = float32(h.At(r, c))
		}
	}
}

// dot reports whether products with bfloat16 are computed in bfloat16.
func dot(o *ops) bool { return o.k.Dot != nil && o.opts.Weights == runners.BF16 }

func TestLinear(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		r := rand.New(rand.NewPCG(1, 1))
		for _, sh := range [][3]int{{1, 1, 1}, {1, 64, 97}, {3, 65, 64}, {2, 63, 33}, {13, 130, 65}, {64, 16, 3}, {97, 1100, 70}, {500, 40, 129}, {5, 1027, 31},
			{20, 33, 5}, {101, 1030, 260}} { // in the last, the weights exceed chainBytes in both types
			rows, in, out := sh[0], sh[1], sh[2]
			x, w1, w2 := optest.Random(r, rows, in, 1, runners.F32), optest.Random(r, out, in, 1/math.Sqrt(float64(in)), runners.F32), optest.Random(r, out+5, in, 1/math.Sqrt(float64(in)), runners.F32)
			w3 := optest.Random(r, out, in, 1/math.Sqrt(float64(in)), runners.F32)
			stack, err := o.Weight(optest.Tensor(w1), optest.Tensor(w2))
			if err != nil {
				t.Fatal(err)
			}
			gated, err := o.Weight(optest.Tensor(w1), optest.Tensor(w3))
			if err != nil {
				t.Fatal(err)
			}
			ref := x
			if dot(o) && in%2 == 0 {
				ref = x.As(runners.BF16)
			}
			w1, w2, w3 = w1.As(opts.Weights), w2.As(opts.Weights), w3.As(opts.Weights)
			y1, y2, y3 := optest.TimesT(ref, w1), optest.TimesT(ref, w2), optest.TimesT(ref, w3)
			xm, done1 := upload(t, o, x, 5)
			base := optest.Random(r, rows, 2*out+5, 1, runners.F32)
			ym, done2 := upload(t, o, base, 2)
			want := optest.Host{Rows: rows, Cols: 2*out + 5}
			for i := range rows {
				want.V = append(append(want.V, y1.V[i*out:(i+1)*out]...), y2.V[i*(out+5):(i+1)*(out+5)]...)
			}
			name := fmt.Sprintf("%dx%dx%d", rows, in, out)
			o.LinearAdd(rows, ym, xm, stack)
			sum := optest.Host{Rows: rows, Cols: want.Cols, V: slices.Clone(want.V)}
			for i := range sum.V {
				sum.V[i] += base.V[i]
			}
			optest.Compare(t, name+" LinearAdd", optest.Get(t, o, ym, rows), sum, 4e-6)
			o.Linear(rows, ym, xm, stack)
			optest.Compare(t, name+" Linear", optest.Get(t, o, ym, rows), want, 4e-6)
			gm := runners.Mat{Buf: ym.Buf, Col: 1, Cols: out}
			o.GLU(rows, gm, xm, gated, runners.SiLU)
			for i := range y1.V {
				y1.V[i] = optest.SiLU(y1.V[i]) * y3.V[i]
			}
			optest.Compare(t, name+" GLU", optest.Get(t, o, gm, rows), y1, 4e-6)

			targets, probs := make([]int, rows), make([]float32, rows)
			for i := range targets {
				targets[i] = r.IntN(2*out + 5)
			}
			if err := o.LogProbs(xm, stack, 0, targets, probs); err != nil {
				t.Fatal(err)
			}
			got, lp := optest.Host{Rows: 1, Cols: rows}, optest.Host{Rows: 1, Cols: rows}
			for i, p := range probs {
				s := 0.0
				for _, v := range want.V[i*want.Cols : (i+1)*want.Cols] {
					s += math.Exp(v)
				}
				got.V, lp.V = append(got.V, float64(p)), append(lp.V, want.At(i, targets[i])-math.Log(s))
			}
			optest.Compare(t, name+" LogProbs", got, lp, 4e-6)
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
			x, w := optest.Random(r, rows, n, 1, runners.F32), optest.Random(r, 1, n, 1, runners.F32)
			wt := optest.Tensor(w)
			wt.Shape = []int{n}
			norm, err := o.Weight(wt)
			if err != nil {
				t.Fatal(err)
			}
			xm, done := upload(t, o, x, 1)
			want := optest.Host{Rows: rows, Cols: n}
			for i := range rows {
				s := 0.0
				for c := range n {
					s += x.At(i, c) * x.At(i, c)
				}
				for c := range n {
					want.V = append(want.V, x.At(i, c)/math.Sqrt(s/float64(n)+0.01)*w.V[c])
				}
			}
			o.RMSNorm(rows, xm, xm, norm, 0.01)
			optest.Compare(t, "RMSNorm", optest.Get(t, o, xm, rows), want, 2e-6)

			table := optest.Random(r, 50, n, 1, runners.F32)
			tw, err := o.Weight(optest.Tensor(table))
			if err != nil {
				t.Fatal(err)
			}
			tokens := make([]int, rows)
			for i := range tokens {
				tokens[i] = r.IntN(50)
			}
			o.Embed(xm, tw, tokens, 2)
			table = table.As(opts.Weights)
			for i, k := range tokens {
				for c := range n {
					want.V[i*n+c] = 2 * table.At(k, c)
				}
			}
			optest.Compare(t, "Embed", optest.Get(t, o, xm, rows), want, 0)
			done()
		}
	})
}

// rotated is optest.Rotated as the runner computes it, compared with float64. It is needed because
// the rounding of a value to bfloat16 depends on its last bit.
func rotated(t *testing.T, o *ops, table *ropeTable, x optest.Host, r, h int, pos int) (v []float64) {
	hd := table.spec.HeadDim
	f := make([]float32, hd)
	for d := range f {
		f[d] = float32(x.At(r, h*hd+d))
	}
	o.rotateHeads(table, r, 1, &f[0], 1)
	for _, y := range f {
		v = append(v, float64(y))
	}
	optest.Compare(t, "rotated key", optest.Host{Rows: 1, Cols: hd, V: v}, optest.Host{Rows: 1, Cols: hd, V: optest.Rotated(x, r, h, table.spec, pos)}, 1e-6)
	return v
}

// past is a test's copy of a sequence: rotated keys and values by position, [heads x hd] each.
type past struct{ k, v [][]float64 }

// attentionCase is a series of passes over two sequences, with the number of rows of each.
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
		{32, 16, 4, 0, plain, [][2]int{{800, 1}, {1, 1}}}, // enough heads for splits of twice the minimum length
	}
	eachTier(t, func(t *testing.T, opts runners.Options) {
		for i, c := range cases {
			t.Run(fmt.Sprint(i), func(t *testing.T) { testAttention(t, opts, c) })
		}
	})
}

// TestSplitKeys: every split consists of whole tiles, and there are enough splits unless they
// already have the minimum length.
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
		// Queries and probabilities are rounded to 8 bits. A score is the sum of hd products of
		// values near 1 over the root of hd, so its error is about 2^-9, at worst a few times that,
		// and the error of a weighted sum is similar.
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
		q := optest.Random(r, b.Rows, c.heads*c.hd, 1, runners.F32)
		k := optest.Random(r, b.Rows, c.kvHeads*c.hd, 1, runners.F32)
		v := optest.Random(r, b.Rows, c.kvHeads*c.hd, 1, runners.F32)
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
			o.Attend(b, runners.Attended{Dst: qm, Q: qm, Heads: c.heads, KV: caches, Rope: rope})
		}
		got := optest.Get(t, o, qm, b.Rows)
		for s, span := range b.Spans {
			sq := &seqs[who[s]]
			for x := range span.Len {
				var kr, vr []float64
				for h := range c.kvHeads {
					kr = append(kr, rotated(t, o, table, k, span.Row+x, h, span.Pos+x)...)
					vr = append(vr, v.V[(span.Row+x)*v.Cols+h*c.hd:(span.Row+x)*v.Cols+(h+1)*c.hd]...)
				}
				sq.k = append(sq.k, optest.Host{Rows: 1, Cols: len(kr), V: kr}.As(opts.KV).V)
				sq.v = append(sq.v, optest.Host{Rows: 1, Cols: len(vr), V: vr}.As(opts.KV).V)
			}
			for x := range span.Len {
				pos := span.Pos + x
				from := 0
				if c.window > 0 {
					from = max(0, pos-c.window+1)
				}
				want += int64(4 * c.heads * c.hd * (pos - from + 1))
				for h := range c.heads {
					g := h / (c.heads / c.kvHeads)
					part := func(m [][]float64) func(int) []float64 {
						return func(p int) []float64 { return m[p][g*c.hd : (g+1)*c.hd] }
					}
					ref := optest.Attend(optest.Rotated(q, span.Row+x, h, c.spec, pos), part(sq.k), part(sq.v), from, pos, runners.Scores{})
					row := optest.Host{Rows: 1, Cols: c.hd, V: got.V[(span.Row+x)*got.Cols+h*c.hd : (span.Row+x)*got.Cols+(h+1)*c.hd]}
					optest.Compare(t, fmt.Sprintf("rows %v, position %d, head %d", pass, pos, h), row, optest.Host{Rows: 1, Cols: c.hd, V: ref}, tol)
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

// retainCase is a series of passes over two sequences, with the number of rows of each.
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
		var h [5]optest.Host
		for i := range m {
			cols, sd := d, 1.0
			if i == 4 {
				cols, sd = c.heads, 3
			}
			h[i] = optest.Random(r, b.Rows, cols, sd, runners.F32)
			if i == 4 {
				for x := range h[i].V {
					h[i].V[x] = float64(float32(h[i].V[x] + c.gate))
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
		want, worst := optest.Host{Rows: b.Rows, Cols: d, V: make([]float64, b.Rows*d)}, 1.0
		for s, span := range b.Spans {
			for x := range span.Len {
				row := span.Row + x
				for hh := range c.heads {
					S := ref[who[s]][hh]
					gamma := math.Exp(-math.Log1p(math.Exp(-gate.At(row, hh))) / runners.GateNormalizer)
					kr, qr := optest.Rotated(k, row, hh, spec, span.Pos+x), optest.Rotated(q, row, hh, spec, span.Pos+x)
					out, ss, size := make([]float64, c.hd), 0.0, 0.0
					for a := range c.hd {
						for e := range c.hd {
							S[a*c.hd+e] = S[a*c.hd+e]*gamma + kr[a]/math.Sqrt(float64(c.hd))*v.At(row, hh*c.hd+e)
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
					// The norm divides by the remainder of a sum, which may be small after
					// cancellation.
					worst = max(worst, size/math.Sqrt(ss/float64(c.hd)+1e-5))
					for e, y := range out {
						want.V[row*d+hh*c.hd+e] = optest.SiLU(g.At(row, hh*c.hd+e)) * y / math.Sqrt(ss/float64(c.hd)+1e-5)
					}
				}
			}
		}
		optest.Compare(t, fmt.Sprintf("heads %d hd %d gate %g rows %v", c.heads, c.hd, c.gate, pass), optest.Get(t, o, m[0], b.Rows), want, 1e-6*(1+worst))
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
			var g, w optest.Host
			for _, v := range got {
				g.V = append(g.V, float64(v))
			}
			for _, v := range ref[i] {
				w.V = append(w.V, v...)
			}
			w.Cols = c.hd
			optest.Compare(t, "state", g, w, 1e-5)
		}
		f.Close()
		s.Reset()
		if got, _ := s.Read(); slices.Max(got) != 0 || slices.Min(got) != 0 {
			t.Error("the state is not zero after Reset")
		}
		s.Close()
	}
}

// TestRopeFar: rotary positions are as accurate at ten million as at ten.
func TestRopeFar(t *testing.T) {
	o := openTest(t, runners.Options{})
	for _, spec := range []runners.Rope{{HeadDim: 64, Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}}, {HeadDim: 64, Rotary: runners.Rotary{Theta: 5e5}}} {
		rope := o.Rope(spec)
		for _, pos := range []int{0, 255, 256, 1000000, 10000019} {
			b := &runners.Batch{Spans: []runners.Span{{Row: 0, Len: 3, Pos: pos}}, Rows: 3}
			x := optest.Random(rand.New(rand.NewPCG(1, 9)), 3, 64, 1, runners.F32)
			m, done := upload(t, o, x, 0)
			o.Begin(b)
			table, _ := o.rope(rope)
			d, _ := o.mat(m, 3, "")
			want := optest.Host{Rows: 3, Cols: 64}
			for r := range 3 {
				o.rotateHeads(table, r, 1, d.row(r), 1)
				want.V = append(want.V, optest.Rotated(x, r, 0, spec, pos+r)...)
			}
			optest.Compare(t, fmt.Sprint("position ", pos), optest.Get(t, o, m, 3), want, 5e-7)
			done()
		}
	}
}

// tested adapts the device to optest.
func tested(opts runners.Options) optest.Device {
	return optest.Device{
		Weights: opts.Weights, KV: opts.KV, Inner: runners.F32, Multiple: 1,
		Open: func(t testing.TB, budget int64) runners.Ops {
			opts.MemoryBudget = budget
			return openTest(t, opts)
		},
		Set: func(_ testing.TB, o runners.Ops, m runners.Mat, h optest.Host) { set(o.(*ops), m, h) },
	}
}

// TestVariants runs the tests of published families' operations in every tier.
func TestVariants(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) { optest.Variants(t, tested(opts)) })
}

// TestErrors: sizes that do not match, and options without kernels.
func TestErrors(t *testing.T) {
	optest.Errors(t, tested(runners.Options{}))
	o := openTest(t, runners.Options{MemoryBudget: 1 << 20})
	if _, err := o.GlobalKV(1<<20, 1<<20, 1<<20); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("2^61 bytes: %v", err)
	}
	for _, opts := range []runners.Options{{KV: runners.F16}, {Weights: runners.F16}} {
		if _, err := open(opts); !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	if _, err := open(runners.Options{Tier: "mmx"}); err == nil {
		t.Error("an unknown tier was accepted")
	}
}

func TestCacheBytes(t *testing.T) {
	for _, d := range []runners.DType{runners.F32, runners.BF16} {
		t.Run(d.String(), func(t *testing.T) { optest.CacheBytes(t, tested(runners.Options{KV: d})) })
	}
}
