package analytic

import (
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
)

// small returns a small model of an architecture, with different head counts where the architecture
// allows them.
func small(a runners.Arch) runners.Config {
	s := runners.Shape{Name: "small", Dim: 32, Layers: 4, FFN: 48, Vocab: 64,
		Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5}.As(a, 2, 50)
	if s.SelfHeads == 0 {
		s.HeadDim = 10 // heads x head dim may differ from dim in a Transformer
	}
	return s.Config()
}

// composed returns models with other arrangements of layers.
func composed() []runners.Config {
	rope := runners.Rotary{Theta: 1e4}
	attention := func(kvHeads, window, back int) runners.Layer {
		return runners.Layer{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 4, KVHeads: kvHeads, HeadDim: 8, Window: window, KVBack: back, Rope: rope}, FFN: 48}
	}
	retention := runners.Layer{Mixer: runners.Mixer{Kind: runners.Retention, Heads: 2, HeadDim: 16, Rope: rope}, FFN: 40}
	shared := runners.Layer{Mixer: runners.Mixer{Kind: runners.KeysValues, KVHeads: 2, HeadDim: 8, Rope: rope}}
	var out []runners.Config
	for label, layers := range map[string][]runners.Layer{
		"gemma-like": {attention(2, 50, 0), attention(4, 9, 0), attention(2, 0, 0)},
		"cla":        {attention(2, 0, 0), attention(2, 0, 1), attention(4, 0, 0), attention(4, 0, 1)},
		"hybrid":     {retention, retention, attention(1, 0, 0), retention},
		"mixed":      {shared, attention(2, 0, 1), retention, attention(2, 50, 0), attention(2, 0, 4), attention(2, 0, 5)},
	} {
		out = append(out, runners.Config{Name: label, Label: label, Dim: 32, Vocab: 64, EmbedScale: 1.5, NormEps: 1e-5, Layers: layers})
	}
	return out
}

// TestCounters compares the cost model with the FLOPs that the CPU runner counts while computing:
// every part, in Prefill, Step and Score, at lengths around chunks and windows. The chunk of the
// parallel form of retention is the runner's own.
func TestCounters(t *testing.T) {
	types := runners.Types{}
	var configs []runners.Config
	for _, a := range runners.Arches() {
		configs = append(configs, small(a))
	}
	for _, cfg := range append(configs, composed()...) {
		m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), runners.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		counter := m.(runners.Counter)
		check := func(what string, want runners.Work) {
			t.Helper()
			got := counter.Counts().FLOPs
			for _, p := range runners.Parts() {
				if float64(got[p]) != want.Part(p).FLOPs {
					t.Errorf("%s, %s: %s did %d FLOPs, the cost model says %.0f", cfg.Label, what, p, got[p], want.Part(p).FLOPs)
				}
			}
			counter.ResetCounts()
		}
		// inChunks replaces the cost of retention at the reference's chunk length by that at the
		// runner's.
		inChunks := func(w runners.Work, n int) runners.Work {
			parts := cfg.LayerParts()
			for i, l := range cfg.Layers {
				if m := l.Mixer; m.Kind == runners.Retention {
					at := &w.Layers
					if parts[i] == runners.PartSelf {
						at = &w.Self
					}
					at.FLOPs += float64(m.Heads) * (runners.RetentionFLOPs(n, m.HeadDim, cpu.RetentionChunk) - runners.RetentionFLOPs(n, m.HeadDim, runners.RetentionChunk))
				}
			}
			return w
		}
		for _, n := range []int{1, 2, 49, 50, 51, 63, 64, 65, 255, 256, 257, 500} {
			s, err := m.NewSequence(600)
			must(t, err)
			f, err := m.NewSequence(600)
			must(t, err)
			tokens := make([]int, n)
			for i := range tokens {
				tokens[i] = i * 7 % cfg.Vocab
			}
			counter.ResetCounts()
			must(t, m.Prefill(ctx, s, tokens))
			check("prefill", inChunks(cfg.PrefillWork(n, 0, types), n))
			must(t, m.Prefill(ctx, s, tokens[:min(n, 70)]))
			check("prefill at depth", inChunks(cfg.PrefillWork(min(n, 70), n, types), min(n, 70)))
			must(t, m.Score(ctx, f, tokens, func(int, float32) {}))
			check("score", inChunks(cfg.ScoreWork(n, 0, types), n))
			rows := [][]float32{make([]float32, cfg.Vocab), make([]float32, cfg.Vocab)}
			depths := []int{s.Len(), f.Len()}
			must(t, m.Step(ctx, []runners.Sequence{s, f}, []int{1, 2}, rows))
			check("step", cfg.StepsWork(depths, types))
			must(t, s.Close())
			must(t, f.Close())
		}
	}
}
