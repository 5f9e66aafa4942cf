package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// build builds the sections.
func (v *view) build() {
	byTask := map[string][]*group{}
	for _, g := range v.groups {
		byTask[g.about.Name] = append(byTask[g.about.Name], g)
	}
	for _, name := range v.order {
		if groups := byTask[name]; len(groups) > 0 && v.ctx.Err() == nil {
			v.sections = append(v.sections, v.taskSection(groups))
		}
	}
	v.addTradeoffs()
	if t, ok := v.publishedTable(); ok {
		v.sections = append(v.sections, section{id: "published", title: "Comparison with published figures", tables: []table{t}})
	}
	v.boundSections()
	v.uniqueIDs()
}

// taskSection returns the section of a task, with its views group by group.
func (v *view) taskSection(groups []*group) section {
	t := groups[0].about
	if !t.declared {
		s := section{id: slug("task " + t.Name), title: "Task " + cleantext.Ellipsis(clean(t.Name), 40)}
		for _, g := range groups {
			s.tables = append(s.tables, metricsTable(g))
		}
		return s
	}
	s := section{id: slug(t.Name), title: t.Title, lead: t.Lead}
	ids := map[string]bool{}
	for _, g := range groups {
		scaling := false
		for _, w := range t.Views {
			switch w.Kind {
			case result.ViewGrid:
				v.addGrid(&s, g, w, ids)
			case result.ViewPanels:
				v.addPanels(&s, g, w, ids)
			case result.ViewConditions:
				v.addConditions(&s, g, w, ids)
			case result.ViewLoss:
				v.addLoss(&s, g, w)
			case result.ViewLatency:
				v.addLatency(&s, g, w)
			case result.ViewTable:
				s.tables = append(s.tables, v.metricsByModel(g, columnsOf(g.present(t.metrics(w))), table{id: g.id, title: joined(t.Title, g.name), notes: append([]string{g.describe()}, g.remarks()...)}))
			default:
				scaling = true
			}
		}
		switch {
		case scaling && len(numbers(g.records, t.x())) == 0: // no x values
			s.tables = append(s.tables, metricsTable(g))
		case scaling:
			v.addScaling(&s, g, t.Views, ids)
		}
		v.addEffective(&s, g, ids)
	}
	if tab, ok := faultTable(groups); ok {
		s.tables = append(s.tables, tab)
	}
	return s
}

// uniqueIDs makes the ids of sections, tables and figures unique.
func (v *view) uniqueIDs() {
	taken, files := map[string]bool{}, map[string]bool{}
	for i := range v.sections {
		s := &v.sections[i]
		s.id = unique(taken, s.id)
		for k := range s.tables {
			s.tables[k].id = unique(taken, s.tables[k].id+"-table")
		}
		for _, f := range s.figures {
			f.id = unique(files, f.id)
		}
	}
}

// heading returns the first line of the report.
func (v *view) heading() string {
	name := v.run.Suite
	if name == "" && len(v.journal.Records) > 0 {
		name = v.journal.Records[0].Suite
	}
	title := "yocobench " + cleantext.Ellipsis(clean(name), 60)
	if v.run.Title != "" {
		title += ": " + cleantext.Ellipsis(clean(v.run.Title), 100)
	}
	return strings.TrimSpace(title)
}

// statuses is the order of statuses in counts.
var statuses = []result.Status{result.OK, result.OOM, result.Skipped, result.Unsupported, result.Failed}

// count is the number of cases of one status.
type count struct {
	Status string
	N      int
}

// counts returns the number of cases by status. missing is the number of cases without a record.
func (v *view) counts() (out []count, missing int) {
	n := map[result.Status]int{}
	var order []result.Status
	for _, r := range v.journal.Records {
		if n[r.Status] == 0 {
			order = append(order, r.Status)
		}
		n[r.Status]++
	}
	for _, s := range statuses {
		if n[s] > 0 {
			out = append(out, count{string(s), n[s]})
			delete(n, s)
		}
	}
	for _, s := range order {
		if n[s] > 0 {
			out = append(out, count{cleantext.Ellipsis(clean(string(s)), 20), n[s]})
		}
	}
	return out, v.journal.Missing()
}

// outcome formats the counts as a line: "24 cases: 20 ok, 2 oom, 2 skipped".
func (v *view) outcome() string {
	counts, missing := v.counts()
	var words []string
	for _, c := range counts {
		words = append(words, fmt.Sprintf("%d %s", c.N, c.Status))
	}
	if missing > 0 {
		words = append(words, fmt.Sprintf("%d not run", missing))
	}
	n := len(v.journal.Records) + missing
	unit := "cases"
	if n == 1 {
		unit = "case"
	}
	line := fmt.Sprintf("%d %s", n, unit)
	if len(words) > 0 {
		line += ": " + strings.Join(words, ", ")
	}
	return line
}

// environment returns the table of the machine and the program.
func (v *view) environment() table {
	t := table{id: "environment", title: "Environment", head: []string{"", ""}, fixed: 2, prose: true}
	add := func(name, value string) {
		if value = clean(value); strings.TrimSpace(value) != "" {
			t.rows = append(t.rows, texts(name, value))
		}
	}
	if len(v.journal.Runs) == 0 {
		return t
	}
	r := v.run
	e := r.Env
	add("suite", joined(r.Suite, strings.TrimSpace("content "+cleantext.Ellipsis(r.SuiteHash, 13))))
	add("command", r.Command)
	if !r.Start.IsZero() {
		add("started", r.Start.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if n := len(v.journal.Runs) - 1; n > 0 && r.Merged == nil {
		add("resumed", fmt.Sprintf("%d time(s)", n))
	}
	for _, row := range v.machineRows() {
		add(row[0], row[1])
	}
	version := e.Version
	if e.Commit != "" {
		version += " (" + e.Commit + ")"
	}
	add("yocobench", joined(version, e.Go))
	add("system", strings.Trim(e.OS+"/"+e.Arch, "/"))
	cores := ""
	if e.Cores > 0 {
		cores = fmt.Sprintf("%d cores", e.Cores)
	}
	threads := ""
	if e.Threads > 0 {
		threads = fmt.Sprintf("%d threads used", e.Threads)
	}
	add("processor", joined(e.CPU, cores, threads))
	if e.Memory > 0 {
		add("memory", units.Bytes(float64(e.Memory)))
	}
	add("kernels", joined(e.KernelTier, e.Why))
	add("GPU", e.GPU)
	if e.GFLOPS > 0 || e.GBps > 0 {
		bf16 := ""
		if e.BF16GFLOPS > 0 {
			bf16 = " float32, " + units.Digits(e.BF16GFLOPS, 3) + " bfloat16"
		}
		add("measured peaks", units.Digits(e.GFLOPS, 3)+" GFLOP/s"+bf16+", "+units.Digits(e.GBps, 3)+" GB/s")
	}
	for _, name := range sortedKeys(e.Text) {
		add("text "+cleantext.Ellipsis(clean(name), 30), cleantext.Ellipsis(e.Text[name], 24))
	}
	return t
}

// problems lists the cases without a result, with their reasons. Cases of a model with the same
// reason share a row.
func (v *view) problems() table {
	t := table{id: "problems", title: "Cases without a result", head: []string{"case", "model", "status", "reason"}, fixed: 4, prose: true}
	type key struct {
		model  string
		status result.Status
		reason string
	}
	first := map[key]int{}
	more := map[int]int{}
	for i := range v.journal.Records {
		r := &v.journal.Records[i]
		if r.Status == result.OK {
			continue
		}
		k := key{r.Model, r.Status, r.Task + r.Reason}
		if row, ok := first[k]; ok {
			more[row]++
			continue
		}
		first[k] = len(t.rows)
		tone := plain
		if r.Status == result.Failed {
			tone = bad
		}
		t.rows = append(t.rows, []cell{{text: caseLabel(r)}, {text: label(r.Model)}, {cleantext.Ellipsis(clean(string(r.Status)), 20), tone}, {text: cleantext.Ellipsis(clean(r.Reason), 400)}})
	}
	for row, n := range more {
		t.rows[row][0].text += fmt.Sprintf(" and %d more", n)
	}
	return t.bound(maxRows)
}

// caseLabel returns the name of a case.
func caseLabel(r *result.Record) string {
	if r.Label != "" {
		return cleantext.Ellipsis(clean(r.Label), 80)
	}
	return cleantext.Ellipsis(clean(r.Task+" "+r.Case), 80)
}

// misses lists at most limit trials whose answer was not entirely right, and returns their total
// number.
func (v *view) misses(limit int) (t table, total int) {
	t = table{id: "misses", title: "Wrong answers", head: []string{"case", "model", "question", "expected", "answer"}, fixed: 5, prose: true}
	for i := range v.journal.Records {
		r := &v.journal.Records[i]
		for _, trial := range r.Trials {
			if trial.Points() >= 1 || len(trial.Expected) == 0 { // a text that is only scored has no answer
				continue
			}
			total++
			if total > limit {
				continue
			}
			t.rows = append(t.rows, texts(caseLabel(r), label(r.Model), cleantext.Ellipsis(clean(trial.Question), 80),
				cleantext.Ellipsis(clean(strings.Join(trial.Expected, ", ")), 60), cleantext.Ellipsis(clean(trial.Answer), 60)))
		}
	}
	return t, total
}

// notes returns the notes of the records. Notes that differ only in numbers share an entry: the
// first one, with the number of cases.
func (v *view) notes() []string {
	type entry struct {
		text         string
		cases, other int
	}
	index := map[string]int{}
	var entries []entry
	for _, r := range v.journal.Records {
		for _, note := range r.Notes {
			if note == "" {
				continue
			}
			kind := withoutNumbers(note)
			i, ok := index[kind]
			if !ok {
				i = len(entries)
				index[kind] = i
				entries = append(entries, entry{text: note})
			}
			entries[i].cases++
			if note != entries[i].text {
				entries[i].other++
			}
		}
	}
	out := slices.Clone(v.left)
	for i, e := range entries {
		if i == maxNotes {
			out = append(out, firstOf(maxNotes, len(entries), "notes")+"; all are in results.json")
			break
		}
		text := cleantext.Ellipsis(clean(e.text), 600)
		switch {
		case e.other > 0:
			text += fmt.Sprintf(" (%d cases, other numbers in %d of them)", e.cases, e.other)
		case e.cases == len(v.journal.Records) && e.cases > 1:
			text += " (all cases)"
		case e.cases > 1:
			text += fmt.Sprintf(" (%d cases)", e.cases)
		}
		out = append(out, text)
	}
	if v.journal.Notice != "" {
		out = append(out, clean(v.journal.Notice))
	}
	return out
}

// withoutNumbers replaces each number in text by one digit.
func withoutNumbers(s string) string {
	var b strings.Builder
	number := false
	for _, r := range s {
		if r >= '0' && r <= '9' || number && r == '.' {
			if !number {
				b.WriteByte('0')
			}
			number = true
			continue
		}
		number = false
		b.WriteRune(r)
	}
	return b.String()
}

// metricsTable returns the table of a group without views: every metric of every case.
func metricsTable(g *group) table {
	t := table{id: g.id, title: joined(cleantext.Ellipsis(clean(g.about.Name), 40), g.name), notes: []string{g.describe()}, fixed: 2, head: []string{"case", "metric", "value", "interval"}}
	for _, r := range g.records {
		name := caseLabel(r) + " · " + label(r.Model)
		if r.Status != result.OK {
			t.rows = append(t.rows, []cell{{text: name}, {}, {short(r), dim}, {}})
			continue
		}
		for _, k := range sortedKeys(r.Metrics) {
			m := r.Metrics[k]
			value := units.Amount(m.Value, m.Unit)
			t.rows = append(t.rows, []cell{{text: name}, {text: cleantext.Ellipsis(clean(k), 40)}, {text: value}, {interval(m), dim}})
		}
	}
	return t
}
