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
	"github.com/yocobench/yocobench/suites/param"
)

// cell describes the trials of one case: a kind of needle at one length and one depth.
//
// Every random choice of a cell depends on the suite's seed and on the cell's parameters (kind,
// length, depth, numbers of facts), never on the order in which cases run. So all models get the
// same questions, and a cell does not change if other cells are added to the suite or trials to the
// cell (except for depths spread over the trials).
type cell struct {
	*Params
	length    int
	depth     depth
	needles   int // facts asked for
	seed      uint64
	templates []Template
	source    corpus.Source
	// tok is the tokenizer of the model, nil while the model is unknown.
	tok tokenizer.Tokenizer
	// chat is nil for plain completions.
	chat *param.Dialogue
}

// trials returns the number of trials of the cell.
func (c *cell) trials() int { return c.Trials.At(c.length) }

// stream returns the random numbers for one purpose in the cell.
func (c *cell) stream(what string, i int) *rng.Rand {
	return rng.New(fmt.Sprintf("needle/%s %d @ %v, %d of %d facts/%s %d",
		c.Kind, c.length, c.depth.value(), c.needles, c.needles+c.Distractors, what, i), c.seed)
}

// ownHaystack is the longest context, in tokens, at which each trial has a haystack of its own by
// default, because short haystacks cost little. In longer contexts, the trials of a cell share one.
const ownHaystack = 4 << 10

// haystacks returns the number of haystacks in the cell. Trial i uses haystack i modulo this
// number.
func (c *cell) haystacks() int {
	switch {
	case c.Haystacks > 0:
		return c.Haystacks
	case c.length <= ownHaystack:
		return c.trials()
	}
	return 1
}

// haystackSeed returns the seed of the i-th haystack.
func (c *cell) haystackSeed(i int) uint64 { return c.stream("haystack", i).Uint64() }

// trial is one text: facts in the order in which they occur in it, and the questions at its end.
type trial struct {
	facts     []fact
	questions []question
}

// fact is a needle. depth is the requested fraction of the haystack before it.
type fact struct {
	key, value, text string
	depth            float64
	asked            bool
}

// question asks for values. The answer lists them in this order, joined by ", ".
type question struct {
	text   string
	values []string
	// lead is the space that was moved from the end of text to the start of the answer.
	lead string
}

// answer returns the correct answer without the space before it.
func (q question) answer() string { return strings.Join(q.values, betweenValues) }

// expected returns the continuation of a model that answers correctly.
func (q question) expected() string { return q.lead + q.answer() }

// maxWrong is the maximum number of distractors whose values are scored.
const maxWrong = 8

// wrong returns continuations with the values of distractors, of which the model must choose the
// right one. A chat model need not begin with a value.
func (c *cell) wrong(t *trial, q question) (out []string) {
	for _, f := range t.facts {
		if c.Kind == MultiKey && c.chat == nil && !f.asked && len(out) < maxWrong {
			out = append(out, q.lead+f.value)
		}
	}
	return out
}

// spaced returns q adapted to a tokenizer. If the space at the end of the question and the value
// form one token, a model has never seen a prompt that ends with the space, so the space moves to
// the answer.
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
		f.depth = r.Float64()
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

// place returns the depth of the j-th fact that trial i asks for. u is uniform in [0, 1).
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

// questions asks for the facts: one by one in random order, or all at once in the order of the
// text.
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
