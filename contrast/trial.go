package contrast

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/haystack"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/param"
)

// The conditions, in the order of reports. Differences are computed from the first one.
const (
	literal     = "literal"
	paraphrase  = "paraphrase"
	association = "association"
	distractors = "distractors"
	near        = "near"
)

var conditions = []string{literal, paraphrase, association, distractors, near}

// cell describes the trials of one case: all conditions at one length.
//
// The facts, persons and depths of a trial depend on the suite's seed, the number of the trial and
// the number of trials only, so they are equal for all models, and at all lengths with equally many
// trials.
type cell struct {
	*Params
	length int
	seed   uint64
	source corpus.Source
	// chat is nil for plain completions.
	chat *param.Dialogue
	// order holds all facts in the order in which trials ask for them. slots holds for each trial
	// the part of the text that has its fact.
	order []entry
	slots []int
}

// newCell returns a cell with the choices that its trials share.
func newCell(p *Params, length int, seed uint64, source corpus.Source, chat *param.Dialogue) *cell {
	c := &cell{Params: p, length: length, seed: seed, source: source, chat: chat}
	c.order = entries(c.stream("facts", 0))
	c.slots = c.stream("depths", 0).Perm(c.trials())
	return c
}

// trials returns the number of trials of the cell.
func (c *cell) trials() int { return c.Trials.At(c.length) }

// stream returns the random numbers for one purpose.
func (c *cell) stream(what string, i int) *rng.Rand {
	return rng.New(fmt.Sprintf("contrast/%s %d", what, i), c.seed)
}

// haystackSeed returns the seed of the haystack of trial i.
func (c *cell) haystackSeed(i int) uint64 {
	return c.stream(fmt.Sprintf("haystack %d", c.length), i).Uint64()
}

// trial is one fact, asked for in every condition.
type trial struct {
	fact int // its number among all facts
	// name is the right answer, others the names of the other persons.
	name   string
	others []string
	// asked is the position of the fact among all facts of the text.
	asked    int
	variants []variant // by condition
}

// variant is a trial in one condition.
type variant struct {
	facts    []haystack.Fact
	question string
	// what is what the question says of the person.
	what string
}

// trial draws the i-th trial.
func (c *cell) trial(i int) *trial {
	fact := c.order[i%len(c.order)]
	key, hint := fact.words()
	r := c.stream("trial", i)
	names := r.Perm(len(known().Names))[:1+c.Distractors]
	t := &trial{fact: i % len(c.order), name: known().Names[names[0]]}
	for _, n := range names[1:] {
		t.others = append(t.others, known().Names[n])
	}
	depths := []float64{(float64(c.slots[i]) + r.Float64()) / float64(c.trials())}
	for range t.others {
		depths = append(depths, r.Float64())
	}
	// Persons in the order of the text; person 0 is the one asked for.
	persons := r.Perm(len(depths))
	slices.SortStableFunc(persons, func(a, b int) int { return cmp.Compare(depths[a], depths[b]) })
	t.asked = slices.Index(persons, 0)
	rel := fact.of()
	other := c.unrelated(r, fact)
	same := r.Perm(len(rel.Keys))
	same = slices.DeleteFunc(same, func(k int) bool { return k == fact.key })
	nearby := nearKeys(r, key, c.Distractors)
	for _, condition := range conditions {
		what := rel.Fact
		switch condition {
		case paraphrase:
			what = rel.Paraphrase
		case association:
			what = rel.Association
		}
		v := variant{what: strings.NewReplacer("{key}", key, "{hint}", hint).Replace(what)}
		v.question = c.question(v.what)
		for _, p := range persons {
			text := rel.fact(t.name, key)
			if p > 0 {
				name := t.others[p-1]
				switch condition {
				case distractors:
					text = rel.fact(name, rel.Keys[same[p-1]][0])
				case near:
					text = rel.fact(name, nearby[p-1])
				default:
					text = other[p-1].fact(name)
				}
			}
			v.facts = append(v.facts, haystack.Fact{Text: text, Depth: depths[p]})
		}
		t.variants = append(t.variants, v)
	}
	return t
}

// unrelated returns facts of other relations than the given fact's, for all other persons.
func (c *cell) unrelated(r *rng.Rand, fact entry) (out []entry) {
	all := slices.DeleteFunc(entries(r), func(e entry) bool { return e.relation == fact.relation })
	return all[:c.Distractors]
}

// The ends of prompts; {what} is what the text says of the person. In a plain completion, the
// beginning of the answer is part of the prompt, because base models do not answer otherwise.
const (
	ask       = "Question: Who {what}?\nAnswer: The one who {what} is"
	askInChat = "Who {what}? Answer with the name only."
)

// question returns the end of the prompt.
func (c *cell) question(what string) string {
	form := ask
	if c.chat != nil {
		form = askInChat
	}
	return strings.ReplaceAll(form, "{what}", what)
}

// continuations returns the right answer and the wrong ones, which differ in the name only. A chat
// model often answers in a sentence, so in a chat they are sentences.
func (c *cell) continuations(t *trial, v variant) (out []string) {
	lead := " "
	if c.chat != nil {
		lead = about(v.what, "")
	}
	for _, name := range append([]string{t.name}, t.others...) {
		out = append(out, lead+name)
	}
	return out
}

// slack and slackInChat are the numbers of tokens of an answer beyond those of the right one.
const (
	slack       = 3
	slackInChat = 8
)

// most is the token limit of an answer.
func (c *cell) most(tok tokenizer.Tokenizer, t *trial) (n int) {
	for _, v := range t.variants {
		for _, text := range c.continuations(t, v) {
			n = max(n, tokenizer.AtMost(tok, text))
		}
	}
	if c.chat != nil {
		return n + slackInChat
	}
	return n + slack
}

// fit returns the trial's haystack: as long as the longest condition allows.
func (c *cell) fit(tok tokenizer.Tokenizer, i int, t *trial) (*haystack.Haystack, error) {
	h := c.chat.Haystack(tok)
	err := h.Fit(c.source, c.haystackSeed(i), c.length, false, func() int { return t.size(h) + c.most(tok, t) })
	return h, err
}

// size returns the number of tokens of the longest prompt of a trial.
func (t *trial) size(h *haystack.Haystack) (n int) {
	for _, v := range t.variants {
		n = max(n, h.Size(v.facts, v.question))
	}
	return n
}

// minHaystack is the minimum length of a haystack in tokens.
const minHaystack = 32

// least returns the smallest length at which all trials fit.
func (c *cell) least(tok tokenizer.Tokenizer) (n int) {
	for i := range c.trials() {
		t := c.trial(i)
		// Add two separators per fact, because an empty haystack has none.
		n = max(n, t.size(c.chat.Haystack(tok))+c.most(tok, t)+2*(1+len(t.others)))
	}
	return n + minHaystack
}
