package cpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/pretrained"
	"github.com/yocobench/yocobench/runners/verify"
)

// realModels lists the tiny models of published families, as folders and GGUF files.
func realModels(t *testing.T) (paths []string) {
	t.Helper()
	all, err := filepath.Glob("../../testdata/real/tiny/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if pretrained.IsModel(p) {
			paths = append(paths, p)
		}
	}
	if len(paths) < 31 {
		t.Fatalf("%d models, want 31 or more", len(paths))
	}
	return paths
}

// TestPretrained compares every tier with the logits that transformers computes in float64, in
// every mode. In float32 the bound is 1e-4.
//
// The bound for bfloat16 is derived: the error caused by rounding only the keys and values of a
// model is measured in float32 arithmetic. A tier that multiplies bfloat16 rounds six more operands
// of a layer (the outputs of two norms, queries, probabilities, the mixer's output and the hidden
// values of the feed-forward block); independent errors grow by the root of 7, and 1.44 is a
// margin. The models' weights are exact in bfloat16. A model of which layers keep no keys has the
// default bound.
func TestPretrained(t *testing.T) {
	models := realModels(t)
	for _, k := range cpu.Tiers() {
		for _, types := range [][2]runners.DType{{runners.F32, runners.F32}, {runners.BF16, runners.BF16}} {
			t.Run(fmt.Sprintf("%s-%s-%s", k.Name, types[0], types[1]), func(t *testing.T) {
				if !k.Available() {
					t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
				}
				for _, path := range models {
					// The values of a GGUF file are those of its folder (TestFormatsAgree).
					if !fastest(k.Name) && (testing.Short() || strings.HasSuffix(path, ".gguf")) {
						continue
					}
					t.Run(filepath.Base(path), func(t *testing.T) {
						r, err := verify.Verify(context.Background(), path, New(), runners.Options{Tier: k.Name, Weights: types[0], KV: types[1], Threads: threads(k.Name)})
						if err != nil {
							t.Fatal(err)
						}
						if types[1] == runners.BF16 {
							if keepsKeys(t, path) {
								r = r.With(3.8 * cacheRounding(t, path))
							}
						} else if r.Tolerance != 1e-4 {
							t.Errorf("the tolerance is %g, want 1e-4", r.Tolerance)
						}
						t.Logf("largest error of a logit %.2e, tolerance %.2e", r.Worst(), r.Tolerance)
						if !r.OK() || r.Worst() == 0 {
							t.Errorf("%s differs from its expected logits", path)
							r.Write(os.Stderr)
						}
					})
				}
			})
		}
	}
}

// keepsKeys reports whether every layer of a model attends to keys that are rounded.
func keepsKeys(t *testing.T, path string) bool {
	c, err := verify.Config(path)
	if err != nil {
		t.Fatal(err)
	}
	return !slices.ContainsFunc(c.Layers, func(l runners.Layer) bool { return l.Mixer.Kind == runners.Retention })
}

var cacheErrors = map[string]float64{}

// cacheRounding returns the largest error of a logit caused by rounding keys and values to
// bfloat16.
func cacheRounding(t *testing.T, path string) float64 {
	if _, ok := cacheErrors[path]; !ok {
		r, err := verify.Verify(context.Background(), path, New(), runners.Options{Tier: "go", KV: runners.BF16, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		cacheErrors[path] = r.Worst()
	}
	return cacheErrors[path]
}

// TestPretrainedFields: a model without one of the fields of its config, or with another value, is
// far from its expected logits. So a loader that ignores the field fails TestPretrained.
func TestPretrainedFields(t *testing.T) {
	for _, tt := range []struct{ model, old, new string }{
		{"llama3", `"low_freq_factor": 1.0`, `"low_freq_factor": 0.5`},
		{"llama3", `"factor": 8.0`, `"factor": 4.0`},
		{"linear", `"factor": 4.0`, `"factor": 2.0`},
		{"yarn", `"factor": 4.0`, `"factor": 2.0`},
		{"mistral", `"sliding_window": 9`, `"sliding_window": 12`},
		{"qwen2-window", `"full_attention"`, `"sliding_attention"`},
		{"qwen3", `"rope_theta": 1000000.0`, `"rope_theta": 10000.0`},
		{"gemma2", `"attn_logit_softcapping": 2.0`, `"attn_logit_softcapping": null`},
		{"gemma2", `"final_logit_softcapping": 4.0`, `"final_logit_softcapping": null`},
		{"gemma2", `"query_pre_attn_scalar": 16`, `"query_pre_attn_scalar": 32`},
		{"gemma3", `"rope_local_base_freq": 10000.0`, `"rope_local_base_freq": 20000.0`},
		{"gemma3", `"factor": 8.0`, `"factor": 1.0`},
		{"phi3", `"sliding_window": 9`, `"sliding_window": null`},
		{"phi3-long", `"max_position_embeddings": 128`, `"max_position_embeddings": 32`},
		{"phi3-short", `"max_position_embeddings": 64`, `"max_position_embeddings": 65`},
		{"granite", `"residual_multiplier": 0.3`, `"residual_multiplier": 1.0`},
		{"granite", `"embedding_multiplier": 6.0`, `"embedding_multiplier": 1.0`},
		{"granite", `"attention_multiplier": 0.5`, `"attention_multiplier": 1.0`},
		{"granite", `"logits_scaling": 2.0`, `"logits_scaling": 1.0`},
		{"granite", `"rms_norm_eps": 1e-05`, `"rms_norm_eps": 1e-02`},
		{"fla-yoco-gret", `"rope_inv_freq": "yoco"`, `"rope_inv_freq": "fla"`},
		{"fla-yoco-gret", `"rope_theta": 1000.0`, `"rope_theta": 2000.0`},
		{"fla-yoco-swa", `"window_size": 9`, `"window_size": 12`},
		{"smollm3", "  0,\n", "  1,\n"},
	} {
		dir := t.TempDir()
		files, err := filepath.Glob("../../testdata/real/tiny/" + tt.model + "/*")
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: %d files, %v", tt.model, len(files), err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(f) == "config.json" {
				if !strings.Contains(string(b), tt.old) {
					t.Errorf("%s has no %s", tt.model, tt.old)
				}
				b = []byte(strings.Replace(string(b), tt.old, tt.new, 1))
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := verify.Verify(context.Background(), dir, New(), runners.Options{Threads: 2})
		if err != nil {
			t.Errorf("%s with %s: %v", tt.model, tt.new, err)
		} else if !(r.Worst() > 20*r.Tolerance) {
			t.Errorf("%s with %s: the largest error of a logit is %.1e, want one far above %g", tt.model, tt.new, r.Worst(), r.Tolerance)
		}
	}
}
