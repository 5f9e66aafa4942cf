package checkpoint

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/runners"
)

// small returns a model small enough to be written quickly.
func small(a runners.Arch) runners.Shape {
	return runners.Shape{Name: "small", Dim: 16, Layers: 2, FFN: 24, Vocab: 11, Heads: 2, KVHeads: 1, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5}.As(a, 2, 4)
}

func TestSaveThenOpen(t *testing.T) {
	for _, a := range runners.Arches() {
		dir := filepath.Join(t.TempDir(), "model")
		c := small(a).Config()
		want := Random(c, 3, runners.F32)
		if err := Save(dir, c, want, runners.F32); err != nil {
			t.Fatal(err)
		}
		got, w, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("read %+v, saved %+v", got, c)
		}
		if w.Source() != filepath.Join(dir, "weights.safetensors") {
			t.Errorf("source %q", w.Source())
		}
		same(t, c, w, want)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func same(t *testing.T, c runners.Config, got, want runners.Weights) {
	t.Helper()
	for _, p := range c.Parameters() {
		x, err := got.Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		y, err := want.Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		if x.DType != y.DType || !slices.Equal(Float32s(x), Float32s(y)) {
			t.Fatalf("%s differs", p.Name)
		}
	}
}

// Weights of another architecture or size are an error that names the differences.
func TestOpenChecksWeights(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*runners.Shape)
		want   string
	}{
		{"another architecture", func(c *runners.Shape) { c.Arch, c.Window = runners.YOCOSlidingWindow, 4 },
			`2 tensors do not belong to a yoco-swa of 2 layers: "self_decoder.layers.0.mixer.g_proj.weight" "self_decoder.layers.0.mixer.gt_proj.weight"`},
		{"more layers", func(c *runners.Shape) { c.Layers = 4 },
			`18 of the 42 tensors of a yoco-gret are missing: "self_decoder.layers.1.mixer_layer_norm.weight"`},
		{"fewer tokens", func(c *runners.Shape) { c.Vocab = 10 },
			`"embed_tokens.weight" has shape [11 16], but the config makes it [10 16]`},
	} {
		dir := t.TempDir()
		s := small(runners.YOCOGatedRetention)
		c := s.Config()
		if err := Save(dir, c, Random(c, 1, runners.BF16), runners.BF16); err != nil {
			t.Fatal(err)
		}
		tt.change(&s)
		err := safefile.Write(filepath.Join(dir, configFile), func(w io.Writer) error { return writeConfig(w, s.Config()) })
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty folder: %v", err)
	}
	c := small(runners.Transformer).Config()
	if err := safefile.Write(filepath.Join(dir, configFile), func(w io.Writer) error { return writeConfig(w, c) }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "no weights, want weights.safetensors, model.safetensors or") {
		t.Errorf("no weights: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, weightsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder instead of weights: %v", err)
	}
}

// sharded saves a model as two files and an index.
func sharded(t *testing.T) (string, runners.Config, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	c := small(runners.Transformer).Config()
	if err := Save(dir, c, Random(c, 1, runners.F32), runners.F32); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, weightsFile)); err != nil {
		t.Fatal(err)
	}
	ps := c.Parameters()
	where := map[string]string{}
	for i, part := range [][]runners.TensorSpec{ps[:5], ps[5:]} {
		name := []string{"model-1-of-2.safetensors", "model-2-of-2.safetensors"}[i]
		if err := Write(filepath.Join(dir, name), part, Random(c, 1, runners.F32), runners.F32, nil); err != nil {
			t.Fatal(err)
		}
		for _, p := range part {
			where[p.Name] = name
		}
	}
	return dir, c, where
}

func writeIndex(t *testing.T, dir string, where map[string]string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, indexFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestShards(t *testing.T) {
	dir, c, where := sharded(t)
	writeIndex(t, dir, where)
	_, w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	same(t, c, w, Random(c, 1, runners.F32))
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ tensor, file, want string }{
		{"norm.weight", "../x.safetensors", "want the name of a file next to the index"},
		{"norm.weight", "/etc/passwd", "want the name of a file next to the index"},
		{"norm.weight", "", "want the name of a file next to the index"},
		{"norm.weight", "gone.safetensors", "no such file"},
		{"norm.weight", "model-1-of-2.safetensors", "which has no such tensor"},
		{"extra.weight", "model-1-of-2.safetensors", "which has no such tensor"},
	} {
		changed := map[string]string{}
		for k, v := range where {
			changed[k] = v
		}
		changed[tt.tensor] = tt.file
		writeIndex(t, dir, changed)
		if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s in %q: %v, want %s", tt.tensor, tt.file, err, tt.want)
		}
	}
	for _, text := range []string{`{}`, `{"weight_map": {}}`, `{"weight_map": []}`, `[]`, ``} {
		if err := os.WriteFile(filepath.Join(dir, indexFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), indexFile) {
			t.Errorf("the index %q: %v", text, err)
		}
	}
}

func TestEmbedded(t *testing.T) {
	names := Embedded()
	want := "tiny-transformer tiny-yoco-gret tiny-yoco-swa"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("embedded models %s, want %s", got, want)
	}
	for _, name := range names {
		c, w, err := OpenEmbedded(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Name != name || c.Tokenizer != "bytes" || w.Source() != "embedded "+name {
			t.Errorf("%s: config %+v from %q", name, c, w.Source())
		}
		for _, p := range c.Parameters() {
			if _, err := w.Tensor(p); err != nil {
				t.Error(err)
			}
		}
	}
	if _, _, err := OpenEmbedded("tiny-yocogret"); err == nil || !strings.Contains(err.Error(), `did you mean "tiny-yoco-gret"`) {
		t.Errorf("a missing embedded model: %v", err)
	}
	if _, _, err := OpenEmbedded(".."); err == nil {
		t.Error("opened the embedded folder above")
	}
}
