package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/suites/result"
)

// csv writes results.csv: one row for each case and metric, and one without a metric for each case
// that has none. Numbers are exact. Every parameter has a column param.NAME. If several machines
// measured, or shards were merged, each row has host and machine. Text that looks like a formula
// gets a ' prefix.
func (v *view) csv(out io.Writer) error {
	names := map[string]bool{}
	for _, r := range v.journal.Records {
		for name := range r.Params {
			names[name] = true
		}
	}
	params := sortedKeys(names)
	w := csv.NewWriter(out)
	head := []string{"suite", "case", "label", "task", "model", "arch", "runner", "device", "source", "status", "reason", "seconds"}
	for _, p := range params {
		head = append(head, "param."+clean(p))
	}
	head = append(head, "metric", "value", "unit", "better", "lo", "hi", "level", "method", "samples", "reference", "reference_source")
	where := v.run.Merged != nil || v.several()
	if where {
		head = append(head, "host", "machine")
	}
	w.Write(head)
	for i := range v.journal.Records {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		r := &v.journal.Records[i]
		row := []string{}
		for _, s := range []string{r.Suite, r.Case, r.Label, r.Task, r.Model, r.Arch, r.Runner, r.Device, string(r.Source), string(r.Status), r.Reason} {
			row = append(row, csvText(s))
		}
		row = append(row, exact(r.Seconds))
		for _, p := range params {
			row = append(row, csvParam(r.Params[p]))
		}
		var end []string
		if where {
			end = v.csvMachine(i)
		}
		for _, name := range sortedKeys(r.Metrics) {
			w.Write(slices.Concat(row, v.csvMetric(r, name), end))
		}
		if len(r.Metrics) == 0 {
			w.Write(slices.Concat(row, make([]string, 11), end))
		}
	}
	w.Flush()
	return w.Error()
}

// csvMachine gives the host and the machine that a record was measured on.
func (v *view) csvMachine(i int) []string {
	out := []string{"", ""}
	if run := v.journal.Under(i); run != nil {
		out[0] = csvText(run.Host)
	}
	if v.on[i] >= 0 {
		out[1] = v.machines[v.on[i]].name
	}
	return out
}

// exact formats a number with all necessary digits.
func exact(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func csvParam(value any) string {
	if x, ok := value.(float64); ok {
		return exact(x)
	}
	return csvText(paramText("", value))
}

// csvText returns text as a cell, such that spreadsheets do not interpret it as a formula.
func csvText(s string) string {
	s = clean(s)
	if start := strings.TrimLeft(s, " \u00a0\u3000"); start != "" && strings.ContainsAny(start[:1], "=+-@") || strings.HasPrefix(start, "＝") ||
		strings.HasPrefix(start, "＋") || strings.HasPrefix(start, "－") || strings.HasPrefix(start, "＠") {
		return "'" + s
	}
	return s
}

func (v *view) csvMetric(r *result.Record, name string) []string {
	m := r.Metrics[name]
	optional := func(x *float64) string {
		if x == nil {
			return ""
		}
		return exact(*x)
	}
	level := ""
	if m.Level != 0 {
		level = exact(m.Level)
	}
	reference, source := "", ""
	if ref, ok := v.reference(r, name); ok {
		if x, same := published(ref, m.Unit); same {
			reference, source = exact(x), csvText(ref.Source)
		}
	}
	return []string{csvText(name), exact(m.Value), csvText(m.Unit), csvText(string(m.Better)), optional(m.Lo), optional(m.Hi),
		level, csvText(m.Method), fmt.Sprint(len(m.Samples)), reference, source}
}
