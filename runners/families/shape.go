package families

import "github.com/yocobench/yocobench/runners"

// FromConfig describes a model of package runners. Its weights are stored as dtype.
func FromConfig(cfg runners.Config, dtype runners.DType) *Model {
	size := float64(dtype.Size())
	m := &Model{
		Name: cfg.Name, Family: cfg.Label, Dim: int64(cfg.Dim), Vocab: int64(cfg.Vocab),
		Stored:        Storage{Name: dtype.String(), Linear: size, Expert: size, Other: size},
		PrefillLayers: cfg.PrefillLayers(),
	}
	b := &builder{c: &config{err: new(error)}}
	m.Embedding = b.times(m.Vocab, m.Dim)
	m.Head = m.Embedding
	m.Rest.Other, m.Tied, m.Context = m.Dim, cfg.TiedOutput, int64(cfg.MaxSeqLen)
	vectors := make([]int64, len(cfg.Layers)) // values of norms and biases
	for _, p := range cfg.Parameters() {
		if p.Layer >= 0 && len(p.Shape) == 1 {
			vectors[p.Layer] += p.Elements()
		}
	}
	for i, l := range cfg.Layers {
		x := fromLayer(cfg, i, l)
		x.Weights.Other += vectors[i]
		m.Layers = append(m.Layers, x)
	}
	return m
}

func fromLayer(cfg runners.Config, i int, l runners.Layer) Layer {
	b := &builder{c: &config{err: new(error)}}
	d, x := int64(cfg.Dim), l.Mixer
	h := heads{d: d, q: int64(x.Heads), kv: int64(x.KVHeads), dim: int64(x.HeadDim)}
	b.linear(int64(x.Projections()), d)
	if x.Kind == runners.KeysValues {
		cache := h.cache(0)
		cache.PairFLOPs, cache.Reads = 0, 0 // counted in the layers that read it
		return Layer{[]Cache{cache}, b.w}
	}
	b.linear(d, int64(x.QDim()))
	b.gated(d, int64(l.FFN), false)
	switch {
	case x.Kind == runners.Retention:
		return Layer{states(h.q*h.dim*h.dim, 0), b.w}
	case x.KVBack > 0:
		from := cfg.Layers[i-x.KVBack].Mixer
		h.kv = int64(from.KVHeads)
		return Layer{[]Cache{h.shared(int64(x.Window))}, b.w}
	}
	return Layer{[]Cache{h.cache(int64(x.Window))}, b.w}
}
