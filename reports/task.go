package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// task is a journal's declaration of a task, prepared for reports: texts are clean and bounded, and
// default titles and views are filled in.
type task struct {
	result.Task
	// declared is false for a task that the journal does not declare. Its records share one table.
	declared bool
}

// taskOf completes a declaration.
func taskOf(t result.Task) *task {
	short := func(s *string, fallback string, most int) {
		if *s == "" {
			*s = fallback
		}
		*s = cleantext.Ellipsis(clean(*s), most)
	}
	short(&t.Title, t.Name, 80)
	short(&t.Lead, "", 600)
	t.Metrics, t.Axes, t.Remarks, t.Views = slices.Clone(t.Metrics), slices.Clone(t.Axes), slices.Clone(t.Remarks), slices.Clone(t.Views)
	for i := range t.Metrics {
		m := &t.Metrics[i]
		short(&m.Title, m.Name, 80)
		short(&m.Head, m.Name, 40)
		short(&m.Label, m.Title, 60)
	}
	for i := range t.Axes {
		a := &t.Axes[i]
		short(&a.Title, a.Param, 40)
		short(&a.Label, a.Title, 60)
		short(&a.Short, a.Title, 40)
	}
	for i := range t.Remarks {
		short(&t.Remarks[i].Text, "", 200)
	}
	if len(t.Views) == 0 && len(t.Axes) == 0 {
		t.Views = []result.View{{Kind: result.ViewTable, Metrics: t.MetricNames()}}
	}
	if len(t.Views) == 0 {
		for _, m := range t.Metrics {
			t.Views = append(t.Views, result.View{Kind: result.ViewCurves, Metrics: []string{m.Name}})
		}
	}
	for i := range t.Views {
		short(&t.Views[i].Title, t.Title, 80)
		short(&t.Views[i].Note, "", 200)
	}
	return &task{t, true}
}

// declare collects the tasks of the journal: first the declared ones in order, then those that only
// occur in records.
func (v *view) declare() {
	v.tasks = map[string]*task{}
	add := func(t *task) {
		v.tasks[t.Name] = t
		v.order = append(v.order, t.Name)
	}
	for _, t := range v.journal.Tasks() {
		add(taskOf(*t))
	}
	for _, r := range v.journal.Records {
		if v.tasks[r.Task] == nil {
			add(&task{Task: result.Task{Name: r.Task}})
		}
	}
}

// metrics returns the metrics of a view.
func (t *task) metrics(w result.View) (out []result.MetricInfo) {
	for _, name := range w.Metrics {
		if m, ok := t.Metric(name); ok {
			out = append(out, m)
		}
	}
	return out
}

// axis returns the i-th axis, or nil.
func (t *task) axis(i int) *result.Axis {
	if i < len(t.Axes) {
		return &t.Axes[i]
	}
	return nil
}

// x returns the param of the x axis.
func (t *task) x() string {
	if a := t.axis(0); a != nil {
		return a.Param
	}
	return ""
}

// place returns the length by which published figures match a record: its value on the first axis,
// or its param length.
func (t *task) place(r *result.Record) float64 {
	name := t.x()
	if name == "" {
		name = "length"
	}
	x, _ := number(r, name)
	return x
}

// axisText returns a formatter for values on an axis.
func axisText(a *result.Axis, values []float64) func(float64) string {
	switch a.Unit {
	case "tokens":
		return units.TokensOf(values)
	case "":
		return units.Tokens
	}
	return func(x float64) string { return units.Amount(x, a.Unit) }
}

// heading returns the heading of an axis' column, with the unit if the values omit it.
func heading(a *result.Axis) string {
	if a.Unit == "" || a.Unit == "tokens" || units.Amount(1, a.Unit) != units.Amount(1, "") {
		return a.Title
	}
	return a.Title + " (" + cleantext.Ellipsis(clean(a.Unit), 20) + ")"
}

// chartAxis returns the x axis of a chart with the given name.
func chartAxis(a *result.Axis, name string, values []float64) axis {
	if a.Unit != "" {
		name += " (" + cleantext.Ellipsis(clean(a.Unit), 20) + ")"
	}
	out := axis{label: name, log: a.Log, binary: a.Unit == "tokens", unit: a.Unit}
	if a.Log {
		out.zero = zeroOf(values)
	}
	return out
}

// remarks returns the remarks that apply to a group.
func (g *group) remarks() (out []string) {
	for _, m := range g.about.Remarks {
		with, without := false, false
		for _, r := range g.records {
			if m.Param != "" && word(r, m.Param) == clean(m.Value) {
				with, without = true, true
			}
			if _, some := metric(r, m.Partly); m.Partly != "" && r.Status == result.OK && len(r.Metrics) > 0 {
				with, without = with || some, without || !some
			}
		}
		if with && without {
			out = append(out, m.Text)
		}
	}
	return out
}

// across describes the x axis of a chart: "context length, on logarithmic axes".
func across(a *result.Axis) string {
	out := a.Title
	if a.Unit == "tokens" && !strings.HasSuffix(out, "length") {
		out += " length"
	}
	if a.Log {
		out += ", on logarithmic axes"
	}
	return out
}

// counted returns the unit of a metric if its amounts omit it: "in grains".
func counted(m result.MetricInfo) string {
	switch m.Unit {
	case "", "tokens/s", "fraction", "ratio", "tokens", "exponent", "nats", "nats/token", "bits/byte":
		return "" // part of the title
	}
	if units.Amount(1, m.Unit) != units.Amount(1, "") {
		return ""
	}
	return "in " + cleantext.Ellipsis(clean(m.Unit), 30)
}
