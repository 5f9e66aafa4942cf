package tokenizer_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// editTexts are texts of several kinds, each a few thousand bytes long.
func editTexts(t testing.TB, r *rand.Rand) []string {
	code, mix := project(t, 1<<19), mixed(t, 1<<17)
	part := func(s string, n int) string {
		at := r.IntN(len(s) - n)
		return strings.ToValidUTF8(s[at:at+n], "")
	}
	letters := func(alphabet string, n int) string {
		var b strings.Builder
		runes := []rune(alphabet)
		for range n {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		return b.String()
	}
	return []string{
		part(code, 6000), part(mix, 6000), tokenizer.RandomText(r, 2000), letters("abcdefgh", 3000), letters("中文没有空格的一是", 1500),
		letters("aA", 2000), letters(" \n", 2000), letters("0123456789", 2000), letters("é\u0301e ", 2000), strings.Repeat("a", 4000), strings.Repeat("\n", 3000), "",
	}
}

func checkRandomEdits(t *testing.T, tok tokenizer.Tokenizer, r *rand.Rand, text string) {
	t.Helper()
	fact := []string{" The secret number of velan is 482913.", "x", "", "\n", "a", "é", "\u0301", "<|im_end|>", "中", "  ", "'s"}
	x := tokenizer.NewText(tok, text)
	for range 6 {
		var edits []tokenizer.Edit
		for at := 0; len(edits) < 4; {
			from := at + r.IntN(len(text)-at+1)
			to := from
			if r.IntN(2) == 0 {
				to += r.IntN(min(60, len(text)-from) + 1)
			}
			with := fact[r.IntN(len(fact))]
			if r.IntN(3) == 0 {
				with = tokenizer.RandomText(r, r.IntN(12))
			}
			edits = append(edits, tokenizer.Edit{From: from, To: to, With: with})
			if at = to; r.IntN(3) == 0 {
				break
			}
		}
		want := tok.Encode(tokenizer.Edited(text, edits...))
		got := x.Encode(edits...)
		if !slices.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			t.Fatalf("%s: edits %+v of %.200q of %d bytes: %d tokens, want %d; token %d differs: %v, want %v", tok.Name(), edits, text, len(text), len(got), len(want), at,
				got[at:min(at+9, len(got))], want[at:min(at+9, len(want))])
		}
		if n := x.Count(edits...); n != len(want) {
			t.Fatalf("%s: Count is %d, want %d", tok.Name(), n, len(want))
		}
	}
	cut := 0
	if len(text) > 0 {
		cut = r.IntN(len(text))
	}
	y := tokenizer.NewText(tok, text[:cut])
	y.Extend(text)
	if got, want := y.Encode(), tok.Encode(text); !slices.Equal(got, want) {
		t.Fatalf("%s: a text that was extended has %d tokens, want %d", tok.Name(), len(got), len(want))
	}
}

// The tokens of an edited text equal those of tokenizing it completely.
func TestEditedTextOfSubwords(t *testing.T) {
	for _, name := range []string{"gpt2", "prefix, NFC, ignore_merges", "digits, o200k", "falcon", "llama", "metaspace first", "metaspace, no split", "unigram", "lower, accents", "split merged_with_next"} {
		t.Run(name, func(t *testing.T) {
			tok := tokenizer.Case(t, name)
			r := rand.New(rand.NewPCG(1, 1))
			for range 2 {
				for _, text := range editTexts(t, r) {
					checkRandomEdits(t, tok, r, text)
				}
			}
		})
	}
}

// The same with published vocabularies.
func TestEditedTextOfPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute under the race detector")
	}
	for _, name := range []string{"gguf_smollm2", "gguf_aquila", "gguf_nomic-bert-moe", "hf_qwen3", "hf_llama2", "hf_gemma3", "tiktoken_cl100k_base"} {
		t.Run(name, func(t *testing.T) {
			tok := published(t, name)
			r := rand.New(rand.NewPCG(2, 2))
			for _, text := range editTexts(t, r) {
				checkRandomEdits(t, tok, r, text)
			}
		})
	}
}
