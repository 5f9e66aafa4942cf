package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// Variants tests the operations of published model families: biases, norms of heads and of outputs,
// other activations, bounded scores and logits, and rotary positions other than the reference's.
func Variants(t *testing.T, d Device) {
	shapes := [][3]int{{1, 2, 16}, {3, 1, 64}, {33, 3, 48}, {130, 5, 32}, {2, 1, 1040}} // rows, heads, head dim
	if d.Multiple == 1 {
		shapes = append(shapes, [3]int{2, 3, 7}, [3]int{1, 1, 1})
	}
	for _, sh := range shapes {
		t.Run(fmt.Sprint(sh), func(t *testing.T) { d.variants(t, sh[0], sh[1], sh[2]) })
	}
	divisors := func(n int) runners.Divisors {
		v := make([]float64, n)
		for i := range v {
			v[i] = 1 + float64(i)/3
		}
		return runners.NewDivisors(v)
	}
	rope := func(r runners.Rotary) runners.Rope { return runners.Rope{Rotary: r} }
	passes := [][2]int{{3, 33}, {20, 1}, {1, 1}, {1, 2}}
	cases := map[string]attentionCase{
		"no positions":            {heads: 2, kvHeads: 1, hd: 16, spec: rope(runners.Rotary{None: true})},
		"part of the head":        {heads: 2, kvHeads: 2, hd: 32, spec: rope(runners.Rotary{Theta: 1e4, Dims: 8})},
		"part, interleaved":       {heads: 2, kvHeads: 2, hd: 32, spec: rope(runners.Rotary{Theta: 1e4, Dims: 24, Interleaved: true})},
		"divisors":                {heads: 4, kvHeads: 2, hd: 16, spec: rope(runners.Rotary{Theta: 5e5, Divisors: divisors(8)})},
		"magnitude":               {heads: 2, kvHeads: 1, hd: 16, spec: rope(runners.Rotary{Theta: 1e4, Dims: 12, Divisors: divisors(6), Magnitude: 1.19})},
		"scale":                   {heads: 2, kvHeads: 1, hd: 64, spec: rope(runners.Rotary{Theta: 1e4}), scores: runners.Scores{Scale: 0.0625}},
		"bounded scores":          {heads: 3, kvHeads: 1, hd: 32, spec: rope(runners.Rotary{Theta: 1e4}), scores: runners.Scores{Scale: 0.3, Cap: 2}},
		"bounded scores, window":  {heads: 4, kvHeads: 2, hd: 32, window: 16, spec: rope(runners.Rotary{Theta: 1e4}), scores: runners.Scores{Scale: 0.3, Cap: 2}},
		"window of grouped keys":  {heads: 4, kvHeads: 2, hd: 64, window: 12, spec: rope(runners.Rotary{Theta: 1e4, Magnitude: 0.9})},
		"window of one key head":  {heads: 3, kvHeads: 1, hd: 16, window: 40, spec: rope(runners.Rotary{Theta: 1e4, Interleaved: true})},
		"window without position": {heads: 2, kvHeads: 1, hd: 16, window: 5, spec: rope(runners.Rotary{None: true}), scores: runners.Scores{Scale: 0.5}},
	}
	// See Attention for the head dims.
	for hd := 16; hd <= 256; hd *= 2 {
		for _, window := range []int{0, 10} {
			cases[fmt.Sprintf("bounded scores, head dim %d, window %d", hd, window)] = attentionCase{heads: 2, kvHeads: 1, hd: hd, window: window,
				spec: rope(runners.Rotary{Theta: 1e4}), scores: runners.Scores{Cap: 1}, passes: [][2]int{{3, 18}, {1, 1}}}
		}
	}
	for name, c := range cases {
		if c.passes == nil {
			c.passes = passes
		}
		t.Run(name, func(t *testing.T) { d.attention(t, c) })
	}
}

func (d Device) variants(t *testing.T, rows, heads, hd int) {
	o := d.Open(t, 0)
	r := rand.New(rand.NewPCG(5, uint64(hd)))
	n := heads * hd
	vector := func(n int) (Host, runners.Weight) {
		h := Random(r, 1, n, 1, runners.F32)
		v := Tensor(h)
		v.Shape = []int{n}
		w, err := o.Weight(v)
		if err != nil {
			t.Fatal(err)
		}
		return h, w
	}
	// norm returns columns from..from+n-1 of a row, normed.
	norm := func(h Host, row, from, n int, w []float64, eps float64) (out []float64) {
		s := 0.0
		for _, v := range h.row(row, from, n) {
			s += v * v
		}
		for i, v := range h.row(row, from, n) {
			out = append(out, v/math.Sqrt(s/float64(n)+eps)*w[i])
		}
		return out
	}
	x, base := Random(r, rows, n, 1, d.Inner), Random(r, rows, n, 1, runners.F32)
	wide, wideW := vector(n)
	head, headW := vector(hd)

	inner, res := d.put(t, o, runners.Inner, x, 1), d.put(t, o, runners.Residual, base, 2)
	o.AddBias(rows, inner, wideW)
	sum := Host{Rows: rows, Cols: n}
	for i, v := range x.V {
		sum.V = append(sum.V, v+wide.V[i%n])
	}
	Compare(t, "AddBias", Get(t, o, inner, rows), sum, d.tolerance(1e-6, 1))

	for _, heads := range []int{heads, 1} {
		w, ref := headW, head.V
		if heads == 1 {
			w, ref = wideW, wide.V
		}
		d.Set(t, o, inner, x)
		o.HeadNorm(rows, inner, heads, w, 0.01)
		want := Host{Rows: rows, Cols: n}
		for i := range rows {
			for h := range heads {
				want.V = append(want.V, norm(x, i, h*len(ref), len(ref), ref, 0.01)...)
			}
		}
		Compare(t, fmt.Sprintf("HeadNorm of %d heads", heads), Get(t, o, inner, rows), want, d.tolerance(2e-6, 1))
	}

	d.Set(t, o, inner, x)
	o.AddNorm(rows, res, inner, wideW, 0.01)
	want := Host{Rows: rows, Cols: n}
	for i := range rows {
		for c, v := range norm(x, i, 0, n, wide.V, 0.01) {
			want.V = append(want.V, base.At(i, c)+v)
		}
	}
	Compare(t, "AddNorm", Get(t, o, res, rows), want, 4e-6)

	d.Set(t, o, res, base)
	o.Copy(rows, inner, res)
	Compare(t, "Copy", Get(t, o, inner, rows), base.As(d.Inner), 0)

	logits := d.put(t, o, runners.Logits, base, 1)
	o.SoftCap(rows, logits, 1.5)
	for i, v := range base.V {
		want.V[i] = 1.5 * math.Tanh(v/1.5)
	}
	Compare(t, "SoftCap", Get(t, o, logits, rows), want, 2e-6)

	d.bounded(t, o, r, rows, n)
	if err := o.Sync(); err != nil {
		t.Fatal(err)
	}
}

// bounded tests GLU with GELU, and LogProbs of bounded logits.
func (d Device) bounded(t *testing.T, o runners.Ops, r *rand.Rand, rows, in int) {
	const out = 21
	sd := 1 / math.Sqrt(float64(in))
	x := Random(r, rows, in, 1, d.Inner)
	w1, w2 := Random(r, out, in, 3*sd, d.Weights), Random(r, out, in, sd, d.Weights)
	stack, err := o.Weight(Tensor(w1), Tensor(w2))
	if err != nil {
		t.Fatal(err)
	}
	tol := 8e-6
	if d.Inner == runners.F32 && d.Weights != runners.F32 {
		tol = d.tolerance(tol, 8) // a device may round x
	}
	xm := d.put(t, o, runners.Inner, x, 1)
	y := d.put(t, o, runners.Inner, Host{rows, out, make([]float64, rows*out)}, 1)
	o.GLU(rows, y, xm, stack, runners.GELUTanh)
	a, b := TimesT(x, w1), TimesT(x, w2)
	want := Host{Rows: rows, Cols: out}
	for i, g := range a.V {
		want.V = append(want.V, g/2*(1+math.Tanh(math.Sqrt(2/math.Pi)*(g+0.044715*g*g*g)))*b.V[i])
	}
	Compare(t, "GLU with GELU", Get(t, o, y, rows), want, d.tolerance(tol, 2))

	targets, probs := make([]int, rows), make([]float32, rows)
	for i := range targets {
		targets[i] = r.IntN(2 * out)
	}
	const bound = 2
	if err := o.LogProbs(xm, stack, bound, targets, probs); err != nil {
		t.Fatal(err)
	}
	all := joinColumns(a, b)
	got, lp := Host{1, rows, nil}, Host{1, rows, nil}
	for i, p := range probs {
		s := 0.0
		for c := range all.Cols {
			s += math.Exp(bound * math.Tanh(all.At(i, c)/bound))
		}
		got.V, lp.V = append(got.V, float64(p)), append(lp.V, bound*math.Tanh(all.At(i, targets[i])/bound)-math.Log(s))
	}
	Compare(t, "LogProbs of bounded logits", got, lp, tol)
}
