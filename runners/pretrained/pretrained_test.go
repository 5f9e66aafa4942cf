package pretrained

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

const tiny = "../../testdata/real/tiny/"

func open(t testing.TB, path string) *Model {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// values returns all values of a parameter.
func values(t testing.TB, m *Model, p runners.TensorSpec) []float32 {
	t.Helper()
	x, err := m.Tensor(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Check(); err != nil {
		t.Fatal(err)
	}
	return checkpoint.Float32s(x)
}

// TestFormatsAgree: a GGUF file has the same parameters as the folder that it was converted from.
func TestFormatsAgree(t *testing.T) {
	files, err := filepath.Glob(tiny + "*.gguf")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if !IsModel(strings.TrimSuffix(file, ".gguf")) {
			continue
		}
		g, h := open(t, file), open(t, strings.TrimSuffix(file, ".gguf"))
		for _, p := range h.Config().Parameters() {
			a, b := values(t, g, p), values(t, h, p)
			for i := range b {
				if !(math.Abs(float64(a[i]-b[i])) <= 1e-6) { // norms are float32 in one and bfloat16 + 1 in the other
					t.Errorf("%s: value %d of %s in layer %d is %g, want %g", file, i, p.Role, p.Layer, a[i], b[i])
					break
				}
			}
		}
	}
}

// TestPieces: reading in pieces of any size gives the same values as reading at once.
func TestPieces(t *testing.T) {
	for _, file := range []string{"llama3.gguf", "gemma3", "qwen2", "phi3-long", "quant.gguf"} {
		m := open(t, tiny+file)
		for _, p := range m.Config().Parameters() {
			want := values(t, m, p)
			x, err := m.Tensor(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, 7, 33, 256} {
				got := make([]float32, 0, len(want))
				for i := 0; i < len(want); i += size {
					piece := make([]float32, min(size, len(want)-i))
					x.Decode(piece, i)
					got = append(got, piece...)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s: %s in layer %d differs in pieces of %d", file, p.Role, p.Layer, size)
				}
			}
		}
	}
}

// TestBlocks: the blocks of each row of a quantized matrix decode to the row's values, even if the
// rows of queries and keys are stored in another order. A matrix that is not quantized has no
// blocks.
func TestBlocks(t *testing.T) {
	m := open(t, tiny+"quant.gguf")
	seen := map[string]int{}
	for _, p := range m.Config().Parameters() {
		x, err := m.Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		want := checkpoint.Float32s(x)
		if x.Blocks == nil {
			if kind := m.kindOf(m.places.at[key{p.Layer, p.Role}].tensor); !strings.HasSuffix(kind, "16") && kind != "F32" {
				t.Errorf("%s in layer %d is %s and has no blocks", p.Role, p.Layer, kind)
			}
			continue
		}
		seen[x.Blocks.Type]++
		for i := range p.Shape[0] {
			got := make([]float32, p.Shape[1])
			if err := typeOf(t, x.Blocks.Type).Dequantize(got, x.Blocks.Row(i)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want[i*p.Shape[1]:][:p.Shape[1]]) {
				t.Fatalf("row %d of %s in layer %d differs from its values", i, p.Role, p.Layer)
			}
		}
	}
	for _, kind := range []string{"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"} {
		if seen[kind] == 0 {
			t.Errorf("no matrix of %s", kind)
		}
	}
}

func (m *Model) kindOf(tensor string) string {
	i := slices.IndexFunc(m.tensors, func(s stored) bool { return s.name == tensor })
	return m.tensors[i].kind
}

// typeOf finds a type of GGUF by its name.
func typeOf(t *testing.T, name string) gguf.Type {
	for i := range gguf.Type(64) {
		if i.String() == name {
			return i
		}
	}
	t.Fatalf("no type %s", name)
	return 0
}

// TestOrders: the order of a head's rows is a permutation that puts the rotated pairs where a
// runner expects them.
func TestOrders(t *testing.T) {
	for _, dims := range []int{2, 6, 12, 16} {
		for _, interleaved := range []bool{false, true} {
			if interleaved && dims != 16 {
				continue
			}
			m := runners.Mixer{HeadDim: 16, Rope: runners.Rotary{Theta: 1e4}}
			if dims != 16 {
				m.Rope.Dims = dims
			}
			order := (&places{layout: layout{interleaved: interleaved}}).order(m)
			if order == nil {
				if dims != 16 || interleaved {
					t.Errorf("%d dimensions, interleaved %v: no order", dims, interleaved)
				}
				continue
			}
			seen := map[int]bool{}
			for row := range 48 {
				at := order(row)
				if at/16 != row/16 || seen[at] {
					t.Errorf("row %d is stored row %d, of another head or for the second time", row, at)
				}
				seen[at] = true
			}
			for j := range dims / 2 {
				a, b := order(16+j), order(16+j+8)
				wantA, wantB := 16+j, 16+j+dims/2
				if interleaved {
					wantA, wantB = 16+2*j, 16+2*j+1
				}
				if a != wantA || b != wantB {
					t.Errorf("%d dimensions, interleaved %v: pair %d is rows %d and %d, want %d and %d", dims, interleaved, j, a, b, wantA, wantB)
				}
			}
		}
	}
}

// edited copies a model's folder and changes its config.
func edited(t *testing.T, name, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := os.ReadDir(tiny + name)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(tiny+name, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() == "config.json" {
			text := strings.Replace(string(b), old, new, 1)
			if text == string(b) && old != new {
				t.Fatalf("%s has no %s", name, old)
			}
			b = []byte(text)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRefusals: anything unsupported is an error that names it.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		model, old, new, want string
		notRun                bool
	}{
		{"llama2", `"hidden_act": "silu"`, `"hidden_act": "relu"`, `hidden_act of "relu"`, true},
		{"fla-yoco-gret", `"hidden_act": "swish"`, `"hidden_act": "relu"`, `hidden_act of "relu"`, true},
		{"fla-yoco-swa", `"hidden_act": "swish"`, `"hidden_act": "gelu_pytorch_tanh"`, `hidden_act of "gelu_pytorch_tanh"`, true},
		{"llama2", `"attention_bias": false`, `"attention_bias": true`, "attention_bias of true", true},
		{"llama3", `"rope_type": "llama3"`, `"rope_type": "dynamic"`, `rope_scaling.rope_type of "dynamic"`, true},
		{"llama3", `"factor": 8.0`, `"factor": 8.0, "odd": 3`, "rope_scaling.odd of 3", true},
		{"linear", `"factor": 4.0`, `"factor": -4.0`, "rope divisor 0 is -4", true},
		{"linear", `"rope_theta": 50000.0`, `"rope_theta": 50000.0, "partial_rotary_factor": 0.5`, "rope_parameters.partial_rotary_factor of 0.5", true},
		{"qwen2", `"use_cache"`, `"attn_scale": 2, "use_cache"`, "attn_scale of 2", true},
		{"qwen2", `"model_type": "qwen2"`, `"model_type": "qwen2_moe", "num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8`, "qwen2_moe: its feed-forward blocks are mixtures of experts", true},
		{"llama2", `"torch_dtype": "bfloat16"`, `"torch_dtype": "bfloat16", "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}`, "quantization_config", true},
		{"llama2", `"new_field"`, `"new_field"`, "", false},
		{"llama2", `"vocab_size": 192`, `"vocab_size": 193`, `"lm_head.weight" has shape [192 32], but the config makes it [193 32]`, false},
		{"llama2", `"num_hidden_layers": 3`, `"num_hidden_layers": 2`, `no place for 9 tensors of the file, such as "model.layers.2.`, false},
		{"llama2", `"num_hidden_layers": 3`, `"num_hidden_layers": 4`, `no tensor "model.layers.3.`, false},
		{"llama2", `"tie_word_embeddings": false`, `"tie_word_embeddings": true`, `tie_word_embeddings is true, but "lm_head.weight" differs from "model.embed_tokens.weight"`, false},
		{"llama2", `"vocab_size"`, `"vocab_sise"`, "vocab_size", false},
	} {
		m, err := Open(edited(t, tt.model, tt.old, tt.new))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.model, err)
			} else {
				m.Close()
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrNotRun) != tt.notRun {
			t.Errorf("%s with %s: %v, want an error with %q (of a model that is not run: %v)", tt.model, tt.new, err, tt.want, tt.notRun)
		}
	}
}

// TestIdentity: the identity names the stored types, and depends on the config and on the weights.
func TestIdentity(t *testing.T) {
	id := func(path string) string {
		s, err := open(t, path).Identity()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := id(tiny + "llama3.gguf")
	if !strings.HasPrefix(a, "sha256:") || !strings.HasSuffix(a, " (BF16, F32)") {
		t.Errorf("the identity is %s", a)
	}
	b := id(tiny + "llama2")
	if c := id(edited(t, "llama2", "", "")); c != b {
		t.Errorf("a copy's identity is %s, want %s", c, b)
	}
	if c := id(edited(t, "llama2", `"rope_theta": 10000.0`, `"rope_theta": 10001.0`)); c == b {
		t.Error("the identity does not depend on the config")
	}
	dir := edited(t, "llama2", "", "")
	file := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := id(dir); c == b {
		t.Error("the identity does not depend on the weights")
	}
}

// FuzzPlaces: for any list of tensors, check either refuses the list or every parameter has rows of
// a tensor of the right size.
func FuzzPlaces(f *testing.F) {
	m, err := Open(tiny + "llama2")
	if err != nil {
		f.Fatal(err)
	}
	c := m.Config()
	m.Close()
	p, err := findPlaces(&c, huggingFace["llama"])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint(3), "model.layers.0.mlp.up_proj.weight", 64, 32)
	f.Add(uint(1), "model.layers.0.self_attn.rotary_emb.inv_freq", 4, 1)
	f.Fuzz(func(t *testing.T, drop uint, name string, rows, cols int) {
		list := slices.Clone(m.tensors)
		if len(name)%2 == 0 {
			i := int(drop % uint(len(list)))
			list = slices.Delete(list, i, i+1)
		}
		list = append(list, stored{name: name, kind: "F32", readable: true, shape: []int{rows, cols}})
		if p.check("file", list, func(string) bool { return false }, c.TiedOutput) != nil {
			return
		}
		have := map[string][]int{}
		for _, s := range list {
			have[s.name] = s.shape
		}
		for _, spec := range c.Parameters() {
			at := p.at[key{spec.Layer, spec.Role}]
			if shape := have[at.tensor]; len(shape) != len(spec.Shape) || at.from+spec.Shape[0] > shape[0] {
				t.Errorf("%s is in %s of shape %v", spec.Role, at.tensor, shape)
			}
		}
	})
}

// FuzzGGUF: a GGUF file with any bytes of its header changed is an error or a model whose
// parameters can all be read.
func FuzzGGUF(f *testing.F) {
	var files [][]byte
	for i, name := range []string{"llama3", "qwen2", "granite", "phi3-long", "quant"} {
		data, err := os.ReadFile(tiny + name + ".gguf")
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, data)
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0x40, 0x01, 0x07, 0x80, 0x02, 0x00})
	}
	// An edit is a position, 2 bytes, and a byte.
	f.Fuzz(func(t *testing.T, file uint8, edits []byte) {
		data := slices.Clone(files[int(file)%len(files)])
		for ; len(edits) >= 3; edits = edits[3:] {
			data[int(binary.LittleEndian.Uint16(edits))%len(data)] = edits[2]
		}
		g, err := gguf.New("fuzz.gguf", data)
		if err != nil {
			return
		}
		m, err := newGGUF(g)
		if err != nil {
			return
		}
		if _, err := m.Identity(); err != nil {
			t.Error(err)
		}
		for _, p := range m.places.params {
			x, err := m.Tensor(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := x.Check(); err != nil {
				t.Error(err)
			}
			checkpoint.Float32s(x)
		}
	})
}

// TestMultimodal: the text model of a multimodal model is found under both prefixes that versions
// of transformers write, with the defaults of its config class.
func TestMultimodal(t *testing.T) {
	want := open(t, tiny+"gemma3")
	for _, prefix := range [][2]string{{"model.", "language_model.model."}, {"model.", "model.language_model."}} {
		dir := edited(t, "gemma3", "", "")
		file := filepath.Join(dir, "model.safetensors")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := 8 + binary.LittleEndian.Uint64(data)
		header := strings.ReplaceAll(string(data[8:n]), `"`+prefix[0], `"`+prefix[1])
		header = strings.Replace(header, `{`, fmt.Sprintf(`{"vision_tower.a": {"dtype": "F32", "shape": [1], "data_offsets": [%d, %d]}, `, len(data)-int(n), len(data)-int(n)+4), 1)
		out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
		out = append(append(append(out, header...), data[n:]...), 0, 0, 0, 0)
		if err := os.WriteFile(file, out, 0o600); err != nil {
			t.Fatal(err)
		}
		config := filepath.Join(dir, "config.json")
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		inner := strings.Replace(string(text), `"hidden_activation": "gelu_pytorch_tanh",`, "", 1)
		if err := os.WriteFile(config, []byte(`{"model_type": "gemma3", "vision_config": {"hidden_size": 8}, "text_config": `+inner+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		got := open(t, dir)
		for _, p := range want.Config().Parameters() {
			if !slices.Equal(values(t, got, p), values(t, want, p)) {
				t.Errorf("%s: %s in layer %d differs", prefix[1], p.Role, p.Layer)
			}
		}
	}
}
