package exec

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/pretrained"
)

// pytorch returns a Python with PyTorch and transformers. They are too large for CI to install.
func pytorch(t *testing.T) string {
	t.Helper()
	path := os.Getenv("YOCOBENCH_PYTORCH")
	if path == "" {
		t.Skip("UNTESTED here: examples/pytorch_model.py (YOCOBENCH_PYTORCH is not set to a Python with torch and transformers)")
	}
	return path
}

// The example gives the log-probabilities that the CPU runner computes from the same weights.
func TestPyTorchExample(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"llama2", "gemma2", "qwen2-window"} {
		t.Run(name, func(t *testing.T) {
			python := pytorch(t)
			dir := filepath.Join("..", "..", "testdata", "real", "tiny", name)
			w, err := pretrained.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			ours, err := cpu.New().Load(w.Config(), w, runners.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			spec := Spec{Command: []string{python, filepath.Join("..", "..", "examples", "pytorch_model.py"), dir}, Start: 5 * time.Minute}
			h, err := Probe(ctx, spec)
			if err != nil {
				t.Fatal(err)
			}
			theirs := New(spec, h, false)
			defer theirs.Close()
			tokens := make([]int, 48)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range tokens {
				tokens[i] = rng.IntN(h.Vocab)
			}
			want, got := logProbs(t, ours, tokens), logProbs(t, theirs, tokens)
			worst := 0.0
			for i := range want {
				if d := math.Abs(want[i] - got[i]); !(d <= 1e-4) {
					t.Errorf("value %d is %v, the CPU runner's %v", i, got[i], want[i])
				} else {
					worst = max(worst, d)
				}
			}
			t.Logf("the largest difference of %d is %.2g", len(want), worst)
		})
	}
}

// logProbs scores the second half of tokens after a prefill of the first, and then steps greedily.
// It returns all log-probabilities, and the tokens.
func logProbs(t *testing.T, m runners.Stepper, tokens []int) (out []float64) {
	t.Helper()
	ctx := context.Background()
	s, err := m.NewSequence(2 * len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	half := len(tokens) / 2
	if err := m.Prefill(ctx, s, tokens[:half]); err != nil {
		t.Fatal(err)
	}
	if err := m.Score(ctx, s, tokens[half:], func(_ int, lp float32) { out = append(out, float64(lp)) }); err != nil {
		t.Fatal(err)
	}
	err = runners.Generate(ctx, m, s, tokens[:3], 12, func(g runners.Generated) bool {
		out = append(out, float64(g.Token), g.LogProb())
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCheckPyTorchExample(t *testing.T) {
	module := filepath.Join(t.TempDir(), "mine.py")
	text := `import torch
class Mine(torch.nn.Module):
    vocab_size = 32
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.mix, self.out = torch.nn.Embedding(32, 16), torch.nn.GRU(16, 16, batch_first=True), torch.nn.Linear(16, 32)
    def forward(self, ids):
        return self.out(self.mix(self.embed(ids))[0])
`
	if err := os.WriteFile(module, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join("..", "..", "examples", "pytorch_model.py")
	for _, command := range [][]string{
		{pytorch(t), script, filepath.Join("..", "..", "testdata", "real", "tiny", "llama2")},
		{pytorch(t), script, "--module", module + ":Mine"},
	} {
		if !Check(context.Background(), Spec{Command: command, Start: 5 * time.Minute}, func(f Finding) {
			t.Logf("%s: %s %s", f.Test, f.Status, f.Detail)
		}) {
			t.Errorf("%v does not conform", command)
		}
	}
}
