package compare

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/match"
)

// The verdicts of gates.
const (
	Passed    Verdict = "passed"
	Regressed Verdict = "regressed"
	Broken    Verdict = "broken"     // a case failed, or data that the gate needs are missing
	Undecided Verdict = "undecided"  // the data support neither verdict
	Unjudged  Verdict = "not judged" // the user gave no baseline, or a filter left out the cases
)

// Judgement is the verdict on a list of gates.
type Judgement struct {
	// Verdict is the worst verdict of the gates, in the order regressed, broken, undecided, passed.
	Verdict Verdict       `json:"verdict"`
	Gates   []GateVerdict `json:"gates"`
	// Claims is the number of uncertain claims that Holm's test covers.
	Claims int `json:"claims"`
	// Note explains a limitation of the verdicts.
	Note string `json:"note,omitempty"`
}

// GateVerdict is the verdict on one gate.
type GateVerdict struct {
	Gate    gate.Gate `json:"gate"`
	Verdict Verdict   `json:"verdict"`
	// Reason explains why there are no cases.
	Reason string        `json:"reason,omitempty"`
	Cases  []CaseVerdict `json:"cases,omitempty"`
}

// CaseVerdict is the verdict on one case, or on the pooled cases of a model.
type CaseVerdict struct {
	Model   string  `json:"model"`
	Label   string  `json:"label"`
	Verdict Verdict `json:"verdict"`
	// Reason explains why the case is broken or not judged.
	Reason string `json:"reason,omitempty"`
	// Over is the model that the case is compared with, if the gate is a ratio within one run.
	Over string `json:"over,omitempty"`
	// Value is the value in Unit, or the ratio if Unit is "ratio". Lo and Hi bound it at the gate's
	// confidence.
	Value *float64 `json:"value,omitempty"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
	Unit  string   `json:"unit,omitempty"`
	// N counts the samples of the smaller side. P is the one-sided p-value of a regression, Method
	// the test.
	N int `json:"n,omitempty"`
	// Runs reports whether the samples are the medians of runs.
	Runs bool `json:"runs_as_samples,omitempty"`
	// Rounds reports whether the samples are the rounds of an interleaved measurement.
	Rounds bool `json:"rounds_as_samples,omitempty"`
	// Figures holds the values of the rounds.
	Figures []float64 `json:"rounds,omitempty"`
	P       *float64  `json:"p,omitempty"`
	Method  string    `json:"method,omitempty"`
	// Need estimates how many samples would decide: 0 if unknown, tooMany or more if no reasonable
	// number would.
	Need int `json:"need,omitempty"`

	e evidence
	// cases are the two compared cases; the second may be nil.
	cases []*Case
	// slack is the distance of the bound from the limit, relative to the interval's width. The
	// closest case has the smallest.
	slack float64
}

// Judge judges gates on the runs of candidate. base is the baseline, or nil.
func Judge(gates []gate.Gate, candidate, base *Side) *Judgement {
	j := &Judgement{Verdict: Unjudged}
	for _, g := range gates {
		j.Gates = append(j.Gates, gather(g, candidate, base))
		if g.Over == gate.Baseline && base != nil && j.Note == "" {
			if pairs, _, _ := pairCases(base, candidate); single(pairs) {
				j.Note = oneRun
			}
		}
	}
	j.decide()
	for i := range j.Gates {
		v := &j.Gates[i]
		for _, c := range v.Cases {
			v.Verdict = worse(v.Verdict, c.Verdict)
		}
		if v.Verdict == Unjudged && v.Reason == "" {
			v.Verdict, v.Reason = Broken, "none of its cases could be judged"
		}
		j.Verdict = worse(j.Verdict, v.Verdict)
	}
	return j
}

// worse returns the worse of two verdicts.
func worse(a, b Verdict) Verdict {
	order := []Verdict{Unjudged, Passed, Undecided, Broken, Regressed}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// gather collects the evidence on the cases of a gate.
func gather(g gate.Gate, candidate, base *Side) GateVerdict {
	v := GateVerdict{Gate: g, Verdict: Unjudged}
	if g.Over == gate.Baseline && base == nil {
		v.Reason = "it needs a baseline"
		return v
	}
	about := func(c *Case) bool {
		return g.Match(c.Task, c.Model, c.Arch, match.FieldsOf(c.Params, c.Model, c.Arch, c.Runner, c.Label))
	}
	var pairs []pair
	switch g.Over {
	case gate.Baseline:
		both, onlyBase, onlyNew := pairCases(base, candidate)
		for _, p := range both {
			if about(p.candidate) {
				pairs = append(pairs, p)
			}
		}
		for _, c := range onlyNew {
			if about(c) {
				v.Cases = append(v.Cases, CaseVerdict{Model: c.Model, Label: c.Label, Verdict: Unjudged, Reason: "not in the baseline"})
			}
		}
		for _, c := range onlyBase {
			if about(c) && !candidate.Filtered {
				v.Cases = append(v.Cases, CaseVerdict{Model: c.Model, Label: c.Label, Verdict: Broken, Reason: "in the baseline, but not in this run"})
			}
		}
	case "":
		for _, c := range candidate.Cases {
			if about(c) {
				pairs = append(pairs, pair{candidate: c})
			}
		}
	default:
		for _, c := range candidate.Cases {
			if !about(c) || gate.Picks(g.Over, c.Model, c.Arch) {
				continue
			}
			twin, err := twinOf(c, g.Over, candidate)
			if err != nil {
				v.Cases = append(v.Cases, CaseVerdict{Model: c.Model, Label: c.Label, Verdict: Broken, Reason: err.Error()})
				continue
			}
			pairs = append(pairs, pair{candidate: c, base: twin})
		}
	}
	if g.Pooled {
		v.Cases = append(v.Cases, pooled(g, pairs)...)
	} else {
		for _, p := range pairs {
			v.Cases = append(v.Cases, evaluate(g, p))
		}
	}
	if len(v.Cases) == 0 {
		if candidate.Filtered {
			v.Reason = "the run's filter left out its cases"
		} else {
			v.Verdict, v.Reason = Broken, "no case matches it"
		}
	}
	return v
}

// question is a key that cases of different models share if their parameters are the same.
func (c *Case) question() string {
	b, err := json.Marshal([]any{c.Task, c.Source, c.Params})
	if err != nil {
		return c.ID
	}
	return string(b)
}

// twinOf finds the case of another model with the same parameters.
func twinOf(c *Case, models string, s *Side) (*Case, error) {
	if s.twins == nil {
		s.twins = map[string][]*Case{}
		for _, o := range s.Cases {
			s.twins[o.question()] = append(s.twins[o.question()], o)
		}
	}
	var twin *Case
	for _, o := range s.twins[c.question()] {
		if o == c || !gate.Picks(models, o.Model, o.Arch) {
			continue
		}
		if twin != nil {
			return nil, fmt.Errorf("ambiguous: measured by both %s and %s; name one", clean(twin.Model), clean(o.Model))
		}
		twin = o
	}
	if twin == nil {
		return nil, fmt.Errorf("no case of %s has the same parameters", models)
	}
	return twin, nil
}

// decide derives the verdicts from the evidence. The package documentation explains why regressions
// are corrected for the number of claims and passes are not.
func (j *Judgement) decide() {
	type claim struct {
		c    *CaseVerdict
		tail float64
		// part is the p-value divided by the error probability that the gate's confidence allows a
		// single claim.
		part float64
	}
	var claims []claim
	for i := range j.Gates {
		g := j.Gates[i].Gate
		tail := (1 - g.Confidence) / 2
		for k := range j.Gates[i].Cases {
			c := &j.Gates[i].Cases[k]
			if c.Verdict != "" {
				continue
			}
			pass, fail := c.e.above, c.e.below
			if !g.AtLeast {
				pass, fail = fail, pass
			}
			switch {
			case c.e.exact && pass == 0:
				c.Verdict = Passed
			case c.e.exact:
				c.Verdict = Regressed
			default:
				claims = append(claims, claim{c, tail, fail / tail})
				c.Verdict = Undecided
				if pass <= tail {
					c.Verdict = Passed
				} else {
					c.Need = c.e.need
				}
			}
		}
	}
	j.Claims = len(claims)
	sort.SliceStable(claims, func(a, b int) bool { return claims[a].part < claims[b].part })
	for i, c := range claims {
		if !(c.part <= 1/float64(len(claims)-i)) {
			for _, rest := range claims[i:] {
				if rest.part <= 1 {
					rest.c.Reason = fmt.Sprintf("beyond the limit, but not after correction for %d claims", len(claims))
					// The first remaining claim must become significant before the others.
					switch p := rest.tail / float64(len(claims)-i); {
					case rest.c.e.byRun:
						rest.c.Need = max(rest.c.Need, leastSigns(p))
					case rest.c.Runs:
						rest.c.Need = max(rest.c.Need, leastRuns(p))
					}
				}
			}
			break
		}
		c.c.Verdict, c.c.Need = Regressed, 0
	}
}
