package suites

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
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

// maxShards bounds Count.
const maxShards = 100_000

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
		if s.Count, err = strconv.Atoi(count); err != nil || s.Count < 1 || s.Count > maxShards {
			return Shard{}, "", fmt.Errorf("--shard %q: the number of shards is 1 to %d; expected a form such as 3/16, auto or auto/16", text, maxShards)
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
	if s.Number < 1 || s.Number > s.Count || s.Count > maxShards {
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

// costs returns the nominal microseconds of each case. A case of unknown work, such as one of a
// served model, gets the average cost per token of context of the others.
func (p *Plan) costs() []int64 {
	out := make([]int64, len(p.Cases))
	var sum, tokens float64 // of the cases with known work
	for i, c := range p.Cases {
		us := 0.0
		for _, w := range c.Work {
			us += 1e6 * nominal.Seconds(w.Work, runners.F32) * w.Times
		}
		switch {
		case c.Model.Computed || c.Unsupported != "":
			us = 0
		case len(c.Work) > 0:
			sum, tokens = sum+us, tokens+contextOf(c)
		}
		out[i] = caseOverhead + int64(math.Round(min(max(us, 0), maxCost)))
	}
	each := 1000.0
	if tokens > 0 {
		each = sum / tokens
	}
	for i, c := range p.Cases {
		if len(c.Work) == 0 && !c.Model.Computed && c.Unsupported == "" {
			out[i] += int64(math.Round(min(each*contextOf(c), maxCost)))
		}
	}
	return out
}

func contextOf(c *PlannedCase) float64 { return float64(max(c.length(), 1)) }

// unit is a set of cases that are assigned to the same shard.
type unit struct {
	cases []int32 // indexes in Plan.Cases, ascending
	cost  int64
	id    string // the smallest id of the cases
}

// units divides the cases into units. gates are those that will be evaluated.
func (p *Plan) units(gates []gate.Gate) []unit {
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
	first := map[string]int32{}
	join := func(i int, key string) {
		if o, ok := first[key]; ok {
			a, b := find(int32(i)), find(o)
			parent[max(a, b)] = min(a, b)
		} else {
			first[key] = int32(i)
		}
	}
	compared := map[string]bool{} // tasks with gates that compare models inside a run
	for _, g := range gates {
		if g.Over != "" && g.Over != gate.Baseline {
			compared[g.Task] = true
		}
	}
	for i, c := range p.Cases {
		if c.about.Interleaved && c.turn > 0 {
			join(i, strconv.Itoa(c.turn))
		}
		if c.about.Interleaved || compared[c.Task] {
			join(i, c.question())
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

// question returns a key that cases of different models share if they differ only in the model.
func (c *PlannedCase) question() string {
	params := map[string]any{}
	for k, v := range c.Params {
		if !slices.Contains(c.about.ModelParams, k) {
			params[k] = v
		}
	}
	b, err := json.Marshal(params)
	if err != nil {
		return c.ID
	}
	return c.Task + string(b)
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
func (p *Plan) split(count int, gates []gate.Gate) []int32 {
	units := p.units(gates)
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

// Shard keeps the cases of one shard, and returns how the run's header describes it. gates are
// those that will be evaluated on the whole run. A shard may have no case if the plan has fewer
// units than shards.
func (p *Plan) Shard(s Shard, gates []gate.Gate) *result.Shard {
	out := &result.Shard{Number: s.Number, Count: s.Count, PlanCases: len(p.Cases), Cases: map[string]int{}}
	sum := sha256.New()
	fmt.Fprintln(sum, s.Count)
	var kept []*PlannedCase
	for i, n := range p.split(s.Count, gates) {
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
