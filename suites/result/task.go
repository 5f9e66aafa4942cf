package result

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Task describes what a task measures. The task declares it and the journal's header contains it.
// Reports, gates, comparisons, histories and exports use only this declaration; none of them
// depends on the name of a task.
type Task struct {
	Name string `json:"name"`
	// Title is the heading of the task's section in reports. Lead explains how to read it, in a
	// sentence or two.
	Title string `json:"title,omitempty"`
	Lead  string `json:"lead,omitempty"`
	// Interleaved is true for tasks that measure time. Their cases alternate between models, so
	// that compared values are measured at close times. Other tasks finish one model before the
	// next.
	Interleaved bool `json:"interleaved,omitempty"`
	// Metrics lists all metrics that a record of the task can have.
	Metrics []MetricInfo `json:"metrics"`
	// Axes lists the params that vary within a group of records, the x axis of charts first.
	// Records that differ in other params belong to different groups, except for Repeats,
	// PlaceParams and ModelParams.
	Axes []Axis `json:"axes,omitempty"`
	// Repeats lists params that state how much was measured, such as trials. They do not separate
	// groups.
	Repeats []string `json:"repeats,omitempty"`
	// PlaceParams lists params that a record's position on the axes determines, such as the text
	// that a kind of question uses. They separate groups only if they differ at the same position.
	// A later one may depend on those before it.
	PlaceParams []string `json:"place_params,omitempty"`
	// ModelParams lists params that belong to the model rather than to the question, such as number
	// types. Models that differ in them share a group, unless a model was measured with several
	// values.
	ModelParams []string `json:"model_params,omitempty"`
	// NameParams lists the params that are always part of the name of a group, DescribedParams
	// those of its description. Other params appear in the name if groups would otherwise have the
	// same name.
	NameParams      []string `json:"named,omitempty"`
	DescribedParams []string `json:"described,omitempty"`
	Remarks         []Remark `json:"remarks,omitempty"`
	// Views lists the tables and charts of the section in order. By default each metric has a
	// ViewCurves or, if there are no axes, all metrics share a ViewTable.
	Views []View `json:"views,omitempty"`
}

// MetricInfo describes a metric of a task.
type MetricInfo struct {
	Name string `json:"name"`
	// Unit and Better equal those of the Metric in every record.
	Unit   string `json:"unit"`
	Better Better `json:"better"`
	Kind   Kind   `json:"kind"`
	// Local is true for an Exact metric that also depends on the machine or on the cases that the
	// process measured before, such as memory with a workspace. Two runs need not agree in it.
	Local bool `json:"local,omitempty"`
	// Title is the heading of a table or chart of the metric and Head the heading of its column in
	// a shared table; both default to Name. Label is the name of its axis and defaults to Title.
	Title string `json:"title,omitempty"`
	Head  string `json:"head,omitempty"`
	Label string `json:"label,omitempty"`
	// Primary is true for the metric that histories track by default.
	Primary bool `json:"primary,omitempty"`
	// Role is set for the metrics that measure quality or cost, which reports plot against each
	// other.
	Role Role `json:"role,omitempty"`
}

// Role is the role of a metric in the comparison of quality and cost.
type Role string

// The roles.
const (
	Quality  Role = "quality"
	CostRole Role = "cost"
)

// Kind is the kind of a metric's samples. It determines how they are summarised and tested.
type Kind string

// The kinds. Computed records are always exact.
const (
	// Exact values have no random variation: bytes, counts.
	Exact Kind = "exact"
	// Timed values are times or speeds. Each sample is a measurement.
	Timed Kind = "timed"
	// Share is the mean of scores in 0..1, one sample per question.
	Share Kind = "share"
	// Mean is the mean of any other value, one sample per question or text.
	Mean Kind = "mean"
	// Estimate is a value without samples, possibly with an interval. A Share or a Mean without
	// samples in the record is treated as one.
	Estimate Kind = "estimate"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Exact, Timed, Share, Mean, Estimate} }

// Axis is a param that varies within a group of records.
type Axis struct {
	Param string `json:"param"`
	// Title is the heading of its column and defaults to Param. Label is the name of the chart's
	// axis, Short that of an axis with little space; both default to Title.
	Title string `json:"title,omitempty"`
	Label string `json:"label,omitempty"`
	Short string `json:"short,omitempty"`
	// Unit is "tokens" for lengths, or empty for plain numbers.
	Unit string `json:"unit,omitempty"`
	Log  bool   `json:"log,omitempty"`
	// Numbers reports that only numbers belong to the axis. Other values separate groups.
	Numbers bool `json:"numbers,omitempty"`
	// Without is the name of another axis. In records with a number on that axis, this param is a
	// setting instead of an axis.
	Without string `json:"without,omitempty"`
}

// Remark is shown with the tables of the groups that it applies to. These are groups with a record
// whose Param is Value or, if Partly is set, with both records that have the metric Partly and
// records that do not.
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
	// Title is the heading of a ViewParts or ViewConditions or of the tables of a ViewGrid. It
	// defaults to the task's title.
	Title string `json:"title,omitempty"`
	// Actual is the metric with the actual position of a case on the second axis of a ViewGrid.
	Actual string `json:"actual,omitempty"`
	// Guess is the metric with the expected score of a guess, for a ViewPanels or ViewConditions.
	// Repeat is the metric of a ViewPanels with the score of an answer that repeats the whole
	// context. Both may be empty.
	Guess  string `json:"guess,omitempty"`
	Repeat string `json:"repeat,omitempty"`
	// Effective are four metrics with which a record of a ViewPanels that has a series states the
	// bounds of its effective length: the longest length that passes and the shortest that fails by
	// RULER's threshold, and the same by a share of the score at the shortest length. If no length
	// is shown to pass, the first is 0; if none is shown to fail, the second is missing.
	Effective []string `json:"effective,omitempty"`
	// Of is the metric whose samples a ViewDetails summarises. Limit is the speed limit by which it
	// compares models. Note explains their ratio.
	Of    string `json:"of,omitempty"`
	Limit string `json:"limit,omitempty"`
	Note  string `json:"note,omitempty"`
}

// ViewKind is the kind of a View.
type ViewKind string

// The kinds of views.
const (
	// ViewTable is a table with one row per record and one column per metric.
	ViewTable ViewKind = "table"
	// ViewCurves is a table for each metric, and a chart of panels. The first panel shows the first
	// metric over the first axis, the last one its ratio to the baseline, and the panels between
	// them the other metrics. Values of a second axis are columns of panels.
	ViewCurves ViewKind = "curves"
	// ViewDetails is a table of additional metrics of the curves.
	ViewDetails ViewKind = "details"
	// ViewParts shows the metrics of which the last one is the sum. A metric NAME_computed is the
	// computed value of NAME.
	ViewParts ViewKind = "parts"
	// ViewSizes compares many pairs of a model and its baseline.
	ViewSizes ViewKind = "sizes"
	// ViewGrid shows a score in 0..1 as a heatmap over the first two axes, and as curves over the
	// second axis, pooled over the first. Groups without numbers on the second axis become curves
	// over the first, one for each value of the third. The params trials and haystacks are the
	// numbers per cell.
	ViewGrid ViewKind = "grid"
	// ViewPanels shows a score in 0..1 over the first axis: a table for each model, and a picture
	// with a small panel for each value of the second axis, which need not be a number, and one for
	// the mean over these values. A record without a number on the first axis may have a series of
	// the metric's name instead, with a point for each length.
	ViewPanels ViewKind = "panels"
	// ViewConditions compares the metrics, which are one measure under several conditions. A metric
	// NAME_diff is the paired difference of NAME from the first metric.
	ViewConditions ViewKind = "conditions"
	// ViewLatency shows latencies and speeds against a load, which is the first axis on which the
	// records of a group have numbers. The percentiles of a metric NAME are NAME (the 50th),
	// NAME_p90 and NAME_p99; they share a table and a picture. Other metrics have another table.
	ViewLatency ViewKind = "latency"
	// ViewLoss shows losses: the metrics by model, and the series over positions.
	ViewLoss ViewKind = "loss"
)

// ViewKinds returns all kinds of views.
func ViewKinds() []ViewKind {
	return []ViewKind{ViewTable, ViewCurves, ViewDetails, ViewParts, ViewSizes, ViewGrid, ViewPanels, ViewConditions, ViewLatency, ViewLoss}
}

// Metric returns the declaration of a metric.
func (t *Task) Metric(name string) (MetricInfo, bool) {
	if i := slices.IndexFunc(t.Metrics, func(m MetricInfo) bool { return m.Name == name }); i >= 0 {
		return t.Metrics[i], true
	}
	return MetricInfo{}, false
}

// Primary returns the name of the task's primary metric, or "".
func (t *Task) Primary() string {
	if i := slices.IndexFunc(t.Metrics, func(m MetricInfo) bool { return m.Primary }); i >= 0 {
		return t.Metrics[i].Name
	}
	return ""
}

// MetricNames returns the names of the metrics in order.
func (t *Task) MetricNames() (names []string) {
	for _, m := range t.Metrics {
		names = append(names, m.Name)
	}
	return names
}

// Limits of a declaration, because journals are untrusted input.
const (
	maxMetrics = 200
	maxAxes    = 8
	maxViews   = 50
)

// Check returns an error if the declaration is invalid.
func (t *Task) Check() error {
	if t.Name == "" {
		return fmt.Errorf("a task without a name")
	}
	if len(t.Metrics) == 0 || len(t.Metrics) > maxMetrics || len(t.Axes) > maxAxes || len(t.Views) > maxViews || len(t.PlaceParams) > maxAxes {
		return fmt.Errorf("task %s: %d metrics, %d axes, %d views and %d params of places; expected 1 to %d, at most %d, at most %d and at most %d",
			t.Name, len(t.Metrics), len(t.Axes), len(t.Views), len(t.PlaceParams), maxMetrics, maxAxes, maxViews, maxAxes)
	}
	seen := map[string]bool{}
	primary := 0
	for _, m := range t.Metrics {
		switch {
		case m.Name == "" || seen[m.Name]:
			return fmt.Errorf("task %s: metric %q has an empty or repeated name", t.Name, m.Name)
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
		return fmt.Errorf("task %s: %d primary metrics, expected at most one", t.Name, primary)
	}
	params := map[string]bool{}
	for _, a := range t.Axes {
		if a.Param == "" || params[a.Param] {
			return fmt.Errorf("task %s: axis %q has an empty or repeated param", t.Name, a.Param)
		}
		params[a.Param] = true
	}
	return t.checkViews()
}

func (t *Task) checkViews() error {
	if len(t.Views) == 0 && len(t.Axes) > 2 {
		return fmt.Errorf("task %s: %d axes; curves have at most two", t.Name, len(t.Axes))
	}
	for _, v := range t.Views {
		if !slices.Contains(ViewKinds(), v.Kind) {
			return fmt.Errorf("task %s: unknown kind of view %q", t.Name, v.Kind)
		}
		least, axes := 1, [2]int{0, maxAxes}
		switch v.Kind {
		case ViewCurves, ViewDetails, ViewParts, ViewPanels:
			axes = [2]int{1, 2}
		case ViewConditions, ViewSizes:
			least, axes = 2, [2]int{1, 2}
		case ViewLatency:
			axes = [2]int{1, maxAxes}
		case ViewGrid:
			axes = [2]int{2, maxAxes}
		}
		if n := len(t.Axes); n < axes[0] || n > axes[1] {
			return fmt.Errorf("task %s: a view of kind %s with %d axes, expected %d to %d", t.Name, v.Kind, n, axes[0], axes[1])
		}
		if len(v.Metrics) < least {
			return fmt.Errorf("task %s: a view of kind %s with %d metrics, expected %d or more", t.Name, v.Kind, len(v.Metrics), least)
		}
		for _, name := range slices.Concat([]string{v.Of, v.Limit, v.Actual, v.Guess, v.Repeat}, v.Effective, v.Metrics) {
			if _, ok := t.Metric(name); name != "" && !ok {
				return fmt.Errorf("task %s: a view of kind %s uses the metric %q, which the task lacks", t.Name, v.Kind, name)
			}
		}
		if v.Kind == ViewDetails && (v.Of == "" || v.Limit == "") {
			return fmt.Errorf("task %s: a view of kind %s needs the fields of and limit", t.Name, v.Kind)
		}
		if n := len(v.Effective); n != 0 && n != 4 {
			return fmt.Errorf("task %s: a view with bounds of an effective length in %d metrics, expected 4", t.Name, n)
		}
	}
	return nil
}

// Tasks is a list of declarations, in the order in which reports show them.
type Tasks []*Task

// Find returns the declaration of a task, or nil.
func (ts Tasks) Find(name string) *Task {
	if i := slices.IndexFunc(ts, func(t *Task) bool { return t.Name == name }); i >= 0 {
		return ts[i]
	}
	return nil
}

// Metric returns the declaration of a task's metric.
func (ts Tasks) Metric(task, metric string) (MetricInfo, bool) {
	if t := ts.Find(task); t != nil {
		return t.Metric(metric)
	}
	return MetricInfo{}, false
}

// Tasks returns the last declaration of each task in the journal's headers. If a header has none,
// an older version wrote it, and the declarations of that version are used. Declarations that fail
// Check are skipped; Notice lists them.
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

// undeclared describes the declarations that Tasks skips.
func (j *Journal) undeclared() (out []string) {
	for _, run := range j.Runs {
		for _, t := range run.Tasks {
			if t == nil {
				t = &Task{}
			}
			if err := t.Check(); err != nil && len(out) < 3 {
				text := []rune(err.Error())
				out = append(out, "declaration skipped: "+string(text[:min(len(text), 200)]))
			}
		}
	}
	return out
}

// oldTasksJSON holds the declarations for journals whose headers have none. Do not add newer tasks.
//
//go:embed oldtasks.json
var oldTasksJSON []byte

// oldTasks decodes oldTasksJSON once. The file is embedded, so decoding does not fail.
var oldTasks = sync.OnceValue(func() (out Tasks) {
	d := json.NewDecoder(bytes.NewReader(oldTasksJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		panic(err)
	}
	return out
})
