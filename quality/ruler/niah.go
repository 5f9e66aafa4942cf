package ruler

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/yocobench/yocobench/corpus/prose"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// The haystacks of niah kinds.
type haystack int

const (
	noise  haystack = iota // equal lines
	essay                  // running text
	others                 // needles that no question asks for
)

// niah describes a kind of needle test.
type niah struct {
	haystack              haystack
	keyUUID, valueUUID    bool
	keys, values, queries int
}

// depths are the depths of needles in running text, in percent: numpy's
// round(linspace(0, 100, 40)).
var depths = func() (out [40]int) {
	for i := range out {
		// No quotient ends in .5, so halves need no rule.
		out[i] = (2*100*i + 39) / (2 * 39)
	}
	return out
}()

// names draws keys and values that are all different.
type names struct {
	r    *rng.Rand
	seen map[string]bool
}

func newNames(r *rng.Rand) *names { return &names{r, map[string]bool{}} }

func (n *names) next(draw func() string) string {
	for {
		if s := draw(); !n.seen[s] {
			n.seen[s] = true
			return s
		}
	}
}

func (n *names) uuid() string { return n.next(n.r.UUID) }

func (n *names) number() string {
	return n.next(func() string { return strconv.Itoa(n.r.Range(1000000, 9999999)) })
}

// lexicon holds the words of keys and lists.
type lexicon struct{ nouns, adjectives, all []string }

var words = sync.OnceValue(func() *lexicon {
	nouns, adjectives, verbs := prose.Words()
	all := slices.Concat(nouns, adjectives, verbs)
	slices.Sort(all)
	return &lexicon{nouns, adjectives, slices.Compact(all)}
})

// pair returns an adjective and a noun; two adjectives once half of all pairs are taken.
func (n *names) pair() string {
	x := words()
	return n.next(func() string {
		s := rng.Pick(n.r, x.adjectives) + "-" + rng.Pick(n.r, x.nouns)
		if 2*len(n.seen) > len(x.adjectives)*len(x.nouns) {
			s = rng.Pick(n.r, x.adjectives) + "-" + s
		}
		return s
	})
}

// needle is a key with a value.
type needle struct{ key, value string }

// niahDraft is a sample of a niah kind.
type niahDraft struct {
	niah
	w       *wording
	typ     string
	names   *names
	needles []needle // in the order of the text
	asked   []int    // indexes of those asked for, in the order of the question
	query   string
	// window and at are the running text, and the places of the needles in it, in percent.
	window window
	at     []int
	// lines are the noise. random determines the lines before which needles are.
	lines  *noiseLines
	random []uint64
	// written holds the lines of other needles so far, ends their ends, and other their first
	// values.
	written strings.Builder
	ends    []int
	other   []string
}

func (k niah) draw(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
	d := &niahDraft{niah: k, w: wordings[s.Wording], typ: "number", names: newNames(r)}
	if k.valueUUID {
		d.typ = "uuid"
	}
	var keys []string
	for range k.keys {
		keys = append(keys, d.key())
		for range k.values {
			d.needles = append(d.needles, needle{keys[len(keys)-1], d.value()})
		}
	}
	asked := slices.Clone(keys)
	r.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	asked = asked[:k.queries]
	r.Shuffle(len(d.needles), func(i, j int) { d.needles[i], d.needles[j] = d.needles[j], d.needles[i] })
	for _, key := range asked {
		for i, n := range d.needles {
			if n.key == key {
				d.asked = append(d.asked, i)
			}
		}
	}
	d.query = asked[0]
	if last := len(asked) - 1; last > 0 {
		d.query = strings.Join(asked[:last], ", ") + ", and " + asked[last]
	}
	var err error
	switch k.haystack {
	case essay:
		order := make([]int, len(depths))
		for i := range order {
			order[i] = depths[i]
		}
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		d.at = order[:len(d.needles)]
		slices.Sort(d.at)
		t, err := shared(s)
		if err != nil {
			return nil, err
		}
		d.window, err = t.start(r, s.Length)
		return d, err
	case noise:
		d.lines, err = lines(s)
	}
	d.random = randoms(r, len(d.needles))
	return d, err
}

func (d *niahDraft) key() string {
	if d.keyUUID {
		return d.names.uuid()
	}
	return d.names.pair()
}

func (d *niahDraft) value() string {
	if d.valueUUID {
		return d.names.uuid()
	}
	return d.names.number()
}

// Units returns 1 more line than needles; for running text, a few sentences.
func (d *niahDraft) Units() (least, step int) {
	if d.haystack == essay {
		return 30, 1
	}
	return len(d.needles) + 1, 1
}

func (d *niahDraft) sentence(n needle) string {
	return strings.NewReplacer("TYPE", d.typ, "KEY", n.key, "VALUE", n.value).Replace(d.w.needle)
}

// maxDistractors limits the distractors of a sample that are recorded.
const maxDistractors = 8

func (d *niahDraft) Make(n int) (*quality.Sample, error) {
	q := d.w.one
	if d.queries*d.values > 1 {
		q = d.w.several
	}
	q = q.fill("TYPE", d.typ, "KEY", d.query)
	s := &quality.Sample{Prefix: q.prefix}
	var at []float64
	var err error
	switch d.haystack {
	case essay:
		at, err = d.inText(s, q, n)
	case noise:
		at = d.inNoise(s, q, n)
	case others:
		at = d.inOthers(s, q, n)
	}
	for i, n := range d.needles {
		if !slices.Contains(d.asked, i) && d.haystack != others {
			s.Distractors = append(s.Distractors, n.value)
		}
	}
	for _, i := range d.asked {
		s.References = append(s.References, d.needles[i].value)
		s.Depths = append(s.Depths, at[i])
	}
	return s, err
}

// inText hides the needles in n words of running text.
func (d *niahDraft) inText(s *quality.Sample, q question, n int) ([]float64, error) {
	at := make([]float64, len(d.needles))
	end, err := d.window.end(n)
	if err != nil {
		return at, err
	}
	s.Base = d.window.base(end)
	s.Edits = []tokenizer.Edit{{To: d.window.from, With: q.before}}
	for i, needle := range d.needles {
		var e tokenizer.Edit
		e, at[i] = d.window.insert(d.sentence(needle), float64(d.at[i])/100, end)
		s.Edits = append(s.Edits, e)
	}
	slices.SortStableFunc(s.Edits[1:], func(a, b tokenizer.Edit) int { return a.From - b.From })
	s.Edits = append(s.Edits, tokenizer.Edit{From: end, To: len(s.Base), With: q.after})
	return at, nil
}

// inNoise hides the needles before some of n equal lines.
func (d *niahDraft) inNoise(s *quality.Sample, q question, n int) []float64 {
	s.Base = d.lines.base(n)
	s.Edits = []tokenizer.Edit{{With: q.before}}
	at := make([]float64, len(d.needles))
	for i, p := range places(d.random, n) {
		from := p * len(d.lines.line)
		s.Edits = append(s.Edits, tokenizer.Edit{From: from, To: from, With: d.sentence(d.needles[i]) + "\n"})
		at[i] = float64(p) / float64(n)
	}
	// The last line has no newline of its own.
	s.Edits = append(s.Edits, tokenizer.Edit{From: n*len(d.lines.line) - 1, To: len(s.Base), With: q.after})
	return at
}

// inOthers hides the needles before some of n lines of other needles. The lines are drawn as they
// are needed.
func (d *niahDraft) inOthers(s *quality.Sample, q question, n int) []float64 {
	if len(d.ends) == 0 {
		d.written.WriteString(q.before)
		d.ends = []int{d.written.Len()}
	}
	if len(d.ends) <= n {
		for ready := n + n/32 + 8; len(d.ends) <= ready; {
			other := needle{d.key(), d.value()}
			if len(d.other) < maxDistractors {
				d.other = append(d.other, other.value)
			}
			d.written.WriteString(d.sentence(other) + "\n")
			d.ends = append(d.ends, d.written.Len())
		}
	}
	s.Base, s.Distractors = d.written.String(), d.other
	at := make([]float64, len(d.needles))
	for i, p := range places(d.random, n) {
		s.Edits = append(s.Edits, tokenizer.Edit{From: d.ends[p], To: d.ends[p], With: d.sentence(d.needles[i]) + "\n"})
		at[i] = float64(p) / float64(n)
	}
	s.Edits = append(s.Edits, tokenizer.Edit{From: d.ends[n] - 1, To: len(s.Base), With: q.after})
	return at
}
