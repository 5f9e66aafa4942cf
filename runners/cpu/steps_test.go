package cpu

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
)

// tiny returns a small model of an architecture, with odd sizes.
func tiny(a runners.Arch) runners.Config {
	return runners.Shape{Name: "tiny", Dim: 96, Layers: 4, FFN: 200, Vocab: 300, Heads: 6, KVHeads: 2, HeadDim: 16, RopeTheta: 1e4, NormEps: 1e-5}.As(a, 3, 40).Config()
}

// smallModels returns a small model of each architecture, and one with every kind of layer.
func smallModels() (cs []runners.Config) {
	for _, a := range runners.Arches() {
		cs = append(cs, tiny(a))
	}
	rope := runners.Rotary{Theta: 1e4}
	mixed := tiny(runners.Transformer)
	mixed.Name, mixed.Label, mixed.EmbedScale = "mixed", "mixed", 3
	for i, m := range []runners.Mixer{
		{Kind: runners.Attention, Heads: 6, KVHeads: 2, HeadDim: 16, Window: 40, Rope: rope},
		{Kind: runners.Retention, Heads: 3, HeadDim: 20, Rope: rope},
		{Kind: runners.Attention, Heads: 4, KVHeads: 1, HeadDim: 12, Rope: rope},
		{Kind: runners.KeysValues, KVHeads: 2, HeadDim: 24, Rope: rope},
		{Kind: runners.Attention, Heads: 4, KVHeads: 2, HeadDim: 24, KVBack: 1, Rope: rope},
		{Kind: runners.Attention, Heads: 2, KVHeads: 1, HeadDim: 12, KVBack: 3, Rope: rope},
	} {
		l := runners.Layer{Mixer: m, FFN: 100 + 10*i}
		if m.Kind == runners.KeysValues {
			l.FFN = 0
		}
		mixed.Layers = append(mixed.Layers[:i], l)
	}
	return append(cs, mixed)
}

func load(t testing.TB, c runners.Config, opts runners.Options) runners.Instance {
	m, err := New().Load(c, checkpoint.Random(c, 1, runners.F32), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if u := m.Usage(); u.Total() != 0 {
			t.Errorf("held after Close: %+v", u)
		}
	})
	return m
}

func someTokens(n, vocab, seed int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*i*7 + i*13 + seed) % vocab
	}
	return ids
}

// TestThreads: one, two and four workers give the same bits.
func TestThreads(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		for _, c := range smallModels() {
			var first []float32
			for _, threads := range []int{1, 2, 4} {
				opts.Threads = threads
				m := load(t, c, opts)
				n := 150
				if opts.Tier == "go" {
					n = 40 // slow
				}
				got := runAll(t, m, c, n)
				if first == nil {
					first = got
				}
				for i := range got {
					if math.Float32bits(got[i]) != math.Float32bits(first[i]) {
						t.Fatalf("%s with %d threads: value %d is %g, with one thread %g", c.Label, threads, i, got[i], first[i])
					}
				}
			}
		}
	})
}

// runAll scores n tokens, prefills three times as many, steps, and returns all results.
func runAll(t *testing.T, m runners.Instance, c runners.Config, n int) (out []float32) {
	ctx := context.Background()
	var ss []runners.Sequence
	for i := range 2 {
		s, err := m.NewSequence(700)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ss = append(ss, s)
		if err := m.Score(ctx, s, someTokens(n+20*i, c.Vocab, i), func(_ int, p float32) { out = append(out, p) }); err != nil {
			t.Fatal(err)
		}
		if err := m.Prefill(ctx, s, someTokens(3*n+50, c.Vocab, i+5)); err != nil {
			t.Fatal(err)
		}
	}
	logits := [][]float32{make([]float32, c.Vocab), make([]float32, c.Vocab)}
	for i := range 3 {
		if err := m.Step(ctx, ss, []int{i, i + 1}, logits); err != nil {
			t.Fatal(err)
		}
		out = append(append(out, logits[0]...), logits[1]...)
	}
	return out
}

// TestModelStepAllocs: a whole decode step does not allocate, in any architecture, for one sequence
// and for a batch.
func TestModelStepAllocs(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		ctx := context.Background()
		for _, c := range smallModels() {
			for _, batch := range []int{1, 4} {
				m := load(t, c, opts)
				ss, ids, logits := make([]runners.Sequence, batch), make([]int, batch), make([][]float32, batch)
				for i := range ss {
					s, err := m.NewSequence(700)
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					ss[i], ids[i], logits[i] = s, i, make([]float32, c.Vocab)
					if err := m.Prefill(ctx, s, someTokens(500+i, c.Vocab, i)); err != nil {
						t.Fatal(err)
					}
				}
				step := func() {
					if err := m.Step(ctx, ss, ids, logits); err != nil {
						t.Fatal(err)
					}
				}
				for range 15 {
					step() // beyond a window and a split of the keys, so scratch has grown
				}
				if n := testing.AllocsPerRun(20, step); n != 0 {
					t.Errorf("%s, %d sequences: %g allocations per step", c.Label, batch, n)
				}
			}
		}
	})
}

// TestStepAllocs: the operations of a decode step do not allocate.
func TestStepAllocs(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		const heads, hd, d, vocab = 4, 16, 64, 300
		r := rand.New(rand.NewPCG(5, 5))
		weight := func(rows ...int) runners.Weight {
			var ts []runners.Tensor
			for _, n := range rows {
				ts = append(ts, optest.Tensor(optest.Random(r, n, d, 0.1, runners.F32)))
			}
			w, err := o.Weight(ts...)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		vec := optest.Tensor(optest.Random(r, 1, d, 1, runners.F32))
		vec.Shape = []int{d}
		norm, _ := o.Weight(vec)
		proj, gated, out, table := weight(d, d, d, d, heads), weight(d, d), weight(d), weight(vocab)
		logits := weight(vocab)
		var bufs [4]runners.Buffer
		for i, cols := range []int{d, d, 4*d + heads, vocab} {
			b, err := o.Buffer(runners.Inner, 2, cols)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			bufs[i] = b
		}
		x, y, z := runners.All(bufs[0]), runners.All(bufs[1]), bufs[3]
		part := func(i int) runners.Mat { return runners.Mat{Buf: bufs[2], Col: i * d, Cols: d} }
		gate := runners.Mat{Buf: bufs[2], Col: 4 * d, Cols: heads}
		b := &runners.Batch{Spans: []runners.Span{{Row: 0, Len: 1}, {Row: 1, Len: 1}}, Rows: 2}
		var global, window []runners.KV
		var states []runners.State
		for range 2 {
			g, err1 := o.GlobalKV(heads, hd, 2000)
			w, err2 := o.WindowKV(heads, hd, 30, 2000)
			s, err3 := o.State(heads, hd)
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			defer w.Close()
			defer s.Close()
			global, window, states = append(global, g), append(window, w), append(states, s)
		}
		rope := o.Rope(runners.Rope{HeadDim: hd, Rotary: runners.Rotary{Theta: 1e4}})
		tokens := []int{5, 7}
		read := [][]float32{make([]float32, vocab), make([]float32, vocab)}
		probs := make([]float32, 2)
		step := func() {
			o.Begin(b)
			o.Part(runners.PartSelf)
			o.Embed(x, table, tokens, 1)
			o.RMSNorm(2, y, x, norm, 1e-5)
			o.Linear(2, runners.All(bufs[2]), y, proj)
			o.Retain(b, runners.Retained{Dst: part(0), Q: part(0), K: part(1), V: part(2), Gate: part(3), Decay: gate, Heads: heads, State: states, Rope: rope, Eps: 1e-5})
			o.AttendWindow(b, runners.Windowed{Dst: part(0), Q: part(0), K: part(1), V: part(2), Heads: heads, KV: window, Rope: rope})
			o.Part(runners.PartCross)
			o.AppendKV(b, global, part(1), part(2), rope)
			o.Attend(b, runners.Attended{Dst: part(0), Q: part(0), Heads: heads, KV: global, Rope: rope})
			o.LinearAdd(2, x, part(0), out)
			o.GLU(2, y, x, gated, runners.SiLU)
			o.Linear(2, runners.All(z), y, logits)
			if err := errors.Join(o.Read(runners.All(z), read), o.LogProbs(y, logits, 0, tokens, probs)); err != nil {
				t.Fatal(err)
			}
			for i := range b.Spans {
				b.Spans[i].Pos++
			}
		}
		for range 1100 {
			step() // beyond two splits of the keys
		}
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("%g allocations per step", n)
		}
	})
}

// neverRead is weights that must not be read.
type neverRead struct{ runners.Weights }

func (neverRead) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	panic("weights that do not fit are read: " + p.Name)
}

// TestWeightsTooLarge: weights beyond the budget are rejected before one is read.
func TestWeightsTooLarge(t *testing.T) {
	c, err := runners.Preset("yoco-gret-65b")
	if err != nil {
		t.Fatal(err)
	}
	_, err = New().Load(c, neverRead{}, runners.Options{Weights: runners.BF16, MemoryBudget: 8 << 30})
	if !errors.Is(err, runners.ErrOutOfMemory) || !strings.Contains(err.Error(), "its weights are") {
		t.Error(err)
	}
}
