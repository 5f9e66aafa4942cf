package suites

import (
	"reflect"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// composedModel parses a suite with one model and returns it.
func composedModel(t *testing.T, text string) *runners.Config {
	t.Helper()
	s, err := parse("name: s\nmodels:\n" + text + "\ntasks: [fake]\n")
	if err != nil {
		t.Fatal(err)
	}
	return s.Models[0].Config()
}

// TestPresetsWrittenOut checks that suites can express the presets as layers.
func TestPresetsWrittenOut(t *testing.T) {
	for name, layers := range map[string]string{
		"transformer-160m": `[{repeat: 12}]`,
		"gemma-like-160m":  `[{repeat: 2, layers: [{window: 1024, repeat: 5}, {rope_theta: 1e6}]}]`,
		"cla-160m":         `[{repeat: 6, layers: [{name: own}, {kv_from: own}]}]`,
		"hybrid-3to1-160m": `[{repeat: 3, layers: [{mixer: retention, heads: 3, rope_interleaved: true, rope_end_point: true, repeat: 3}, {mixer: attention}]}]`,
		"yoco-swa-160m": `[{rope_interleaved: true, rope_end_point: true, layers: [
			{window: 1Ki, repeat: 6}, {mixer: keys-values, name: global}, {kv_from: global, repeat: 6}]}]`,
		"yoco-gret-160m": `[{rope_interleaved: true, rope_end_point: true, layers: [
			{mixer: retention, heads: 3, repeat: 6}, {mixer: keys-values, name: global}, {kv_from: global, repeat: 6}]}]`,
		"gemma-like-3b": `[{kv_heads: 8, layers: [{repeat: 4, layers: [{window: 1024, repeat: 5}, {rope_theta: 1e6}]}, {window: 1024, repeat: 2}]}]`,
	} {
		want, err := runners.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		heads := map[int]string{768: "12", 3072: "24"}[want.Dim]
		text := "  - {name: " + name + ", label: " + want.Label + ", dim: " + Size(want.Dim).String() + ", vocab: 100288, heads: " + heads + ", ffn: " +
			Size(want.Layers[0].FFN).String() + ",\n     layers: " + strings.ReplaceAll(layers, "\t", " ") + "}"
		got := composedModel(t, text)
		got.EmbedScale = want.EmbedScale // sqrt(dim) has no short decimal form
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, *got, want)
		}
	}
}

// TestLayerDefaults checks that sizes come from the nearest enclosing list, and that a different
// number of heads does not inherit their width.
func TestLayerDefaults(t *testing.T) {
	c := composedModel(t, `
  - name: m
    dim: 32
    vocab: 256
    tokenizer: bytes
    embed_scale: 3
    norm_eps: 0.01
    heads: 4
    kv_heads: 2
    head_dim: 6
    ffn: 40
    layers:
      - {}
      - {heads: 2}
      - {ffn: 48, rope_theta: 500, layers: [{window: 8}, {mixer: retention, head_dim: 10}, {mixer: keys-values, name: kv, kv_heads: 1}]}
      - {kv_from: kv, heads: 3}
`)
	plain := runners.Rotary{Theta: 10000}
	other := runners.Rotary{Theta: 500}
	want := runners.Config{Name: "m", Label: "m", Dim: 32, Vocab: 256, Tokenizer: "bytes", EmbedScale: 3, NormEps: 0.01, Layers: []runners.Layer{
		{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 4, KVHeads: 2, HeadDim: 6, Rope: plain}, FFN: 40},
		{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 2, KVHeads: 2, HeadDim: 16, Rope: plain}, FFN: 40},
		{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 4, KVHeads: 2, HeadDim: 6, Window: 8, Rope: other}, FFN: 48},
		{Mixer: runners.Mixer{Kind: runners.Retention, Heads: 4, HeadDim: 10, Rope: other}, FFN: 48},
		{Mixer: runners.Mixer{Kind: runners.KeysValues, KVHeads: 1, HeadDim: 6, Rope: other}},
		{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 3, KVHeads: 1, HeadDim: 6, KVBack: 1, Rope: other}, FFN: 40},
	}}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

// TestLayerVariants checks the properties that published families have beyond the reference
// architectures.
func TestLayerVariants(t *testing.T) {
	c := composedModel(t, `
  - name: m
    dim: 32
    vocab: 256
    tied_output: true
    logit_scale: 0.5
    logit_cap: 30
    heads: 4
    ffn: 40
    activation: gelu-tanh
    norms: pre-post
    bias: true
    qk_norm: head
    scale: 0.25
    score_cap: 50
    rope_dims: 4
    rope_factor: 8
    layers:
      - {}
      - {rope_none: true, bias: false, norms: post, qk_norm: whole}
      - {mixer: retention}
      - {mixer: keys-values, name: kv}
      - {kv_from: kv}
`)
	part := runners.Rotary{Theta: 10000, Dims: 4, Divisors: runners.NewDivisors([]float64{8, 8})}
	attention := runners.Mixer{Kind: runners.Attention, Heads: 4, KVHeads: 4, HeadDim: 8, Rope: part, Bias: true, QKNorm: runners.HeadQKNorm, Scale: 0.25, ScoreCap: 50}
	layer := func(m runners.Mixer) runners.Layer {
		return runners.Layer{Mixer: m, FFN: 40, Activation: runners.GELUTanh, Norms: runners.PrePostNorm}
	}
	second, last := layer(attention), layer(attention)
	second.Norms, second.Mixer.Bias, second.Mixer.QKNorm, second.Mixer.Rope = runners.PostNorm, false, runners.WholeQKNorm, runners.Rotary{None: true}
	last.Mixer.KVBack = 1
	want := runners.Config{Name: "m", Label: "m", Dim: 32, Vocab: 256, EmbedScale: 1, NormEps: 1e-5, TiedOutput: true, LogitScale: 0.5, LogitCap: 30,
		Layers: []runners.Layer{
			layer(attention), second,
			layer(runners.Mixer{Kind: runners.Retention, Heads: 4, HeadDim: 8, Rope: part, Bias: true}),
			{Mixer: runners.Mixer{Kind: runners.KeysValues, KVHeads: 4, HeadDim: 8, Rope: part}},
			last,
		}}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

func TestBadLayers(t *testing.T) {
	const good = `
  - name: m
    dim: 32
    vocab: 100
    heads: 4
    ffn: 40
    layers:
      - {window: 8}
      - {name: own}
      - {kv_from: own}
`
	for _, tt := range []struct{ old, new, want string }{
		{"vocab: 100", "seed: 3", "s.yaml:3: a model with layers needs vocab"},
		{"dim: 32", "seed: 3", "s.yaml:3: a model with layers needs dim"},
		{"  - name: m\n    dim", "  - dim", "s.yaml:3: a model with layers and without a name"},
		{"dim: 32", "model: x\n    dim: 32", "s.yaml:3: a model with both model and layers"},
		{"{window: 8}", "{widow: 8}", "s.yaml:9: unknown field \"widow\"\n  hint: did you mean \"window\"?"},
		{"{window: 8}", "attention", "s.yaml:9: expected a layer: a mapping"},
		{"{window: 8}", "{window: wide}", "s.yaml:9:"},
		{"{window: 8}", "{mixer: atention}", "s.yaml:9: unknown mixer \"atention\"\n  hint: did you mean \"attention\"?"},
		{"{window: 8}", "{kv_from: own}", "s.yaml:9: kv_from: no earlier layer is named \"own\"\n  hint: kv_from is the name of an earlier layer"},
		{"{kv_from: own}", "{kv_from: onw}", "s.yaml:11: kv_from: no earlier layer is named \"onw\"\n  hint: did you mean \"own\"?"},
		{"{name: own}", "{name: own, window: 3}", "s.yaml:11: layer 2 of m: it reads the keys and values of layer 1, which keeps none"},
		{"{kv_from: own}", "{kv_from: own, kv_heads: 2}", "s.yaml:11: layer 2 of m: it reads"},
		{"{kv_from: own}", "{kv_from: own, head_dim: 2}", "s.yaml:11: layer 2 of m: it reads"},
		{"{kv_from: own}", "{kv_from: own, rope_theta: 2}", "s.yaml:11: layer 2 of m: it reads"},
		{"{kv_from: own}", "{mixer: keys-values}", "s.yaml:11: layer 2 of m: it is the last layer"},
		{"{kv_from: own}", "{mixer: keys-values, ffn: 3}", "s.yaml:11: layer 2 of m: ffn does not belong to a layer of keys-values"},
		{"{kv_from: own}", "{mixer: retention, kv_heads: 2}", "s.yaml:11: layer 2 of m: kv_heads does not belong to a layer of retention"},
		{"{kv_from: own}", "{mixer: retention, window: 2}", "s.yaml:11: layer 2 of m: window does not belong to a layer of retention"},
		{"{kv_from: own}", "{heads: 5, kv_heads: 2, head_dim: 4}", "s.yaml:11: layer 2 of m: heads (5) is not a multiple of kv_heads (2)"},
		{"{kv_from: own}", "{layers: []}", "s.yaml:11: an empty list of layers"},
		{"{kv_from: own}", "{layers: [{}], window: 3}", "s.yaml:11: a list of layers with mixer, window"},
		{"{kv_from: own}", "{repeat: 5000}", "s.yaml:11: more than 4096 layers"},
		{"{kv_from: own}", "{repeat: 64, layers: [{repeat: 64, layers: [{repeat: 64}]}]}", "s.yaml:11: more than 4096 layers"},
		{"{window: 8}", "{activation: relu}", "s.yaml:9: layer 0 of m: unknown activation \"relu\" (known: gelu-tanh)"},
		{"{window: 8}", "{norms: both}", "s.yaml:9: layer 0 of m: unknown norms \"both\" (known: post, pre-post)"},
		{"{window: 8}", "{rope_dims: 3}", "s.yaml:9: layer 0 of m: rope dims is 3, want an even number up to head_dim, 8"},
		{"{window: 8}", "{rope_factor: -1}", "s.yaml:9: layer 0 of m: rope divisor 0 is -1"},
		{"{window: 8}", "{rope_factor: .nan}", "s.yaml:9: layer 0 of m: rope divisor 0 is NaN"},
		{"{window: 8}", "{score_cap: -1}", "s.yaml:9: layer 0 of m: scale is 0 and score_cap -1"},
		{"{window: 8}", "{mixer: retention, qk_norm: head}", "s.yaml:9: layer 0 of m: qk_norm, scale and score_cap do not belong to a layer of retention"},
		{"heads: 4", "heads: 400", "s.yaml:9: layer 0 of m: head_dim is 0"},
		{good, "\n  - {model: x, dim: 4}", "s.yaml:3: label, dim and other sizes belong to a model that is defined by layers"},
		{good, "\n  - {name: m, dim: 4, vocab: 5, layers: []}", "s.yaml:3: an empty list of layers"},
		// Nested lists of aliases grow exponentially when expanded.
		{good, `
  - name: m
    dim: 4
    vocab: 5
    layers: &a [{}, {}, {}, {}, {}, {}, {}, {}]
  - {name: n, dim: 4, vocab: 5, layers: &b [{layers: *a}, {layers: *a}, {layers: *a}, {layers: *a}, {layers: *a}, {layers: *a}, {layers: *a}]}
  - {name: o, dim: 4, vocab: 5, layers: &c [{layers: *b}, {layers: *b}, {layers: *b}, {layers: *b}, {layers: *b}, {layers: *b}, {layers: *b}]}
  - {name: p, dim: 4, vocab: 5, layers: &d [{layers: *c}, {layers: *c}, {layers: *c}, {layers: *c}, {layers: *c}, {layers: *c}, {layers: *c}]}
  - {name: q, dim: 4, vocab: 5, layers: &e [{layers: *d}, {layers: *d}, {layers: *d}, {layers: *d}, {layers: *d}, {layers: *d}, {layers: *d}]}
  - {name: r, dim: 4, vocab: 5, layers: [{layers: *e}, {layers: *e}, {layers: *e}, {layers: *e}, {layers: *e}, {layers: *e}, {layers: *e}]}`, "s.yaml:"},
	} {
		_, err := parse("name: s\nmodels:" + strings.Replace(good, tt.old, tt.new, 1) + "\ntasks: [fake]\n")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s -> %s:\n got  %v\n want %s", tt.old, tt.new, err, tt.want)
		}
	}
}
