package nll

import (
	"math"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// TestAgainstSteps checks on the CPU runner that the loss equals that of stepping through the
// documents and taking the softmax of the logits.
func TestAgainstSteps(t *testing.T) {
	for _, arch := range runners.Arches() {
		cfg := runners.Shape{Name: "small", Dim: 32, Layers: 4, FFN: 48, Vocab: 256, Heads: 4, KVHeads: 2, HeadDim: 8,
			RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(arch, 2, 24).Config()
		m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), runners.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		entry := suites.Local("small", cfg)
		r := runCase(t, plan(t, &suites.Planner{Seed: 3}, entry, func(p *Params) { p.Length, p.Documents = 200, 2 }), m)

		source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
		if err != nil {
			t.Fatal(err)
		}
		w := &nllCase{Params: &Params{Length: 200}, seed: 3, source: source}
		docs, err := w.documents(tokenizer.Bytes{}, 2)
		if err != nil {
			t.Fatal(err)
		}
		loss := 0.0
		logits := [][]float32{make([]float32, 256)}
		for _, d := range docs {
			s, err := m.NewSequence(200)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 199 {
				if err := m.Step(t.Context(), []runners.Sequence{s}, []int{int(d.Text[i])}, logits); err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for _, v := range logits[0] {
					sum += math.Exp(float64(v))
				}
				loss += math.Log(sum) - float64(logits[0][d.Text[i+1]])
			}
			s.Close()
		}
		if got, want := r.Metrics["nll"].Value, loss/(2*199); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s: nll %g, want %g", arch, got, want)
		}
		m.Close()
	}
}
