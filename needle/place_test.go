package needle

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// textFile returns a corpus of one file.
func textFile(t *testing.T, text string) param.Corpus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return param.Corpus{Spec: corpus.Spec{Kind: corpus.KindFiles, Paths: []string{path}}}
}

// TestDepthsInAnyText checks for any text that facts are at the requested depth or that a note
// states the difference, and that removing them restores the haystack.
func TestDepthsInAnyText(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		note string // expected note of cells at depths between 0 and 1, at 4 Ki
	}{
		"chinese":  {strings.Repeat("这是一个很长的中文句子，没有换行。", 20000), ""},
		"json":     {"{" + strings.Repeat(`"name":"value","list":[1,2,3],"n":1234567,`, 5000), "between clauses"},
		"base64":   {strings.Repeat("Zm9vYmFyQUJD", 20000), "between characters"},
		"thai":     {strings.Repeat("ภาษาไทยไม่มีวรรค ", 5000), "between words"},
		"words":    {strings.Repeat("words without any mark ", 10000), "between words"},
		"one line": {strings.Repeat("A sentence here. Another one there! ", 10000), ""},
		"log":      {strings.Repeat("2026-01-01T00:00:00Z INFO path=/a/b took=12ms\r\n", 5000), ""},
	} {
		cases := planCases(t, func(p *Params) {
			p.Lengths, p.Depths, p.Trials, p.Haystacks, p.Haystack = suites.Sizes{700, 4096, 32768}, Depths{At: evenly(5)}, param.Everywhere(2), 1, textFile(t, c.text)
		})
		for _, pc := range cases {
			r := runCase(t, pc, &fakeModel{})
			notes := strings.Join(r.Notes, "\n")
			at, length := pc.Params["depth"].(float64), pc.Params["length"].(int)
			for _, tr := range r.Trials {
				off := math.Abs(tr.Depths[0] - at)
				if labelled := strings.Contains(notes, "away from the requested depth"); (off > farDepth) != labelled || off > max(farDepth+0.001, 160/float64(length-150)) {
					t.Errorf("%s, %s: the fact is at %.3f; notes %q", name, pc.Label, tr.Depths[0], notes)
				}
			}
			if between := at > 0 && at < 1; between && length == 4096 && (c.note == "") != !strings.Contains(notes, "lines of their own between") || between && length == 4096 && !strings.Contains(notes, c.note) {
				t.Errorf("%s, %s: notes %q, want %q", name, pc.Label, notes, c.note)
			}
			if r.Metrics["exact"].Value != 1 {
				t.Errorf("%s, %s: exact %g", name, pc.Label, r.Metrics["exact"].Value)
			}
		}
	}
}

// TestFactAtTheEnd checks that a fact at the end follows a complete sentence or line, with nothing
// after it.
func TestFactAtTheEnd(t *testing.T) {
	for seed := range uint64(20) {
		for _, length := range []int{700, 1000, 3000, 9000} {
			p := defaults()
			if err := p.complete(); err != nil {
				t.Fatal(err)
			}
			source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
			if err != nil {
				t.Fatal(err)
			}
			c := &cell{Params: p, needles: 1, length: length, depth: depth{at: 1}, seed: seed, templates: Templates()[:1], source: source}
			tr, err := c.trial(0)
			if err != nil {
				t.Fatal(err)
			}
			h, err := c.haystack(tokenizer.Bytes{}, c.haystackSeed(0), []*trial{tr})
			if err != nil {
				t.Fatal(err)
			}
			text, at := h.Body(tr.hidden()), h.Place(tr.hidden()[0])
			before, found := bytes.CutSuffix(text, []byte(tr.facts[0].text))
			if ends := strings.TrimRight(string(before), " \n\"')"); !found || at.Pos != len(h.Text) || !strings.ContainsAny(ends[len(ends)-1:], ".!?") && !bytes.HasSuffix(before, []byte("\n")) {
				t.Errorf("seed %d, %d tokens: ... %q", seed, length, text[max(0, len(text)-120):])
			}
		}
	}
}

// TestVersion checks that cells whose facts moved since the first version have a new version, and
// that the others keep their ids.
func TestVersion(t *testing.T) {
	prose, files := corpus.KindProse, corpus.KindFiles
	for _, c := range []struct {
		kind        string
		length      int
		depth       depth
		distractors int
		want        int
	}{
		{prose, 1 << 10, depth{at: 0}, 0, 0}, {prose, 1 << 10, depth{at: 0}, 3, 1}, {prose, 1 << 10, depth{at: 0.5}, 0, 1},
		{prose, 32 << 10, depth{at: 0.5}, 3, 0}, {prose, 32 << 10, depth{at: 1}, 0, 1}, {prose, 32 << 10, depth{mode: spread}, 0, 0},
		{files, 32 << 10, depth{at: 0.5}, 0, 1}, {corpus.KindGo, 32 << 10, depth{mode: random}, 0, 1},
	} {
		cell := &cell{Params: &Params{Distractors: c.distractors, Haystack: param.Corpus{Spec: corpus.Spec{Kind: c.kind}}}, length: c.length, depth: c.depth}
		if got := cell.version(); got != c.want {
			t.Errorf("%+v: version %d", c, got)
		}
	}
	// The property of version 0: in 32 Ki of prose, a fact is at the first end of a sentence or
	// line after the depth.
	text := corpus.Prose(corpus.StreamTest, 4, 32<<10)
	for at := 1; at < len(text)-700; at += 13 {
		if p := corpus.InsertionPoint(text, at); p.Pos < at || p.Boundary != corpus.SentenceEnd {
			t.Errorf("offset %d has the place %s", at, fmt.Sprint(p))
		}
	}
}
