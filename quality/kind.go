package quality

import (
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Family is a benchmark with one or more kinds of questions. A suite runs it as a task of its name
// (NewTask).
type Family struct {
	// Name is the task's name in suites, such as "ruler". Title is its heading in reports, About
	// one line for `yocobench list tasks`, and Lead explains how to read the results.
	Name, Title, About, Lead string
	// Wordings are the names of the published texts of prompts that Settings.Wording may select
	// besides WordingOwn.
	Wordings []string
	Kinds    []Kind
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
	// Prose is true if the kind uses Settings.Haystack.
	Prose bool
	// Open reads the user's data set. name is the path for errors, which begin with "name:line" if
	// they concern a line. Draw finds the result in Settings.Data. Open is nil if the kind needs no
	// data.
	Open func(name string, data []byte) (any, error)
	// Draw makes all random choices of a sample. Equal random numbers and settings give equal
	// samples on every machine.
	Draw func(r *rng.Rand, s *Settings) (Draft, error)
	// Score returns the score of an answer, 0 to 1. The answer is what the model generated, without
	// Sample.Prefix.
	Score func(answer string, s *Sample) float64
	// Done reports whether no continuation of an answer can change its score, so that the model
	// need not write more. It is nil if that is never known.
	Done func(answer string, s *Sample) bool
}

// Settings are the choices of a suite that samples depend on.
type Settings struct {
	// Length is the context length in tokens.
	Length int
	// Wording selects the texts of prompts: WordingOwn, or one of Family.Wordings.
	Wording string
	// Haystack is the source of running text, for kinds that hide facts in prose.
	Haystack corpus.Source
	// Data is what Kind.Open returned, or nil.
	Data any
	// Seed is the seed of what all samples of a case share.
	Seed uint64
	// Sample is the number of the sample, from 0.
	Sample int

	shared map[string]any
	notes  []string
}

// Note adds a remark to the record, once.
func (s *Settings) Note(text string) {
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// Shared returns the value that the samples of a case share under a key. make is called at the
// first use.
func (s *Settings) Shared(key string, make func() (any, error)) (any, error) {
	if v, ok := s.shared[key]; ok {
		return v, nil
	}
	v, err := make()
	if err != nil {
		return nil, err
	}
	if s.shared == nil {
		s.shared = map[string]any{}
	}
	s.shared[key] = v
	return v, nil
}

// WordingOwn selects this project's own texts.
const WordingOwn = "own"

// Draft is a sample whose amount of filler is still open.
type Draft interface {
	// Make returns the sample with n units of filler, such as words, lines or pairs. More units
	// never give a shorter prompt. If there is no more filler, it returns the longest sample.
	Make(n int) (*Sample, error)
	// Units returns the smallest useful number of units, and the step in which the number is
	// varied.
	Units() (least, step int)
}

// Sample is one question with its context and its correct answers.
//
// The engine chooses the largest number of units, in steps, whose prompt, Prefix and answer limit
// have at most Settings.Length tokens.
type Sample struct {
	// Base is a text that samples may share; it is tokenized once, even if later samples need a
	// longer text that begins with it. Edits turn it into the prompt, in ascending order. A sample
	// that shares nothing has its whole prompt in Base. A prompt neither begins nor ends with white
	// space.
	Base  string
	Edits []tokenizer.Edit
	// Prefix is the beginning of the answer, with the white space that separates it from the
	// prompt. A parameter of the suite decides whether it ends the prompt.
	Prefix string
	// References are the correct answers, in the form that Kind.Score expects.
	References []string
	// Distractors are plausible wrong answers that occur in the context.
	Distractors []string
	// Depths are the positions of the facts, as fractions of the context.
	Depths []float64
}

// Prompt returns the text of the prompt, without Prefix.
func (s *Sample) Prompt() string { return tokenizer.Edited(s.Base, s.Edits...) }

// check reports edits that are not in order or not within the text.
func (s *Sample) check() error {
	at := 0
	for _, e := range s.Edits {
		if e.From < at || e.To < e.From || e.To > len(s.Base) {
			return fmt.Errorf("edit of bytes %d to %d after byte %d of a text of %d bytes", e.From, e.To, at, len(s.Base))
		}
		at = e.To
	}
	return nil
}
