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
	p := *params.(*Params) // every model completes a copy of its own
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
	w := &work{Params: &p, seed: pl.Seed, source: source}
	c := suites.Case{Label: fmt.Sprintf("nll %s %s", source.Name(), p.Length), Params: w.params(m)}
	c.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
		return w.run(ctx, m, model, progress)
	}
	if c.Unsupported = m.Can.Missing(runners.Score); c.Unsupported == "" && m.Tokenizer == nil {
		c.Unsupported = "its tokenizer is not known: texts cannot be cut into documents of so many tokens"
	}
	if c.Unsupported == "" {
		// Whether the corpus has documents of that length is known now.
		n := w.Documents
		if p.Corpus.Kind == corpus.KindProse {
			n = 1 // generated: it has any number
		}
		docs, err := w.documents(m.Tokenizer, n)
		if err != nil {
			return nil, pl.Errorf("%v", err)
		}
		if docs[len(docs)-1].Stretch > 1 {
			// Earlier versions left text out between the stretches: their losses are of other text.
			c.Version = 1
		}
		if m.Config != nil {
			types := runners.Types{Weights: m.Options.Weights, KV: m.Options.KV, Act: runners.F32}
			c.Work = []suites.Phase{{Work: m.Config.ScoreWork(int(p.Length), 0, types), Times: float64(p.Documents)}}
			c.Least = m.Config.HeldBytes(int(p.Length), 1, types, 0).Total()
			c.Bytes = m.Config.RunBytes(int(p.Length), 1, m.Options.PrefillChunk, types).Total()
		}
	}
	return []suites.Case{c}, nil
}

// work is one case: a corpus read by a model.
type work struct {
	*Params
	seed   uint64
	source corpus.Source
}

func (w *work) params(m *suites.Target) map[string]any {
	ps := map[string]any{
		"corpus": w.source.Name(), "text": w.source.Fingerprint()[:16], "length": int(w.Length), "documents": w.Documents,
		"lengths": w.lengths(), "per_octave": w.PerOctave, "fit_from": int(w.FitFrom), "ar_ngram": w.ARNgram,
		"dtype": m.Options.Weights.String(), "kv": m.Options.KV.String(),
	}
	if tok := m.Tokenizer; tok != nil && tok.Name() != (tokenizer.Bytes{}).Name() {
		ps["tokenizer"] = tok.Name() // losses per token of different tokens are not comparable
	}
	return ps
}

// documents are up to n texts of the corpus with length tokens, in an order drawn from the seed.
func (w *work) documents(tok tokenizer.Tokenizer, n int) ([]corpus.Document, error) {
	most := int(w.Length) + utf8.UTFMax - 1
	if tok.Name() != "bytes" {
		most = 8*most + 4<<10 // more bytes a token than any tokenizer takes on the average
	}
	docs, err := w.source.Documents(rng.New("nll/documents", w.seed).Uint64(), n, most, func(text []byte) int {
		return tokensEnd(tok, text, int(w.Length))
	})
	if err != nil {
		err = fmt.Errorf("documents of %s tokens: %w", w.Length, err)
	}
	return docs, err
}

// tokensEnd is the end of the first character of text up to which text has n tokens, 0 if it has
// fewer.
func tokensEnd(tok tokenizer.Tokenizer, text []byte, n int) int {
	if tok.Name() == "bytes" {
		return runeEnd(text, n)
	}
	tokens := tok.Encode(string(text))
	if len(tokens) < n {
		return 0
	}
	// What is cut off may change how the text before it becomes tokens.
	end := runeEnd(text, min(len(text), max(1, len(tok.Decode(tokens[:n])))))
	for end < len(text) && len(tok.Encode(string(text[:end]))) < n {
		end = runeEnd(text, end+1)
	}
	return end
}

// runeEnd is the first offset from n on at which no UTF-8 character of text is cut; 0 where text is
// shorter than n.
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
