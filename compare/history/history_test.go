package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

func noise(r *rand.Rand, kind string) float64 {
	switch kind {
	case "normal":
		return 0.02 * r.NormFloat64()
	case "outliers": // one run in ten is up to twice as slow
		if r.IntN(10) == 0 {
			return r.Float64()
		}
		return 0.02 * r.NormFloat64()
	}
	return 0.02 * r.ExpFloat64()
}

// TestFalseMarks checks that a series without a change is marked with probability at most alpha.
func TestFalseMarks(t *testing.T) {
	series := 400
	if testing.Short() {
		series = 200
	}
	const alpha = 0.05
	for _, kind := range []string{"normal", "outliers", "exponential"} {
		for _, n := range []int{8, 20, 40} {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			marked := 0
			for i := range series {
				x := make([]float64, n)
				for k := range x {
					x[k] = 100 * math.Exp(noise(r, kind))
				}
				if len(Changes(x, alpha, uint64(i))) > 0 {
					marked++
				}
			}
			// 4 standard deviations above alpha.
			most := alpha + 4*math.Sqrt(alpha*(1-alpha)/float64(series))
			if rate := float64(marked) / float64(series); !(rate <= most) {
				t.Errorf("%s, %d runs: %.3f of the series are marked, at most %.3f should be", kind, n, rate, most)
			}
		}
	}
}

// TestStepsAreFound checks that a step of 10 % in noise of 2 % is found at its position: up and
// down, early and late.
func TestStepsAreFound(t *testing.T) {
	const series = 100
	for _, c := range []struct{ n, at int }{{12, 6}, {20, 4}, {20, 17}, {40, 20}} {
		for _, step := range []float64{0.9, 1.1} {
			r := rand.New(rand.NewPCG(uint64(c.n), uint64(c.at)))
			found := 0
			for i := range series {
				x := make([]float64, c.n)
				for k := range x {
					x[k] = 50 * math.Exp(noise(r, "normal"))
					if k >= c.at {
						x[k] *= step
					}
				}
				got := Changes(x, 0.01, uint64(i))
				if len(got) == 1 && got[0].At == c.at {
					found++
					if q := got[0].After / got[0].Before; math.Abs(q/step-1) > 0.05 || !(got[0].P <= 0.01) {
						t.Fatalf("the step is %.3f, reported as %.3f at p %g", step, q, got[0].P)
					}
				}
			}
			if found < 90 {
				t.Errorf("%d runs, step of %.1f at %d: found in %d of %d", c.n, step, c.at, found, series)
			}
		}
	}
}

func TestChangesOddSeries(t *testing.T) {
	for name, x := range map[string][]float64{
		"empty": nil, "one": {1}, "five": {1, 1, 1, 9, 9}, "constant": {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
		"zeros": make([]float64, 20), "one run slow": {1, 1.01, .99, 1, 1.02, 3, 1, .98, 1.01, 1, 1.01, .99},
	} {
		if got := Changes(x, 0.01, 1); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	two := []float64{-1, -1.1, -1, -1.05, -1, -1.02, 5, 5.1, 5, 5.02, 5.03, 5.1, 0, .1, .05, .02, .08, .1}
	got := Changes(two, 0.01, 1)
	if len(got) != 2 || got[0].At != 6 || got[1].At != 12 || got[1].Before != 5.025 {
		t.Errorf("two steps: %+v", got)
	}
	if again := Changes(two, 0.01, 1); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("second call: %+v", again)
	}
}

func TestMinRuns(t *testing.T) {
	for alpha, want := range map[float64]int{0.05: 9, 0.01: 11, 0.5: 6} {
		n := MinRuns(alpha)
		if n != want {
			t.Errorf("alpha %g: %d runs, want %d", alpha, n, want)
		}
		if n == 2*MinSegment {
			continue
		}
		step := func(n int) (x []float64) {
			for i := range n {
				v := 1 + float64(i*5%7)/1000
				if i >= n/2 {
					v += 10
				}
				x = append(x, v)
			}
			return x
		}
		if len(Changes(step(n), alpha, 7)) == 0 {
			t.Errorf("alpha %g: %d runs do not show a clear step", alpha, n)
		}
		if len(Changes(step(n-2), alpha, 7)) != 0 {
			t.Errorf("alpha %g: %d runs show a step", alpha, n-2)
		}
	}
}

func run(name, cpu string, day int, tps, bytes float64) Run {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
	record := func(model string, f float64) result.Record {
		return result.Record{Case: model, Label: "throughput 1Ki", Task: "throughput", Model: model, Runner: "cpu", Source: result.Measured, Status: result.OK,
			Params: map[string]any{"depth": 1024.0}, Start: start, Metrics: map[string]result.Metric{
				"tps": {Value: tps * f, Unit: "tokens/s", Better: result.Higher}, "held": {Value: bytes, Unit: "bytes", Better: result.Lower},
				"note": {Value: 1, Unit: "tokens", Better: result.None}}}
	}
	return Run{name, &result.Journal{
		Runs:    []result.Run{{Suite: "s", Start: start, Env: result.Env{CPU: cpu, Threads: 2, Commit: fmt.Sprintf("c%02d", day)}}},
		Records: []result.Record{record("a", 1), record("b", 3), {Case: "x", Task: "throughput", Model: "a", Status: result.OOM}}}}
}

func TestBuild(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var runs []Run
	for day := range 14 {
		tps, held := 100.0, 5e6
		if day >= 8 {
			tps, held = 88, 4e6
		}
		runs = append([]Run{run(fmt.Sprint("day", day), "one", day, tps*math.Exp(noise(r, "normal")), held)}, runs...) // the newest first
	}
	runs = append(runs, run("other", "two", 3, 1000, 5e6))
	h := Build(runs, Options{Alpha: 0.01, Metric: func(_, name string) bool { return name != "note" }})
	if len(h.Trends) != 8 || h.Runs != 15 {
		t.Fatalf("%d trends of %d runs", len(h.Trends), h.Runs)
	}
	for _, tr := range h.Trends {
		switch {
		case len(tr.Points) == 1:
			if tr.Metric == "tps" && tr.Need != 11 || len(tr.Changes) != 0 {
				t.Errorf("one run: %+v", tr)
			}
		case len(tr.Changes) != 1 || tr.Changes[0].At != 8 || tr.Points[8].Commit != "c08":
			t.Errorf("%s %s: %+v", tr.Model, tr.Metric, tr.Changes)
		case tr.Metric == "held" && (tr.Changes[0].P != 0 || tr.Changes[0].After != 4e6):
			t.Errorf("bytes: %+v", tr.Changes)
		}
	}
	h = Build(runs, Options{Alpha: 0.01, AcrossMachines: true, Metric: func(_, name string) bool { return name == "note" }})
	if len(h.Trends) != 2 || len(h.Trends[0].Points) != 15 {
		t.Errorf("across machines: %+v", h.Trends)
	}
}

// TestDeclaredMetricsAreFollowed checks that by default the primary metric that a task declares is
// tracked, with its declared kind.
func TestDeclaredMetricsAreFollowed(t *testing.T) {
	about := func(primary bool) *result.Task {
		return &result.Task{Name: "throughput", Metrics: []result.MetricInfo{
			{Name: "tps", Unit: "tokens/s", Better: result.Higher, Kind: result.Exact, Primary: primary},
			{Name: "held", Unit: "bytes", Better: result.Lower, Kind: result.Exact}}}
	}
	for _, primary := range []bool{true, false} {
		var runs []Run
		for day := range 2 {
			r := run(fmt.Sprint("day", day), "one", day, 100+float64(day), 5e6)
			r.Journal.Runs[0].Tasks = result.Tasks{about(primary)}
			runs = append(runs, r)
		}
		h := Build(runs, Options{Alpha: 0.01})
		want := map[bool]int{true: 2, false: 4}[primary] // for two models
		if len(h.Trends) != want {
			t.Errorf("primary %v: %d trends, want %d", primary, len(h.Trends), want)
		}
		for _, tr := range h.Trends {
			if tr.Metric == "tps" && (len(tr.Changes) != 1 || tr.Changes[0].P != 0) {
				t.Errorf("an exact value that changes: %+v", tr.Changes)
			}
		}
	}
}
