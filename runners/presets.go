package runners

import (
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/internal/suggest"
)

// vocabCL100K is the vocabulary size of the published models: the 100,277 tokens of cl100k_base,
// including special tokens, padded.
const vocabCL100K = 100288

// size holds what the three architectures of one size have in common.
type size struct {
	name               string
	dim, layers, heads int
	kvHeads            int
	// retentionHeads is the number of self-decoder heads of yoco-gret; yoco-swa has as many as the
	// cross-decoder.
	retentionHeads int
	// ffn is the Transformer's hidden width. The YOCOs have the same width if sameFFN is set, else
	// the width that makes all three equally large.
	ffn     int
	sameFFN bool
	vocab   int
}

// sizes are those of the paper "You Only Cache Once" (arXiv 2405.05254) and two LLaMA shapes for
// its memory arithmetic.
//
// 160M to 13B are the sizes of the scaling experiments: dim, layers and heads as published, and
// retention heads of 256. The paper does not give the rest. We assume multi-head keys and values,
// and a Transformer FFN of 8/3 dim rounded up to a multiple of 256 as in LLaMA. The published sizes
// confirm both: they equal these weights with one of the two vocabulary matrices counted. We also
// assume that the width of the FFN makes the three architectures of a size equally large
// (equalFFN).
//
// 3B is yoco_3b of the reference implementation (microsoft/unilm, folder YOCO): 24 self-decoder
// heads of 128, so the retention state would take 9.75 MiB in bfloat16. The other two 3B models
// keep the FFN of 8192, as the paper's inference comparison does with "the same" 3B Transformer; a
// Transformer of this shape has 2.62B non-embedding parameters, the YOCO 2.83B.
//
// 30B and 65B have LLaMA's dim, layers, heads and vocabulary (arXiv 2302.13971), for memory
// arithmetic. LLaMA has multi-head keys and values; here they are grouped: 8 heads in 65B as in
// LLaMA 2 70B, and 13 in 30B, the divisor of its 52 heads nearest to 8. The FFN is wider than
// LLaMA's by what the grouping saves, so the sizes stay 32.5B and 65.2B. A YOCO of L layers keeps
// 1/L of the keys and values of a Transformer of L layers with the same KV heads, whatever their
// number: 1/80 for 65B as published, 1/60 for this 30B. The paper's 64 belongs to a 64-layer model
// whose shape it does not give.
var sizes = []size{
	{name: "160m", dim: 768, layers: 12, heads: 12, kvHeads: 12, retentionHeads: 3, ffn: 2048, vocab: vocabCL100K},
	{name: "400m", dim: 1024, layers: 24, heads: 16, kvHeads: 16, retentionHeads: 4, ffn: 2816, vocab: vocabCL100K},
	{name: "830m", dim: 1536, layers: 24, heads: 12, kvHeads: 12, retentionHeads: 6, ffn: 4096, vocab: vocabCL100K},
	{name: "1.4b", dim: 2048, layers: 24, heads: 16, kvHeads: 16, retentionHeads: 8, ffn: 5632, vocab: vocabCL100K},
	{name: "2.7b", dim: 2560, layers: 32, heads: 20, kvHeads: 20, retentionHeads: 10, ffn: 6912, vocab: vocabCL100K},
	{name: "3b", dim: 3072, layers: 26, heads: 24, kvHeads: 8, retentionHeads: 24, ffn: 8192, sameFFN: true, vocab: vocabCL100K},
	{name: "6.8b", dim: 4096, layers: 32, heads: 32, kvHeads: 32, retentionHeads: 16, ffn: 11008, vocab: vocabCL100K},
	{name: "13b", dim: 5120, layers: 40, heads: 40, kvHeads: 40, retentionHeads: 20, ffn: 13824, vocab: vocabCL100K},
	{name: "30b", dim: 6656, layers: 60, heads: 52, kvHeads: 13, retentionHeads: 26, ffn: 21248, vocab: 32000},
	{name: "65b", dim: 8192, layers: 80, heads: 64, kvHeads: 8, retentionHeads: 32, ffn: 26816, vocab: 32000},
}

// slidingWindow is the window of the published yoco-swa models, in tokens.
const slidingWindow = 1024

// shape returns the model of architecture a at this size, named "<arch>-<size>".
func (s size) shape(a Arch) Shape {
	selfHeads := s.heads
	if a == YOCOGatedRetention {
		selfHeads = s.retentionHeads
	}
	c := Shape{
		Name: string(a) + "-" + s.name,
		Dim:  s.dim, Layers: s.layers, FFN: s.ffn, Vocab: s.vocab,
		Heads: s.heads, KVHeads: s.kvHeads, HeadDim: s.dim / s.heads,
		// The reference implementation's defaults. Training at 1M tokens used a larger theta; no
		// cost depends on it.
		RopeTheta: 10000, NormEps: 1e-5,
	}.As(a, selfHeads, slidingWindow)
	if a.yoco() && !s.sameFFN {
		c.FFN = equalFFN(c.Config(), s.shape(Transformer).Config())
	}
	return c
}

// equalFFN returns the FFN width, a multiple of 64, that makes the parameter count of c closest to
// that of twin. A YOCO's attention has fewer parameters, because only one layer projects global
// keys and values.
func equalFFN(c, twin Config) int {
	_, have := c.Count()
	_, want := twin.Count()
	perUnit := 3 * float64(c.Depth()) * float64(c.Dim)
	ffn := float64(c.Layers[0].FFN) + float64(want-have)/perUnit
	return 64 * int(math.Round(ffn/64))
}

// pattern is an architecture composed of known layer types: a rule for each layer of a size.
type pattern struct {
	label string
	mixer func(s size, layer int) Mixer
}

// patterns use a Transformer's attention sizes and, like YOCO, an FFN width that makes them as
// large as the Transformer. Only the arrangement of layers comes from the cited sources.
var patterns = []pattern{
	// Five layers with a window of 1024 for each layer over the whole context, which has a higher
	// theta: the arrangement of Gemma 3 (arXiv 2503.19786, section 2), without its norms, GeGLU and
	// embedding.
	{"gemma-like", func(s size, layer int) Mixer {
		m := s.attention()
		if layer%6 == 5 {
			m.Rope.Theta = 1e6
		} else {
			m.Window = 1024
		}
		return m
	}},
	// Every second layer reads the keys and values of the layer before it: cross-layer attention
	// with a sharing factor of 2 (CLA2, arXiv 2405.12981).
	{"cla", func(s size, layer int) Mixer {
		m := s.attention()
		m.KVBack = layer % 2
		return m
	}},
	// Three layers of gated retention (arXiv 2405.05254) to one of attention over the whole
	// context: the ratio that Kimi Linear found best for its linear mixer (arXiv 2510.26692).
	{"hybrid-3to1", func(s size, layer int) Mixer {
		if layer%4 == 3 {
			return s.attention()
		}
		return Mixer{
			Kind: Retention, Heads: s.retentionHeads, HeadDim: s.dim / s.retentionHeads,
			Rope: Rotary{Theta: 10000, EndPoint: true, Interleaved: true},
		}
	}},
}

// attention returns the attention of one layer of the Transformer of this size.
func (s size) attention() Mixer { return s.shape(Transformer).Config().Layers[0].Mixer }

// config returns the model with this size's dimensions and the pattern's layers.
func (s size) config(p pattern) Config {
	twin := s.shape(Transformer).Config()
	c := twin
	c.Name, c.Label = p.label+"-"+s.name, p.label
	c.Layers = make([]Layer, s.layers)
	fill := func(ffn int) {
		for i := range c.Layers {
			c.Layers[i] = Layer{Mixer: p.mixer(s, i), FFN: ffn}
		}
	}
	fill(s.ffn)
	if !s.sameFFN {
		fill(equalFFN(c, twin))
	}
	return c
}

// largestPattern is the largest size at which patterns are presets.
const largestPattern = "3b"

// Presets lists the published sizes in every architecture, from small to large, such as
// "yoco-gret-3b" or "transformer-160m"; then 160M to 3B in every pattern, such as "cla-160m"; and
// the shape of SmolLM2-135M (HuggingFaceTB/SmolLM2-135M, whose output matrix is its embedding; here
// it is a separate matrix).
func Presets() []Config {
	cs := []Config{Shape{
		Name: "transformer-smollm2-135m", Arch: Transformer,
		Dim: 576, Layers: 30, FFN: 1536, Vocab: 49152, Heads: 9, KVHeads: 3, HeadDim: 64,
		RopeTheta: 100000, NormEps: 1e-5,
	}.Config()}
	for _, s := range sizes {
		for _, a := range Arches() {
			cs = append(cs, s.shape(a).Config())
		}
	}
	for _, s := range sizes {
		for _, p := range patterns {
			cs = append(cs, s.config(p))
		}
		if s.name == largestPattern {
			break
		}
	}
	return cs
}

// Preset returns the preset of a name.
func Preset(name string) (Config, error) {
	var names []string
	for _, c := range Presets() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	if n := suggest.Nearest(name, names); n != "" {
		return Config{}, fmt.Errorf("no preset named %q (did you mean %q?)", name, n)
	}
	return Config{}, fmt.Errorf("no preset named %q; there are %s", name, strings.Join(names, ", "))
}
