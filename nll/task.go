package nll

import (
	"fmt"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// Task is the nll task.
type Task struct{}

// Name is "nll".
func (Task) Name() string { return "nll" }

// Metrics are those of (*output).metrics.
func (Task) Metrics() []string {
	return []string{"nll", "bits_per_byte", "nll_ar_hit", "nll_first_occur", "ar_hit_fraction", "fit_c", "fit_a", "fit_alpha", "fit_r2"}
}

// Interleaved: nothing here depends on the clock.
func (Task) Interleaved() bool { return false }

// About is one line on the task.
func (Task) About() string {
	return "loss over long documents: by position, cumulatively, and split by what the context could tell"
}

// Params returns a *Params with the defaults.
func (Task) Params() any { return defaults() }

// Plan returns one case.
func (Task) Plan(pl *suites.Planner, m *suites.Model, params any) ([]suites.Case, error) {
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
	c := suites.Case{Label: fmt.Sprintf("nll %s %s", source.Name(), p.Length), Params: w.params(m), Run: w.run}
	tok, err := tokenizer.New(m.Config.Tokenizer)
	switch {
	case m.Computed:
		c.Unsupported = "the runner " + m.Runner + " computes costs and predicts no text"
	case err != nil:
		c.Unsupported = err.Error()
	default:
		// Whether the corpus has a document of that length is known now.
		if _, err := w.documents(tok, 1); err != nil {
			return nil, pl.Errorf("%v", err)
		}
		types := runners.Types{Weights: m.Options.Weights, KV: m.Options.KV, Act: runners.F32}
		c.Work = []suites.Phase{{Work: m.Config.ScoreWork(int(p.Length), 0, types), Times: float64(p.Documents)}}
		c.Least = m.Config.HeldBytes(int(p.Length), 1, types, 0).Total()
		c.Bytes = m.Config.RunBytes(int(p.Length), 1, m.Options.PrefillChunk, types).Total()
	}
	return []suites.Case{c}, nil
}

// work is one case: a corpus read by a model.
type work struct {
	*Params
	seed   uint64
	source corpus.Source
}

func (w *work) params(m *suites.Model) map[string]any {
	return map[string]any{
		"corpus": w.source.Name(), "text": w.source.Fingerprint()[:16], "length": int(w.Length), "documents": w.Documents,
		"lengths": w.lengths(), "per_octave": w.PerOctave, "fit_from": int(w.FitFrom), "ar_ngram": w.ARNgram,
		"bootstrap": w.Bootstrap, "dtype": m.Options.Weights.String(), "kv": m.Options.KV.String(),
	}
}

// documents are up to n texts of the corpus with length tokens, in an order drawn from the seed.
func (w *work) documents(tok tokenizer.Tokenizer, n int) ([]corpus.Document, error) {
	// No token is less than a byte, so a document of length tokens has at least as many bytes; eight a token are
	// more than any tokenizer takes on the average.
	least := int(w.Length)
	most := least + 4<<10
	if tok.Name() != "bytes" {
		most = 8*least + 4<<10
	}
	return w.source.Documents(corpus.NewRand("nll/documents", w.seed).Uint64(), n, least, most)
}
