package runners

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

var bf16 = Types{Weights: BF16, KV: BF16, Act: BF16}

// contexts are the lengths of the paper's inference tables.
var contexts = []int{32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20}

func mustPreset(t *testing.T, name string) Config {
	t.Helper()
	c, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closeTo reports whether got equals want to want's last printed digit. The hand-computed figures
// leave out the decay gate's projection and the norms (0.06 % of the YOCO), so slightly more than
// half a digit is allowed.
func closeTo(got float64, want string) bool {
	w, err := strconv.ParseFloat(want, 64)
	digit := 1.0
	if _, fraction, ok := strings.Cut(want, "."); ok {
		digit = math.Pow10(-len(fraction))
	}
	return err == nil && math.Abs(got-w) <= .6*digit
}

// TestPrefillOf3B compares the model with figures worked out by hand from the published shapes:
// PFLOP of the two 3B models and their ratio.
func TestPrefillOf3B(t *testing.T) {
	y, x := mustPreset(t, "yoco-gret-3b"), mustPreset(t, "transformer-3b")
	want := [][3]string{
		{".34", ".11", "3.23"}, {"1.0", ".21", "4.84"}, {"3.4", ".43", "8.07"},
		{"12.3", ".85", "14.5"}, {"46.7", "1.70", "27.4"}, {"181", "3.40", "53.2"},
	}
	for i, n := range contexts {
		a, b := x.PrefillWork(n, 0, bf16).Total().FLOPs/1e15, y.PrefillWork(n, 0, bf16).Total().FLOPs/1e15
		for j, got := range []float64{a, b, a / b} {
			if !closeTo(got, want[i][j]) {
				t.Errorf("%d tokens, column %d: %.5g, want %s", n, j, got, want[i][j])
			}
		}
	}
}

// TestHeldBy3B: GB of weights and caches of one sequence, without workspace.
func TestHeldBy3B(t *testing.T) {
	y, x := mustPreset(t, "yoco-gret-3b"), mustPreset(t, "transformer-3b")
	want := [][2]string{
		{"9.96", "7.04"}, {"13.5", "7.18"}, {"20.4", "7.45"}, {"34.4", "7.98"}, {"62.3", "9.06"}, {"118.1", "11.21"},
	}
	for i, n := range contexts {
		for j, c := range []Config{x, y} {
			if got := float64(c.HeldBytes(n, 1, bf16, 0).Total()) / 1e9; !closeTo(got, want[i][j]) {
				t.Errorf("%s at %d tokens: %.5g GB, want %s", c.Name, n, got, want[i][j])
			}
		}
	}
	// With the activations of one prefill chunk the YOCO needs the published 12.4 GB.
	if got := float64(y.RunBytes(1<<20, 1, 0, bf16).Total()) / 1e9; !closeTo(got, "12.4") {
		t.Errorf("yoco-gret-3b at 1Mi with workspace: %.5g GB, want 12.4", got)
	}
}

// Small models whose costs are worked out by hand below.
var (
	tinyT = Shape{Name: "t", Arch: Transformer, Dim: 8, Layers: 2, FFN: 16, Vocab: 10,
		Heads: 4, KVHeads: 2, HeadDim: 2, RopeTheta: 1e4, NormEps: 1e-5}.Config()
	tinyS = Shape{Name: "s", Arch: YOCOSlidingWindow, Dim: 8, Layers: 4, FFN: 16, Vocab: 10, SelfHeads: 2,
		Heads: 2, KVHeads: 1, HeadDim: 4, Window: 3, RopeTheta: 1e4, NormEps: 1e-5}.Config()
	tinyR = Shape{Name: "r", Arch: YOCOGatedRetention, Dim: 8, Layers: 4, FFN: 16, Vocab: 10, SelfHeads: 2,
		Heads: 2, KVHeads: 1, HeadDim: 4, RopeTheta: 1e4, NormEps: 1e-5}.Config()
)

func TestWorkByHand(t *testing.T) {
	mixed := Types{Weights: F32, KV: BF16}
	// A Transformer layer has 2·8·8 (q, o) + 2·8·4 (k, v) + 3·8·16 = 576 weights in matrices, 16 in
	// norms; a key/value pair takes 2·4·2 = 16 bytes. The head has 80 and 8. A YOCO's self layer
	// has 4·64 + 384 = 640 and, with retention, 640 + 64 + 16 = 720; its cross layer has 2·64 + 384
	// = 512. The projection to the global cache has 2·8·4 = 64, and 8 in its norm.
	for _, tt := range []struct {
		name string
		got  Work
		want Work
	}{
		{"transformer prefill", tinyT.PrefillWork(3, 2, mixed), Work{
			Embed: Cost{Read: 3 * 8 * 4},
			Layers: Cost{
				FLOPs: 2*2*576*3 + 2*4*8*(3+4+5),
				Read:  2*(576+16)*4 + 2*16*5,
				Write: 2 * 16 * 3,
			},
		}},
		{"transformer step", tinyT.StepWork(4, 3, mixed), Work{
			Embed: Cost{Read: 3 * 8 * 4},
			Layers: Cost{
				FLOPs: 3 * (2*2*576 + 2*4*8*5),
				Read:  2*(576+16)*4 + 3*2*16*5,
				Write: 3 * 2 * 16,
			},
			Head: Cost{FLOPs: 3 * 2 * 80, Read: 88 * 4},
		}},
		{"window prefill", tinyS.PrefillWork(4, 1, mixed), Work{
			Embed: Cost{Read: 4 * 8 * 4},
			// positions 1..4 see 2, 3, 3, 3 keys; a pair of the window takes 2·8·2 = 32 bytes.
			Self: Cost{
				FLOPs: 2*2*640*4 + 2*4*8*(2+3+3+3),
				Read:  2*(640+16)*4 + 2*32*1,
				Write: 2 * 32 * 3,
			},
			KV: Cost{FLOPs: 2 * 64 * 4, Read: 72 * 4, Write: 16 * 4},
		}},
		{"window score", tinyS.ScoreWork(2, 0, mixed), Work{
			Embed: Cost{Read: 2 * 8 * 4},
			Self: Cost{
				FLOPs: 2*2*640*2 + 2*4*8*(1+2),
				Read:  2 * (640 + 16) * 4,
				Write: 2 * 32 * 2,
			},
			KV:    Cost{FLOPs: 2 * 64 * 2, Read: 72 * 4, Write: 16 * 2},
			Cross: Cost{FLOPs: 2*2*512*2 + 2*4*8*(1+2), Read: 2*(512+16)*4 + 2*16*2},
			Head:  Cost{FLOPs: 2 * 80, Read: 88 * 4},
		}},
		{"retention prefill", tinyR.PrefillWork(3, 7, mixed), Work{
			Embed: Cost{Read: 3 * 8 * 4},
			// a layer's two heads of 4: 4·4 for each of 1+2+3 pairs within the chunk, and 4·16 per
			// token for the state, whose 32 values are float32.
			Self: Cost{
				FLOPs: 2*2*720*3 + 2*2*(4*4*6+4*16*3),
				Read:  2*(720+16)*4 + 2*32*4,
				Write: 2 * 32 * 4,
			},
			KV: Cost{FLOPs: 2 * 64 * 3, Read: 72 * 4, Write: 16 * 3},
		}},
		{"retention step", tinyR.StepWork(5, 2, mixed), Work{
			Embed: Cost{Read: 2 * 8 * 4},
			Self: Cost{
				FLOPs: 2 * (2*2*720 + 2*2*4*16),
				Read:  2*(720+16)*4 + 2*2*32*4,
				Write: 2 * 2 * 32 * 4,
			},
			KV:    Cost{FLOPs: 2 * 2 * 64, Read: 72 * 4, Write: 2 * 16},
			Cross: Cost{FLOPs: 2 * (2*2*512 + 2*4*8*6), Read: 2*(512+16)*4 + 2*2*16*6},
			Head:  Cost{FLOPs: 2 * 2 * 80, Read: 88 * 4},
		}},
	} {
		for _, p := range Parts() {
			if got, want := tt.got.Part(p), tt.want.Part(p); got != want {
				t.Errorf("%s, %s: %+v, want %+v", tt.name, p, got, want)
			}
		}
	}
}

// TestPrefillInPieces: the FLOPs do not depend on how a prompt is split, if it is split at the
// boundaries of retention chunks.
func TestPrefillInPieces(t *testing.T) {
	for _, c := range []Config{tinyT, tinyS, tinyR} {
		whole := c.PrefillWork(1000, 0, bf16).Total().FLOPs
		cut := c.PrefillWork(512, 0, bf16).Add(c.PrefillWork(488, 512, bf16)).Total().FLOPs
		if whole != cut {
			t.Errorf("%s: %g FLOPs whole, %g in two pieces", c.Name, whole, cut)
		}
		if a, b := c.StepWork(700, 3, bf16), c.StepsWork([]int{700, 700, 700}, bf16); a != b {
			t.Errorf("%s: StepWork %+v, StepsWork %+v", c.Name, a, b)
		}
		mixed := c.StepsWork([]int{5, 9, 5}, bf16).Total().FLOPs
		if sum := c.StepWork(5, 2, bf16).Add(c.StepWork(9, 1, bf16)).Total().FLOPs; mixed != sum {
			t.Errorf("%s: a step at mixed depths takes %g FLOPs, its parts %g", c.Name, mixed, sum)
		}
		// Two passes read the weights twice.
		one, two := c.PrefillWork(PrefillChunk, 0, bf16), c.PrefillWork(PrefillChunk+1, 0, bf16)
		if one.KV.Read*2 != two.KV.Read {
			t.Errorf("%s: one pass reads %g bytes, two %g", c.Name, one.KV.Read, two.KV.Read)
		}
	}
}

// TestPairs compares the pair counts with counting (token, key) pairs one by one.
func TestPairs(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 255, 257} {
		for _, depth := range []int{0, 1, 3, 300} {
			for _, window := range []int{1, 4, 256, 1000} {
				causal, windowed := 0, 0
				for p := depth; p < depth+n; p++ {
					causal += p + 1
					windowed += min(p+1, window)
				}
				if got := CausalKeys(n, depth); got != float64(causal) {
					t.Errorf("CausalKeys(%d, %d) = %g, want %d", n, depth, got, causal)
				}
				if got := WindowKeys(n, depth, window); got != float64(windowed) {
					t.Errorf("WindowKeys(%d, %d, %d) = %g, want %d", n, depth, window, got, windowed)
				}
			}
		}
		pairs := 0
		for i := range n {
			pairs += i%64 + 1
		}
		if n == 1 {
			pairs = 0 // the recurrent form
		}
		if got, want := RetentionFLOPs(n, 8, 64), 4*8*float64(pairs)+4*64*float64(n); got != want {
			t.Errorf("RetentionFLOPs(%d) = %g, want %g", n, got, want)
		}
	}
}

// TestEarlyExit: a prefill of a YOCO neither computes nor reads anything in the cross-decoder or
// the head.
func TestEarlyExit(t *testing.T) {
	for _, c := range Presets() {
		w := c.PrefillWork(4096, 0, bf16)
		if w.Cross != (Cost{}) || w.Head != (Cost{}) {
			t.Errorf("%s: prefill computes in the cross-decoder (%+v) or head (%+v)", c.Name, w.Cross, w.Head)
		}
		if s, ok := c.Shape(); ok && s.Arch.yoco() == (w.Layers != Cost{}) {
			t.Errorf("%s: layers %+v", c.Name, w.Layers)
		}
	}
}

// TestEveryWeight: the bytes held include every tensor that Parameters lists, vectors in float32. A
// score reads all of it except the embedding, of which it reads one row per token.
func TestEveryWeight(t *testing.T) {
	for _, c := range append(Presets(), tinyT, tinyS, tinyR) {
		for _, d := range []DType{F32, BF16} {
			want := int64(0)
			for _, p := range c.Parameters() {
				size := int64(d.Size())
				if len(p.Shape) == 1 {
					size = 4
				}
				want += p.Elements() * size
			}
			if got := c.HeldBytes(1, 1, Types{Weights: d}, 0).Weights; got != want {
				t.Errorf("%s in %s: %d bytes of weights, Parameters lists %d", c.Name, d, got, want)
			}
		}
	}
}

func TestNothingCostsNothing(t *testing.T) {
	for _, c := range []Config{tinyT, tinyS, tinyR} {
		for name, w := range map[string]Work{
			"prefill": c.PrefillWork(0, 9, bf16), "score": c.ScoreWork(0, 9, bf16),
			"step": c.StepWork(9, 0, bf16), "steps": c.StepsWork(nil, bf16),
		} {
			if w != (Work{}) {
				t.Errorf("%s: %s of nothing costs %+v", c.Name, name, w)
			}
		}
	}
}

// TestLargestNumbers: costs beyond any machine are finite.
func TestLargestNumbers(t *testing.T) {
	c := mustPreset(t, "transformer-65b")
	w := c.PrefillWork(1<<27, 0, bf16).Scale(1 << 20).Total()
	if !(w.FLOPs > 0) || math.IsInf(w.FLOPs, 0) || !(w.Read > 0) {
		t.Errorf("prefill of 2^47 tokens: %+v", w)
	}
	if got := c.HeldBytes(1<<27, 1<<10, bf16, 0).Total(); got <= 0 {
		t.Errorf("bytes held overflow: %d", got)
	}
}

// TestChunkLogits: with logits of a prefill's chunk, the workspace has a row of the vocabulary for
// each token of a chunk, and the dense work grows by the output matrix. A model with an early exit
// has no such logits.
func TestChunkLogits(t *testing.T) {
	plain, err := Preset("transformer-3b")
	if err != nil {
		t.Fatal(err)
	}
	c := plain
	c.ChunkLogits = true
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	types := Types{Weights: BF16, KV: BF16, Act: BF16}
	more := c.RunBytes(1<<20, 1, 0, types).Total() - plain.RunBytes(1<<20, 1, 0, types).Total()
	if want := int64(PrefillChunk)*int64(c.Vocab)*2 - 4*int64(c.Vocab); more != want {
		t.Errorf("logits of a chunk take %d bytes more, want %d", more, want)
	}
	if got, want := c.RunBytes(10, 1, 4, types), plain.RunBytes(10, 1, 4, types); got.Workspace-want.Workspace != int64(c.Vocab)*(4*2-4) || got.Cache() != want.Cache() || got.Weights != want.Weights {
		t.Errorf("chunks of 4 rows: %+v, without %+v", got, want)
	}
	a, b := c.PrefillWork(1000, 0, types), plain.PrefillWork(1000, 0, types)
	if got, want := a.Head.FLOPs-b.Head.FLOPs, 2*1000*float64(c.Dim)*float64(c.Vocab); math.Abs(got/want-1) > 0.01 {
		t.Errorf("logits of 1000 rows take %g FLOPs more, want %g", got, want)
	}
	y, err := Preset("yoco-gret-3b")
	if err != nil {
		t.Fatal(err)
	}
	y.ChunkLogits = true
	if err := y.Validate(); err == nil {
		t.Error("a model whose prefill ends early computes logits of its rows")
	}
}
