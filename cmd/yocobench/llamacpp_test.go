package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/llamacpp"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/suites/result"
)

// A model served by llama.cpp gives the answers, their log-probabilities and the loss that the CPU
// runner gives on the same weights, and nothing in the run folder contains the server's key.
func TestServedByLlamaCPP(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes 20 s of CPU time")
	}
	const key = "the-key-of-the-server"
	model := testenv.SmolLM2(t)
	dir := t.TempDir()
	float32s := filepath.Join(dir, "smollm2-f32.gguf")
	if err := llamacpp.WriteFloat32(float32s, model); err != nil {
		t.Fatal(err)
	}
	url := llamacpp.Start(t, llamacpp.Options{Model: float32s, Alias: "smollm2", Context: 1024, Slots: 2, Key: key})
	t.Setenv("YOCOBENCH_TEST_KEY", key)
	suite := filepath.Join(dir, "suite.yaml")
	text := fmt.Sprintf(`name: served
models:
  - {name: ours, model: %q, dtype: f32}
  - {name: served, url: %q, model: smollm2, tokenizer: %q, key_env: YOCOBENCH_TEST_KEY}
tasks:
  - needle: {lengths: [256, 512], depths: [0.1], trials: 2}
  - nll: {length: 256, documents: 1}
`, model, url+"/v1/", model)
	if err := os.WriteFile(suite, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "run")
	if printed := command(t, "run", suite, "--out", out, "--reports", "md"); strings.Contains(printed, key) {
		t.Error("the key is printed")
	}
	j, err := result.ReadFile(filepath.Join(out, journalName))
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]map[string]*result.Record{"ours": {}, "served": {}}
	for i := range j.Records {
		r := &j.Records[i]
		if r.Status != result.OK {
			t.Errorf("%s of %s: %s: %s", r.Label, r.Model, r.Status, r.Reason)
		}
		of[r.Model][r.Label] = r
	}
	if len(of["ours"]) != 3 || len(of["served"]) != 3 {
		t.Fatalf("%d and %d cases", len(of["ours"]), len(of["served"]))
	}
	for label, ours := range of["ours"] {
		served := of["served"][label]
		// llama.cpp adds 49152 probabilities in float32: each log-probability is shifted by 1.3e-4.
		if want, got := ours.Metrics["nll"].Value, served.Metrics["nll"].Value; !(math.Abs(got-want) <= 1e-3*want) || (ours.Task == "nll") != (want > 4) {
			t.Errorf("%s: %.5f nats/token, want %.5f", label, got, want)
		}
		for i, want := range ours.Trials {
			if got := served.Trials[i]; got.NoLogProb || !(math.Abs(got.LogProb-want.LogProb) < 2e-3) {
				t.Errorf("%s, trial %d: the answer has log-probability %.5f, want %.5f", label, i, got.LogProb, want.LogProb)
			}
			if got := served.Trials[i]; got.Answer != want.Answer || got.Tokens != want.Tokens {
				t.Errorf("%s, trial %d: served: %q after %d tokens, want %q after %d", label, i, got.Answer, got.Tokens, want.Answer, want.Tokens)
			}
		}
	}
	err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), key) {
			t.Errorf("%s contains the key", d.Name())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
