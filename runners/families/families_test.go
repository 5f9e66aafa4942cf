package families

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
)

// published returns the embedded configs and a generated one, by name.
func published(t testing.TB) map[string]*Model {
	t.Helper()
	out := map[string]*Model{}
	for _, name := range Published() {
		m, err := OpenPublished(name)
		if err != nil {
			t.Fatal(err)
		}
		out[m.Name] = m
	}
	if len(out) < 25 {
		t.Fatalf("%d configs, want 25 or more", len(out))
	}
	m, err := Open("testdata/made-gemma-4-moe.json")
	if err != nil {
		t.Fatal(err)
	}
	out[m.Name] = m
	return out
}

// TestParameters compares with the parameters counted by transformers and flash-linear-attention
// (tools/fixtures/families.py).
func TestParameters(t *testing.T) {
	b, err := os.ReadFile("testdata/parameters.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]int64
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	// Published by its maker as 3.8B; its class is remote code, which is not run here.
	want["phi-4-mini-flash"] = 3852562944
	for name, m := range published(t) {
		if got, _ := m.Parameters(); got != want[name] {
			t.Errorf("%s has %d parameters, want %d", name, got, want[name])
		}
	}
}

// A config saved by the transformers library describes the same model as its maker's.
func TestSavedConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/saved/*.json")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d saved configs, %v", len(files), err)
	}
	models := published(t)
	bf16, _ := ParseKVType("bf16")
	for _, f := range files {
		got, err := Open(f)
		if err != nil {
			t.Error(err)
			continue
		}
		want := models[got.Name]
		a, _ := got.Parameters()
		b, _ := want.Parameters()
		if a != b || got.BytesPerToken(bf16) != want.BytesPerToken(bf16) || got.FixedBytes(bf16) != want.FixedBytes(bf16) {
			t.Errorf("%s: %d parameters, %d bytes a token, %d fixed; want %d, %d, %d", f, a, got.BytesPerToken(bf16), got.FixedBytes(bf16), b, want.BytesPerToken(bf16), want.FixedBytes(bf16))
		}
	}
}

// Published cache sizes in bfloat16, to the byte. Sources: the models' papers and reports, and
// llama.cpp's log for Qwen3.6.
func TestPublishedCaches(t *testing.T) {
	models := published(t)
	bf16, _ := ParseKVType("bf16")
	for _, tt := range []struct {
		model           string
		perToken, fixed int64
	}{
		{"llama-2-7b", 512 << 10, 0},
		{"deepseek-v3", 70272, 0}, // 61 x (512 + 64) values
		{"deepseek-v3.2", 85888, 0},
		{"qwen3-next-80b-a3b", 24576, -1},
		{"qwen3-32b", 262144, 0},
		{"qwen3.6-27b", 65536, 48 * (48*128*128 + 3*10240) * 4},
		{"minimax-text-01", 40960, 70 * 64 * 128 * 128 * 4},
		{"kimi-linear-48b-a3b", 8064, 20 * (32*128*128 + 3*12288) * 4},
		{"jamba-v0.1", 4 << 30 / (256 << 10), -1},
		{"mixtral-8x7b", 32 << 30 / (256 << 10), 0},
		{"gemma-3-27b", 10 * 8192, 52 * 1024 * 8192},
	} {
		m := models[tt.model]
		if got := m.BytesPerToken(bf16); got != tt.perToken {
			t.Errorf("%s: %d bytes a token, want %d", tt.model, got, tt.perToken)
		}
		if got := m.FixedBytes(bf16); tt.fixed >= 0 && got != tt.fixed {
			t.Errorf("%s: %d fixed bytes, want %d", tt.model, got, tt.fixed)
		}
	}
	if got, want := models["deepseek-v3.2"].CacheBytes(1<<20, bf16), int64(85888)<<20; got != want {
		t.Errorf("DeepSeek-V3.2 at 1Mi: %d bytes, want %d (83.875 GiB)", got, want)
	}
	if got, want := models["gemma-3-27b"].CacheBytes(128<<10, bf16), int64(10<<30+52*1024*8192); got != want {
		t.Errorf("Gemma 3 at 128Ki: %d bytes, want %d (10.406 GiB)", got, want)
	}
}

// Before a window is full the cache grows with every layer; the groups add up to the total.
func TestGroupsAddUp(t *testing.T) {
	for name, m := range published(t) {
		for _, kv := range KVTypes() {
			perToken, fixed := int64(0), int64(0)
			for _, g := range m.Groups(kv) {
				if g.Window == 0 {
					perToken += g.PerToken
				}
				fixed += g.Fixed
			}
			if perToken != m.BytesPerToken(kv) || fixed != m.FixedBytes(kv) {
				t.Errorf("%s %s: groups sum up to %d a token and %d, want %d and %d", name, kv.Name, perToken, fixed, m.BytesPerToken(kv), m.FixedBytes(kv))
			}
			far := int64(1) << 30
			if got := m.CacheBytes(far+1, kv) - m.CacheBytes(far, kv); got != perToken {
				t.Errorf("%s %s: one more token takes %d bytes, want %d", name, kv.Name, got, perToken)
			}
			if got := m.CacheBytes(far, kv); got != far*perToken+fixed {
				t.Errorf("%s %s: %d bytes after all windows are full, want %d", name, kv.Name, got, far*perToken+fixed)
			}
		}
	}
}

// TestPresets: the presets of package runners give the same sizes and FLOPs here. Other tests
// compare those with runners' caches and with counted work.
func TestPresets(t *testing.T) {
	bf16, _ := ParseKVType("bf16")
	types := runners.Types{Weights: runners.BF16, KV: runners.BF16, Act: runners.BF16}
	for _, cfg := range runners.Presets() {
		m := FromConfig(cfg, runners.BF16)
		total, _ := cfg.Count()
		if got, _ := m.Parameters(); got != total {
			t.Errorf("%s has %d parameters, want %d", cfg.Name, got, total)
		}
		for _, n := range []int{1, 1000, 1 << 17} {
			if got, want := m.CacheBytes(int64(n), bf16), cfg.CacheBytes(n, runners.BF16).Cache(); got != want {
				t.Errorf("%s: caches of %d tokens take %d bytes, want %d", cfg.Name, n, got, want)
			}
		}
		const n = 1 << 16
		if got, want := m.DecodeCost(n, 1, bf16).FLOPs, cfg.StepWork(n, 1, types).Total().FLOPs; math.Abs(got/want-1) > .02 {
			t.Errorf("%s: a step takes %g FLOPs, want %g", cfg.Name, got, want)
		}
		if got, want := m.PrefillCost(n, bf16).FLOPs, cfg.PrefillWork(n, 0, types).Total().FLOPs; math.Abs(got/want-1) > .02 {
			t.Errorf("%s: a prefill takes %g FLOPs, want %g", cfg.Name, got, want)
		}
	}
}

// Unknown fields and values are errors that name them.
func TestRefusals(t *testing.T) {
	const llama = `{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":100`
	for _, tt := range []struct{ text, want string }{
		{`{}`, "model_type: the field is missing"},
		{`[]`, "not a config"},
		{`{"model_type":"llama"} {}`, "want one JSON object"},
		{`{"model_type":5}`, "model_type: 5, want a string"},
		{`{"model_type":"nosuch"}`, `the family "nosuch" is not known (known: `},
		{`{"model_type":"llama"}`, "hidden_size: the field is missing"},
		{llama + `}`, ""},
		{llama + `,"sliding_window":128}`, "sliding_window: 128 is not supported, only null"},
		{llama + `,"kv_compression":4}`, "the field kv_compression (4) is not known"},
		{llama + `,"num_attention_head":8}`, "the field num_attention_head (8) is not known"},
		{llama + `,"rope_theta":1e6,"_name_or_path":"x","use_cache":true}`, ""},
		{llama + `,"num_hidden_layers":1e9}`, "num_hidden_layers: 1e9, want an integer from 1 to 4096"},
		{llama + `,"vocab_size":-1}`, "vocab_size: -1, want an integer from 1"},
		{llama + `,"hidden_size":64.5}`, "hidden_size: 64.5, want an integer"},
		{llama + `,"hidden_size":"64"}`, `hidden_size: "64", want an integer`},
		{llama + `,"num_key_value_heads":3}`, "3 does not divide num_attention_heads (4)"},
		{llama + `,"torch_dtype":"int3"}`, `torch_dtype: the number type "int3" is not known`},
		{llama + `,"quantization_config":{"quant_method":"gptq","bits":4}}`, `quantization_config.quant_method: "gptq" is not supported`},
		{llama + `,"quantization_config":{"quant_method":"fp8","weight_block_size":[64,64]}}`, "weight_block_size: [64 64] is not supported"},
		{strings.Replace(llama, `"llama"`, `"gemma3_text"`, 1) + `,"layer_types":["full_attention","chunked_attention"]}`, `layer_types: the type "chunked_attention" is not known`},
		{strings.Replace(llama, `"llama"`, `"llama4_text"`, 1) + `,"attention_chunk_size":8,"layer_types":["full_attention","chunked_attention"]}`, ""},
		{`{"model_type":"gemma3"}`, "text_config: the field is missing"},
		{`{"model_type":"gemma3","text_config":{"odd":1}}`, "text_config."},
	} {
		m, err := Parse("config.json", []byte(tt.text))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.text, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "config.json")):
			t.Errorf("%s: %v, %v; want an error with %q", tt.text, m, err, tt.want)
		}
	}
	if _, err := Parse("config.json", []byte(llama+`,"kv_compression":4}`), "kv_compression"); err != nil {
		t.Errorf("with the field ignored: %v", err)
	}
}

func TestLargestContext(t *testing.T) {
	bf16, _ := ParseKVType("bf16")
	models := published(t)
	for name, m := range models {
		memory := m.Bytes() + m.CacheBytes(5000, bf16)
		n := m.LargestContext(memory, bf16)
		if m.BytesPerToken(bf16) == 0 {
			if n != -1 {
				t.Errorf("%s: caches do not grow, but the largest context is %d", name, n)
			}
		} else if n < 5000 || m.CacheBytes(n, bf16) > memory-m.Bytes() || m.CacheBytes(n+1, bf16) <= memory-m.Bytes() {
			t.Errorf("%s: the largest context is %d", name, n)
		}
		if got := m.LargestBatch(5000, m.Bytes()+3*m.CacheBytes(5000, bf16), bf16); got != 3 {
			t.Errorf("%s: the largest batch is %d, want 3", name, got)
		}
		if got := m.LargestBatch(5000, m.Bytes(), bf16); got != 0 {
			t.Errorf("%s: a batch of %d fits without memory for caches", name, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	files, _ := filepath.Glob("configs/*.json")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse("config.json", text)
		if err != nil {
			return
		}
		if (m.Config == nil) == (m.NotRun == "") {
			t.Errorf("config %v, reason %q", m.Config != nil, m.NotRun)
		}
		if m.Config != nil {
			if err := m.Config.Validate(); err != nil {
				t.Error(err)
			}
		}
		for _, kv := range KVTypes() {
			total, active := m.Parameters()
			if m.BytesPerToken(kv) < 0 || m.FixedBytes(kv) < 0 || m.CacheBytes(1<<20, kv) < 0 || total < 0 || active < 0 || m.Bytes() < 0 {
				t.Errorf("negative sizes of %s", text)
			}
			if p := m.PrefillCost(1000, kv); !(p.FLOPs >= 0 && p.Bytes >= 0) {
				t.Errorf("a prefill costs %v", p)
			}
		}
	})
}

// A GGUF file describes the same model as the folder it was converted from, and the bytes of its
// tensors are its size.
func TestGGUF(t *testing.T) {
	bf16, _ := ParseKVType("bf16")
	files, err := filepath.Glob("../../testdata/real/tiny/*.gguf")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		if !IsConfig(strings.TrimSuffix(path, ".gguf")) {
			continue
		}
		got, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := Open(strings.TrimSuffix(path, ".gguf"))
		if err != nil {
			t.Error(err)
			continue
		}
		a, _ := got.Parameters()
		b, _ := want.Parameters()
		if a != b || got.Family != want.Family || len(got.Layers) != len(want.Layers) {
			t.Errorf("%s: %d parameters of %s in %d layers, want %d of %s in %d", path, a, got.Family, len(got.Layers), b, want.Family, len(want.Layers))
		}
		for _, n := range []int64{1, 8, 9, 10, 100} {
			if a, b := got.CacheBytes(n, bf16), want.CacheBytes(n, bf16); a != b {
				t.Errorf("%s: %d bytes for %d tokens, want %d", path, a, n, b)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		// The file consists of its tensors and a header.
		if got.Bytes() >= info.Size() || got.Bytes() < info.Size()-16<<10 {
			t.Errorf("%s: weights of %d bytes in a file of %d", path, got.Bytes(), info.Size())
		}
	}
}

// TestSmolLM2 reads a real file: SmolLM2-135M-Instruct in Q4_1, downloaded by tools/smollm2.sh.
// llama.cpp (llama-bench) reports a model size of 92 MiB and a cache of 23,040 bytes per token in
// f16.
func TestSmolLM2(t *testing.T) {
	path := testenv.SmolLM2(t)
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f16, _ := ParseKVType("f16")
	if got := m.BytesPerToken(f16); got != 23040 {
		t.Errorf("%d bytes a token, want 23040", got)
	}
	if got := math.Round(float64(m.Bytes()) / (1 << 20)); got != 92 {
		t.Errorf("weights of %g MiB, want 92", got)
	}
	total, _ := m.Parameters()
	if len(m.Layers) != 30 || m.Context != 8192 || m.Vocab != 49152 || total != 134515008 || !m.Tied {
		t.Errorf("%d layers, context %d, vocabulary %d, %d parameters, tied %v", len(m.Layers), m.Context, m.Vocab, total, m.Tied)
	}
}
