package nll

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/result"
)

// level is that of every interval.
const level = 0.95

// fewDocuments is the number below which percentile intervals fall well short of their level: for a mean of
// n normal values their width is sqrt((n-1)/n) x 1.96/t of that of Student's, .78 at n = 8 and .53 at n = 4.
const fewDocuments = 8

// run scores the documents one by one and sums up.
func (w *work) run(ctx context.Context, m runners.Model, r *result.Record, progress func(float64)) error {
	tok, err := tokenizer.New(m.Config().Tokenizer)
	if err != nil {
		return fmt.Errorf("%w: %w", err, runners.ErrUnsupported)
	}
	docs, err := w.documents(tok, w.Documents)
	if err != nil {
		return err
	}
	t := &tallies{spans: newSpans(int(w.Length), w.PerOctave, w.lengths())}
	var names []string
	for i, d := range docs {
		tokens := tok.Encode(string(d.Text))[:w.Length]
		at := func(f float64) { progress((float64(i) + f) / float64(len(docs))) }
		one, err := w.score(ctx, m, tok, tokens, t.spans, at)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		t.docs, names = append(t.docs, one), append(names, d.Name)
	}
	w.note(r, names)
	w.sumUp(r, t)
	return nil
}

// note tells what was read.
func (w *work) note(r *result.Record, names []string) {
	if len(names) < w.Documents {
		r.Notes = append(r.Notes, fmt.Sprintf("%d documents were asked for, %s has %d of %s tokens", w.Documents, w.source.Name(), len(names), w.Length))
	}
	switch {
	case len(names) == 1:
		r.Notes = append(r.Notes, "one document gives no intervals: how much documents differ is not known")
	case len(names) < fewDocuments && w.Bootstrap > 0:
		r.Notes = append(r.Notes, fmt.Sprintf("intervals from %d documents are too narrow: resampling so few misses part of how much documents differ", len(names)))
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

// score sums the losses of one document.
func (w *work) score(ctx context.Context, m runners.Model, tok tokenizer.Tokenizer, tokens []int, s *spans, progress func(float64)) (*tally, error) {
	q, err := m.NewSequence(len(tokens))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	hits := arHits(tokens, w.ARNgram)
	t := newTally(s)
	piece, next := 0, 1
	one := []int{0}
	err = m.Score(ctx, q, tokens, func(pos int, logprob float32) {
		next++
		for pos >= s.edges[piece+1] {
			piece++
		}
		one[0] = tokens[pos]
		add := sum{n: 1, bytes: float64(len(tok.Decode(one))), loss: -float64(logprob)}
		if hits[pos] {
			t.hit[piece].add(add, 1)
		} else {
			t.first[piece].add(add, 1)
		}
		if pos&1023 == 0 {
			progress(float64(pos) / float64(len(tokens)))
		}
	})
	if err == nil && next != len(tokens) {
		err = fmt.Errorf("the model scored %d of %d tokens", next-1, len(tokens)-1)
	}
	return t, err
}

// sumUp writes metrics and series.
func (w *work) sumUp(r *result.Record, t *tallies) {
	t.weigh(int(w.FitFrom))
	values := make([]float64, t.width())
	t.statistics(nil, values)
	o := &output{r: r, t: t, values: values}
	if len(t.docs) > 1 && w.Bootstrap > 0 {
		b := stats.Bootstrap(len(t.docs), w.Bootstrap, t.width(), corpus.NewRand("nll/bootstrap", w.seed).IntN, t.statistics)
		o.boot = &b
	}
	o.metrics()
	o.series()
	switch {
	case math.IsNaN(values[statA]):
		r.Notes = append(r.Notes, "too few buckets of positions for a power law")
	case values[statC] == 0:
		r.Notes = append(r.Notes, "the fit has no constant: the data do not support one")
	}
}

// output turns statistics into a record's metrics and series.
type output struct {
	r      *result.Record
	t      *tallies
	values []float64
	boot   *stats.Resampled // nil: no intervals
}

func (o *output) interval(i int) (lo, hi float64, ok bool) {
	if o.boot == nil {
		return 0, 0, false
	}
	return o.boot.Interval(i, level)
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
			v = v.Interval(lo, hi, level, "bootstrap")
		}
		o.r.Metrics[m.name] = v
	}
	nll := o.r.Metrics["nll"]
	for i := range o.t.docs {
		times := make([]int, len(o.t.docs))
		times[i] = 1
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

// curve adds the series whose values begin at from. Points without observations are left out; the band is
// there if all points have an interval.
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
