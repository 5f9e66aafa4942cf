package needle

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestPromptGolden compares the prompts of each kind with golden files, because the models were
// trained on this form.
func TestPromptGolden(t *testing.T) {
	tok := tokenizer.Bytes{}
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		p := defaults()
		set(p)
		p.Trials = param.Everywhere(1)
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
			fmt.Fprintf(&b, "--- %s\n%s", d, tok.Decode(tr.prompt(h)))
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

// fixedText is a corpus of one repeated text.
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

// pairs is a tokenizer of two bytes per token (the last may have one).
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

// pieces is a slow tokenizer that merges words with the preceding spaces. It counts its input
// bytes.
type pieces struct {
	mu    sync.Mutex
	ids   map[string]int
	texts []string
	given int
}

var piece = regexp.MustCompile(` ?[\pL\pN]{1,7}|[.,!?"]+|\s+|(?s:.)`)

func (*pieces) Name() string { return "pieces" }
func (*pieces) Vocab() int   { return 1 << 20 }
func (p *pieces) Encode(text string) (ids []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given += len(text)
	for _, s := range piece.FindAllString(text, -1) {
		id, ok := p.ids[s]
		if !ok {
			if p.ids == nil {
				p.ids = map[string]int{}
			}
			id = len(p.texts)
			p.ids[s], p.texts = id, append(p.texts, s)
		}
		ids = append(ids, id)
	}
	return ids
}
func (p *pieces) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(p.texts[id])
	}
	return b.String()
}

// cellOf returns a cell of a kind at a length, with 10 trials.
func cellOf(t testing.TB, kind string, length int) (*cell, []*trial) {
	t.Helper()
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	p := defaults()
	p.Kind, p.Trials = kind, param.Everywhere(10)
	if err := p.complete(); err != nil {
		t.Fatal(err)
	}
	list := p.Depths.list()
	c := &cell{Params: p, needles: int(p.Needles[0]), length: length, depth: list[len(list)/2], templates: Templates(), source: source}
	var trials []*trial
	for i := range c.trials() {
		tr, err := c.trial(i)
		if err != nil {
			t.Fatal(err)
		}
		trials = append(trials, tr)
	}
	return c, trials
}

// TestHaystackIsTokenisedOnce checks that the haystack is tokenised once for all trials, that
// prompts have the tokens of their texts and fill the context with their answers without exceeding
// it, and that depths are in tokens.
func TestHaystackIsTokenisedOnce(t *testing.T) {
	for _, kind := range kinds {
		for _, length := range []int{2000, 30_000} {
			c, trials := cellOf(t, kind, length)
			tok := &pieces{}
			h, err := c.haystack(tok, 1, trials)
			if err != nil {
				t.Fatal(err)
			}
			r, most := &run{cell: c, tok: tok, known: true}, 0
			var prompts []runners.Prompt
			for _, tr := range trials {
				prompts = append(prompts, r.prompt(tr, h))
				tr.places(h)
			}
			if given := float64(tok.given); length == 30_000 && given > 2*float64(len(h.Text)) {
				t.Errorf("%s: the tokenizer was given %g times the haystack of %d tokens", kind, given/float64(len(h.Text)), length)
			}
			for i, p := range prompts {
				if !slices.Equal(p.Tokens, tok.Encode(p.Text+p.Turns[0].Text)) {
					t.Errorf("%s %d: the tokens of prompt %d are not those of its text", kind, length, i)
				}
				n := len(p.Tokens)
				for j, turn := range p.Turns {
					if n += turn.MaxTokens; j > 0 {
						n += len(tok.Encode(betweenAnswers + turn.Text))
					}
				}
				most = max(most, n)
				if i > 0 {
					continue
				}
				all := float64(len(tok.Encode(string(h.Text))))
				for j, at := range trials[i].places(h) {
					f := trials[i].hidden()[j]
					want := float64(len(tok.Encode(string(h.Text[:h.Place(f).Pos])))) / all
					if !(math.Abs(at.depth-want) < 1.5/float64(length)) {
						t.Errorf("%s %d: fact %d is at %g, want %g", kind, length, j, at.depth, want)
					}
				}
			}
			if most > length || most < length-2 {
				t.Errorf("%s: the longest prompt takes %d of %d tokens", kind, most, length)
			}
		}
	}
}

// TestCellIsTokenisedOnce checks that a whole cell, including the search for its size, tokenises
// its haystack once.
func TestCellIsTokenisedOnce(t *testing.T) {
	tok := &countedBytes{}
	target := fakeEntry()
	target.Tokenizer = tok
	p := defaults()
	p.Kind, p.Lengths, p.Trials = Multi, suites.Sizes{64 << 10}, param.Everywhere(6)
	cases, err := Task{}.Plan(&suites.Planner{Seed: 7}, target, p)
	if err != nil {
		t.Fatal(err)
	}
	tok.given = 0
	runCase(t, cases[0], &fakeModel{})
	if tok.given == 0 || tok.given > 3*(64<<10)/2 {
		t.Errorf("the tokenizer was given %d bytes for 6 trials of %d", tok.given, 64<<10)
	}
}

// countedBytes is the byte tokenizer. It counts its input bytes.
type countedBytes struct {
	tokenizer.Bytes
	given int
}

func (c *countedBytes) Encode(text string) []int {
	c.given += len(text)
	return c.Bytes.Encode(text)
}

func (c *countedBytes) Spans(text string) (ids, ends []int) {
	c.given += len(text)
	return c.Bytes.Spans(text)
}

// TestHaystackFills checks that a haystack fills the context for any tokenizer.
func TestHaystackFills(t *testing.T) {
	for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, tokenizer.Estimate{}, pairs{}, &pieces{}} {
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
					most = max(most, tr.size(h)+c.later(tok, tr))
				}
				if most > length || most < length-2 {
					t.Errorf("%s, %s: %d of %d tokens", tok.Name(), kind, most, length)
				}
			}
		}
	}
}
