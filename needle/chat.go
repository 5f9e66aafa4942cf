package needle

import (
	"regexp"
	"strings"
)

// In a chat, the haystack and the question form the user's message. White space around it is
// removed, as many templates do. The model answers in its own words, so only numbers with at least
// as many digits as a value count.

// reply returns the model's turn as one line. A special token ends the turn.
func reply(text string) string {
	text, _, _ = strings.Cut(text, "\uFFFD")
	return strings.Join(strings.Fields(text), " ")
}

var digitRuns = regexp.MustCompile(`\d+`)

// numbers returns the numbers of text that have at least the given number of digits.
func numbers(text string, digits int) (out []string) {
	for _, n := range digitRuns.FindAllString(text, -1) {
		if len(n) >= digits {
			out = append(out, n)
		}
	}
	return out
}

// exactInChat returns the share of the values that equal the number at the same place in the
// answer.
func exactInChat(answer string, q question, digits int) float64 {
	got, hits := numbers(answer, digits), 0
	for i, v := range q.values {
		if i < len(got) && got[i] == v {
			hits++
		}
	}
	return float64(hits) / float64(len(q.values))
}

// endedInChat returns a function that reports whether an answer can be scored: its turn has ended,
// or it contains as many complete numbers as the question asks for.
func endedInChat(q question, digits int) func(string) bool {
	return func(answer string) bool {
		got := numbers(answer, digits)
		complete := len(got) > 0 && !strings.HasSuffix(answer, got[len(got)-1])
		return strings.Contains(answer, "\uFFFD") || len(got) > len(q.values) || len(got) == len(q.values) && complete
	}
}
