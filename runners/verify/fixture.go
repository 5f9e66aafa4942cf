package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/pretrained"
)

// fixture is one fixture folder.
type fixture struct {
	config  runners.Config
	weights runners.Weights
	texts   []text
	expect  *checkpoint.File
	// pretrained is set if package pretrained opens the model.
	pretrained bool
}

// text is one token sequence and its expected results.
type text struct {
	prefix string // "t77"
	ids    []int
	greedy []int // expected greedy continuation, nil if the folder has none
	// given are the expected tensors; if it is nil, they are read from expect.
	given  map[string]tensor
	expect *checkpoint.File
}

// tensor is an expected tensor.
type tensor struct {
	shape []int
	data  []float32
	// absent marks the rows without expected values; nil if there are none.
	absent []bool
}

// row returns the values of index i of the first dimension, nil if none are expected.
func (t tensor) row(i int) []float32 {
	if t.absent != nil && t.absent[i] {
		return nil
	}
	n := len(t.data) / t.shape[0]
	return t.data[i*n : (i+1)*n]
}

// openFixture opens a fixture; expect is as in openPretrained.
func openFixture(dir, expect string) (*fixture, error) {
	if pretrained.IsPath(dir) {
		return openPretrained(dir, expect)
	}
	if expect != "" {
		return nil, fmt.Errorf("%s: its expected tensors are in the folder; another file works for a GGUF file or a folder of Hugging Face", dir)
	}
	config, weights, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	f := &fixture{config: config, weights: weights}
	if err := f.open(dir); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *fixture) open(dir string) (err error) {
	path := filepath.Join(dir, "tokens.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var tokens map[string][]int
	if err := json.Unmarshal(b, &tokens); err != nil {
		return fmt.Errorf("%s: %w, want {\"t77\": [ids], \"t77_greedy\": [ids], ...}", path, err)
	}
	if f.expect, err = checkpoint.OpenFile(filepath.Join(dir, "expect.safetensors")); err != nil {
		return err
	}
	for prefix, ids := range tokens {
		if err := runners.CheckTokens(f.config, ids); err != nil {
			return fmt.Errorf("%s: %s: %w", path, prefix, err)
		}
		if strings.HasSuffix(prefix, "_greedy") {
			continue
		}
		if len(ids) == 0 {
			return fmt.Errorf("%s: %s has no ids", path, prefix)
		}
		f.texts = append(f.texts, text{prefix: prefix, ids: ids, greedy: tokens[prefix+"_greedy"], expect: f.expect})
	}
	if len(f.texts) == 0 {
		return fmt.Errorf("%s: no text, want {\"t77\": [ids], ...}", path)
	}
	slices.SortFunc(f.texts, func(a, b text) int { return len(a.ids) - len(b.ids) })
	return f.checkShapes()
}

// checkShapes checks the shapes of the expected tensors that every mode needs.
func (f *fixture) checkShapes() error {
	for _, t := range f.texts {
		n, v := len(t.ids), f.config.Vocab
		for _, e := range []struct {
			name   string
			needed bool
			shape  []int
		}{
			{"logits", true, []int{n, v}},
			{"nll", n > 1, []int{n - 1}},
			{"greedy_logits", len(t.greedy) > 0, []int{len(t.greedy), v}},
		} {
			if !e.needed {
				continue
			}
			want, err := t.want(e.name)
			if err != nil {
				return err
			}
			if !slices.Equal(want.shape, e.shape) {
				return fmt.Errorf("%s: %s.%s has shape %v, want %v for %d ids", f.expect.Source(), t.prefix, e.name, want.shape, e.shape, n)
			}
		}
	}
	return nil
}

func (f *fixture) close() error {
	if f.expect != nil {
		if err := f.expect.Close(); err != nil {
			return err
		}
	}
	return f.weights.Close()
}

// want returns the expected tensor called name.
func (t text) want(name string) (tensor, error) {
	if t.given != nil {
		return t.given[name], nil
	}
	got, err := t.expect.Get(t.prefix + "." + name)
	if err != nil {
		return tensor{}, err
	}
	return tensor{shape: got.Shape, data: checkpoint.Float32s(got)}, nil
}

// names lists the expected tensors of the text, without the prefix.
func (t text) names() []string {
	if t.given != nil {
		return slices.Sorted(maps.Keys(t.given))
	}
	var names []string
	for _, n := range t.expect.Names() {
		if rest, ok := strings.CutPrefix(n, t.prefix+"."); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}
