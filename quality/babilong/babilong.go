// Package babilong has questions about a small world whose facts are hidden in prose, as in
// BABILong: the tasks qa1 to qa5 of bAbI. The facts come from a simulation of people who walk
// about, carry objects and give them to each other.
package babilong

import (
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/filler"
	"github.com/yocobench/yocobench/quality/score"
)

// Published is the wording of BABILong, with the names of bAbI.
const Published = "published"

// Family returns the task babilong.
func Family() quality.Family {
	f := quality.Family{
		Name: "babilong", Title: "Facts in prose",
		About: "one to three facts about people, places and objects, hidden in prose (BABILong's qa1 to qa5)",
		Lead: "The answer is one word. It counts if it is the only possible answer in the first sentence, as in BABILong. " +
			"The guessing rate is one over the number of people, places or objects that may be the answer and that the question does not name.",
		Wordings: []string{Published},
	}
	for i, k := range []struct {
		about string
		guess float64
		ask   func(w *world, most int) question
	}{
		{"where a person is", 1.0 / 6, whereIs},
		{"where an object is that a person carried", 1.0 / 6, whereObject},
		{"where an object was before it was elsewhere", 1.0 / 5, whereBefore},
		{"which place is in a direction of another", 1.0 / 5, direction},
		{"who gave what to whom", 1.0 / 3, gave},
	} {
		f.Kinds = append(f.Kinds, quality.Kind{
			Name: fmt.Sprintf("qa%d", i+1), About: k.about, Guess: k.guess, Prose: true,
			Answer: func(int) int { return 48 },
			Draw:   func(r *rng.Rand, s *quality.Settings) (quality.Draft, error) { return draw(r, s, i, k.ask) },
			Score: func(answer string, s *quality.Sample) float64 {
				if score.OnlyLabel(answer, s.References[0], s.Distractors) {
					return 1
				}
				return 0
			},
			Done: func(answer string, _ *quality.Sample) bool { return strings.Contains(answer, ".") },
		})
	}
	return f
}

// mostFacts returns the largest number of facts in a context of length tokens, so that they fit
// with the instructions if a token is a byte.
func mostFacts(length int) int { return min(max((length-600)/40, 8), 24) }

// draw makes a draft of task qa(i+1): the facts are at random places of the haystack, in order.
func draw(r *rng.Rand, s *quality.Settings, i int, ask func(*world, int) question) (quality.Draft, error) {
	text := own[i]
	w := newWorld(r, ownNames)
	if s.Wording == Published {
		text = published[i]
		w = newWorld(r, publishedNames)
	}
	if i == 4 {
		w.people = w.givers
	}
	q := ask(w, mostFacts(s.Length))
	var others []string
	for _, label := range q.labels {
		if label != q.answer && !strings.Contains(strings.ToLower(q.text), strings.ToLower(label)) {
			others = append(others, label)
		}
	}
	var items []filler.Item
	for k, depth := range filler.Depths(r, len(w.facts)) {
		items = append(items, filler.Item{Depth: depth, Text: w.facts[k]})
	}
	prose, err := s.Shared("sentences", func() (any, error) {
		return &sentences{source: s.Haystack, seed: s.Seed, most: 16*s.Length + 1<<16}, nil
	})
	if err != nil {
		return nil, err
	}
	if err := prose.(*sentences).check(); err != nil {
		return nil, err
	}
	begin := q.begin
	if s.Wording == Published {
		begin = q.published
	}
	return &filler.List{
		Head: text.head, Separator: " ", Tail: text.tail + q.text, Items: items, Step: 1, Unit: prose.(*sentences).unit,
		Finish: func(out *quality.Sample, n int) {
			out.Prefix, out.References, out.Distractors = strings.TrimRight("\nAnswer: "+begin, " "), []string{q.answer}, others
			var at []float64
			for _, fact := range q.support {
				at = append(at, out.Depths[fact])
			}
			out.Depths = at
		},
	}, nil
}

// sentences are those of a haystack.
type sentences struct {
	source corpus.Source
	seed   uint64
	most   int // bytes
	bytes  int
	list   []string
	err    error
}

// check reports an error of the source.
func (s *sentences) check() error {
	s.unit(0)
	if s.err == nil && len(s.list) == 0 {
		s.err = fmt.Errorf("the haystack %s has no sentences", s.source.Name())
	}
	return s.err
}

// unit returns the i-th sentence.
func (s *sentences) unit(i int) (string, bool) {
	for i >= len(s.list) && s.bytes < s.most && s.err == nil {
		s.bytes = min(max(2*s.bytes, 16<<10), s.most)
		hay, err := s.source.Haystack(s.seed, s.bytes)
		if s.err = err; err != nil {
			break
		}
		s.list = corpus.Sentences(hay.Text)
		if len(s.list) > 0 {
			s.list = s.list[:len(s.list)-1] // it may be cut
		}
	}
	if i >= len(s.list) {
		return "", false
	}
	return s.list[i], true
}
