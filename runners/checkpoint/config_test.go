package checkpoint

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

const goldenDir = "../../testdata/golden"

func TestGoldenConfigs(t *testing.T) {
	for _, want := range []runners.Shape{
		{Name: "yoco_gret_A", Arch: runners.YOCOGatedRetention, Dim: 64, Layers: 4, FFN: 192, Vocab: 97, SelfHeads: 4, Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 10000, NormEps: 1e-5},
		{Name: "yoco_gret_C", Arch: runners.YOCOGatedRetention, Dim: 64, Layers: 4, FFN: 128, Vocab: 61, SelfHeads: 2, Heads: 8, KVHeads: 2, HeadDim: 8, RopeTheta: 10000, NormEps: 1e-5},
		{Name: "yoco_swa_A", Arch: runners.YOCOSlidingWindow, Dim: 64, Layers: 4, FFN: 192, Vocab: 97, SelfHeads: 4, Heads: 4, KVHeads: 2, HeadDim: 16, Window: 16, RopeTheta: 10000, NormEps: 1e-5},
		{Name: "transformer_A", Arch: runners.Transformer, Dim: 64, Layers: 4, FFN: 192, Vocab: 97, Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 10000, NormEps: 1e-5},
	} {
		got, w, err := Open(filepath.Join(goldenDir, want.Name))
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		if got, ok := got.Shape(); !ok || got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

const minimal = `{"arch": "yoco_gret",
 "reference_args": {
  "dim": 64, "n_layers": 4, "hidden_dim": 192,
  "n_self_heads": 4,
  "n_attn_heads": 4,
  "vocab_size": 97
 }
}`

func TestConfigDefaults(t *testing.T) {
	c, err := ParseConfig("config.json", "m", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := runners.Shape{Name: "m", Arch: runners.YOCOGatedRetention, Dim: 64, Layers: 4, FFN: 192, Vocab: 97, SelfHeads: 4, Heads: 4, KVHeads: 4, HeadDim: 16, RopeTheta: 10000, NormEps: 1e-5}
	if got, ok := c.Shape(); !ok || got != want {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// Each case replaces the first string by the second in a valid config.
var badConfigs = []struct{ old, new, want string }{
	{minimal, ``, "config.json:1: the config: the text ends too early"},
	{minimal, `[]`, "config.json:1: the config is an array, want an object"},
	{"\n}", "\n} x", "config.json:8: after the end"},
	{"\n}", "", "ends too early"},
	{`"arch": "yoco_gret",`, ``, `no field arch, want "yoco_gret"`},
	{`"yoco_gret"`, `"yoco-gret"`, `config.json:1: arch is "yoco-gret", want "yoco_gret"`},
	{`"yoco_gret"`, `7`, "config.json:1: arch is the number 7, want a string"},
	{`"yoco_gret"`, `"transformer"`, "reference_args has no n_heads, which transformer needs"},
	{`"yoco_gret"`, `"yoco_swa"`, "reference_args has no sliding_window, which yoco_swa needs"},
	{`"n_self_heads": 4`, `"n_self_heads": "4"`, "config.json:4: reference_args.n_self_heads is a string, want an integer"},
	{`"n_self_heads": 4`, `"n_self_heads": 4.0`, "config.json:4: reference_args.n_self_heads is 4.0, want an integer"},
	{`"n_self_heads": 4`, `"n_self_heads": 0`, "config.json:4: reference_args.n_self_heads is 0, want 1 to"},
	{`"n_self_heads": 4`, `"n_self_heads": 5`, "config.json:2: reference_args: self_heads is 5, want a divisor of dim"},
	{`"n_self_heads": 4`, `"n_self_heads": 4, "sliding_window": 16`, "config.json:4: reference_args.sliding_window does not belong to yoco_gret"},
	{`"n_self_heads": 4`, `"n_self_heads": 4, "head_dim": 16`, "config.json:4: reference_args.head_dim does not belong to yoco_gret"},
	{`"n_self_heads": 4`, `"n_selfheads": 4`, `config.json:4: reference_args has the unknown field "n_selfheads" (did you mean "n_self_heads"?)`},
	{`"n_self_heads": 4`, `"n_self_heads": 4, "n_self_heads": 4`, `config.json:4: reference_args has the key "n_self_heads" twice`},
	{`"vocab_size": 97`, `"vocab_size": null`, "reference_args has no vocab_size"},
	{`"vocab_size": 97`, `"vocab_size": 97, "rope_theta": null`, "rope_theta is null, want a number"},
	{`"vocab_size": 97`, `"vocab_size": 97, "rope_theta": 1e999`, "not a finite number"},
	{`"vocab_size": 97`, `"vocab_size": 97, "norm_eps": -1`, "norm_eps is -1, want more than 0"},
	{`"arch"`, `"tokenizer": "bpe", "arch"`, `config.json:1: tokenizer is "bpe", want "bytes"`},
	{`"arch"`, `"tokenizer": "bytes", "arch"`, "the bytes tokenizer needs a vocab of at least 256, not 97"},
	{`"arch"`, `"gate_logit_normalizer": 8, "arch"`, "gate_logit_normalizer is 8, want 16"},
	{`"arch"`, `"tied_output": true, "arch"`, "tied_output is true, want false"},
	{`"arch"`, `"tied_output": "no", "arch"`, "tied_output is a string, want true or false"},
	{`"arch"`, `"head_dim": 32, "arch"`, "head_dim is 32, but reference_args makes it 16"},
	{`"arch"`, `"embed_scale": 1, "arch"`, "embed_scale is 1, but reference_args makes it 8"},
	{`"arch"`, `"notes": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `, "arch"`, "nested deeper"},
	{`"arch"`, "\"\xff\": 1, \"arch\"", "config.json:1: the text is not valid UTF-8"},
	{`"arch"`, `"name" 3, "arch"`, "config.json:1: name: invalid character '3'"},
}

func TestBadConfigs(t *testing.T) {
	for _, tt := range badConfigs {
		text := strings.Replace(minimal, tt.old, tt.new, 1)
		_, err := ParseConfig("config.json", "m", []byte(text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s -> %s:\n got  %v\n want %s", tt.old, tt.new, err, tt.want)
		}
	}
}

const layers = `{"label": "l", "dim": 16, "vocab": 9,
 "layers": [
  {"mixer": {"kind": "attention", "heads": 2, "kv_heads": 1, "head_dim": 8, "rope": {"theta": 10000}}, "ffn": 24},
  {"mixer": {"kind": "attention", "heads": 4, "kv_heads": 1, "head_dim": 8, "kv_back": 1, "rope": {"theta": 10000}}, "ffn": 20}
 ]
}`

// TestLayersConfig: the form with a list of layers, and its defaults.
func TestLayersConfig(t *testing.T) {
	got, err := ParseConfig("config.json", "m", []byte(layers))
	rope := runners.Rotary{Theta: 10000}
	want := runners.Config{Name: "m", Label: "l", Dim: 16, Vocab: 9, EmbedScale: 1, NormEps: 1e-5, Layers: []runners.Layer{
		{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 2, KVHeads: 1, HeadDim: 8, Rope: rope}, FFN: 24},
		{Mixer: runners.Mixer{Kind: runners.Attention, Heads: 4, KVHeads: 1, HeadDim: 8, KVBack: 1, Rope: rope}, FFN: 20},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"ffn": 20`, `"fnn": 20`, `config.json:4: layers[1] has the unknown field "fnn" (did you mean "ffn"?)`},
		{`"ffn": 20`, `"ffn": 20.5`, "config.json:4: layers[1].ffn is 20.5, want an integer"},
		{`"ffn": 20`, `"ffn": 2000000`, "config.json:4: layers[1].ffn is 2000000, want 1 to"},
		{`"ffn": 20`, `"ffn": 20, "ffn": 20`, "twice"},
		{`"kv_back": 1`, `"kv_back": 2`, "config.json:4: layer 1: it reads the keys and values of 2 layers back"},
		{`"kv_back": 1`, `"window": 0`, "config.json:4: layers[1].mixer.window is 0, want 1 to"},
		{`"kind": "attention", "heads": 2`, `"kind": "mamba", "heads": 2`, `config.json:3: layer 0: unknown mixer "mamba"`},
		{`"theta": 10000`, `"thete": 10000`, `config.json:3: layers[0].mixer.rope has the unknown field "thete" (did you mean "theta"?)`},
		{`"dim": 16`, `"dim": 0`, "config.json:1: the config.dim is 0, want 1 to"},
		{`"dim": 16`, `"width": 16`, `config.json:1: the config has the unknown field "width"`},
		{`"vocab": 9`, `"vocab": 9, "tokenizer": "bytes"`, "config.json: the bytes tokenizer needs a vocab of at least 256"},
		{` "layers": [`, ` "layers": [` + strings.Repeat("{},", runners.MaxLayers+1), "more than 4096 layers"},
	} {
		_, err := ParseConfig("config.json", "m", []byte(strings.Replace(layers, tt.old, tt.new, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s -> %.60s:\n got  %v\n want %s", tt.old, tt.new, err, tt.want)
		}
	}
	// In a config with arch, a field named layers is ignored like any other unknown field.
	text := strings.Replace(minimal, `"arch"`, `"layers": [1, 2], "arch"`, 1)
	if _, err := ParseConfig("config.json", "m", []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestExtraFieldsAreAllowed(t *testing.T) {
	text := strings.Replace(minimal, `"arch"`, `"training": {"tokens": [1, 2, {"x": null}], "loss": 1.5}, "seed": 7, "arch"`, 1)
	if _, err := ParseConfig("config.json", "m", []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestSavedConfigIsReadBack(t *testing.T) {
	for _, c := range runners.Presets() {
		c.Tokenizer = "bytes"
		var b bytes.Buffer
		if err := writeConfig(&b, c); err != nil {
			t.Fatal(err)
		}
		got, err := ParseConfig("config.json", "other", b.Bytes())
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", c.Name, err, got, c)
		}
	}
}

// max_seq_len is kept and written, but is not part of the model's identity.
func TestMaxSeqLen(t *testing.T) {
	plain, err := ParseConfig("config.json", "m", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	with := func(value string) (runners.Config, error) {
		return ParseConfig("config.json", "m", []byte(strings.Replace(minimal, `"dim"`, `"max_seq_len": `+value+`, "dim"`, 1)))
	}
	c, err := with("4096")
	if err != nil || c.MaxSeqLen != 4096 {
		t.Fatalf("max_seq_len %d, %v", c.MaxSeqLen, err)
	}
	a, _ := json.Marshal(plain)
	if b, _ := json.Marshal(c); !bytes.Equal(a, b) {
		t.Errorf("%s and %s", a, b)
	}
	if c, err := with("null"); err != nil || c.MaxSeqLen != 0 {
		t.Errorf("null: %d, %v", c.MaxSeqLen, err)
	}
	if _, err := with("-1"); err == nil {
		t.Error("-1 is accepted")
	}
	var b bytes.Buffer
	if err := writeConfig(&b, c); err != nil {
		t.Fatal(err)
	}
	if again, err := ParseConfig("config.json", "m", b.Bytes()); err != nil || again.MaxSeqLen != 4096 {
		t.Errorf("read back as %d, %v", again.MaxSeqLen, err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(minimal))
	for _, tt := range badConfigs {
		f.Add([]byte(strings.Replace(minimal, tt.old, tt.new, 1)))
	}
	for _, name := range []string{"yoco_gret_A", "yoco_swa_A", "transformer_A", "extra_layers_mixed"} {
		text, err := os.ReadFile(filepath.Join(goldenDir, name, configFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig("config.json", "m", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "config.json:") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("accepted a config that is not valid: %v", err)
		}
		var b bytes.Buffer
		if err := writeConfig(&b, c); err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConfig("config.json", "m", b.Bytes()); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("written and read back: %v\n%+v\n%+v", err, again, c)
		}
	})
}

// TestLayeredConfigRoundTrip: every field that MarshalJSON writes is read again.
func TestLayeredConfigRoundTrip(t *testing.T) {
	rope := runners.Rotary{Theta: 5e5, Dims: 4, Magnitude: 1.19, Divisors: runners.NewDivisors([]float64{1, 8.5}), Interleaved: true}
	attention := runners.Mixer{Kind: runners.Attention, Heads: 4, KVHeads: 2, HeadDim: 8, Window: 16, Rope: rope,
		Bias: true, QKNorm: runners.WholeQKNorm, Scale: 0.125, ScoreCap: 50}
	none := attention
	none.Rope, none.QKNorm = runners.Rotary{None: true}, runners.HeadQKNorm
	want := runners.Config{Name: "m", Label: "l", Dim: 32, Vocab: 100, EmbedScale: 3, NormEps: 1e-6, TiedOutput: true, LogitScale: 0.25, LogitCap: 30,
		Layers: []runners.Layer{
			{Mixer: attention, FFN: 40, Activation: runners.GELUTanh, Norms: runners.PrePostNorm},
			{Mixer: none, FFN: 40, Norms: runners.PostNorm},
			{Mixer: runners.Mixer{Kind: runners.Retention, Heads: 2, HeadDim: 8, Rope: runners.Rotary{Theta: 1e4, EndPoint: true}, Bias: true}, FFN: 40},
		}}
	if err := want.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseConfig("config.json", "other", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
