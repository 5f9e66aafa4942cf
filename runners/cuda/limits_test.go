package cuda

import (
	"errors"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// TestPaperMemory: YOCO-3B with a context of a million tokens needs at most the 12.4 GB reported by
// the paper (arXiv 2405.05254), with the default prefill chunk and with no larger one.
func TestPaperMemory(t *testing.T) {
	c, err := runners.Preset("yoco-gret-3b")
	if err != nil {
		t.Fatal(err)
	}
	types := runners.Types{Weights: runners.BF16, KV: runners.BF16}
	const tokens, paper = 1 << 20, 12.4e9
	held := func(chunk int) int64 {
		// In addition: the tokens that a sequence keeps on the host, which count as workspace, and
		// the logits of a step.
		extra := int64(4*tokens + 4*c.Vocab)
		return c.HeldBytes(tokens, 1, types, WorkspaceBytes(c, chunk, tokens, runners.BF16)+extra).Total()
	}
	t.Logf("held: %.2f GB", float64(held(PrefillChunk))/1e9)
	if got := held(PrefillChunk); !(float64(got) <= paper) {
		t.Errorf("%d bytes with chunks of %d", got, PrefillChunk)
	}
	if got := held(2 * PrefillChunk); float64(got) <= paper {
		t.Errorf("chunks of %d would fit too, in %d bytes", 2*PrefillChunk, got)
	}
}

func TestSupports(t *testing.T) {
	c, err := runners.Preset("yoco-gret-3b")
	if err != nil {
		t.Fatal(err)
	}
	bf16 := runners.Options{Weights: runners.BF16, KV: runners.BF16}
	for _, cfg := range runners.Presets() {
		for _, o := range []runners.Options{{}, bf16} {
			if err := Supports(cfg, o); err != nil {
				t.Errorf("%s: %v", cfg.Name, err)
			}
		}
	}
	for name, f := range map[string]func(*runners.Config, *runners.Options){
		"mixed types":   func(_ *runners.Config, o *runners.Options) { o.KV = runners.F32 },
		"f16":           func(_ *runners.Config, o *runners.Options) { o.Weights, o.KV = runners.F16, runners.F16 },
		"a wide head":   func(c *runners.Config, _ *runners.Options) { c.Layers[1].Mixer.HeadDim = 512 },
		"an odd dim":    func(c *runners.Config, _ *runners.Options) { c.Dim += 8 },
		"an odd ffn":    func(c *runners.Config, _ *runners.Options) { c.Layers[1].FFN++ },
		"a ragged head": func(c *runners.Config, _ *runners.Options) { c.Layers[20].Mixer.HeadDim = 24 },
	} {
		cfg, o := c, bf16
		cfg.Layers = slices.Clone(c.Layers)
		f(&cfg, &o)
		if err := Supports(cfg, o); !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
