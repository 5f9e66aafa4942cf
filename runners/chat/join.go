package chat

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Encoder is a tokenizer with special tokens.
type Encoder interface {
	// Encode returns the ids of text; special tokens in it are plain text.
	Encode(text string) []int
	// EncodeSpecial returns the ids of text with its special tokens.
	EncodeSpecial(text string) ([]int, error)
}

// Joint is a template as tokens. The ids of a prompt are Before, Encode(Head + message + Tail), and
// After. Head and Tail are the template's plain text next to the message; tokens may span the
// boundary between them and the message.
type Joint struct {
	Before, After []int
	Head, Tail    string
}

// Message returns a user's message as the template would render it.
func (t *Template) Message(text string) string {
	if t.TrimLeft {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	if t.TrimRight {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	}
	return text
}

// Encode returns the ids of the prompt for a user's message.
func (t *Template) Encode(e Encoder, message string) ([]int, error) {
	j, err := t.Join(e)
	return slices.Concat(j.Before, e.Encode(j.Head+t.Message(message)+j.Tail), j.After), err
}

// Join encodes the text around a message.
func (t *Template) Join(tok Encoder) (j Joint, err error) {
	e := &encoder{Encoder: tok}
	before, after := e.plainEnds(t.Prefix), e.plainEnds(t.Suffix)
	if n := len(before) - 1; n >= 0 && before[n].Plain {
		j.Head, before = before[n].Text, before[:n]
	}
	if len(after) > 0 && after[0].Plain {
		j.Tail, after = after[0].Text, after[1:]
	}
	j.Before, j.After = e.parts(before), e.parts(after)
	return j, e.err
}

// encoder is an Encoder that keeps its first error.
type encoder struct {
	Encoder
	err error
}

func (e *encoder) special(text string) []int {
	ids, err := e.EncodeSpecial(text)
	if e.err == nil {
		e.err = err
	}
	return ids
}

// parts encodes parts one by one.
func (e *encoder) parts(parts []Part) (ids []int) {
	for _, p := range parts {
		if p.Plain {
			ids = append(ids, e.Encode(p.Text)...)
		} else {
			ids = append(ids, e.special(p.Text)...)
		}
	}
	return ids
}

// plainEnds splits each part of markup into the plain text at its ends and the rest, and joins
// adjacent plain texts.
func (e *encoder) plainEnds(parts []Part) (out []Part) {
	add := func(text string, plain bool) {
		switch n := len(out) - 1; {
		case text == "":
		case n >= 0 && plain && out[n].Plain:
			out[n].Text += text
		default:
			out = append(out, Part{text, plain})
		}
	}
	for _, p := range parts {
		if p.Plain {
			add(p.Text, true)
			continue
		}
		from := e.plainEnd(p.Text, true)
		to := len(p.Text) - e.plainEnd(p.Text[from:], false)
		add(p.Text[:from], true)
		add(p.Text[from:to], false)
		add(p.Text[to:], true)
	}
	return out
}

// margin bounds the plain text at an end of markup, in bytes. No token is longer.
const margin = 256

// plainEnd returns the length of the longest start or end of text, up to margin, that contains no
// special token and whose ids do not depend on the rest.
func (e *encoder) plainEnd(text string, start bool) (best int) {
	whole := e.special(text)
	if slices.Equal(whole, e.Encode(text)) {
		return len(text)
	}
	for n := 1; n <= min(margin, len(text)-1); n++ {
		at := n
		if !start {
			at = len(text) - n
		}
		if !utf8.RuneStart(text[at]) {
			continue
		}
		end, rest := text[:at], text[at:]
		if !start {
			end, rest = rest, end
		}
		plain, special := e.Encode(end), e.special(rest)
		if !slices.Equal(plain, e.special(end)) {
			return best
		}
		if start && slices.Equal(whole, slices.Concat(plain, special)) || !start && slices.Equal(whole, slices.Concat(special, plain)) {
			best = n
		}
	}
	return best
}
