package nll

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// level is the confidence level of all intervals.
const level = 0.95

// fewTexts is the number of texts below which the coverage of intervals depends on the distribution
// of the losses. internal/stats simulates normal and skewed ones.
const fewTexts = 30

// run scores the documents one by one and computes the results.
func (w *nllCase) run(ctx context.Context, target *suites.Target, m runners.Model, progress func(float64)) (result.Outcome, error) {
	var out result.Outcome
	tok := target.Tokenizer
	scorer, err := runners.ScorerOf(m, tok)
	if err != nil {
		return out, err
	}
	docs, err := w.documents(tok, w.Documents)
	if err != nil {
		return out, err
	}
	t := &tallies{spans: newSpans(int(w.Length), w.PerOctave, w.lengths())}
	var names []string
	for i, d := range docs {
		tokens, text := firstTokens(tok, string(d.Text), int(w.Length))
		at := func(f float64) { progress((float64(i) + f) / float64(len(docs))) }
		one, err := w.score(ctx, scorer, text, tokens, t.spans, at)
		if err != nil {
			return out, fmt.Errorf("%s: %w", d.Name, err)
		}
		t.docs, names = append(t.docs, one), append(names, d.Name)
	}
	t.texts = textsOf(names)
	w.note(&out, names, t.count())
	w.sumUp(&out, t)
	return out, nil
}

// stretch matches the suffix of the name of a later stretch of a text (corpus.Document).
var stretch = regexp.MustCompile(`#[0-9]+$`)

// textsOf returns the index of each document's text, because stretches of one text are not
// independent.
func textsOf(names []string) []int {
	index := map[string]int{}
	out := make([]int, len(names))
	for i, name := range names {
		text := stretch.ReplaceAllString(name, "")
		if _, ok := index[text]; !ok {
			index[text] = len(index)
		}
		out[i] = index[text]
	}
	return out
}

// note adds notes on the documents and texts.
func (w *nllCase) note(r *result.Outcome, names []string, texts int) {
	if len(names) < w.Documents {
		r.Notes = append(r.Notes, fmt.Sprintf("%d documents were requested, %s has %d of %s tokens", w.Documents, w.source.Name(), len(names), w.Length))
	}
	of := fmt.Sprintf("%d documents", len(names))
	if texts < len(names) {
		of += fmt.Sprintf(" from %d texts, each of which counts once", texts)
	}
	switch {
	case texts == 1:
		r.Notes = append(r.Notes, "one text gives no intervals: the variation between texts is unknown")
	case texts < fewTexts:
		r.Notes = append(r.Notes, fmt.Sprintf("intervals are Student's t of %s; with fewer than %d they cover 95 %% as far as losses are close to normal", of, fewTexts))
	}
	if w.Corpus.Kind != corpus.KindProse {
		shown := names[:min(len(names), 20)]
		more := ""
		if len(names) > len(shown) {
			more = fmt.Sprintf(" and %d more", len(names)-len(shown))
		}
		r.Notes = append(r.Notes, "documents: "+strings.Join(shown, ", ")+more)
	}
}

// firstTokens returns the first n tokens of text and the text that they encode.
func firstTokens(tok tokenizer.Tokenizer, text string, n int) ([]int, string) {
	if s, ok := tok.(tokenizer.Spanner); ok {
		ids, ends := s.Spans(text)
		return ids[:n], text[:ends[n-1]]
	}
	ids := tok.Encode(text)[:n]
	return ids, tok.Decode(ids)
}

// score sums the losses of one document.
func (w *nllCase) score(ctx context.Context, m runners.Scorer, text string, tokens []int, s *spans, progress func(float64)) (*tally, error) {
	hits := arHits(tokens, w.ARNgram)
	t := newTally(s)
	piece := 0
	err := m.ScoreText(ctx, text, tokens, func(p runners.Piece) {
		for p.Pos >= s.edges[piece+1] {
			piece++
		}
		add := sum{n: 1, bytes: float64(p.Bytes), loss: -float64(p.LogProb)}
		if hits[p.Pos] {
			t.hit[piece].add(add, 1)
		} else {
			t.first[piece].add(add, 1)
		}
		if p.Pos&1023 == 0 {
			progress(float64(p.Pos) / float64(len(tokens)))
		}
	})
	return t, err
}

// sumUp computes metrics and series.
func (w *nllCase) sumUp(r *result.Outcome, t *tallies) {
	t.weigh(int(w.FitFrom))
	values := make([]float64, t.width())
	t.statistics(nil, values)
	o := &output{r: r, t: t, values: values, errors: stats.Jackknife(t.texts, t.width(), t.statistics)}
	o.metrics()
	o.series()
	switch {
	case math.IsNaN(values[statA]):
		r.Notes = append(r.Notes, "too few buckets of positions for a power law")
	case values[statC] == 0:
		r.Notes = append(r.Notes, "the fit has no constant: the data do not support one")
	}
}

// output converts statistics to a record's metrics and series.
type output struct {
	r      *result.Outcome
	t      *tallies
	values []float64
	errors stats.Jackknifed
}

// interval returns the interval of a statistic over texts. For a loss, which is positive, it is
// computed on the logarithm.
func (o *output) interval(i int) (lo, hi float64, ok bool) {
	if i < statHitFraction || i >= scalars && i < o.t.curve(5) {
		return o.errors.PositiveInterval(i, level)
	}
	return o.errors.Interval(i, level)
}

func (o *output) metrics() {
	o.r.Metrics = map[string]result.Metric{}
	for i, m := range []struct {
		name, unit string
		better     result.Better
	}{
		statNLL:         {"nll", "nats/token", result.Lower},
		statBits:        {"bits_per_byte", "bits/byte", result.Lower},
		statHit:         {"nll_ar_hit", "nats/token", result.Lower},
		statFirst:       {"nll_first_occur", "nats/token", result.Lower},
		statHitFraction: {"ar_hit_fraction", "fraction", result.None},
		statC:           {"fit_c", "nats/token", result.None},
		statA:           {"fit_a", "nats/token", result.None},
		statAlpha:       {"fit_alpha", "exponent", result.None},
		statR2:          {"fit_r2", "fraction", result.None},
	} {
		if math.IsNaN(o.values[i]) {
			continue
		}
		v := result.Metric{Value: o.values[i], Unit: m.unit, Better: m.better}
		if lo, hi, ok := o.interval(i); ok {
			v = v.Interval(lo, hi, level, "jackknife, Student's t")
		}
		o.r.Metrics[m.name] = v
	}
	// A sample is a text, because stretches of one text are not independent. If there is only one
	// text, a sample is a stretch, so that models can still be compared on it.
	nll := o.r.Metrics["nll"]
	samples, texts := o.t.count(), o.t.texts
	if samples == 1 {
		samples, texts = len(o.t.docs), make([]int, len(o.t.docs))
		for i := range texts {
			texts[i] = i
		}
	}
	for text := range samples {
		times := make([]int, len(o.t.docs))
		for i, of := range texts {
			if of == text {
				times[i] = 1
			}
		}
		nll.Samples = append(nll.Samples, both(o.t.over(span{0, o.t.pieces()}, times)).mean())
	}
	o.r.Metrics["nll"] = nll
}

func (o *output) series() {
	t := o.t
	var centers, lengths []float64
	var counts, upTo []int
	for _, b := range t.buckets {
		centers = append(centers, t.center(b))
		counts = append(counts, int(both(t.over(b, nil)).n))
	}
	for _, l := range t.lengths {
		lengths = append(lengths, float64(l))
		upTo = append(upTo, int(both(t.over(t.upTo(l), nil)).n))
	}
	hits, firsts := make([]int, len(t.buckets)), make([]int, len(t.buckets))
	for i, b := range t.buckets {
		hit, first := t.over(b, nil)
		hits[i], firsts[i] = int(hit.n), int(first.n)
	}
	o.curve("nll_bucket", "nats/token", centers, counts, t.curve(0))
	o.curve("nll_cumulative", "nats/token", lengths, upTo, t.curve(1))
	o.curve("bits_cumulative", "bits/byte", lengths, upTo, t.curve(2))
	o.curve("ar_hit_bucket", "nats/token", centers, hits, t.curve(3))
	o.curve("first_occur_bucket", "nats/token", centers, firsts, t.curve(4))
	if len(centers) > 1 {
		o.curve("nll_bucket_change", "nats/token", centers[1:], counts[1:], t.curve(5))
	}
	if p, ok := t.fit(o.values[t.curve(0):t.curve(1)]); ok {
		fit := result.Series{Name: "nll_fit", XUnit: "tokens", YUnit: "nats/token"}
		for i, x := range centers {
			if t.weights[i] > 0 {
				fit.X, fit.Y = append(fit.X, x), append(fit.Y, p.at(x))
			}
		}
		o.r.Series = append(o.r.Series, fit)
	}
}

// curve adds the series whose values start at index from. It omits points without observations. The
// series has a band if all points have an interval.
func (o *output) curve(name, unit string, x []float64, n []int, from int) {
	s := result.Series{Name: name, XUnit: "tokens", YUnit: unit}
	band := true
	for i := range x {
		y := o.values[from+i]
		if math.IsNaN(y) {
			continue
		}
		lo, hi, ok := o.interval(from + i)
		band = band && ok
		s.X, s.Y, s.N = append(s.X, x[i]), append(s.Y, y), append(s.N, n[i])
		s.Lo, s.Hi = append(s.Lo, lo), append(s.Hi, hi)
	}
	if len(s.X) == 0 {
		return
	}
	if !band {
		s.Lo, s.Hi = nil, nil
	}
	o.r.Series = append(o.r.Series, s)
}
