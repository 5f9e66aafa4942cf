package score

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// space reports whether Python takes r for white space.
func space(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// finalAnswer matches the list of GraphWalks on one line.
var finalAnswer = regexp.MustCompile(`Final Answer:[\s\x0b\x1c-\x1f\x85\pZ]*\[(.*)\]`)

// FinalAnswer parses the list of nodes after "Final Answer:" as lm-evaluation-harness does for
// OpenAI's GraphWalks. If it is strict, the list is expected on the last line of the answer; else
// the last line that has one counts. ok is false if there is none. It takes time proportional to
// the length of the answer.
//
// The snippet on the data set's card leaves "Final Answer: [" in front of the first node, so that
// node never matches. FinalAnswer and lm-evaluation-harness remove it.
func FinalAnswer(answer string, strict bool) (nodes []string, ok bool) {
	lines := strings.Split(strings.TrimRight(answer, "\n"), "\n")
	for _, line := range slices.Backward(lines) {
		m := finalAnswer.FindStringSubmatch(line)
		if m == nil && strict {
			return nil, false
		}
		if m == nil {
			continue
		}
		for item := range strings.SplitSeq(m[1], ",") {
			if item = strings.TrimFunc(item, space); item != "" {
				nodes = append(nodes, strings.Trim(item, `'"`))
			}
		}
		return nodes, true
	}
	return nil, false
}

// F1 returns the harmonic mean of precision and recall of two sets of nodes: 1 if both are empty, 0
// if they have no node in common.
//
// Published scorers differ in these two cases. The data set's card gives 1 also to disjoint sets,
// and lm-evaluation-harness gives 0 to two empty ones. NVIDIA's graders agree with F1.
func F1(got, want []string) float64 {
	g, w := set(got), set(want)
	if len(g)+len(w) == 0 {
		return 1
	}
	both := 0
	for node := range g {
		if w[node] {
			both++
		}
	}
	if both == 0 {
		return 0
	}
	precision, recall := float64(both)/float64(len(g)), float64(both)/float64(len(w))
	return 2 * (recall * precision) / (recall + precision)
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, x := range list {
		s[x] = true
	}
	return s
}

// SubstringMatch reports whether the answer contains the reference after HELMET's normalization of
// both: lower case, no ASCII punctuation, no articles, single spaces.
func SubstringMatch(answer, reference string) bool {
	return strings.Contains(normalize(answer), normalize(reference))
}

// normalize is the normalization of SQuAD, DrQA and HELMET.
func normalize(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && unicode.In(r, unicode.P, unicode.S) {
			return -1
		}
		return r
	}, strings.ToLower(s))
	var b strings.Builder
	for len(s) > 0 {
		word := strings.IndexFunc(s, wordRune)
		if word < 0 {
			word = len(s)
		}
		b.WriteString(s[:word])
		s = s[word:]
		end := strings.IndexFunc(s, func(r rune) bool { return !wordRune(r) })
		if end < 0 {
			end = len(s)
		}
		switch s[:end] {
		case "a", "an", "the":
			b.WriteByte(' ')
		default:
			b.WriteString(s[:end])
		}
		s = s[end:]
	}
	return strings.Join(strings.FieldsFunc(b.String(), space), " ")
}

// wordRune reports whether Python's \w matches r.
func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// FirstDigits returns the first run of ASCII digits, or "". InfiniteBench compares it with the pass
// key and with the number string.
func FirstDigits(answer string) string {
	from := strings.IndexAny(answer, "0123456789")
	if from < 0 {
		return ""
	}
	end := strings.IndexFunc(answer[from:], func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return answer[from:]
	}
	return answer[from : from+end]
}

// OnlyLabel reports whether the target is the only label in the answer's first sentence, without
// regard to case. others are the other possible answers, without those that occur in the question.
// This is BABILong's comparison.
func OnlyLabel(answer, target string, others []string) bool {
	s := strings.ToLower(answer)
	for _, end := range []string{".", "<context>", "<example>"} {
		s, _, _ = strings.Cut(s, end)
	}
	if !strings.Contains(s, strings.ToLower(target)) {
		return false
	}
	return !slices.ContainsFunc(others, func(label string) bool { return strings.Contains(s, strings.ToLower(label)) })
}

var uuid = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

// LastUUID returns the last UUID on the first line of the answer that has one, in lower case, or
// "". So an answer may list a chain up to its end, and what a base model adds on later lines does
// not count.
func LastUUID(answer string) string {
	for line := range strings.SplitSeq(answer, "\n") {
		if all := uuid.FindAllString(line, -1); len(all) > 0 {
			return strings.ToLower(all[len(all)-1])
		}
	}
	return ""
}
