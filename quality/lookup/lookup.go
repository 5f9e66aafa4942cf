// Package lookup has questions whose answer is in the context, character by character: a value of a
// JSON object (HELMET's JSON KV), the end of a chain of UUIDs, a pass key and a string of digits in
// noise (InfiniteBench).
package lookup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/filler"
	"github.com/yocobench/yocobench/quality/score"
)

// Published is the wording of HELMET and InfiniteBench.
const Published = "published"

// Family returns the task lookup.
func Family() quality.Family {
	return quality.Family{
		Name: "lookup", Title: "Exact lookup",
		About: "values of JSON objects, chains of UUIDs, pass keys and digits in noise",
		Lead: "The answer is in the context character by character. json_kv is HELMET's JSON KV, passkey and number_string are InfiniteBench's; " +
			"uuid_chain_N follows a chain of N values that are keys.",
		Wordings: []string{Published},
		Kinds: []quality.Kind{
			jsonKV(), chain(2), chain(4),
			noise("passkey", "five digits in repeated sentences", "pass key", passKey),
			noise("number_string", "ten digits with repetitions in repeated sentences", "sequence of digits", numberString),
		},
	}
}

// pair is an entry of a JSON object.
type pair struct{ key, value string }

func (p pair) String() string { return `"` + p.key + `": "` + p.value + `"` }

// limit returns a constant limit of an answer.
func limit(tokens int) func(int) int { return func(int) int { return tokens } }

// jsonKV asks for the value of a key of a JSON object, after two examples. The entry is at one of
// six depths. HELMET's limit of an answer is 100 tokens.
func jsonKV() quality.Kind {
	return quality.Kind{
		Name: "json_kv", About: "the value of a key of a JSON object of UUIDs, after two examples",
		Answer: limit(100),
		Draw: func(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
			text := struct{ head, ask, value string }{
				"The keys and values of this JSON object are UUIDs.\n\n{", "What is the value of each of these keys?", "Value:",
			}
			if s.Wording == Published {
				text.head, text.ask, text.value = "JSON data:\n{", "Extract the value corresponding to the specified key in the JSON object below.", "Corresponding value:"
			}
			asked := pair{r.UUID(), r.UUID()}
			items := []filler.Item{{Depth: float64(r.IntN(6)) / 5, Text: asked.String()}}
			tail := "}\n\n" + text.ask + "\n\n"
			var others []string
			for range 2 {
				p := pair{r.UUID(), r.UUID()}
				items = append(items, filler.Item{Depth: float64(r.IntN(101)) / 100, Text: p.String()})
				tail += "Key: " + p.key + "\n" + text.value + " " + p.value + "\n\n"
				others = append(others, p.value)
			}
			return &filler.List{
				Head: text.head, Separator: ", ", Tail: tail + "Key: " + asked.key, Items: items, Step: 1,
				Unit: func(int) (string, bool) {
					p := pair{r.UUID(), r.UUID()}
					if len(others) < 6 {
						others = append(others, p.value)
					}
					return p.String(), true
				},
				Finish: func(out *quality.Sample, n int) {
					out.Prefix, out.References, out.Distractors = "\n"+text.value, []string{asked.value}, slices.Clone(others[:min(len(others), n+2)])
					out.Depths = out.Depths[:1]
				},
			}, nil
		},
		Score: func(answer string, s *quality.Sample) float64 {
			return points(score.SubstringMatch(answer, s.References[0]))
		},
		Done: func(answer string, s *quality.Sample) bool { return score.SubstringMatch(answer, s.References[0]) },
	}
}

func points(right bool) float64 {
	if right {
		return 1
	}
	return 0
}

// chain asks for the end of a chain of hops values. The other entries are parts of such chains too.
func chain(hops int) quality.Kind {
	return quality.Kind{
		Name: fmt.Sprintf("uuid_chain_%d", hops), About: fmt.Sprintf("the end of a chain of %d values, each the key of the next", hops),
		Answer: limit(192), // a chain of 4 UUIDs in bytes
		Draw: func(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
			if s.Wording != quality.WordingOwn {
				return nil, fmt.Errorf("uuid_chain_%d has no wording %q: list the other kinds, or use wording %s", hops, s.Wording, quality.WordingOwn)
			}
			asked := links(r, hops)
			var items []filler.Item
			for _, p := range asked {
				items = append(items, filler.Item{Depth: float64(r.IntN(101)) / 100, Text: p.String()})
			}
			end := asked[hops-1].value
			tail := fmt.Sprintf("}\n\nStart with the key %s. Its value is a key too. Look up %d values in this way, one after the other. What is the last one?", asked[0].key, hops)
			var open []pair // drawn and not yet used
			return &filler.List{
				Head: "The keys and values of this JSON object are UUIDs.\n\n{", Separator: ", ", Tail: tail, Items: items, Step: 1,
				Unit: func(int) (string, bool) {
					for len(open) < 16*hops {
						open = append(open, links(r, hops)...)
					}
					i := r.IntN(len(open))
					p := open[i]
					open = slices.Delete(open, i, i+1)
					return p.String(), true
				},
				Finish: func(out *quality.Sample, n int) {
					out.Prefix, out.References = "\nThe last value is", []string{end}
					for _, p := range asked[:hops-1] {
						out.Distractors = append(out.Distractors, p.value)
					}
				},
			}, nil
		},
		Score: func(answer string, s *quality.Sample) float64 {
			return points(score.LastUUID(answer) == s.References[0])
		},
		Done: func(answer string, s *quality.Sample) bool {
			line := strings.LastIndexByte(answer, '\n')
			return line >= 0 && score.LastUUID(answer[:line]) != ""
		},
	}
}

// links returns the entries of a chain.
func links(r *rng.Rand, hops int) []pair {
	out := make([]pair, hops)
	key := r.UUID()
	for i := range out {
		out[i] = pair{key, r.UUID()}
		key = out[i].value
	}
	return out
}

// noise asks for digits in repeated sentences, at any line. The same noise is in all samples.
func noise(name, about, what string, digits func(*rng.Rand) string) quality.Kind {
	return quality.Kind{
		Name: name, About: about, Answer: limit(32),
		Draw: func(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
			head, line := "One line of this text has a "+what+". Remember it.\n\n", "The road is long. The wind is cold. The lamp is lit. Off they walk, out and home again."
			ask := "Which " + what + " does the text have?"
			if s.Wording == Published {
				head, line = "There is an important info hidden inside a lot of irrelevant text. Find it", "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
				if name == "passkey" {
					head += " and memorize them"
				}
				head += ". I will quiz you about the important information there.\n\n"
				ask = "What is the " + what + "?"
			}
			key := digits(r)
			fact := fmt.Sprintf("The %s is %s. Remember it. %s is the %s.", what, key, key, what)
			return &filler.List{
				Head: head, Separator: "\n", Tail: "\n\n" + ask, Items: []filler.Item{{Depth: float64(r.IntN(1001)) / 1000, Text: fact}}, Step: 1,
				Unit: func(int) (string, bool) { return line, true },
				Finish: func(out *quality.Sample, n int) {
					out.Prefix, out.References = "\n\nThe "+what+" is", []string{key}
				},
			}, nil
		},
		Score: func(answer string, s *quality.Sample) float64 {
			return points(score.FirstDigits(answer) == s.References[0])
		},
		Done: func(answer string, s *quality.Sample) bool {
			d := score.FirstDigits(answer)
			return d != "" && !strings.HasSuffix(answer, d)
		},
	}
}

func passKey(r *rng.Rand) string { return fmt.Sprintf("%05d", r.IntN(100000)) }

// numberString starts with five random digits and doubles a random digit five times.
func numberString(r *rng.Rand) string {
	out := []byte(passKey(r))
	for range 5 {
		at := r.IntN(len(out))
		out = slices.Insert(out, at, out[at])
	}
	return string(out)
}
