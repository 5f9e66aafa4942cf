package compare

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

// changed returns a comparison that contains every kind of change.
func changed(t *testing.T) *Comparison {
	t.Helper()
	m := newMaker()
	base := m.runs(6)
	m.seed, m.speed, m.right = 2, 0.9, 0.4
	candidate := m.runs(6)
	for _, j := range candidate {
		for i := range j.Records {
			r := &j.Records[i]
			if r.Task == "kv" && r.Model == "tiny-yoco-gret" {
				r.Metrics["total"] = result.Metric{Value: r.Metrics["total"].Value * 1.5, Unit: "bytes", Better: result.Lower}
			}
		}
		last := len(j.Records) - 1
		j.Records[last].Status, j.Records[last].Metrics = result.OOM, nil
		j.Records = append(j.Records, record("kv", "new\x1b[31m", "transformer", "kv 1Ki", nil, nil))
	}
	for _, j := range base {
		j.Records = append(j.Records, record("kv", "old", "transformer", "kv 1Ki", nil, nil))
	}
	b, n := side("base", base...), side("new", candidate...)
	c := Compare(b, n, Options{})
	c.Gates = Judge(gates(t,
		"prefill.tps >= 0.95x baseline",
		"kv.total <= 1x baseline",
		"prefill.ttft <= 250ms @ 4Ki",
		"yoco-gret.prefill.tps >= 4x transformer",
		"needle.exact >= 0.95",
		"pooled needle.exact >= 0.4",
		"nll.nll <= 1.3",
		"prefill.tpot >= 1",
	), n, b)
	return c
}

func TestGoldens(t *testing.T) {
	c := changed(t)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"compare.txt":  func(b *bytes.Buffer) error { return c.Text(b, 0) },
		"compare.md":   func(b *bytes.Buffer) error { return c.Markdown(b) },
		"compare.json": func(b *bytes.Buffer) error { return c.JSON(b) },
		"gates.txt":    func(b *bytes.Buffer) error { return c.Gates.Text(b, 80) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

func TestTextKeepsItsWidth(t *testing.T) {
	c := changed(t)
	for _, width := range []int{80, 100} {
		var b bytes.Buffer
		if err := c.Text(&b, width); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Error("an escape of a model's name reaches the terminal")
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("a line of %d columns, of %d: %s", n, width, line)
			}
		}
	}
}

// find returns the change of a metric of a case.
func find(t *testing.T, c *Comparison, task, metric, model, label string) Change {
	t.Helper()
	for _, g := range c.Groups {
		for _, x := range g.Changes {
			if g.Task == task && g.Metric == metric && x.Model == model && x.Label == label {
				return x
			}
		}
	}
	t.Fatalf("no change of %s.%s of %s %s", task, metric, model, label)
	return Change{}
}

func TestDirections(t *testing.T) {
	m := newMaker()
	base := side("a", m.runs(4)...)
	m.seed, m.speed = 2, 1.2
	candidate := side("b", m.runs(4)...)
	c := Compare(base, candidate, Options{})
	for metric, want := range map[string]string{"tps": "+20", "ttft": "-16"} {
		x := find(t, c, "prefill", metric, "tiny-transformer", "prefill 4Ki")
		if x.Verdict != Better || !strings.HasPrefix(percent(x.Ratio), want) {
			t.Errorf("%s: %s %s, want better by %s", metric, x.Verdict, percent(x.Ratio), want)
		}
	}
	back := Compare(candidate, base, Options{})
	if x := find(t, back, "prefill", "ttft", "tiny-transformer", "prefill 4Ki"); x.Verdict != Worse {
		t.Errorf("sides exchanged: %s", x.Verdict)
	}
	if x := find(t, c, "needle", "exact", "tiny-transformer", "needle single 4Ki @ 50%"); x.Verdict != Equal || x.P != nil {
		t.Errorf("the same answers: %s, p %v", x.Verdict, x.P)
	}
	if x := find(t, c, "kv", "total", "tiny-transformer", "kv 4Ki"); x.Verdict != Equal {
		t.Errorf("the same bytes: %s", x.Verdict)
	}
}

func TestTooFewRuns(t *testing.T) {
	for _, c := range []struct {
		base, candidate int
		want            Verdict
		p               bool
		note, text      string
	}{
		{1, 1, Unknown, false, "", "~ (-"},
		{1, 5, Unknown, false, "", "~ (-"},
		{5, 1, Unknown, false, "", "~ (-"},
		{3, 3, Unknown, true, "at least 4 runs of each side", "~"},
		{4, 4, Worse, true, "", "worse"},
		{2, 8, Worse, true, "", "worse"},
	} {
		m := newMaker()
		base := side("a", m.runs(c.base)...)
		m.seed, m.speed = 2, 0.5
		all := Compare(base, side("b", m.runs(c.candidate)...), Options{})
		x := find(t, all, "prefill", "tps", "tiny-transformer", "prefill 4Ki")
		if x.Verdict != c.want || x.P != nil != c.p || !strings.Contains(x.Note, c.note) || !strings.Contains(x.changeText(), c.text) {
			t.Errorf("%d and %d runs: %s (%s), p %v, note %q", c.base, c.candidate, x.Verdict, x.changeText(), x.P, x.Note)
		}
		if one := min(c.base, c.candidate) == 1; strings.Contains(all.Note, "yocobench ab") != one {
			t.Errorf("%d and %d runs: note %q", c.base, c.candidate, all.Note)
		}
		if x := find(t, all, "kv", "total", "tiny-transformer", "kv 4Ki"); x.Verdict != Equal {
			t.Errorf("%d and %d runs: bytes %s", c.base, c.candidate, x.Verdict)
		}
	}
}

// TestProbabilitiesEndAtOne checks that p is at most 1 if all runs tie, where twice the smaller
// tail exceeds 1.
func TestProbabilitiesEndAtOne(t *testing.T) {
	at := func(values ...float64) (js []*result.Journal) {
		for _, v := range values {
			r := record("prefill", "m", "yoco-gret", "prefill 64", nil, map[string]result.Metric{"tps": metric("tokens/s", result.Higher, []float64{v})})
			js = append(js, &result.Journal{Runs: []result.Run{{Suite: "s"}}, Records: []result.Record{r}})
		}
		return js
	}
	c := Compare(side("base", at(2, 2)...), side("new", at(2, 2)...), Options{}).Groups[0].Changes[0]
	if c.P == nil || *c.P != 1 {
		t.Errorf("got %+v", c)
	}
}

func TestPooling(t *testing.T) {
	m := newMaker()
	var runs []*result.Journal
	for i := range 5 {
		m.seed = uint64(i)
		runs = append(runs, m.journal())
	}
	c := side("a", runs...).Cases[0]
	if got := c.Metrics["tps"]; len(got.Values) != 50 || got.Drift != 0 {
		t.Errorf("%d values, drift %v", len(got.Values), got.Drift)
	}
	n := side("a", runs...).Cases[2]
	if got := n.Metrics["exact"]; len(got.Values) != 20 || got.Kind != Share || sum(got.Values) != 20 {
		t.Errorf("%d answers of %s: asking a question again must not add a sample", len(got.Values), got.Kind)
	}
	m.speed = 1.1
	runs[4] = m.journal()
	s := side("a", runs...)
	if got := s.Cases[0].Metrics["tps"]; got.Drift < 0.08 || got.Drift > 0.13 {
		t.Errorf("drift %v", got.Drift)
	}
	// One run on the other side varies as much, but cannot show it.
	one := side("b", runs[0])
	for _, pair := range [][2]*Side{{s, one}, {one, s}} {
		j := Judge(gates(t, "tiny-transformer.prefill.tps >= 0.95x baseline @ 4Ki"), pair[0], pair[1])
		if l := j.Gates[0].Lines(); j.Verdict != Undecided || !strings.Contains(l[0], "n=1 run; about 4 runs on each side would decide") {
			t.Errorf("verdict %q", l)
		}
		if x := find(t, Compare(pair[1], pair[0], Options{}), "prefill", "tps", "tiny-transformer", "prefill 4Ki"); x.Verdict != Unknown || x.Base.N+x.New.N != 6 {
			t.Errorf("change %+v", x)
		}
	}
	if w := Compare(s, s, Options{}).Warnings; len(w) != 1 || !strings.Contains(w[0], "runs of a side differ") {
		t.Errorf("warnings %q", w)
	}
}

func TestMatching(t *testing.T) {
	m := newMaker()
	base, candidate := m.journal(), m.journal()
	for i := range candidate.Records {
		candidate.Records[i].Case += "-other-weights"
	}
	c := Compare(side("a", base), side("b", candidate), Options{})
	if len(c.OnlyBase)+len(c.OnlyNew) != 0 || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "14 cases have different weights") {
		t.Errorf("only %q, only %q, warnings %q", c.OnlyBase, c.OnlyNew, c.Warnings)
	}
	// Ambiguous cases are not paired.
	twice := candidate.Records[0]
	twice.Case = "twice"
	candidate.Records = append(candidate.Records, twice)
	c = Compare(side("a", base), side("b", candidate), Options{})
	if len(c.OnlyBase) != 1 || len(c.OnlyNew) != 2 {
		t.Errorf("only %q, only %q", c.OnlyBase, c.OnlyNew)
	}
}

func TestWarnings(t *testing.T) {
	m := newMaker()
	base := side("a", m.journal())
	for want, env := range map[string]func(*result.Env){
		"differ in CPU (Synthetic CPU, Another)": func(e *result.Env) { e.CPU = "Another" },
		"threads (4, 2)":                         func(e *result.Env) { e.Threads = 2 },
		"kernel tier (avx2, go)":                 func(e *result.Env) { e.KernelTier = "go" },
		"0.50 times as fast for b":               func(e *result.Env) { e.GFLOPS = 50 },
	} {
		m.env = env
		if w := Compare(base, side("b", m.journal()), Options{}).Warnings; len(w) != 1 || !strings.Contains(w[0], want) {
			t.Errorf("warnings %q, want one with %q", w, want)
		}
	}
	m.env = func(e *result.Env) { e.GFLOPS = 95; e.Version = "v1" }
	if w := Compare(base, side("b", m.journal()), Options{}).Warnings; len(w) != 0 {
		t.Errorf("warnings %q of another version on the same machine", w)
	}
	computed := m.journal()
	for i := range computed.Records {
		computed.Records[i].Source = result.Computed
		computed.Records[i].Case += "c"
	}
	c := Compare(base, side("b", computed), Options{})
	if len(c.Groups) != 0 || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "measured on one side and computed on the other") {
		t.Errorf("groups %v, warnings %q", c.Groups, c.Warnings)
	}
}

func TestFilters(t *testing.T) {
	m := newMaker()
	keep := func(task string, f match.Fields) bool { return task == "kv" && f["length"] == 4096.0 }
	s := NewSide("a", []*result.Journal{m.journal()}, keep)
	c := Compare(s, s, Options{Metrics: []string{"kv.total*"}})
	if len(c.Groups) != 2 || len(c.Groups[0].Changes) != 2 {
		t.Errorf("%d groups", len(c.Groups))
	}
}

// TestHostileNumbers checks that non-finite numbers in a journal give no value, and that the JSON
// output stays valid.
func TestHostileNumbers(t *testing.T) {
	m := newMaker()
	j := m.journal()
	zero := m.journal()
	for i := range zero.Records {
		for name, x := range zero.Records[i].Metrics {
			x.Value = 0
			for k := range x.Samples {
				x.Samples[k] = 0
			}
			zero.Records[i].Metrics[name] = x
		}
	}
	for _, pair := range [][2]*Side{{side("a", j), side("b", zero)}, {side("a", zero), side("b", j)}, {side("a", zero), side("b", zero)}} {
		c := Compare(pair[0], pair[1], Options{})
		c.Gates = Judge(gates(t, "prefill.tps >= 1x baseline", "needle.exact >= 0.9x baseline", "kv.total <= 1x baseline", "nll.nll <= 1x baseline",
			"prefill.ttft <= 1s", "needle.exact >= 1", "yoco-gret.needle.exact >= 1x transformer"), pair[1], pair[0])
		var b bytes.Buffer
		if err := c.JSON(&b); err != nil || !json.Valid(b.Bytes()) {
			t.Errorf("JSON: %v", err)
		}
		if err := c.Text(&b, 80); err != nil || strings.Contains(b.String(), "NaN") {
			t.Errorf("%v\n%s", err, b.String())
		}
	}
}

// TestUnknownProcessorsAreNotEqual checks that two unknown CPUs count as different machines, and
// that an environment equals itself.
func TestUnknownProcessorsAreNotEqual(t *testing.T) {
	known := result.Env{CPU: "Xeon 6973P", Arch: "amd64", Cores: 2}
	for _, cpu := range []string{"", "arm64"} {
		e := result.Env{CPU: cpu, Arch: "arm64", Cores: 2}
		if d := OtherMachine(e, e); len(d) != 1 || !strings.Contains(d[0], "unknown") {
			t.Errorf("CPU %q: differs in %v", cpu, d)
		}
		if d := Differences(e, e); len(d) != 0 {
			t.Errorf("CPU %q: the same environment differs in %v", cpu, d)
		}
		if len(OtherMachine(e, known)) == 0 || len(OtherMachine(known, e)) == 0 {
			t.Errorf("CPU %q equals a known one", cpu)
		}
	}
	if d := OtherMachine(known, known); len(d) != 0 {
		t.Errorf("a known CPU differs from itself: %v", d)
	}
}
