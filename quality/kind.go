package quality

import (
	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Family is a benchmark with one or more kinds of questions. A suite runs it as a task of its name.
type Family struct {
	// Name is the task's name in suites, such as "ruler". Title is its heading in reports, About
	// one line for `yocobench list tasks`, and Lead explains how to read the results.
	Name, Title, About, Lead string
	Kinds                    []Kind
}

// Kind is one kind of question.
type Kind struct {
	// Name is the name in suites and reports, such as "niah_single_1". About describes it in one
	// line.
	Name, About string
	// Answer returns the token limit of an answer in a prompt of the given length. It is part of
	// the length.
	Answer func(length int) int
	// Guess is the expected score of an answer that is chosen at random among the plausible ones
	// without reading the context; 0 if it is negligible.
	Guess float64
	// Draw makes all random choices of a sample. Equal random numbers and settings give equal
	// samples on every machine.
	Draw func(r *rng.Rand, s *Settings) (Draft, error)
	// Score returns the score of an answer, 0 to 1.
	Score func(answer string, s *Sample) float64
}

// Settings are the choices of a suite that samples depend on.
type Settings struct {
	// Length is the context length in tokens.
	Length int
	// Wording selects the texts of prompts: WordingOwn, or the benchmark's published strings.
	Wording string
	// Haystack is the source of running text, for kinds that hide facts in prose.
	Haystack corpus.Source
	// Data is the path of the user's data set, or empty.
	Data string
}

// WordingOwn selects this project's own texts.
const WordingOwn = "own"

// Draft is a sample whose amount of filler is still open.
type Draft interface {
	// Make returns the sample with n units of filler, such as words, lines or pairs. More units
	// never give a shorter prompt.
	Make(n int) (*Sample, error)
	// Units returns the smallest useful number of units, and the step in which the number is
	// varied.
	Units() (least, step int)
}

// Sample is one question with its context and its correct answers.
type Sample struct {
	// Base is a text that samples may share; it is tokenized once. Edits turn it into the prompt. A
	// sample that shares nothing has its whole prompt in Base.
	Base  string
	Edits []tokenizer.Edit
	// Prefix is the beginning of the answer. A parameter of the suite decides whether it ends the
	// prompt.
	Prefix string
	// References are the correct answers, in the form that Kind.Score expects.
	References []string
	// Distractors are plausible wrong answers that occur in the context.
	Distractors []string
	// Depths are the positions of the facts, as fractions of the context.
	Depths []float64
}
