package suites

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

// PlannedCase is a case with its place in a plan.
type PlannedCase struct {
	Case
	ID    string
	Task  string
	Model *Target
	// about is what the task declares.
	about *result.Task
	// turn is equal for the cases of an interleaved task that follow each other from model to model;
	// 0 where the models have different numbers of cases.
	turn int
	// Seconds is the estimated time. 0: it takes none worth mentioning.
	Seconds float64
	// beyond is a note on a context that is longer than the model's MaxSeqLen.
	beyond string
	// Skip says why the case will not run; empty if it will.
	Skip string
	// Retry says that the case failed in an earlier run: it goes last, as it may take the device
	// away from others.
	Retry bool
}

// runs reports whether a case takes time: it is neither skipped, nor unsupported, nor too large.
func (c *PlannedCase) runs() bool {
	return c.Skip == "" && c.Unsupported == "" && !c.TooLarge()
}

// TooLarge reports whether a case needs more memory than its model may hold, by arithmetic.
func (c *PlannedCase) TooLarge() bool { return c.Model.Memory > 0 && c.Least > c.Model.Memory }

// exceeds says why a case is too large, or "".
func (c *PlannedCase) exceeds() string {
	if !c.TooLarge() {
		return ""
	}
	return fmt.Sprintf("%v: by arithmetic weights, caches and logits take %s, %s are allowed",
		runners.ErrOutOfMemory, runners.FormatBytes(c.Least), runners.FormatBytes(c.Model.Memory))
}

// Plan is what a run will do.
type Plan struct {
	Suite *Suite
	// Hash is a hash of the suite's content with all settings applied.
	Hash  string
	Cases []*PlannedCase
	// Tasks describe the suite's tasks, in the order of Registry.Tasks.
	Tasks result.Tasks
	// Text names the sources read from the machine, with their fingerprints.
	Text map[string]string
	// Notices say what was left out of them, such as binary files.
	Notices []string

	now func() time.Time
	// transformer is the suite's only Transformer, "" where it has none or several.
	transformer string
}

// maxCases bounds a plan: each factor of a suite has a bound of its own, and this is the one on
// their product.
const maxCases = 250_000

// caseVersion changes when a change of the program makes old case results incomparable.
const caseVersion = 1

// NewPlan lists a suite's cases: task by task and, within a task, model by model, or interleaved
// where the task is (result.Task).
// It ends early with ctx's error, and refuses a plan of more than maxCases before it makes them.
func NewPlan(ctx context.Context, s *Suite, w Registry) (plan *Plan, err error) {
	defer func() {
		if err != nil && ctx.Err() != nil { // whatever it is about
			plan, err = nil, ctx.Err()
		}
	}()
	sum := sha256.Sum256([]byte(s.Text))
	plan = &Plan{Suite: s, Hash: hex.EncodeToString(sum[:8]), Text: map[string]string{}, now: time.Now}
	var models []*Target
	for _, e := range s.Models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := w.Open(s, e)
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				p = &Problem{Msg: err.Error()}
			}
			if p.File == "" {
				p.Line = e.line
			}
			return nil, s.place(p)
		}
		models = append(models, m)
	}
	plan.transformer = only(models, "transformer")
	if plan.Tasks, err = s.describe(w.Tasks); err != nil {
		return nil, err
	}
	planner := &Planner{ctx: ctx, Seed: s.Seed, Dir: s.Dir, Machine: w.Machine}
	labels := map[string]string{}
	beyond := map[*Target]int{} // cases longer than the model's MaxSeqLen
	for _, b := range s.blocks {
		params, err := b.params()
		if err != nil {
			return nil, s.place(err)
		}
		planner.block = b
		about := plan.Tasks.Find(b.task.Name())
		first := len(plan.Cases)
		place := map[*PlannedCase]int{} // among the cases of its model
		each := map[int]bool{}          // the numbers of cases of the models
		for _, m := range models {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			cases, err := b.task.Plan(planner, m, params)
			if err != nil {
				return nil, s.place(planner.placed(err))
			}
			if n := len(plan.Cases) + len(cases); n > maxCases { // of a task that did not count them
				return nil, s.place(planner.tooMany(n))
			}
			if len(cases) > 0 {
				each[len(cases)] = true
			}
			for i, c := range cases {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				p := &PlannedCase{Case: c, Task: b.task.Name(), Model: m, about: about}
				if p.ID, err = caseID(s.Seed, p); err != nil {
					return nil, err
				}
				label := fmt.Sprintf("%s: %s", m.Name, c.Label)
				if other, ok := labels[p.ID]; ok {
					return nil, s.place(planner.Errorf("two cases are the same: %s and %s", other, label))
				}
				labels[p.ID] = label
				if n, limit := c.length(), m.maxSeqLen(); limit > 0 && n > limit {
					p.beyond = fmt.Sprintf("the context of %s tokens is longer than the %s that the model was trained for, as its checkpoint states",
						Size(n), Size(limit))
					beyond[m]++
				}
				p.Seconds = m.seconds(c.Work)
				plan.Cases = append(plan.Cases, p)
				place[p] = i
			}
		}
		if len(plan.Cases) == first {
			return nil, s.place(planner.Errorf("the task has no case on any model of the suite"))
		}
		if about.Interleaved {
			block := plan.Cases[first:]
			sort.SliceStable(block, func(i, j int) bool { return place[block[i]] < place[block[j]] })
			for _, c := range block {
				if len(each) == 1 {
					c.turn = first + place[c] + 1
				}
			}
		}
	}
	for _, src := range planner.sources {
		plan.Text[src.Name()] = src.Fingerprint()
		plan.Notices = append(plan.Notices, src.Notices()...)
	}
	for m, n := range beyond {
		plan.Notices = append(plan.Notices, fmt.Sprintf("%s: its checkpoint states a trained context of %s; cases with a longer context: %d", m.Name, Size(m.maxSeqLen()), n))
	}
	sort.Strings(plan.Notices)
	plan.Notices = slices.Compact(plan.Notices)
	if err := plan.checkGates(); err != nil {
		return nil, s.place(err)
	}
	return plan, nil
}

// describe lists the descriptions of the suite's tasks, in the order of tasks.
func (s *Suite) describe(tasks []Task) (out result.Tasks, err error) {
	for _, b := range s.blocks {
		about := b.task.Describe()
		if about.Name != b.task.Name() {
			return nil, fmt.Errorf("the task %s describes itself as %q", b.task.Name(), about.Name)
		}
		if err := about.Check(); err != nil {
			return nil, err
		}
		if out.Find(about.Name) == nil {
			out = append(out, &about)
		}
	}
	rank := func(t *result.Task) int {
		return slices.IndexFunc(tasks, func(o Task) bool { return o.Name() == t.Name })
	}
	slices.SortStableFunc(out, func(a, b *result.Task) int { return rank(a) - rank(b) })
	return out, nil
}

// length is the context of a case in tokens, 0 if it has no such parameter.
func (c *Case) length() int64 {
	switch n := c.Params["length"].(type) {
	case int:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

// caseID hashes all that decides a case's result.
func caseID(seed uint64, p *PlannedCase) (string, error) {
	m := p.Model
	all := map[string]any{
		"version": caseVersion, "seed": seed, "task": p.Task, "params": p.Params,
		"model": m.Name, "config": m.Config, "weights": m.Identity,
		"dtype": m.Options.Weights, "kv": m.Options.KV, "chunk": m.Options.PrefillChunk,
		"runner": m.Runner, "profile": profileName(m),
	}
	if m.Config != nil && m.Config.ChunkLogits {
		all["logits"] = "chunk"
	}
	if p.Version > 0 {
		all["revision"] = p.Version
	}
	b, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Label, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:10]), nil
}

// profileName is the device where it decides the numbers: a computed model's profile. A measuring
// device is part of a run's environment, not of the question.
func profileName(m *Target) string {
	if m.Computed {
		return m.Device
	}
	return ""
}

// Filter keeps the cases that match.
func (p *Plan) Filter(f Filter) error {
	kept := p.Cases[:0:0]
	for _, c := range p.Cases {
		if f.Match(c.fields()) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return fmt.Errorf("no case matches --filter %s; `--dry-run` without it lists them all", f)
	}
	p.Cases = kept
	return nil
}

// fields are what a filter sees of a case.
func (c *PlannedCase) fields() match.Fields {
	f := match.FieldsOf(c.Params, c.Model.Name, c.Model.Label, c.Model.Runner, c.Label)
	f["task"], f["case"] = c.Task, c.ID
	return f
}

// Limit marks what by the estimates a budget will not hold, cheapest cases first, for a dry run. (A
// run decides again before each case, by the clock and by how long cases really took.) Cases in
// done cost nothing.
func (p *Plan) Limit(budget time.Duration, done map[string]result.Record) {
	if budget <= 0 {
		return
	}
	order := make([]*PlannedCase, 0, len(p.Cases))
	for _, c := range p.Cases {
		if _, ok := done[c.ID]; !ok && c.runs() {
			order = append(order, c)
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].Seconds < order[j].Seconds })
	left := budget.Seconds()
	for _, c := range order {
		if c.Seconds > left {
			c.Skip = overBudget(c.Seconds, budget)
			left = 0 // whatever is dearer is skipped too
			continue
		}
		left -= c.Seconds
	}
}

func overBudget(seconds float64, budget time.Duration) string {
	return fmt.Sprintf("over budget: estimated %s, budget %s", units.ShortDuration(seconds), budget)
}

// Seconds is the estimate for the cases that will run and are not done.
func (p *Plan) Seconds(done map[string]result.Record) (sum float64) {
	for _, c := range p.Cases {
		if _, ok := done[c.ID]; !ok && c.runs() {
			sum += c.Seconds
		}
	}
	return sum
}

// only is the name of the one model of an architecture, "" where there are several or none.
func only(models []*Target, arch string) (name string) {
	for _, m := range models {
		if m.Label != arch {
			continue
		}
		if name != "" {
			return ""
		}
		name = m.Name
	}
	return name
}
