package compare

import (
	"crypto/sha256"
	"encoding/hex"
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

// Side is the pooled records of one or several runs.
type Side struct {
	// Name is what reports call it.
	Name string
	// Cases in the order of their first record.
	Cases []*Case
	// Runs is how many journals were pooled, Envs the different environments among them.
	Runs int
	Envs []result.Env
	// Filtered: a run left out cases on demand.
	Filtered bool
	// Notices are what a reader must know of the journals.
	Notices []string
}

// Case is one question with its answers.
type Case struct {
	ID, Label                 string
	Task, Model, Arch, Runner string
	Source                    result.Source
	Params                    map[string]any
	// Status is OK if any run has a result; Reason is why not.
	Status  result.Status
	Reason  string
	Metrics map[string]*Sample
	// asked are the questions put to a model, where the record keeps them.
	asked []string
}

// Keep chooses records, by their task and fields.
type Keep func(task string, f match.Fields) bool

// NewSide pools journals. keep chooses the records; nil takes all.
func NewSide(name string, journals []*result.Journal, keep Keep) *Side {
	return newSide(name, journals, keep, false)
}

func newSide(name string, journals []*result.Journal, keep Keep, inTurns bool) *Side {
	s := &Side{Name: name, Runs: len(journals)}
	metrics := map[string]map[string][]result.Metric{}
	from := map[string][]int{} // the journals of a case's metric
	kinds := map[string]Kind{}
	index := map[string]*Case{}
	failed := 0
	for number, j := range journals {
		if j.Notice != "" {
			s.Notices = append(s.Notices, j.Notice)
		}
		for _, run := range j.Runs {
			s.Filtered = s.Filtered || len(run.Filter) > 0
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
			c.Metrics[name] = pool(kinds[c.ID+" "+name], ms, inTurns)
			c.Metrics[name].from = from[c.ID+" "+name]
			if c.Metrics[name].uneven {
				uneven++
			}
		}
	}
	if uneven > 0 {
		s.Notices = append(s.Notices, fmt.Sprintf("%s: %d exact figures or numbers of questions differ from run to run; those of the last run count", name, uneven))
	}
	return s
}

// maxEnvs bounds the different environments of a side, which are compared in pairs. That there are
// so many is enough to know.
const maxEnvs = 64

// usable reports whether every number of a metric is finite: journals come from outside.
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

// pair is a case as both sides have it.
type pair struct {
	base, fresh *Case
	// same: equal ids, the same question in all that decides its answer but the program and the
	// machine.
	same bool
}

// paired reports whether the samples of a metric of both sides answer the same questions, one by
// one.
func (p pair) paired(a, b *Sample) bool {
	if len(a.Values) != len(b.Values) {
		return false
	}
	return p.same || len(p.base.asked) == len(a.Values) && slices.Equal(p.base.asked, p.fresh.asked)
}

// place is what a case asks, whatever the weights and the seed.
func (c *Case) place() string {
	b, err := json.Marshal([]any{c.Task, c.Model, c.Runner, c.Source, c.Params})
	if err != nil {
		return c.ID
	}
	return string(b)
}

// pairCases pairs the cases of two sides: by id and, of those left, by task, model, runner and
// params where that is one on each side.
func pairCases(base, fresh *Side) (pairs []pair, onlyBase, onlyFresh []*Case) {
	ids, places := map[string]*Case{}, map[string][]*Case{}
	for _, c := range base.Cases {
		ids[c.ID] = c
	}
	taken := map[*Case]bool{}
	for _, c := range fresh.Cases {
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
	for _, c := range fresh.Cases {
		if !taken[c] {
			placeOf[c] = c.place()
			left[placeOf[c]]++
		}
	}
	for _, c := range fresh.Cases {
		b, near := ids[c.ID], places[placeOf[c]]
		switch {
		case b != nil:
			pairs = append(pairs, pair{b, c, true})
		case len(near) == 1 && left[placeOf[c]] == 1:
			taken[near[0]] = true
			pairs = append(pairs, pair{near[0], c, false})
		default:
			onlyFresh = append(onlyFresh, c)
		}
	}
	for _, c := range base.Cases {
		if !taken[c] {
			onlyBase = append(onlyBase, c)
		}
	}
	return pairs, onlyBase, onlyFresh
}

// Differences names what differs between two environments in ways that change times.
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
	// What is free differs from run to run; only another size of machine counts.
	if x, y := float64(a.Memory), float64(b.Memory); max(x, y) > 1.5*min(x, y) {
		see("memory", fmt.Sprintf("%.0f GiB", x/(1<<30)), fmt.Sprintf("%.0f GiB", y/(1<<30)))
	}
	return out
}

// OtherMachine names what makes the machines of two environments different, or not known to be the
// same: two unknown processors may be any two. An environment names its processor by the
// architecture where it knows no more.
func OtherMachine(a, b result.Env) []string {
	out := Differences(a, b)
	unknown := func(e result.Env) bool { return e.CPU == "" || e.CPU == e.Arch }
	if a.CPU == b.CPU && unknown(a) {
		out = append(out, "CPU (unknown on both)")
	}
	return out
}

// Fingerprint is a short hash of what makes the times of a machine its own: processor, cores,
// threads, kernel tier, GPU and system.
func Fingerprint(e result.Env) string {
	h := sha256.Sum256(fmt.Append(nil, []any{e.CPU, e.Cores, e.Threads, e.KernelTier, e.GPU, e.OS, e.Arch}))
	return hex.EncodeToString(h[:4])
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return clean(s)
}

// Machines reports how the machines of two sides differ: nothing where they are the same.
func Machines(base, fresh *Side) (out []string) {
	for _, a := range base.Envs {
		for _, b := range fresh.Envs {
			for _, d := range OtherMachine(a, b) {
				if !slices.Contains(out, d) {
					out = append(out, d)
				}
			}
		}
	}
	return out
}

// warnings are what makes a comparison doubtful.
func warnings(base, fresh *Side, pairs []pair) (out []string) {
	out = append(out, base.Notices...)
	if fresh != base {
		out = append(out, fresh.Notices...)
	}
	if d := Machines(base, fresh); len(d) > 0 {
		out = append(out, fmt.Sprintf("the sides differ in %s: times reflect the machines more than the programs", strings.Join(d, ", ")))
	}
	if ratio := peakRatio(base, fresh); ratio < 0.85 || ratio > 1/0.85 {
		out = append(out, fmt.Sprintf("the matrix product measured at the start of the runs was %.2f times as fast for %s: the machine's state differs", ratio, fresh.Name))
	}
	for _, s := range []*Side{base, fresh} {
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
	if a, b := sources(base), sources(fresh); a[result.Measured] != b[result.Measured] || a[result.Computed] != b[result.Computed] {
		out = append(out, "one side measured what the other computed; such cases are not compared")
	}
	near, timed, drifted, most := 0, 0, 0, 0.0
	for _, p := range pairs {
		if !p.same {
			near++
		}
		for name, m := range p.fresh.Metrics {
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
		out = append(out, fmt.Sprintf("%d cases have other weights, seeds or settings on each side, and are matched by task, model and parameters", near))
	}
	if drifted > 0 {
		out = append(out, fmt.Sprintf("in %d of %d timed metrics the runs of a side differ by more than their samples do (by %.0f %% at most)", drifted, timed, 100*most))
	}
	return out
}

// peakRatio is how much faster the machine of fresh measured itself at its start.
func peakRatio(base, fresh *Side) float64 {
	mean := func(s *Side) float64 {
		var v []float64
		for _, e := range s.Envs {
			if e.GFLOPS > 0 {
				v = append(v, e.GFLOPS)
			}
		}
		return sum(v) / float64(len(v))
	}
	if r := mean(fresh) / mean(base); r > 0 {
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
