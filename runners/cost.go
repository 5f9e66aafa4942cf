package runners

import "math"

// This file is the cost model: the FLOPs that a model computes, the bytes that it moves and the
// bytes that it holds, computed from its Config. It is used for the estimates of a dry run, the
// computed columns next to measured memory, the analytic runner, and the fraction of the
// machine's limit next to a measured speed. Tests compare the CPU runner's counters with it.
//
// FLOPs: a multiply-add is two. Only matrix products count.
//
//	projections  2 per weight and token
//	attention    4 x heads x head_dim per token and visible key (scores, and the sum of values);
//	             position p sees p+1 keys, or min(p+1, window) with a window
//	retention    see RetentionFLOPs
//	head         the output matrix, 2 per weight and position whose logits are computed
//
// Bytes: each pass reads all weights once. A prompt is processed in passes of PrefillChunk tokens;
// a step is one pass for its whole batch. Norm weights are float32 whatever the type of the
// matrices. In each pass an attention layer reads the keys and values that the pass sees once (a
// kernel that reads them again finds them in the processor's caches), and a retention layer reads
// and writes its state once. Activations are not counted: they are small compared with the
// weights in small passes, and their cost is hidden by the FLOPs in large ones.

// PrefillChunk is the number of prompt tokens that the cost model processes in one pass: the
// reference implementation's prefill chunk.
const PrefillChunk = 32768

// Types are the number types on which the byte counts depend.
type Types struct {
	Weights, KV DType
	// Act is the type of activations. Only WorkspaceBytes depends on it.
	Act DType
	// StoredSize is the mean number of bytes of a matrix's weight if Weights is Stored; 0 if it is
	// unknown, and then Weights.Size() is taken.
	StoredSize float64
}

// size is the number of bytes of a matrix's weight.
func (t Types) size() float64 {
	if t.Weights == Stored && t.StoredSize > 0 {
		return t.StoredSize
	}
	return float64(t.Weights.Size())
}

// Cost is the work of one part: FLOPs, and bytes read from and written to memory. Values are whole
// numbers stored as float64, because those of a long prompt on a large model exceed an int64; they
// are exact up to 2^53.
type Cost struct{ FLOPs, Read, Write float64 }

// Add returns the sum of two costs.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.FLOPs + o.FLOPs, c.Read + o.Read, c.Write + o.Write}
}

// Scale returns k times the cost.
func (c Cost) Scale(k float64) Cost { return Cost{c.FLOPs * k, c.Read * k, c.Write * k} }

// Bytes returns the number of bytes read and written.
func (c Cost) Bytes() float64 { return c.Read + c.Write }

// Work is the cost of every part of a model. Works are comparable with ==.
type Work struct{ Embed, Self, KV, Cross, Layers, Head Cost }

// Parts lists the parts of a model in the order in which a token passes through them.
func Parts() []Part {
	return []Part{PartEmbed, PartSelf, PartKV, PartCross, PartLayers, PartHead}
}

// Part returns the cost of one part.
func (w Work) Part(p Part) Cost {
	if c := w.at(p); c != nil {
		return *c
	}
	return Cost{}
}

// at returns a pointer to the cost of a part, or nil if the part is unknown.
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

// Add returns the sum of two works.
func (w Work) Add(o Work) Work {
	return Work{
		w.Embed.Add(o.Embed), w.Self.Add(o.Self), w.KV.Add(o.KV),
		w.Cross.Add(o.Cross), w.Layers.Add(o.Layers), w.Head.Add(o.Head),
	}
}

// Scale returns k times the work.
func (w Work) Scale(k float64) Work {
	return Work{
		w.Embed.Scale(k), w.Self.Scale(k), w.KV.Scale(k),
		w.Cross.Scale(k), w.Layers.Scale(k), w.Head.Scale(k),
	}
}

// Total returns the sum over all parts.
func (w Work) Total() (sum Cost) {
	for _, p := range Parts() {
		sum = sum.Add(w.Part(p))
	}
	return sum
}

// PrefillWork is the work of Prefill: n tokens after depth tokens already in the sequence, through
// the first PrefillLayers. A YOCO stops after the projection to its global keys and values; a
// Transformer runs all its layers. No logits are computed.
func (c Config) PrefillWork(n, depth int, t Types) Work {
	heads := 0
	if c.ChunkLogits {
		heads = n
	}
	return c.dense(n, heads, passes(n), false, t).Add(c.mixers(n, depth, false, t))
}

// ScoreWork is the work of Score: n tokens after depth tokens, with every layer at every position.
// The head runs at all positions except the last, which has no next token to score.
func (c Config) ScoreWork(n, depth int, t Types) Work {
	return c.dense(n, n-1, passes(n), true, t).Add(c.mixers(n, depth, true, t))
}

// StepWork is the work of one Step: one token for each of batch sequences of depth tokens.
func (c Config) StepWork(depth, batch int, t Types) Work {
	return c.dense(batch, batch, passes(batch), true, t).
		Add(c.mixers(1, depth, true, t).Scale(float64(max(batch, 0))))
}

// StepsWork is the work of one Step for sequences of the given depths in tokens.
func (c Config) StepsWork(depths []int, t Types) Work {
	w := c.dense(len(depths), len(depths), passes(len(depths)), true, t)
	for i := 0; i < len(depths); { // group runs of equal depths
		j := i + 1
		for j < len(depths) && depths[j] == depths[i] {
			j++
		}
		w = w.Add(c.mixers(1, depths[i], true, t).Scale(float64(j - i)))
		i = j
	}
	return w
}

// passes returns how often the weights are read for n tokens.
func passes(n int) int { return (max(n, 0) + PrefillChunk - 1) / PrefillChunk }

// group is a set of layers with equal cost.
type group struct {
	Layer
	part Part
	// prefill is true for layers that Prefill computes.
	prefill bool
	n       int
}

// groups returns the model's layers grouped by equal cost.
func (c Config) groups() []group {
	var gs []group
	parts, early := c.LayerParts(), c.PrefillLayers()
next:
	for i, l := range c.Layers {
		l.Mixer.KVBack = min(l.Mixer.KVBack, 1) // the distance does not affect the cost
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

// dense is the work that does not depend on the context: rows tokens through the projections, heads
// of them through the output matrix, in the given number of passes. If full is false, the layers
// after the last cache or state are skipped.
func (c Config) dense(rows, heads, passes int, full bool, t Types) (w Work) {
	if rows <= 0 {
		return Work{}
	}
	size, d := t.size(), float64(c.Dim)
	// through is the cost of a number of layers for rows tokens. matrices and vectors are the
	// weights of one layer.
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

// elements returns the number of a layer's weights in matrices and in vectors.
func (l Layer) elements(d int) (matrices, vectors float64) {
	for _, w := range l.weights(d) {
		if len(w.shape) == 1 {
			vectors += float64(w.shape[0])
		} else {
			matrices += float64(w.shape[0]) * float64(w.shape[1])
		}
	}
	return matrices, vectors
}

// mixers is the work that depends on the context, for n tokens after depth tokens: attention,
// retention and their caches.
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

// work is the cost of a mixer without its projections, for n tokens after depth tokens. kv is the
// size in bytes of a number in the KV cache.
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

// window is the cost of sliding-window attention. Each pass reads the window before it and writes
// the window after it.
func (m Mixer) window(n, depth int, pair float64) Cost {
	cost := Cost{FLOPs: 4 * float64(m.QDim()) * WindowKeys(n, depth, m.Window)}
	for at := 0; at < n; at += PrefillChunk {
		cost.Read += pair * float64(min(depth+at, m.Window))
		cost.Write += pair * float64(min(n-at, PrefillChunk, m.Window))
	}
	return cost
}

// retention is the cost of gated retention. Its state is float32.
func (m Mixer) retention(n int) Cost {
	h, hd := float64(m.Heads), float64(m.HeadDim)
	state := h * hd * hd * 4 * float64(passes(n))
	return Cost{FLOPs: h * RetentionFLOPs(n, m.HeadDim, RetentionChunk), Read: state, Write: state}
}

// RetentionFLOPs is the work of one retention head over n tokens. Each token reads from and adds to
// the state (4 head_dim²). Several tokens are processed in chunks that pass the state on; within a
// chunk each token also combines with itself and the tokens before it (4 head_dim each). The last
// chunk may be shorter. A single token uses the recurrent form: the state alone.
func RetentionFLOPs(n, headDim, chunk int) float64 {
	hd := float64(headDim)
	state := 4 * hd * hd * float64(n)
	if n < 2 {
		return state
	}
	return state + 4*hd*(float64(n/chunk)*CausalKeys(chunk, 0)+CausalKeys(n%chunk, 0))
}

// CausalKeys is the number of (token, key) pairs of n tokens after depth tokens, where position p
// sees keys 0..p.
func CausalKeys(n, depth int) float64 {
	f := float64(n)
	return f*float64(depth) + f*(f+1)/2
}

// WindowKeys is the number of (token, key) pairs of n tokens after depth tokens, where position p
// sees min(p+1, window) keys.
func WindowKeys(n, depth, window int) float64 {
	short := min(n, max(0, window-depth))
	return CausalKeys(short, depth) + float64(n-short)*float64(window)
}

// HeldBytes computes the memory that a model holds with batch sequences, each with room for the
// given tokens: all weights, batch times CacheBytes, and the workspace passed by the caller (see
// WorkspaceBytes).
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

// weightBytes is the size of all weights: what one token reads in all parts, plus the rest of the
// embedding.
func (c Config) weightBytes(t Types) int64 {
	read, rest := c.dense(1, 1, 1, true, t).Total().Read, c.Vocab-1
	if c.TiedOutput {
		rest = -1 // the row that was read is one of the output matrix
	}
	if size := t.size(); t.Weights == Stored {
		return int64(math.Round(read + float64(rest)*float64(c.Dim)*size))
	}
	return int64(read) + int64(rest)*int64(c.Dim)*int64(t.Weights.Size())
}

// LeastBytes is a lower bound on the memory that a model holds while it steps batch sequences of
// tokens each: HeldBytes without a workspace, plus a row of float32 logits for each sequence.
func (c Config) LeastBytes(tokens, batch int, t Types) int64 {
	return AddBytes(c.HeldBytes(tokens, batch, t, 0).Total(), MulBytes(int64(batch), 4*int64(c.Vocab)))
}

// RunBytes is HeldBytes with the workspace needed by Prefill in passes of chunk tokens (0 means
// PrefillChunk) and by Step of the whole batch.
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

// WorkspaceBytes is the size of one layer's activations for rows tokens, plus heads rows of float32
// logits. A layer holds at one time the residual stream and its norm (2 dim), and the larger of the
// mixer's projections (queries, keys, values and gates) and the feed-forward block's hidden layer.
// Nothing is kept from layer to layer; scores and retention chunks stay in registers and processor
// caches.
func (c Config) WorkspaceBytes(rows, heads int, act DType) int64 {
	return int64(rows)*int64(2*c.Dim+c.BlockWidth())*int64(act.Size()) + 4*int64(heads)*int64(c.Vocab)
}

// BlockWidth is the width of the widest intermediate result of any layer: the mixer's projections
// or the hidden layer of the feed-forward block.
func (c Config) BlockWidth() (w int) {
	for _, l := range c.Layers {
		w = max(w, l.Mixer.Projections(), l.FFN)
	}
	return w
}
