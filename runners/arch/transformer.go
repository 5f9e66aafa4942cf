package arch

import (
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// transformer is the baseline: pre-norm layers of grouped-query attention with
// rotary positions and a SwiGLU block, each layer with a cache of its own.
// Prefill computes every layer, as serving engines do.
type transformer struct {
	cfg                 runners.Config
	ops                 runners.Ops
	ws                  *workspace
	tmp                 scratch
	layers              []transformerLayer
	embed, norm, output runners.Weight
	rope                runners.RopeTable
	eps                 float32
}

type transformerLayer struct {
	attnNorm  runners.Weight
	proj, out runners.Weight // proj is [q; k; v]
	feedForward
}

func newTransformer(cfg runners.Config, ops runners.Ops, ws *workspace, l *loader) *transformer {
	t := &transformer{cfg: cfg, ops: ops, ws: ws, eps: float32(cfg.NormEps)}
	ws.dim, ws.mixer, ws.ffn = cfg.Dim, cfg.QDim()+2*cfg.KVDim(), cfg.FFN
	t.rope = ops.Rope(runners.Rope{HeadDim: cfg.HeadDim, Theta: cfg.RopeTheta})
	t.embed = l.weight("tok_embeddings")
	for i := range cfg.Layers {
		p := fmt.Sprintf("layers.%d.", i)
		t.layers = append(t.layers, transformerLayer{
			attnNorm: l.weight(p + "attention_norm"),
			proj:     l.weight(p+"attention.wq", p+"attention.wk", p+"attention.wv"),
			out:      l.weight(p + "attention.wo"),
			feedForward: feedForward{
				norm: l.weight(p + "ffn_norm"),
				up:   l.weight(p+"feed_forward.w1", p+"feed_forward.w3"),
				down: l.weight(p + "feed_forward.w2"),
			},
		})
	}
	t.norm, t.output = l.weight("norm"), l.weight("output")
	return t
}

func (t *transformer) head() (norm, output runners.Weight) { return t.norm, t.output }

func (t *transformer) cuttable() bool { return true }

func (t *transformer) newCaches(capacity int) (*caches, error) {
	c := &caches{}
	for range t.layers {
		kv, err := t.ops.GlobalKV(t.cfg.KVHeads, t.cfg.HeadDim, capacity)
		if err != nil {
			c.close()
			return nil, err
		}
		c.global = append(c.global, kv)
	}
	return c, nil
}

func (t *transformer) prefill(b *batch) { t.forward(b) }

func (t *transformer) replay(*batch) {}

func (t *transformer) forward(b *batch) {
	ops, ws, rows, d := t.ops, t.ws, b.Rows, t.cfg.Dim
	qd, kd := t.cfg.QDim(), t.cfg.KVDim()
	x, n := runners.All(ws.x), runners.All(ws.y)
	q, k, v := cols(ws.mix, 0, qd), cols(ws.mix, qd, kd), cols(ws.mix, qd+kd, kd)
	ops.Part(runners.PartEmbed)
	ops.Embed(x, t.embed, b.tokens, 1)
	b.show("hidden.0", x, rows, d)
	ops.Part(runners.PartLayers)
	for i := range t.layers {
		l := &t.layers[i]
		ops.RMSNorm(rows, n, x, l.attnNorm, t.eps)
		ops.Linear(rows, cols(ws.mix, 0, ws.mixer), n, l.proj)
		kv := t.tmp.globals(b, i)
		ops.AppendKV(&b.Batch, kv, k, v, t.rope)
		ops.Attend(&b.Batch, q, q, t.cfg.Heads, kv, t.rope)
		ops.LinearAdd(rows, x, q, l.out)
		l.add(ops, ws, rows, t.eps)
		b.show(hiddenName(b, i+1), x, rows, d)
	}
}
