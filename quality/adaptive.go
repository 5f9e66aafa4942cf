package quality

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// effective are the metrics with the bounds of an effective length (result.View.Effective), in the
// order of stats.Criteria.
var effective = []string{"passes_to", "fails_from", "base_passes_to", "base_fails_from"}

// maxAdaptive limits the budget, against typing errors.
const maxAdaptive = 4096

func (p *Params) checkAdaptive() error {
	switch {
	case p.Adaptive == 0:
		return nil
	case p.Adaptive < 8 || p.Adaptive > maxAdaptive:
		return fmt.Errorf("adaptive: %d questions, expected 8 to %d", p.Adaptive, maxAdaptive)
	case p.Samples.String() != defaults().Samples.String():
		return fmt.Errorf("samples: not used with adaptive, which is the number of all questions of a kind")
	case len(p.Lengths) < 2:
		return fmt.Errorf("adaptive: %d length, expected 2 or more to choose from", len(p.Lengths))
	}
	return nil
}

// adaptive returns one case for each kind. at returns the cell of a kind at a length.
func (t Task) adaptive(pl *suites.Planner, m *suites.Target, p *Params, kinds []*Kind, at func(kind, length int) *cell, unsupported string) ([]suites.Case, error) {
	if err := pl.Count(len(kinds)); err != nil {
		return nil, err
	}
	cases := make([]suites.Case, 0, len(kinds))
	var short error // why all cases are too short
	for i := range kinds {
		if err := pl.Err(); err != nil {
			return nil, err
		}
		if !pl.Wanted(len(cases)) {
			cases = append(cases, suites.Case{})
			short = nil
			continue
		}
		s, unfit := search{budget: p.Adaptive}, search{budget: p.Adaptive}
		var out, without suites.Case
		var why error
		for _, length := range p.Lengths {
			c := at(i, int(length))
			planned, err := c.plan(m, unsupported)
			switch {
			case errors.Is(err, errTooShort):
				why = err
				without = unfit.extend(without, c, planned)
			case err != nil:
				return nil, pl.Errorf("%v", err)
			default:
				out = s.extend(out, c, planned)
			}
		}
		if len(s.cells) == 0 {
			if s, out = unfit, without; len(cases) == 0 {
				short = why
			}
			out.Unsupported = why.Error()
		} else {
			short = nil
		}
		for k := range out.Work {
			out.Work[k].Times *= float64(p.Adaptive) / float64(len(s.cells))
		}
		out.Label = s.label()
		out.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
			return s.run(ctx, m, model, progress)
		}
		cases = append(cases, out)
	}
	if short != nil {
		return nil, pl.Errorf("lengths: all are too short for %s: %s", m.Name, strings.TrimPrefix(short.Error(), errTooShort.Error()+": "))
	}
	return cases, nil
}

// search is a case that finds the effective length of a kind.
type search struct {
	cells  []*cell // by length
	least  []int64 // least memory of each cell, see suites.Case
	budget int
}

// extend adds the next longer cell, and its plan to the plan of the search, with the work of one
// question.
func (s *search) extend(out suites.Case, c *cell, next suites.Case) suites.Case {
	s.cells, s.least = append(s.cells, c), append(s.least, next.Least)
	if out.Params == nil {
		out.Params, out.Least, out.Unsupported = next.Params, next.Least, next.Unsupported
		for _, name := range []string{"length", "samples"} {
			delete(out.Params, name)
		}
		out.Params["adaptive"] = s.budget
	}
	var lengths []any
	for _, c := range s.cells {
		lengths = append(lengths, c.length)
	}
	out.Params["lengths"] = lengths
	for _, w := range next.Work {
		w.Times /= float64(c.samples())
		out.Work = append(out.Work, w)
	}
	out.Bytes = next.Bytes
	return out
}

// label is the first cell's label with the range of lengths.
func (s *search) label() string {
	last := s.cells[len(s.cells)-1]
	return s.cells[0].labelAt(fmt.Sprintf("%s to %s, adaptive", suites.Size(s.cells[0].length), suites.Size(last.length)))
}

// run searches. A length at which the model runs out of memory, or which it does not support, ends
// the lengths; the shortest one must work.
func (s *search) run(ctx context.Context, target *suites.Target, m runners.Model, progress func(float64)) (result.Outcome, error) {
	completer, err := runners.CompleterOf(m, target.Tokenizer, false)
	if err != nil {
		return result.Outcome{}, err
	}
	find := stats.NewSearch(len(s.cells), s.budget, stats.Criteria()...)
	find.Floor = stats.Floor(s.cells[0].Guess)
	runs := make([]*run, len(s.cells))
	var notes []string
	cut := func(i int, why string) {
		find.Cut(i)
		notes = append(notes, fmt.Sprintf("lengths from %s on were not measured: %s", suites.Size(s.cells[i].length), why))
	}
	for i, least := range s.least {
		if target.Memory > 0 && least > target.Memory {
			cut(i, fmt.Sprintf("%v: %s needs %s, %s are available", runners.ErrOutOfMemory, suites.Size(s.cells[i].length), runners.FormatBytes(least), runners.FormatBytes(target.Memory)))
			break
		}
	}
	for {
		i, n, ok := find.Next()
		if !ok {
			break
		}
		if runs[i] == nil {
			runs[i] = s.cells[i].start(target, completer)
		}
		r, before := runs[i], find.Trials()
		from := len(r.trials)
		err := r.ask(ctx, n, func(done int) { progress(float64(before+done-from) / float64(s.budget)) })
		if i > 0 && (errors.Is(err, runners.ErrOutOfMemory) || errors.Is(err, runners.ErrUnsupported)) {
			runs[i] = nil
			cut(i, err.Error())
			continue
		}
		if err != nil {
			return result.Outcome{}, err
		}
		find.Add(i, r.scores[from:]...)
	}
	return s.outcome(find, runs, notes), nil
}

// outcome returns the scores by length, with intervals that are valid whenever the search stops,
// and the bounds of the effective length.
func (s *search) outcome(find *stats.Search, runs []*run, notes []string) result.Outcome {
	out := result.Outcome{}
	curve := result.Series{Name: "score", XUnit: "tokens", YUnit: "fraction"}
	var repeat []float64
	for i, scores := range find.Scores {
		if len(scores) == 0 {
			continue
		}
		lo, hi := stats.Sequence(scores, level)
		mean := stats.Mean(scores)
		curve.X, curve.Y, curve.N = append(curve.X, float64(s.cells[i].length)), append(curve.Y, mean), append(curve.N, len(scores))
		curve.Lo, curve.Hi = append(curve.Lo, min(lo, mean)), append(curve.Hi, max(hi, mean))
		repeat = append(repeat, runs[i].repeat...)
		out.Trials = append(out.Trials, runs[i].trials...)
		for _, note := range runs[i].remarks() {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	out.Series, out.Notes = []result.Series{curve}, notes
	out.Metrics = map[string]result.Metric{
		"guess":  {Value: s.cells[0].Guess, Unit: "fraction", Better: result.None},
		"repeat": {Value: stats.Mean(repeat), Unit: "fraction", Better: result.None},
		"trials": {Value: float64(find.Trials()), Unit: "", Better: result.None},
	}
	for k, c := range find.Criteria {
		b := find.Bounds(k)
		if c.OfBase && !(len(curve.Y) > 0 && curve.Y[0] >= find.Floor && curve.Lo[0] > s.cells[0].Guess) {
			b.Passes = -1 // the model is at the floor, so that it passes by chance only
		}
		tokens := func(i int) float64 { // of the i-th length, 0 below the shortest
			if i < 0 {
				return 0
			}
			return float64(s.cells[i].length)
		}
		bound := func(i int) result.Metric {
			return result.Metric{Value: tokens(i), Unit: "tokens", Better: result.Higher}
		}
		// The effective length among those measured is at least the one that passes, and below the
		// one that fails.
		out.Metrics[effective[2*k]] = bound(b.Passes).Interval(tokens(b.Passes), tokens(b.Fails-1), level, "sequential")
		if b.Fails < len(find.Scores) {
			out.Metrics[effective[2*k+1]] = bound(b.Fails)
		}
	}
	return out
}
