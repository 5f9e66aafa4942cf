package needle

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The prompts of each kind, so that a change of wording or placing is noticed: the models were trained on this form.
func TestPromptGolden(t *testing.T) {
	tok := tokenizer.Bytes{}
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		p := defaults()
		set(p)
		p.Trials = 1
		if err := p.complete(); err != nil {
			t.Fatal(err)
		}
		source := fixedText("It was a bright day. \"Who goes there?\" said the smith. Nobody came.\n\nThe mill stood still.\n\tif err != nil {\n\t\treturn err\n\t}\nThe road was long and the evening cold. Mr. Reed said so.\n")
		var b strings.Builder
		for i, d := range p.Depths.list() {
			c := &cell{Params: p, needles: int(p.Needles[0]), length: 700, depth: d, seed: 3, templates: Templates()[i : i+1], source: source}
			tr, err := c.trial(0)
			if err != nil {
				t.Fatal(err)
			}
			h, err := c.haystack(tok, 1, []*trial{tr})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "--- %s\n%s", d, tok.Decode(tr.prompt(tok, h.Text)))
			for j, q := range tr.questions {
				if j > 0 {
					b.WriteString(betweenAnswers + q.text)
				}
				b.WriteString("<" + q.expected() + ">")
			}
			b.WriteString("\n")
		}
		golden(t, filepath.Join("testdata", "prompt_"+kind+".txt"), []byte(b.String()))
	})
}

// fixedText is a corpus of one text, over and over.
type fixedText string

func (f fixedText) Name() string        { return "fixed" }
func (f fixedText) Fingerprint() string { return strings.Repeat("0", 64) }
func (f fixedText) Notices() []string   { return nil }
func (f fixedText) Haystack(_ uint64, n int) (corpus.Haystack, error) {
	return corpus.Haystack{Text: bytes.Repeat([]byte(f), n/len(f)+1)[:n], Repeats: n / len(f)}, nil
}
func (f fixedText) Documents(uint64, int, int, func([]byte) int) ([]corpus.Document, error) {
	return nil, errors.New("none")
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it); got\n%s", path, got)
	}
}

// pairs is a tokenizer of two bytes a token (the last may have one), to see that nothing depends on bytes.
type pairs struct{}

func (pairs) Name() string { return "pairs" }
func (pairs) Vocab() int   { return 1 << 17 }
func (pairs) Encode(text string) (ids []int) {
	for i := 0; i+1 < len(text); i += 2 {
		ids = append(ids, int(text[i])<<8|int(text[i+1]))
	}
	if len(text)%2 == 1 {
		ids = append(ids, 1<<16|int(text[len(text)-1]))
	}
	return ids
}
func (pairs) Decode(ids []int) string {
	var b []byte
	for _, id := range ids {
		if id < 1<<16 {
			b = append(b, byte(id>>8))
		}
		b = append(b, byte(id))
	}
	return string(b)
}

// A haystack fills the context whatever the tokenizer makes of it.
func TestHaystackFills(t *testing.T) {
	for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, pairs{}} {
		for _, kind := range kinds {
			for _, length := range []int{900, 1000, 1001, 5000, 65536} {
				p := defaults()
				p.Kind = kind
				if err := p.complete(); err != nil {
					t.Fatal(err)
				}
				source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
				if err != nil {
					t.Fatal(err)
				}
				c := &cell{Params: p, needles: int(p.Needles[0]), length: length, depth: p.Depths.list()[0], templates: Templates()[1:2], source: source}
				var trials []*trial
				for i := range 3 {
					tr, err := c.trial(i)
					if err != nil {
						t.Fatal(err)
					}
					trials = append(trials, tr)
				}
				h, err := c.haystack(tok, 1, trials)
				if err != nil {
					t.Fatal(err)
				}
				most := 0
				for _, tr := range trials {
					most = max(most, c.size(tok, tr, h.Text))
				}
				if most > length || most < length-2 {
					t.Errorf("%s, %s: %d of %d tokens", tok.Name(), kind, most, length)
				}
			}
		}
	}
}
