package nll

import (
	"fmt"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// Params are the fields of an nll block in a suite.
type Params struct {
	Models    param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern such as tiny-yoco-* (default: all)"`
	Corpus    param.Corpus `yaml:"corpus" doc:"the text: prose (generated, the same on every machine), go (Go's sources, packages never trained on), files:PATH or {files: [PATHS]} (default prose)"`
	Length    suites.Size  `yaml:"length" doc:"tokens per document; shorter texts are skipped, longer texts are split into consecutive documents until there are enough"`
	Documents int          `yaml:"documents" doc:"number of documents, as far as the corpus has them; if it has fewer files, several stretches of each. Intervals are Student's t over files"`
	Lengths   suites.Sizes `yaml:"lengths" doc:"context lengths at which to report the loss (default: powers of two from 64, and length)"`
	PerOctave int          `yaml:"per_octave" doc:"position buckets per doubling"`
	FitFrom   suites.Size  `yaml:"fit_from" doc:"first position of the power-law fit; the loss of earlier tokens reflects the kind of text"`
	ARNgram   int          `yaml:"ar_ngram" doc:"a token is an AR-hit if the n-gram that ends with it occurred earlier in the document. The published definition is 2, for word pieces; for bytes nearly every pair occurred earlier, and two words are about 8 bytes"`
}

func defaults() *Params {
	return &Params{
		Corpus: param.Corpus{Spec: corpus.Spec{Kind: corpus.KindProse}}, Length: 32 << 10, Documents: 8,
		PerOctave: 1, FitFrom: 64, ARNgram: 2,
	}
}

// maxNgram limits n, because every token is hashed n times.
const maxNgram = 64

// maxTokens is the maximum length of a document. It takes 8 bytes per token, and 8 to 16 more for
// its n-grams.
const maxTokens = 1 << 27

// complete fills in defaults that depend on other parameters, and returns the first error.
func (p *Params) complete() error {
	for _, c := range []struct {
		name           string
		n, least, most int
	}{
		{"length", int(min(p.Length, maxTokens+1)), 2, maxTokens},
		{"documents", p.Documents, 1, 1 << 16},
		{"per_octave", p.PerOctave, 1, 16},
		{"fit_from", int(min(p.FitFrom, maxTokens+1)), 1, maxTokens},
		{"ar_ngram", p.ARNgram, 1, maxNgram},
	} {
		if c.n < c.least || c.n > c.most {
			return fmt.Errorf("%s: %d, expected %d to %d", c.name, c.n, c.least, c.most)
		}
	}
	if p.Lengths == nil {
		for l := int64(64); l < int64(p.Length); l *= 2 {
			p.Lengths = append(p.Lengths, l)
		}
		p.Lengths = append(p.Lengths, int64(p.Length))
	}
	if first, last := p.Lengths[0], p.Lengths[len(p.Lengths)-1]; first < 2 || last > int64(p.Length) {
		return fmt.Errorf("lengths: expected 2 to length (%s), got %d to %s", p.Length, first, suites.Size(last))
	}
	return nil
}

func (p *Params) lengths() []int {
	out := make([]int, len(p.Lengths))
	for i, l := range p.Lengths {
		out[i] = int(l)
	}
	return out
}
