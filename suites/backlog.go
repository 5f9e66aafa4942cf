package suites

import (
	"math"
	"sort"
)

// backlog estimates the time of the cases that a run has not done yet. The cases of one model and
// task form a group, whose estimates are corrected together. Every query takes O(groups * log
// cases), so that a run of many cases does not spend its time on estimates.
type backlog struct {
	groups map[groupKey]*caseGroup
	places map[*PlannedCase]int // a case's index in its group
	// took and estimated are the measured and estimated seconds of all cases done. They correct
	// groups without a finished case.
	took, estimated float64
}

type groupKey struct{ model, task string }

func groupOf(c *PlannedCase) groupKey { return groupKey{c.Model.Name, c.Task} }

// caseGroup holds the cases of one model and task, cheapest first.
type caseGroup struct {
	seconds []float64 // the estimates of the plan, ascending
	sums    []float64 // Fenwick tree over the estimates of the remaining cases
	factor  float64   // measured over estimated time of the last cases; 0: none yet
}

func newBacklog(cases []*PlannedCase) *backlog {
	b := &backlog{groups: map[groupKey]*caseGroup{}, places: map[*PlannedCase]int{}}
	order := make([]*PlannedCase, 0, len(cases))
	for _, c := range cases {
		if c.runs() {
			order = append(order, c)
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].Seconds < order[j].Seconds })
	for _, c := range order {
		g := b.group(c)
		b.places[c] = len(g.seconds)
		g.seconds = append(g.seconds, c.Seconds)
	}
	for _, g := range b.groups {
		g.sums = make([]float64, len(g.seconds)+1)
		for i, s := range g.seconds {
			g.add(i, s)
		}
	}
	return b
}

func (b *backlog) group(c *PlannedCase) *caseGroup {
	g := b.groups[groupOf(c)]
	if g == nil {
		g = &caseGroup{}
		b.groups[groupOf(c)] = g
	}
	return g
}

func (g *caseGroup) add(i int, s float64) {
	for i++; i < len(g.sums); i += i & -i {
		g.sums[i] += s
	}
}

// first returns the estimate of the n cheapest cases of the group, without those already removed.
func (g *caseGroup) first(n int) (sum float64) {
	for ; n > 0; n -= n & -n {
		sum += g.sums[n]
	}
	return sum
}

// remove removes a case that is done or will not run.
func (b *backlog) remove(c *PlannedCase) {
	i, ok := b.places[c]
	if !ok {
		return
	}
	delete(b.places, c)
	g := b.group(c)
	g.add(i, -g.seconds[i])
}

// learn corrects the estimates by case c, which was estimated at c.Seconds and took seconds.
func (b *backlog) learn(c *PlannedCase, seconds float64) {
	if !(c.Seconds > 0.01 && seconds > 0) {
		return
	}
	g, f := b.group(c), seconds/c.Seconds
	if g.factor > 0 {
		f = (f + g.factor) / 2
	}
	g.factor = f
	b.took += seconds
	b.estimated += c.Seconds
}

// scale returns the correction factor of a group's estimates, from its own cases or, if none is
// done, from all cases.
func (b *backlog) scale(g *caseGroup) float64 {
	switch {
	case g.factor > 0:
		return g.factor
	case b.estimated > 0:
		return b.took / b.estimated
	}
	return 1
}

// estimate returns the corrected time of a case in seconds.
func (b *backlog) estimate(c *PlannedCase) float64 {
	if g := b.groups[groupOf(c)]; g != nil {
		return c.Seconds * b.scale(g)
	}
	return c.Seconds * b.scale(&caseGroup{})
}

// below returns the total corrected time of the cases that take less than limit seconds each.
func (b *backlog) below(limit float64) (sum float64) {
	for _, g := range b.groups {
		f := b.scale(g)
		sum += f * g.first(sort.Search(len(g.seconds), func(i int) bool { return f*g.seconds[i] >= limit }))
	}
	return max(0, sum) // removing cases may leave a rounding error
}

// all returns the total corrected time of all cases.
func (b *backlog) all() (sum float64) {
	for _, g := range b.groups {
		sum += b.scale(g) * g.first(len(g.seconds))
	}
	return max(0, sum)
}

// within returns the total time of the cases that fit in seconds, cheapest first.
func (b *backlog) within(seconds float64) float64 {
	if sum := b.all(); sum <= seconds {
		return sum
	}
	if !(seconds > 0) {
		return 0
	}
	lo, hi := 0.0, seconds // below(lo) fits, and no case that costs more than hi does
	for range 50 {
		if mid := (lo + hi) / 2; b.below(mid) <= seconds {
			lo = mid
		} else {
			hi = mid
		}
	}
	// Of the equal cases at the threshold, count as many as fit.
	sum := b.below(lo)
	at := b.below(hi*(1+1e-9)) - sum
	return sum + min(at, hi*math.Floor(max(0, seconds-sum)/hi))
}
