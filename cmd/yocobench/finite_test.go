package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/suites/result"
)

// broken returns the tensors of a model, with one value of one tensor replaced.
type broken struct {
	runners.Weights
	tensor string
	value  float32
}

func (b broken) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	t, err := b.Weights.Tensor(p)
	if err == nil && p.Name == b.tensor {
		t.Data = slices.Clone(t.Data)
		if t.DType == runners.F32 {
			binary.LittleEndian.PutUint32(t.Data, math.Float32bits(b.value))
		} else {
			binary.LittleEndian.PutUint16(t.Data, runners.BFloat16(b.value))
		}
	}
	return t, err
}

// TestNonFiniteModelsFail checks that every task fails, with that reason and no metrics, for a
// model that computes NaN or infinity.
func TestNonFiniteModelsFail(t *testing.T) {
	for _, c := range []struct {
		model string
		last  bool // replace a value of the last vector instead of the first
		value float64
	}{
		{"tiny-yoco-gret", false, math.NaN()},
		{"tiny-yoco-swa", true, math.Inf(1)},
		{"tiny-transformer", false, math.NaN()},
	} {
		t.Run(c.model, func(t *testing.T) {
			cfg, w, err := checkpoint.OpenEmbedded(c.model)
			if err != nil {
				t.Fatal(err)
			}
			var vectors []string
			for _, p := range cfg.Parameters() {
				if len(p.Shape) == 1 {
					vectors = append(vectors, p.Name)
				}
			}
			name := vectors[0]
			if c.last {
				name = vectors[len(vectors)-1]
			}
			dir := t.TempDir()
			folder := filepath.Join(dir, "model")
			if err := checkpoint.Save(folder, cfg, broken{w, name, float32(c.value)}, runners.F32); err != nil {
				t.Fatal(err)
			}
			suite := filepath.Join(dir, "s.yaml")
			text := fmt.Sprintf(`name: s
models: [{name: m, model: %s}]
tasks:
  - needle: {lengths: [512], trials: 1, depths: [0.5]}
  - nll: {length: 256, documents: 1, lengths: [256], fit_from: 16}
  - kv: {lengths: [64]}
  - prefill: {lengths: [64], samples: 1}
  - throughput: {depths: [16], generate: 4, samples: 2}
`, folder)
			if err := os.WriteFile(suite, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			out := filepath.Join(dir, "out")
			if code := run(t.Context(), []string{"run", suite, "--out", out, "--reports", "csv", "-q"}, &stdout, &stderr); code != exitFailed {
				t.Errorf("exit code %d, want %d\n%s", code, exitFailed, &stderr)
			}
			j, err := result.ReadFile(filepath.Join(out, journalName))
			if err != nil {
				t.Fatal(err)
			}
			if len(j.Records) != 5 {
				t.Errorf("%d records", len(j.Records))
			}
			for _, r := range j.Records {
				if r.Status != result.Failed || !strings.Contains(r.Reason, "logits are not finite") || len(r.Metrics) > 0 {
					t.Errorf("%s is %s (%s) with %d metrics", r.Task, r.Status, r.Reason, len(r.Metrics))
				}
			}
			stderr.Reset()
			if code := run(t.Context(), []string{"generate", folder, "Once"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "not finite") {
				t.Errorf("generate: exit code %d, %s", code, &stderr)
			}
		})
	}
}
