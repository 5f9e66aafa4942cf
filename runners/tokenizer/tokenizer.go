// Package tokenizer converts text to token ids and back. A model's config names its tokenizer; New
// returns it.
//
// Subword is the tokenizer of a published model. ParseHF reads Hugging Face's tokenizer.json,
// FromGGUF the metadata of a GGUF file, ParseSentencePiece a .model file and ParseRanks a tiktoken
// file. One interpreter runs them all:
//
//	added tokens -> normalizers -> pre-tokenizer (patterns) -> model (BPE, Unigram)
//
// A setting of a file that this package does not support is an error that names it.
// testdata/real/tokens has the ids of 419 strings for 15 published vocabularies, made by the
// libraries that they come from.
package tokenizer

import (
	"fmt"
	"math"
	"strings"
)

// Tokenizer converts between text and token ids. Implementations are safe for concurrent use.
type Tokenizer interface {
	// Name is the tokenizer's name in configs and records, such as "bytes".
	Name() string
	// Vocab is the number of token ids; ids are 0..Vocab-1.
	Vocab() int
	// Encode returns the ids of text, without special tokens before or after it. Encode(a + b) may
	// differ from Encode(a) + Encode(b).
	Encode(text string) []int
	// Decode returns the text of ids. An id without a text (a special token, or one outside the
	// vocabulary) becomes U+FFFD.
	Decode(ids []int) string
}

// New returns the tokenizer named in a config.
func New(name string) (Tokenizer, error) {
	switch name {
	case "bytes":
		return Bytes{}, nil
	case "":
		return nil, fmt.Errorf("the model has no tokenizer: it takes token ids only")
	default:
		return nil, fmt.Errorf("unknown tokenizer %q (known: bytes)", name)
	}
}

// Bytes is the tokenizer whose tokens are the bytes of the text.
type Bytes struct{}

// Name is "bytes".
func (Bytes) Name() string { return "bytes" }

// Vocab is 256. A model's vocabulary may be larger; ids from 256 on have no text.
func (Bytes) Vocab() int { return 256 }

// Encode returns the bytes of text.
func (Bytes) Encode(text string) []int {
	ids := make([]int, len(text))
	for i := range len(text) {
		ids[i] = int(text[i])
	}
	return ids
}

// Spans returns the bytes of text and their ends.
func (b Bytes) Spans(text string) (ids, ends []int) {
	ids, ends = b.Encode(text), make([]int, len(text))
	for i := range ends {
		ends[i] = i + 1
	}
	return ids, ends
}

// Decode joins bytes; the result need not be valid UTF-8.
func (Bytes) Decode(ids []int) string {
	var b strings.Builder
	b.Grow(len(ids))
	for _, id := range ids {
		if id < 0 || id > 255 {
			b.WriteRune('\uFFFD')
			continue
		}
		b.WriteByte(byte(id))
	}
	return b.String()
}

// Estimate is a substitute for an unknown tokenizer: it counts one token for every 4 bytes of text,
// the average of large models' tokenizers in English. Its tokens have no text.
type Estimate struct{}

// estimateBytes is the number of bytes of text per token.
const estimateBytes = 4

// Name describes the estimate.
func (Estimate) Name() string { return "4 bytes a token" }

// Vocab is 1: all tokens are the same.
func (Estimate) Vocab() int { return 1 }

// Encode returns a zero for every 4 bytes of text, rounded up.
func (Estimate) Encode(text string) []int {
	return make([]int, (len(text)+estimateBytes-1)/estimateBytes)
}

// Spans gives each token 4 bytes; the last one may be shorter.
func (e Estimate) Spans(text string) (ids, ends []int) {
	ids = e.Encode(text)
	ends = make([]int, len(ids))
	for i := range ends {
		ends[i] = min(estimateBytes*(i+1), len(text))
	}
	return ids, ends
}

// Decode returns U+FFFD for each token.
func (Estimate) Decode(ids []int) string { return strings.Repeat("\uFFFD", len(ids)) }

// Ratio is an Estimate whose number of bytes of text per token was measured. It is positive.
type Ratio float64

// Name describes the estimate.
func (r Ratio) Name() string { return fmt.Sprintf("%.3g bytes a token", float64(r)) }

// Vocab is 1: all tokens are the same.
func (Ratio) Vocab() int { return 1 }

// Encode returns a zero for each token, rounded up.
func (r Ratio) Encode(text string) []int {
	return make([]int, int(math.Ceil(float64(len(text))/float64(r))))
}

// Decode returns U+FFFD for each token.
func (Ratio) Decode(ids []int) string { return strings.Repeat("\uFFFD", len(ids)) }

// AtMost returns the largest number of tokens that a text may have: its bytes, if tok is an
// estimate.
func AtMost(tok Tokenizer, text string) int {
	switch tok.(type) {
	case Estimate, Ratio:
		return len(text)
	}
	return len(tok.Encode(text))
}
