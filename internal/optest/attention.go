package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// attentionCase is a list of passes over two sequences, each with the rows per sequence.
type attentionCase struct {
	heads, kvHeads, hd, window int
	spec                       runners.Rope
	scores                     runners.Scores // a scale of 0 means hd^-0.5
	passes                     [][2]int
	large                      bool // skipped on slow devices
	ragged                     bool // skipped if head dimensions must be multiples of 16
}

// Attention tests AppendKV, Attend, AttendWindow, and reading and forking of caches.
func Attention(t *testing.T, d Device) {
	yoco := runners.Rope{Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}}
	plain := runners.Rope{Rotary: runners.Rotary{Theta: 1e4}}
	cases := []attentionCase{
		{heads: 4, kvHeads: 2, hd: 16, spec: yoco, passes: [][2]int{{1, 3}, {63, 0}, {4, 65}, {1, 1}, {70, 2}, {1, 1}}},
		{heads: 3, kvHeads: 1, hd: 64, spec: plain, passes: [][2]int{{30, 1}, {1, 40}, {1, 1}, {1, 1}}},
		{heads: 6, kvHeads: 2, hd: 48, spec: yoco, passes: [][2]int{{33, 5}, {1, 1}, {9, 30}}},
		{heads: 2, kvHeads: 2, hd: 128, spec: plain, passes: [][2]int{{17, 5}, {1, 1}}},
		{heads: 1, kvHeads: 1, hd: 256, spec: yoco, passes: [][2]int{{9, 17}, {1, 1}}},
		{heads: 2, kvHeads: 2, hd: 6, spec: plain, passes: [][2]int{{3, 33}, {20, 1}, {1, 1}}, ragged: true},
		{heads: 2, kvHeads: 2, hd: 16, window: 16, spec: yoco, passes: [][2]int{{1, 5}, {15, 20}, {1, 1}, {3, 50}, {33, 1}, {4, 4}, {40, 1}, {1, 1}}},
		{heads: 2, kvHeads: 2, hd: 64, window: 40, spec: plain, passes: [][2]int{{30, 65}, {1, 1}, {70, 3}, {1, 1}}},
		{heads: 1, kvHeads: 1, hd: 32, window: 1000, spec: plain, passes: [][2]int{{3, 50}, {1, 1}, {20, 0}}},
		{heads: 2, kvHeads: 2, hd: 8, window: 1, spec: yoco, passes: [][2]int{{9, 1}, {1, 1}, {2, 33}}, ragged: true},
		{heads: 1, kvHeads: 1, hd: 10, window: 1000, spec: plain, passes: [][2]int{{3, 40}, {1, 1}, {20, 0}}, ragged: true},
		{heads: 3, kvHeads: 1, hd: 64, spec: plain, passes: [][2]int{{130, 1}, {1, 40}, {7, 300}, {1, 1}, {1, 700}, {1, 1}}, large: true},
		{heads: 4, kvHeads: 2, hd: 16, spec: yoco, passes: [][2]int{{500, 63}, {1, 1}, {64, 700}, {1, 1}}, large: true},
		{heads: 2, kvHeads: 2, hd: 64, window: 200, spec: plain, passes: [][2]int{{130, 65}, {1, 1}, {500, 3}, {1, 1}, {64, 64}}, large: true},
	}
	// A device may have separate kernels for head dims up to each power of two, and for both kinds
	// of pairs.
	for hd := 16; hd <= 256; hd *= 2 {
		for _, spec := range []runners.Rope{yoco, plain} {
			cases = append(cases, attentionCase{heads: 2, kvHeads: 1, hd: hd, spec: spec, passes: [][2]int{{3, 18}, {1, 1}}})
		}
		cases = append(cases, attentionCase{heads: 2, kvHeads: 2, hd: hd, window: 10, spec: yoco, passes: [][2]int{{3, 18}, {1, 1}, {17, 2}}})
	}
	for i, c := range cases {
		if c.large && d.Slow || c.ragged && d.Multiple > 1 {
			continue
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) { d.attention(t, c) })
	}
}

// past records a sequence for a test: keys and values by position as the cache holds them, [heads x
// hd] each.
type past struct{ k, v [][]float64 }

func (d Device) attention(t *testing.T, c attentionCase) {
	o := d.Open(t, 0)
	r := rand.New(rand.NewPCG(3, uint64(c.hd)))
	c.spec.HeadDim = c.hd
	rope := o.Rope(c.spec)
	var kv [2]runners.KV
	for i := range kv {
		total := 0
		for _, p := range c.passes {
			total += p[i]
		}
		var err error
		if c.window > 0 {
			kv[i], err = o.WindowKV(c.kvHeads, c.hd, c.window, total)
		} else {
			kv[i], err = o.GlobalKV(c.kvHeads, c.hd, total+i) // caches of different sizes
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(kv[i].Close)
	}
	var seqs [2]past
	flops := 0.0
	o.ResetCounts()
	for _, pass := range c.passes {
		b, who := batch(pass, [2]int{len(seqs[0].k), len(seqs[1].k)})
		q := Random(r, b.Rows, c.heads*c.hd, 1, d.Inner)
		k := Random(r, b.Rows, c.kvHeads*c.hd, 1, d.Inner)
		v := Random(r, b.Rows, c.kvHeads*c.hd, 1, d.Inner)
		qm, km, vm := d.put(t, o, runners.Inner, q, 0), d.put(t, o, runners.Inner, k, 7), d.put(t, o, runners.Inner, v, 2)
		var caches []runners.KV
		for _, i := range who {
			caches = append(caches, kv[i])
		}
		o.Begin(b)
		if c.window > 0 {
			o.AttendWindow(b, runners.Windowed{Dst: qm, Q: qm, K: km, V: vm, Heads: c.heads, KV: caches, Rope: rope, Scores: c.scores})
		} else {
			o.AppendKV(b, caches, km, vm, rope)
			o.Attend(b, runners.Attended{Dst: qm, Q: qm, Heads: c.heads, KV: caches, Rope: rope, Scores: c.scores})
		}
		got := Get(t, o, qm, b.Rows)
		for s, span := range b.Spans {
			sq := &seqs[who[s]]
			for x := range span.Len {
				var kr []float64
				for h := range c.kvHeads {
					kr = append(kr, Rotated(k, span.Row+x, h, c.spec, span.Pos+x)...)
				}
				sq.k = append(sq.k, Host{1, len(kr), kr}.As(d.KV).V)
				sq.v = append(sq.v, Host{1, v.Cols, v.row(span.Row+x, 0, v.Cols)}.As(d.KV).V)
			}
			d.checkCache(t, caches[s], sq, c.window, len(sq.k))
			for x := range span.Len {
				pos, from := span.Pos+x, 0
				if c.window > 0 {
					from = max(0, pos-c.window+1)
				}
				flops += float64(4 * c.heads * c.hd * (pos - from + 1))
				for h := range c.heads {
					at := h / (c.heads / c.kvHeads) * c.hd
					part := func(m [][]float64) func(int) []float64 {
						return func(p int) []float64 { return m[p][at : at+c.hd] }
					}
					ref := Attend(Rotated(q, span.Row+x, h, c.spec, pos), part(sq.k), part(sq.v), from, pos, c.scores)
					row := Host{1, c.hd, got.row(span.Row+x, h*c.hd, c.hd)}
					// Queries and probabilities are rounded too: a score is the sum of hd products
					// of values near 1 over the root of hd.
					Compare(t, fmt.Sprintf("rows %v, position %d, head %d", pass, pos, h), row, Host{1, c.hd, ref}, d.tolerance(5e-6, 8))
				}
			}
		}
	}
	if got := o.Counts().FLOPs[runners.PartLayers]; float64(got) != flops {
		t.Errorf("counted %d FLOP, want %g", got, flops)
	}
	for i := range seqs {
		n := len(seqs[i].k)
		if c.window == 0 {
			n = n*2/3 + 1
		}
		f, err := kv[i].Fork(n)
		if err != nil {
			t.Fatal(err)
		}
		d.checkCache(t, f, &seqs[i], c.window, n)
		f.Close()
		if _, err := kv[i].Fork(len(seqs[i].k) + 1); err == nil {
			t.Error("a fork beyond the end was made")
		}
	}
}

// checkCache compares the first n positions; a window holds only the last of them. Later passes are
// compared using the cached values, because the last bit of a value decides how it rounds to
// bfloat16.
func (d Device) checkCache(t *testing.T, kv runners.KV, sq *past, window, n int) {
	t.Helper()
	from := 0
	if window > 0 {
		from = max(0, n-window)
	}
	k, v, err := kv.Read(from, n-from)
	if err != nil {
		t.Fatal(err)
	}
	for p := from; p < n; p++ {
		for i := range sq.k[p] {
			at := (p-from)*len(sq.k[p]) + i
			key, value := float64(k[at]), float64(v[at])
			// A rotated key is a sum of two products, so its bfloat16 value may be one off the
			// nearest.
			if tol := d.tolerance(1e-6, 2); !(math.Abs(key-sq.k[p][i]) <= tol*(1+math.Abs(sq.k[p][i]))) || value != sq.v[p][i] {
				t.Fatalf("position %d, %d: key %g value %g, want %g %g", p, i, key, value, sq.k[p][i], sq.v[p][i])
			}
			sq.k[p][i] = key
		}
	}
}
