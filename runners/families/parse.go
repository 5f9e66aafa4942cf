package families

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/filemap"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// readers maps the model_type of a config.json to the reader of its family.
var readers = map[string]func(*config, *Model){
	"llama": readLlama, "granite": readGranite, "smollm3": readSmolLM3, "olmo2": readOLMo2,
	"mistral": readMistral, "mixtral": readMixtral, "phi3": readPhi3, "llama4_text": readLlama4,
	"qwen2": readQwen2, "qwen2_moe": readQwen2MoE, "qwen3": readQwen3, "qwen3_moe": readQwen3MoE,
	"qwen3_next": readQwenNext, "qwen3_5_text": readQwenNext, "qwen3_5_moe_text": readQwenNext,
	"gemma2": readGemma2, "gemma3_text": readGemma3, "gemma3n_text": readGemma3n, "gemma4_text": readGemma4, "gpt_oss": readGPTOSS,
	"phi4flash": readPhi4Flash, "yoco": readYOCO,
	"deepseek_v2": readDeepSeek, "deepseek_v3": readDeepSeek, "deepseek_v32": readDeepSeek, "kimi_linear": readKimiLinear,
	"minimax_text_01": readMiniMax, "minimax": readMiniMax, "jamba": readJamba, "mamba2": readMamba2,
	"granitemoehybrid": readGraniteHybrid, "nemotron_h": readNemotronH, "falcon_h1": readFalconH1, "rwkv7": readRWKV7,
}

// wrappers maps the model_types of multimodal models to the family of their text_config.
var wrappers = map[string]string{
	"gemma3": "gemma3_text", "llama4": "llama4_text", "qwen3_5": "qwen3_5_text", "qwen3_5_moe": "qwen3_5_moe_text",
	"mistral3": "mistral", "llava": "", "gemma3n": "gemma3n_text", "gemma4": "gemma4_text",
}

// Families lists the known model_types.
func Families() []string { return slices.Sorted(maps.Keys(readers)) }

func joinSorted(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Open reads the config at path: a config.json, a folder with one, or a .gguf file. ignore lists
// unknown fields that do not affect the model's size.
func Open(path string, ignore ...string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(filepath.Base(path), ".json")
	if info.IsDir() {
		path = filepath.Join(path, "config.json")
	} else if gguf.IsPath(path) {
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		m, err := FromGGUF(f)
		if err == nil {
			name, _ = gguf.CutExt(name)
			m.Rename(name)
		}
		return m, err
	}
	if name == "config" || name == "." {
		if abs, err := filepath.Abs(filepath.Dir(path)); err == nil {
			name = filepath.Base(abs)
		}
	}
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	m, err := Parse(path, text, ignore...)
	if err == nil {
		m.Rename(name)
	}
	return m, err
}

// readText reads at most maxConfig+1 bytes of a regular file.
func readText(path string) ([]byte, error) {
	f, err := filemap.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxConfig+1))
}

// IsConfig reports whether path is a .gguf file, or a config.json (or a folder with one) with a
// model_type, as Hugging Face writes it.
func IsConfig(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if info.IsDir() {
		path = filepath.Join(path, "config.json")
	}
	if gguf.IsPath(path) && !info.IsDir() {
		return true
	}
	if !strings.HasSuffix(path, ".json") {
		return false
	}
	text, err := readText(path)
	if err != nil {
		return false
	}
	c, err := newConfig(path, text)
	return err == nil && c.fields["model_type"] != nil
}

// Parse parses the text of a config.json; file is its name in errors.
func Parse(file string, text []byte, ignore ...string) (*Model, error) {
	c, err := newConfig(file, text)
	if err != nil {
		return nil, err
	}
	m := &Model{}
	top := c
	family := c.text("model_type", "")
	if inner, ok := wrappers[family]; ok {
		if c = top.object("text_config"); c == nil {
			top.failf("text_config", "the field is missing; %s is a multimodal model", family)
			return nil, *top.err
		}
		for name := range top.fields {
			top.ignore(name) // fields of the vision and audio encoders
		}
		family = c.text("model_type", inner)
		m.Multimodal = true
		m.note("the image and audio encoders are not counted")
		if _, tied := c.fields["tie_word_embeddings"]; !tied {
			if v, ok := top.fields["tie_word_embeddings"]; ok {
				c.fields["tie_word_embeddings"] = v
			}
		}
		for _, name := range []string{"quantization_config", "torch_dtype", "dtype"} {
			if _, ok := c.fields[name]; !ok && top.fields[name] != nil {
				c.fields[name] = top.fields[name]
			}
		}
	}
	read, ok := readers[family]
	if *c.err != nil {
		return nil, *c.err
	}
	if !ok {
		return nil, unknownFamily(file, family)
	}
	m.Family = family
	for _, name := range ignore {
		c.ignore(strings.TrimPrefix(name, c.path))
	}
	read(c, m)
	c.storage(m)
	if err := c.done(); err != nil {
		return nil, err
	}
	if m.PrefillLayers == 0 {
		m.PrefillLayers = len(m.Layers)
	}
	m.finish(c)
	return m, nil
}

func unknownFamily(file, family string) error {
	if family == "" {
		return fmt.Errorf("%s: model_type: the field is missing", file)
	}
	return fmt.Errorf("%s: model_type: the family %q is not known (known: %s)", file, family, strings.Join(Families(), ", "))
}

// storage reads how the weights are stored.
func (c *config) storage(m *Model) {
	name := c.text("torch_dtype", c.text("dtype", ""))
	name = strings.TrimPrefix(name, "torch.")
	size := 2.0
	switch name {
	case "float32":
		size = 4
	case "bfloat16", "float16":
	case "":
		name = "bfloat16"
		m.note("the config has no number type: assuming bfloat16")
	default:
		c.failf("torch_dtype", "the number type %q is not known", name)
	}
	m.Stored = Storage{Name: name, Linear: size, Expert: size, Other: size}
	v, ok := c.raw("quantization_config")
	if !ok {
		return
	}
	m.refuseField(c, "quantization_config", v)
	fields, isObject := v.(map[string]any)
	if !isObject {
		c.failf("quantization_config", "%s, want an object", show(v))
		return
	}
	q := c.inner("quantization_config", fields)
	method := q.text("quant_method", "")
	switch method {
	case "fp8":
		if block := q.sizes("weight_block_size", 1); !slices.Equal(block, []int64{128, 128}) {
			q.failf("weight_block_size", "%v is not supported, only [128, 128]", block)
		}
		m.Stored = Storage{Name: "fp8, tiles of 128 x 128", Linear: 1, Expert: 1, Other: size, LinearTile: 4, ExpertTile: 4}
	case "mxfp4":
		m.Stored.Name, m.Stored.Expert = "mxfp4 experts, the rest "+name, 17.0/32
	default:
		q.failf("quant_method", "%q is not supported (known: fp8, mxfp4)", method)
	}
}

// note adds a remark unless it is already there.
func (m *Model) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(m.Notes, s) {
		m.Notes = append(m.Notes, s)
	}
}
