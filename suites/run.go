package suites

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Observer is told how a run goes on. Calls come from one goroutine.
type Observer interface {
	// Begin comes once, with the number of cases to go through and the estimated seconds.
	Begin(cases int, seconds float64)
	// Case comes before each case that runs; Fraction while it runs.
	Case(c *PlannedCase)
	Fraction(f float64)
	// Done comes after each record, with the estimated seconds left.
	Done(r *result.Record, left float64)
}

// Summary counts a run's outcomes by status.
type Summary map[result.Status]int

// String lists the counts, such as "3 skipped, 1 oom".
func (s Summary) String() string {
	var words []string
	for _, status := range []result.Status{result.OK, result.Skipped, result.OOM, result.Unsupported, result.Failed} {
		if n := s[status]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, status))
		}
	}
	return strings.Join(words, ", ")
}

// Run runs what is planned and not done, and appends a record for each case. A case that fails,
// runs out of memory or does not fit the budget is a record too and the sweep goes on. When ctx
// ends, the case under way leaves no record and Run returns ctx's error. When the journal is no
// longer where it was, Run ends before the next case with a *result.LostError. When a device is
// lost, the case under way is recorded as failed and Run returns an error that wraps
// runners.ErrDeviceLost.
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
	// backlog estimates the cases still to do.
	backlog *backlog

	// loaded are the models at hand, or the errors of those that did not load.
	loaded map[*Target]*loaded
	// uses counts the calls of load.
	uses int
}

type loaded struct {
	model runners.Model
	err   error
	// used is the number of the last call of load that returned it.
	used int
}

// left estimates the seconds that the rest of the run takes: the cases that will run, within the
// budget.
func (r *run) left() float64 {
	if r.plan.Suite.Budget <= 0 {
		return r.backlog.all()
	}
	return r.backlog.within(r.budgetLeft())
}

// budgetLeft is the seconds that the budget has left.
func (r *run) budgetLeft() float64 {
	return time.Duration(r.plan.Suite.Budget).Seconds() - r.plan.now().Sub(r.start).Seconds()
}

// declared reports a metric that the task did not declare, or declared otherwise: no gate could be
// about it.
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

// one runs a case. An error is one of the run, not of the case; one that wraps
// runners.ErrDeviceLost comes with the record of the case.
func (r *run) one(ctx context.Context, c *PlannedCase) (*result.Record, error) {
	m := c.Model
	rec := &result.Record{
		Suite: r.plan.Suite.Name, SuiteHash: r.plan.Hash, Case: c.ID, Label: c.Label, Task: c.Task,
		Model: m.Name, Arch: m.Label, Runner: m.Runner, Device: m.Device, Source: result.Measured,
		TrainedContext: int(c.Model.maxSeqLen()), Params: c.Params, Status: result.OK, Start: r.plan.now().UTC().Round(time.Millisecond), EstimateSeconds: c.Seconds,
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
			out, err = c.Run(runCtx, model, r.obs.Fraction)
			return err
		})
	}
	if err == nil {
		err = measure()
	}
	if errors.Is(err, runners.ErrOutOfMemory) && r.alone(m) && runCtx.Err() == nil {
		// Other models took memory of the device: once more without them.
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
			err = fmt.Errorf("a figure that it measured is not finite: %s", value.Str)
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
	rec.Metrics, rec.Series, rec.Trials, rec.Reason = nil, nil, nil, cleantext.WithoutFolders(err.Error())
	switch {
	case runCtx.Err() != nil && errors.Is(err, runCtx.Err()):
		r.backlog.learn(c, rec.Seconds) // at least as long
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

// overrun is how many times its share of the budget a case may take before it is stopped.
const overrun = 1.5

// share is the seconds that a case may take: what the budget has left, without what cheaper cases
// need. They come first, so that a case that takes longer than estimated leaves the others their
// share.
func (r *run) share(c *PlannedCase) float64 {
	return r.budgetLeft() - r.backlog.below(r.backlog.estimate(c))
}

// late says why a case no longer fits the budget, or "".
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

// keepLoaded is how many bytes of weights may stay loaded for cases that take turns, on a device
// whose room is not known.
const keepLoaded = 1 << 30

// load returns the model of c loaded. Others stay loaded as long as there is room for them next to
// what c holds.
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

// byUse are the loaded models, the last used one first.
func (r *run) byUse() (ms []*Target) {
	for m, l := range r.loaded {
		if l.model != nil {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *Target) int { return r.loaded[b].used - r.loaded[a].used })
	return ms
}

// evicted are those of the loaded models, the last used one first, that have to go before c runs.
// Where the room of its device is known, it is the ones used longest ago; otherwise all others,
// unless all are small.
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

// ordered puts the cases of devices whose room is known in an order that loads each model once, if
// there is one: as they are planned; with those last that leave no room for the other models; or
// model by model.
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

// loads is how many times models are loaded for cases in this order.
func loads(cases []*PlannedCase) (n int) {
	var held []*Target // the last used one first
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

// alone closes the other models of m's device, where their room is shared, and reports whether
// there were any.
func (r *run) alone(m *Target) (closed bool) {
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
		_ = l.model.Close() // nothing measured depends on it
	}
	delete(r.loaded, m)
}

func (r *run) unload() {
	for m := range r.loaded {
		r.close(m)
	}
}

// guarded turns a panic into an error, so that one broken case does not end a sweep.
func guarded(f func() error) (err error) {
	defer func() {
		p := recover()
		if slow, ok := p.(*tokenizer.PatternError); ok {
			err = slow
		} else if p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("panic: %v (its stack is on stderr)", p)
		}
	}()
	return f()
}
