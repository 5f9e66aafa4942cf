package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/runners"
)

// The form of config.json with a list of layers:
//
//	{
//	 "label": "hybrid", "dim": 768, "vocab": 32000, "embed_scale": 1, "norm_eps": 1e-05,
//	 "name", "tokenizer":             as in the other form
//	 "layers": [
//	  {"mixer": {"kind": "attention", "heads": 12, "kv_heads": 4, "head_dim": 64, "window": 1024, "rope": {"theta": 10000}}, "ffn": 2048},
//	  ...
//	 ]
//	}
//
// The fields are those of runners.Config, Layer and Mixer. Other fields are errors, except "notes",
// which may contain anything.

// layered reports whether a config.json has this form: a list of layers and no field arch. It runs
// before the file is validated, and returns false for malformed files.
func layered(text []byte) bool {
	var top struct {
		Arch   json.RawMessage `json:"arch"`
		Layers json.RawMessage `json:"layers"`
	}
	return json.Unmarshal(text, &top) == nil && top.Arch == nil && bytes.HasPrefix(bytes.TrimSpace(top.Layers), []byte("["))
}

// parseLayers parses a config.json of this form.
func parseLayers(file, name string, text []byte) (runners.Config, error) {
	none := runners.Config{}
	j, err := newJSON(file, text)
	if err != nil {
		return none, err
	}
	c := runners.Config{Name: name, EmbedScale: 1, NormEps: 1e-5}
	var lines []string // where each layer was read
	err = j.fields("the config", fields{
		"name":        func(what string) (err error) { c.Name, err = j.str(what); return },
		"label":       func(what string) (err error) { c.Label, err = j.str(what); return },
		"tokenizer":   func(what string) (err error) { c.Tokenizer, err = j.str(what); return },
		"dim":         j.size(&c.Dim),
		"vocab":       j.size(&c.Vocab),
		"embed_scale": j.real(&c.EmbedScale),
		"tied_output": j.flag(&c.TiedOutput),
		"logit_scale": j.real(&c.LogitScale),
		"logit_cap":   j.real(&c.LogitCap),
		"norm_eps":    j.real(&c.NormEps),
		"notes":       j.skip,
		"layers": func(what string) error {
			return j.array(what, func(i int) error {
				if i == runners.MaxLayers {
					return j.errorf("%s has more than %d layers", what, runners.MaxLayers)
				}
				var l runners.Layer
				at := j.ahead()
				if err := j.layer(fmt.Sprintf("layers[%d]", i), &l); err != nil {
					return err
				}
				c.Layers, lines = append(c.Layers, l), append(lines, at)
				return nil
			})
		},
	})
	if err == nil {
		err = j.end()
	}
	if err != nil {
		return none, err
	}
	if c.Label == "" {
		c.Label = c.Name
	}
	if err := c.Validate(); err != nil {
		var bad *runners.LayerError
		if errors.As(err, &bad) {
			file = lines[bad.Layer]
		}
		return none, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// layer reads a layer.
func (j *jsonFile) layer(what string, l *runners.Layer) error {
	m := &l.Mixer
	return j.fields(what, fields{
		"ffn":        j.size(&l.FFN),
		"activation": func(what string) error { s, err := j.str(what); l.Activation = runners.Activation(s); return err },
		"norms":      func(what string) error { s, err := j.str(what); l.Norms = runners.NormPlacement(s); return err },
		"mixer": func(what string) error {
			return j.fields(what, fields{
				"kind":      func(what string) error { s, err := j.str(what); m.Kind = runners.MixerKind(s); return err },
				"heads":     j.size(&m.Heads),
				"kv_heads":  j.size(&m.KVHeads),
				"head_dim":  j.size(&m.HeadDim),
				"window":    j.size(&m.Window),
				"kv_back":   j.size(&m.KVBack),
				"bias":      j.flag(&m.Bias),
				"qk_norm":   func(what string) error { s, err := j.str(what); m.QKNorm = runners.QKNorm(s); return err },
				"scale":     j.real(&m.Scale),
				"score_cap": j.real(&m.ScoreCap),
				"rope": func(what string) error {
					return j.fields(what, fields{
						"theta":       j.real(&m.Rope.Theta),
						"end_point":   j.flag(&m.Rope.EndPoint),
						"interleaved": j.flag(&m.Rope.Interleaved),
						"none":        j.flag(&m.Rope.None),
						"dims":        j.size(&m.Rope.Dims),
						"magnitude":   j.real(&m.Rope.Magnitude),
						"divisors":    func(what string) error { return j.divisors(what, &m.Rope.Divisors) },
					})
				},
			})
		},
	})
}

// fields maps the keys of an object to readers of their values.
type fields map[string]func(what string) error

// fields reads an object with no keys other than those of known.
func (j *jsonFile) fields(what string, known fields) error {
	return j.object(what, func(key string) error {
		read, ok := known[key]
		if !ok {
			var names []string
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			return j.errorf("%s has the unknown field %q%s", what, key, didYouMean(key, names))
		}
		return read(what + "." + key)
	})
}

// size returns a reader of a count.
func (j *jsonFile) size(to *int) func(what string) error {
	return func(what string) error {
		t, err := j.token(what)
		if err != nil {
			return err
		}
		n, err := j.asInt(what, t)
		if err == nil && (n < 1 || n > 1<<20) {
			err = j.errorf("%s is %d, want 1 to %d", what, n, 1<<20)
		}
		*to = int(n)
		return err
	}
}

// flag returns a reader of a boolean.
func (j *jsonFile) flag(to *bool) func(what string) error {
	return func(what string) (err error) {
		*to, err = j.boolean(what)
		return err
	}
}

// divisors reads a list of numbers.
func (j *jsonFile) divisors(what string, to *runners.Divisors) error {
	var list []float64
	err := j.array(what, func(i int) error {
		if i == 1<<20 {
			return j.errorf("%s has more than %d numbers", what, i)
		}
		v, err := j.float(fmt.Sprintf("%s[%d]", what, i))
		list = append(list, v)
		return err
	})
	*to = runners.NewDivisors(list)
	return err
}

// real returns a reader of a number.
func (j *jsonFile) real(to *float64) func(what string) error {
	return func(what string) (err error) {
		*to, err = j.float(what)
		return err
	}
}
