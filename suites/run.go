package suites

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/result"
)

// Observer receives the progress of a run. All calls come from one goroutine.
type Observer interface {
	// Begin is called once, with the number of cases and the estimated seconds.
	Begin(cases int, seconds float64)
	// Case is called before each case that runs, Fraction while it runs.
	Case(c *PlannedCase)
	Fraction(f float64)
	// Done is called after each record, with the estimated seconds left.
	Done(r *result.Record, left float64)
}

// Summary counts a run's outcomes by status.
type Summary map[result.Status]int

// String formats the counts, such as "3 skipped, 1 oom".
func (s Summary) String() string {
	var words []string
	for _, status := range []result.Status{result.OK, result.Skipped, result.OOM, result.Unsupported, result.Failed} {
		if n := s[status]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, status))
		}
	}
	return strings.Join(words, ", ")
}

// Run runs the planned cases that are not done, and appends a record for each. A case that fails,
// runs out of memory or does not fit the budget also gets a record, and the run continues. If ctx
// ends, the current case has no record and Run returns ctx's error. If the journal was moved or
// changed, Run returns a *result.LostError before the next case. If a device is lost, the current
// case is recorded as failed and Run returns an error that wraps runners.ErrDeviceLost.
func (p *Plan) Run(ctx context.Context, w *result.Writer, done map[string]result.Record, obs Observer) (Summary, error) {
	r := &run{plan: p, w: w, obs: obs, start: p.now(), loaded: map[*Target]*loaded{}, sum: Summary{}}
	defer r.unload()
	var todo []*PlannedCase
	for _, c := range p.Cases {
		if rec, ok := done[c.ID]; ok {
			r.sum[rec.Status]++
			continue
		}
		todo = append(todo, c)
	}
	todo = ordered(todo)
	slices.SortStableFunc(todo, func(a, b *PlannedCase) int { return btoi(a.Retry) - btoi(b.Retry) })
	r.backlog = newBacklog(todo)
	obs.Begin(len(todo), r.left())
	for _, c := range todo {
		if err := cmp.Or(ctx.Err(), w.Check()); err != nil {
			return r.sum, err
		}
		rec, err := r.one(ctx, c)
		lost := errors.Is(err, runners.ErrDeviceLost)
		if err != nil && !lost {
			return r.sum, err
		}
		if err := w.Append(*rec); err != nil {
			return r.sum, fmt.Errorf("write the journal: %w", err)
		}
		r.sum[rec.Status]++
		r.backlog.remove(c)
		obs.Done(rec, r.left())
		if lost {
			return r.sum, fmt.Errorf("%s, %s: %w", c.Model.Name, c.Label, err)
		}
	}
	return r.sum, w.Check()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// run is the state of a run.
type run struct {
	plan  *Plan
	w     *result.Writer
	obs   Observer
	start time.Time
	sum   Summary
	// backlog estimates the time of the remaining cases.
	backlog *backlog

	// loaded holds the loaded models, and the errors of those that failed to load.
	loaded map[*Target]*loaded
	// uses counts the calls of load.
	uses int
}

type loaded struct {
	model runners.Model
	err   error
	// used is the number of the last call of load that returned the model.
	used int
}

// left returns the estimated seconds of the remaining cases that fit the budget.
func (r *run) left() float64 {
	if r.plan.Suite.Budget <= 0 {
		return r.backlog.all()
	}
	return r.backlog.within(r.budgetLeft())
}

// budgetLeft returns the seconds left in the budget.
func (r *run) budgetLeft() float64 {
	return time.Duration(r.plan.Suite.Budget).Seconds() - r.plan.now().Sub(r.start).Seconds()
}

// declared returns an error for a metric that the task did not declare, or declared differently.
func (c *PlannedCase) declared(r *result.Record) error {
	for name, m := range r.Metrics {
		info, ok := c.about.Metric(name)
		if !ok {
			return fmt.Errorf("the task %s does not declare its metric %q", c.Task, name)
		}
		if m.Unit != info.Unit || m.Better != info.Better {
			return fmt.Errorf("the task %s declares its metric %q in %q, better: %s; the record has %q, better: %s",
				c.Task, name, info.Unit, info.Better, m.Unit, m.Better)
		}
	}
	return nil
}

// one runs a case. An error concerns the run, not the case. If the error wraps
// runners.ErrDeviceLost, the record is returned too.
func (r *run) one(ctx context.Context, c *PlannedCase) (*result.Record, error) {
	m := c.Model
	rec := &result.Record{
		Suite: r.plan.Suite.Name, SuiteHash: r.plan.Hash, Case: c.ID, Label: c.Label, Task: c.Task,
		Model: m.Name, Arch: m.Label, Runner: m.Runner, Device: m.Device, Source: result.Measured,
		Served: c.Model.Served(), TrainedContext: int(c.Model.maxSeqLen()), Params: c.Params, Status: result.OK, Start: r.plan.now().UTC().Round(time.Millisecond), EstimateSeconds: c.Seconds,
	}
	if m.Computed {
		rec.Source = result.Computed
	}
	if c.Skip == "" {
		c.Skip = r.late(c)
	}
	if c.Skip != "" {
		rec.Status, rec.Reason = result.Skipped, c.Skip
		return rec, nil
	}
	if c.Unsupported != "" {
		rec.Status, rec.Reason = result.Unsupported, c.Unsupported
		return rec, nil
	}
	if reason := c.exceeds(); reason != "" {
		rec.Status, rec.Reason = result.OOM, reason
		return rec, nil
	}
	r.obs.Case(c)
	runCtx, share := ctx, 0.0
	if r.plan.Suite.Budget > 0 {
		share = r.share(c)
		var cancel context.CancelFunc
		runCtx, cancel = context.WithTimeout(ctx, time.Duration(overrun*share*float64(time.Second)))
		defer cancel()
	}
	model, err := r.load(c)
	start := r.plan.now()
	var out result.Outcome
	measure := func() error {
		return guarded(func() (err error) {
			cased, ok := model.(runners.Cased)
			if ok {
				cased.BeginCase(runCtx)
				defer func() {
					notes, late := cased.EndCase()
					out.Notes, err = append(out.Notes, notes...), cmp.Or(err, late)
				}()
			}
			out, err = c.Run(runCtx, model, r.obs.Fraction)
			return err
		})
	}
	if err == nil {
		err = measure()
	}
	if errors.Is(err, runners.ErrOutOfMemory) && r.closeOthers(m) && runCtx.Err() == nil {
		// Other models use memory of the device. Try again without them.
		model, err = r.load(c)
		start = r.plan.now()
		if err == nil {
			err = measure()
		}
	}
	if err == nil {
		rec.Fill(out)
	}
	if m, ok := model.(runners.Chooser); ok {
		rec.Choices = m.AlgorithmLog()
	}
	if err == nil && c.Model.Options.Weights == runners.Stored {
		if m, ok := model.(runners.WeightTypes); ok {
			rec.Notes = append(rec.Notes, typesNote(m.WeightTypes()))
		}
	}
	if note := c.Model.TokenizerNote; err == nil && note != "" {
		rec.Notes = append(rec.Notes, note)
	}
	if err == nil && c.beyond != "" {
		rec.Notes = append(rec.Notes, c.beyond)
	}
	if err == nil {
		err = c.declared(rec)
	}
	if err == nil {
		_, err = result.Encode(*rec)
		var value *json.UnsupportedValueError
		if errors.As(err, &value) {
			err = fmt.Errorf("a measured value is not finite: %s", value.Str)
		}
	}
	rec.Seconds = r.plan.now().Sub(start).Seconds()
	if err == nil {
		r.backlog.learn(c, rec.Seconds)
		return rec, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	rec.Metrics, rec.Series, rec.Trials, rec.Faults, rec.Reason = nil, nil, nil, nil, cleantext.WithoutFolders(err.Error())
	switch {
	case runCtx.Err() != nil && errors.Is(err, runCtx.Err()):
		r.backlog.learn(c, rec.Seconds) // it takes at least this long
		rec.Status = result.Skipped
		rec.Reason = fmt.Sprintf("over budget: stopped at its deadline after %s; its share of the budget of %s was %s",
			units.ShortDuration(rec.Seconds), time.Duration(r.plan.Suite.Budget), units.ShortDuration(share))
	case errors.Is(err, runners.ErrOutOfMemory):
		rec.Status = result.OOM
	case errors.Is(err, runners.ErrUnsupported):
		rec.Status = result.Unsupported
	default:
		rec.Status = result.Failed
	}
	if errors.Is(err, runners.ErrDeviceLost) {
		return rec, err
	}
	return rec, nil
}

// overrun is the multiple of its share of the budget at which a case is stopped.
const overrun = 1.5

// share returns the seconds that a case may take: the rest of the budget, without the time that
// cheaper cases need. So a case that takes longer than estimated does not use their share.
func (r *run) share(c *PlannedCase) float64 {
	return r.budgetLeft() - r.backlog.below(r.backlog.estimate(c))
}

// late returns the reason for which a case no longer fits the budget, or "".
func (r *run) late(c *PlannedCase) string {
	budget := time.Duration(r.plan.Suite.Budget)
	if budget <= 0 {
		return ""
	}
	if need := r.backlog.estimate(c); need > r.share(c) {
		return overBudget(need, budget)
	}
	return ""
}

// keepLoaded is the number of bytes of weights that may stay loaded for interleaved cases, on a
// device whose room is unknown.
const keepLoaded = 1 << 30

// load loads the model of c. Other models stay loaded as long as there is room for them next to c.
func (r *run) load(c *PlannedCase) (runners.Model, error) {
	m := c.Model
	for _, o := range evicted(c, r.byUse()) {
		r.close(o)
	}
	r.uses++
	l := r.loaded[m]
	if l == nil {
		l = &loaded{}
		l.err = guarded(func() (err error) {
			l.model, err = m.Load()
			return err
		})
		r.loaded[m] = l
	}
	l.used = r.uses
	return l.model, l.err
}

// byUse returns the loaded models, the most recently used first.
func (r *run) byUse() (ms []*Target) {
	for m, l := range r.loaded {
		if l.model != nil {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *Target) int { return r.loaded[b].used - r.loaded[a].used })
	return ms
}

// evicted returns those of the loaded models (most recently used first) that must be closed before
// c runs. If the room of the device is known, these are the least recently used ones; otherwise all
// others, unless all are small.
func evicted(c *PlannedCase, models []*Target) (out []*Target) {
	held, left := c.Model.weightBytes(), c.Model.Room-max(c.Bytes, c.Model.weightBytes())
	for _, o := range models {
		if o == c.Model || o.Runner != c.Model.Runner {
			continue
		}
		held += o.weightBytes()
		if left -= o.weightBytes(); c.Model.Room > 0 && left < 0 {
			out = append(out, o)
		}
	}
	others := held - c.Model.weightBytes()
	fits := c.Model.Memory == 0 || runners.AddBytes(others, max(c.Bytes, c.Model.weightBytes())) <= c.Model.Memory
	if c.Model.Room > 0 || held <= keepLoaded && fits {
		return out
	}
	return slices.DeleteFunc(slices.Clone(models), func(o *Target) bool { return o == c.Model })
}

// ordered orders the cases of devices whose room is known so that each model is loaded once, if
// possible. It tries the planned order, then the cases that leave no room for other models last,
// then model by model.
func ordered(cases []*PlannedCase) []*PlannedCase {
	var models []*Target
	var weights int64
	known := false
	for _, c := range cases {
		if !slices.Contains(models, c.Model) {
			models = append(models, c.Model)
			weights += c.Model.weightBytes()
		}
		known = known || c.Model.Room > 0
	}
	if !known {
		return cases
	}
	large := func(c *PlannedCase) int {
		if c.Model.Room > 0 && weights-c.Model.weightBytes()+max(c.Bytes, c.Model.weightBytes()) > c.Model.Room {
			return 1 + slices.Index(models, c.Model)
		}
		return 0
	}
	last, byModel := slices.Clone(cases), slices.Clone(cases)
	slices.SortStableFunc(last, func(a, b *PlannedCase) int { return large(a) - large(b) })
	slices.SortStableFunc(byModel, func(a, b *PlannedCase) int { return slices.Index(models, a.Model) - slices.Index(models, b.Model) })
	for _, order := range [][]*PlannedCase{cases, last} {
		if loads(order) <= len(models) {
			return order
		}
	}
	return byModel
}

// loads returns the number of times that models are loaded for cases in this order.
func loads(cases []*PlannedCase) (n int) {
	var held []*Target // most recently used first
	for _, c := range cases {
		gone := evicted(c, held)
		if !slices.Contains(held, c.Model) {
			n++
		}
		held = slices.DeleteFunc(held, func(o *Target) bool { return o == c.Model || slices.Contains(gone, o) })
		held = slices.Insert(held, 0, c.Model)
	}
	return n
}

// closeOthers closes the other models that share the room of m's device, and reports whether there
// were any.
func (r *run) closeOthers(m *Target) (closed bool) {
	for _, o := range r.byUse() {
		if o != m && o.Runner == m.Runner && m.Room > 0 {
			r.close(o)
			closed = true
		}
	}
	if l := r.loaded[m]; closed && l.err != nil {
		delete(r.loaded, m)
	}
	return closed
}

func (r *run) close(m *Target) {
	if l := r.loaded[m]; l.model != nil {
		_ = l.model.Close() // results do not depend on it
	}
	delete(r.loaded, m)
}

func (r *run) unload() {
	for m := range r.loaded {
		r.close(m)
	}
}

// guarded converts a panic to an error, so that one broken case does not end a run.
func guarded(f func() error) (err error) {
	defer func() {
		p := recover()
		if slow, ok := p.(*tokenizer.PatternError); ok {
			err = slow
		} else if p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("panic: %v (stack on stderr)", p)
		}
	}()
	return f()
}

// typesNote is a note on the types in which a model's matrices are held, the largest part first.
func typesNote(bytes map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(bytes), func(a, b string) int {
		return cmp.Or(cmp.Compare(bytes[b], bytes[a]), strings.Compare(a, b))
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %s", n, units.ShortBytes(bytes[n]))
	}
	return "weights in memory: " + strings.Join(names, ", ")
}
