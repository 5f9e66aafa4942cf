package needle

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

//go:embed templates.json
var templatesJSON []byte

// Template is one wording of a needle.
type Template struct {
	Name string `json:"name"`
	// Train reports whether the embedded models were trained on this wording.
	Train bool `json:"train"`
	// FactText is inserted in the haystack. AskText ends just before the value, AskAllText just
	// before all values of a key. They contain {key} and, in FactText, {value}.
	FactText   string `json:"fact"`
	AskText    string `json:"ask"`
	AskAllText string `json:"askAll"`
}

// Fact returns the wording of one value of key.
func (t Template) Fact(key, value string) string {
	return strings.NewReplacer("{key}", key, "{value}", value).Replace(t.FactText)
}

// Ask is the question for the one value of key.
func (t Template) Ask(key string) string { return strings.ReplaceAll(t.AskText, "{key}", key) }

// AskAll is the question for all values of the keys, which it joins by ", ".
func (t Template) AskAll(keys ...string) string {
	return strings.ReplaceAll(t.AskAllText, "{key}", strings.Join(keys, ", "))
}

// Templates lists every wording, in the order of templates.json.
func Templates() []Template {
	var f struct{ Templates []Template }
	if err := json.Unmarshal(templatesJSON, &f); err != nil {
		panic(err) // it is compiled in, and tested
	}
	return f.Templates
}

// Wordings chooses templates: a name, a list of names, all, trained (those that
// the embedded models were trained on) or held-out (the others).
type Wordings []string

// UnmarshalYAML reads a name or a list of names.
func (w *Wordings) UnmarshalYAML(n *yaml.Node) error {
	names, err := param.Names(n)
	if err != nil || len(names) == 0 {
		return &suites.Problem{Line: n.Line, Msg: "template: expected a name or a list of names"}
	}
	for _, name := range names {
		if _, err := (Wordings{name}).choose(); err != nil {
			return &suites.Problem{Line: n.Line, Msg: err.Error(), Hint: suites.Suggest(name, templateNames())}
		}
	}
	*w = names
	return nil
}

func templateNames() []string {
	names := []string{"all", "trained", "held-out"}
	for _, t := range Templates() {
		names = append(names, t.Name)
	}
	return names
}

// choose returns the templates, each once, in the order of templates.json.
func (w Wordings) choose() ([]Template, error) {
	wanted := map[string]bool{}
	all := Templates()
	for _, name := range w {
		found := false
		for _, t := range all {
			if name == t.Name || name == "all" || name == "trained" && t.Train || name == "held-out" && !t.Train {
				wanted[t.Name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown template %q", name)
		}
	}
	var out []Template
	for _, t := range all {
		if wanted[t.Name] {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no template")
	}
	return out, nil
}

// wordingHash distinguishes versions of the same templates.
func wordingHash(ts []Template) string {
	h := sha256.New()
	for _, t := range ts {
		fmt.Fprintf(h, "%q %q %q\n", t.FactText, t.AskText, t.AskAllText)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}
