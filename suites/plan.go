package suites

import (
	"bytes"
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

// PlannedCase is a case of a plan.
type PlannedCase struct {
	Case
	ID    string
	Task  string
	Model *Target
	// about is the task's declaration.
	about *result.Task
	// turn is equal for corresponding cases of the models of an interleaved task, which run one
	// after another. It is 0 if the models have different numbers of cases.
	turn int
	// block is the index of its block in the suite, and index that among the block's cases of its
	// model. tokens is its length.
	block, index int32
	tokens       int64
	// question is a hash of what the case asks (hashQuestion); 0 if nothing compares it inside a
	// run.
	question uint64
	// Seconds is the estimated time; 0 means that it is negligible.
	Seconds float64
	// nominal is the time on a nominal machine in microseconds (nominalMicroseconds).
	nominal float64
	// beyond is the note for a context longer than the model's MaxSeqLen, or "".
	beyond string
	// Skip is the reason for which the case will not run, or "".
	Skip string
	// Retry reports that the case failed in an earlier run. It runs last, because it may lose the
	// device.
	Retry bool
}

// runs reports whether a case takes time, that is, whether it is not skipped, unsupported or too
// large.
func (c *PlannedCase) runs() bool {
	return c.Skip == "" && c.Unsupported == "" && !c.TooLarge()
}

// TooLarge reports whether the computed memory of a case exceeds the memory of its model.
func (c *PlannedCase) TooLarge() bool { return c.Model.Memory > 0 && c.Least > c.Model.Memory }

// exceeds returns the reason for which a case is too large, or "".
func (c *PlannedCase) exceeds() string {
	if !c.TooLarge() {
		return ""
	}
	return fmt.Sprintf("%v: weights, caches and logits need %s (computed), but the limit is %s",
		runners.ErrOutOfMemory, runners.FormatBytes(c.Least), runners.FormatBytes(c.Model.Memory))
}

// Plan is the plan of a run.
type Plan struct {
	Suite *Suite
	// Hash is a hash of the suite with all settings applied.
	Hash  string
	Cases []*PlannedCase
	// Tasks holds the declarations of the suite's tasks, in the order of Registry.Tasks.
	Tasks result.Tasks
	// Text holds the fingerprints of the text sources by name.
	Text map[string]string
	// Notices holds notices about the sources, such as skipped binary files, and about models.
	Notices []string

	now func() time.Time
	// transformer is the suite's only Transformer, or "" if it has none or several.
	transformer string
}

// maxCases limits the cases of a plan. Every list in a suite has its own limit; this one limits
// their product.
const maxCases = 250_000

// maxShardedCases is the limit of a plan of which a shard is kept: the other cases take little
// memory.
const maxShardedCases = 1_000_000

// caseVersion changes whenever a change of the program makes all older results incomparable.
const caseVersion = 1

// NewPlan plans the cases of a suite: task by task and, within a task, model by model, or
// interleaved if the task is (result.Task). If ctx ends, it returns ctx's error. A plan of more
// than maxCases is an error, which it returns before it creates them.
func NewPlan(ctx context.Context, s *Suite, w Registry) (*Plan, error) {
	return newPlan(ctx, s, w, nil)
}

// newPlan plans the cases of a suite. With a part, it keeps of most cases only what the split into
// shards needs, and finally the cases of the part's shard.
func newPlan(ctx context.Context, s *Suite, w Registry, part *part) (plan *Plan, err error) {
	defer func() {
		if err != nil && ctx.Err() != nil { // ctx's error takes precedence
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
	planner := &Planner{ctx: ctx, Seed: s.Seed, Dir: s.Dir, Machine: w.Machine, limit: maxCases}
	if part != nil {
		planner.limit = maxShardedCases
	}
	planned := 0 // number of cases, including those that the part's filter leaves out
	ids, identify := map[string]*PlannedCase{}, identifier{seed: s.Seed}
	beyond := map[*Target]int{} // number of cases longer than the model's MaxSeqLen
	for blockIndex, b := range s.blocks {
		params, err := b.params()
		if err != nil {
			return nil, s.place(err)
		}
		planner.block = b
		about := plan.Tasks.Find(b.task.Name())
		first, firstPlanned := len(plan.Cases), planned
		each := map[int]bool{} // the numbers of cases of the models
		for _, m := range models {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			cases, err := b.task.Plan(planner, m, params)
			if err != nil {
				return nil, s.place(planner.placed(err))
			}
			if n := planned + len(cases); n > planner.limit { // the task did not call Count
				return nil, s.place(planner.tooMany(n))
			}
			planned += len(cases)
			if len(cases) > 0 {
				each[len(cases)] = true
			}
			for i, c := range cases {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				cases[i] = Case{} // frees its work, once that is known
				p := &PlannedCase{Case: c, Task: b.task.Name(), Model: m, about: about, block: int32(blockIndex), index: int32(i), tokens: c.length()}
				if p.ID, err = identify.id(p); err != nil {
					return nil, err
				}
				if other, ok := ids[p.ID]; ok {
					return nil, s.place(planner.Errorf("two cases are the same: %s: %s and %s: %s", other.Model.Name, other.Label, m.Name, c.Label))
				}
				ids[p.ID] = p
				if n, limit := p.tokens, m.maxSeqLen(); limit > 0 && n > limit {
					who, what := m.contextOf()
					p.beyond = fmt.Sprintf("the context of %s tokens exceeds the %s of %s that the model's %s states", Size(n), what, Size(limit), who)
					beyond[m]++
				}
				p.Seconds, p.nominal = max(m.seconds(c.Work), c.Wait), nominalMicroseconds(c.Work)
				if c.Wait > 0 {
					p.nominal = max(p.nominal, 1e6*c.Wait)
				}
				p.Work = nil // no longer needed, and a large part of a plan
				if part == nil || part.take(p) {
					plan.Cases = append(plan.Cases, p)
				}
			}
		}
		if planned == firstPlanned {
			return nil, s.place(planner.Errorf("the task has no case on any model of the suite"))
		}
		if about.Interleaved {
			block := plan.Cases[first:]
			sort.SliceStable(block, func(i, j int) bool { return block[i].index < block[j].index })
			for _, c := range block {
				if len(each) == 1 {
					c.turn = firstPlanned + int(c.index) + 1
				}
			}
		}
	}
	for _, src := range planner.sources {
		plan.Text[src.Name()] = src.Fingerprint()
		plan.Notices = append(plan.Notices, src.Notices()...)
	}
	for m, n := range beyond {
		who, what := m.contextOf()
		plan.Notices = append(plan.Notices, fmt.Sprintf("%s: its %s states a %s of %s; cases with a longer context: %d", m.Name, who, what, Size(m.maxSeqLen()), n))
	}
	for _, m := range models {
		if m.TokenizerNote != "" {
			plan.Notices = append(plan.Notices, m.Name+": "+m.TokenizerNote)
		}
	}
	sort.Strings(plan.Notices)
	plan.Notices = slices.Compact(plan.Notices)
	if part != nil {
		return plan, part.finish(plan, planner)
	}
	if err := plan.checkGates(); err != nil {
		return nil, s.place(err)
	}
	return plan, nil
}

// describe returns the declarations of the suite's tasks, in the order of tasks.
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

// length returns the context of a case in tokens, or 0 if it has no such parameter.
func (c *Case) length() int64 {
	switch n := c.Params["length"].(type) {
	case int:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

// caseID returns a hash of everything that determines the result of a case.
func caseID(seed uint64, p *PlannedCase) (string, error) {
	return (&identifier{seed: seed}).id(p)
}

// identifier computes the ids of cases. It encodes only once what the cases of a model and a task
// have in common.
type identifier struct {
	seed  uint64
	texts map[idKey][2][]byte
}

// idKey is what the cases with a common text have in common.
type idKey struct {
	model   *Target
	task    string
	version int
}

// id returns a hash of everything that determines the result of a case.
func (d *identifier) id(p *PlannedCase) (string, error) {
	params, err := json.Marshal(p.Params)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Label, err)
	}
	key := idKey{p.Model, p.Task, p.Version}
	around, ok := d.texts[key]
	if !ok {
		if around, err = d.around(p); err != nil {
			return "", fmt.Errorf("%s: %w", p.Label, err)
		}
		if d.texts == nil {
			d.texts = map[idKey][2][]byte{}
		}
		d.texts[key] = around
	}
	h := sha256.New()
	h.Write(around[0])
	h.Write(params)
	h.Write(around[1])
	return hex.EncodeToString(h.Sum(nil)[:10]), nil
}

// around returns the text before and after the params in the JSON that is hashed.
func (d *identifier) around(p *PlannedCase) ([2][]byte, error) {
	const params = `"\u0001params"` // occurs nowhere else
	m := p.Model
	all := map[string]any{
		"version": caseVersion, "seed": d.seed, "task": p.Task, "params": json.RawMessage(params),
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
		return [2][]byte{}, err
	}
	before, after, ok := bytes.Cut(b, []byte(params))
	if !ok {
		return [2][]byte{}, errors.New("its id has no params")
	}
	return [2][]byte{before, after}, nil
}

// profileName returns the device profile of a computed target, because it determines the numbers,
// otherwise "". A device that measures is part of the environment, not of the question.
func profileName(m *Target) string {
	if m.Computed {
		return m.Device
	}
	return ""
}

// Filter removes the cases that do not match.
func (p *Plan) Filter(f Filter) error {
	kept := p.Cases[:0:0]
	for _, c := range p.Cases {
		if f.Match(c.fields()) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return f.none()
	}
	p.Cases = kept
	return nil
}

// fields returns the fields of a case for filters.
func (c *PlannedCase) fields() match.Fields {
	f := match.FieldsOf(c.Params, c.Model.Name, c.Model.Label, c.Model.Runner, c.Label)
	f["task"], f["case"] = c.Task, c.ID
	return f
}

// Limit marks the cases that exceed a budget according to the estimates, for a dry run. The
// cheapest cases come first. (A run decides before each case, from the elapsed time and measured
// times.) Cases in done cost nothing.
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
			left = 0 // more expensive cases are skipped too
			continue
		}
		left -= c.Seconds
	}
}

func overBudget(seconds float64, budget time.Duration) string {
	return fmt.Sprintf("over budget: estimated %s, budget %s", units.ShortDuration(seconds), budget)
}

// Seconds returns the estimated time of the cases that will run and are not done.
func (p *Plan) Seconds(done map[string]result.Record) (sum float64) {
	for _, c := range p.Cases {
		if _, ok := done[c.ID]; !ok && c.runs() {
			sum += c.Seconds
		}
	}
	return sum
}

// only returns the name of the only model of an architecture, or "" if there are several or none.
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
