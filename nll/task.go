package nll

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// Task is the nll task.
type Task struct{}

// Name is "nll".
func (Task) Name() string { return "nll" }

// About is one line on the task.
func (Task) About() string {
	return "loss over long documents: by position, cumulative, and split by whether the token repeats an earlier n-gram"
}

// Params returns a *Params with the defaults.
func (Task) Params() any { return defaults() }

// Plan returns one case.
func (Task) Plan(pl *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	p := *params.(*Params) // completed separately for every model
	if ok, err := p.Models.Match(m.Name); !ok {
		return nil, err
	}
	if err := p.complete(); err != nil {
		return nil, pl.Errorf("%v", err)
	}
	source, err := pl.Source(p.Corpus.Spec)
	if err != nil {
		return nil, err
	}
	w := &nllCase{Params: &p, seed: pl.Seed, source: source}
	c := suites.Case{Label: fmt.Sprintf("nll %s %s", source.Name(), p.Length), Params: w.params(m)}
	c.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
		return w.run(ctx, m, model, progress)
	}
	if c.Unsupported = m.Can.Missing(runners.Score); c.Unsupported == "" && m.Tokenizer == nil {
		c.Unsupported = "its tokenizer is unknown, so texts cannot be split into documents by tokens"
	}
	if c.Unsupported == "" {
		// Check now that the corpus has documents of that length.
		n := w.Documents
		if p.Corpus.Kind == corpus.KindProse {
			n = 1 // generated texts have any number
		}
		docs, err := w.documents(m.Tokenizer, n)
		if err != nil {
			return nil, pl.Errorf("%v", err)
		}
		if docs[len(docs)-1].Stretch > 1 {
			// Older versions skipped text between the stretches, so their losses are of different
			// text.
			c.Version = 1
		}
		if m.Config != nil {
			types := m.Types(runners.F32)
			c.Work = []suites.Phase{{Work: m.Config.ScoreWork(int(p.Length), 0, types), Times: float64(p.Documents)}}
			c.Least = m.Config.HeldBytes(int(p.Length), 1, types, 0).Total()
			c.Bytes = m.Config.RunBytes(int(p.Length), 1, m.Options.PrefillChunk, types).Total()
		}
	}
	return []suites.Case{c}, nil
}

// nllCase is one case: a model on a corpus.
type nllCase struct {
	*Params
	seed   uint64
	source corpus.Source
}

func (w *nllCase) params(m *suites.Target) map[string]any {
	ps := map[string]any{
		"corpus": w.source.Name(), "text": w.source.Fingerprint()[:16], "length": int(w.Length), "documents": w.Documents,
		"lengths": w.lengths(), "per_octave": w.PerOctave, "fit_from": int(w.FitFrom), "ar_ngram": w.ARNgram,
	}
	ps["dtype"], ps["kv"] = m.TypeNames()
	if tok := m.Tokenizer; tok != nil && tok.Name() != (tokenizer.Bytes{}).Name() {
		ps["tokenizer"] = tok.Name() // losses per token are not comparable between tokenizers
	}
	return ps
}

// documents returns up to n texts of the corpus with length tokens, in an order that depends on the
// seed.
func (w *nllCase) documents(tok tokenizer.Tokenizer, n int) ([]corpus.Document, error) {
	most := int(w.Length) + utf8.UTFMax - 1
	if tok.Name() != "bytes" {
		most = 8*most + 4<<10 // more bytes per token than the average of any tokenizer
	}
	docs, err := w.source.Documents(rng.New("nll/documents", w.seed).Uint64(), n, most, func(text []byte) int {
		return tokensEnd(tok, text, int(w.Length))
	})
	if err != nil {
		err = fmt.Errorf("documents of %s tokens: %w", w.Length, err)
	}
	return docs, err
}

// tokensEnd returns the end of the shortest prefix of whole characters of text with n tokens, or 0
// if text has fewer.
func tokensEnd(tok tokenizer.Tokenizer, text []byte, n int) int {
	if tok.Name() == "bytes" {
		return runeEnd(text, n)
	}
	tokens := tok.Encode(string(text))
	if len(tokens) < n {
		return 0
	}
	// Truncating the text may change the tokens before the cut.
	end := runeEnd(text, min(len(text), max(1, len(tok.Decode(tokens[:n])))))
	for end < len(text) && len(tok.Encode(string(text[:end]))) < n {
		end = runeEnd(text, end+1)
	}
	return end
}

// runeEnd returns the first offset from n on that does not split a UTF-8 character of text, or 0 if
// text is shorter than n.
func runeEnd(text []byte, n int) int {
	if len(text) < n {
		return 0
	}
	for end := n; end <= len(text) && end < n+utf8.UTFMax; end++ {
		if end == len(text) || utf8.RuneStart(text[end]) {
			return end
		}
	}
	return n // not UTF-8
}
