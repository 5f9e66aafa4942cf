package arch

import (
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/runners"
)

// network holds a model's weights on a device, and runs passes over its layers.
type network struct {
	cfg runners.Config
	ops runners.Ops
	ws  *workspace
	tmp scratch

	embed, norm, output runners.Weight
	logitCap            float32
	layers              []layer
	// prefilled and replayed are the numbers of layers that prefill and replay run.
	prefilled, replayed int
	embedScale, eps     float32
}

// layer is a runners.Layer on a device.
type layer struct {
	runners.Mixer
	part runners.Part
	// depth is the index of this layer's output among all outputs, kv the layer whose keys and
	// values it reads.
	depth, kv int
	proj      runners.Weight // Mixer.Projections stacked
	rope      runners.RopeTable
	scores    runners.Scores
	khat      string // in KeysValues: the name of its keys in the trace
	// bias, if not nil, is added to the columns of the projections from biasAt on. qNorm and kNorm
	// are the norms of queries and keys, with the numbers of heads to norm.
	bias           runners.Weight
	biasAt         int
	qNorm, kNorm   runners.Weight
	qHeads, kHeads int
	mixer          block
	feedForward
}

// block holds what both blocks of a layer have: the output matrix, and the norms of input and
// output, nil if there are none.
type block struct{ norm, out, post runners.Weight }

// feedForward is x + Out (act(Gate n) * (Up n)), n = norm(x); up is Gate stacked on Up.
type feedForward struct {
	block
	width int
	act   runners.Activation
	up    runners.Weight
}

func newNetwork(cfg runners.Config, ops runners.Ops, ws *workspace, l *loader) *network {
	n := &network{
		cfg: cfg, ops: ops, ws: ws, prefilled: cfg.PrefillLayers(), replayed: cfg.ReplayLayers(),
		embedScale: float32(cfg.EmbedScale), eps: float32(cfg.NormEps),
	}
	ws.dim, ws.block = cfg.Dim, cfg.BlockWidth()
	n.layers = make([]layer, len(cfg.Layers))
	parts, depth, shared := cfg.LayerParts(), 0, 0
	for i, spec := range cfg.Layers {
		khat := ""
		if spec.Mixer.Kind == runners.KeysValues {
			khat = numbered("khat_before_rotary", shared)
			shared++
		} else {
			depth++
		}
		n.layers[i] = layer{
			Mixer: spec.Mixer, part: parts[i], depth: depth, kv: i - spec.Mixer.KVBack, khat: khat,
			rope:   ops.Rope(runners.Rope{HeadDim: spec.Mixer.HeadDim, Rotary: spec.Mixer.Rope}),
			scores: spec.Mixer.Scores(),
		}
	}
	n.embed = l.weight(-1, runners.RoleEmbed)
	for i := range n.layers {
		y, spec := &n.layers[i], cfg.Layers[i]
		if spec.Norms.Pre() {
			y.mixer.norm = l.weight(i, runners.RoleMixerNorm)
		}
		y.proj = l.weight(i, projections(y.Mixer)...)
		if y.Kind == runners.KeysValues {
			continue
		}
		y.vectors(l, i)
		y.mixer.out = l.weight(i, runners.RoleOut)
		y.feedForward = feedForward{
			width: spec.FFN,
			act:   spec.Activation,
			up:    l.weight(i, runners.RoleFFNGate, runners.RoleFFNUp),
			block: block{out: l.weight(i, runners.RoleFFNDown)},
		}
		if spec.Norms.Pre() {
			y.feedForward.norm = l.weight(i, runners.RoleFFNNorm)
		}
		if spec.Norms.Post() {
			y.mixer.post, y.feedForward.post = l.weight(i, runners.RoleMixerPost), l.weight(i, runners.RoleFFNPost)
		}
	}
	n.norm = l.scaled(cfg.LogitScale, -1, runners.RoleNorm)
	n.logitCap = float32(cfg.LogitCap)
	if n.output = n.embed; !cfg.TiedOutput {
		n.output = l.weight(-1, runners.RoleOutput)
	}
	return n
}

// vectors lays out the biases and the norms of queries and keys of layer i.
func (y *layer) vectors(l *loader, i int) {
	switch {
	case !y.Bias:
	case y.Kind == runners.Retention:
		y.bias, y.biasAt = l.weight(i, runners.RoleDecayBias), 4*y.QDim()
	case y.Writes():
		y.bias = l.weight(i, runners.RoleQBias, runners.RoleKBias, runners.RoleVBias)
	default:
		y.bias = l.weight(i, runners.RoleQBias)
	}
	if y.QKNorm == runners.NoQKNorm {
		return
	}
	if y.qHeads, y.kHeads = y.Heads, y.KVHeads; y.QKNorm == runners.WholeQKNorm {
		y.qHeads, y.kHeads = 1, 1
	}
	y.qNorm = l.weight(i, runners.RoleQNorm)
	if y.Writes() {
		y.kNorm = l.weight(i, runners.RoleKNorm)
	}
}

// projections lists the matrices of a mixer's input projections, which are stacked into one
// product.
func projections(m runners.Mixer) []runners.Role {
	switch {
	case m.Kind == runners.Retention:
		return []runners.Role{runners.RoleQ, runners.RoleK, runners.RoleV, runners.RoleGate, runners.RoleDecay}
	case m.Kind == runners.KeysValues:
		return []runners.Role{runners.RoleK, runners.RoleV}
	case m.KVBack > 0:
		return []runners.Role{runners.RoleQ}
	}
	return []runners.Role{runners.RoleQ, runners.RoleK, runners.RoleV}
}

// canTruncate reports whether Truncate needs no replay.
func (n *network) canTruncate() bool { return n.replayed == 0 }

// newCaches makes the caches of an empty sequence.
func (n *network) newCaches(capacity int) (*caches, error) {
	c := &caches{kv: make([]runners.KV, len(n.layers)), state: make([]runners.State, len(n.layers))}
	for i := range n.layers {
		var err error
		switch m := n.layers[i].Mixer; {
		case m.Kind == runners.Retention:
			c.state[i], err = n.ops.State(m.Heads, m.HeadDim)
		case m.Window > 0:
			c.kv[i], err = n.ops.WindowKV(m.KVHeads, m.HeadDim, m.Window, capacity)
		case m.Global():
			c.kv[i], err = n.ops.GlobalKV(m.KVHeads, m.HeadDim, capacity)
		}
		if err != nil {
			c.kv[i], c.state[i] = nil, nil // on error these may be typed nil pointers
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// prefill fills the caches of b's sequences. It stops after the last layer that has one.
func (n *network) prefill(b *batch) { n.run(b, n.prefilled) }

// forward fills the caches and leaves the residual stream after the last layer in ws.x.
func (n *network) forward(b *batch) { n.run(b, len(n.layers)) }

// replay recomputes what Truncate cannot cut back, from b's tokens. Global caches in those layers
// are rewritten with the values that they already hold.
func (n *network) replay(b *batch) {
	if b.Spans[0].Pos == 0 {
		for _, c := range b.caches {
			c.resetStates()
		}
	}
	n.run(b, n.replayed)
}

// run runs the first layers of the network.
func (n *network) run(b *batch, layers int) {
	ops, rows, x := n.ops, b.Rows, runners.All(n.ws.x)
	part := runners.PartEmbed
	ops.Part(part)
	ops.Embed(x, n.embed, b.tokens, n.embedScale)
	b.show("hidden.0", x, rows, n.cfg.Dim)
	for i := range n.layers[:layers] {
		l := &n.layers[i]
		if l.part != part {
			part = l.part
			ops.Part(part)
		}
		n.mix(b, l, i)
		if l.Kind == runners.KeysValues {
			continue
		}
		n.feed(rows, &l.feedForward)
		b.show(hiddenName(b, l.depth), x, rows, n.cfg.Dim)
	}
}

// mix adds the output of a layer's mixer to the residual stream.
func (n *network) mix(b *batch, l *layer, i int) {
	ops, rows, mix := n.ops, b.Rows, n.ws.mix
	y := n.input(rows, &l.mixer)
	ops.Linear(rows, cols(mix, 0, l.Projections()), y, l.proj)
	qd, kd := l.QDim(), l.KVDim()
	q, k, v := cols(mix, 0, qd), cols(mix, qd, kd), cols(mix, qd+kd, kd)
	if l.bias != nil {
		ops.AddBias(rows, cols(mix, l.biasAt, l.bias.Out()), l.bias)
	}
	if l.qNorm != nil {
		ops.HeadNorm(rows, q, l.qHeads, l.qNorm, n.eps)
	}
	if l.kNorm != nil {
		ops.HeadNorm(rows, k, l.kHeads, l.kNorm, n.eps)
	}
	switch {
	case l.Kind == runners.Retention:
		ops.Retain(&b.Batch, runners.Retained{
			Dst: q, Q: q, K: cols(mix, qd, qd), V: cols(mix, 2*qd, qd), Gate: cols(mix, 3*qd, qd), Decay: cols(mix, 4*qd, l.Heads),
			Heads: l.Heads, State: n.tmp.states(b, i), Rope: l.rope, Eps: n.eps,
		})
	case l.Window > 0:
		ops.AttendWindow(&b.Batch, runners.Windowed{Dst: q, Q: q, K: k, V: v, Heads: l.Heads, KV: n.tmp.kvs(b, i), Rope: l.rope, Scores: l.scores})
	case l.Kind == runners.KeysValues:
		b.show(l.khat, k, rows, l.KVHeads, l.HeadDim)
		ops.AppendKV(&b.Batch, n.tmp.kvs(b, i), k, v, l.rope)
		return
	default:
		kv := n.tmp.kvs(b, l.kv)
		if l.Writes() {
			ops.AppendKV(&b.Batch, kv, k, v, l.rope)
		}
		ops.Attend(&b.Batch, runners.Attended{Dst: q, Q: q, Heads: l.Heads, KV: kv, Rope: l.rope, Scores: l.scores})
	}
	n.add(rows, &l.mixer, q)
}

// feed adds the output of a feed-forward block to the residual stream.
func (n *network) feed(rows int, f *feedForward) {
	h := cols(n.ws.mix, 0, f.width)
	n.ops.GLU(rows, h, n.input(rows, &f.block), f.up, f.act)
	n.add(rows, &f.block, h)
}

// input returns the input of a block: the residual stream, normed if the block has an input norm.
func (n *network) input(rows int, b *block) runners.Mat {
	x, y := runners.All(n.ws.x), runners.All(n.ws.y)
	if b.norm == nil {
		n.ops.Copy(rows, y, x)
	} else {
		n.ops.RMSNorm(rows, y, x, b.norm, n.eps)
	}
	return y
}

// add multiplies a block's inner activations h by its output matrix, norms the product if the block
// has an output norm, and adds it to the residual stream.
func (n *network) add(rows int, b *block, h runners.Mat) {
	x, y := runners.All(n.ws.x), runners.All(n.ws.y)
	if b.post == nil {
		n.ops.LinearAdd(rows, x, h, b.out)
		return
	}
	n.ops.Linear(rows, y, h, b.out)
	n.ops.AddNorm(rows, x, y, b.post, n.eps)
}

// batch is a pass over rows of one or more sequences.
type batch struct {
	runners.Batch
	tokens []int
	caches []*caches // one per span
	// trace, if not nil, is called with activations under the names of the reference fixtures.
	trace func(name string, m runners.Mat, shape ...int)
}

// show passes an activation to the trace, if there is one. The trace gets a copy of the shape, so
// callers need not allocate theirs.
func (b *batch) show(name string, m runners.Mat, shape ...int) {
	if b.trace != nil {
		b.trace(name, m, slices.Clone(shape)...)
	}
}

// hiddenName names a layer's output. Without a trace it builds no string.
func hiddenName(b *batch, n int) string {
	if b.trace == nil {
		return ""
	}
	return fmt.Sprintf("hidden.%d", n)
}

// caches are one sequence's caches and states by layer, nil for a layer without one.
type caches struct {
	kv    []runners.KV
	state []runners.State
}

func (c *caches) close() {
	for _, kv := range c.kv {
		if kv != nil {
			kv.Close()
		}
	}
	for _, s := range c.state {
		if s != nil {
			s.Close()
		}
	}
	*c = caches{}
}

func (c *caches) resetStates() {
	for _, s := range c.state {
		if s != nil {
			s.Reset()
		}
	}
}

// fork copies the first n positions.
func (c *caches) fork(n int) (*caches, error) {
	f := &caches{kv: make([]runners.KV, len(c.kv)), state: make([]runners.State, len(c.state))}
	for i := range c.kv {
		var err error
		switch {
		case c.kv[i] != nil:
			f.kv[i], err = c.kv[i].Fork(n)
		case c.state[i] != nil:
			f.state[i], err = c.state[i].Fork()
		}
		if err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// scratch collects one cache per span without allocating for each layer.
type scratch struct {
	kv []runners.KV
	st []runners.State
}

func (s *scratch) kvs(b *batch, layer int) []runners.KV {
	s.kv = s.kv[:0]
	for _, c := range b.caches {
		s.kv = append(s.kv, c.kv[layer])
	}
	return s.kv
}

func (s *scratch) states(b *batch, layer int) []runners.State {
	s.st = s.st[:0]
	for _, c := range b.caches {
		s.st = append(s.st, c.state[layer])
	}
	return s.st
}

// workspace holds the activations of a pass. It grows to the largest number of rows seen.
type workspace struct {
	ops   runners.Ops
	dim   int // columns of x and y
	block int // columns of mix
	rows  int

	x   runners.Buffer // residual stream
	y   runners.Buffer // normalized input of a block
	mix runners.Buffer // a block's intermediate result: the projections of a mixer, or the gated hidden layer of the feed-forward block
}

// reserve makes room for rows.
func (w *workspace) reserve(rows int) error {
	if rows <= w.rows {
		return nil
	}
	w.close()
	for _, b := range []struct {
		buf  *runners.Buffer
		kind runners.BufferKind
		cols int
	}{{&w.x, runners.Residual, w.dim}, {&w.y, runners.Inner, w.dim}, {&w.mix, runners.Inner, w.block}} {
		buf, err := w.ops.Buffer(b.kind, rows, b.cols)
		if err != nil {
			w.close()
			return err
		}
		*b.buf = buf
	}
	w.rows = rows
	return nil
}

func (w *workspace) close() {
	for _, b := range []*runners.Buffer{&w.x, &w.y, &w.mix} {
		if *b != nil {
			(*b).Close()
			*b = nil
		}
	}
	w.rows = 0
}

// cols returns columns from..from+n-1 of a buffer.
func cols(b runners.Buffer, from, n int) runners.Mat {
	return runners.Mat{Buf: b, Col: from, Cols: n}
}

// loader lays out weights and keeps the first error.
type loader struct {
	ops   runners.Ops
	w     runners.Weights
	specs map[place]runners.TensorSpec
	err   error
}

// place identifies a weight; layer -1 means that it belongs to no layer.
type place struct {
	layer int
	role  runners.Role
}

func newLoader(cfg runners.Config, w runners.Weights, ops runners.Ops) *loader {
	l := &loader{ops: ops, w: w, specs: map[place]runners.TensorSpec{}}
	for _, p := range cfg.Parameters() {
		l.specs[place{p.Layer, p.Role}] = p
	}
	return l
}

// weight lays out weights of a layer, stacked along their first axis.
func (l *loader) weight(layer int, roles ...runners.Role) runners.Weight {
	return l.scaled(0, layer, roles...)
}

// scaled is like weight and multiplies the values by a factor, which is not 0.
func (l *loader) scaled(factor float64, layer int, roles ...runners.Role) runners.Weight {
	if l.err != nil {
		return nil
	}
	var stack []runners.Tensor
	for _, r := range roles {
		t, err := l.w.Tensor(l.specs[place{layer, r}])
		if err != nil {
			l.err = err
			return nil
		}
		if factor != 0 {
			t = t.Scaled(factor)
		}
		stack = append(stack, t)
	}
	w, err := l.ops.Weight(stack...)
	l.err = err
	return w
}
