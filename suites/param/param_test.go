package param

import (
	"slices"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/corpus"
)

func TestModels(t *testing.T) {
	for _, c := range []struct {
		list Models
		name string
		want bool
	}{
		{nil, "tiny", true}, {Models{"tiny"}, "tiny", true}, {Models{"tiny-*"}, "tiny", false},
		{Models{"a", "tiny-*"}, "tiny-yoco-gret", true},
	} {
		if got, err := c.list.Match(c.name); err != nil || got != c.want {
			t.Errorf("%v matches %s: %v, %v", c.list, c.name, got, err)
		}
	}
	for text, want := range map[string]Models{"tiny-*": {"tiny-*"}, "[a, b]": {"a", "b"}, "{a: b}": nil} {
		var m Models
		if err := yaml.Unmarshal([]byte(text), &m); (err == nil) != (want != nil) || !slices.Equal(m, want) {
			t.Errorf("%s: %q, %v; want %q", text, m, err, want)
		}
	}
	if _, err := (Models{"["}).Match("x"); err == nil {
		t.Error("a malformed pattern was accepted")
	}
}

func FuzzCorpus(f *testing.F) {
	for _, text := range []string{"prose", "go:all", "files:a/*.txt", "{files: [a, b]}", "[x]", "{files: {a: b}}", "&a {files: *a}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c Corpus
		if err := yaml.Unmarshal([]byte(text), &c); err != nil {
			return
		}
		switch c.Kind {
		case corpus.KindProse, corpus.KindGo, "": // an empty document leaves c unchanged
		case corpus.KindFiles:
			if len(c.Paths) == 0 {
				t.Errorf("%q: no paths", text)
			}
		default:
			t.Errorf("%q: kind %q", text, c.Kind)
		}
	})
}
