package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Merging with a heap gives the same result as scanning all pairs.
func TestMerges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"gpt2", "llama", "falcon"} {
		m := testCase(t, name).model.(*bpe)
		for range 3000 {
			word := strings.Repeat(randomText(r, 1+r.IntN(4)), 1+r.IntN(4))
			symbols := m.symbols(nil, word)
			if len(symbols) >= manySymbols {
				symbols = symbols[:manySymbols-1]
			}
			few, many := m.mergeFew(slices.Clone(symbols)), m.mergeMany(&worker{}, slices.Clone(symbols))
			if !slices.Equal(few, many) {
				t.Fatalf("%s: %q: %v by all pairs, %v by the heap", name, word, few, many)
			}
		}
	}
}

// TestBytesWithoutTokens: a sequence of bytes without tokens has no tokens either, and a table does
// not have the key that marks its free slots.
func TestBytesWithoutTokens(t *testing.T) {
	m := *testCase(t, "gpt2").model.(*bpe)
	symbols := *m.bytes
	for c := 0xf8; c < 0x100; c++ {
		symbols[c] = none
	}
	m.bytes, m.unk, m.skip = &symbols, none, false
	for _, text := range []string{"\xff\xfe", "\xff\xff\xff", strings.Repeat("\xfe", manySymbols+1)} {
		if got := m.tokens(&worker{}, nil, text); len(got) != 0 {
			t.Errorf("%q: %v, want no tokens", text, got)
		}
		if got := m.tokens(&worker{}, nil, text+"a"); len(got) != 1 || got[0] != (token{symbols['a'], int32(len(text)) + 1}) {
			t.Errorf("%qa: %v, want the token of a", text, got)
		}
	}
	if v, ok := newTable(1).get(noKey); ok {
		t.Errorf("an empty table has %d", v)
	}
}

// Splitting words at a ▁, and caching them, changes no tokens.
func TestWordsAreIndependent(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"llama", "metaspace first", "metaspace, no split", "unigram", "unigram, words"} {
		tok, whole := testCase(t, name), testCase(t, name)
		whole.joins = nil
		for range 1000 {
			text := randomText(r, r.IntN(60))
			if got, want := tok.Encode(text), whole.Encode(text); !slices.Equal(got, want) {
				t.Fatalf("%s: %q: %v, want %v", name, text, got, want)
			}
		}
	}
}

// A tokenizer, with its cache and its tables of characters, is safe for concurrent use.
func TestConcurrentUse(t *testing.T) {
	tok, alone := testCase(t, "digits, o200k"), testCase(t, "digits, o200k")
	r := rand.New(rand.NewPCG(7, 8))
	var texts []string
	var want [][]int
	for range 50 {
		s := randomText(r, 100)
		texts, want = append(texts, s), append(want, alone.Encode(s))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, s := range texts {
				if got := tok.Encode(s); !slices.Equal(got, want[i]) {
					t.Errorf("%q: %v, want %v", s, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// The cache is bounded, and dropped words are tokenized again.
func TestCacheIsBounded(t *testing.T) {
	tok := testCase(t, "gpt2")
	var b strings.Builder
	for i := range maxCache + 5000 {
		b.WriteByte(' ')
		for n := i; n > 0; n /= 26 {
			b.WriteByte(byte('a' + n%26))
		}
	}
	text := b.String()
	if got := tok.Decode(tok.Encode(text)); got != text {
		t.Error("the text changed")
	}
	for range 100 { // a pool may forget a worker
		if w, ok := tok.workers.Get().(*worker); ok {
			if len(w.cache) > maxCache || len(w.arena) > maxArena+maxCachedPiece {
				t.Errorf("%d pieces and %d tokens are kept", len(w.cache), len(w.arena))
			}
			return
		}
		tok.Encode(text)
	}
	t.Error("no worker is kept")
}

// roundTrips are byte-level tokenizers without normalization.
var roundTrips = []string{"digits, o200k", "falcon", "split isolated", "split contiguous", "lookahead"}

// checkText checks properties that hold for the tokens of any text.
func checkText(t testing.TB, tok *Subword, text string, roundTrip bool) {
	t.Helper()
	ids := tok.Encode(text)
	for _, id := range ids {
		if id < 0 || id >= tok.Vocab() {
			t.Fatalf("%q has the token %d of %d", text, id, tok.Vocab())
		}
	}
	if got := tok.Decode(ids); roundTrip && got != text {
		t.Fatalf("%q becomes %q", text, got)
	}
	spanIDs, ends := tok.Spans(text)
	if !slices.Equal(spanIDs, ids) || len(ends) != len(ids) || !slices.IsSorted(ends) || len(ends) > 0 && (ends[0] < 0 || ends[len(ends)-1] != len(text)) {
		t.Fatalf("%q: the spans %v end at %v, want %v", text, spanIDs, ends, ids)
	}
	if roundTrip {
		at := 0
		for i, id := range ids {
			if at += len(tok.Decode([]int{id})); at != ends[i] {
				t.Fatalf("%q: token %d ends at %d, want %d", text, i, ends[i], at)
			}
		}
	}
	if _, err := tok.EncodeSpecial(text); err != nil {
		t.Fatal(err)
	}
}

func FuzzEncode(f *testing.F) {
	for i, s := range readCases(f).Texts {
		if i%12 == 0 {
			f.Add(s)
		}
	}
	f.Add("\xff\xfe\x80a\xc3")
	f.Add(strings.Repeat("a", 3000))
	toks := map[string]*Subword{}
	for _, c := range readCases(f).Cases {
		toks[c.Name] = testCase(f, c.Name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, tok := range toks {
			checkText(t, tok, text, slices.Contains(roundTrips, name))
		}
		if llama := toks["llama"]; text != "" && !strings.Contains(text, "▁") {
			if got := llama.Decode(llama.Encode(text)); got != " "+text {
				t.Fatalf("%q becomes %q", text, got)
			}
		}
	})
}

func FuzzParseHF(f *testing.F) {
	f.Add([]byte(minimal), []byte(`{"bos_token":"<s>"}`), "a b <s>")
	for _, c := range readCases(f).Cases {
		if len(c.Tokenizer) < 14000 {
			f.Add([]byte(c.Tokenizer), []byte(`{}`), "a b")
		}
	}
	f.Fuzz(func(t *testing.T, file, config []byte, text string) {
		tok, err := ParseHF("t", file, config)
		if err != nil || len(text) > 200 {
			return
		}
		for _, special := range []bool{false, true} {
			if _, err := tok.Tokens(text, special); err != nil {
				t.Skip(err)
			}
		}
		tok.Spans(text)
		tok.Decode([]int{0, tok.Vocab() - 1})
	})
}

// metadata is the metadata of a GGUF file, by key.
type metadata map[string]any

func lookup[T any](m metadata, key string) (x T, ok bool, err error) {
	x, ok = m[key].(T)
	return x, ok, nil
}

func (m metadata) String(key string) (string, bool, error)    { return lookup[string](m, key) }
func (m metadata) Bool(key string) (bool, bool, error)        { return lookup[bool](m, key) }
func (m metadata) Uint(key string) (uint64, bool, error)      { return lookup[uint64](m, key) }
func (m metadata) Strings(key string) ([]string, bool, error) { return lookup[[]string](m, key) }
func (m metadata) Floats(key string) ([]float64, bool, error) { return lookup[[]float64](m, key) }
func (m metadata) Uints(key string) ([]uint64, bool, error)   { return lookup[[]uint64](m, key) }

// mistyped is metadata whose arrays of numbers have another type.
type mistyped struct{ metadata }

func (mistyped) Uints(key string) ([]uint64, bool, error) {
	return nil, true, fmt.Errorf("t: metadata %q is array of string", key)
}

// TestMistyped: the type of a value is reported, once with the file's name.
func TestMistyped(t *testing.T) {
	m := mistyped{metadata{ggml + "model": "gpt2", ggml + "pre": "gpt-2", ggml + "tokens": []string{"a", "b", "ab"}, ggml + "merges": []string{"a b"}}}
	const want = `t: metadata "tokenizer.ggml.token_type" is array of string`
	if _, err := FromGGUF("t", m); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestNoPre: a file that does not name its pre-tokenizer has a note, as its ids are uncertain.
func TestNoPre(t *testing.T) {
	m := metadata{ggml + "model": "gpt2", ggml + "tokens": []string{"a", "b", "ab"}, ggml + "merges": []string{"a b"}}
	for _, pre := range []string{"", "gpt-2"} {
		m[ggml+"pre"] = pre
		tok, err := FromGGUF("t", m)
		if err != nil {
			t.Fatal(err)
		}
		if note := tok.Note(); (note != "") != (pre == "") {
			t.Errorf("pre %q: note %q", pre, note)
		}
	}
}

func FuzzFromGGUF(f *testing.F) {
	f.Add("gpt2", "smollm", "<s>\na\nb\nab", "a b", []byte{3, 1, 1, 1}, uint64(0), true, "ab <s>")
	f.Add("llama", "", "<unk>\n<s>\n</s>\n▁\na\n▁a\n<0x0A>", "", []byte{2, 3, 3, 1, 1, 1, 6}, uint64(1), true, "a\nb")
	f.Add("t5", "", "<unk>\n▁\na\n▁a", "", []byte{2, 1, 1, 1}, uint64(0), false, "a a")
	f.Add("gemma4", "", "<unk>\n▁\na\n▁a\n\n\n\n", "▁ a", []byte{2, 1, 1, 1}, uint64(0), false, "a\n\na")
	f.Fuzz(func(t *testing.T, model, pre, tokens, merges string, types []byte, id uint64, flag bool, text string) {
		m := metadata{ggml + "model": model, ggml + "pre": pre, ggml + "bos_token_id": id, ggml + "unknown_token_id": id / 2, ggml + "add_space_prefix": flag}
		m[ggml+"tokens"] = strings.Split(tokens, "\n")
		m[ggml+"merges"] = strings.Split(merges, "\n")
		var kinds, table []uint64
		var scores []float64
		for i, x := range types {
			kinds, scores, table = append(kinds, uint64(x)), append(scores, -float64(x)-float64(i%3)), append(table, uint64(x))
		}
		m[ggml+"token_type"], m[ggml+"scores"] = kinds, scores
		if len(table) > 100 {
			m[ggml+"precompiled_charsmap"] = table
		}
		tok, err := FromGGUF("t", m)
		if err != nil || len(text) > 500 {
			return
		}
		checkText(t, tok, text, false)
	})
}

func FuzzSentencePiece(f *testing.F) {
	f.Add(spModelBytes(2, true), "a b")
	f.Add(spModelBytes(1, false), "a b")
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		tok, err := ParseSentencePiece("t", file)
		if err != nil || len(text) > 500 {
			return
		}
		checkText(t, tok, text, false)
	})
}

func FuzzRanks(f *testing.F) {
	var all strings.Builder
	for _, s := range rankLines() {
		all.WriteString(s + "\n")
	}
	f.Add([]byte(all.String()), "ab <|endoftext|>", true)
	f.Add([]byte("IQ== 0\nIQ== 1\n"), "", false)
	f.Fuzz(func(t *testing.T, file []byte, text string, yoco bool) {
		r := CL100K()
		if yoco {
			r = YOCO()
		}
		tok, err := ParseRanks("t", file, r)
		if err != nil || len(text) > 500 {
			return
		}
		checkText(t, tok, text, true)
	})
}

func FuzzCharsmap(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 0, 4, 0, 0, 'a', 0}, "abc")
	f.Fuzz(func(t *testing.T, table []byte, text string) {
		m, err := parseCharsmap(table)
		if err != nil || m == nil {
			return
		}
		for _, n := range []normalizer{m, graphemes{m}} {
			a := aligned{s: text}
			if err := n.apply(&a); err != nil {
				t.Fatal(err)
			}
			if a.ends != nil && (len(a.ends) != len(a.s) || !slices.IsSorted(a.ends)) {
				t.Fatalf("%q becomes %q with ends %v", text, a.s, a.ends)
			}
		}
	})
}
