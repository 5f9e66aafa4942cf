package stats

// RulerThreshold is the score at which RULER calls a length effective: that of Llama-2-7B at 4 Ki
// tokens (C.-P. Hsieh et al., arXiv 2404.06654).
const RulerThreshold = 0.856

// BaseShare is the share of a model's score at the shortest length below which other benchmarks
// call a length ineffective (such as NoLiMa: A. Modarressi et al., arXiv 2502.05167).
const BaseShare = 0.85

// Floor returns the score at the shortest length that a model must reach for its scores at longer
// lengths to mean something: a tenth of the range above guessing.
func Floor(guess float64) float64 { return guess + 0.1*(1-guess) }

// EffectiveLevel is the confidence level of an effective length.
const EffectiveLevel = 0.95

// A Rule decides whether a score passes at a length, given the scores at all lengths, shortest
// first. Its value is positive if the score passes.
type Rule func(scores []Estimate, i int) Estimate

// Above is the rule of a fixed threshold.
func Above(threshold float64) Rule {
	return func(scores []Estimate, i int) Estimate {
		s := scores[i]
		return Estimate{s.Value - threshold, s.Lo - threshold, s.Hi - threshold}
	}
}

// OfBase is the rule of a share of the score at the shortest length, whose own interval counts. The
// shortest length passes if its score is above 0.
func OfBase(share float64) Rule {
	return func(scores []Estimate, i int) Estimate {
		if i == 0 {
			return Combine([]float64{1 - share}, scores[:1])
		}
		return Combine([]float64{1, -share}, []Estimate{scores[i], scores[0]})
	}
}

// Bounds are the bounds of an effective length, as indices of lengths from the shortest. A length
// is effective if the scores at it and at all shorter lengths pass. Passes is the longest length
// that is shown to be effective, -1 if there is none. Fails is the shortest length whose score is
// shown not to pass; it equals the number of lengths if there is none. Lengths between them are
// undecided.
type Bounds struct{ Passes, Fails int }

// Verdict is what the scores show at one length.
type Verdict int

// The verdicts.
const (
	Undecided Verdict = iota
	Pass
	Fail
)

// BoundsOf returns the bounds that the verdicts of all lengths give. A longer length that passes
// after a shorter one that does not is not effective.
func BoundsOf(verdicts []Verdict) Bounds {
	b := Bounds{-1, len(verdicts)}
	for i, v := range verdicts {
		if v == Fail {
			b.Fails = i
			break
		}
	}
	for i, v := range verdicts {
		if v != Pass {
			break
		}
		b.Passes = i
	}
	return b
}

// Effective returns the bounds of the effective length for a fixed number of trials. scores returns
// the scores at n lengths, shortest first, with intervals at a two-sided level. Both bounds
// together are right with a probability of EffectiveLevel:
//
//   - Passes is too long only if the first length that is not effective passes by mistake. That is
//     one test, with an error of (1-EffectiveLevel)/2, however many lengths there are.
//   - Fails is too short if any of the effective lengths fails by mistake. The error is divided by
//     the number of lengths (Bonferroni), so failing needs wider intervals than passing.
func Effective(n int, scores func(level float64) []Estimate, rule Rule) Bounds {
	narrow, wide := scores(EffectiveLevel), scores(FailLevel(n))
	verdicts := make([]Verdict, n)
	for i := range verdicts {
		switch {
		case rule(wide, i).Hi < 0:
			verdicts[i] = Fail
		case rule(narrow, i).Lo > 0:
			verdicts[i] = Pass
		}
	}
	return BoundsOf(verdicts)
}

// FailLevel is the level of the intervals by which one of n lengths fails.
func FailLevel(n int) float64 { return 1 - (1-EffectiveLevel)/float64(max(n, 1)) }
