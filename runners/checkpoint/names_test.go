package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

func TestUnwrapped(t *testing.T) {
	for name, want := range map[string]string{
		"layers.0.wq.weight":                                  "layers.0.wq.weight",
		"_orig_mod.layers.0.wq.weight":                        "layers.0.wq.weight",
		"module._orig_mod.layers.0.wq.weight":                 "layers.0.wq.weight",
		"_orig_mod.module.layers.0._orig_mod.wq.weight":       "layers.0.wq.weight",
		"_fsdp_wrapped_module.a._checkpoint_wrapped_module.b": "a.b",
		"modules.b": "modules.b",
		"module":    "",
	} {
		if got := unwrapped(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// renamed is weights with renamed tensors.
type renamed struct {
	runners.Weights
	plain map[string]string
}

func (r renamed) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	p.Name = r.plain[p.Name]
	return r.Weights.Tensor(p)
}

// saveRenamed saves a model's folder with renamed tensors.
func saveRenamed(t *testing.T, c runners.Config, want runners.Weights, name func(i int, plain string) string) string {
	t.Helper()
	dir := t.TempDir()
	if err := Save(dir, c, want, runners.F32); err != nil {
		t.Fatal(err)
	}
	plain := map[string]string{}
	ps := c.Parameters()
	for i := range ps {
		n := name(i, ps[i].Name)
		plain[n], ps[i].Name = ps[i].Name, n
	}
	if err := Write(filepath.Join(dir, weightsFile), ps, renamed{want, plain}, runners.F32, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Weights saved inside PyTorch's wrappers load as the model, with the model's fingerprint.
func TestOpenUnwraps(t *testing.T) {
	for _, a := range runners.Arches() {
		c := small(a).Config()
		want := Random(c, 3, runners.F32)
		print, err := Fingerprint(c, want)
		if err != nil {
			t.Fatal(err)
		}
		for name, rename := range map[string]func(int, string) string{
			"torch.compile": func(_ int, n string) string { return "_orig_mod." + n },
			"DataParallel":  func(_ int, n string) string { return "module." + n },
			"both":          func(_ int, n string) string { return "module._orig_mod." + n },
			"nested":        func(_ int, n string) string { return "_orig_mod.module._orig_mod." + n },
			"compiled layers only": func(_ int, n string) string {
				return strings.Replace(n, "layers.0.", "layers.0._orig_mod.", 1)
			},
		} {
			_, w, err := Open(saveRenamed(t, c, want, rename))
			if err != nil {
				t.Errorf("%s, %s: %v", a, name, err)
				continue
			}
			same(t, c, w, want)
			if got, err := Fingerprint(c, w); err != nil || got != print {
				t.Errorf("%s, %s: fingerprint %s, %v; want %s", a, name, got, err, print)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOpenNamesThePrefix(t *testing.T) {
	c := small(runners.YOCOGatedRetention).Config()
	want := Random(c, 3, runners.F32)
	for _, tt := range []struct {
		rename func(int, string) string
		want   string
	}{
		{func(_ int, n string) string { return "model.student." + n }, `begin with "model.student."`},
		{func(i int, n string) string {
			if i%2 == 0 {
				return "model." + n
			}
			return n
		}, "tensors of a yoco-gret are missing"},
		{func(_ int, n string) string { return "model.module." + n }, `begin with "model."`},
	} {
		_, _, err := Open(saveRenamed(t, c, want, tt.rename))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// Two tensors that differ only in their wrappers are an error.
func TestOpenAmbiguousWrappers(t *testing.T) {
	c := small(runners.Transformer).Config()
	dir := saveRenamed(t, c, Random(c, 3, runners.F32), func(i int, n string) string {
		return map[int]string{0: "module.norm.weight", 1: "_orig_mod.norm.weight"}[i] + map[bool]string{true: n}[i > 1]
	})
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), `are both "norm.weight"`) {
		t.Errorf("error %v", err)
	}
}

func TestOpenLFSPointer(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	for _, file := range []string{weightsFile, configFile, modelFile, indexFile} {
		dir := t.TempDir()
		c := small(runners.Transformer).Config()
		if err := Save(dir, c, Random(c, 1, runners.F32), runners.F32); err != nil {
			t.Fatal(err)
		}
		if file == modelFile || file == indexFile {
			if err := os.Remove(filepath.Join(dir, weightsFile)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(pointer), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(dir)
		if err == nil || !strings.Contains(err.Error(), file+": a Git LFS pointer") || !strings.Contains(err.Error(), "hint: run `git lfs pull`") {
			t.Errorf("%s: error %v", file, err)
		}
	}
}

// A byte order mark, which some editors write, is skipped.
func TestConfigWithByteOrderMark(t *testing.T) {
	dir := t.TempDir()
	c := small(runners.Transformer).Config()
	if err := Save(dir, c, Random(c, 1, runners.F32), runners.F32); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("\xef\xbb\xbf"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); err != nil {
		t.Error(err)
	}
}
