package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/compare/history"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/reports/export"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// sieve is a task that only this test defines. It reports a time and a count for each width. pace
// multiplies its times.
type sieve struct{ pace float64 }

type sieveParams struct {
	Widths []int `yaml:"widths" doc:"widths of the sieve"`
}

func (sieve) Name() string  { return "sieve" }
func (sieve) About() string { return "a task for a test" }
func (sieve) Params() any   { return &sieveParams{} }

func (sieve) Describe() result.Task {
	return result.Task{
		Name: "sieve", Title: "Sieving", Lead: "How long does a width take?", Interleaved: true,
		Metrics: []result.MetricInfo{
			{Name: "pass", Unit: "s", Better: result.Lower, Kind: result.Timed, Title: "Time of a pass", Primary: true},
			{Name: "caught", Unit: "grains", Better: result.Higher, Kind: result.Exact, Title: "Grains caught"},
		},
		Axes:            []result.Axis{{Param: "width", Label: "width of the sieve"}},
		DescribedParams: []string{"mesh"},
	}
}

func (s sieve) Plan(_ *suites.Planner, m *suites.Target, params any) (cases []suites.Case, _ error) {
	for _, w := range params.(*sieveParams).Widths {
		cases = append(cases, suites.Case{Label: fmt.Sprintf("sieve %d", w), Params: map[string]any{"width": w, "mesh": "fine"},
			Run: func(context.Context, runners.Model, func(float64)) (result.Outcome, error) {
				samples := make([]float64, 20)
				for i := range samples {
					samples[i] = s.pace * float64(w) * (1 + 0.001*float64(i)) * float64(len(m.Name))
				}
				return result.Outcome{Metrics: map[string]result.Metric{
					"pass":   {Value: samples[10], Unit: "s", Better: result.Lower, Samples: samples},
					"caught": {Value: float64(7 * w), Unit: "grains", Better: result.Higher},
				}}, nil
			}})
	}
	return cases, nil
}

type noModel struct{ runners.Model }

func (noModel) Close() error { return nil }

type nobody struct{}

func (nobody) Begin(int, float64)           {}
func (nobody) Case(*suites.PlannedCase)     {}
func (nobody) Fraction(float64)             {}
func (nobody) Done(*result.Record, float64) {}

// sieved runs a suite of the task with the given gates and returns the journal.
func sieved(t *testing.T, pace float64, gates string) (*suites.Suite, *result.Journal) {
	t.Helper()
	task := sieve{pace}
	s, err := suites.Parse([]byte("name: new\nmodels: [ab, abcd]\ntasks:\n  - sieve: {widths: [10, 20, 50]}\ngates: "+gates+"\n"), "new.yaml", nil, []suites.Task{task})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suites.NewPlan(t.Context(), s, suites.Registry{Tasks: []suites.Task{task}, Open: func(_ *suites.Suite, e suites.Entry) (*suites.Target, error) {
		return &suites.Target{Name: e.Name, Identity: "x", Runner: "r", Device: "d", Load: func() (runners.Model, error) { return noModel{}, nil }}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	w, err := result.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(result.Run{Suite: s.Name, SuiteText: s.Text, Cases: len(plan.Cases), Tasks: plan.Tasks, Env: result.Env{CPU: "c", Threads: 1},
		Baselines: map[string]string{"ab": "ab", "abcd": "ab"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Run(t.Context(), w, nil, nobody{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := result.ReadFile(path)
	if err != nil || len(j.Records) != 6 {
		t.Fatalf("%d records, %v", len(j.Records), err)
	}
	return s, j
}

// TestNewTask checks that reports, comparisons, gates and exports support a new task from its
// declaration alone.
func TestNewTask(t *testing.T) {
	suite, j := sieved(t, 1e-3, "[sieve.pass <= 300ms, abcd.sieve.caught >= 70 @ width=10, sieve.caught >= 100]")
	has := func(what, text string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%s lacks %q:\n%.3000s", what, w, text)
			}
		}
	}

	dir := t.TempDir()
	names, err := reports.Write(t.Context(), dir, j, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	has("report.txt", read("report.txt"), "SIEVING", "How long does a width take?", "Time of a pass", "Grains caught", "width", "mesh fine · measured by r on d · in grains", "20.2 ms", "350", "ratio")
	has("report.md", read("report.md"), "## Sieving", "](sieve.png)", "](sieve-caught.png)", "Time of a pass", "20.2 ms")
	has("report.html", read("report.html"), "Sieving", "width of the sieve", "Time of a pass", "abcd\n20: 80.8 ms", `role="img"`)
	has("results.csv", read("results.csv"), "param.width", "grains")
	for _, name := range []string{"sieve.png", "sieve-caught.png"} {
		if !slices.Contains(names, name) {
			t.Fatalf("no %s among %v", name, names)
		}
		if _, err := png.Decode(strings.NewReader(read(name))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// The other run takes 1.5 times as long; its counts are equal.
	_, slow := sieved(t, 1.5e-3, "[]")
	base, candidate := compare.NewSide("base", []*result.Journal{j}, nil), compare.NewSide("new", []*result.Journal{slow}, nil)
	for _, c := range candidate.Cases {
		if c.Metrics["pass"].Kind != compare.Timed || c.Metrics["caught"].Kind != compare.Exact {
			t.Errorf("%s: kinds %s and %s", c.Label, c.Metrics["pass"].Kind, c.Metrics["caught"].Kind)
		}
	}
	var text bytes.Buffer
	if err := compare.Compare(base, candidate, compare.Options{Alpha: 0.05}).Text(&text, 100); err != nil {
		t.Fatal(err)
	}
	has("the comparison", text.String(), "sieve.pass  (s, lower is better)", "abcd 10", "+50.0 %", "equal everywhere: sieve.caught (6 cases)")

	var gates []gate.Gate
	for _, g := range suite.Gates {
		gates = append(gates, g.Gate)
	}
	var verdicts []compare.Verdict
	for _, g := range compare.Judge(gates, base, nil).Gates {
		verdicts = append(verdicts, g.Verdict)
	}
	if want := []compare.Verdict{compare.Passed, compare.Passed, compare.Regressed}; !slices.Equal(verdicts, want) {
		t.Errorf("gates: %v, want %v", verdicts, want)
	}
	if _, err := suites.Parse([]byte("name: new\nmodels: [ab]\ntasks:\n  - sieve: {widths: [1]}\ngates: [sieve.pass <= 3 MiB]\n"), "", nil, []suites.Task{sieve{}}); err == nil ||
		!strings.Contains(err.Error(), "its limit is in bytes, but sieve.pass is in s") {
		t.Errorf("a gate in bytes on a time: %v", err)
	}

	h := history.Build([]history.Run{{Name: "1", Journal: j}, {Name: "2", Journal: slow}}, history.Options{Alpha: 0.01})
	if len(h.Trends) != 6 || h.Trends[0].Metric != "pass" || len(h.Trends[0].Points) != 2 {
		t.Errorf("history: %d trends, %+v", len(h.Trends), h.Trends[0])
	}

	for what, c := range map[string]struct {
		write func(io.Writer) error
		want  []string
	}{
		"Go benchmark text": {func(w io.Writer) error { return export.GoBench(w, j) },
			[]string{"Unit pass-sec better=lower\n", "Unit caught-grains better=higher assume=exact\n", "BenchmarkSieve/model=abcd/mesh=fine/width=50"}},
		"JUnit": {func(w io.Writer) error { return export.JUnit(w, j, nil) }, []string{`<testsuite name="sieve"`, `name="sieve 20"`, "caught 140 grains"}},
		"OpenMetrics": {func(w io.Writer) error { return export.OpenMetrics(w, j) },
			[]string{"# TYPE yocobench_sieve_pass_seconds gauge", "yocobench_sieve_caught_grains{", `p_width="20"`}},
	} {
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Fatal(err)
		}
		has(what, b.String(), c.want...)
	}
}

// TestOldDeclarationsHold checks that the tasks still measure what their declarations for older
// journals say, so that old and new runs can be compared.
func TestOldDeclarationsHold(t *testing.T) {
	for _, old := range (&result.Journal{}).Tasks() {
		i := slices.IndexFunc(tasks(), func(x suites.Task) bool { return x.Name() == old.Name })
		if i < 0 {
			continue // tasks may be removed
		}
		today := tasks()[i].Describe()
		for _, m := range old.Metrics {
			if now, ok := today.Metric(m.Name); ok && (now.Unit != m.Unit || now.Better != m.Better || now.Kind != m.Kind) {
				t.Errorf("%s.%s was %+v and is %+v: a different metric needs a different name", old.Name, m.Name, m, now)
			}
		}
	}
	for _, x := range tasks() {
		about := x.Describe()
		if err := about.Check(); err != nil || about.Primary() == "" || about.Title == "" {
			t.Errorf("%s: %v, primary metric %q, title %q", x.Name(), err, about.Primary(), about.Title)
		}
	}
}
