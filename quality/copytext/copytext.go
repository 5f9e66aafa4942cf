// Package copytext has questions that ask for a copy of a text of equal words, one of them changed:
// the repeated words of Chroma's report "Context Rot" (2025).
package copytext

import (
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/filler"
	"github.com/yocobench/yocobench/quality/score"
)

// Published is the wording of the report, with its pairs of words.
const Published = "published"

// Family returns the task copy.
func Family() quality.Family {
	kind := func(name, about string, points func(reference, answer, word string) float64) quality.Kind {
		return quality.Kind{
			Name: name, About: about,
			// The text is as long as its copy.
			Answer: func(length int) int { return length / 2 },
			Draw:   draw,
			Score: func(answer string, s *quality.Sample) float64 {
				return points(s.References[0], strings.TrimSpace(answer), s.References[1])
			},
		}
	}
	changed := kind("changed_word", "the changed word at the right position", score.SamePlace)
	changed.Done = func(answer string, s *quality.Sample) bool {
		return score.PlaceKnown(s.References[0], strings.TrimSpace(answer), s.References[1])
	}
	return quality.Family{
		Name: "copy", Title: "Repeated words",
		About: "a copy of a text of equal words, one of them changed",
		Lead: "The model copies a text that is one word over and over, with one word changed. repeated_words is one minus the normalized edit distance, " +
			"which a copy without the changed word has almost in full; changed_word counts copies with the changed word at the right character.",
		Wordings: []string{Published},
		Kinds: []quality.Kind{
			kind("repeated_words", "similarity of the copy (normalized edit distance)", func(reference, answer, _ string) float64 { return score.Similarity(reference, answer) }),
			changed,
		},
	}
}

// published are the pairs of words of the report: the common one and the changed one.
var published = [][2]string{
	{"apple", "apples"}, {"apples", "apple"}, {"golden", "Golden"}, {"orange", "run"}, {"orange", "San Francisco"}, {"San Francisco", "sf"},
	{"Golden Gate Bridge", "Golden Gate Park"},
}

var own = [][2]string{
	{"lamp", "lamps"}, {"rivers", "river"}, {"silver", "Silver"}, {"window", "jump"}, {"carpet", "Lake Geneva"}, {"New Orleans", "no"}, {"Salt Lake Road", "Salt Lake Town"},
}

// draw draws the words and the position of the changed one. References are the text and the changed
// word.
func draw(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
	head, pairs, prefix := "Copy this text exactly, word for word:\n\n", own, "\n\nThe copy:"
	if s.Wording == Published {
		head, pairs, prefix = "Simply replicate the following text, output the exact same text: ", published, ""
	}
	pair := rng.Pick(r, pairs)
	item := filler.Item{Depth: float64(r.IntN(1001)) / 1000, Text: pair[1]}
	tail := ""
	if strings.HasPrefix(pair[0], pair[1]) {
		tail = " " + pair[0] // SamePlace cannot distinguish them at the end
	}
	return &filler.List{
		Head: head, Separator: " ", Tail: tail, Items: []filler.Item{item}, Least: 4, Step: 1,
		Unit: func(int) (string, bool) { return pair[0], true },
		Finish: func(out *quality.Sample, _ int) {
			text := strings.TrimPrefix(out.Prompt(), head)
			out.Prefix, out.References, out.Distractors = prefix, []string{text, pair[1]}, []string{pair[0]}
		},
	}, nil
}
