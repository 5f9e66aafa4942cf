package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// retainCase is a list of passes over two sequences, each with the rows per sequence.
type retainCase struct {
	heads, hd int
	gate      float64 // mean of the gate
	passes    [][2]int
	halves    bool // rotary pairs are (j, j+hd/2), not (2j, 2j+1)
	large     bool // skipped on slow devices
	ragged    bool // skipped if head dimensions must be multiples of 16
}

// Retain tests gated retention, and reading, forking and clearing of states.
func Retain(t *testing.T, d Device) {
	cases := []retainCase{
		{heads: 2, hd: 32, passes: [][2]int{{1, 3}, {63, 64}, {65, 1}, {1, 1}, {140, 2}, {1, 1}}},
		{heads: 1, hd: 64, gate: 40, passes: [][2]int{{30, 1}, {64, 70}}},
		{heads: 3, hd: 48, gate: -12, passes: [][2]int{{7, 100}, {1, 1}}},
		{heads: 1, hd: 128, gate: 3, passes: [][2]int{{70, 1}, {1, 17}, {1, 1}}},
		{heads: 2, hd: 16, gate: -1000, passes: [][2]int{{70, 3}, {1, 1}}},
		{heads: 1, hd: 256, gate: 3, passes: [][2]int{{20, 1}, {1, 1}}},
		{heads: 3, hd: 10, gate: -12, passes: [][2]int{{7, 70}, {1, 1}}, ragged: true},
		{heads: 2, hd: 8, gate: -1000, passes: [][2]int{{70, 3}, {1, 1}}, ragged: true},
		{heads: 1, hd: 16, gate: 3, passes: [][2]int{{3, 4200}, {1, 1}}}, // a device may cut long spans
		{heads: 2, hd: 32, passes: [][2]int{{500, 130}, {1, 1}, {200, 0}}, large: true},
	}
	// A device may have separate kernels for head dims up to each power of two, and for both kinds
	// of pairs.
	for hd := 16; hd <= 256; hd *= 2 {
		cases = append(cases, retainCase{heads: 2, hd: hd, gate: 3, passes: [][2]int{{3, 2}, {1, 1}}}, retainCase{heads: 2, hd: hd, gate: 3, passes: [][2]int{{3, 2}, {1, 1}}, halves: true})
	}
	for _, c := range cases {
		if c.large && d.Slow || c.ragged && d.Multiple > 1 {
			continue
		}
		t.Run(fmt.Sprintf("%dx%d gate %g halves %t", c.heads, c.hd, c.gate, c.halves), func(t *testing.T) { d.retain(t, c) })
	}
}

func (d Device) retain(t *testing.T, c retainCase) {
	o := d.Open(t, 0)
	r := rand.New(rand.NewPCG(4, uint64(c.hd)))
	spec := runners.Rope{HeadDim: c.hd, Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: !c.halves}}
	rope := o.Rope(spec)
	var st [2]runners.State
	var ref [2][][]float64 // [head][hd x hd]
	var pos [2]int
	for i := range st {
		s, err := o.State(c.heads, c.hd)
		if err != nil {
			t.Fatal(err)
		}
		st[i] = s
		t.Cleanup(s.Close)
		for range c.heads {
			ref[i] = append(ref[i], make([]float64, c.hd*c.hd))
		}
	}
	flops := 0.0
	o.ResetCounts()
	for _, pass := range c.passes {
		b, who := batch(pass, pos)
		var states []runners.State
		for s, i := range who {
			states = append(states, st[i])
			pos[i] += b.Spans[s].Len
			flops += float64(c.heads) * runners.RetentionFLOPs(b.Spans[s].Len, c.hd, d.Chunk)
		}
		n := c.heads * c.hd
		var m [5]runners.Mat
		var h [5]Host
		for i := range m {
			h[i] = Random(r, b.Rows, n, 1, d.Inner)
			if i == 4 {
				h[i] = Random(r, b.Rows, c.heads, 3, runners.F32)
				for x := range h[i].V {
					h[i].V[x] += c.gate
				}
				h[i] = h[i].As(d.Inner)
			}
			m[i] = d.put(t, o, runners.Inner, h[i], i)
		}
		o.Begin(b)
		o.Retain(b, runners.Retained{Dst: m[0], Q: m[0], K: m[1], V: m[2], Gate: m[3], Decay: m[4], Heads: c.heads, State: states, Rope: rope, Eps: 1e-5})
		got := Get(t, o, m[0], b.Rows)
		want, worst := Host{b.Rows, n, make([]float64, b.Rows*n)}, 1.0
		for s, span := range b.Spans {
			worst = math.Max(worst, recur(want, h, span, spec, ref[who[s]]))
		}
		Compare(t, fmt.Sprintf("rows %v", pass), got, want, d.tolerance(1e-6*(1+worst), 2*(1+worst)))
	}
	if got := o.Counts().FLOPs[runners.PartLayers]; float64(got) != flops {
		t.Errorf("counted %d FLOP, want %g", got, flops)
	}
	for i, s := range st {
		f, err := s.Fork()
		if err != nil {
			t.Fatal(err)
		}
		var w Host
		for _, v := range ref[i] {
			w.V = append(w.V, v...)
		}
		w.Cols = c.hd
		for _, x := range []runners.State{s, f} {
			got, err := x.Read()
			if err != nil {
				t.Fatal(err)
			}
			var g Host
			for _, v := range got {
				g.V = append(g.V, float64(v))
			}
			Compare(t, "state", g, w, d.tolerance(1e-5, 4))
		}
		f.Close()
		s.Reset()
		if got, err := s.Read(); err != nil || slices.Max(got) != 0 || slices.Min(got) != 0 {
			t.Errorf("Reset left something: %v", err)
		}
	}
}

// recur computes a span of retention token by token; the state of a head is [hd x hd]. It also
// returns the ratio of the largest sums to the divisor of the norm, which bounds the error by
// cancellation.
func recur(want Host, h [5]Host, span runners.Span, spec runners.Rope, heads [][]float64) (worst float64) {
	q, k, v, g, gate := h[0], h[1], h[2], h[3], h[4]
	hd := spec.HeadDim
	for x := range span.Len {
		row := span.Row + x
		for hh, S := range heads {
			gamma := math.Exp(logGamma(gate.At(row, hh)))
			kr, qr := Rotated(k, row, hh, spec, span.Pos+x), Rotated(q, row, hh, spec, span.Pos+x)
			out, sums, ss, size := make([]float64, hd), make([]float64, hd), 0.0, 0.0
			for a := range hd {
				for e := range hd {
					S[a*hd+e] = S[a*hd+e]*gamma + kr[a]/math.Sqrt(float64(hd))*v.At(row, hh*hd+e)
					out[e] += S[a*hd+e] * qr[a]
					sums[e] += math.Abs(S[a*hd+e] * qr[a])
				}
			}
			for e, y := range out {
				ss += y * y
				size = math.Max(size, sums[e])
			}
			norm := math.Sqrt(ss/float64(hd) + 1e-5)
			worst = math.Max(worst, size/norm)
			for e, y := range out {
				want.V[row*want.Cols+hh*hd+e] = SiLU(g.At(row, hh*hd+e)) * y / norm
			}
		}
	}
	return worst
}
