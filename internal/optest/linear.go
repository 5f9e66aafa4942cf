package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// Linear tests Linear into Inner and Logits buffers, LinearAdd, GLU with SiLU and LogProbs.
func Linear(t *testing.T, d Device) {
	// rows, inputs, outputs
	shapes := [][3]int{{1, 16, 1}, {1, 64, 97}, {3, 48, 64}, {2, 80, 33}, {13, 144, 65}, {16, 32, 17}, {17, 64, 3}, {65, 48, 70}}
	if d.Multiple == 1 {
		shapes = append(shapes, [][3]int{{1, 1, 1}, {3, 65, 64}, {2, 63, 33}, {19, 33, 5}}...)
	}
	if !d.Slow {
		shapes = append(shapes, [][3]int{{130, 272, 131}, {97, 1104, 70}, {500, 48, 129}, {5, 1024, 31}}...)
	}
	o := d.Open(t, 0)
	r := rand.New(rand.NewPCG(1, 1))
	for _, sh := range shapes {
		t.Run(fmt.Sprintf("%dx%dx%d", sh[0], sh[1], sh[2]), func(t *testing.T) { d.linear(t, o, r, sh[0], sh[1], sh[2]) })
	}
	if err := o.Sync(); err != nil {
		t.Fatal(err)
	}
}

func (d Device) linear(t *testing.T, o runners.Ops, r *rand.Rand, rows, in, out int) {
	sd := 1 / math.Sqrt(float64(in))
	x := Random(r, rows, in, 1, d.Inner)
	w1, w2, w3 := Random(r, out, in, sd, d.Weights), Random(r, out+5, in, sd, d.Weights), Random(r, out, in, sd, d.Weights)
	stack, err := o.Weight(Tensor(w1), Tensor(w2))
	if err != nil {
		t.Fatal(err)
	}
	gated, err := o.Weight(Tensor(w1), Tensor(w3))
	if err != nil {
		t.Fatal(err)
	}
	// The inputs are stored exactly, so only results are rounded.
	tol := 4e-6
	if d.Inner == runners.F32 && d.Weights != runners.F32 {
		tol = d.tolerance(tol, 4) // a device may round x
	}
	y1 := TimesT(x, w1)
	want := joinColumns(y1, TimesT(x, w2))
	xm := d.put(t, o, runners.Inner, x, 5)

	base := Random(r, rows, want.Cols, 1, runners.F32)
	sum := Host{rows, want.Cols, nil}
	for i, v := range want.V {
		sum.V = append(sum.V, v+base.V[i])
	}
	add := d.put(t, o, runners.Residual, base, 2)
	o.ResetCounts()
	o.LinearAdd(rows, add, xm, stack)
	Compare(t, "LinearAdd", Get(t, o, add, rows), sum, tol)

	poison := Host{rows, want.Cols, make([]float64, rows*want.Cols)}
	for i := range poison.V {
		poison.V[i] = math.NaN()
	}
	logits := d.put(t, o, runners.Logits, poison, 1)
	o.Linear(rows, logits, xm, stack)
	Compare(t, "Linear to logits", Get(t, o, logits, rows), want, tol)
	inner := d.put(t, o, runners.Inner, poison, 1)
	o.Linear(rows, inner, xm, stack)
	Compare(t, "Linear", Get(t, o, inner, rows), want, d.tolerance(tol, 1))

	gm := runners.Mat{Buf: inner.Buf, Col: 0, Cols: out}
	o.GLU(rows, gm, xm, gated, runners.SiLU)
	for i, v := range TimesT(x, w3).V {
		y1.V[i] = SiLU(y1.V[i]) * v
	}
	Compare(t, "GLU", Get(t, o, gm, rows), y1, d.tolerance(tol, 1))

	targets, probs := make([]int, rows), make([]float32, rows)
	for i := range targets {
		targets[i] = r.IntN(want.Cols)
	}
	if err := o.LogProbs(xm, stack, 0, targets, probs); err != nil {
		t.Fatal(err)
	}
	got, lp := Host{1, rows, nil}, Host{1, rows, nil}
	for i, p := range probs {
		s := 0.0
		for _, v := range want.row(i, 0, want.Cols) {
			s += math.Exp(v)
		}
		got.V, lp.V = append(got.V, float64(p)), append(lp.V, want.At(i, targets[i])-math.Log(s))
	}
	Compare(t, "LogProbs", got, lp, tol)

	flops := int64(2*rows*in) * int64(4*want.Cols+2*out)
	if got := o.Counts().FLOPs[runners.PartLayers]; got != flops {
		t.Errorf("counted %d FLOP, want %d", got, flops)
	}
}

// Rows tests RMSNorm and Embed.
func Rows(t *testing.T, d Device) {
	shapes := [][2]int{{1, 16}, {3, 64}, {33, 144}, {5, 1040}}
	if d.Multiple == 1 {
		shapes = append(shapes, [2]int{3, 63}, [2]int{2, 1})
	}
	o := d.Open(t, 0)
	r := rand.New(rand.NewPCG(2, 2))
	for _, sh := range shapes {
		rows, n := sh[0], sh[1]
		x, w := Random(r, rows, n, 1, runners.F32), Random(r, 1, n, 1, runners.F32)
		wt := Tensor(w)
		wt.Shape = []int{n}
		norm, err := o.Weight(wt)
		if err != nil {
			t.Fatal(err)
		}
		want := Host{rows, n, nil}
		for i := range rows {
			s := 0.0
			for _, v := range x.row(i, 0, n) {
				s += v * v
			}
			for c, v := range x.row(i, 0, n) {
				want.V = append(want.V, v/math.Sqrt(s/float64(n)+0.01)*w.V[c])
			}
		}
		xm := d.put(t, o, runners.Residual, x, 1)
		ym := d.put(t, o, runners.Inner, Host{rows, n, make([]float64, rows*n)}, 2)
		o.RMSNorm(rows, ym, xm, norm, 0.01)
		Compare(t, "RMSNorm", Get(t, o, ym, rows), want, d.tolerance(2e-6, 1))

		table := Random(r, 50, n, 1, d.Weights)
		tw, err := o.Weight(Tensor(table))
		if err != nil {
			t.Fatal(err)
		}
		tokens := make([]int, rows)
		for i := range tokens {
			tokens[i] = r.IntN(50)
		}
		o.Embed(xm, tw, tokens, 2)
		for i, k := range tokens {
			for c := range n {
				want.V[i*n+c] = 2 * table.At(k, c)
			}
		}
		Compare(t, "Embed", Get(t, o, xm, rows), want, 0)
	}
}
