package needle

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// cell is what one case measures: a kind at one length and one depth.
//
// Every random choice of a cell comes from the suite's seed and from what the
// cell asks (kind, length, depth, numbers of facts), never from the order in
// which cases run: so all models get the same questions, and a cell does not
// change when others are added to the suite or trials to the cell (but for
// depths spread over the trials).
type cell struct {
	*Params
	length    int
	depth     depth
	needles   int // facts asked for
	seed      uint64
	templates []Template
	source    corpus.Source
	// tok is the tokenizer of the model that is asked, nil before that is known.
	tok tokenizer.Tokenizer
	// chat is nil for plain completions.
	chat *dialogue
}

// trials is the number of the cell's questions.
func (c *cell) trials() int { return c.Trials.at(c.length) }

// stream is the source of chance for one thing in the cell.
func (c *cell) stream(what string, i int) *rng.Rand {
	return rng.New(fmt.Sprintf("needle/%s %d @ %v, %d of %d facts/%s %d",
		c.Kind, c.length, c.depth.value(), c.needles, c.needles+c.Distractors, what, i), c.seed)
}

// ownHaystack is the longest context, in tokens, at which each trial has a haystack of its own by
// default: there a haystack costs little. Beyond, the trials of a cell share one.
const ownHaystack = 4 << 10

// haystacks is the number of haystacks in the cell; trial i has the haystack i modulo that.
func (c *cell) haystacks() int {
	switch {
	case c.Haystacks > 0:
		return c.Haystacks
	case c.length <= ownHaystack:
		return c.trials()
	}
	return 1
}

// haystackSeed is the seed of the i-th haystack.
func (c *cell) haystackSeed(i int) uint64 { return c.stream("haystack", i).Uint64() }

// trial is one text: facts in the order in which they occur in it, and the questions at its end.
type trial struct {
	facts     []fact
	questions []question
}

// fact is a needle. depth is the fraction of the haystack before it, as it was asked for.
type fact struct {
	key, value, text string
	depth            float64
	asked            bool
}

// question asks for values, which the answer gives in this order, joined by ", ".
type question struct {
	text   string
	values []string
	// lead is the space at the end of text that begins the answer instead.
	lead string
}

// answer is the right answer without the space before it.
func (q question) answer() string { return strings.Join(q.values, betweenValues) }

// expected returns the continuation of a model that answers correctly.
func (q question) expected() string { return q.lead + q.answer() }

// spaced is q for a tokenizer. Where the space at the end of the question and the value are one
// token, a prompt that ends with the space is one that the model has never read: then the space
// belongs to the answer.
func (q question) spaced(tok tokenizer.Tokenizer) question {
	text := strings.TrimRight(q.text, " ")
	if tok == nil || text == q.text {
		return q
	}
	prompt, all := tok.Encode(q.text), tok.Encode(q.text+q.answer())
	if len(all) > len(prompt) && slices.Equal(all[:len(prompt)], prompt) {
		return q
	}
	q.text, q.lead = text, q.text[len(text):]
	return q
}

// trial draws the i-th trial.
func (c *cell) trial(i int) (*trial, error) {
	template := c.templates[(c.stream("template", 0).IntN(len(c.templates))+i)%len(c.templates)]
	r := c.stream("trial", i)
	nkeys := c.needles + c.Distractors
	if c.Kind == MultiValue {
		nkeys = 1 + c.Distractors
	}
	keys, err := corpus.Keys(r, nkeys, c.Keys)
	if err != nil {
		return nil, err
	}
	values := c.values(r)
	t := &trial{}
	for j, value := range values {
		f := fact{value: value, asked: j < c.needles}
		switch {
		case c.Kind != MultiValue:
			f.key = keys[j]
		case f.asked:
			f.key = keys[0]
		default:
			f.key = keys[1+j-c.needles]
		}
		f.text = template.Fact(f.key, value)
		f.depth = uniform(r)
		if f.asked {
			f.depth = c.place(f.depth, i, j)
		}
		t.facts = append(t.facts, f)
	}
	sort.SliceStable(t.facts, func(a, b int) bool { return t.facts[a].depth < t.facts[b].depth })
	t.questions = c.questions(r, template, t.facts)
	for i, q := range t.questions {
		t.questions[i] = q.spaced(c.tok)
	}
	return t, nil
}

// values draws different values for all facts.
func (c *cell) values(r *rng.Rand) []string {
	low := 1
	for range c.Digits - 1 {
		low *= 10
	}
	var out []string
	for len(out) < c.needles+c.Distractors {
		if v := strconv.Itoa(low + r.IntN(9*low)); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// uniform is a number in [0, 1).
func uniform(r *rng.Rand) float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// place is the depth of the j-th fact that trial i asks for; u is uniform.
func (c *cell) place(u float64, i, j int) float64 {
	switch {
	case c.depth.mode == random:
		return u
	case c.depth.mode == spread && c.several():
		return (float64(j) + u) / float64(c.needles)
	case c.depth.mode == spread:
		return (float64(i) + u) / float64(c.trials())
	}
	return c.depth.at
}

// questions asks for the facts: one by one in an order of their own, or all at once in the order of
// the text.
func (c *cell) questions(r *rng.Rand, t Template, facts []fact) []question {
	var asked []fact
	for _, f := range facts {
		if f.asked {
			asked = append(asked, f)
		}
	}
	if c.Kind == MultiValue || c.Kind == MultiQuery {
		var q question
		var keys []string
		for _, f := range asked {
			q.values = append(q.values, f.value)
			keys = append(keys, f.key)
		}
		q.text = t.AskAll(slices.Compact(keys)...)
		return []question{q}
	}
	r.Shuffle(len(asked), func(a, b int) { asked[a], asked[b] = asked[b], asked[a] })
	var qs []question
	for _, f := range asked {
		qs = append(qs, question{text: t.Ask(f.key), values: []string{f.value}})
	}
	return qs
}
