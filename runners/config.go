package runners

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Config describes a model as data: a list of layers between an embedding and
// an output matrix. Parameters, memory, cost, caches and the forward pass are
// all folds over the layers; nothing depends on a name. Sizes are counts, not bytes.
type Config struct {
	// Name is the preset's or checkpoint's name, such as "tiny-yoco-gret".
	Name string
	// Label is what reports group models by, such as "yoco-gret" or "transformer".
	Label string
	// Dim is the width of the residual stream.
	Dim   int
	Vocab int
	// EmbedScale multiplies the embedding of a token: 1, or sqrt(Dim) in a YOCO.
	EmbedScale float64
	Layers     []Layer
	// NormEps is the epsilon of all norms, those of retention heads included.
	NormEps float64
	// Tokenizer names how text becomes tokens: "bytes", or empty for a model
	// that takes token ids only.
	Tokenizer string
	// MaxSeqLen is the longest context in tokens that the checkpoint states, 0
	// if it states none. Longer ones are computed all the same: it is no part of
	// the model's JSON.
	MaxSeqLen int
	// ChunkLogits makes a prefill compute the logits of every row, a chunk at a time, as the
	// reference Transformer does: a chunk's logits are held, and nothing reads them. It needs a
	// model without an early exit, and is an option of a run, no part of the model's JSON.
	ChunkLogits bool
}

// Layer is a mixer and a feed-forward block, each on the norm of the residual stream and added to
// it.
type Layer struct {
	Mixer Mixer `json:"mixer"`
	// FFN is the hidden width of the SwiGLU block. A layer of kind KeysValues has none: 0.
	FFN int `json:"ffn,omitempty"`
}

// MixerKind is what a mixer computes.
type MixerKind string

// The kinds of mixers.
const (
	// Attention is causal softmax attention over the whole context, or over the last Window keys.
	Attention MixerKind = "attention"
	// Retention is gated retention (arXiv 2405.05254): a state of constant size in the place of
	// keys.
	Retention MixerKind = "retention"
	// KeysValues projects the residual stream to keys and values that later layers read, and adds
	// nothing to it: the global cache of a YOCO.
	KeysValues MixerKind = "keys-values"
)

// MixerKinds lists the kinds of mixers.
func MixerKinds() []MixerKind { return []MixerKind{Attention, Retention, KeysValues} }

// Mixer is the part of a layer in which tokens meet.
type Mixer struct {
	Kind MixerKind `json:"kind"`
	// Heads counts the query heads (0 in KeysValues), KVHeads those of keys and values. Retention
	// has as many of each, and KVHeads 0.
	Heads   int `json:"heads,omitempty"`
	KVHeads int `json:"kv_heads,omitempty"`
	HeadDim int `json:"head_dim"`
	// Window is the number of keys that attention sees, the present one included; 0 is the whole
	// context.
	Window int `json:"window,omitempty"`
	// KVBack is how many layers back the layer is whose keys and values attention reads; 0 is its
	// own. That layer is KeysValues, or attention over the whole context with keys of its own.
	KVBack int    `json:"kv_back,omitempty"`
	Rope   Rotary `json:"rope"`
}

// Rotary says how positions turn queries and keys: a' = a cos - b sin, b' = b cos + a sin for each
// pair (a, b).
type Rotary struct {
	Theta float64 `json:"theta"`
	// EndPoint: freq[j] = theta^-(j/(headDim/2-1)), the last being 1/theta (YOCO). Otherwise
	// theta^-(2j/headDim).
	EndPoint bool `json:"end_point,omitempty"`
	// Interleaved: pairs are (2j, 2j+1) (YOCO). Otherwise (j, j+headDim/2).
	Interleaved bool `json:"interleaved,omitempty"`
}

// QDim and KVDim are the widths of the queries and of the keys (or values).
func (m Mixer) QDim() int { return m.Heads * m.HeadDim }

// KVDim: see QDim.
func (m Mixer) KVDim() int { return m.KVHeads * m.HeadDim }

// Projections is the width of all that the mixer projects its input to, side by side: [q; k; v],
// with [g; gate] below in retention; q alone where it reads another layer's keys and values; [k; v]
// in KeysValues.
func (m Mixer) Projections() int {
	switch {
	case m.Kind == Retention:
		return 4*m.QDim() + m.Heads
	case m.KVBack > 0:
		return m.QDim()
	}
	return m.QDim() + 2*m.KVDim()
}

// Writes reports whether the mixer keeps something of each token: keys and values, or a state.
func (m Mixer) Writes() bool { return m.KVBack == 0 }

// Global reports whether the mixer keeps keys and values of the whole context.
func (m Mixer) Global() bool { return m.Writes() && m.Kind != Retention && m.Window == 0 }

// canTruncate reports whether what the mixer keeps can be cut back to fewer tokens. A state has
// taken the later tokens in, and a window has lost the earlier ones.
func (m Mixer) canTruncate() bool { return m.Kind != Retention && m.Window == 0 }

// GateNormalizer divides the log-sigmoid of the retention gate:
// gamma = sigmoid(z)^(1/16), fixed in the reference implementation.
const GateNormalizer = 16

// RetentionChunk is the chunk length of the retention's parallel form in the
// reference implementation, and the one that the cost model counts with.
const RetentionChunk = 256

// Depth is the number of layers that have an output, KeysValues left out.
func (c Config) Depth() (n int) {
	for _, l := range c.Layers {
		if l.Mixer.Kind != KeysValues {
			n++
		}
	}
	return n
}

// PrefillLayers is the number of layers that a prefill computes: up to the last one that keeps
// something of each token. Those after it matter only where logits are wanted (the early exit).
func (c Config) PrefillLayers() int {
	return c.upTo(Mixer.Writes)
}

// ReplayLayers is the number of layers that Truncate computes again: up to the last one whose
// state or window cannot be cut back. It is 0 where a sequence can be cut at no cost.
func (c Config) ReplayLayers() int {
	return c.upTo(func(m Mixer) bool { return !m.canTruncate() })
}

// upTo is one more than the index of the last layer with a property.
func (c Config) upTo(has func(Mixer) bool) int {
	for i := len(c.Layers); i > 0; i-- {
		if has(c.Layers[i-1].Mixer) {
			return i
		}
	}
	return 0
}

// CanTruncate reports whether Truncate costs nothing.
func (c Config) CanTruncate() bool { return c.ReplayLayers() == 0 }

// LayerParts is the part of the model that each layer belongs to. A decoder-decoder has three:
// the layers before its one KeysValues layer, that layer, and those after it, which all read it.
// The layers of any other model are one part.
func (c Config) LayerParts() []Part {
	parts := make([]Part, len(c.Layers))
	for i := range parts {
		parts[i] = PartLayers
	}
	at := slices.IndexFunc(c.Layers, func(l Layer) bool { return l.Mixer.Kind == KeysValues })
	for i, l := range c.Layers {
		if at < 0 || i < at && l.Mixer.KVBack != 0 || i > at && l.Mixer.KVBack != i-at {
			return parts
		}
	}
	for i := range parts {
		switch {
		case i < at:
			parts[i] = PartSelf
		case i == at:
			parts[i] = PartKV
		default:
			parts[i] = PartCross
		}
	}
	return parts
}

// limit bounds every size of a Config, so that products of a few of them
// cannot overflow an int64 whatever a file says.
const limit = 1 << 20

// MaxLayers bounds the number of layers.
const MaxLayers = 1 << 12

// Validate reports the first thing about c that no runner could run. Layers are counted from 0.
func (c Config) Validate() error {
	if err := inRange("dim", c.Dim); err != nil {
		return err
	}
	if n := len(c.Layers); n < 1 || n > MaxLayers {
		return fmt.Errorf("there are %d layers, want 1 to %d", n, MaxLayers)
	}
	for _, err := range []error{inRange("vocab", c.Vocab), checkEps(c.NormEps), checkTokenizer(c.Tokenizer, c.Vocab)} {
		if err != nil {
			return err
		}
	}
	if !(c.EmbedScale > 0) || c.EmbedScale > 1e6 {
		return fmt.Errorf("embed_scale is %g, want more than 0 and at most 1e6", c.EmbedScale)
	}
	for i := range c.Layers {
		if err := c.validateLayer(i); err != nil {
			return &LayerError{i, err}
		}
	}
	if last := len(c.Layers) - 1; c.Layers[last].Mixer.Kind == KeysValues {
		return &LayerError{last, errors.New("it is the last layer, and no layer reads its keys and values")}
	}
	if n := c.PrefillLayers(); c.ChunkLogits && n < len(c.Layers) {
		return fmt.Errorf("logits of a prefill's rows need a prefill of all %d layers; this one ends after %d", len(c.Layers), n)
	}
	return nil
}

// LayerError is what Validate found wrong with a layer, counted from 0.
type LayerError struct {
	Layer int
	Err   error
}

func (e *LayerError) Error() string { return fmt.Sprintf("layer %d: %v", e.Layer, e.Err) }

func (e *LayerError) Unwrap() error { return e.Err }

// inRange checks a size.
func inRange(name string, n int) error {
	if n < 1 || n > limit {
		return fmt.Errorf("%s is %d, want 1 to %d", name, n, limit)
	}
	return nil
}

func checkEps(eps float64) error {
	if !(eps > 0) || eps > 1 {
		return fmt.Errorf("norm_eps is %g, want more than 0 and at most 1", eps)
	}
	return nil
}

func checkTheta(theta float64) error {
	if !(theta > 1) || theta > 1e12 {
		return fmt.Errorf("rope_theta is %g, want more than 1 and at most 1e12", theta)
	}
	return nil
}

func checkTokenizer(name string, vocab int) error {
	if name != "" && name != "bytes" {
		return fmt.Errorf("unknown tokenizer %q (known: bytes)", name)
	}
	if name == "bytes" && vocab < 256 {
		return fmt.Errorf("the bytes tokenizer needs a vocab of at least 256, not %d", vocab)
	}
	return nil
}

func (c Config) validateLayer(i int) error {
	l := c.Layers[i]
	m := l.Mixer
	if !slices.Contains(MixerKinds(), m.Kind) {
		return fmt.Errorf("unknown mixer %q (known: %s)", m.Kind, joined(MixerKinds()))
	}
	for _, f := range []struct {
		name   string
		n      int
		absent bool
	}{
		{"heads", m.Heads, m.Kind == KeysValues},
		{"kv_heads", m.KVHeads, m.Kind == Retention},
		{"head_dim", m.HeadDim, false},
		{"window", m.Window, m.Kind != Attention || m.Window == 0},
		{"ffn", l.FFN, m.Kind == KeysValues},
	} {
		if f.absent {
			if f.n != 0 {
				return fmt.Errorf("%s does not belong to a layer of %s", f.name, m.Kind)
			}
			continue
		}
		if err := inRange(f.name, f.n); err != nil {
			return err
		}
	}
	if m.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim is %d, but rotary positions need an even one", m.HeadDim)
	}
	if m.Rope.EndPoint && m.HeadDim < 4 {
		return fmt.Errorf("head_dim is %d, want at least 4: the rotary frequencies include both end points", m.HeadDim)
	}
	if m.QDim() > limit || m.KVDim() > limit {
		return fmt.Errorf("heads x head_dim is %d, want at most %d", max(m.QDim(), m.KVDim()), limit)
	}
	if err := checkTheta(m.Rope.Theta); err != nil {
		return err
	}
	if m.Kind == Attention && m.Heads%m.KVHeads != 0 {
		return fmt.Errorf("heads (%d) is not a multiple of kv_heads (%d)", m.Heads, m.KVHeads)
	}
	if m.KVBack == 0 {
		return nil
	}
	if m.Kind != Attention || m.Window != 0 {
		return errors.New("only attention over the whole context can read another layer's keys and values")
	}
	if m.KVBack < 0 || m.KVBack > i {
		return fmt.Errorf("it reads the keys and values of %d layers back, want 1 to %d", m.KVBack, i)
	}
	from := c.Layers[i-m.KVBack].Mixer
	if !from.Global() {
		return fmt.Errorf("it reads the keys and values of layer %d, which keeps none of the whole context", i-m.KVBack)
	}
	if from.KVHeads != m.KVHeads || from.HeadDim != m.HeadDim || from.Rope != m.Rope {
		return fmt.Errorf("it reads the keys and values of layer %d, which has %d of %d with other heads or positions than its own %d of %d",
			i-m.KVBack, from.KVHeads, from.HeadDim, m.KVHeads, m.HeadDim)
	}
	return nil
}

// joined lists words in an error.
func joined[T ~string](words []T) string {
	s := ""
	for i, w := range words {
		if i > 0 {
			s += ", "
		}
		s += string(w)
	}
	return s
}

// MarshalJSON writes a model of a Shape as that Shape, and any other with its layers spelled out.
func (c Config) MarshalJSON() ([]byte, error) {
	if s, ok := c.Shape(); ok {
		return json.Marshal(s)
	}
	return json.Marshal(struct {
		Name       string  `json:"name"`
		Label      string  `json:"label"`
		Dim        int     `json:"dim"`
		Vocab      int     `json:"vocab"`
		EmbedScale float64 `json:"embed_scale"`
		NormEps    float64 `json:"norm_eps"`
		Tokenizer  string  `json:"tokenizer,omitempty"`
		Layers     []Layer `json:"layers"`
	}{c.Name, c.Label, c.Dim, c.Vocab, c.EmbedScale, c.NormEps, c.Tokenizer, c.Layers})
}
