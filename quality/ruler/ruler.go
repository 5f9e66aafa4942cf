package ruler

import (
	"strings"

	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/score"
)

// WordingRULER selects the published texts.
const WordingRULER = "ruler"

// short is the length in tokens below which the original makes smaller examples and lists.
const short = 4096

// Family returns RULER.
func Family() quality.Family {
	kind := func(name, about string, answer int, draw drawer) quality.Kind {
		return quality.Kind{
			Name: name, About: about, Draw: draw,
			Answer: func(int) int { return answer },
			Score:  func(answer string, s *quality.Sample) float64 { return score.MatchAll(answer, s.References) },
			Done:   func(answer string, s *quality.Sample) bool { return score.MatchAll(answer, s.References) == 1 },
		}
	}
	needles := func(name, about string, n niah) quality.Kind {
		k := kind(name, about, 128, n.draw)
		k.Prose = n.haystack == essay
		return k
	}
	answers := func(name, about string) quality.Kind {
		k := kind(name, about, 32, drawQA)
		k.Open = openQA
		k.Score = func(answer string, s *quality.Sample) float64 { return score.MatchAny(answer, s.References) }
		k.Done = func(answer string, s *quality.Sample) bool { return score.MatchAny(answer, s.References) == 1 }
		return k
	}
	return quality.Family{
		Name:  "ruler",
		Title: "RULER",
		About: "RULER's tasks: retrieval, variable tracking, counting words, questions about documents",
		Lead: "The tasks of RULER (arXiv 2404.06654). An answer's score is the share of the expected strings that it contains; " +
			"for qa, 1 if it contains one of them.",
		Wordings: []string{WordingRULER},
		Kinds: []quality.Kind{
			needles("niah_single_1", "a number hidden in repeated sentences", niah{haystack: noise, keys: 1, values: 1, queries: 1}),
			needles("niah_single_2", "a number hidden in running text", niah{haystack: essay, keys: 1, values: 1, queries: 1}),
			needles("niah_single_3", "a uuid hidden in running text", niah{haystack: essay, valueUUID: true, keys: 1, values: 1, queries: 1}),
			needles("niah_multikey_1", "a number hidden in running text, with three of other keys", niah{haystack: essay, keys: 4, values: 1, queries: 1}),
			needles("niah_multikey_2", "a number among those of many other keys", niah{haystack: others, keys: 1, values: 1, queries: 1}),
			needles("niah_multikey_3", "a uuid among those of many other uuids", niah{haystack: others, keyUUID: true, valueUUID: true, keys: 1, values: 1, queries: 1}),
			needles("niah_multivalue", "four numbers of one key, hidden in running text", niah{haystack: essay, keys: 1, values: 4, queries: 1}),
			needles("niah_multiquery", "the numbers of four keys, hidden in running text", niah{haystack: essay, keys: 4, values: 1, queries: 4}),
			kind("vt", "the variables of a chain of assignments, hidden in repeated sentences", 30, drawVT),
			kind("cwe", "the ten most common words of a list", 120, drawCWE),
			kind("fwe", "the three most frequent words of a coded text", 50, drawFWE),
			answers("qa_1", "questions about one of many documents (SQuAD); needs data"),
			answers("qa_2", "questions about two of many documents (HotpotQA); needs data"),
		},
	}
}

// wording holds the texts of prompts. TYPE is "number" or "uuid", KEY, VALUE, N and CONTEXT are
// replaced.
type wording struct {
	noise            string
	needle           string
	one, several     question // niah
	vt, cwe, fwe, qa question
	document         string // begins a document, whose number is N
}

// question is the text of a prompt around its context, and the beginning of the answer.
type question struct{ before, after, prefix string }

// fill replaces the placeholders of q.
func (q question) fill(pairs ...string) question {
	r := strings.NewReplacer(pairs...)
	return question{r.Replace(q.before), r.Replace(q.after), r.Replace(q.prefix)}
}

var wordings = map[string]*wording{
	quality.WordingOwn: {
		noise:  "The rain has stopped. The road is dry. The shop is closed. Here we are. All is well again.",
		needle: "The secret TYPE of KEY is VALUE.",
		one: question{
			"A secret TYPE is hidden in the text below. Remember it: a question about it follows at the end.\n",
			"\nWhat is the secret TYPE of KEY?", " The secret TYPE of KEY is"},
		several: question{
			"Several secret TYPEs are hidden in the text below. Remember them: a question about them follows at the end.\n",
			"\nWhat are all the secret TYPEs of KEY?", " The secret TYPEs of KEY are"},
		vt: question{
			"Follow the chain of variable assignments that is hidden in the text below.\n\n",
			"\nQuestion: Which variables have the value VALUE?", " Answer: The N variables that have the value VALUE are:"},
		cwe: question{
			"Below is a numbered list of words. Some words occur more often than others. Remember those that occur most often.\n",
			"\nQuestion: Which 10 words occur most often in the list?", " Answer: The 10 words that occur most often in the list are:"},
		fwe: question{
			"Read the coded text below and count how often each coded word occurs. Find the three words that occur most often. ",
			"\nQuestion: Which three coded words occur most often in the text? Ignore the dots '...' and do not explain.",
			" Answer: The three coded words that occur most often are:"},
		qa: question{
			"Answer the question from the documents below. Write only the answer.\n\n",
			"\n\nAnswer the question from the documents above. Write only the answer.\n\nQuestion: KEY", " Answer:"},
		document: "Document N:\n",
	},
	WordingRULER: {
		noise:  "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.",
		needle: "One of the special magic TYPEs for KEY is: VALUE.",
		one: question{
			"A special magic TYPE is hidden within the following text. Make sure to memorize it. I will quiz you about the TYPE afterwards.\n",
			"\nWhat is the special magic TYPE for KEY mentioned in the provided text?",
			" The special magic TYPE for KEY mentioned in the provided text is"},
		several: question{
			"Some special magic TYPEs are hidden within the following text. Make sure to memorize it. I will quiz you about the TYPEs afterwards.\n",
			"\nWhat are all the special magic TYPEs for KEY mentioned in the provided text?",
			" The special magic TYPEs for KEY mentioned in the provided text are"},
		vt: question{
			"Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n",
			"\nQuestion: Find all variables that are assigned the value VALUE in the text above.",
			" Answer: According to the chain(s) of variable assignment in the text above, N variables are assigned the value VALUE, they are: "},
		cwe: question{
			"Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.\n",
			"\nQuestion: What are the 10 most common words in the above list?",
			" Answer: The top 10 words that appear most often in the list are:"},
		fwe: question{
			"Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. ",
			"\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared words in the above coded text?",
			" Answer: According to the coded text above, the three most frequently appeared words are:"},
		qa: question{
			"Answer the question based on the given documents. Only give me the answer and do not output any other words.\n\nThe following are given documents.\n\n",
			"\n\nAnswer the question based on the given documents. Only give me the answer and do not output any other words.\n\nQuestion: KEY",
			" Answer:"},
		document: "Document N:\n",
	},
}
