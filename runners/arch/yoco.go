package arch

import (
	"fmt"
	"math"
	"slices"

	"github.com/yocobench/yocobench/runners"
)

// yoco is the decoder-decoder of arXiv 2405.05254. The self-decoder's layers
// have a mixer of bounded memory (gated retention or a sliding window); its
// output gives one pair of global keys and values, which every layer of the
// cross-decoder attends to with queries of its own.
type yoco struct {
	cfg  runners.Config
	ops  runners.Ops
	ws   *workspace
	tmp  scratch
	self []selfLayer
	// kvNorm and kvProj make the global keys and values: K^ = rope(Wk n), V^ = Wv n, n = norm(self-decoder's output).
	kvNorm, kvProj      runners.Weight
	cross               []crossLayer
	embed, norm, output runners.Weight
	selfRope, crossRope runners.RopeTable
	embedScale, eps     float32
	dim, kvDim, gates   int
}

type selfLayer struct {
	mixNorm runners.Weight
	proj    runners.Weight // [q; k; v], and for retention [g; gt] below
	out     runners.Weight
	feedForward
}

type crossLayer struct {
	mixNorm runners.Weight
	q, out  runners.Weight
	feedForward
}

// feedForward is x + W2 (silu(W1 n) * (W3 n)), n = norm(x).
type feedForward struct{ norm, up, down runners.Weight }

func newYOCO(cfg runners.Config, ops runners.Ops, ws *workspace, l *loader) *yoco {
	y := &yoco{
		cfg: cfg, ops: ops, ws: ws,
		embedScale: float32(math.Sqrt(float64(cfg.Dim))), eps: float32(cfg.NormEps),
		dim: cfg.Dim, kvDim: cfg.KVDim(),
	}
	mixWidth := 3 * cfg.Dim
	if cfg.Arch == runners.YOCOGatedRetention {
		y.gates = cfg.SelfHeads
		mixWidth = 4*cfg.Dim + y.gates
	}
	ws.dim, ws.mixer, ws.ffn = cfg.Dim, max(mixWidth, 2*y.kvDim), cfg.FFN
	y.selfRope = ops.Rope(runners.Rope{HeadDim: cfg.SelfHeadDim(), Theta: cfg.RopeTheta, EndPoint: true, Interleaved: true})
	y.crossRope = y.selfRope
	if cfg.HeadDim != cfg.SelfHeadDim() {
		y.crossRope = ops.Rope(runners.Rope{HeadDim: cfg.HeadDim, Theta: cfg.RopeTheta, EndPoint: true, Interleaved: true})
	}

	y.embed = l.weight("embed_tokens")
	block := func(p string) (norm runners.Weight, ff feedForward) {
		return l.weight(p + "mixer_layer_norm"), feedForward{
			norm: l.weight(p + "final_layer_norm"),
			up:   l.weight(p+"ffn.fc1", p+"ffn.gate"),
			down: l.weight(p + "ffn.fc2"),
		}
	}
	for i := range cfg.SelfLayers() {
		p := fmt.Sprintf("self_decoder.layers.%d.", i)
		names := []string{p + "mixer.q_proj", p + "mixer.k_proj", p + "mixer.v_proj"}
		if y.gates > 0 {
			names = append(names, p+"mixer.g_proj", p+"mixer.gt_proj")
		}
		var s selfLayer
		s.mixNorm, s.feedForward = block(p)
		s.proj, s.out = l.weight(names...), l.weight(p+"mixer.out_proj")
		y.self = append(y.self, s)
	}
	y.kvNorm = l.weight("cross_decoder.kv_layer_norm")
	y.kvProj = l.weight("cross_decoder.k_proj", "cross_decoder.v_proj")
	for i := range cfg.CrossLayers() {
		p := fmt.Sprintf("cross_decoder.layers.%d.", i)
		var c crossLayer
		c.mixNorm, c.feedForward = block(p)
		c.q, c.out = l.weight(p+"mixer.q_proj"), l.weight(p+"mixer.out_proj")
		y.cross = append(y.cross, c)
	}
	y.norm, y.output = l.weight("layer_norm"), l.weight("output_projection")
	return y
}

func (y *yoco) head() (norm, output runners.Weight) { return y.norm, y.output }

func (y *yoco) cuttable() bool { return false }

func (y *yoco) newCaches(capacity int) (*caches, error) {
	c := &caches{}
	err := func() error {
		g, err := y.ops.GlobalKV(y.cfg.KVHeads, y.cfg.HeadDim, capacity)
		if err != nil {
			return err
		}
		c.global = append(c.global, g)
		for range y.self {
			if y.gates > 0 {
				s, err := y.ops.State(y.cfg.SelfHeads, y.cfg.SelfHeadDim())
				if err != nil {
					return err
				}
				c.state = append(c.state, s)
				continue
			}
			w, err := y.ops.WindowKV(y.cfg.SelfHeads, y.cfg.SelfHeadDim(), y.cfg.Window, capacity)
			if err != nil {
				return err
			}
			c.window = append(c.window, w)
		}
		return nil
	}()
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (y *yoco) prefill(b *batch) {
	y.selfDecoder(b)
	y.globalKV(b)
}

func (y *yoco) replay(b *batch) {
	if b.Spans[0].Pos == 0 {
		for _, c := range b.caches {
			for _, s := range c.state {
				s.Reset()
			}
		}
	}
	y.selfDecoder(b)
}

func (y *yoco) forward(b *batch) {
	y.selfDecoder(b)
	y.globalKV(b)
	y.crossDecoder(b)
}

// selfDecoder leaves the residual stream after its last layer in ws.x.
func (y *yoco) selfDecoder(b *batch) {
	ops, ws, rows, d := y.ops, y.ws, b.Rows, y.dim
	x, n := runners.All(ws.x), runners.All(ws.y)
	ops.Part(runners.PartEmbed)
	ops.Embed(x, y.embed, b.tokens, y.embedScale)
	b.show("hidden.0", x, rows, d)
	ops.Part(runners.PartSelf)
	q, k, v := cols(ws.mix, 0, d), cols(ws.mix, d, d), cols(ws.mix, 2*d, d)
	for i := range y.self {
		l := &y.self[i]
		ops.RMSNorm(rows, n, x, l.mixNorm, y.eps)
		ops.Linear(rows, cols(ws.mix, 0, l.proj.Out()), n, l.proj)
		if y.gates > 0 {
			g, gate := cols(ws.mix, 3*d, d), cols(ws.mix, 4*d, y.gates)
			ops.Retain(&b.Batch, q, q, k, v, g, gate, y.cfg.SelfHeads, y.tmp.states(b, i), y.selfRope, y.eps)
		} else {
			ops.AttendWindow(&b.Batch, q, q, k, v, y.cfg.SelfHeads, y.tmp.windows(b, i), y.selfRope)
		}
		ops.LinearAdd(rows, x, q, l.out)
		l.add(ops, ws, rows, y.eps)
		b.show(hiddenName(b, i+1), x, rows, d)
	}
}

// globalKV appends the keys and values that the whole cross-decoder shares.
func (y *yoco) globalKV(b *batch) {
	ops, ws, rows := y.ops, y.ws, b.Rows
	ops.Part(runners.PartKV)
	n := runners.All(ws.y)
	ops.RMSNorm(rows, n, runners.All(ws.x), y.kvNorm, y.eps)
	ops.Linear(rows, cols(ws.mix, 0, 2*y.kvDim), n, y.kvProj)
	k, v := cols(ws.mix, 0, y.kvDim), cols(ws.mix, y.kvDim, y.kvDim)
	b.show("khat_before_rotary", k, rows, y.cfg.KVHeads, y.cfg.HeadDim)
	ops.AppendKV(&b.Batch, y.tmp.globals(b, 0), k, v, y.crossRope)
}

// crossDecoder goes on from the self-decoder's output in ws.x.
func (y *yoco) crossDecoder(b *batch) {
	ops, ws, rows, d := y.ops, y.ws, b.Rows, y.dim
	ops.Part(runners.PartCross)
	x, n, q := runners.All(ws.x), runners.All(ws.y), cols(ws.mix, 0, d)
	for i := range y.cross {
		l := &y.cross[i]
		ops.RMSNorm(rows, n, x, l.mixNorm, y.eps)
		ops.Linear(rows, q, n, l.q)
		ops.Attend(&b.Batch, q, q, y.cfg.Heads, y.tmp.globals(b, 0), y.crossRope)
		ops.LinearAdd(rows, x, q, l.out)
		l.add(ops, ws, rows, y.eps)
		b.show(hiddenName(b, len(y.self)+i+1), x, rows, d)
	}
}

// add is the feed-forward block on the residual stream.
func (f *feedForward) add(ops runners.Ops, ws *workspace, rows int, eps float32) {
	x, n, h := runners.All(ws.x), runners.All(ws.y), cols(ws.mix, 0, ws.ffn)
	ops.RMSNorm(rows, n, x, f.norm, eps)
	ops.SwiGLU(rows, h, n, f.up)
	ops.LinearAdd(rows, x, h, f.down)
}

// show passes an activation to the trace, where there is one. The trace gets a
// copy of the shape, so that callers need not allocate theirs.
func (b *batch) show(name string, m runners.Mat, shape ...int) {
	if b.trace != nil {
		b.trace(name, m, slices.Clone(shape)...)
	}
}

// hiddenName names a layer's output; without a trace it makes no string.
func hiddenName(b *batch, n int) string {
	if b.trace == nil {
		return ""
	}
	return fmt.Sprintf("hidden.%d", n)
}
