package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

// Side holds the pooled records of one or several runs.
type Side struct {
	// Name is the side's name in reports.
	Name string
	// Cases is in the order of the first records.
	Cases []*Case
	// Runs is the number of journals, Envs their distinct environments.
	Runs int
	Envs []result.Env
	// Filtered reports whether a filter left out cases.
	Filtered bool
	// Notices are notices about the journals.
	Notices []string

	// twins holds the cases by their questions (Case.question); nil until twinOf needs it.
	twins map[string][]*Case
}

// Case is one case with its results.
type Case struct {
	ID, Label                 string
	Task, Model, Arch, Runner string
	Source                    result.Source
	Params                    map[string]any
	// Status is OK if any run has a result. Otherwise Reason is the reason.
	Status  result.Status
	Reason  string
	Metrics map[string]*Sample
	// asked holds the questions, if the record contains them.
	asked []string
	// machines holds the machines (result.Env.Machine) of its measured results, ascending.
	machines []string
}

// Keep selects records by their task and fields.
type Keep func(task string, f match.Fields) bool

// NewSide pools journals. keep selects the records; nil selects all.
func NewSide(name string, journals []*result.Journal, keep Keep) *Side {
	return newSide(name, journals, keep, false)
}

func newSide(name string, journals []*result.Journal, keep Keep, interleaved bool) *Side {
	s := &Side{Name: name, Runs: len(journals)}
	metrics := map[string]map[string][]result.Metric{}
	from := map[string][]int{} // indices of the journals with a case's metric
	kinds := map[string]Kind{}
	index := map[string]*Case{}
	failed := 0
	for number, j := range journals {
		if j.Notice != "" {
			s.Notices = append(s.Notices, j.Notice)
		}
		for _, run := range j.Runs {
			s.Filtered = s.Filtered || len(run.Filter) > 0
			if run.Merged != nil { // measured nothing itself
				continue
			}
			if len(s.Envs) < maxEnvs && !slices.ContainsFunc(s.Envs, func(e result.Env) bool {
				return len(Differences(e, run.Env)) == 0 && e.Version == run.Env.Version && e.Commit == run.Env.Commit
			}) {
				s.Envs = append(s.Envs, run.Env)
			}
		}
		tasks := j.Tasks()
		for i := range j.Records {
			r := &j.Records[i]
			if keep != nil && !keep(r.Task, match.FieldsOf(r.Params, r.Model, r.Arch, r.Runner, r.Label)) {
				continue
			}
			c := index[r.Case]
			if c == nil {
				c = &Case{ID: r.Case, Label: r.Label, Task: r.Task, Model: r.Model, Arch: r.Arch, Runner: r.Runner, Source: r.Source,
					Params: r.Params, Status: r.Status, Reason: r.Reason, Metrics: map[string]*Sample{}}
				index[r.Case] = c
				s.Cases = append(s.Cases, c)
				metrics[r.Case] = map[string][]result.Metric{}
			}
			if r.Status == result.Failed && s.Runs > 1 {
				failed++
			}
			if r.Status != result.OK {
				continue
			}
			c.Status, c.Reason = result.OK, ""
			if run := j.Under(i); run != nil && r.Source != result.Computed {
				m := run.Env.Machine()
				if at, found := slices.BinarySearch(c.machines, m); !found {
					c.machines = slices.Insert(c.machines, at, m)
				}
			}
			if c.asked == nil {
				c.asked = questions(r)
			}
			for name, m := range r.Metrics {
				if !usable(m) {
					continue
				}
				metrics[r.Case][name] = append(metrics[r.Case][name], m)
				kinds[r.Case+" "+name] = KindOf(tasks, r, name)
				from[r.Case+" "+name] = append(from[r.Case+" "+name], number)
			}
		}
	}
	if failed > 0 {
		s.Notices = append(s.Notices, fmt.Sprintf("%s: %s failed in some of its runs", name, units.Plural(float64(failed), "case")))
	}
	uneven := 0
	for _, c := range s.Cases {
		for name, ms := range metrics[c.ID] {
			c.Metrics[name] = pool(kinds[c.ID+" "+name], ms, interleaved)
			c.Metrics[name].from = from[c.ID+" "+name]
			if c.Metrics[name].uneven {
				uneven++
			}
		}
	}
	if uneven > 0 {
		s.Notices = append(s.Notices, fmt.Sprintf("%s: %d exact values or numbers of questions differ from run to run; the last run's are used", name, uneven))
	}
	return s
}

// maxEnvs bounds the distinct environments of a side, because they are compared in pairs.
const maxEnvs = 64

// usable reports whether every number of a metric is finite. Journals are untrusted input.
func usable(m result.Metric) bool {
	for _, v := range append([]float64{m.Value}, m.Samples...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

func questions(r *result.Record) (out []string) {
	for _, t := range r.Trials {
		out = append(out, strings.Join(append([]string{t.Question}, t.Expected...), "\x00"))
	}
	return out
}

// pair is a case of both sides.
type pair struct {
	base, candidate *Case
	// same reports equal ids: everything that determines the result is equal, except the program
	// and the machine.
	same bool
}

// paired reports whether the samples a and b answer the same questions in the same order.
func (p pair) paired(a, b *Sample) bool {
	if len(a.Values) != len(b.Values) {
		return false
	}
	return p.same || len(p.base.asked) == len(a.Values) && slices.Equal(p.base.asked, p.candidate.asked)
}

// place returns a key of the case that ignores weights and seed.
func (c *Case) place() string {
	b, err := json.Marshal([]any{c.Task, c.Model, c.Runner, c.Source, c.Params})
	if err != nil {
		return c.ID
	}
	return string(b)
}

// pairCases pairs the cases of two sides by id. It pairs the rest by task, model, runner and params
// if exactly one case on each side matches.
func pairCases(base, candidate *Side) (pairs []pair, onlyBase, onlyCandidate []*Case) {
	ids, places := map[string]*Case{}, map[string][]*Case{}
	for _, c := range base.Cases {
		ids[c.ID] = c
	}
	taken := map[*Case]bool{}
	for _, c := range candidate.Cases {
		if b := ids[c.ID]; b != nil {
			taken[b], taken[c] = true, true
		}
	}
	left, placeOf := map[string]int{}, map[*Case]string{}
	for _, c := range base.Cases {
		if !taken[c] {
			at := c.place()
			places[at] = append(places[at], c)
		}
	}
	for _, c := range candidate.Cases {
		if !taken[c] {
			placeOf[c] = c.place()
			left[placeOf[c]]++
		}
	}
	for _, c := range candidate.Cases {
		b, near := ids[c.ID], places[placeOf[c]]
		switch {
		case b != nil:
			pairs = append(pairs, pair{b, c, true})
		case len(near) == 1 && left[placeOf[c]] == 1:
			taken[near[0]] = true
			pairs = append(pairs, pair{near[0], c, false})
		default:
			onlyCandidate = append(onlyCandidate, c)
		}
	}
	for _, c := range base.Cases {
		if !taken[c] {
			onlyBase = append(onlyBase, c)
		}
	}
	return pairs, onlyBase, onlyCandidate
}

// Differences lists the differences between two environments that affect times.
func Differences(a, b result.Env) (out []string) {
	see := func(what, x, y string) {
		if x != y {
			out = append(out, fmt.Sprintf("%s (%s, %s)", what, orNone(x), orNone(y)))
		}
	}
	see("CPU", a.CPU, b.CPU)
	see("cores", fmt.Sprint(a.Cores), fmt.Sprint(b.Cores))
	see("threads", fmt.Sprint(a.Threads), fmt.Sprint(b.Threads))
	see("kernel tier", a.KernelTier, b.KernelTier)
	see("GPU", a.GPU, b.GPU)
	see("system", a.OS+"/"+a.Arch, b.OS+"/"+b.Arch)
	// Free memory varies from run to run; report only a different size of machine.
	if x, y := float64(a.Memory), float64(b.Memory); max(x, y) > 1.5*min(x, y) {
		see("memory", fmt.Sprintf("%.0f GiB", x/(1<<30)), fmt.Sprintf("%.0f GiB", y/(1<<30)))
	}
	return out
}

// OtherMachine lists the differences between the machines of two environments. Two unknown CPUs
// count as different. The CPU of an environment is unknown if its name is only the architecture.
func OtherMachine(a, b result.Env) []string {
	out := Differences(a, b)
	unknown := func(e result.Env) bool { return e.CPU == "" || e.CPU == e.Arch }
	if a.CPU == b.CPU && unknown(a) {
		out = append(out, "CPU (unknown on both)")
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return clean(s)
}

// Machines lists the differences between the machines of two sides. The list is empty if they are
// the same.
func Machines(base, candidate *Side) (out []string) {
	for _, a := range base.Envs {
		for _, b := range candidate.Envs {
			for _, d := range OtherMachine(a, b) {
				if !slices.Contains(out, d) {
					out = append(out, d)
				}
			}
		}
	}
	return out
}

// warnings lists the reasons to doubt a comparison.
func warnings(base, candidate *Side, pairs []pair) (out []string) {
	out = append(out, base.Notices...)
	if candidate != base {
		out = append(out, candidate.Notices...)
	}
	if d := Machines(base, candidate); len(d) > 0 {
		out = append(out, fmt.Sprintf("the sides differ in %s: differences in times may come from the machines", strings.Join(d, ", ")))
	}
	if ratio := peakRatio(base, candidate); ratio < 0.85 || ratio > 1/0.85 {
		out = append(out, fmt.Sprintf("the matrix product measured at the start of the runs was %.2f times as fast for %s: the machine's state differs", ratio, candidate.Name))
	}
	for _, s := range []*Side{base, candidate} {
		if len(s.Envs) > 1 && len(Differences(s.Envs[0], s.Envs[len(s.Envs)-1])) > 0 {
			out = append(out, fmt.Sprintf("%s pools runs of different environments", s.Name))
		}
	}
	sources := func(s *Side) map[result.Source]bool {
		m := map[result.Source]bool{}
		for _, c := range s.Cases {
			m[c.Source] = true
		}
		return m
	}
	if a, b := sources(base), sources(candidate); a[result.Measured] != b[result.Measured] || a[result.Computed] != b[result.Computed] {
		out = append(out, "some cases are measured on one side and computed on the other; they are not compared")
	}
	near, timed, drifted, most := 0, 0, 0, 0.0
	for _, p := range pairs {
		if !p.same {
			near++
		}
		for name, m := range p.candidate.Metrics {
			b := p.base.Metrics[name]
			if m.Kind != Timed || b == nil || m.Better == result.None {
				continue
			}
			timed++
			if d := max(m.Drift, b.Drift); d > 0 {
				drifted++
				most = max(most, d)
			}
		}
	}
	if near > 0 {
		out = append(out, fmt.Sprintf("%d cases have different weights, seeds or settings on the two sides and are matched by task, model and parameters", near))
	}
	if drifted > 0 {
		out = append(out, fmt.Sprintf("in %d of %d timed metrics the runs of a side differ by more than their samples explain (by up to %.0f %%)", drifted, timed, 100*most))
	}
	return out
}

// peakRatio returns the candidate's peak FLOP/s, measured when its runs started, divided by the
// baseline's.
func peakRatio(base, candidate *Side) float64 {
	mean := func(s *Side) float64 {
		var v []float64
		for _, e := range s.Envs {
			if e.GFLOPS > 0 {
				v = append(v, e.GFLOPS)
			}
		}
		return sum(v) / float64(len(v))
	}
	if r := mean(candidate) / mean(base); r > 0 {
		return r
	}
	return 1
}

// names lists the metrics of a case.
func (c *Case) names() []string {
	var out []string
	for n := range c.Metrics {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}
