package families

import "github.com/yocobench/yocobench/runners"

// builder accumulates the weights of a layer. Overflow is reported as an error of the config.
type builder struct {
	c *config
	w Weights
}

// times returns the product of sizes.
func (b *builder) times(n ...int64) int64 {
	p := runners.MulBytes(n...)
	if p > 1<<56 {
		b.c.failf("", "the sizes make a matrix of more than 2^56 values")
		return 0
	}
	return p
}

// tiles returns the number of 128 x 128 tiles of a matrix.
func (b *builder) tiles(out, in int64) int64 { return b.times((out+127)/128, (in+127)/128) }

// linear adds a matrix that every token is multiplied with.
func (b *builder) linear(out, in int64) {
	n := b.times(out, in)
	b.w.Linear += n
	b.w.Products += n
	b.w.LinearTiles += b.tiles(out, in)
}

// linearBias is linear with an optional bias.
func (b *builder) linearBias(out, in int64, bias bool) {
	b.linear(out, in)
	if bias {
		b.vector(out)
	}
}

// experts adds n matrices, of which each token is multiplied with active.
func (b *builder) experts(n, active, out, in int64) {
	size := b.times(out, in)
	b.w.Expert += b.times(n, size)
	b.w.ActiveExpert += b.times(active, size)
	b.w.Products += b.times(active, size)
	b.w.ExpertTiles += b.times(n, b.tiles(out, in))
}

// small adds a matrix that is never quantized, such as a router or a convolution.
func (b *builder) small(out, in int64) {
	n := b.times(out, in)
	b.w.Other += n
	b.w.Products += n
}

// vector adds n values that are added or multiplied element by element: norms, biases, scales.
func (b *builder) vector(n int64) { b.w.Other += n }

// heads holds the sizes of an attention layer.
type heads struct{ d, q, kv, dim int64 }

// cache returns the KV cache of a window, or of the whole context (window 0).
func (h heads) cache(window int64) Cache {
	c := Cache{Kind: Global, PerToken: 2 * h.kv * h.dim, Window: window, PairFLOPs: 4 * h.q * h.dim}
	if window > 0 {
		c.Kind = Window
	}
	c.Reads = c.PerToken
	return c
}

// shared returns the cache of attention that reads another layer's keys and values.
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

// gatedExperts adds n gated blocks of width f, of which each token uses active, and their router.
func (b *builder) gatedExperts(n, active, d, f int64) {
	b.small(n, d)
	b.experts(n, active, f, d)
	b.experts(n, active, f, d)
	b.experts(n, active, d, f)
}

// ssm2 holds the sizes of a Mamba-2 mixer (arXiv 2405.21060).
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

// states returns the caches of a recurrent state and of a convolution's inputs; both sizes are in
// values. A token reads and updates each value of the state: 4 FLOPs, and 2 for the output.
func states(state, conv int64) []Cache {
	c := []Cache{{Kind: State, Fixed: state, TokenFLOPs: 6 * state}}
	if conv > 0 {
		c = append(c, Cache{Kind: Convolution, Fixed: conv})
	}
	return c
}
