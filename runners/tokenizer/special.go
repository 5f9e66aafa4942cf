package tokenizer

import (
	"fmt"
	"slices"
)

// SpecialOf returns the special tokens of a tokenizer. For a tokenizer without any, such as Bytes,
// all are missing.
func SpecialOf(tok Tokenizer) Special {
	if s, ok := tok.(interface{ Special() Special }); ok {
		return s.Special()
	}
	return Special{BOS: -1, EOS: -1}
}

// PatternError is the panic value of Encode and Spans if a pattern of a tokenizer's file takes too
// long on a text. No published model has such a pattern. Callers recover from it if they can report
// what failed.
type PatternError struct {
	Tokenizer string
	Err       error
}

func (e *PatternError) Error() string { return fmt.Sprintf("tokenizer %s: %v", e.Tokenizer, e.Err) }

func (e *PatternError) Unwrap() error { return e.Err }

// Begin returns the tokens that precede every text that a model reads: BOS if the tokenizer's file
// asks for it.
func Begin(tok Tokenizer) []int {
	if s := SpecialOf(tok); s.AddBOS && s.BOS >= 0 {
		return []int{s.BOS}
	}
	return nil
}

// Continuation returns the tokens of text as a continuation of context: the tokens of both together
// without those of context. If a token spans the boundary, it returns the tokens of text alone.
func Continuation(tok Tokenizer, context, text string) []int {
	const near = 256 // bytes of context considered; no token is longer
	if n := len(context) - near; n > 0 {
		for n < len(context) && context[n]&0xc0 == 0x80 {
			n++
		}
		context = context[n:]
	}
	before, all := tok.Encode(context), tok.Encode(context+text)
	if len(all) > len(before) && slices.Equal(all[:len(before)], before) {
		return all[len(before):]
	}
	return tok.Encode(text)
}
