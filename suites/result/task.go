package result

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Task describes what a task measures. The task declares it once, the journal's header carries it,
// and reports, gates, comparisons, histories and exports read it there: they know no task by its
// name.
type Task struct {
	Name string `json:"name"`
	// Title is the heading of the task's section in a report, Lead a sentence or two on how to read
	// it.
	Title string `json:"title,omitempty"`
	Lead  string `json:"lead,omitempty"`
	// Interleaved is true for a task that measures time: its cases go from model to model, so that
	// what is compared was measured close together. Other tasks finish one model before the next.
	Interleaved bool `json:"interleaved,omitempty"`
	// Metrics are all that a record of the task can have.
	Metrics []MetricInfo `json:"metrics"`
	// Axes are the params that spread the records of a group, the x axis of charts first. Records
	// that differ in other params are in different groups, except for Repeats and ModelParams.
	Axes []Axis `json:"axes,omitempty"`
	// Repeats are params that say how much was measured, such as trials: they part no groups.
	Repeats []string `json:"repeats,omitempty"`
	// ModelParams belong to the model rather than to the question, such as number types: models
	// that differ in them share a group, unless a model was measured with several values.
	ModelParams []string `json:"model_params,omitempty"`
	// Named are the params that always are in the name of a group, Described those in its
	// description. Others are in the name where groups differ in nothing else.
	Named     []string `json:"named,omitempty"`
	Described []string `json:"described,omitempty"`
	Remarks   []Remark `json:"remarks,omitempty"`
	// Views are the tables and charts of the section, in order. Without any, each metric is a
	// ViewCurves of its own, or where there are no axes all are in one ViewTable.
	Views []View `json:"views,omitempty"`
}

// MetricInfo describes a metric of a task.
type MetricInfo struct {
	Name string `json:"name"`
	// Unit and Better are those of every record's Metric.
	Unit   string `json:"unit"`
	Better Better `json:"better"`
	Kind   Kind   `json:"kind"`
	// Title is the heading of a table or chart of the metric, Head that of its column among others
	// (both Name by default), Label the name of its axis (Title by default).
	Title string `json:"title,omitempty"`
	Head  string `json:"head,omitempty"`
	Label string `json:"label,omitempty"`
	// Primary is true for the metric that the history of a task follows.
	Primary bool `json:"primary,omitempty"`
	// Role is set for the metric by which a task says what a model achieves, or what that costs:
	// reports set the two against each other.
	Role Role `json:"role,omitempty"`
}

// Role is the part of a metric in the comparison of quality and cost.
type Role string

// The roles.
const (
	Quality  Role = "quality"
	CostRole Role = "cost"
)

// Kind says what a metric's samples are, and with that how they are summed up and tested.
type Kind string

// The kinds. Computed records are exact whatever the metric.
const (
	// Exact figures do not vary by chance: bytes, counts.
	Exact Kind = "exact"
	// Timed figures are times or speeds: each sample is a measurement.
	Timed Kind = "timed"
	// Share is the mean of scores in 0..1, a sample a question.
	Share Kind = "share"
	// Mean is the mean of any other figure, a sample a question or a text.
	Mean Kind = "mean"
	// Estimate is a figure without samples, with an interval if any. A Share or a Mean whose record
	// holds no samples is one too.
	Estimate Kind = "estimate"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Exact, Timed, Share, Mean, Estimate} }

// Axis is a param that spreads the records of a group.
type Axis struct {
	Param string `json:"param"`
	// Title is the heading of its column (Param by default), Label the name of the chart's axis
	// (Title by default), Short that of an axis with little room (Title by default).
	Title string `json:"title,omitempty"`
	Label string `json:"label,omitempty"`
	Short string `json:"short,omitempty"`
	// Unit is "tokens" for lengths, or empty for plain numbers.
	Unit string `json:"unit,omitempty"`
	Log  bool   `json:"log,omitempty"`
	// Numbers: values that are no numbers part groups instead.
	Numbers bool `json:"numbers,omitempty"`
	// Without names another axis: a record with a number there has the param as a setting instead.
	Without string `json:"without,omitempty"`
}

// Remark is shown with the tables of the groups that it applies to: those with a record whose Param
// is Value or, where Partly is set, with some records that have the metric Partly and some that do
// not.
type Remark struct {
	Param  string `json:"param,omitempty"`
	Value  string `json:"value,omitempty"`
	Partly string `json:"partly,omitempty"`
	Text   string `json:"text"`
}

// View is a table or a chart of a task, or both.
type View struct {
	Kind    ViewKind `json:"kind"`
	Metrics []string `json:"metrics,omitempty"`
	// Title is the heading of a ViewParts or of the tables of a ViewGrid (the task's by default).
	Title string `json:"title,omitempty"`
	// Actual is the metric of a ViewGrid that says where on the second axis a case really was.
	Actual string `json:"actual,omitempty"`
	// Of is the metric whose samples a ViewDetails sums up, Limit the speed limit by which it
	// compares models; Note says how their ratio is to be read.
	Of    string `json:"of,omitempty"`
	Limit string `json:"limit,omitempty"`
	Note  string `json:"note,omitempty"`
}

// ViewKind says how a View is drawn.
type ViewKind string

// The kinds of views.
const (
	// ViewTable is a row a record, a column a metric.
	ViewTable ViewKind = "table"
	// ViewCurves is a table for each metric, and a chart of the first over the first axis with the
	// ratio to the baseline below. Values of a second axis are columns of panels. The other metrics
	// are panels in between.
	ViewCurves ViewKind = "curves"
	// ViewDetails is a table of further metrics of the curves.
	ViewDetails ViewKind = "details"
	// ViewParts shows what the last metric is the sum of. A metric NAME_computed is what arithmetic
	// gives for NAME.
	ViewParts ViewKind = "parts"
	// ViewSizes compares pairs of a model and its baseline where there are many.
	ViewSizes ViewKind = "sizes"
	// ViewGrid shows a score of trials in 0..1 as a heatmap of the first two axes, or as curves
	// over the first one for groups without numbers on the second, a curve for each value of a
	// third. The params trials and haystacks say how many there are in a cell.
	ViewGrid ViewKind = "grid"
	// ViewLoss shows losses: the metrics by model, and the series over positions.
	ViewLoss ViewKind = "loss"
)

// ViewKinds are all of them.
func ViewKinds() []ViewKind {
	return []ViewKind{ViewTable, ViewCurves, ViewDetails, ViewParts, ViewSizes, ViewGrid, ViewLoss}
}

// Metric finds the description of a metric.
func (t *Task) Metric(name string) (MetricInfo, bool) {
	if i := slices.IndexFunc(t.Metrics, func(m MetricInfo) bool { return m.Name == name }); i >= 0 {
		return t.Metrics[i], true
	}
	return MetricInfo{}, false
}

// Primary is the name of the metric that stands for the task, empty where it names none.
func (t *Task) Primary() string {
	if i := slices.IndexFunc(t.Metrics, func(m MetricInfo) bool { return m.Primary }); i >= 0 {
		return t.Metrics[i].Name
	}
	return ""
}

// MetricNames lists the metrics in their order.
func (t *Task) MetricNames() (names []string) {
	for _, m := range t.Metrics {
		names = append(names, m.Name)
	}
	return names
}

// Bounds of a declaration: journals come from outside.
const (
	maxMetrics = 200
	maxAxes    = 8
	maxViews   = 50
)

// Check reports what is wrong with a declaration.
func (t *Task) Check() error {
	if t.Name == "" {
		return fmt.Errorf("a task without a name")
	}
	if len(t.Metrics) == 0 || len(t.Metrics) > maxMetrics || len(t.Axes) > maxAxes || len(t.Views) > maxViews {
		return fmt.Errorf("task %s: %d metrics, %d axes and %d views; expected 1 to %d, at most %d and at most %d",
			t.Name, len(t.Metrics), len(t.Axes), len(t.Views), maxMetrics, maxAxes, maxViews)
	}
	seen := map[string]bool{}
	primary := 0
	for _, m := range t.Metrics {
		switch {
		case m.Name == "" || seen[m.Name]:
			return fmt.Errorf("task %s: metric %q has no name of its own", t.Name, m.Name)
		case m.Better != Higher && m.Better != Lower && m.Better != None:
			return fmt.Errorf("task %s: metric %s: better is %q, expected higher, lower or none", t.Name, m.Name, m.Better)
		case !slices.Contains(Kinds(), m.Kind):
			return fmt.Errorf("task %s: metric %s: unknown kind %q", t.Name, m.Name, m.Kind)
		}
		seen[m.Name] = true
		if m.Primary {
			primary++
		}
	}
	if primary > 1 {
		return fmt.Errorf("task %s: %d primary metrics, expected one at most", t.Name, primary)
	}
	params := map[string]bool{}
	for _, a := range t.Axes {
		if a.Param == "" || params[a.Param] {
			return fmt.Errorf("task %s: axis %q has no param of its own", t.Name, a.Param)
		}
		params[a.Param] = true
	}
	return t.checkViews()
}

func (t *Task) checkViews() error {
	if len(t.Views) == 0 && len(t.Axes) > 2 {
		return fmt.Errorf("task %s: %d axes; curves have two at most", t.Name, len(t.Axes))
	}
	for _, v := range t.Views {
		if !slices.Contains(ViewKinds(), v.Kind) {
			return fmt.Errorf("task %s: unknown kind of view %q", t.Name, v.Kind)
		}
		least, axes := 1, [2]int{0, maxAxes}
		switch v.Kind {
		case ViewCurves, ViewDetails, ViewParts:
			axes = [2]int{1, 2}
		case ViewSizes:
			least, axes = 2, [2]int{1, 2}
		case ViewGrid:
			axes = [2]int{2, maxAxes}
		}
		if n := len(t.Axes); n < axes[0] || n > axes[1] {
			return fmt.Errorf("task %s: a view of kind %s with %d axes, expected %d to %d", t.Name, v.Kind, n, axes[0], axes[1])
		}
		if len(v.Metrics) < least {
			return fmt.Errorf("task %s: a view of kind %s with %d metrics, expected %d or more", t.Name, v.Kind, len(v.Metrics), least)
		}
		for _, name := range append([]string{v.Of, v.Limit, v.Actual}, v.Metrics...) {
			if _, ok := t.Metric(name); name != "" && !ok {
				return fmt.Errorf("task %s: a view of kind %s has the metric %q, which the task lacks", t.Name, v.Kind, name)
			}
		}
		if v.Kind == ViewDetails && (v.Of == "" || v.Limit == "") {
			return fmt.Errorf("task %s: a view of kind %s needs of and limit", t.Name, v.Kind)
		}
	}
	return nil
}

// Tasks are the declarations of a journal, in the order in which reports show them.
type Tasks []*Task

// Find returns the declaration of a task, nil where there is none.
func (ts Tasks) Find(name string) *Task {
	if i := slices.IndexFunc(ts, func(t *Task) bool { return t.Name == name }); i >= 0 {
		return ts[i]
	}
	return nil
}

// Metric finds the description of a task's metric.
func (ts Tasks) Metric(task, metric string) (MetricInfo, bool) {
	if t := ts.Find(task); t != nil {
		return t.Metric(metric)
	}
	return MetricInfo{}, false
}

// Tasks are the declarations in the journal's headers, of each task the last one. A journal with a
// header that declares none was written before headers did: it gets those of its time. Declarations
// that do not pass Check are left out, as Notice says.
func (j *Journal) Tasks() Tasks {
	var out Tasks
	if len(j.Runs) == 0 || slices.ContainsFunc(j.Runs, func(r Run) bool { return r.Tasks == nil }) {
		out = slices.Clone(oldTasks())
	}
	for _, run := range j.Runs {
		for _, t := range run.Tasks {
			if t == nil || t.Check() != nil {
				continue
			}
			if k := slices.IndexFunc(out, func(o *Task) bool { return o.Name == t.Name }); k >= 0 {
				out[k] = t
			} else {
				out = append(out, t)
			}
		}
	}
	return out
}

// undeclared says which declarations Tasks leaves out.
func (j *Journal) undeclared() (out []string) {
	for _, run := range j.Runs {
		for _, t := range run.Tasks {
			if t == nil {
				t = &Task{}
			}
			if err := t.Check(); err != nil && len(out) < 3 {
				text := []rune(err.Error())
				out = append(out, "declaration left out: "+string(text[:min(len(text), 200)]))
			}
		}
	}
	return out
}

// oldTasksJSON are the tasks of the time before headers declared them. Newer tasks do not belong
// there.
//
//go:embed oldtasks.json
var oldTasksJSON []byte

// oldTasks reads it once. (The file is embedded: reading it does not fail.)
var oldTasks = sync.OnceValue(func() (out Tasks) {
	d := json.NewDecoder(bytes.NewReader(oldTasksJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		panic(err)
	}
	return out
})
