package families

import (
	"fmt"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// notRun says why no runner runs a family.
var notRun = map[string]string{
	"mixtral": hasExperts, "llama4_text": hasExperts, "qwen2_moe": hasExperts, "qwen3_moe": hasExperts,
	"gpt_oss":    "its feed-forward blocks are mixtures of experts and its attention has sinks",
	"qwen3_next": hasDelta, "qwen3_5_text": hasDelta, "qwen3_5_moe_text": hasDelta,
	"gemma3n_text": "it has embeddings in each layer and AltUp", "gemma4_text": "it has embeddings in each layer and shares caches",
	"phi4flash":   "it has Mamba layers and differential attention",
	"deepseek_v2": hasLatent, "deepseek_v3": hasLatent, "deepseek_v32": hasLatent, "kimi_linear": hasLatent,
	"minimax_text_01": hasExperts, "minimax": hasExperts,
	"jamba": hasStateSpace, "mamba2": hasStateSpace, "granitemoehybrid": hasStateSpace, "nemotron_h": hasStateSpace, "falcon_h1": hasStateSpace,
	"rwkv7": "its layers are generalised delta rules",
}

const (
	hasExperts    = "its feed-forward blocks are mixtures of experts"
	hasLatent     = "it has multi-head latent attention"
	hasDelta      = "it has layers of the gated delta rule"
	hasStateSpace = "it has state-space layers"
)

// refuse records the first reason why no runner runs the model. It does not affect its cost.
func (m *Model) refuse(format string, args ...any) {
	if m.NotRun == "" {
		m.NotRun = fmt.Sprintf(format, args...)
	}
}

// refuseField refuses the value of a config's field.
func (m *Model) refuseField(c *config, field string, value any) {
	m.refuse("no runner supports %s%s of %s", c.path, field, show(value))
}

// computed describes what the layers of a family compute, apart from their sizes.
type computed struct {
	eps        float64 // default of rms_norm_eps
	activation string  // field of the activation function; "hidden_act" if empty
	norms      runners.NormPlacement
	// rope returns the rotary positions of a layer.
	rope            func(layer int64, headDim int64) runners.Rotary
	scale, scoreCap float64
	// embedScale multiplies embeddings (0 is 1), residual the outputs of blocks (0 is 1).
	embedScale, residual float64
	logitScale, logitCap float64
}

// activations maps the values of hidden_act to activation functions. Some Gemma configs say "gelu"
// and mean the approximation, but Gemma's readers do not read that field.
var activations = map[string]runners.Activation{"silu": runners.SiLU, "swish": runners.SiLU, "gelu_pytorch_tanh": runners.GELUTanh}

// config starts the Config of a model of width d.
//
// If block outputs are multiplied by r, x += r block(norm(x)), then y = x/r follows y +=
// block(norm(r y)), and norm(r y) with epsilon e equals norm(y) with epsilon e/r². So the embedding
// is divided by r, and the epsilon by r².
func (p computed) config(c *config, m *Model) *runners.Config {
	scale, residual := p.embedScale, p.residual
	if scale == 0 {
		scale = 1
	}
	if residual == 0 {
		residual = 1
	}
	return &runners.Config{
		Label: m.Family, Dim: int(m.Dim), Vocab: int(m.Vocab), MaxSeqLen: int(m.Context), TiedOutput: m.Tied,
		EmbedScale: scale / residual, NormEps: c.number("rms_norm_eps", p.eps) / (residual * residual),
		LogitScale: p.logitScale, LogitCap: p.logitCap,
	}
}

// act reads the activation function.
func (p computed) act(c *config, m *Model) runners.Activation {
	field, def := p.activation, "gelu_pytorch_tanh"
	if field == "" {
		field, def = "hidden_act", "silu"
	}
	name := c.text(field, def)
	act, ok := activations[name]
	if !ok {
		m.refuseField(c, field, name)
	}
	return act
}

// positive reads a number above 0.
func (c *config) positive(name string, def float64) float64 {
	x := c.number(name, def)
	if !(x > 0) {
		c.failf(name, "%g, want a number above 0", x)
		return 1
	}
	return x
}

// capped reads the bound of a soft cap. null means no bound, even if the family has a default.
func (c *config) capped(name string, def float64) float64 {
	if v, ok := c.fields[name]; ok && v == nil {
		c.read[name] = true
		return 0
	}
	if !c.has(name) {
		return def
	}
	return c.positive(name, def)
}

// window reads a window; null is none, although the family has a default.
func (c *config) window(name string, def int64) int64 {
	if v, ok := c.fields[name]; ok && v == nil {
		def = 0
	}
	return c.count(name, def)
}

// layer returns an attention layer with a feed-forward block of width f.
func (p computed) layer(t dense, h heads, i, window, f int64, act runners.Activation) runners.Layer {
	x := runners.Mixer{
		Kind: runners.Attention, Heads: int(h.q), KVHeads: int(h.kv), HeadDim: int(h.dim), Window: int(window),
		Rope: p.rope(i, h.dim), Bias: t.qkvBias, Scale: p.scale, ScoreCap: p.scoreCap,
	}
	switch {
	case t.qkNorm:
		x.QKNorm = runners.HeadQKNorm
	case t.wideQKNorm:
		x.QKNorm = runners.WholeQKNorm
	}
	return runners.Layer{Mixer: x, FFN: int(f), Activation: act, Norms: p.norms}
}

// finish sets m.Config, or the reason why there is none, after all fields have been read.
func (m *Model) finish(c *config) {
	if why, ok := notRun[m.Family]; ok {
		m.NotRun = fmt.Sprintf("no runner runs a model of %s: %s", m.Family, why)
	} else if m.Config == nil {
		m.refuse("no runner runs a model of %s", m.Family)
	} else if name, v := c.unread(); name != "" {
		m.refuseField(c, name, v)
	} else if err := m.Config.Validate(); err != nil {
		m.refuse("%v", err)
	}
	if m.NotRun != "" {
		m.Config = nil
	}
}

// Rename names the model, unless its config does.
func (m *Model) Rename(name string) {
	if m.Name == "" {
		m.Name = name
	}
	if m.Config != nil {
		m.Config.Name = m.Name
	}
}

// rope returns the rotary positions of all layers.
func (m *Model) rope(c *config, theta float64) func(layer, headDim int64) runners.Rotary {
	return m.rotaryOf(c, "", theta)
}

// rotaryOf returns the rotary positions of the layers of a type.
func (m *Model) rotaryOf(c *config, layers string, theta float64) func(layer, headDim int64) runners.Rotary {
	return once(func(headDim int64) runners.Rotary { return m.rotary(c, layers, theta, headDim, 1) })
}

// once returns the rotary positions shared by several layers. It calls read on the first use.
func once(read func(headDim int64) runners.Rotary) func(layer, headDim int64) runners.Rotary {
	var r *runners.Rotary
	return func(_, headDim int64) runners.Rotary {
		if r == nil {
			x := read(headDim)
			r = &x
		}
		return *r
	}
}

// rotary reads the rotary positions of a type of layers ("" if there is one type) from
// rope_parameters (transformers 5), or from rope_theta and rope_scaling. part is the share of a
// head's dimensions that are rotated.
func (m *Model) rotary(c *config, layers string, theta float64, headDim int64, part float64) runners.Rotary {
	p := c.object("rope_parameters")
	if p == nil {
		p = c.object("rope_scaling")
	} else if layers != "" && p.has(layers) {
		p = p.object(layers)
	}
	if p == nil {
		p = c.empty("rope_scaling")
	}
	if a, b := p.fields["rope_type"], p.fields["type"]; a != nil && b != nil && a != b {
		m.refuse("%srope_type is %s, but %stype is %s", p.path, show(a), p.path, show(b))
	}
	p.alias("rope_type", "type")
	r := runners.Rotary{Theta: p.number("rope_theta", c.number("rope_theta", theta))}
	dims := int64(float64(headDim) * part)
	if f := p.number("partial_rotary_factor", part); f != part {
		m.refuseField(p, "partial_rotary_factor", f)
	}
	if dims != headDim {
		r.Dims = int(dims)
	}
	kind := p.text("rope_type", "default")
	if n := r.Pairs(int(headDim)); n < 1 || n > maxSize {
		m.refuse("no runner rotates %d dimensions of a head", dims)
		return r
	}
	switch kind {
	case "default":
	case "linear":
		factor := p.factor(m, "factor")
		r.Divisors = divisors(r, headDim, func(int, float64) float64 { return factor })
	case "llama3":
		r.Divisors = p.llama3(c, m, r, headDim)
	case "yarn":
		p.yarn(c, m, &r, headDim)
	case "longrope", "su":
		p.longRope(c, m, &r, headDim)
	default:
		m.refuseField(p, "rope_type", kind)
	}
	if c.divisors != nil {
		if kind != "default" {
			m.refuse("no runner supports rope_freqs.weight with %srope_type of %s", p.path, show(kind))
		}
		r.Divisors = runners.NewDivisors(c.divisors)
	}
	if name, v := p.unread(); name != "" {
		m.refuseField(p, name, v)
	}
	return r
}

// divisors returns the divisor of each frequency.
func divisors(r runners.Rotary, headDim int64, divisor func(i int, freq float64) float64) runners.Divisors {
	freq := r.Frequencies(int(headDim))[:r.Pairs(int(headDim))]
	d := make([]float64, len(freq))
	for i, f := range freq {
		d[i] = divisor(i, f)
	}
	return runners.NewDivisors(d)
}

// llama3 returns the divisors of Llama 3.1: long wavelengths have their frequencies divided by
// factor, short ones keep them, with a ramp in between.
func (c *config) llama3(top *config, m *Model, r runners.Rotary, headDim int64) runners.Divisors {
	factor, low, high := c.factor(m, "factor"), c.factor(m, "low_freq_factor"), c.factor(m, "high_freq_factor")
	original := float64(c.original(top, m))
	return divisors(r, headDim, func(_ int, freq float64) float64 {
		wave := 2 * math.Pi / freq
		switch {
		case wave < original/high:
			return 1
		case wave > original/low:
			return factor
		}
		smooth := (original/wave - low) / (high - low)
		return 1 / ((1-smooth)/factor + smooth)
	})
}

// factor reads a number of a scaling that has no default.
func (c *config) factor(m *Model, name string) float64 {
	if !c.has(name) {
		m.refuse("%s%s is missing", c.path, name)
	}
	return c.number(name, 1)
}

// original reads the context of the first training, from the top or, if that has none, from the
// object of the scaling; it is the declared context if neither has it.
func (c *config) original(top *config, m *Model) int64 {
	return top.size("original_max_position_embeddings", c.size("original_max_position_embeddings", max(m.Context, 1)))
}

// yarn sets the divisors and the magnitude of YaRN (arXiv 2309.00071).
func (c *config) yarn(top *config, m *Model, r *runners.Rotary, headDim int64) {
	original := float64(c.original(top, m))
	if !c.has("original_max_position_embeddings") && !top.has("original_max_position_embeddings") {
		c.factor(m, "factor") // it cannot be derived
	}
	factor := c.number("factor", float64(m.Context)/original)
	if mscale, all := c.number("mscale", 0), c.number("mscale_all_dim", 0); mscale != 0 && all != 0 {
		r.Magnitude = yarnMagnitude(factor, mscale) / yarnMagnitude(factor, all)
	} else {
		r.Magnitude = yarnMagnitude(factor, 1)
	}
	r.Magnitude = c.number("attention_factor", r.Magnitude)
	fast, slow, truncate := c.number("beta_fast", 32), c.number("beta_slow", 1), c.flag("truncate", true)
	dims := float64(2 * r.Pairs(int(headDim)))
	// at returns the dimension that rotates n times within the original context.
	at := func(n float64) float64 {
		return dims * math.Log(original/(n*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	low, high := at(fast), at(slow)
	if truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, dims-1)
	if low == high {
		high += .001
	}
	r.Divisors = divisors(*r, headDim, func(i int, _ float64) float64 {
		keep := 1 - min(max((float64(i)-low)/(high-low), 0), 1)
		return 1 / ((1-keep)/factor + keep)
	})
}

func yarnMagnitude(factor, scale float64) float64 {
	if factor <= 1 {
		return 1
	}
	return .1*scale*math.Log(factor) + 1
}

// longRope sets the divisors and the magnitude of LongRoPE (arXiv 2402.13753). A model whose
// declared context exceeds the original one uses the long factors for every position, as vLLM does:
// otherwise keys in a cache would become wrong when the context grows beyond the original one.
func (c *config) longRope(top *config, m *Model, r *runners.Rotary, headDim int64) {
	original := c.original(top, m)
	short, long := c.numbers("short_factor"), c.numbers("long_factor")
	factor := c.number("factor", float64(m.Context)/float64(max(original, 1)))
	d := short
	if m.Context > original {
		d = long
	}
	if len(d) != r.Pairs(int(headDim)) {
		m.refuse("no runner supports %sshort_factor and long_factor of %d and %d numbers for %d rotated pairs", c.path, len(short), len(long), r.Pairs(int(headDim)))
		return
	}
	r.Divisors = runners.NewDivisors(d)
	r.Magnitude = 1
	if factor > 1 {
		r.Magnitude = math.Sqrt(1 + math.Log(factor)/math.Log(float64(original)))
	}
	r.Magnitude = c.number("attention_factor", r.Magnitude)
}
