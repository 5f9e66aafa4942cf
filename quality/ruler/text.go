package ruler

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// drawer is the type of quality.Kind.Draw.
type drawer = func(r *rng.Rand, s *quality.Settings) (quality.Draft, error)

// running is a running text with single spaces, which grows as longer samples need it.
type running struct {
	source corpus.Source
	seed   uint64
	note   func(string)
	asked  int // bytes of the source
	text   string
	data   []byte // text
	ends   []int  // offsets at which words end
}

// maxWord is the length in bytes from which a word counts as several: texts of some languages have
// no spaces.
const maxWord = 24

// shared returns the running text of the samples of a case.
func shared(s *quality.Settings) (*running, error) {
	v, err := s.Shared("text", func() (any, error) {
		return &running{source: s.Haystack, seed: s.Seed, note: s.Note}, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*running), nil
}

// grow makes the text longer until enough reports true. It first tries the given number of bytes.
func (t *running) grow(size int, enough func() bool) error {
	for !enough() {
		if t.asked > 1<<34 {
			return fmt.Errorf("the haystack %s has too few words", t.source.Name())
		}
		t.asked = max(size, 1<<12+t.asked+t.asked/4)
		h, err := t.source.Haystack(t.seed, t.asked)
		if err != nil {
			return err
		}
		if h.Repeats > 0 {
			t.note("the text of the haystack is shorter than samples need: it is repeated")
		}
		words := bytes.Fields(h.Text)
		t.data = bytes.Join(words, []byte(" "))
		t.text, t.ends = string(t.data), t.ends[:0]
		at := 0
		for _, w := range words {
			for end := at + len(w); at < end; {
				n := min(len(t.text[at:end]), maxWord)
				for at+n < end && !utf8.RuneStart(t.text[at+n]) {
					n++
				}
				at += n
				t.ends = append(t.ends, at)
			}
			at++ // the space
		}
		if len(t.text) < t.asked/64 && (h.Repeats > 0 || t.asked >= 1<<26) {
			return fmt.Errorf("the haystack %s has too few words: %d bytes of words in %d", t.source.Name(), len(t.text), t.asked)
		}
		// The last word may be cut.
		t.ends = t.ends[:max(0, len(t.ends)-1)]
		n := 0
		if k := len(t.ends); k > 0 {
			n = t.ends[k-1]
		}
		t.data, t.text = t.data[:n], t.text[:n]
	}
	return nil
}

// window is a part of a running text.
type window struct {
	*running
	from int // bytes
	word int // the number of words before it
}

// start returns a window that begins at the end of a sentence. It is drawn from as much text as a
// sample of the given length has, so that samples of a case have different texts.
func (t *running) start(r *rng.Rand, length int) (window, error) {
	extent := 1<<14 + 4*length
	at := r.IntN(extent)
	if err := t.grow(extent+1<<13, func() bool { return len(t.text) > extent+1<<12 }); err != nil {
		return window{}, err
	}
	pos := corpus.InsertionPoint(t.data[:extent+1<<12], at).Pos
	for pos < len(t.text) && t.text[pos] == ' ' {
		pos++
	}
	return window{t, pos, sort.SearchInts(t.ends, pos+1)}, nil
}

// end returns the offset at which the first n words of the window end.
func (w window) end(n int) (int, error) {
	err := w.grow(0, func() bool { return len(w.ends) > w.word+n })
	if n == 0 || err != nil {
		return w.from, err
	}
	return w.ends[w.word+n-1], nil
}

// base returns a beginning of the text that contains all before offset end.
func (t *running) base(end int) string {
	const step = 1 << 12
	n := min((end/step+1)*step, len(t.text))
	for n < len(t.text) && !utf8.RuneStart(t.text[n]) {
		n++
	}
	return t.text[:n]
}

// insert returns the edit that inserts a sentence near a fraction of the window that ends at an
// offset, and the fraction at which it is.
func (w window) insert(sentence string, fraction float64, end int) (tokenizer.Edit, float64) {
	size := end - w.from
	pos := w.from + corpus.InsertionPoint(w.data[w.from:end], int(fraction*float64(size))).Pos
	e := tokenizer.Edit{From: pos, To: pos, With: sentence}
	if pos > w.from && w.text[pos-1] != ' ' {
		e.With = " " + e.With
	}
	if pos < end && w.text[pos] != ' ' {
		e.With += " "
	}
	return e, float64(pos-w.from) / float64(max(size, 1))
}

// noiseLines is a text of equal lines.
type noiseLines struct{ line, text string }

// lines returns the text of equal lines that the samples of a case share.
func lines(s *quality.Settings) (*noiseLines, error) {
	v, err := s.Shared("noise", func() (any, error) {
		return &noiseLines{line: wordings[s.Wording].noise + "\n"}, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*noiseLines), nil
}

// base returns a text of at least n lines.
func (t *noiseLines) base(n int) string {
	const step = 64
	n = (n/step + 1) * step
	if len(t.text) < n*len(t.line) {
		t.text = strings.Repeat(t.line, n)
	}
	return t.text[:n*len(t.line)]
}

// places returns k different numbers below n in ascending order. They are about proportional to
// random numbers, so that more lines move them little. n must be at least k.
func places(random []uint64, n int) []int {
	var out []int
	for i, x := range random {
		p := int(x >> 33 * uint64(n-i) >> 31) // among those that are left
		for _, q := range out {
			if p >= q {
				p++
			}
		}
		out = append(out, p)
		sort.Ints(out)
	}
	return out
}

// randoms returns k random numbers for places.
func randoms(r *rng.Rand, k int) []uint64 {
	out := make([]uint64, k)
	for i := range out {
		out[i] = r.Uint64()
	}
	return out
}
