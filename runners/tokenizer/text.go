package tokenizer

import (
	"sort"
	"strings"
)

// Spanner is a Tokenizer that knows where its tokens are in a text.
type Spanner interface {
	// Spans returns the ids of text, as Encode does, and the byte offset at which each token ends.
	// The offsets do not fall; the last one is len(text).
	Spans(text string) (ids, ends []int)
}

// spans are those of any tokenizer: its own, or those of tokens that decode to the text one by one.
// ends is nil where they do not.
func spans(tok Tokenizer, text string) (ids, ends []int) {
	if s, ok := tok.(Spanner); ok {
		return s.Spans(text)
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

// Text is a text and its tokens. It finds the tokens of texts that differ from it in a few places,
// such as prompts that hide different facts in one haystack, by tokenising those places and their
// surroundings only. A window around a place is wide enough where tokens near both its ends are
// those of the Text, in the same positions; otherwise it grows, up to the whole text.
//
// A tokenizer that is no Spanner and whose tokens do not decode to pieces of the text, one by one,
// tokenises each edited text whole.
type Text struct {
	tok  Tokenizer
	text string
	// ids are the tokens; ends[i] is the byte offset at which the i-th one ends, nil where that is
	// not known.
	ids, ends []int
}

// NewText tokenises text.
func NewText(tok Tokenizer, text string) *Text {
	t := &Text{tok: tok, text: text}
	t.ids, t.ends = spans(tok, text)
	return t
}

// Bytes is the length of the text.
func (t *Text) Bytes() int { return len(t.text) }

// Extend makes text, which begins with t's, the text of t. Only what is new and the end of the old
// text are tokenised.
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

// Before is the number of tokens that end within the first n bytes of the text.
func (t *Text) Before(n int) int {
	if t.ends == nil {
		return int(int64(len(t.ids)) * int64(n) / int64(max(1, len(t.text)))) // about as many
	}
	return sort.SearchInts(t.ends, n+1)
}

// Edit replaces the bytes From to To of a text by With.
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

// Count is the number of tokens of the edited text: len(t.Encode(edits...)).
func (t *Text) Count(edits ...Edit) int {
	n := len(t.ids)
	t.windows(edits, func(w window) { n += len(w.ids) - (w.right - w.left) })
	return n
}

// windows calls do with the windows that hold all edits, in order.
func (t *Text) windows(edits []Edit, do func(window)) {
	if len(edits) == 0 {
		return
	}
	if t.ends == nil {
		do(window{ids: t.tok.Encode(edited(t.text, 0, len(t.text), edits)), right: len(t.ids)})
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
		w, n = t.window(edits[:next]), next // the two are one
	}
	do(w)
}

// near is the number of edits, the first and those that follow it closely.
func (t *Text) near(edits []Edit) int {
	n := 1
	for n < len(edits) && t.Before(edits[n].From)-t.Before(edits[n-1].To) <= 2*firstMargin {
		n++
	}
	return n
}

// window is a part of a text: its tokens left to right take the place of ids.
type window struct {
	left, right int
	ids, ends   []int // ends are relative to from
	from        int
}

// The size of windows, in tokens.
const (
	firstMargin = 32 // tokens on either side of an edit
	agreeing    = 8  // tokens in a row that a window and the text have in common where they meet
)

// offset is the byte at which the i-th token begins.
func (t *Text) offset(i int) int {
	if i == 0 {
		return 0
	}
	return t.ends[i-1]
}

// window finds the tokens around edits.
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

// meetLeft drops the beginning of w up to where its tokens are the text's, before byte limit.
func (t *Text) meetLeft(w *window, limit int) bool {
	run := 0
	for i, j := w.left, 0; i < len(t.ids) && j < len(w.ids); {
		e, f := t.ends[i], w.from+w.ends[j]
		if e > limit || f > limit {
			return false
		}
		begin := w.from
		if j > 0 {
			begin += w.ends[j-1]
		}
		if e == f && t.ids[i] == w.ids[j] && t.offset(i) == begin {
			run++
		} else {
			run = 0
		}
		if e <= f {
			i++
		}
		if f <= e {
			j++
		}
		if run == agreeing {
			// The window's ends stay relative to where it begins now.
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

// meetRight drops the end of w from where its tokens are the text's, after byte limit. shift is how
// much longer than the text's the window is.
func (t *Text) meetRight(w *window, limit, shift int) bool {
	run := 0
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
		if b == c && t.ids[i] == w.ids[j] && t.ends[i] == w.from+w.ends[j]-shift {
			run++
		} else {
			run = 0
		}
		if run == agreeing {
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

// edited is text[from:to] with the edits, which are within it.
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
