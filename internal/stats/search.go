package stats

import (
	"math"
	"slices"
)

// A Criterion is a rule for an effective length: a fixed threshold or, if OfBase is set, a share of
// the score at the shortest length.
type Criterion struct {
	Threshold float64
	OfBase    bool
}

// Criteria are the two definitions of an effective length that are in use.
func Criteria() []Criterion { return []Criterion{{RulerThreshold, false}, {BaseShare, true}} }

// A Search finds effective lengths with few trials: it chooses the length of each next trial, so
// that it spends them where they decide. Its tests allow for that choice and for stopping at any
// time (LogWealth). Both bounds of an effective length together are right with a probability of
// EffectiveLevel, as those of Effective.
//
// It asks First times at each length, from the shortest up to the first that fails by a criterion.
// Then it asks Batch times at the length that needs the fewest further trials by its scores so far:
// either the shortest length that has not passed, or a longer one that seems to fail. Longer ones
// that seem to pass wait, because a length is effective only if all shorter ones pass.
type Search struct {
	Criteria []Criterion
	// First and Batch are numbers of trials. Budget is the largest number of all trials.
	First, Batch, Budget int
	// Floor is a score at the shortest length below which shares of it say nothing and are not
	// tested further.
	Floor float64
	// Scores holds the scores by length, shortest first, in the order of the trials.
	Scores [][]float64

	verdicts [][]Verdict // by criterion and length
	lengths  int         // the number of lengths at the start
	// baseLo and baseHi are bounds of the score at the shortest length, each right at all times
	// with an error of a quarter of 1-EffectiveLevel.
	baseLo, baseHi float64
}

// NewSearch returns a search over n lengths.
func NewSearch(n, budget int, criteria ...Criterion) *Search {
	s := &Search{Criteria: criteria, First: 4, Batch: 4, Budget: budget, Scores: make([][]float64, n), lengths: n, baseHi: 1}
	for range criteria {
		s.verdicts = append(s.verdicts, make([]Verdict, n))
	}
	return s
}

// Cut removes the lengths from the n-th on, which cannot be measured.
func (s *Search) Cut(n int) {
	s.Scores = s.Scores[:n]
	for i := range s.verdicts {
		s.verdicts[i] = s.verdicts[i][:n]
	}
}

// Trials returns the number of trials so far.
func (s *Search) Trials() (n int) {
	for _, scores := range s.Scores {
		n += len(scores)
	}
	return n
}

// Bounds returns the bounds of the effective length by the k-th criterion.
func (s *Search) Bounds(k int) Bounds { return BoundsOf(s.verdicts[k]) }

// Add adds the scores of trials at a length. A verdict that was reached stays: the probability of
// an error is that of ever reaching a wrong one.
func (s *Search) Add(length int, scores ...float64) {
	s.Scores[length] = append(s.Scores[length], scores...)
	if length == 0 && slices.ContainsFunc(s.Criteria, func(c Criterion) bool { return c.OfBase }) {
		lo, hi := Sequence(s.Scores[0], (1+EffectiveLevel)/2)
		s.baseLo, s.baseHi = max(s.baseLo, lo), min(s.baseHi, hi)
	}
	for k, c := range s.Criteria {
		for i := range s.Scores {
			// All lengths depend on the shortest one if it is the base.
			if s.verdicts[k][i] == Undecided && (i == length || length == 0 && c.OfBase) {
				s.verdicts[k][i], _ = s.test(k, i)
			}
		}
	}
}

// test returns the verdict of a criterion at a length or, if there is none, the numbers of further
// trials with which it would pass and fail if the wealth grows as before. Passing is not corrected
// for the number of lengths, failing is (see Effective).
func (s *Search) test(k, i int) (v Verdict, need [2]float64) {
	c := s.Criteria[k]
	if c.OfBase && i == 0 {
		// The shortest length passes if its score is above 0, which one trial shows.
		if slices.ContainsFunc(s.Scores[0], func(x float64) bool { return x > 0 }) {
			return Pass, need
		}
		return Undecided, [2]float64{math.Inf(1), math.Inf(1)}
	}
	limit := math.Log(2 / (1 - EffectiveLevel))
	above, below := c.Threshold, c.Threshold
	if c.OfBase {
		// Half of the error probability is spent on the bounds of the base.
		limit += math.Ln2
		above, below = c.Threshold*s.baseHi, c.Threshold*s.baseLo
	}
	// bet bets on a mean of sign*(score-threshold) above 0.
	bet := func(sign, threshold, low, limit float64) (reached bool, need float64) {
		xs := make([]float64, len(s.Scores[i]))
		for j, x := range s.Scores[i] {
			xs[j] = sign * (x - threshold)
		}
		w, best := LogWealth(xs, low)
		if need = math.Inf(1); best > 0 {
			need = max(limit-w, 0) / best * float64(len(xs)+1)
		}
		return w >= limit, need
	}
	pass, passNeed := bet(1, above, -above, limit)
	fail, failNeed := bet(-1, below, below-1, limit+math.Log(float64(s.lengths)))
	if below == 0 { // no score is below 0
		fail, failNeed = false, math.Inf(1)
	}
	switch {
	case fail:
		v = Fail
	case pass:
		v = Pass
	}
	return v, [2]float64{passNeed, failNeed}
}

// Next returns the length of the next n trials. ok is false if the search has ended: everything is
// decided, or the budget is spent.
func (s *Search) Next() (length, n int, ok bool) {
	left := s.Budget - s.Trials()
	if left <= 0 {
		return 0, 0, false
	}
	longest := len(s.Scores) - 1
	for k := range s.Criteria {
		longest = min(longest, s.Bounds(k).Fails)
	}
	for i := range longest + 1 {
		if n := s.First - len(s.Scores[i]); n > 0 {
			return i, min(n, left), true
		}
	}
	least := math.Inf(1)
	for k, c := range s.Criteria {
		b := s.Bounds(k)
		first := b.Passes + 1
		if c.OfBase && (first == 0 || len(s.Scores[0]) >= 2*s.First && Mean(s.Scores[0]) < s.Floor) {
			continue // all scores at the base are 0, or it is at the floor
		}
		for i := first; i < b.Fails; i++ {
			_, need := s.test(k, i)
			n := need[1]
			if i == first {
				// If need is infinite (a score close to the threshold), this length is the last
				// choice.
				n = min(n, need[0], math.MaxFloat64)
			}
			if n >= least {
				continue
			}
			least, length, ok = n, i, true
			if c.OfBase && len(s.Scores[0]) < len(s.Scores[i])+s.Batch {
				length = 0
			}
		}
	}
	return length, min(s.Batch, left), ok
}
