package suites

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// A plan is split over machines that do not communicate. Each machine plans the suite, splits the
// plan and keeps its own part, so the split must not depend on the machine. Costs are computed for
// a nominal machine, not from measured peaks; they are whole microseconds, and ties are broken by
// the cases' ids. The hash of the split shows whether the machines agreed.
//
// A unit holds cases that must be measured on one machine:
//   - cases of an interleaved task (result.Task.Interleaved) that follow each other from model to
//     model, and those of several models with the same params;
//   - cases that a gate compares inside a run.
//
// Prompts that share a prefix belong to one case, which is never split.
//
// Units are assigned longest processing time first: from the most expensive to the cheapest, each
// to the shard with the least cost so far. The most loaded shard costs at most 4/3 of the most
// loaded one in the best split (Graham 1969).

// Shard selects a part of a plan.
type Shard struct {
	// Number is from 1 to Count.
	Number, Count int
}

// String returns the shard as written for --shard.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Number, s.Count) }

// ParseShard reads "3/16", or takes the number of the shard from the environment of an array job:
//
//	auto     Slurm: SLURM_ARRAY_TASK_ID, with SLURM_ARRAY_TASK_MIN, _MAX, _STEP and _COUNT
//	auto/16  Slurm: SLURM_ARRAY_TASK_ID, from 1 to 16, or
//	         Kubernetes: JOB_COMPLETION_INDEX, from 0 to 15
//
// source names the variable that was read and its value; it is empty for "3/16".
func ParseShard(text string, getenv func(string) string) (s Shard, source string, err error) {
	number, count, counted := strings.Cut(text, "/")
	if counted {
		if s.Count, err = strconv.Atoi(count); err != nil || s.Count < 1 || s.Count > result.MaxShards {
			return Shard{}, "", fmt.Errorf("--shard %q: the number of shards is 1 to %d; expected a form such as 3/16, auto or auto/16", text, result.MaxShards)
		}
	}
	if number == "auto" {
		return autoShard(text, s.Count, getenv)
	}
	if s.Number, err = strconv.Atoi(number); err != nil || !counted {
		return Shard{}, "", fmt.Errorf("--shard %q: expected a form such as 3/16, auto or auto/16", text)
	}
	if s.Number < 1 || s.Number > s.Count {
		return Shard{}, "", fmt.Errorf("--shard %q: shards are numbered from 1 to %d", text, s.Count)
	}
	return s, "", nil
}

// autoShard reads the environment of an array job. count is 0 if it was not given.
func autoShard(text string, count int, getenv func(string) string) (s Shard, source string, err error) {
	const slurm, kubernetes = "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"
	fail := func(format string, args ...any) (Shard, string, error) {
		return Shard{}, "", fmt.Errorf("--shard "+text+": "+format, args...)
	}
	value := func(name string) (int, error) {
		n, err := strconv.Atoi(getenv(name))
		if err != nil {
			return 0, fmt.Errorf("%s is %q, expected a number", name, getenv(name))
		}
		return n, nil
	}
	inSlurm, inKubernetes := getenv(slurm) != "", getenv(kubernetes) != ""
	switch {
	case inSlurm && inKubernetes:
		return fail("both %s and %s are set; give the shard by number", slurm, kubernetes)
	case inKubernetes && count == 0:
		return fail("%s does not say how many shards there are; expected auto/N with the completions of the job", kubernetes)
	case inKubernetes:
		n, err := value(kubernetes)
		if err != nil {
			return fail("%v", err)
		}
		s, source = Shard{n + 1, count}, fmt.Sprintf("%s=%d", kubernetes, n)
	case inSlurm && count > 0:
		n, err := value(slurm)
		if err != nil {
			return fail("%v", err)
		}
		s, source = Shard{n, count}, fmt.Sprintf("%s=%d", slurm, n)
	case inSlurm:
		var v [5]int
		for i, name := range []string{slurm, "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT"} {
			if name == "SLURM_ARRAY_TASK_STEP" && getenv(name) == "" {
				v[i] = 1
			} else if v[i], err = value(name); err != nil {
				return fail("%v", err)
			}
		}
		id, first, last, step, n := v[0], v[1], v[2], v[3], v[4]
		if step < 1 || n < 1 || first+(n-1)*step != last || id < first || (id-first)%step != 0 {
			return fail("the tasks of the array are not evenly spaced (task %d of %d from %d to %d by %d); use --array=1-N and auto/N", id, n, first, last, step)
		}
		s, source = Shard{(id-first)/step + 1, n}, fmt.Sprintf("%s=%d", slurm, id)
	default:
		return fail("neither %s nor %s is set: this is no task of a Slurm array and no pod of an Indexed Job; give the shard by number, such as 3/16", slurm, kubernetes)
	}
	if s.Number < 1 || s.Number > s.Count || s.Count > result.MaxShards {
		return fail("%s makes it shard %d of %d", source, s.Number, s.Count)
	}
	return s, source, nil
}

// nominal is the machine for which the costs of a split are computed. Only the ratio of its rates
// matters; it is between those of CPUs and GPUs.
var nominal = runners.Profile{Name: "nominal", Peak: map[runners.DType]float64{runners.F32: 50e12}, Bandwidth: 1e12, Efficiency: runners.Limit}

// caseOverhead is the fixed cost of a case in addition to its work.
const caseOverhead = 10_000 // microseconds

// maxCost bounds the cost of a case, so that sums do not overflow.
const maxCost = math.MaxInt64 >> 22

// nominalMicroseconds returns the time that work takes on the nominal machine, or -1 if the work
// is unknown.
func nominalMicroseconds(work []Phase) float64 {
	if len(work) == 0 {
		return -1
	}
	us := 0.0
	for _, w := range work {
		us += 1e6 * nominal.Seconds(w.Work, runners.F32) * w.Times
	}
	return us
}

// costs returns the nominal microseconds of each case. A case of unknown work, such as one of a
// served model, gets the average cost per token of context of the others.
func (p *Plan) costs() []int64 {
	runs := func(c *PlannedCase) bool { return !c.Model.Computed && c.Unsupported == "" }
	var sum, tokens float64 // of the cases with known work
	for _, c := range p.Cases {
		if runs(c) && c.nominal >= 0 {
			sum, tokens = sum+c.nominal, tokens+contextOf(c)
		}
	}
	each := 1000.0
	if tokens > 0 {
		each = sum / tokens
	}
	out := make([]int64, len(p.Cases))
	for i, c := range p.Cases {
		us := 0.0
		switch {
		case runs(c) && c.nominal >= 0:
			us = c.nominal
		case runs(c):
			us = each * contextOf(c)
		}
		out[i] = caseOverhead + int64(math.Round(min(us, maxCost)))
	}
	return out
}

func contextOf(c *PlannedCase) float64 { return float64(max(c.tokens, 1)) }

// unit is a set of cases that are assigned to the same shard.
type unit struct {
	cases []int32 // indexes in Plan.Cases, ascending
	cost  int64
	id    string // the smallest id of the cases
}

// units divides the cases.
func (p *Plan) units() []unit {
	parent := make([]int32, len(p.Cases))
	for i := range parent {
		parent[i] = int32(i)
	}
	find := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	turns, questions := map[int]int32{}, map[uint64]int32{}
	join := func(i, o int32) {
		a, b := find(i), find(o)
		parent[max(a, b)] = min(a, b)
	}
	for i, c := range p.Cases {
		if c.turn > 0 {
			if o, ok := turns[c.turn]; ok {
				join(int32(i), o)
			} else {
				turns[c.turn] = int32(i)
			}
		}
		if c.question != 0 {
			if o, ok := questions[c.question]; ok {
				join(int32(i), o)
			} else {
				questions[c.question] = int32(i)
			}
		}
	}
	costs := p.costs()
	index := map[int32]int{}
	var out []unit
	for i, c := range p.Cases {
		root := find(int32(i))
		at, ok := index[root]
		if !ok {
			at = len(out)
			index[root] = at
			out = append(out, unit{id: c.ID})
		}
		u := &out[at]
		u.cases = append(u.cases, int32(i))
		u.cost += costs[i]
		u.id = min(u.id, c.ID)
	}
	return out
}

// hashQuestion returns a hash that the cases of different models share if they ask the same; it is
// not 0.
func (c *PlannedCase) hashQuestion() uint64 {
	params := map[string]any{}
	for k, v := range c.Params {
		if !slices.Contains(c.about.ModelParams, k) {
			params[k] = v
		}
	}
	h := fnv.New64a()
	b, err := json.Marshal(params)
	if err != nil {
		b = []byte(c.ID)
	}
	fmt.Fprintf(h, "%s %s", c.Task, b)
	return max(h.Sum64(), 1)
}

// shards is a heap of shards, the one with the least cost first.
type shards []shardLoad

type shardLoad struct {
	cost   int64
	number int32
}

func (h shards) Len() int      { return len(h) }
func (h shards) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h shards) Less(i, j int) bool {
	return h[i].cost < h[j].cost || h[i].cost == h[j].cost && h[i].number < h[j].number
}
func (h *shards) Push(x any) { *h = append(*h, x.(shardLoad)) }
func (h *shards) Pop() any   { panic("suites: nothing is removed from the heap") }

// split returns the shard of each case, from 1 to count.
func (p *Plan) split(count int) []int32 {
	units := p.units()
	slices.SortFunc(units, func(a, b unit) int {
		return cmp.Or(cmp.Compare(b.cost, a.cost), strings.Compare(a.id, b.id))
	})
	h := make(shards, count)
	for i := range h {
		h[i].number = int32(i + 1)
	}
	of := make([]int32, len(p.Cases))
	for _, u := range units {
		for _, i := range u.cases {
			of[i] = h[0].number
		}
		h[0].cost += u.cost
		heap.Fix(&h, 0)
	}
	return of
}

// Part selects the cases of a plan that a run measures. Gates are those of the suite and of the
// command line.
type Part struct {
	Shard  Shard
	Filter Filter
	Gates  []gate.Gate
}

// NewShardPlan plans a suite and keeps the cases of one shard of those that a filter selects. It
// also returns the description of the shard for the run's header. A shard may have no case, if the
// plan has fewer units than there are shards.
//
// A plan has up to maxShardedCases. They are never all in memory: the tasks plan twice, and the
// first time only what the split needs is kept.
func NewShardPlan(ctx context.Context, s *Suite, w Registry, o Part) (*Plan, *result.Shard, error) {
	p := &part{Part: o, compared: map[string]bool{}, keys: map[string]bool{}, matched: make([]bool, len(o.Gates))}
	for _, g := range o.Gates {
		if g.Over != "" && g.Over != gate.Baseline {
			p.compared[g.Task] = true
		}
	}
	for _, g := range o.Gates[min(len(s.Gates), len(o.Gates)):] {
		if err := s.checkGate(g, 0); err != nil {
			return nil, nil, err
		}
	}
	// The cases of a model that were just planned are most of the memory: collect them early.
	defer debug.SetGCPercent(debug.SetGCPercent(75))
	plan, err := newPlan(ctx, s, w, p)
	return plan, p.header, err
}

// part collects what a shard's plan needs while the cases are planned.
type part struct {
	Part
	// compared lists the tasks with gates that compare models inside a run.
	compared map[string]bool
	// keys are the fields of the cases, for the filter. matched reports whether a gate matches a
	// case.
	keys    map[string]bool
	matched []bool
	header  *result.Shard
}

// take records what is needed of a case and drops the rest. It reports whether the filter selects
// the case.
func (p *part) take(c *PlannedCase) bool {
	for i, g := range p.Gates {
		p.matched[i] = p.matched[i] || c.gated(g)
	}
	selected := true
	if len(p.Filter) > 0 {
		f := c.fields()
		for k := range f {
			p.keys[k] = true
		}
		selected = p.Filter.Match(f)
	}
	if c.about.Interleaved || p.compared[c.Task] {
		c.question = c.hashQuestion()
	}
	c.Case = Case{Label: c.Label, Unsupported: c.Unsupported}
	return selected
}

// finish checks the filter and the gates, keeps the cases of the shard, and plans them again.
func (p *part) finish(plan *Plan, planner *Planner) error {
	s := plan.Suite
	for i, matched := range p.matched {
		if matched {
			continue
		}
		line := 0
		if i < len(s.Gates) {
			line = s.Gates[i].line
		}
		return s.place(unmatched(p.Gates[i], line))
	}
	if err := p.Filter.check(p.keys); err != nil && len(p.Filter) > 0 {
		return err
	}
	if len(plan.Cases) == 0 {
		return p.Filter.none()
	}
	p.header = plan.shard(p.Shard)
	again := &Planner{ctx: planner.ctx, Seed: planner.Seed, Dir: planner.Dir, Machine: planner.Machine, limit: planner.limit, sources: planner.sources}
	type source struct {
		block int32
		model *Target
	}
	kept := map[source][]*PlannedCase{}
	var order []source
	for _, c := range plan.Cases {
		from := source{c.block, c.Model}
		if kept[from] == nil {
			order = append(order, from)
		}
		kept[from] = append(kept[from], c)
	}
	for _, from := range order {
		again.block, again.wanted = s.blocks[from.block], map[int]bool{}
		for _, c := range kept[from] {
			again.wanted[int(c.index)] = true
		}
		params, err := again.block.params()
		if err != nil {
			return s.place(err)
		}
		cases, err := again.block.task.Plan(again, from.model, params)
		if err != nil {
			return s.place(again.placed(err))
		}
		for _, c := range kept[from] {
			if int(c.index) >= len(cases) || cases[c.index].Label != c.Label {
				return fmt.Errorf("the task %s plans other cases the second time", c.Task)
			}
			c.Case = cases[c.index]
			c.Work = nil
		}
	}
	return nil
}

// shard keeps the cases of one shard and describes it.
func (p *Plan) shard(s Shard) *result.Shard {
	out := &result.Shard{Number: s.Number, Count: s.Count, PlanCases: len(p.Cases), Cases: map[string]int{}}
	sum := sha256.New()
	fmt.Fprintln(sum, s.Count)
	var kept []*PlannedCase
	for i, n := range p.split(s.Count) {
		c := p.Cases[i]
		fmt.Fprintln(sum, c.ID, n)
		if int(n) == s.Number {
			kept = append(kept, c)
			out.Cases[c.ID] = i
		}
	}
	p.Cases, out.Plan = kept, hex.EncodeToString(sum.Sum(nil)[:10])
	return out
}
