package nll

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// words is a tokenizer whose tokens are words with the preceding spaces, of at most three bytes. A
// truncated text has different tokens.
type words struct{ tokenizer.Tokenizer }

func (words) Name() string { return "words" }
func (words) Encode(text string) (ids []int) {
	for from := 0; from < len(text); {
		end := from + 1
		for end < len(text) && end-from < 3 && (text[end] != ' ' || text[end-1] == ' ') {
			end++
		}
		id := 0
		for _, c := range []byte(text[from:end]) {
			id = id<<8 | int(c)
		}
		ids, from = append(ids, id), end
	}
	return ids
}
func (words) Decode(ids []int) string {
	var b []byte
	for _, id := range ids {
		for shift := 16; shift >= 0; shift -= 8 {
			if id>>shift > 0 {
				b = append(b, byte(id>>shift))
			}
		}
	}
	return string(b)
}

func textOf(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < n {
		b = append(b, []string{"word ", "a ", "longer ", "é", "語", "🙂 ", "\n"}[r.IntN(7)]...)
	}
	b = b[:n]
	for cut := n - 1; !utf8.Valid(b); cut-- {
		b[cut] = 'x' // the last character was cut
	}
	return b
}

// TestDocumentsUseTheWholeText checks that the documents of a text are contiguous and leave less
// than one document unused, for several tokenizers.
func TestDocumentsUseTheWholeText(t *testing.T) {
	for _, size := range []int{8512, 1024, 4096, 5000, 12345} {
		for _, length := range []int{256, 1000, 1024, 2048} {
			for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, words{}} {
				text := textOf(size, uint64(size))
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "text.txt"), text, 0o644); err != nil {
					t.Fatal(err)
				}
				source, err := corpus.Open(corpus.Spec{Kind: corpus.KindFiles, Paths: []string{dir}}, "")
				if err != nil {
					t.Fatal(err)
				}
				w := &nllCase{Params: &Params{Length: suites.Size(length)}, seed: 1, source: source}
				docs, err := w.documents(tok, 1000)
				if len(tok.Encode(string(text))) < length {
					if err == nil {
						t.Errorf("%d documents of %d tokens in a text that has fewer", len(docs), length)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				var all []byte
				for i, d := range docs {
					all = append(all, d.Text...)
					if n := len(tok.Encode(string(d.Text))); n < length || n >= length+utf8.UTFMax || !utf8.Valid(d.Text) || d.Stretch != i+1 {
						t.Errorf("%d of %d, %s: %s is stretch %d with %d tokens", size, length, tok.Name(), d.Name, d.Stretch, n)
					}
				}
				if !bytes.HasPrefix(text, all) {
					t.Errorf("%d of %d, %s: the documents are not a prefix of the text", size, length, tok.Name())
				}
				if rest := tok.Encode(string(text[len(all):])); len(rest) >= length {
					t.Errorf("%d of %d, %s: %d tokens are unused after %d documents", size, length, tok.Name(), len(rest), len(docs))
				}
			}
		}
	}
}

// TestNumberOfDocuments checks that the note states the number of documents in the text: 8512 bytes
// are four documents of 2 Ki or eight of 1 Ki.
func TestNumberOfDocuments(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.txt"), []byte(strings.Repeat("Seven words make up a short sentence. ", 224)), 0o644); err != nil {
		t.Fatal(err)
	}
	for length, want := range map[int]int{2048: 4, 1024: 8, 4096: 2, 8512: 1} {
		c := plan(t, &suites.Planner{Seed: 1, Dir: dir}, bytesModel(), func(p *Params) {
			p.Length, p.Documents = suites.Size(length), 10
			p.Corpus = param.Corpus{Spec: corpus.Spec{Kind: corpus.KindFiles, Paths: []string{"text.txt"}}}
		})
		r := runCase(t, c, &lawModel{})
		note := fmt.Sprintf("10 documents were requested, files: text.txt has %d of %s tokens", want, suites.Size(length))
		if n := len(r.Metrics["nll"].Samples); n != want || !strings.Contains(strings.Join(r.Notes, "\n"), note) {
			t.Errorf("%d tokens: %d documents, notes %q; want %q", length, n, r.Notes, note)
		}
		if (c.Version > 0) != (want > 1) {
			t.Errorf("%d tokens: version %d of %d documents", length, c.Version, want)
		}
	}
}

// TestProseDocuments checks that the documents of generated prose equal those of older versions,
// whose results are published.
func TestProseDocuments(t *testing.T) {
	c := plan(t, &suites.Planner{Seed: 1}, bytesModel(), nil)
	if c.Version != 0 {
		t.Errorf("prose has version %d", c.Version)
	}
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	w := &nllCase{Params: &Params{Length: 3000}, seed: 1, source: source}
	docs, err := w.documents(tokenizer.Bytes{}, 3)
	if err != nil || len(docs) != 3 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	seed := rng.New("nll/documents", 1).Uint64()
	for i, d := range docs {
		long := corpus.Prose(fmt.Sprintf("%s/documents/%d", corpus.StreamTest, seed), uint64(i), 10_000)
		if !bytes.HasPrefix(long, d.Text) || len(d.Text) != 3000 {
			t.Errorf("document %d of %d bytes differs", i, len(d.Text))
		}
	}
}

func FuzzTokensEnd(f *testing.F) {
	f.Add([]byte("two words and é語🙂"), 5)
	f.Add([]byte{0xf0, 0x9f, 0x99, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80}, 1)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		n = 1 + (n&math32)%64
		for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, words{}} {
			end := tokensEnd(tok, text, n)
			all := len(tok.Encode(string(text)))
			if end < 0 || end > len(text) || (end == 0) != (all < n) {
				t.Fatalf("%s: %d tokens of %d end at %d of %d", tok.Name(), n, all, end, len(text))
			}
			if end > 0 && len(tok.Encode(string(text[:end]))) < n {
				t.Fatalf("%s: fewer than %d tokens up to %d", tok.Name(), n, end)
			}
			if utf8.Valid(text) && !utf8.Valid(text[:end]) {
				t.Fatalf("%s: a character is cut at %d", tok.Name(), end)
			}
		}
	})
}

const math32 = 1<<31 - 1
