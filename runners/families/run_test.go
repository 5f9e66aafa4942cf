package families

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// TestConfigs: a model that runners run has the same weights and caches as the cost model computes,
// and any other model has a reason.
func TestConfigs(t *testing.T) {
	bf16, _ := ParseKVType("bf16")
	run := 0
	for name, m := range published(t) {
		if (m.Config == nil) == (m.NotRun == "") {
			t.Errorf("%s: config %v, reason %q", name, m.Config != nil, m.NotRun)
		}
		if m.Config == nil {
			continue
		}
		run++
		want, _ := m.Parameters()
		if got, _ := m.Config.Count(); got != want {
			t.Errorf("%s: the runners' model has %d parameters, want %d", name, got, want)
		}
		if got, _ := FromConfig(*m.Config, runners.BF16).Parameters(); got != want {
			t.Errorf("%s: the cost of the runners' model has %d parameters, want %d", name, got, want)
		}
		for _, n := range []int{1, 1000, 5000, 1 << 17} {
			if got, want := m.Config.CacheBytes(n, runners.BF16).Cache(), m.CacheBytes(int64(n), bf16); got != want {
				t.Errorf("%s: caches of %d tokens take %d bytes, want %d", name, n, got, want)
			}
		}
	}
	if run < 12 {
		t.Errorf("runners run %d published models, want 12 or more", run)
	}
}

// TestFieldsOfPublished: fields that published configs have, with the values of those that run.
func TestFieldsOfPublished(t *testing.T) {
	const sizes = `"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":100`
	for _, tt := range []struct {
		text string
		want string // part of the reason why it does not run
	}{
		{`"model_type":"llama","is_llama_config":true,"rope_interleaved":false,"transformers.js_config":{},"pretraining_tp":1`, ""}, // SmolLM2
		{`"model_type":"llama","rope_interleaved":true`, "rope_interleaved of true"},
		{`"model_type":"gemma2","sliding_window":4096,"sliding_window_size":4096,"hidden_act":"gelu_pytorch_tanh","cache_implementation":"hybrid"`, ""},
		{`"model_type":"phi3","full_attn_mod":1,"interpolate_factor":1,"lm_head_bias":false,"mlp_bias":false,"partial_rotary_factor":0.75,"rope_scaling":null`, ""}, // Phi-4-mini
		{`"model_type":"phi3","rope_scaling":{"type":"su","short_factor":[1,1,1,1,1,1,1,1],"long_factor":[2,2,2,2,2,2,2,2]},"max_position_embeddings":131072,"original_max_position_embeddings":4096`, ""},
		{`"model_type":"phi3","rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[2]}`, "short_factor and long_factor of 1 and 1 numbers for 8"},
		{`"model_type":"llama","max_position_embeddings":8192,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4}`, ""},
		{`"model_type":"llama","max_position_embeddings":8192,"rope_scaling":{"rope_type":"llama3","factor":8}`, "rope_scaling.low_freq_factor is missing"},
		{`"model_type":"llama","rope_scaling":{"rope_type":"linear"}`, "rope_scaling.factor is missing"},
		{`"model_type":"qwen2","max_position_embeddings":8192,"rope_scaling":{"rope_type":"yarn"}`, "rope_scaling.factor is missing"},
		{`"model_type":"llama","rope_scaling":{"rope_type":"linear","type":"yarn","factor":2}`, `rope_scaling.rope_type is "linear", but rope_scaling.type is "yarn"`},
		{`"model_type":"llama","rope_scaling":{"rope_type":"linear","type":"linear","factor":2}`, ""},
		{`"model_type":"gemma3_text","use_bidirectional_attention":true`, "use_bidirectional_attention of true"}, // EmbeddingGemma
		{`"model_type":"gemma3_text","use_bidirectional_attention":false`, ""},
		{`"model_type":"gemma2","use_bidirectional_attention":true`, "use_bidirectional_attention of true"},
		{`"model_type":"qwen2","use_sliding_window":false,"sliding_window":131072,"max_window_layers":70,"use_mrope":false`, ""},
		{`"model_type":"qwen2","rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":32768}`, ""},
		{`"model_type":"qwen2","rope_scaling":{"type":"mrope","mrope_section":[16,24,24]}`, `rope_scaling.rope_type of "mrope"`},
		{`"model_type":"mistral","sliding_window":null,"head_dim":32`, ""},
		{`"model_type":"llama","rope_theta":1e6,"rope_scaling":{"type":"linear","factor":2.0}`, ""},
		{`"model_type":"llama","rope_scaling":{"type":"dynamic","factor":2.0}`, `rope_scaling.rope_type of "dynamic"`},
		{`"model_type":"llama","head_dim":15`, "head_dim is 15"},
	} {
		m, err := Parse("config.json", []byte("{"+tt.text+","+sizes+"}"))
		switch {
		case err != nil:
			t.Errorf("%s: %v", tt.text, err)
		case tt.want == "" && m.Config == nil || !strings.Contains(m.NotRun, tt.want):
			t.Errorf("%s: not run: %q, want %q", tt.text, m.NotRun, tt.want)
		}
	}
}

// TestConfigOfGGUF: the model of a GGUF file is that of the folder it was converted from. Numbers
// are stored as float32.
func TestConfigOfGGUF(t *testing.T) {
	files, err := filepath.Glob("../../testdata/real/tiny/*.gguf")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		if !IsConfig(strings.TrimSuffix(path, ".gguf")) {
			continue
		}
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Open(strings.TrimSuffix(path, ".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		if got.Config == nil || want.Config == nil {
			t.Errorf("%s: %s%s", path, got.NotRun, want.NotRun)
			continue
		}
		a, b := rounded(*got.Config), rounded(*want.Config)
		a.Name = b.Name
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v\nwant %+v", path, a, b)
		}
	}
}

// TestNameOfGGUF: a model's name is one line.
func TestNameOfGGUF(t *testing.T) {
	data, err := os.ReadFile("../../testdata/real/tiny/llama3.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.New("f.gguf", bytes.Replace(data, []byte("Tmpikcxliu6"), []byte("two\n lines "), 1))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := FromGGUF(f); err != nil || m.Name != "two lines" {
		t.Errorf("%v, %v", m, err)
	}
}

// rounded rounds the numbers of a model to six digits.
func rounded(c runners.Config) runners.Config {
	round := func(x *float64) { *x, _ = strconv.ParseFloat(strconv.FormatFloat(*x, 'g', 6, 64), 64) }
	for _, x := range []*float64{&c.EmbedScale, &c.NormEps, &c.LogitScale, &c.LogitCap} {
		round(x)
	}
	for i := range c.Layers {
		m := &c.Layers[i].Mixer
		for _, x := range []*float64{&m.Scale, &m.ScoreCap, &m.Rope.Theta, &m.Rope.Magnitude} {
			round(x)
		}
		d := m.Rope.Divisors.Values()
		for j := range d {
			round(&d[j])
		}
		m.Rope.Divisors = runners.NewDivisors(d)
	}
	return c
}

// TestDefaultsOfFields: a field that is absent has the default of the family's class in
// transformers; null is a value.
func TestDefaultsOfFields(t *testing.T) {
	const sizes = `"max_position_embeddings":32768,"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":100`
	const yarn = `"rope_scaling":{"type":"yarn","factor":2,"original_max_position_embeddings":8192}`
	const longRope = `"rope_scaling":{"type":"longrope","short_factor":[1,1,1,1,1,1,1,1],"long_factor":[2,2,2,2,2,2,2,2]}`
	for _, tt := range []struct {
		text   string
		window int
		same   string // a config of the same model
	}{
		{`"model_type":"mistral"`, 4096, `"model_type":"mistral","sliding_window":4096`},
		{`"model_type":"mistral","sliding_window":null`, 0, ""},
		{`"model_type":"qwen2","use_sliding_window":true,"max_window_layers":0`, 4096, ""},
		{`"model_type":"qwen2","use_sliding_window":true,"max_window_layers":0,"sliding_window":null`, 0, ""},
		{`"model_type":"phi3"`, 0, `"model_type":"phi3","sliding_window":null`},
		{`"model_type":"phi3",` + longRope, 0, `"model_type":"phi3","original_max_position_embeddings":4096,` + longRope},
		// The original context at the top counts.
		{`"model_type":"qwen2",` + yarn + `,"original_max_position_embeddings":4096`, 0,
			`"model_type":"qwen2","rope_scaling":{"type":"yarn","factor":2,"original_max_position_embeddings":4096}`},
	} {
		m, err := Parse("config.json", []byte("{"+tt.text+","+sizes+"}"))
		if err != nil || m.Config == nil {
			t.Errorf("%s: %v, %+v", tt.text, err, m)
			continue
		}
		if got := m.Config.Layers[1].Mixer.Window; got != tt.window {
			t.Errorf("%s: a window of %d, want %d", tt.text, got, tt.window)
		}
		if tt.same == "" {
			continue
		}
		same, err := Parse("config.json", []byte("\ufeff{"+tt.same+","+sizes+"}"))
		if err != nil || !reflect.DeepEqual(m.Config, same.Config) {
			t.Errorf("%s: %v, %+v\nwant %+v", tt.text, err, m.Config, same)
		}
	}
}

// TestKeysOfGGUF: without a type, a factor of rotary positions is that of linear scaling, as in
// llama.cpp. Unknown keys and types, and a file without an epsilon, are refused.
func TestKeysOfGGUF(t *testing.T) {
	data, err := os.ReadFile("../../testdata/real/tiny/yarn.gguf")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, notRun string }{
		{"llama.rope.scaling.type", "other.rope.scaling.type", ""},
		{"llama.rope.scaling.type", "llama.rope.scaling.tipe", `the metadata "llama.rope.scaling.tipe"`},
		{"llama.attention.layer_norm_rms_epsilon", "other.attention.layer_norm_rms_epsilon", `"llama.attention.layer_norm_rms_epsilon" is missing`},
		{"\x04\x00\x00\x00\x00\x00\x00\x00yarn", "\x04\x00\x00\x00\x00\x00\x00\x00odd!", `rope_scaling.rope_type of "odd!"`},
	} {
		edited := bytes.Replace(data, []byte(tt.old), []byte(tt.new), 1)
		if bytes.Equal(edited, data) {
			t.Fatalf("the file has no %q", tt.old)
		}
		f, err := gguf.New("edited.gguf", edited)
		if err != nil {
			t.Fatal(err)
		}
		m, err := FromGGUF(f)
		if err != nil {
			t.Errorf("%q: %v", tt.new, err)
			continue
		}
		if tt.notRun != "" {
			if !strings.Contains(m.NotRun, tt.notRun) {
				t.Errorf("%q: not run: %q, want %q", tt.new, m.NotRun, tt.notRun)
			}
			continue
		}
		if m.Config == nil {
			t.Errorf("%q: not run: %s", tt.new, m.NotRun)
			continue
		}
		for _, d := range m.Config.Layers[0].Mixer.Rope.Divisors.Values() {
			if d != 4 {
				t.Errorf("%q: a divisor of %g, want 4", tt.new, d)
			}
		}
	}
}
