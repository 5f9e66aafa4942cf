package cpu_test

import (
	"slices"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
)

// TestChunkLogits: with logits of every row of a prefill's chunk, the workspace grows by their
// size, and the next token is the same.
func TestChunkLogits(t *testing.T) {
	const chunk, prompt = 40, 100
	shape := runners.Shape{Name: "t", Arch: runners.Transformer, Dim: 32, Layers: 2, FFN: 48, Vocab: 256, Heads: 2, KVHeads: 1, HeadDim: 16,
		RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}
	var rows [2][]float32
	var workspace [2]int64
	for i := range rows {
		cfg := shape.Config()
		cfg.ChunkLogits = i == 1
		m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), runners.Options{PrefillChunk: chunk, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.NewSequence(prompt + 1)
		if err != nil {
			t.Fatal(err)
		}
		tokens := make([]int, prompt)
		for k := range tokens {
			tokens[k] = k * 7 % 256
		}
		if err := m.Prefill(t.Context(), s, tokens); err != nil {
			t.Fatal(err)
		}
		rows[i] = make([]float32, 256)
		if err := m.Step(t.Context(), []runners.Sequence{s}, []int{1}, [][]float32{rows[i]}); err != nil {
			t.Fatal(err)
		}
		workspace[i] = m.Usage().Workspace
		s.Close()
		m.Close()
	}
	if !slices.Equal(rows[0], rows[1]) {
		t.Error("the next token's logits differ")
	}
	// The product's own scratch may grow with its rows, by less than a tenth of that.
	if got, want := workspace[1]-workspace[0], int64(chunk-1)*256*4; got < want || got >= want+want/10 {
		t.Errorf("logits of a chunk take %d bytes more of the workspace, want %d", got, want)
	}
	yoco := shape.As(runners.YOCOSlidingWindow, 2, 16).Config()
	yoco.ChunkLogits = true
	if _, err := cpu.New().Load(yoco, checkpoint.Random(yoco, 1, runners.F32), runners.Options{}); err == nil {
		t.Error("a model whose prefill ends early was loaded with logits of its rows")
	}
}
