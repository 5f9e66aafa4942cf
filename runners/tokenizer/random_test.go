package tokenizer_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

var random = flag.Int64("random", 1<<20, "bytes of random text for TestRandomText, for all vocabularies together")

// exact are the published byte-level vocabularies with a token for each byte and without
// normalization. Their tokens decode to exactly the text.
var exact = []string{"gguf_aquila", "gguf_gpt-2", "gguf_llama-bpe", "gguf_qwen2", "hf_deepseek_v3", "hf_llama3", "tiktoken_cl100k_base"}

// randomUnicode returns text of about n characters: known difficult ones, characters of all planes,
// words, runs, and, unless valid is set, invalid UTF-8.
func randomUnicode(r *rand.Rand, n int, valid bool) string {
	var b strings.Builder
	for b.Len() < n {
		switch k := r.IntN(10); {
		case k < 4:
			b.WriteString(tokenizer.RandomText(r, 20))
		case k < 6:
			for range 20 {
				c := r.Int32N(utf8.MaxRune + 1)
				if r.IntN(2) == 0 {
					c = r.Int32N(0x3000)
				}
				b.WriteRune(c) // a surrogate becomes U+FFFD
			}
		case k < 8:
			for range r.IntN(12) {
				b.WriteString("the quick lazy ein \n unter 中文字 где"[r.IntN(20):][:1+r.IntN(8)])
			}
		case k == 8:
			b.WriteString(strings.Repeat(tokenizer.RandomText(r, 1), r.IntN(200)))
		default:
			for range r.IntN(8) {
				b.WriteByte(byte(r.Uint32()))
			}
		}
	}
	if s := b.String(); !valid {
		return s
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// The tokens of random Unicode and invalid UTF-8 cover the text, and byte-level tokens decode to
// it. Two files of Mistral's vocabulary give the same tokens, although one has a list of merges and
// the other has scores. `make fuzz-tokenizers` does this with a gigabyte.
func TestRandomText(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute under the race detector")
	}
	list := names(t)
	for _, name := range list {
		t.Run(name, func(t *testing.T) {
			tok := published(t, name)
			var twin *tokenizer.Subword
			if name == "hf_llama2" {
				twin = published(t, "spm_mistral_v1")
			}
			seed := uint64(len(name)) + uint64(*random)
			r := rand.New(rand.NewPCG(seed, 11))
			start, done, tokens := time.Now(), int64(0), 0
			for i := 0; done < *random/int64(len(list)); i++ {
				text := randomUnicode(r, 1+r.IntN(1<<(r.IntN(10)+4)), twin != nil)
				done += int64(len(text))
				ids := tok.Encode(text)
				tokens += len(ids)
				for _, id := range ids {
					if id < 0 || id >= tok.Vocab() {
						t.Fatalf("%q has the token %d", text, id)
					}
				}
				if slices.Contains(exact, name) {
					if got := tok.Decode(ids); got != text {
						t.Fatalf("%q becomes %q", text, got)
					}
				}
				if twin != nil {
					if got := twin.Encode(text); !slices.Equal(got, ids) {
						t.Fatalf("%q: %v, of the other file %v", text, ids, got)
					}
				}
				if i%4 == 0 {
					spanIDs, ends := tok.Spans(text)
					if !slices.Equal(spanIDs, ids) || len(ends) != len(ids) || !slices.IsSorted(ends) || len(ends) > 0 && ends[len(ends)-1] != len(text) {
						t.Fatalf("%q: the spans %v end at %v, want %v", text, spanIDs, ends, ids)
					}
					if _, err := tok.EncodeSpecial(text); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Logf("%d bytes, %d tokens in %v", done, tokens, time.Since(start))
		})
	}
}
