package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// counted counts the bytes passed to a tokenizer. The tokenizers below embed it.
type counted struct{ bytes *int }

func (c counted) count(text string) {
	if c.bytes != nil {
		*c.bytes += len(text)
	}
}

// words has a token for each word with the space before it, cut into pieces of at most 5 bytes. As
// in byte-level BPE, text next to a word changes the word's tokens.
type words struct{ counted }

func (words) Name() string { return "words" }
func (words) Vocab() int   { return 1 << 48 }
func (w words) Encode(text string) (ids []int) {
	w.count(text)
	letter := func(c byte) bool { return c >= 0x80 || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) }
	for at := 0; at < len(text); {
		end := at + 1
		if letter(text[at]) || text[at] == ' ' && end < len(text) && letter(text[end]) {
			for end < len(text) && letter(text[end]) {
				end++
			}
		} else {
			for end < len(text) && text[end] == text[at] {
				end++
			}
		}
		for ; at < end; at += 5 {
			ids = append(ids, packed(text[at:min(at+5, end)]))
		}
		at = end
	}
	return ids
}
func (words) Decode(ids []int) string { return unpacked(ids) }

// packed encodes up to 5 bytes of text as an id; unpacked decodes ids.
func packed(text string) (id int) {
	for i := range len(text) {
		id = id<<8 | int(text[i])
	}
	return id<<3 | len(text)
}

func unpacked(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		for i := id & 7; i > 0; i-- {
			b.WriteByte(byte(id >> 3 >> (8 * (i - 1))))
		}
	}
	return b.String()
}

// blocks has a token for every 3 bytes: an edit changes all tokens after it.
type blocks struct{ counted }

func (blocks) Name() string { return "blocks" }
func (blocks) Vocab() int   { return 1 << 48 }
func (t blocks) Encode(text string) (ids []int) {
	t.count(text)
	for at := 0; at < len(text); at += 3 {
		ids = append(ids, packed(text[at:min(at+3, len(text))]))
	}
	return ids
}
func (blocks) Decode(ids []int) string { return unpacked(ids) }

// spaced puts a space before the text, as SentencePiece does, and decodes it too, so its tokens are
// not pieces of the text.
type spaced struct{ words }

func (s spaced) Encode(text string) []int { return s.words.Encode(" " + text) }

// spacedSpans is spaced as a Spanner.
type spacedSpans struct{ spaced }

func (s spacedSpans) Spans(text string) (ids, ends []int) {
	ids = s.Encode(text)
	at := -1
	for _, id := range ids {
		at += id & 7
		ends = append(ends, at)
	}
	return ids, ends
}

func someText(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		switch r.IntN(12) {
		case 0:
			b.WriteString(". ")
		case 1:
			b.WriteString("\n\n")
		case 2:
			b.WriteString(strings.Repeat("=", 1+r.IntN(100)))
		case 3:
			b.WriteString("żółć")
		default:
			b.WriteString(" " + strings.Repeat(string(rune('a'+r.IntN(4))), 1+r.IntN(14)))
		}
	}
	return b.String()[:n]
}

// checkEdits compares the tokens of an edited text with those of tokenizing it completely.
func checkEdits(t *testing.T, tok Tokenizer, text string, edits []Edit) {
	t.Helper()
	want := tok.Encode(edited(text, 0, len(text), edits))
	x := NewText(tok, text)
	got := x.Encode(edits...)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %d bytes with the edits %+v have %d tokens, want the %d of the whole: %q", tok.Name(), len(text), edits, len(got), len(want), text)
	}
	if n := x.Count(edits...); n != len(want) {
		t.Fatalf("%s: Count is %d, want %d", tok.Name(), n, len(want))
	}
}

// The tokens of an edited text equal those of the complete text, whatever the tokenizer merges.
func TestEditedText(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, tok := range []Tokenizer{Bytes{}, Estimate{}, Ratio(2.7), words{}, blocks{}, spaced{}, spacedSpans{}} {
		for range 300 {
			text := someText(r, r.IntN(3000))
			var edits []Edit
			for at := 0; len(edits) < 6; {
				from := at + r.IntN(len(text)-at+1)
				to := from
				if r.IntN(3) == 0 {
					to += r.IntN(len(text) - from + 1)
				}
				edits = append(edits, Edit{from, to, someText(r, r.IntN(40))})
				if at = to; r.IntN(4) == 0 {
					break
				}
			}
			checkEdits(t, tok, text, edits)
		}
		checkEdits(t, tok, "", []Edit{{0, 0, "all of it"}})
		checkEdits(t, tok, "some text", nil)
		checkEdits(t, tok, "some text", []Edit{{0, 9, ""}})
	}
}

// After Extend the tokens equal those of the complete text.
func TestExtend(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, tok := range []Tokenizer{Bytes{}, Estimate{}, Ratio(2.7), words{}, blocks{}, spaced{}, spacedSpans{}} {
		for range 30 {
			text := someText(r, 4000)
			x := NewText(tok, text[:r.IntN(2000)])
			for n := x.Bytes(); n < len(text); {
				n = min(len(text), n+r.IntN(1000))
				x.Extend(text[:n])
			}
			y := NewText(tok, text)
			if !slices.Equal(x.Encode(), y.ids) || !slices.Equal(x.ends, y.ends) || x.Bytes() != len(text) {
				t.Fatalf("%s: %d tokens after Extend, want %d", tok.Name(), len(x.ids), len(y.ids))
			}
		}
	}
}

// TestTokensBefore: Before counts the tokens before a byte offset.
func TestTokensBefore(t *testing.T) {
	text := "The mill stood still. Nobody came to see it."
	for _, tok := range []Tokenizer{Bytes{}, words{}, blocks{}, spacedSpans{}} {
		x := NewText(tok, text)
		for n := range len(text) + 1 {
			want, at := 0, 0
			for want < len(x.ids) {
				if at += len(tok.Decode(x.ids[want : want+1])); tok.Name() == "words" && x.ends[len(x.ids)-1] < len(tok.Decode(x.ids)) && want == 0 {
					at-- // the space added by spaced
				}
				if at > n {
					break
				}
				want++
			}
			if got := x.Before(n); got != want {
				t.Errorf("%s: %d tokens in the first %d bytes, want %d", tok.Name(), got, n, want)
			}
		}
	}
	if x := NewText(spaced{}, text); x.Before(0) != 0 || x.Before(len(text)) != len(x.ids) {
		t.Errorf("%d to %d of %d tokens", x.Before(0), x.Before(len(text)), len(x.ids))
	}
}

// Many edited texts cost the tokenizer little more than tokenizing the text once.
func TestEditsTokeniseLittle(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	text := someText(r, 1<<20)
	for name, make := range map[string]func(counted) Tokenizer{
		"words":       func(c counted) Tokenizer { return words{c} },
		"spacedSpans": func(c counted) Tokenizer { return spacedSpans{spaced{words{c}}} },
	} {
		given := 0
		x := NewText(make(counted{&given}), text[:1<<18])
		x.Extend(text)
		for range 100 {
			var edits []Edit
			for i := range 4 {
				at := i<<18 + r.IntN(1<<18)
				edits = append(edits, Edit{at, at, " The secret number of velan is 482913."})
			}
			x.Count(edits...)
		}
		if given > 5*len(text)/4 {
			t.Errorf("%s: the tokenizer was given %d bytes for 100 edits of a text of %d", name, given, len(text))
		}
	}
}

func FuzzEditedText(f *testing.F) {
	f.Add("The mill stood still. Nobody came.", "The secret number of velan is 482913.", uint16(21), uint16(0))
	f.Add(strings.Repeat("a", 2000), "aaa", uint16(1000), uint16(7))
	f.Add(strings.Repeat("ab, ", 500)+"\xff\xc3", "\x80", uint16(999), uint16(1001))
	f.Fuzz(func(t *testing.T, text, with string, at, cut uint16) {
		from := min(int(at), len(text))
		edits := []Edit{{from, min(len(text), from+int(cut)), with}}
		for _, tok := range []Tokenizer{words{}, blocks{}, spacedSpans{}} {
			checkEdits(t, tok, text, edits)
		}
	})
}
