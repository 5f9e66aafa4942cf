// Package mrcr has questions about a dialogue in which some writings were asked for in equal words:
// the model repeats one of them, as in OpenAI's MRCR (multi-round coreference resolution).
package mrcr

import (
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/filler"
	"github.com/yocobench/yocobench/quality/score"
)

// Published is the wording of the data set's final question.
const Published = "published"

// Family returns the task mrcr.
func Family() quality.Family {
	f := quality.Family{
		Name: "mrcr", Title: "Multi-round coreference (MRCR)",
		About: "repeat one of 2, 4 or 8 writings that a dialogue asked for in equal words",
		Lead: "A dialogue asks for many short writings, some of them in exactly the same words, such as a poem about tapirs. The model repeats the i-th of these after a " +
			"random string. The score is 0 without the string, else the ratio of Python's difflib between both writings, as in OpenAI's MRCR.",
		Wordings: []string{Published},
	}
	for _, n := range []int{2, 4, 8} {
		f.Kinds = append(f.Kinds, quality.Kind{
			Name: fmt.Sprintf("mrcr_%d", n), About: fmt.Sprintf("%d writings asked for in equal words", n),
			Answer: func(length int) int { return size(length) + codeLength + 8 },
			Draw:   func(r *rng.Rand, s *quality.Settings) (quality.Draft, error) { return draw(r, s, n), nil },
			Score: func(answer string, s *quality.Sample) float64 {
				return score.Prefixed(strings.TrimSpace(answer), s.References[0], s.References[1])
			},
			Done: func(answer string, s *quality.Sample) bool {
				answer, code := strings.TrimSpace(answer), s.References[1]
				return len(answer) >= len(code) && !strings.HasPrefix(answer, code)
			},
		})
	}
	return f
}

// size returns the size of a writing in bytes in a context of length tokens, so that eight of them
// and their answer fit in 4 Ki if a token is a byte. Writings have at least 200 characters at all
// lengths, so the rule of popular characters always applies: without it, other writings score ten
// times as much.
func size(length int) int { return min(max(length/16, 320), 1200) }

// codeLength is the length of the random string before an answer.
const codeLength = 10

// code returns a string of random letters and digits.
func code(r *rng.Rand) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, codeLength)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// ask is what a user asks for.
type ask struct {
	form  *form
	topic string
}

func (a ask) String() string { return a.form.name + " about " + a.topic }

// turn returns the ask and its answer as a part of the dialogue.
func (a ask) turn(writing string) string {
	return "User: Write a " + a.String() + ".\n\nAssistant: " + writing
}

// draw draws a dialogue with n equal asks. Half of the others have the same form or the same topic.
// References are the writing that is asked for and the random string.
func draw(r *rng.Rand, s *quality.Settings, n int) quality.Draft {
	most := size(s.Length)
	asked := ask{rng.Pick(r, forms), rng.Pick(r, topics)}
	seen := map[string]bool{}
	write := func(a ask) string {
		for {
			if text := a.form.write(r, a.topic, most); !seen[text] {
				seen[text] = true
				return text
			}
		}
	}
	items := make([]filler.Item, n)
	writings := make([]string, n)
	depths := filler.Depths(r, n)
	for i := range items {
		writings[i] = write(asked)
		items[i] = filler.Item{Depth: depths[i], Text: asked.turn(writings[i])}
	}
	which, code := r.IntN(n), code(r)
	head := "This is a dialogue between a user and an assistant.\n\n"
	final := fmt.Sprintf("User: Repeat the %s %s that you wrote above, word for word, without any other text. Begin your answer with %s.", ordinal(which+1), asked, code)
	if s.Wording == Published {
		head = ""
		final = fmt.Sprintf("User: Prepend %s to the %s (1 indexed) %s. Do not include any other text in your response.", code, ordinal(which+1), asked)
	}
	return &filler.List{
		Head: head, Separator: "\n\n", Tail: "\n\n" + final, Items: items, Least: 1, Step: 1,
		Unit: func(int) (string, bool) {
			a := asked
			for a == asked {
				switch k := r.IntN(4); {
				case k == 0:
					a.form = rng.Pick(r, forms)
				case k == 1:
					a.topic = rng.Pick(r, topics)
				default:
					a = ask{rng.Pick(r, forms), rng.Pick(r, topics)}
				}
			}
			return a.turn(write(a)), true
		},
		Finish: func(out *quality.Sample, _ int) {
			out.Prefix, out.References = "\n\nAssistant:", []string{writings[which], code}
			for i, text := range writings {
				if i != which {
					out.Distractors = append(out.Distractors, text)
				}
			}
			out.Depths = out.Depths[which : which+1]
		},
	}
}

// ordinal returns 1st, 2nd, 3rd and so on, up to 8th.
func ordinal(n int) string {
	return fmt.Sprint(n) + [...]string{"th", "st", "nd", "rd", "th", "th", "th", "th", "th"}[n]
}
