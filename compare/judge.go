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
	Broken    Verdict = "broken"     // a case failed, or the data that the gate asks for are missing
	Undecided Verdict = "undecided"  // the data support neither
	Unjudged  Verdict = "not judged" // nobody asked for what the gate needs: a baseline, or cases that a filter left out
)

// Judgement is the verdict on a list of gates.
type Judgement struct {
	// Verdict is the gravest of the gates': regressed, broken, undecided, passed.
	Verdict Verdict       `json:"verdict"`
	Gates   []GateVerdict `json:"gates"`
	// Claims is how many uncertain claims were judged together, by Holm's test.
	Claims int `json:"claims"`
	// Note is what a reader must bear in mind.
	Note string `json:"note,omitempty"`
}

// GateVerdict is the verdict on one gate.
type GateVerdict struct {
	Gate    gate.Gate `json:"gate"`
	Verdict Verdict   `json:"verdict"`
	// Reason says why there are no cases.
	Reason string        `json:"reason,omitempty"`
	Cases  []CaseVerdict `json:"cases,omitempty"`
}

// CaseVerdict is the verdict on one case, or on the pooled cases of a model.
type CaseVerdict struct {
	Model   string  `json:"model"`
	Label   string  `json:"label"`
	Verdict Verdict `json:"verdict"`
	// Reason says why the case is broken or not judged.
	Reason string `json:"reason,omitempty"`
	// Over is the model that the case is measured by, where the gate is a ratio inside one run.
	Over string `json:"over,omitempty"`
	// Value is the figure in Unit, or the ratio where Unit is "ratio"; Lo and Hi bound it at the
	// gate's confidence.
	Value *float64 `json:"value,omitempty"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
	Unit  string   `json:"unit,omitempty"`
	// N counts samples (of the smaller side), P is the one-sided p-value of a regression, Method
	// how it was tested.
	N int `json:"n,omitempty"`
	// Runs: the samples are the medians of runs, which differ among themselves.
	Runs bool `json:"runs_as_samples,omitempty"`
	// Rounds: the samples are the rounds of an interleaved measurement.
	Rounds bool `json:"rounds_as_samples,omitempty"`
	// Figures are those of the rounds.
	Figures []float64 `json:"rounds,omitempty"`
	P       *float64  `json:"p,omitempty"`
	Method  string    `json:"method,omitempty"`
	// Need is about how many samples would decide, 0 if that is not known; tooMany or more are
	// beyond reason.
	Need int `json:"need,omitempty"`

	e evidence
	// cases are the two that were compared; the second may be nil.
	cases []*Case
	// slack is how far the bound is from the limit, as a part of the interval's width: the closest
	// case has the least.
	slack float64
}

// Judge judges gates on the runs of fresh; base is the baseline, or nil.
func Judge(gates []gate.Gate, fresh, base *Side) *Judgement {
	j := &Judgement{Verdict: Unjudged}
	for _, g := range gates {
		j.Gates = append(j.Gates, gather(g, fresh, base))
		if g.Over == gate.Baseline && base != nil && j.Note == "" {
			if pairs, _, _ := pairCases(base, fresh); single(pairs) {
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

// worse is the worse of two verdicts.
func worse(a, b Verdict) Verdict {
	order := []Verdict{Unjudged, Passed, Undecided, Broken, Regressed}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// gather collects the evidence on a gate's cases.
func gather(g gate.Gate, fresh, base *Side) GateVerdict {
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
		both, onlyBase, onlyNew := pairCases(base, fresh)
		for _, p := range both {
			if about(p.fresh) {
				pairs = append(pairs, p)
			}
		}
		for _, c := range onlyNew {
			if about(c) {
				v.Cases = append(v.Cases, CaseVerdict{Model: c.Model, Label: c.Label, Verdict: Unjudged, Reason: "not in the baseline"})
			}
		}
		for _, c := range onlyBase {
			if about(c) && !fresh.Filtered {
				v.Cases = append(v.Cases, CaseVerdict{Model: c.Model, Label: c.Label, Verdict: Broken, Reason: "in the baseline, but not in this run"})
			}
		}
	case "":
		for _, c := range fresh.Cases {
			if about(c) {
				pairs = append(pairs, pair{fresh: c})
			}
		}
	default:
		for _, c := range fresh.Cases {
			if !about(c) || gate.Picks(g.Over, c.Model, c.Arch) {
				continue
			}
			twin, err := twinOf(c, g.Over, fresh)
			if err != nil {
				v.Cases = append(v.Cases, CaseVerdict{Model: c.Model, Label: c.Label, Verdict: Broken, Reason: err.Error()})
				continue
			}
			pairs = append(pairs, pair{fresh: c, base: twin})
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
		if fresh.Filtered {
			v.Reason = "the run's filter left out its cases"
		} else {
			v.Verdict, v.Reason = Broken, "no case matches it"
		}
	}
	return v
}

// twinOf finds the case of another model that asks the same.
func twinOf(c *Case, models string, s *Side) (*Case, error) {
	var twin *Case
	same := func(o *Case) bool {
		a, errA := json.Marshal(c.Params)
		b, errB := json.Marshal(o.Params)
		return errA == nil && errB == nil && string(a) == string(b)
	}
	for _, o := range s.Cases {
		if o == c || o.Task != c.Task || o.Source != c.Source || !gate.Picks(models, o.Model, o.Arch) || !same(o) {
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

// decide turns evidence into verdicts: see the package's documentation for why failing is corrected
// for the number of claims and passing is not.
func (j *Judgement) decide() {
	type claim struct {
		c    *CaseVerdict
		tail float64
		// part is the p-value as a part of what the gate's confidence allows a single claim.
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
					rest.c.Reason = fmt.Sprintf("beyond the limit alone, but not after correction for %d claims", len(claims))
					// The first of the claims left decides for all of them.
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
