package contrast

import (
	"fmt"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// Params are the fields of a contrast block in a suite.
type Params struct {
	Models      param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern such as tiny-yoco-* (default: all)"`
	Lengths     suites.Sizes `yaml:"lengths" doc:"context lengths in tokens, including haystack, facts, question and answer"`
	Trials      param.Counts `yaml:"trials" doc:"facts per length, each asked for in every condition and each in another part of a text of its own: a number, or numbers by length such as {512: 40, 8Ki: 20}. After 80 trials facts repeat, with other persons; they then count as fewer in intervals"`
	Distractors int          `yaml:"distractors" doc:"other persons with facts in the text; the names among which the right one can be ranked first"`
	Haystack    param.Corpus `yaml:"haystack" doc:"the haystack text: prose (generated, the same on every machine), go (Go's sources), files:PATH or {files: [PATHS]} (default prose)"`
	Chat        param.Chat   `yaml:"chat" doc:"true: the text and the question are a user's message, in the form of the model's chat template (of a model without one, the cases are unsupported), and the first name in the answer counts; {system: TEXT}: with a system message (default: plain completion)"`
}

func defaults() *Params {
	return &Params{
		Lengths: suites.Sizes{512, 1 << 10, 2 << 10}, Trials: param.Everywhere(40), Distractors: 4,
		Haystack: param.Corpus{Spec: corpus.Spec{Kind: corpus.KindProse}},
	}
}

// maxTokens and maxTrials are limits against typing errors.
const (
	maxTokens = 1 << 27
	maxTrials = 10_000
)

// check returns the first error.
func (p *Params) check() error {
	if len(p.Lengths) == 0 {
		return fmt.Errorf("lengths: no sizes")
	}
	if last := p.Lengths[len(p.Lengths)-1]; last > maxTokens {
		return fmt.Errorf("lengths: %d, expected at most %s", last, suites.Size(maxTokens))
	}
	if err := p.Trials.Check("trials", p.Lengths); err != nil {
		return err
	}
	for _, l := range p.Lengths {
		if n := p.Trials.At(int(l)); n > maxTrials {
			return fmt.Errorf("trials: %d, expected at most %d", n, maxTrials)
		}
	}
	if n := maxDistractors(); p.Distractors < 1 || p.Distractors > n {
		return fmt.Errorf("distractors: %d, expected 1 to %d", p.Distractors, n)
	}
	return nil
}
