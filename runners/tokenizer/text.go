package tokenizer

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Spanner is a Tokenizer that can locate its tokens in a text.
type Spanner interface {
	// Spans returns the ids of text, as Encode does, and the byte offset at which each token ends.
	// The offsets never decrease; the last one is len(text).
	Spans(text string) (ids, ends []int)
}

// spans returns the spans of any tokenizer: its own, or those of tokens that decode one by one to
// pieces of the text. If they do not, ends is nil.
func spans(tok Tokenizer, text string) (ids, ends []int) {
	if s, ok := tok.(Spanner); ok {
		ids, ends = s.Spans(text)
		if len(ids) == 0 && text != "" {
			ends = nil // normalization left nothing
		}
		return ids, ends
	}
	ids = tok.Encode(text)
	ends = make([]int, len(ids))
	at := 0
	for i := range ids {
		piece := tok.Decode(ids[i : i+1])
		if !strings.HasPrefix(text[at:], piece) {
			return ids, nil
		}
		at += len(piece)
		ends[i] = at
	}
	if at != len(text) {
		return ids, nil
	}
	return ids, ends
}

// Text is a text and its tokens. It computes the tokens of variants of the text that differ in a
// few places, such as prompts that hide different facts in one haystack, by tokenizing only those
// places and their surroundings. A window around a place is wide enough if the tokens near both of
// its ends equal those of the Text, at the same positions, across some changes between letters,
// digits, spaces and other characters; otherwise it grows, up to the whole text. (Within one long
// run of digits, tokens could agree by accident although the groups start at a different digit.)
//
// If the tokenizer is not a Spanner and its tokens do not decode one by one to pieces of the text,
// every edited text is tokenized completely.
type Text struct {
	tok  Tokenizer
	text string
	// ids are the tokens; ends[i] is the byte offset at which token i ends. ends is nil if the
	// offsets are unknown.
	ids, ends []int
}

// NewText tokenizes text.
func NewText(tok Tokenizer, text string) *Text {
	t := &Text{tok: tok, text: text}
	t.ids, t.ends = spans(tok, text)
	return t
}

// Bytes returns the length of the text in bytes.
func (t *Text) Bytes() int { return len(t.text) }

// Extend replaces the text by a longer one that begins with it. It tokenizes only the new part and
// the end of the old text.
func (t *Text) Extend(text string) {
	edit := Edit{len(t.text), len(t.text), text[len(t.text):]}
	if t.ends == nil {
		*t = *NewText(t.tok, text)
		return
	}
	w := t.window([]Edit{edit})
	if w.ends == nil {
		*t = *NewText(t.tok, text)
		return
	}
	for i, e := range w.ends {
		w.ends[i] = w.from + e
	}
	t.ids = append(t.ids[:w.left], w.ids...)
	t.ends = append(t.ends[:w.left], w.ends...)
	t.text = text
}

// Before returns the number of tokens that end within the first n bytes of the text.
func (t *Text) Before(n int) int {
	if t.ends == nil {
		return int(int64(len(t.ids)) * int64(n) / int64(max(1, len(t.text)))) // an approximation
	}
	return sort.SearchInts(t.ends, n+1)
}

// Edit replaces the bytes From to To of a text with With.
type Edit struct {
	From, To int
	With     string
}

// Encode returns the tokens of the edited text. Edits are in ascending order and do not overlap.
func (t *Text) Encode(edits ...Edit) []int {
	ids := make([]int, 0, len(t.ids)+len(edits)*2*firstMargin)
	from := 0
	t.windows(edits, func(w window) {
		ids = append(ids, t.ids[from:w.left]...)
		ids = append(ids, w.ids...)
		from = w.right
	})
	return append(ids, t.ids[from:]...)
}

// Count returns the number of tokens of the edited text: len(t.Encode(edits...)).
func (t *Text) Count(edits ...Edit) int {
	n := len(t.ids)
	t.windows(edits, func(w window) { n += len(w.ids) - (w.right - w.left) })
	return n
}

// windows calls do with the windows that contain all edits, in order.
func (t *Text) windows(edits []Edit, do func(window)) {
	if len(edits) == 0 {
		return
	}
	if t.ends == nil {
		do(window{ids: t.tok.Encode(Edited(t.text, edits...)), right: len(t.ids)})
		return
	}
	n := t.near(edits)
	w := t.window(edits[:n])
	for n < len(edits) {
		next := n + t.near(edits[n:])
		for next < len(edits) && edits[next].From <= t.offset(w.right) {
			next++
		}
		if edits[n].From > t.offset(w.right) {
			if v := t.window(edits[n:next]); v.left >= w.right {
				do(w)
				edits, w, n = edits[n:], v, next-n
				continue
			}
		}
		w, n = t.window(edits[:next]), next // merge with the previous window
	}
	do(w)
}

// near returns the length of the run of edits that are close to each other, at the start of edits.
func (t *Text) near(edits []Edit) int {
	n := 1
	for n < len(edits) && t.Before(edits[n].From)-t.Before(edits[n-1].To) <= 2*firstMargin {
		n++
	}
	return n
}

// window is a part of a text in which the tokens left to right are replaced by ids.
type window struct {
	left, right int
	ids, ends   []int // ends are relative to from
	from        int
}

// The size of windows, in tokens.
const (
	firstMargin = 32 // tokens on either side of an edit
	agreeing    = 8  // consecutive tokens that must agree at each end of a window
	changing    = 2  // changes between kinds of characters in them
)

// offset returns the byte at which token i begins.
func (t *Text) offset(i int) int {
	if i == 0 {
		return 0
	}
	return t.ends[i-1]
}

// window returns a window around the given edits.
func (t *Text) window(edits []Edit) window {
	first, last := edits[0].From, edits[len(edits)-1].To
	before, after := t.Before(first), sort.Search(len(t.ids), func(i int) bool { return t.offset(i) >= last })
	after = max(after, before)
	for margin := firstMargin; ; margin *= 4 {
		left, right := max(0, before-margin), min(len(t.ids), after+margin)
		from, to := t.offset(left), t.offset(right)
		text := edited(t.text, from, to, edits)
		ids, ends := spans(t.tok, text)
		w := window{left: left, right: right, ids: ids, ends: ends, from: from}
		if left == 0 && right == len(t.ids) {
			return w
		}
		if ends != nil && (left == 0 || t.meetLeft(&w, first)) && (right == len(t.ids) || t.meetRight(&w, last, len(text)-(to-from))) {
			return w
		}
	}
}

// agreement counts the tokens of a window and of the text that agree, one after the other.
type agreement struct{ tokens, changes int }

// add takes a pair of tokens, from byte begin to byte end of the text if they are the same. It
// reports whether enough agree. Tokens of no length decide nothing: those of a character that
// normalization replaced may be counted in different order.
func (a *agreement) add(same bool, text string, begin, end int) bool {
	switch {
	case !same:
		*a = agreement{}
		return false
	case begin == end:
		return false
	}
	a.tokens++
	last := -1
	for _, r := range text[begin:end] {
		k := kindOf(r)
		if last >= 0 && k != last {
			a.changes++
		}
		last = k
	}
	if before, n := utf8.DecodeLastRuneInString(text[:begin]); n > 0 && a.tokens > 1 {
		if after, _ := utf8.DecodeRuneInString(text[begin:]); kindOf(before) != kindOf(after) {
			a.changes++
		}
	}
	return a.tokens >= agreeing && a.changes >= changing
}

// The kinds of characters between which tokenizers cut.
const (
	kindOther = iota
	kindLetter
	kindDigit
	kindSpace
)

func kindOf(r rune) int {
	switch {
	case r < utf8.RuneSelf && (r|0x20 >= 'a' && r|0x20 <= 'z') || r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsMark(r)):
		return kindLetter
	case r == ' ' || unicode.IsSpace(r):
		return kindSpace
	case unicode.IsNumber(r):
		return kindDigit
	}
	return kindOther
}

// meetLeft drops the beginning of w up to where its tokens agree with the text's, before byte
// limit.
func (t *Text) meetLeft(w *window, limit int) bool {
	var run agreement
	for i, j := w.left, 0; i < len(t.ids) && j < len(w.ids); {
		e, f := t.ends[i], w.from+w.ends[j]
		if e > limit || f > limit {
			return false
		}
		begin := w.from
		if j > 0 {
			begin += w.ends[j-1]
		}
		enough := run.add(e == f && t.ids[i] == w.ids[j] && t.offset(i) == begin, t.text, begin, e)
		if e <= f {
			i++
		}
		if f <= e {
			j++
		}
		if enough {
			// Keep ends relative to the window's new start.
			cut := w.ends[j-1]
			w.left, w.ids, w.ends, w.from = i, w.ids[j:], w.ends[j:], w.from+cut
			for k := range w.ends {
				w.ends[k] -= cut
			}
			return true
		}
	}
	return false
}

// meetRight drops the end of w from where its tokens agree with the text's, after byte limit. shift
// is the length of the window minus that of the text it replaces.
func (t *Text) meetRight(w *window, limit, shift int) bool {
	var run agreement
	begin := func(j int) int {
		if j == 0 {
			return w.from - shift
		}
		return w.from + w.ends[j-1] - shift
	}
	for i, j := w.right-1, len(w.ids)-1; i >= w.left && j >= 0; {
		b, c := t.offset(i), begin(j)
		if b < limit || c < limit {
			return false
		}
		if run.add(b == c && t.ids[i] == w.ids[j] && t.ends[i] == w.from+w.ends[j]-shift, t.text, b, t.ends[i]) {
			w.right, w.ids, w.ends = i, w.ids[:j], w.ends[:j]
			return true
		}
		if b >= c {
			i--
		}
		if c >= b {
			j--
		}
	}
	return false
}

// Edited returns text with the edits applied. They are in ascending order and do not overlap.
func Edited(text string, edits ...Edit) string { return edited(text, 0, len(text), edits) }

// edited returns text[from:to] with the edits applied; all edits are inside that range.
func edited(text string, from, to int, edits []Edit) string {
	var b strings.Builder
	for _, e := range edits {
		b.WriteString(text[from:e.From])
		b.WriteString(e.With)
		from = e.To
	}
	b.WriteString(text[from:to])
	return b.String()
}
