package families

import "github.com/yocobench/yocobench/runners"

// builder collects the weights of a layer. Overflow is an error of the config.
type builder struct {
	c *config
	w Weights
}

// times is the product of sizes.
func (b *builder) times(n ...int64) int64 {
	p := runners.MulBytes(n...)
	if p > 1<<56 {
		b.c.failf("", "the sizes make a matrix of more than 2^56 values")
		return 0
	}
	return p
}

// tiles is the number of 128 x 128 tiles of a matrix.
func (b *builder) tiles(out, in int64) int64 { return b.times((out+127)/128, (in+127)/128) }

// linear is a matrix that each token is multiplied with.
func (b *builder) linear(out, in int64) {
	n := b.times(out, in)
	b.w.Linear += n
	b.w.Products += n
	b.w.LinearTiles += b.tiles(out, in)
}

// bias is a linear with a bias where there is one.
func (b *builder) linearBias(out, in int64, bias bool) {
	b.linear(out, in)
	if bias {
		b.vector(out)
	}
}

// experts are n matrices, of which a token is multiplied with active.
func (b *builder) experts(n, active, out, in int64) {
	size := b.times(out, in)
	b.w.Expert += b.times(n, size)
	b.w.ActiveExpert += b.times(active, size)
	b.w.Products += b.times(active, size)
	b.w.ExpertTiles += b.times(n, b.tiles(out, in))
}

// small is a matrix that is never quantised: a router, a convolution.
func (b *builder) small(out, in int64) {
	n := b.times(out, in)
	b.w.Other += n
	b.w.Products += n
}

// vector are n values that are added or multiplied: norms, biases, scales.
func (b *builder) vector(n int64) { b.w.Other += n }

// heads are the sizes of an attention layer.
type heads struct{ d, q, kv, dim int64 }

// cache is what attention keeps: keys and values of a window, or of the whole context (window 0).
func (h heads) cache(window int64) Cache {
	c := Cache{Kind: Global, PerToken: 2 * h.kv * h.dim, Window: window, PairFLOPs: 4 * h.q * h.dim}
	if window > 0 {
		c.Kind = Window
	}
	c.Reads = c.PerToken
	return c
}

// shared is attention that reads the keys and values that another layer keeps.
func (h heads) shared(window int64) Cache {
	return Cache{Kind: Shared, Window: window, PairFLOPs: 4 * h.q * h.dim, Reads: 2 * h.kv * h.dim}
}

// attention adds the four projections of grouped-query attention.
func (b *builder) attention(h heads, qkvBias, outBias bool) {
	b.linearBias(h.q*h.dim, h.d, qkvBias)
	b.linearBias(h.kv*h.dim, h.d, qkvBias)
	b.linearBias(h.kv*h.dim, h.d, qkvBias)
	b.linearBias(h.d, h.q*h.dim, outBias)
}

// gated adds the three matrices of SwiGLU or GeGLU.
func (b *builder) gated(d, f int64, bias bool) {
	b.linearBias(f, d, bias)
	b.linearBias(f, d, bias)
	b.linearBias(d, f, bias)
}

// gatedExperts adds n gated blocks of width f, of which a token takes active, and their router.
func (b *builder) gatedExperts(n, active, d, f int64) {
	b.small(n, d)
	b.experts(n, active, f, d)
	b.experts(n, active, f, d)
	b.experts(n, active, d, f)
}

// ssm2 are the sizes of a Mamba-2 mixer (arXiv 2405.21060).
type ssm2 struct {
	d, heads, dim, state, groups, kernel int64
	convBias, projBias, norm             bool
}

// ssm2 adds the weights of a Mamba-2 mixer and returns its caches.
func (b *builder) ssm2(s ssm2) []Cache {
	inner := s.heads * s.dim
	conv := inner + 2*s.groups*s.state
	b.linearBias(inner+conv+s.heads, s.d, s.projBias)
	b.small(conv, s.kernel)
	if s.convBias {
		b.vector(conv)
	}
	b.vector(3 * s.heads) // dt bias, A, D
	if s.norm {
		b.vector(inner)
	}
	b.linearBias(s.d, inner, s.projBias)
	return states(b.times(s.heads, s.dim, s.state), b.times(conv, s.kernel-1))
}

// states are a recurrent state and a convolution's inputs, in values. A token reads and updates
// each value of the state: 4 FLOPs, and 2 for the output.
func states(state, conv int64) []Cache {
	c := []Cache{{Kind: State, Fixed: state, TokenFLOPs: 6 * state}}
	if conv > 0 {
		c = append(c, Cache{Kind: Convolution, Fixed: conv})
	}
	return c
}
