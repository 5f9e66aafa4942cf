package runners

// This file is the one cost model: how many FLOPs a model does, how many bytes
// it moves and how many it holds, by arithmetic from its Config. Four things
// use it: the estimates of a dry run, the computed columns next to measured
// memory, the analytic runner, and the fraction of the machine's limit next to a
// measured speed. The CPU runner's own counters are compared with it by tests.
//
// FLOPs: a multiply-add is two. Only matrix products count.
//
//	projections  2 per weight and token
//	attention    4 x heads x head_dim per token and key that it sees (scores, and the sum of values)
//	             position p sees p+1 keys, or min(p+1, window) through a window
//	retention    see RetentionFLOPs
//	head         the output matrix, 2 per weight and position whose logits are computed
//
// Bytes: weights are read once a pass; a prompt goes in passes of PrefillChunk
// tokens, a step is one pass for its whole batch. The norms' vectors are float32
// whatever the type of the matrices. Each attention layer reads in
// a pass the keys and values that the pass sees, once (a kernel that meets them
// again finds them in its caches), and each retention layer reads and writes its
// state once. Activations are not counted: they are small compared with the weights
// where few tokens go together, and with the FLOPs where many do.

// PrefillChunk is the number of tokens of a prompt that the cost model lets go
// through the layers together: the reference implementation's prefill chunk.
const PrefillChunk = 32768

// Types are the types of stored numbers that bytes depend on.
type Types struct {
	Weights, KV DType
	// Act is the type of activations. Only WorkspaceBytes depends on it.
	Act DType
}

// Cost is the work of one part: FLOPs, and bytes read from and written to
// memory. Values are whole numbers, in float64 because those of a long prompt
// on a large model exceed an int64; they are exact up to 2^53.
type Cost struct{ FLOPs, Read, Write float64 }

// Add is the sum of two costs.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.FLOPs + o.FLOPs, c.Read + o.Read, c.Write + o.Write}
}

// Scale is the cost k times over.
func (c Cost) Scale(k float64) Cost { return Cost{c.FLOPs * k, c.Read * k, c.Write * k} }

// Bytes is what is read and written.
func (c Cost) Bytes() float64 { return c.Read + c.Write }

// Work is the cost of every part of a model. Works can be compared with ==.
type Work struct{ Embed, Self, KV, Cross, Layers, Head Cost }

// Parts lists the parts of a model in the order in which a token meets them.
func Parts() []Part {
	return []Part{PartEmbed, PartSelf, PartKV, PartCross, PartLayers, PartHead}
}

// Part is the cost of one part.
func (w Work) Part(p Part) Cost {
	if c := w.at(p); c != nil {
		return *c
	}
	return Cost{}
}

// at is where the cost of a part is; nil for a part that no model has.
func (w *Work) at(p Part) *Cost {
	switch p {
	case PartEmbed:
		return &w.Embed
	case PartSelf:
		return &w.Self
	case PartKV:
		return &w.KV
	case PartCross:
		return &w.Cross
	case PartLayers:
		return &w.Layers
	case PartHead:
		return &w.Head
	}
	return nil
}

// add adds to the cost of a part.
func (w *Work) add(p Part, c Cost) {
	at := w.at(p)
	*at = at.Add(c)
}

// Add is the sum of two works.
func (w Work) Add(o Work) Work {
	return Work{
		w.Embed.Add(o.Embed), w.Self.Add(o.Self), w.KV.Add(o.KV),
		w.Cross.Add(o.Cross), w.Layers.Add(o.Layers), w.Head.Add(o.Head),
	}
}

// Scale is the work k times over.
func (w Work) Scale(k float64) Work {
	return Work{
		w.Embed.Scale(k), w.Self.Scale(k), w.KV.Scale(k),
		w.Cross.Scale(k), w.Layers.Scale(k), w.Head.Scale(k),
	}
}

// Total is the sum over all parts.
func (w Work) Total() (sum Cost) {
	for _, p := range Parts() {
		sum = sum.Add(w.Part(p))
	}
	return sum
}

// PrefillWork is the work of Prefill: n tokens after depth tokens that the
// sequence holds, through the first PrefillLayers: a YOCO leaves after the projection to its
// global keys and values, a Transformer goes through all its layers. No logits are computed.
func (c Config) PrefillWork(n, depth int, t Types) Work {
	heads := 0
	if c.ChunkLogits {
		heads = n
	}
	return c.dense(n, heads, passes(n), false, t).Add(c.mixers(n, depth, false, t))
}

// ScoreWork is the work of Score: n tokens after depth, with every layer
// computed at every position, and the head at all but the last, which has no
// next token to score.
func (c Config) ScoreWork(n, depth int, t Types) Work {
	return c.dense(n, n-1, passes(n), true, t).Add(c.mixers(n, depth, true, t))
}

// StepWork is the work of one Step: one token for each of batch sequences that hold depth tokens.
func (c Config) StepWork(depth, batch int, t Types) Work {
	return c.dense(batch, batch, passes(batch), true, t).
		Add(c.mixers(1, depth, true, t).Scale(float64(max(batch, 0))))
}

// StepsWork is the work of one Step for sequences that hold depths tokens.
func (c Config) StepsWork(depths []int, t Types) Work {
	w := c.dense(len(depths), len(depths), passes(len(depths)), true, t)
	for i := 0; i < len(depths); { // equal depths that follow each other together
		j := i + 1
		for j < len(depths) && depths[j] == depths[i] {
			j++
		}
		w = w.Add(c.mixers(1, depths[i], true, t).Scale(float64(j - i)))
		i = j
	}
	return w
}

// passes is how often the weights are read for n tokens.
func passes(n int) int { return (max(n, 0) + PrefillChunk - 1) / PrefillChunk }

// group is a number of layers whose cost is the same.
type group struct {
	Layer
	part Part
	// prefill is true for layers that a prefill computes.
	prefill bool
	n       int
}

// groups are the layers of a model, those of the same cost together.
func (c Config) groups() []group {
	var gs []group
	parts, early := c.LayerParts(), c.PrefillLayers()
next:
	for i, l := range c.Layers {
		l.Mixer.KVBack = min(l.Mixer.KVBack, 1) // how far back it reads does not matter
		for j := range gs {
			if g := &gs[j]; g.Layer == l && g.part == parts[i] && g.prefill == (i < early) {
				g.n++
				continue next
			}
		}
		gs = append(gs, group{l, parts[i], i < early, 1})
	}
	return gs
}

// dense is the work that does not depend on what a sequence holds: rows tokens
// through the projections, of which heads get logits, in a number of passes.
// full is false where the layers after the last cache or state are left out.
func (c Config) dense(rows, heads, passes int, full bool, t Types) (w Work) {
	if rows <= 0 {
		return Work{}
	}
	size, d := float64(t.Weights.Size()), float64(c.Dim)
	// through is a part of layers that the rows go through, each of so many weights in matrices and
	// in vectors.
	through := func(layers int, matrices, vectors float64, rows int) Cost {
		l := float64(layers)
		return Cost{FLOPs: 2 * l * matrices * float64(rows), Read: l * (matrices*size + vectors*4) * float64(passes)}
	}
	w.Embed = Cost{Read: float64(rows) * d * size}
	if heads > 0 {
		w.Head = through(1, float64(c.Vocab)*d, d, heads)
	}
	for _, g := range c.groups() {
		if full || g.prefill {
			matrices, vectors := g.elements(c.Dim)
			w.add(g.part, through(g.n, matrices, vectors, rows))
		}
	}
	return w
}

// elements counts a layer's weights in matrices and in vectors.
func (l Layer) elements(d int) (matrices, vectors float64) {
	m, dim := l.Mixer, float64(d)
	matrices, vectors = float64(m.Projections())*dim, dim
	if m.Kind != KeysValues {
		matrices += float64(m.QDim())*dim + 3*float64(l.FFN)*dim
		vectors += dim
	}
	return matrices, vectors
}

// mixers is the work that depends on the n tokens of a sequence and on the
// depth tokens before them: attention, retention, and their caches.
func (c Config) mixers(n, depth int, full bool, t Types) (w Work) {
	if n <= 0 {
		return Work{}
	}
	for _, g := range c.groups() {
		if full || g.prefill {
			w.add(g.part, g.Mixer.work(n, depth, float64(t.KV.Size())).Scale(float64(g.n)))
		}
	}
	return w
}

// work is what a mixer does besides its projections for n tokens after depth.
// kv is the size of a number in the key/value caches.
func (m Mixer) work(n, depth int, kv float64) (cost Cost) {
	pair := 2 * float64(m.KVDim()) * kv
	switch {
	case m.Kind == Retention:
		return m.retention(n)
	case m.Window > 0:
		return m.window(n, depth, pair)
	}
	if m.Kind == Attention {
		cost.FLOPs = 4 * float64(m.QDim()) * CausalKeys(n, depth)
		for at := 0; at < n; at += PrefillChunk {
			cost.Read += pair * float64(depth+min(at+PrefillChunk, n))
		}
	}
	if m.Writes() {
		cost.Write = pair * float64(n)
	}
	return cost
}

// window is sliding-window attention. A pass reads the window before it and leaves the window after
// it.
func (m Mixer) window(n, depth int, pair float64) Cost {
	cost := Cost{FLOPs: 4 * float64(m.QDim()) * WindowKeys(n, depth, m.Window)}
	for at := 0; at < n; at += PrefillChunk {
		cost.Read += pair * float64(min(depth+at, m.Window))
		cost.Write += pair * float64(min(n-at, PrefillChunk, m.Window))
	}
	return cost
}

// retention is gated retention; its state is float32.
func (m Mixer) retention(n int) Cost {
	h, hd := float64(m.Heads), float64(m.HeadDim)
	state := h * hd * hd * 4 * float64(passes(n))
	return Cost{FLOPs: h * RetentionFLOPs(n, m.HeadDim, RetentionChunk), Read: state, Write: state}
}

// RetentionFLOPs is the work of one head of retention over n tokens. Each token
// reads from and adds to the state (4 head_dim²). Where there are several, they
// go in chunks that hand the state on, and each token meets itself and those
// before it in its chunk besides (4 head_dim each); a shorter last chunk counts
// as what it is. A single token takes the recurrent form: the state alone.
func RetentionFLOPs(n, headDim, chunk int) float64 {
	hd := float64(headDim)
	state := 4 * hd * hd * float64(n)
	if n < 2 {
		return state
	}
	return state + 4*hd*(float64(n/chunk)*CausalKeys(chunk, 0)+CausalKeys(n%chunk, 0))
}

// CausalKeys is the number of (token, key) pairs of n tokens after depth, where position p sees
// keys 0..p.
func CausalKeys(n, depth int) float64 {
	f := float64(n)
	return f*float64(depth) + f*(f+1)/2
}

// WindowKeys is the number of (token, key) pairs of n tokens after depth, where position p sees
// min(p+1, window) keys.
func WindowKeys(n, depth, window int) float64 {
	short := min(n, max(0, window-depth))
	return CausalKeys(short, depth) + float64(n-short)*float64(window)
}

// HeldBytes is the memory that a model holds with batch sequences of room for
// tokens each, by arithmetic: all weights, batch times CacheBytes, and the
// workspace that the caller states (see WorkspaceBytes).
func (c Config) HeldBytes(tokens, batch int, t Types, workspace int64) Usage {
	u, n := c.CacheBytes(tokens, t.KV), int64(batch)
	return Usage{
		Weights:   c.weightBytes(t),
		GlobalKV:  MulBytes(u.GlobalKV, n),
		WindowKV:  MulBytes(u.WindowKV, n),
		State:     MulBytes(u.State, n),
		Workspace: workspace,
	}
}

// weightBytes is what one token reads in all parts, and the rest of the embedding.
func (c Config) weightBytes(t Types) int64 {
	read := c.dense(1, 1, 1, true, t).Total().Read
	return int64(read) + int64(c.Vocab-1)*int64(c.Dim)*int64(t.Weights.Size())
}

// LeastBytes is what a model holds for certain when it steps batch sequences of tokens each:
// HeldBytes without a workspace, and a row of float32 logits a sequence.
func (c Config) LeastBytes(tokens, batch int, t Types) int64 {
	return AddBytes(c.HeldBytes(tokens, batch, t, 0).Total(), MulBytes(int64(batch), 4*int64(c.Vocab)))
}

// RunBytes is HeldBytes with the workspace that Prefill in passes of chunk
// tokens (0: PrefillChunk) and Step of the whole batch need.
func (c Config) RunBytes(tokens, batch, chunk int, t Types) Usage {
	if chunk < 1 {
		chunk = PrefillChunk
	}
	rows := max(min(tokens, chunk), batch)
	workspace := c.WorkspaceBytes(rows, batch, t.Act)
	if c.ChunkLogits {
		workspace = max(workspace, c.WorkspaceBytes(rows, 0, t.Act)+int64(rows)*int64(c.Vocab)*int64(t.Act.Size()))
	}
	return c.HeldBytes(tokens, batch, t, workspace)
}

// WorkspaceBytes is what the activations of rows tokens take in a layer, and
// what heads rows of float32 logits take. A layer holds at one time the
// residual stream and its norm (2 dim) and the larger of what the mixer and
// the SwiGLU make of them: queries, keys, values and gates, or ffn. Nothing is
// kept from layer to layer; scores and retention chunks stay in registers and
// caches.
func (c Config) WorkspaceBytes(rows, heads int, act DType) int64 {
	return int64(rows)*int64(2*c.Dim+c.BlockWidth())*int64(act.Size()) + 4*int64(heads)*int64(c.Vocab)
}

// BlockWidth is the width of the widest thing that a block of a layer makes of a token: a mixer's
// projections side by side, or the hidden of the feed-forward block.
func (c Config) BlockWidth() (w int) {
	for _, l := range c.Layers {
		w = max(w, l.Mixer.Projections(), l.FFN)
	}
	return w
}
