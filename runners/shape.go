package runners

import (
	"fmt"
	"math"
	"reflect"
)

// Arch is an architecture that a Shape can have. It becomes the Label of its Config.
type Arch string

// The architectures of a Shape.
const (
	// YOCOGatedRetention is YOCO (arXiv 2405.05254) whose self-decoder is gated retention.
	YOCOGatedRetention Arch = "yoco-gret"
	// YOCOSlidingWindow is YOCO whose self-decoder is sliding-window attention.
	YOCOSlidingWindow Arch = "yoco-swa"
	// Transformer is the baseline: GQA, RoPE, SwiGLU and RMSNorm in every layer.
	Transformer Arch = "transformer"
)

// Arches lists the architectures of a Shape in the order used by reports.
func Arches() []Arch { return []Arch{YOCOGatedRetention, YOCOSlidingWindow, Transformer} }

// yoco reports whether the architecture is a decoder-decoder with one global KV cache.
func (a Arch) yoco() bool { return a == YOCOGatedRetention || a == YOCOSlidingWindow }

// Shape describes a model of an architecture by a few sizes, as the reference implementation does.
// Config returns the layers.
type Shape struct {
	Name string `json:"name"`
	Arch Arch   `json:"arch"`
	// Dim is the width of the residual stream.
	Dim int `json:"dim"`
	// Layers counts the layers; a YOCO has Layers/2 self- and Layers/2 cross-decoder layers.
	Layers int `json:"layers"`
	// FFN is the hidden width of the SwiGLU block.
	FFN   int `json:"ffn"`
	Vocab int `json:"vocab"`
	// SelfHeads is the number of heads of a YOCO's self-decoder; queries, keys and values have
	// equally many. Zero for a Transformer.
	SelfHeads int `json:"self_heads,omitempty"`
	// Heads and KVHeads count the query and key/value heads of the
	// cross-decoder (YOCO) or of every layer (Transformer).
	Heads   int `json:"heads"`
	KVHeads int `json:"kv_heads"`
	// HeadDim is the dimension of Heads and KVHeads. In a Transformer it may differ from Dim/Heads;
	// in a YOCO it may not.
	HeadDim int `json:"head_dim"`
	// Window is the number of keys that the sliding-window self-decoder sees, including the token's
	// own. Zero for other architectures.
	Window    int     `json:"window,omitempty"`
	RopeTheta float64 `json:"rope_theta"`
	NormEps   float64 `json:"norm_eps"`
	// Tokenizer is the Config's.
	Tokenizer string `json:"tokenizer,omitempty"`
}

// As returns s as another architecture, with selfHeads and window set only if that architecture has
// them.
func (s Shape) As(a Arch, selfHeads, window int) Shape {
	s.Arch, s.SelfHeads, s.Window = a, 0, 0
	if a.yoco() {
		s.SelfHeads = selfHeads
	}
	if a == YOCOSlidingWindow {
		s.Window = window
	}
	return s
}

// SelfHeadDim is the head dimension of a YOCO's self-decoder, Dim/SelfHeads.
func (s Shape) SelfHeadDim() int {
	if s.SelfHeads == 0 {
		return 0
	}
	return s.Dim / s.SelfHeads
}

// Config returns the model of a shape. It is meaningful only for shapes that Validate accepts.
func (s Shape) Config() Config {
	c := Config{
		Name: s.Name, Label: string(s.Arch), Dim: s.Dim, Vocab: s.Vocab, EmbedScale: 1,
		NormEps: s.NormEps, Tokenizer: s.Tokenizer,
	}
	n := min(max(s.Layers, 0), MaxLayers)
	rope := Rotary{Theta: s.RopeTheta}
	if !s.Arch.yoco() {
		m := Mixer{Kind: Attention, Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, Rope: rope}
		for range n {
			c.Layers = append(c.Layers, Layer{Mixer: m, FFN: s.FFN})
		}
		return c
	}
	c.EmbedScale = math.Sqrt(float64(s.Dim))
	rope.EndPoint, rope.Interleaved = true, true
	self := Mixer{Kind: Retention, Heads: s.SelfHeads, HeadDim: s.SelfHeadDim(), Rope: rope}
	if s.Arch == YOCOSlidingWindow {
		self = Mixer{Kind: Attention, Heads: s.SelfHeads, KVHeads: s.SelfHeads, HeadDim: s.SelfHeadDim(), Window: s.Window, Rope: rope}
	}
	for range n / 2 {
		c.Layers = append(c.Layers, Layer{Mixer: self, FFN: s.FFN})
	}
	c.Layers = append(c.Layers, Layer{Mixer: Mixer{Kind: KeysValues, KVHeads: s.KVHeads, HeadDim: s.HeadDim, Rope: rope}})
	for i := range n - n/2 {
		cross := Mixer{Kind: Attention, Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, KVBack: i + 1, Rope: rope}
		c.Layers = append(c.Layers, Layer{Mixer: cross, FFN: s.FFN})
	}
	return c
}

// Shape returns the shape whose Config is c, if there is one.
func (c Config) Shape() (Shape, bool) {
	if len(c.Layers) == 0 {
		return Shape{}, false
	}
	first, last := c.Layers[0].Mixer, c.Layers[len(c.Layers)-1]
	s := Shape{
		Name: c.Name, Arch: Arch(c.Label), Dim: c.Dim, Layers: c.Depth(), FFN: last.FFN, Vocab: c.Vocab,
		Heads: last.Mixer.Heads, KVHeads: last.Mixer.KVHeads, HeadDim: last.Mixer.HeadDim, Window: first.Window,
		RopeTheta: last.Mixer.Rope.Theta, NormEps: c.NormEps, Tokenizer: c.Tokenizer,
	}
	if !first.canTruncate() {
		s.SelfHeads = first.Heads
	}
	c.MaxSeqLen, c.ChunkLogits = 0, false
	return s, s.Validate() == nil && reflect.DeepEqual(s.Config(), c)
}

// Validate returns the first reason why s is not a valid model.
func (s Shape) Validate() error {
	known := false
	for _, a := range Arches() {
		known = known || a == s.Arch
	}
	if !known {
		return fmt.Errorf("unknown architecture %q (known: %s)", s.Arch, joined(Arches()))
	}
	for _, f := range []struct {
		name string
		n    int
	}{
		{"dim", s.Dim}, {"layers", s.Layers}, {"ffn", s.FFN}, {"vocab", s.Vocab},
		{"heads", s.Heads}, {"kv_heads", s.KVHeads}, {"head_dim", s.HeadDim},
	} {
		if err := inRange(f.name, f.n); err != nil {
			return err
		}
	}
	if s.Layers >= MaxLayers {
		return fmt.Errorf("layers is %d, want 1 to %d", s.Layers, MaxLayers-1)
	}
	if s.Heads%s.KVHeads != 0 {
		return fmt.Errorf("heads (%d) is not a multiple of kv_heads (%d)", s.Heads, s.KVHeads)
	}
	if s.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim is %d, but rotary positions need an even one", s.HeadDim)
	}
	for _, err := range []error{checkTheta(s.RopeTheta), checkEps(s.NormEps), checkTokenizer(s.Tokenizer, s.Vocab)} {
		if err != nil {
			return err
		}
	}
	if !s.Arch.yoco() {
		if s.SelfHeads != 0 || s.Window != 0 {
			return fmt.Errorf("self_heads and window belong to YOCO, not to %s", s.Arch)
		}
		return s.Config().Validate()
	}
	if s.Layers%2 != 0 {
		return fmt.Errorf("layers is %d, but a YOCO has as many self- as cross-decoder layers", s.Layers)
	}
	if s.SelfHeads < 1 || s.SelfHeads > limit || s.Dim%s.SelfHeads != 0 {
		return fmt.Errorf("self_heads is %d, want a divisor of dim (%d)", s.SelfHeads, s.Dim)
	}
	if s.SelfHeadDim()%2 != 0 {
		return fmt.Errorf("dim/self_heads is %d, but rotary positions need an even head dimension", s.SelfHeadDim())
	}
	if s.Heads*s.HeadDim != s.Dim {
		return fmt.Errorf("heads x head_dim is %d, want dim (%d) in a YOCO", s.Heads*s.HeadDim, s.Dim)
	}
	if s.HeadDim < 4 || s.SelfHeadDim() < 4 {
		return fmt.Errorf("a YOCO's head dimensions must be at least 4: its rotary frequencies include both end points")
	}
	if (s.Arch == YOCOSlidingWindow) != (s.Window > 0) || s.Window > limit {
		return fmt.Errorf("window is %d, want 1 to %d for %s and 0 for other architectures", s.Window, limit, YOCOSlidingWindow)
	}
	return s.Config().Validate()
}
