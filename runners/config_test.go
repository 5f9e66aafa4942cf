package runners

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// mixed has every kind of mixer, and two layers whose keys and values later layers read.
func mixed() Config {
	rope := Rotary{Theta: 1e4}
	return Config{Name: "mixed", Label: "mixed", Dim: 16, Vocab: 10, EmbedScale: 2, NormEps: 1e-5, Layers: []Layer{
		{Mixer: Mixer{Kind: Attention, Heads: 4, KVHeads: 2, HeadDim: 4, Window: 3, Rope: rope}, FFN: 8},
		{Mixer: Mixer{Kind: Attention, Heads: 2, KVHeads: 1, HeadDim: 6, Rope: rope}, FFN: 12},
		{Mixer: Mixer{Kind: Retention, Heads: 2, HeadDim: 8, Rope: rope}, FFN: 8},
		{Mixer: Mixer{Kind: KeysValues, KVHeads: 1, HeadDim: 4, Rope: rope}, FFN: 0},
		{Mixer: Mixer{Kind: Attention, Heads: 4, KVHeads: 1, HeadDim: 4, KVBack: 1, Rope: rope}, FFN: 8},
		{Mixer: Mixer{Kind: Attention, Heads: 4, KVHeads: 1, HeadDim: 6, KVBack: 4, Rope: rope}, FFN: 20},
	}}
}

func TestFolds(t *testing.T) {
	for _, tt := range []struct {
		c                      Config
		depth, prefill, replay int
		first, last            Part
	}{
		{mixed(), 5, 4, 3, PartLayers, PartLayers},
		{tinyT, 2, 2, 0, PartLayers, PartLayers},
		{tinyS, 4, 3, 2, PartSelf, PartCross},
		{tinyR, 4, 3, 2, PartSelf, PartCross},
		{mustPreset(t, "gemma-like-160m"), 12, 12, 11, PartLayers, PartLayers},
		{mustPreset(t, "cla-160m"), 12, 11, 0, PartLayers, PartLayers},
		{mustPreset(t, "hybrid-3to1-160m"), 12, 12, 11, PartLayers, PartLayers},
	} {
		parts := tt.c.LayerParts()
		got := []any{tt.c.Depth(), tt.c.PrefillLayers(), tt.c.ReplayLayers(), parts[0], parts[len(parts)-1], tt.c.CanTruncate()}
		want := []any{tt.depth, tt.prefill, tt.replay, tt.first, tt.last, tt.replay == 0}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: depth, prefill, replay, parts, canTruncate %v, want %v", tt.c.Name, got, want)
		}
		if err := tt.c.Validate(); err != nil {
			t.Errorf("%s: %v", tt.c.Name, err)
		}
	}
}

// TestMixedByHand compares the bytes of caches and weights and the FLOPs of every kind of mixer
// with sums worked out by hand.
func TestMixedByHand(t *testing.T) {
	c := mixed()
	// Pairs of keys and values: 2x2x4 in the window, 2x6 in layer 1, 2x4 in layer 3. A state of 2
	// heads of 8x8.
	if got, want := c.CacheBytes(100, BF16), (Usage{WindowKV: 2 * 2 * 4 * 2 * 3, GlobalKV: (2*6 + 2*4) * 2 * 100, State: 2 * 8 * 8 * 4}); got != want {
		t.Errorf("caches %+v, want %+v", got, want)
	}
	// Projections and FFN of each layer, input width 16: [q; k; v] (and gates), out, 3 ffn.
	weights := 16 * ((16 + 8 + 8 + 16 + 3*8) + (12 + 6 + 6 + 12 + 3*12) + (4*16 + 2 + 16 + 3*8) + (4 + 4) + (16 + 16 + 3*8) + (24 + 24 + 3*20))
	early := weights - 16*((16+16+3*8)+(24+24+3*20))
	total, inner := c.Count()
	if norms := int64(16 * (2*5 + 1 + 1)); inner != int64(weights)+norms || total != inner+2*16*10 {
		t.Errorf("%d parameters, %d without the vocabulary; want %d in matrices and %d in norms", total, inner, weights, norms)
	}
	// 5 tokens from an empty context: 1+2+3+3+3 pairs in the window, 15 over the whole context, one
	// chunk of retention.
	window, whole, state := float64(4*16*12), float64(4*15), float64(2*(4*8*8*5+4*8*15))
	if got, want := c.PrefillWork(5, 0, Types{}).Layers.FLOPs, float64(2*5*early)+window+whole*12+state; got != want {
		t.Errorf("prefill: %g FLOP, want %g", got, want)
	}
	if got, want := c.ScoreWork(5, 0, Types{}).Layers.FLOPs, float64(2*5*weights)+window+whole*(12+16+24)+state; got != want {
		t.Errorf("score: %g FLOP, want %g", got, want)
	}
	// Bytes written: the last 3 pairs of the window and 5 pairs of each global cache in bfloat16,
	// and the state in float32.
	if got, want := c.PrefillWork(5, 0, bf16).Layers.Write, float64(2*8*2*3+(2*6+2*4)*2*5+2*8*8*4); got != want {
		t.Errorf("prefill writes %g bytes, want %g", got, want)
	}
	if got := c.BlockWidth(); got != 4*16+2 {
		t.Errorf("the widest block is %d", got)
	}
}

func TestBadLayers(t *testing.T) {
	for _, tt := range []struct {
		layer  int // -1: the error is not about a layer
		want   string
		change func(*Config)
	}{
		{-1, "there are 0 layers", func(c *Config) { c.Layers = nil }},
		{-1, "there are 4097 layers", func(c *Config) { c.Layers = make([]Layer, MaxLayers+1) }},
		{-1, "dim is 0", func(c *Config) { c.Dim = 0 }},
		{-1, "embed_scale is NaN", func(c *Config) { c.EmbedScale = math.NaN() }},
		{-1, "norm_eps is NaN", func(c *Config) { c.NormEps = math.NaN() }},
		{0, `unknown mixer "scan" (known: attention, retention, keys-values)`, func(c *Config) { c.Layers[0].Mixer.Kind = "scan" }},
		{0, "heads (4) is not a multiple of kv_heads (3)", func(c *Config) { c.Layers[0].Mixer.KVHeads = 3 }},
		{0, "head_dim is 5, but rotary", func(c *Config) { c.Layers[0].Mixer.HeadDim = 5 }},
		{0, "window is -1", func(c *Config) { c.Layers[0].Mixer.Window = -1 }},
		{0, "heads x head_dim is 4194304", func(c *Config) { c.Layers[0].Mixer.HeadDim = limit }},
		{0, "rope_theta is NaN", func(c *Config) { c.Layers[0].Mixer.Rope.Theta = math.NaN() }},
		{0, "ffn is 0", func(c *Config) { c.Layers[0].FFN = 0 }},
		{2, "kv_heads does not belong to a layer of retention", func(c *Config) { c.Layers[2].Mixer.KVHeads = 2 }},
		{2, "window does not belong to a layer of retention", func(c *Config) { c.Layers[2].Mixer.Window = 2 }},
		{2, "only attention over the whole context can read", func(c *Config) { c.Layers[2].Mixer.KVBack = 1 }},
		{3, "ffn does not belong to a layer of keys-values", func(c *Config) { c.Layers[3].FFN = 4 }},
		{3, "heads does not belong to a layer of keys-values", func(c *Config) { c.Layers[3].Mixer.Heads = 1 }},
		{4, "want at least 4: the rotary frequencies include both end points", func(c *Config) {
			c.Layers[4].Mixer.HeadDim, c.Layers[4].Mixer.Rope.EndPoint = 2, true
		}},
		{4, "only attention over the whole context can read", func(c *Config) { c.Layers[4].Mixer.Window = 2 }},
		{4, "layer 2, which keeps none", func(c *Config) { c.Layers[4].Mixer.KVBack = 2 }},
		{4, "layer 0, which keeps none", func(c *Config) { c.Layers[4].Mixer.KVBack = 4 }},
		{4, "of 5 layers back, want 1 to 4", func(c *Config) { c.Layers[4].Mixer.KVBack = 5 }},
		{4, "of -1 layers back", func(c *Config) { c.Layers[4].Mixer.KVBack = -1 }},
		{5, "layer 4, which keeps none", func(c *Config) { c.Layers[5].Mixer.KVBack = 1 }},
		{5, "layer 3, which has 1 of 4", func(c *Config) { c.Layers[5].Mixer.KVBack = 2 }},
		{5, "other heads or positions", func(c *Config) { c.Layers[5].Mixer.Rope.Interleaved = true }},
		{3, "it is the last layer", func(c *Config) { c.Layers = c.Layers[:4] }},
	} {
		c := mixed()
		tt.change(&c)
		err := c.Validate()
		var bad *LayerError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &bad) != (tt.layer >= 0) || bad != nil && bad.Layer != tt.layer {
			t.Errorf("%v; want one about layer %d: %s", err, tt.layer, tt.want)
		}
	}
}

// TestShapeIsFound: a model made from a Shape is written as that Shape, because the ids of cases
// depend on it. Any change to a layer changes what is written.
func TestShapeIsFound(t *testing.T) {
	found := 0
	for _, c := range Presets() {
		s, ok := c.Shape()
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			if !strings.Contains(string(text), `"layers":[{`) {
				t.Errorf("%s: %s", c.Name, text)
			}
			continue
		}
		found++
		want, err := json.Marshal(s)
		if err != nil || string(text) != string(want) {
			t.Errorf("%s: %s, want %s (%v)", c.Name, text, want, err)
		}
		for i := range c.Layers {
			other := c
			other.Layers = append([]Layer(nil), c.Layers...)
			other.Layers[i].Mixer.Rope.Theta++
			if _, ok := other.Shape(); ok {
				t.Errorf("%s with another layer %d has a shape", c.Name, i)
			}
		}
	}
	if want := 3*len(sizes) + 1; found != want {
		t.Errorf("%d presets have a shape, want %d", found, want)
	}
	c := mustPreset(t, "yoco-swa-3b")
	const want = `{"name":"yoco-swa-3b","arch":"yoco-swa","dim":3072,"layers":26,"ffn":8192,"vocab":100288,"self_heads":24,"heads":24,"kv_heads":8,"head_dim":128,"window":1024,"rope_theta":10000,"norm_eps":0.00001}`
	if text, err := json.Marshal(c); err != nil || string(text) != want {
		t.Errorf("%s: %v\nwant %s", text, err, want)
	}
}
