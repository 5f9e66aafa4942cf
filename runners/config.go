package runners

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Config describes a model as data: an embedding, a list of layers and an output matrix.
// Parameters, memory, cost, caches and the forward pass are all computed by iterating over the
// layers; nothing depends on a model's name. Sizes are counts, not bytes.
type Config struct {
	// Name is the name of the preset or checkpoint, such as "tiny-yoco-gret".
	Name string
	// Label is the name under which reports group models, such as "yoco-gret" or "transformer".
	Label string
	// Dim is the width of the residual stream.
	Dim   int
	Vocab int
	// EmbedScale multiplies the embedding of a token: 1, or sqrt(Dim) in a YOCO.
	EmbedScale float64
	// TiedOutput makes the embedding the output matrix too: there is no tensor of RoleOutput.
	TiedOutput bool
	// LogitScale multiplies the logits; 0 means 1. LogitCap, if not 0, then bounds them by LogitCap
	// tanh(logit / LogitCap) (Gemma 2).
	LogitScale, LogitCap float64
	Layers               []Layer
	// NormEps is the epsilon of all norms, including those of retention heads.
	NormEps float64
	// Tokenizer names the text encoding: "bytes", or empty for a model that takes only token ids.
	Tokenizer string
	// MaxSeqLen is the longest context in tokens that the checkpoint declares, or 0. It is not a
	// limit: longer contexts run too. It is not part of the model's JSON.
	MaxSeqLen int
	// ChunkLogits makes a prefill compute the logits of every row, chunk by chunk, as the reference
	// Transformer does; the logits of one chunk are held, and nothing reads them. It requires a
	// model without an early exit. It is an option of a run and not part of the model's JSON.
	ChunkLogits bool
}

// Layer is a mixer followed by a feed-forward block. Both add to the residual stream.
type Layer struct {
	Mixer Mixer `json:"mixer"`
	// FFN is the hidden width of the feed-forward block, Down (act(Gate n) * Up n). A layer of kind
	// KeysValues has none: 0.
	FFN int `json:"ffn,omitempty"`
	// Activation is act.
	Activation Activation `json:"activation,omitempty"`
	// Norms selects the places of the norms of both blocks.
	Norms NormPlacement `json:"norms,omitempty"`
}

// Activation is the activation function of a gated feed-forward block.
type Activation string

// The activation functions.
const (
	// SiLU is x sigmoid(x).
	SiLU Activation = ""
	// GELUTanh is GELU by its approximation with a hyperbolic tangent (arXiv 1606.08415):
	// x (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) / 2.
	GELUTanh Activation = "gelu-tanh"
)

// Activations lists the activation functions.
func Activations() []Activation { return []Activation{SiLU, GELUTanh} }

// NormPlacement selects the places of the norms of a layer's blocks.
type NormPlacement string

// The placements of norms.
const (
	// PreNorm: x += block(norm(x)).
	PreNorm NormPlacement = ""
	// PostNorm: x += norm(block(x)) (OLMo 2).
	PostNorm NormPlacement = "post"
	// PrePostNorm: x += norm(block(norm(x))) (Gemma 2 and 3).
	PrePostNorm NormPlacement = "pre-post"
)

// NormPlacements lists the placements of norms.
func NormPlacements() []NormPlacement { return []NormPlacement{PreNorm, PostNorm, PrePostNorm} }

// Pre and Post report whether a block has a norm on its input, and on its output.
func (p NormPlacement) Pre() bool { return p != PostNorm }

// Post: see Pre.
func (p NormPlacement) Post() bool { return p != PreNorm }

// MixerKind is what a mixer computes.
type MixerKind string

// The kinds of mixers.
const (
	// Attention is causal softmax attention over the whole context, or over the last Window keys.
	Attention MixerKind = "attention"
	// Retention is gated retention (arXiv 2405.05254): a state of constant size instead of a KV
	// cache.
	Retention MixerKind = "retention"
	// KeysValues projects the residual stream to keys and values for later layers: the global cache
	// of a YOCO. It adds nothing to the residual stream.
	KeysValues MixerKind = "keys-values"
)

// MixerKinds lists the kinds of mixers.
func MixerKinds() []MixerKind { return []MixerKind{Attention, Retention, KeysValues} }

// Mixer is the part of a layer that combines information from different tokens.
type Mixer struct {
	Kind MixerKind `json:"kind"`
	// Heads counts the query heads (0 in KeysValues), KVHeads the key/value heads. Retention has
	// Heads heads of each, and KVHeads 0.
	Heads   int `json:"heads,omitempty"`
	KVHeads int `json:"kv_heads,omitempty"`
	HeadDim int `json:"head_dim"`
	// Window is the number of keys that attention sees, including the token's own; 0 means the
	// whole context.
	Window int `json:"window,omitempty"`
	// KVBack is the distance to the earlier layer whose keys and values attention reads; 0 means
	// its own. That layer must be KeysValues, or attention over the whole context with its own
	// keys.
	KVBack int    `json:"kv_back,omitempty"`
	Rope   Rotary `json:"rope"`
	// Bias: attention adds a vector to its queries, keys and values (Qwen 2); retention to the
	// input of its decay.
	Bias bool `json:"bias,omitempty"`
	// QKNorm is a norm of queries and keys before they are rotated.
	QKNorm QKNorm `json:"qk_norm,omitempty"`
	// Scale multiplies the scores of attention; 0 means head_dim^-0.5. ScoreCap, if not 0, then
	// bounds them by ScoreCap tanh(score / ScoreCap) (Gemma 2).
	Scale    float64 `json:"scale,omitempty"`
	ScoreCap float64 `json:"score_cap,omitempty"`
}

// QKNorm is a norm of queries and keys.
type QKNorm string

// The norms of queries and keys.
const (
	NoQKNorm QKNorm = ""
	// HeadQKNorm norms each head; all heads share the weight [head_dim] (Qwen 3).
	HeadQKNorm QKNorm = "head"
	// WholeQKNorm norms all heads together, with a weight [heads x head_dim] (OLMo 2).
	WholeQKNorm QKNorm = "whole"
)

// QKNorms lists the norms of queries and keys.
func QKNorms() []QKNorm { return []QKNorm{NoQKNorm, HeadQKNorm, WholeQKNorm} }

// Rotary defines how positions rotate queries and keys: a' = a cos - b sin, b' = b cos + a sin for
// each pair (a, b).
type Rotary struct {
	Theta float64 `json:"theta"`
	// EndPoint selects freq[j] = theta^-(j/(headDim/2-1)), so that the last one is 1/theta (YOCO).
	// Otherwise freq[j] = theta^-(2j/headDim).
	EndPoint bool `json:"end_point,omitempty"`
	// Interleaved selects the pairs (2j, 2j+1) (YOCO). Otherwise the pairs are (j, j+headDim/2).
	Interleaved bool `json:"interleaved,omitempty"`
	// None: nothing is rotated, and Theta is 0 (NoPE).
	None bool `json:"none,omitempty"`
	// Dims is the number of dimensions that are rotated, in the first Dims/2 pairs, with freq[j] =
	// theta^-(2j/Dims). 0 means all headDim.
	Dims int `json:"dims,omitempty"`
	// Divisors divide the frequencies, one for each rotated pair (linear, Llama 3 and LongRoPE
	// scaling).
	Divisors Divisors `json:"divisors,omitempty"`
	// Magnitude multiplies the cosines and sines of rotated pairs; 0 is 1 (YaRN, LongRoPE).
	Magnitude float64 `json:"magnitude,omitempty"`
}

// Pairs is the number of pairs of a head that are rotated.
func (r Rotary) Pairs(headDim int) int {
	switch {
	case r.None:
		return 0
	case r.Dims > 0:
		return r.Dims / 2
	}
	return headDim / 2
}

// Frequencies returns the headDim/2 frequencies in radians a token; those of pairs that are not
// rotated are 0.
func (r Rotary) Frequencies(headDim int) []float64 {
	freq := make([]float64, headDim/2)
	n := r.Pairs(headDim)
	for j := range n {
		e := float64(j) / float64(n)
		if r.EndPoint {
			e = float64(j) / float64(n-1)
		}
		freq[j] = math.Pow(r.Theta, -e)
	}
	for j, d := range r.Divisors.Values() {
		if j < n {
			freq[j] /= d
		}
	}
	return freq
}

// Divisors is an immutable list of numbers, so that a Rotary can be compared with ==.
type Divisors string

// NewDivisors makes a list.
func NewDivisors(values []float64) Divisors {
	b := make([]byte, 0, 8*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return Divisors(b)
}

// Len is the number of values.
func (d Divisors) Len() int { return len(d) / 8 }

// Values returns the list.
func (d Divisors) Values() []float64 {
	values := make([]float64, d.Len())
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64([]byte(d[8*i : 8*i+8])))
	}
	return values
}

// MarshalJSON writes the list as an array.
func (d Divisors) MarshalJSON() ([]byte, error) { return json.Marshal(d.Values()) }

// QDim is the total width of the queries.
func (m Mixer) QDim() int { return m.Heads * m.HeadDim }

// KVDim is the total width of the keys, which is also that of the values.
func (m Mixer) KVDim() int { return m.KVHeads * m.HeadDim }

// Projections is the total width of the mixer's input projections: [q; k; v], followed by [g; gate]
// in retention; q alone if it reads another layer's keys and values; [k; v] in KeysValues.
func (m Mixer) Projections() int {
	switch {
	case m.Kind == Retention:
		return 4*m.QDim() + m.Heads
	case m.KVBack > 0:
		return m.QDim()
	}
	return m.QDim() + 2*m.KVDim()
}

// Writes reports whether the mixer stores something for each token: keys and values, or a state.
func (m Mixer) Writes() bool { return m.KVBack == 0 }

// Global reports whether the mixer stores keys and values of the whole context.
func (m Mixer) Global() bool { return m.Writes() && m.Kind != Retention && m.Window == 0 }

// canTruncate reports whether the mixer's cache can be cut back to fewer tokens. A retention state
// already includes the later tokens, and a window has dropped the earlier ones.
func (m Mixer) canTruncate() bool { return m.Kind != Retention && m.Window == 0 }

// Scores is how attention turns products into scores.
func (m Mixer) Scores() Scores { return Scores{float32(m.Scale), float32(m.ScoreCap)} }

// GateNormalizer divides the log-sigmoid of the retention gate: gamma = sigmoid(z)^(1/16). The
// reference implementation fixes it at 16.
const GateNormalizer = 16

// RetentionChunk is the chunk length of the parallel form of retention, in the reference
// implementation and in the cost model.
const RetentionChunk = 256

// Depth is the number of layers without the KeysValues layers, which have no output.
func (c Config) Depth() (n int) {
	for _, l := range c.Layers {
		if l.Mixer.Kind != KeysValues {
			n++
		}
	}
	return n
}

// PrefillLayers is the number of layers that a prefill computes: up to the last one that writes a
// cache or a state. Later layers matter only where logits are needed (the early exit).
func (c Config) PrefillLayers() int {
	return c.upTo(Mixer.Writes)
}

// ReplayLayers is the number of layers that Truncate recomputes: up to the last one whose state or
// window cannot be cut back. It is 0 if truncation is free.
func (c Config) ReplayLayers() int {
	return c.upTo(func(m Mixer) bool { return !m.canTruncate() })
}

// upTo returns one more than the index of the last layer for which has is true, or 0.
func (c Config) upTo(has func(Mixer) bool) int {
	for i := len(c.Layers); i > 0; i-- {
		if has(c.Layers[i-1].Mixer) {
			return i
		}
	}
	return 0
}

// CanTruncate reports whether Truncate is free.
func (c Config) CanTruncate() bool { return c.ReplayLayers() == 0 }

// LayerParts returns the part of the model that each layer belongs to. A decoder-decoder has three:
// the layers before its only KeysValues layer, that layer, and the layers after it, which all read
// it. In every other model all layers are one part.
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

// limit bounds every size of a Config, so that products of a few sizes cannot overflow an int64,
// whatever a file contains.
const limit = 1 << 20

// MaxLayers bounds the number of layers.
const MaxLayers = 1 << 12

// Validate returns the first reason why no runner could run c. Layers are counted from 0.
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
	if c.LogitScale < 0 || !(c.LogitScale < 1e6) || c.LogitCap < 0 || !(c.LogitCap < 1e6) {
		return fmt.Errorf("logit_scale is %g and logit_cap %g, want 0 to 1e6", c.LogitScale, c.LogitCap)
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

// LayerError is an error of Validate about one layer, counted from 0.
type LayerError struct {
	Layer int
	Err   error
}

func (e *LayerError) Error() string { return fmt.Sprintf("layer %d: %v", e.Layer, e.Err) }

func (e *LayerError) Unwrap() error { return e.Err }

// inRange returns an error unless 1 <= n <= limit.
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
	if m.QDim() > limit || m.KVDim() > limit {
		return fmt.Errorf("heads x head_dim is %d, want at most %d", max(m.QDim(), m.KVDim()), limit)
	}
	if err := m.Rope.validate(m.HeadDim); err != nil {
		return err
	}
	if err := l.validateVariants(); err != nil {
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

// validateVariants checks what a layer has beyond its sizes.
func (l Layer) validateVariants() error {
	m := l.Mixer
	for _, v := range []struct {
		name  string
		known bool
		value any
		want  string
	}{
		{"activation", slices.Contains(Activations(), l.Activation), l.Activation, joined(Activations()[1:])},
		{"norms", slices.Contains(NormPlacements(), l.Norms), l.Norms, joined(NormPlacements()[1:])},
		{"qk_norm", slices.Contains(QKNorms(), m.QKNorm), m.QKNorm, joined(QKNorms()[1:])},
	} {
		if !v.known {
			return fmt.Errorf("unknown %s %q (known: %s)", v.name, v.value, v.want)
		}
	}
	if m.Kind != Attention && (m.QKNorm != NoQKNorm || m.Scale != 0 || m.ScoreCap != 0) {
		return fmt.Errorf("qk_norm, scale and score_cap do not belong to a layer of %s", m.Kind)
	}
	if m.Kind == KeysValues && (m.Bias || l.Activation != SiLU || l.Norms != PreNorm) {
		return fmt.Errorf("bias, activation and norms do not belong to a layer of %s", m.Kind)
	}
	if m.Scale < 0 || !(m.Scale < 1e6) || m.ScoreCap < 0 || !(m.ScoreCap < 1e6) {
		return fmt.Errorf("scale is %g and score_cap %g, want 0 to 1e6", m.Scale, m.ScoreCap)
	}
	return nil
}

// validate checks rotary positions of heads of a width.
func (r Rotary) validate(headDim int) error {
	if r.None {
		if r != (Rotary{None: true, Interleaved: r.Interleaved}) {
			return errors.New("a rope of none has no other field")
		}
		return nil
	}
	if err := checkTheta(r.Theta); err != nil {
		return err
	}
	if r.Dims < 0 || r.Dims > headDim || r.Dims%2 != 0 {
		return fmt.Errorf("rope dims is %d, want an even number up to head_dim, %d", r.Dims, headDim)
	}
	n := r.Pairs(headDim)
	if r.EndPoint && n < 2 {
		return fmt.Errorf("head_dim is %d, want at least 4: the rotary frequencies include both end points", headDim)
	}
	if len(r.Divisors)%8 != 0 || r.Divisors.Len() != 0 && r.Divisors.Len() != n {
		return fmt.Errorf("rope has %d divisors for %d frequencies", r.Divisors.Len(), n)
	}
	for i, d := range r.Divisors.Values() {
		if !(d > 0) || d > 1e12 {
			return fmt.Errorf("rope divisor %d is %g, want more than 0 and at most 1e12", i, d)
		}
	}
	if r.Magnitude < 0 || !(r.Magnitude < 1e6) {
		return fmt.Errorf("rope magnitude is %g, want 0 to 1e6", r.Magnitude)
	}
	return nil
}

// joined lists words for an error message.
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

// MarshalJSON writes a model that has a Shape as that Shape, and any other model as a list of
// layers.
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
		TiedOutput bool    `json:"tied_output,omitempty"`
		LogitScale float64 `json:"logit_scale,omitempty"`
		LogitCap   float64 `json:"logit_cap,omitempty"`
		NormEps    float64 `json:"norm_eps"`
		Tokenizer  string  `json:"tokenizer,omitempty"`
		Layers     []Layer `json:"layers"`
	}{c.Name, c.Label, c.Dim, c.Vocab, c.EmbedScale, c.TiedOutput, c.LogitScale, c.LogitCap, c.NormEps, c.Tokenizer, c.Layers})
}
