package families

import (
	"fmt"
	"math"
	"slices"

	"github.com/yocobench/yocobench/runners"
)

// KVType is the number type of caches that grow with the context: Bytes bytes for each block of
// Values values.
type KVType struct {
	Name          string
	Values, Bytes int64
}

// KVTypes lists the number types of caches. q8_0 and q4_0 are ggml's blocks of 32 values and a
// scale.
func KVTypes() []KVType {
	return []KVType{{"f16", 1, 2}, {"bf16", 1, 2}, {"fp8", 1, 1}, {"q8_0", 32, 34}, {"q4_0", 32, 18}, {"f32", 1, 4}}
}

// ParseKVType returns the KVType of a name.
func ParseKVType(name string) (KVType, error) {
	var names []string
	for _, t := range KVTypes() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return KVType{}, fmt.Errorf("unknown cache type %q (known: %v)", name, names)
}

// size returns the bytes of n values, rounded up to whole blocks.
func (t KVType) size(n int64) int64 { return (n + t.Values - 1) / t.Values * t.Bytes }

// KVTypeOf returns the KVType of a number type of package runners.
func KVTypeOf(t runners.DType) KVType { return KVType{t.String(), 1, int64(t.Size())} }

// bytes returns the size in bytes of the cache of one sequence of the given tokens.
func (c Cache) bytes(tokens int64, kv KVType) int64 {
	if c.Window > 0 {
		tokens = min(tokens, c.Window)
	}
	return tokens*kv.size(c.PerToken) + 4*c.Fixed
}

// CacheBytes returns the size in bytes of all caches of one sequence of the given tokens.
func (m *Model) CacheBytes(tokens int64, kv KVType) (sum int64) {
	for _, l := range m.Layers {
		for _, c := range l.Caches {
			sum += c.bytes(tokens, kv)
		}
	}
	return sum
}

// Usage splits CacheBytes into the parts that runners report: caches that grow with the context
// (including latents and indexers), windows, and states with convolutions. It does not include the
// weights.
func (m *Model) Usage(tokens int64, kv KVType) (u runners.Usage) {
	for _, l := range m.Layers {
		for _, c := range l.Caches {
			n := c.bytes(tokens, kv)
			switch {
			case c.Kind == State || c.Kind == Convolution:
				u.State += n
			case c.Window > 0:
				u.WindowKV += n
			default:
				u.GlobalKV += n
			}
		}
	}
	return u
}

// BytesPerToken returns the growth of the caches per token once all windows are full.
func (m *Model) BytesPerToken(kv KVType) (sum int64) {
	for _, l := range m.Layers {
		for _, c := range l.Caches {
			if c.Window == 0 {
				sum += kv.size(c.PerToken)
			}
		}
	}
	return sum
}

// FixedBytes returns the constant part of a sequence's caches: full windows, states and
// convolutions.
func (m *Model) FixedBytes(kv KVType) (sum int64) {
	for _, l := range m.Layers {
		for _, c := range l.Caches {
			if c.Window > 0 {
				sum += c.Window * kv.size(c.PerToken)
			}
			sum += 4 * c.Fixed
		}
	}
	return sum
}

// Group is the total of the caches of one kind and window.
type Group struct {
	Kind   Kind  `json:"kind"`
	Count  int   `json:"count"`
	Window int64 `json:"window,omitempty"`
	// PerToken is the growth in bytes per token, over all layers of the group. Windows grow only
	// until they are full.
	PerToken int64 `json:"bytes_per_token,omitempty"`
	// Fixed is the size in bytes of the caches that do not grow: full windows, states,
	// convolutions.
	Fixed int64 `json:"fixed_bytes,omitempty"`
}

// Groups returns the caches by kind and window, in the order of Kinds. Layers without a cache form
// a group of kind "none".
func (m *Model) Groups(kv KVType) []Group {
	var groups []Group
	at := func(k Kind, window int64) *Group {
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Kind == k && g.Window == window })
		if i < 0 {
			i = len(groups)
			groups = append(groups, Group{Kind: k, Window: window})
		}
		return &groups[i]
	}
	for _, l := range m.Layers {
		if len(l.Caches) == 0 {
			at("none", 0).Count++
		}
		for _, c := range l.Caches {
			g := at(c.Kind, c.Window)
			g.Count++
			g.PerToken += kv.size(c.PerToken)
			g.Fixed += c.Window*kv.size(c.PerToken) + 4*c.Fixed
		}
	}
	order := append(Kinds(), "none")
	slices.SortStableFunc(groups, func(a, b Group) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return groups
}

// pairs returns the number of (query, key) pairs of n tokens after depth tokens.
func (c Cache) pairs(n, depth int64) float64 {
	limit := float64(math.MaxInt64)
	if c.Window > 0 {
		limit = float64(c.Window)
	}
	if c.Select > 0 {
		limit = min(limit, float64(c.Select))
	}
	// Position p sees min(p+1, limit) keys.
	short := min(float64(n), max(0, limit-float64(depth)))
	return short*float64(depth) + short*(short+1)/2 + (float64(n)-short)*min(limit, float64(n+depth))
}

// flops returns the FLOPs of n tokens after depth tokens with the cache.
func (c Cache) flops(n, depth int64, decode bool) float64 {
	pair := c.PairFLOPs
	if decode && c.DecodePairFLOPs > 0 {
		pair = c.DecodePairFLOPs
	}
	return c.pairs(n, depth)*float64(pair) + float64(n)*float64(c.TokenFLOPs)
}

// Cost is the work and the memory traffic of an operation.
type Cost struct {
	// FLOPs counts a multiply-add as two. Bytes counts what must be read once: weights and caches.
	FLOPs, Bytes float64
}

// PrefillCost returns the cost of a prompt of n tokens, with the logits of the last one. The
// weights of the computed layers are read once, and the caches are written once.
func (m *Model) PrefillCost(n int64, kv KVType) Cost {
	c := m.PromptCost(n, 0, kv)
	c.FLOPs += 2 * float64(m.Head)
	// The layers after the early exit run only for the last token.
	for _, l := range m.Layers[m.PrefillLayers:] {
		c.FLOPs += 2 * float64(l.Weights.Products)
		for _, x := range l.Caches {
			c.FLOPs += x.flops(1, n-1, true)
		}
	}
	return c
}

// PromptCost returns the cost of n tokens of a prompt after depth tokens, without logits.
func (m *Model) PromptCost(n, depth int64, kv KVType) Cost {
	c := Cost{FLOPs: 2 * float64(m.Rest.Products) * float64(n)}
	for _, l := range m.Layers[:m.PrefillLayers] {
		c.FLOPs += 2 * float64(l.Weights.Products) * float64(n)
		for _, x := range l.Caches {
			c.FLOPs += x.flops(n, depth, false)
		}
	}
	c.Bytes = float64(m.Bytes()) + float64(m.CacheBytes(depth+n, kv))
	return c
}

// DecodeCost returns the cost of one token for each of batch sequences that hold depth tokens.
// Experts are read if at least one token of the batch is routed to them, assuming uniform routing.
func (m *Model) DecodeCost(depth, batch int64, kv KVType) Cost {
	w := m.layerSum()
	c := Cost{FLOPs: 2 * float64(batch) * (float64(w.Products) + float64(m.Head))}
	perSequence := 0.0
	for _, l := range m.Layers {
		for _, x := range l.Caches {
			c.FLOPs += float64(batch) * x.flops(1, depth, true)
			tokens := float64(depth)
			if x.Window > 0 {
				tokens = min(tokens, float64(x.Window))
			}
			if x.Select > 0 {
				tokens = min(tokens, float64(x.Select))
			}
			perSequence += tokens*float64(kv.size(x.Reads)) + 8*float64(x.Fixed) // a state is read and written
		}
	}
	active := w.Expert
	if w.Expert > 0 {
		share := float64(w.ActiveExpert) / float64(w.Expert)
		active = int64(float64(w.Expert) * (1 - math.Pow(1-share, float64(batch))))
	}
	s := m.Stored
	read := float64(w.Linear)*s.Linear + float64(active)*s.Expert + float64(w.Other+m.Head)*s.Other
	if m.WeightBytes > 0 { // scale to the sizes stored in the file
		total, _ := m.Parameters()
		read = float64(m.WeightBytes) * float64(w.Linear+active+w.Other+m.Head) / float64(total)
	}
	c.Bytes = read + float64(batch)*perSequence
	return c
}

// Seconds returns a lower bound on the device's time: the longer of the FLOPs at peak FLOP/s and
// the bytes at bandwidth bytes/s.
func (c Cost) Seconds(peak, bandwidth float64) float64 { return max(c.FLOPs/peak, c.Bytes/bandwidth) }

// LargestBatch returns how many sequences of the given tokens fit into memory bytes together with
// the weights; 0 if not even one does.
func (m *Model) LargestBatch(tokens, memory int64, kv KVType) int64 {
	room, one := memory-m.Bytes(), m.CacheBytes(tokens, kv)
	if room < one || one == 0 {
		return 0
	}
	return room / one
}

// LargestContext returns how many tokens of one sequence fit into memory bytes together with the
// weights; -1 if the caches do not grow.
func (m *Model) LargestContext(memory int64, kv KVType) int64 {
	room := memory - m.Bytes()
	if room < m.CacheBytes(1, kv) {
		return 0
	}
	if m.BytesPerToken(kv) == 0 {
		return -1
	}
	low, high := int64(1), int64(1)<<40
	for low < high-1 {
		if mid := (low + high) / 2; m.CacheBytes(mid, kv) <= room {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
