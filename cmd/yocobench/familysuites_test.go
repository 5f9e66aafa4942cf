package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// TestFamilySuites runs the suites of published models and compares every published cache size with
// the computed one.
func TestFamilySuites(t *testing.T) {
	scale := map[string]float64{"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	for _, suite := range []string{"kv-zoo", "paper-deepseek", "paper-kimi-linear", "paper-gemma", "paper-jamba", "paper-qwen3-next"} {
		dir := filepath.Join(t.TempDir(), suite)
		var out, stderr bytes.Buffer
		if code := run(t.Context(), []string{"run", suite, "--out", dir, "--reports", "txt", "--quiet"}, &out, &stderr); code != exitOK {
			t.Fatalf("%s: exit code %d: %s", suite, code, stderr.String())
		}
		j, err := result.ReadFile(filepath.Join(dir, journalName))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range j.Records {
			if r.Status != result.OK || r.Source != result.Computed {
				t.Errorf("%s: %s of %s is %s, %s: %s", suite, r.Label, r.Model, r.Status, r.Source, r.Reason)
			}
		}
		checked := 0
		for _, ref := range j.Runs[0].References {
			unit, isSize := scale[ref.Unit]
			if !isSize || ref.Over != "" {
				continue
			}
			checked++
			found := false
			for _, r := range j.Records {
				length, _ := r.Params["length"].(float64)
				if r.Task != ref.Task || r.Model != ref.Model || ref.Length > 0 && length != ref.Length {
					continue
				}
				found = true
				got, want := r.Metrics[ref.Metric].Value, ref.Value*unit
				// A published figure of three digits is rounded by up to half of its last digit.
				if !(math.Abs(got/want-1) < 1e-3) {
					t.Errorf("%s: %s of %s is %g bytes, published as %g", suite, ref.Metric, ref.Model, got, want)
				}
			}
			if !found {
				t.Errorf("%s: no record for the published %s of %s", suite, ref.Metric, ref.Model)
			}
		}
		if checked == 0 && suite != "paper-kimi-linear" {
			t.Errorf("%s: no published size", suite)
		}
	}
}

// TestFamilyOnOtherRunners checks the error and the hint of a runner that cannot run a family's
// layers.
func TestFamilyOnOtherRunners(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "kv-zoo", "--set", "runner=cpu", "--set", `device=""`, "--dry-run"}, "there are no weights"},
		{[]string{"generate", "deepseek-v3", "x"}, "no runner runs a model of deepseek_v3: it has multi-head latent attention"},
		{[]string{"model", "inspect", "gemma-3-27b"}, "there are no weights, only a config"},
	} {
		var out, stderr bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &stderr); code != exitUsage || !bytes.Contains(stderr.Bytes(), []byte(tt.want)) {
			t.Errorf("%q: exit code %d, want %q: %s", tt.args, code, tt.want, stderr.String())
		}
	}
}

// TestPretrainedModels: a GGUF file and a folder of Hugging Face run and are costed, and a
// published config runs with random weights.
// TestErrorsOfModelPaths: an error names a missing file or folder once, as the user wrote it.
func TestErrorsOfModelPaths(t *testing.T) {
	const tiny = "../../testdata/real/tiny/"
	text, err := os.ReadFile(tiny + "llama2/config.json")
	if err != nil {
		t.Fatal(err)
	}
	bare := t.TempDir()
	if err := os.WriteFile(filepath.Join(bare, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"generate", "no/such.gguf", "x"}, "error: no file no/such.gguf\n"},
		{[]string{"model", "inspect", "no/such.gguf"}, "error: no file no/such.gguf\n"},
		{[]string{"model", "verify", "no/such.gguf"}, "error: open no/such.gguf: no such file or directory\n"},
		{[]string{"model", "verify", bare}, "error: " + bare + ": no weights, want weights.safetensors, model.safetensors or"},
		{[]string{"generate", tiny + "llama3.gguf", "x"}, "error: " + tiny + "llama3.gguf: tokenizer.ggml.tokens is missing\n"},
	} {
		var out, stderr bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &stderr); code == exitOK || !strings.HasPrefix(stderr.String(), tt.want) {
			t.Errorf("%q: exit code %d, want %q: %s", tt.args, code, tt.want, stderr.String())
		}
	}
}

// TestGenerateBeyondTheTrainedContext: a text that is longer than the trained context is marked.
func TestGenerateBeyondTheTrainedContext(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../testdata/real/tiny/llama2")); err != nil {
		t.Fatal(err)
	}
	tok := `{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}}`
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(tok), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		for tokens, want := range map[string]string{
			"500": "", "520": "notice: the prompt and the text have 522 tokens; the model's trained context is 512\n",
		} {
			var out, stderr bytes.Buffer
			if code := run(t.Context(), []string{"generate", dir, "ab", "-n", tokens, "--format", format}, &out, &stderr); code != exitOK || stderr.String() != want {
				t.Errorf("%s tokens: exit code %d, %q, want %q", tokens, code, stderr.String(), want)
			}
		}
	}
}

// TestModelThatChanges: weights that were replaced after the plan are not loaded, because records
// would have the identity of the earlier ones.
func TestModelThatChanges(t *testing.T) {
	const tiny = "../../testdata/real/tiny/"
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "llama2"), os.DirFS(tiny+"llama2")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(tiny + "llama3.gguf")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "llama3.gguf")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, edited := range map[string]string{file: file, filepath.Join(dir, "llama2"): filepath.Join(dir, "llama2", "model.safetensors")} {
		f, err := findModel(path, ".", false, 1, runners.F32)
		if err != nil {
			t.Fatal(err)
		}
		w, err := f.open()
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		now := time.Now().Add(time.Hour)
		if err := os.Chtimes(edited, now, now); err != nil {
			t.Fatal(err)
		}
		if _, err := f.open(); err == nil || !strings.Contains(err.Error(), "the model's files changed since the cases were planned") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestPretrainedModels(t *testing.T) {
	const tiny = "../../testdata/real/tiny/"
	dir := t.TempDir()
	gguf, err := filepath.Abs(tiny + "llama3.gguf")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs(tiny + "mistral")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(dir, "bare") // a config without weights
	if err := os.Mkdir(bare, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bare, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	suite := filepath.Join(dir, "suite.yaml")
	if err := os.WriteFile(suite, []byte(fmt.Sprintf(`name: pretrained
models:
  - {name: gguf, model: %q}
  - {name: folder, model: %q, dtype: bf16}
  - {name: bare, model: %q, weights: random}
  - {name: computed, model: %q, runner: analytic}
tasks:
  - kv: {lengths: [64]}
`, gguf, folder, bare, gguf)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "run")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"run", suite, "--out", out, "--reports", "txt", "--quiet"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, stdout.String(), stderr.String())
	}
	journal, err := result.ReadFile(filepath.Join(out, journalName))
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, r := range journal.Records {
		if r.Status != result.OK {
			t.Errorf("%s: %s: %s", r.Model, r.Status, r.Reason)
		}
		done[r.Model] = true
	}
	if len(done) != 4 {
		t.Errorf("records of %v, want those of 4 models", done)
	}
	for _, tt := range []struct{ path, want string }{
		{gguf, "BF16"}, {gguf, "trained context        512 tokens"}, {folder, "window of 9"}, {tiny + "qwen2", "biases"}, {tiny + "gemma3.gguf", "gelu-tanh"},
	} {
		stdout.Reset()
		if code := run(t.Context(), []string{"model", "inspect", tt.path}, &stdout, &stderr); code != 0 || !bytes.Contains(stdout.Bytes(), []byte(tt.want)) {
			t.Errorf("inspect %s: exit code %d, want %q: %s%s", tt.path, code, tt.want, stdout.String(), stderr.String())
		}
	}
}
