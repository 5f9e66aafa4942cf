package families

import (
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
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
		{`"model_type":"llama","max_position_embeddings":8192,"rope_scaling":{"rope_type":"llama3","factor":8}`, ""},
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
