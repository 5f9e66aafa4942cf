package runners

import (
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/internal/suggest"
)

// vocabCL100K is the vocabulary of the published models: the 100,277 tokens of
// cl100k_base and its specials, padded.
const vocabCL100K = 100288

// size is what the three architectures of one size have in common.
type size struct {
	name               string
	dim, layers, heads int
	kvHeads            int
	// retentionHeads is the number of self-decoder heads of the yoco-gret; a
	// yoco-swa has as many as the cross-decoder.
	retentionHeads int
	// ffn is the Transformer's hidden width. The YOCOs have the same if
	// sameFFN, else the width that makes all three equally large.
	ffn     int
	sameFFN bool
	vocab   int
}

// sizes are those of the paper "You Only Cache Once" (arXiv 2405.05254)
// and two LLaMA shapes for its memory arithmetic.
//
// 160M to 13B is the family of the scaling experiments: dim, layers and heads
// as published; retention heads of 256. What the paper leaves open is assumed:
// multi-head keys and values, and a Transformer FFN of 8/3 dim rounded up to a
// multiple of 256 as in LLaMA. The published sizes confirm both: they are these
// weights with one of the two vocabulary matrices counted. The three architectures
// of a size are made equally large by the width of the FFN (equalFFN), an assumption too.
//
// 3B is yoco_3b of the reference implementation (microsoft/unilm, folder
// YOCO): 24 self-decoder heads of 128, so a retention state of 9.75 MiB if it
// were stored in bfloat16. Its twins keep the FFN of 8192, as the paper's
// inference comparison does with "the same" 3B Transformer; a Transformer of
// this shape has 2.62B non-embedding parameters, the YOCO 2.83B.
//
// 30B and 65B are LLaMA's (arXiv 2302.13971: dim, layers, heads and vocabulary)
// and meant for arithmetic. LLaMA had multi-head keys and values; here grouped
// ones are assumed: 8 heads in 65B as in LLaMA 2 70B, and 13 in 30B, the
// divisor of its 52 heads nearest to 8. The FFN is wider than LLaMA's by what the
// grouping saves, so that the sizes stay 32.5B and 65.2B. A YOCO of L layers keeps
// 1/L of the keys and values of a Transformer of L layers with the same KV
// heads, whatever their number: 80 for 65B as published, 60 for this 30B, where
// the paper's 64 belongs to a 64-layer model whose shape it does not give.
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

// shape is the size as a model of architecture a, named "<arch>-<size>".
func (s size) shape(a Arch) Shape {
	selfHeads := s.heads
	if a == YOCOGatedRetention {
		selfHeads = s.retentionHeads
	}
	c := Shape{
		Name: string(a) + "-" + s.name,
		Dim:  s.dim, Layers: s.layers, FFN: s.ffn, Vocab: s.vocab,
		Heads: s.heads, KVHeads: s.kvHeads, HeadDim: s.dim / s.heads,
		// The reference implementation's defaults. Training at 1M tokens raised theta; no cost
		// depends on it.
		RopeTheta: 10000, NormEps: 1e-5,
	}.As(a, selfHeads, slidingWindow)
	if a.yoco() && !s.sameFFN {
		c.FFN = equalFFN(c.Config(), s.shape(Transformer).Config())
	}
	return c
}

// equalFFN is the FFN width, a multiple of 64, with which c has as nearly as
// possible the parameters of twin: a YOCO's attention has fewer, having keys and
// values of the whole context only once.
func equalFFN(c, twin Config) int {
	_, have := c.Count()
	_, want := twin.Count()
	perUnit := 3 * float64(c.Depth()) * float64(c.Dim)
	ffn := float64(c.Layers[0].FFN) + float64(want-have)/perUnit
	return 64 * int(math.Round(ffn/64))
}

// pattern is an architecture composed of known layers: a rule for each layer of a size.
type pattern struct {
	label string
	mixer func(s size, layer int) Mixer
}

// patterns are composed with the sizes of a Transformer's attention and, like YOCO, with an FFN
// that makes them as large as it. Only the arrangement of layers is their sources'.
var patterns = []pattern{
	// Five layers of a window of 1024 to one of the whole context, whose theta is higher: the
	// arrangement of Gemma 3 (arXiv 2503.19786, section 2). Its norms, GeGLU and embedding are not
	// here.
	{"gemma-like", func(s size, layer int) Mixer {
		m := s.attention()
		if layer%6 == 5 {
			m.Rope.Theta = 1e6
		} else {
			m.Window = 1024
		}
		return m
	}},
	// Each second layer reads the keys and values of the one before: cross-layer attention with a
	// sharing factor of 2 (CLA2, arXiv 2405.12981).
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

// attention is a layer's attention in the Transformer of a size.
func (s size) attention() Mixer { return s.shape(Transformer).Config().Layers[0].Mixer }

// config is the size in an arrangement of layers.
func (s size) config(p pattern) Config {
	twin := s.shape(Transformer).Config()
	c := twin
	c.Name, c.Label = p.label+"-"+s.name, p.label
	c.Layers = make([]Layer, s.layers)
	fill := func(ffn int) {
		for i := range c.Layers {
			c.Layers[i] = Layer{p.mixer(s, i), ffn}
		}
	}
	fill(s.ffn)
	if !s.sameFFN {
		fill(equalFFN(c, twin))
	}
	return c
}

// largestPattern is the last size of sizes in which patterns are presets.
const largestPattern = "3b"

// Presets lists the published sizes in every architecture, from small to large, as "yoco-gret-3b"
// or "transformer-160m"; then 160M to 3B in every pattern, as "cla-160m"; and the shape of
// SmolLM2-135M (HuggingFaceTB/SmolLM2-135M, whose output matrix is its embedding; here it is one of
// its own).
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

// Preset finds a preset by its name.
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
