package checkpoint_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/verify"
)

const golden = "../../testdata/golden"

// Checkpoints that PyTorch saved (tools/fixtures/torch_checkpoints.py) become folders with the bits
// of the golden folder's weights, and compute its expected results. The checkpoints are saved as
// fairseq does, with the sizes inside; as a state dict of transposed and shared views; and with
// several types.
func TestTorch(t *testing.T) {
	for _, c := range []struct {
		file, params, golden string
		dtype                runners.DType
		maxSeqLen            int
	}{
		{"gret.pth", "", "extra_gret_bf16", runners.BF16, 512},
		{"swa.pth", "testdata/torch/swa.json", "extra_swa_chunk", runners.F32, 0},
		{"transformer.pth", "testdata/torch/transformer.json", "extra_transformer_f16", runners.F32, 4096},
	} {
		t.Run(c.file, func(t *testing.T) {
			o, err := checkpoint.OpenTorch(filepath.Join("testdata/torch", c.file), c.params)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			if o.DType != c.dtype || o.Config.MaxSeqLen != c.maxSeqLen {
				t.Errorf("type %s, max_seq_len %d", o.DType, o.Config.MaxSeqLen)
			}
			dir := filepath.Join(t.TempDir(), c.golden)
			if err := o.Save(dir); err != nil {
				t.Fatal(err)
			}
			sameModel(t, dir, filepath.Join(golden, c.golden))
			for _, name := range []string{"tokens.json", "expect.safetensors"} {
				b, err := os.ReadFile(filepath.Join(golden, c.golden, name))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			r, err := verify.Verify(t.Context(), dir, cpu.New(), runners.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK() {
				var b bytes.Buffer
				_ = r.Write(&b)
				t.Error(b.String())
			}
		})
	}
}

// sameModel compares the configs of two folders, without the names, and the values of all tensors.
func sameModel(t *testing.T, got, want string) {
	t.Helper()
	gc, gw, err := checkpoint.Open(got)
	if err != nil {
		t.Fatal(err)
	}
	defer gw.Close()
	wc, ww, err := checkpoint.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer ww.Close()
	gc.Name = wc.Name
	g, _ := json.Marshal(gc)
	w, _ := json.Marshal(wc)
	if string(g) != string(w) {
		t.Errorf("config %s, want %s", g, w)
	}
	for _, p := range wc.Parameters() {
		a, err := gw.Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ww.Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		x, y := checkpoint.Encode(checkpoint.Float32s(a), runners.F32), checkpoint.Encode(checkpoint.Float32s(b), runners.F32)
		if !bytes.Equal(x, y) {
			t.Errorf("tensor %s differs", p.Name)
		}
	}
}

func TestTorchErrors(t *testing.T) {
	for name, c := range map[string]struct{ file, params, want string }{
		"no sizes":       {"swa.pth", "", "neither the checkpoint nor a params.json"},
		"no window":      {"swa.pth", `{"dim": 16, "n_layers": 2, "hidden_dim": 28, "n_self_heads": 2, "n_attn_heads": 2}`, "has no sliding_window"},
		"other dim":      {"swa.pth", `{"dim": 32, "n_layers": 2, "hidden_dim": 28, "n_self_heads": 2, "n_attn_heads": 2, "sliding_window": 7}`, "but the sizes make it"},
		"other depth":    {"swa.pth", `{"dim": 16, "n_layers": 4, "hidden_dim": 28, "n_self_heads": 2, "n_attn_heads": 2, "sliding_window": 7}`, "are missing"},
		"fewer layers":   {"gret.pth", `{"dim": 24, "n_layers": 2, "hidden_dim": 36, "n_self_heads": 4, "n_attn_heads": 2, "n_attn_kv_heads": 1}`, "do not belong"},
		"window":         {"gret.pth", `{"dim": 24, "n_layers": 4, "hidden_dim": 36, "n_self_heads": 4, "n_attn_heads": 2, "sliding_window": 7}`, "does not belong to yoco_gret"},
		"several parts":  {"gret.pth", "{\n\"model_parallel_size\": 2}", "params.json:2: model_parallel_size is 2, want 1"},
		"unknown size":   {"gret.pth", `{"dimension": 24}`, `unknown field "dimension"`},
		"not JSON":       {"gret.pth", `dim: 24`, "params.json:1"},
		"legacy":         {"legacy.pth", "{}", "the legacy format"},
		"no such folder": {"absent.pth", "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			params := ""
			if c.params != "" {
				params = filepath.Join(t.TempDir(), "params.json")
				if err := os.WriteFile(params, []byte(c.params), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			o, err := checkpoint.OpenTorch(filepath.Join("testdata/torch", c.file), params)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if o != nil {
				o.Close()
			}
		})
	}
}

// params.json is found next to the checkpoint, as the reference finds it.
func TestTorchParamsInFolder(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{"swa.pth": "checkpoint.pth", "swa.json": "params.json"} {
		b, err := os.ReadFile(filepath.Join("testdata/torch", from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o, err := checkpoint.OpenTorch(filepath.Join(dir, "checkpoint.pth"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Config.Label != string(runners.YOCOSlidingWindow) {
		t.Errorf("a %s", o.Config.Label)
	}
}

// The tokenizer's file is copied to the folder, where OpenTokenizer finds it as YOCO's.
func TestTorchTokenizer(t *testing.T) {
	o, err := checkpoint.OpenTorch("testdata/torch/gret.pth", "")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var ranks bytes.Buffer
	for i := range 256 {
		fmt.Fprintln(&ranks, base64.StdEncoding.EncodeToString([]byte{byte(i)}), i)
	}
	file := filepath.Join(t.TempDir(), "cl100k_base.tiktoken")
	if err := os.WriteFile(file, ranks.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.SetTokenizer(file); err == nil || !strings.Contains(err.Error(), "but the model has 31") {
		t.Errorf("a tokenizer larger than the model: %v", err)
	}
	for name, want := range map[string]string{
		"bytes": "needs a vocab of at least 256", "cl100k": "unknown tokenizer", "a/vocab.json": "want \"bytes\" or a file named cl100k_base.tiktoken",
		filepath.Join(t.TempDir(), "cl100k_base.tiktoken"): "no such file",
	} {
		if err := o.SetTokenizer(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	small := o.Config
	o.Config.Vocab, o.Config.Tokenizer = 100288, ""
	if err := o.SetTokenizer(file); err != nil {
		t.Fatal(err)
	}
	o.Config.Vocab = small.Vocab
	dir := filepath.Join(t.TempDir(), "m")
	if err := o.Save(dir); err != nil {
		t.Fatal(err)
	}
	tok, err := checkpoint.OpenTokenizer(dir)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("a"); len(ids) != 1 || ids[0] != 'a'+4 {
		t.Errorf("ids %v, want those of bytes after 4 tokens", ids)
	}
}
