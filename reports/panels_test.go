package reports

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

var rulerKinds = []string{"niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3", "niah_multivalue",
	"niah_multiquery", "vt", "cwe", "fwe", "qa_1", "qa_2"}

var contenders = []struct{ name, arch string }{{"tiny-yoco-gret", "yoco-gret"}, {"tiny-transformer", "transformer"}, {"tiny-yoco-swa", "yoco-swa"},
	{"a-model-whose-long-name-says-128k-instruct-q4", "other"}}

// questions returns a journal of a task with kinds of questions at several lengths. Scores fall
// with the length and differ by kind; models cannot do some kinds at all.
func questions(kinds []string, models int, lengths []float64, n int) *result.Journal {
	about := &result.Task{Name: "ruler", Title: "RULER", Metrics: []result.MetricInfo{
		{Name: "score", Unit: "fraction", Better: result.Higher, Kind: result.Share, Primary: true, Role: result.Quality},
		{Name: "guess", Unit: "fraction", Better: result.None, Kind: result.Exact},
		{Name: "repeat", Unit: "fraction", Better: result.None, Kind: result.Mean},
	}, Axes: []result.Axis{{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true}, {Param: "kind"}},
		Repeats: []string{"samples"}, PlaceParams: []string{"haystack", "questions"}, DescribedParams: []string{"haystack", "wording"},
		Views: []result.View{{Kind: result.ViewPanels, Metrics: []string{"score"}, Guess: "guess", Repeat: "repeat"}}}
	j := &result.Journal{Runs: []result.Run{{Suite: "ruler", Tasks: result.Tasks{about}, Baselines: map[string]string{}}}}
	for i, m := range contenders[:models] {
		for k, kind := range kinds {
			for _, l := range lengths {
				r := record("ruler", m.name, m.arch, fmt.Sprintf("ruler %s %s", kind, units.Tokens(l)),
					map[string]any{"kind": kind, "length": l, "samples": float64(n), "wording": "own", "questions": fmt.Sprint(kind, l)})
				if strings.HasPrefix(kind, "niah") {
					r.Params["haystack"] = "prose"
				}
				if m.arch == "transformer" && l >= 32*ki {
					r.Status, r.Reason = result.OOM, "out of memory"
					j.Records = append(j.Records, r)
					continue
				}
				p := 1 / (1 + math.Exp(1.3*(math.Log2(l/ki)-5+float64(k%5)/2+float64(i))))
				if k >= 8 && i%2 == 1 {
					p = 0.01
				}
				guess := 0.0
				if strings.HasPrefix(kind, "qa") {
					guess, p = 0.25, 0.25+0.75*p
				}
				sum := 0.0
				var scores []float64
				for trial := range n {
					x := 0.0
					if (noise(kind, m.name, l, trial)+1)/2 < p {
						x = 1
					}
					sum += x
					scores = append(scores, x)
					r.Trials = append(r.Trials, result.Trial{Question: "Which?", Expected: []string{"7"}, Answer: fmt.Sprint(7 * x), Exact: x})
				}
				lo, hi := wilson(sum, n)
				score := bounded(sum/float64(n), lo, hi, "fraction", result.Higher, "wilson")
				score.Samples = scores
				r.Metrics = map[string]result.Metric{"score": score, "guess": {Value: guess, Unit: "fraction", Better: result.None},
					"repeat": {Value: float64(k%3) / 2, Unit: "fraction", Better: result.None}}
				j.Records = append(j.Records, r)
			}
		}
	}
	return j
}

// TestGoldenPanels compares the report and the picture of three kinds and two models, one of which
// runs out of memory and cannot do the last kind.
func TestGoldenPanels(t *testing.T) {
	j := reread(t, questions([]string{"niah_single_1", "vt", "qa_1"}, 2, []float64{ki, 8 * ki, 32 * ki}, 25))
	for i := range j.Records {
		if r := &j.Records[i]; r.Arch == "transformer" && word(r, "kind") == "qa_1" && r.Status == result.OK {
			m := r.Metrics["score"]
			m.Samples, r.Trials = nil, nil
			r.Metrics["score"] = bounded(0.3, 0.15, 0.5, "fraction", result.Higher, "wilson")
		}
	}
	v := newView(t.Context(), j, nil)
	files, err := v.render(Text)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "panels.txt", files[0].data, bytes.Equal)
	pictures, err := v.pictures(PNG, 48)
	if err != nil || len(pictures) != 1 {
		t.Fatalf("%d pictures: %v", len(pictures), err)
	}
	golden(t, "panels.png", pictures[0].data, func(got, want []byte) bool { return alike(t, "panels.png", got, want) })
}

// TestEffectiveLengthOfAGrid checks that the trials of all depths are pooled, and that a length
// with a depth without a score has none.
func TestEffectiveLengthOfAGrid(t *testing.T) {
	about := &result.Task{Name: "needle", Metrics: []result.MetricInfo{{Name: "exact", Unit: "fraction", Better: result.Higher, Kind: result.Share, Role: result.Quality}},
		Axes:    []result.Axis{{Param: "length", Unit: "tokens"}, {Param: "depth", Numbers: true}, {Param: "needles", Without: "depth"}},
		Repeats: []string{"trials", "haystacks"}, Views: []result.View{{Kind: result.ViewGrid, Metrics: []string{"exact"}}}}
	j := &result.Journal{Runs: []result.Run{{Suite: "s", Tasks: result.Tasks{about}}}}
	for i, length := range []float64{256, 512, ki, 2 * ki} {
		for _, depth := range []float64{0, 0.5, 1} {
			r := record("needle", "m", "yoco-gret", "needle", map[string]any{"length": length, "depth": depth, "trials": 10.0, "haystacks": 10.0})
			value := 1.0 // 30 of 30 trials at 256 and 512, 15 of 30 at 1Ki, a part of them at 2Ki
			if i == 2 {
				value = 0.5
			}
			r.Metrics = map[string]result.Metric{"exact": {Value: value, Unit: "fraction", Better: result.Higher}}
			if i == 3 && depth == 1 {
				r.Metrics, r.Status, r.Reason = nil, result.Skipped, "over budget: 5 s"
			}
			j.Records = append(j.Records, r)
		}
	}
	for _, needles := range []float64{1, 4} {
		for _, length := range []float64{256, 512} {
			r := record("needle", "m", "yoco-gret", "needle", map[string]any{"length": length, "depth": "spread", "trials": 3.0, "needles": needles})
			r.Metrics = map[string]result.Metric{"exact": bounded(0.5, 0.2, 0.8, "fraction", result.Higher, "wilson")}
			j.Records = append(j.Records, r)
		}
	}
	text := textOf(t, j)
	for _, want := range []string{" m     │             512 │        1Ki │                    512 │        1Ki │ 2Ki over budget",
		" 1 needle  │       undecided │"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(text, "passes 0.856 to") || strings.Contains(text, "NaN") {
		t.Error(text)
	}
}

// TestPlaceParams checks that kinds with different texts share a group, unless a kind was measured
// with several.
func TestPlaceParams(t *testing.T) {
	j := questions([]string{"niah_single_1", "vt"}, 1, []float64{ki, 2 * ki}, 5)
	if v := newView(t.Context(), reread(t, j), nil); len(v.groups) != 1 || v.groups[0].settings["haystack"] != "prose" || v.groups[0].settings["questions"] != "" {
		t.Errorf("%d groups, the first has the settings %v", len(v.groups), v.groups[0].settings)
	}
	for _, r := range j.Records {
		if r.Params["haystack"] != nil {
			r.Case, r.Params = r.Case+"go", maps.Clone(r.Params)
			r.Params["haystack"], r.Params["questions"] = "go", fmt.Sprint("go", r.Params["questions"])
			j.Records = append(j.Records, r)
		}
	}
	v := newView(t.Context(), reread(t, j), nil)
	var names []string
	for _, g := range v.groups {
		names = append(names, g.name)
	}
	if len(v.groups) != 3 || !strings.Contains(strings.Join(names, "; "), "haystack go") {
		t.Errorf("groups: %q", names)
	}
}

// searches returns a journal of records that have their scores at all lengths in a series, and
// state the bounds of their effective length.
func searches() *result.Journal {
	j := questions([]string{"vt"}, 1, []float64{ki}, 5)
	about := j.Runs[0].Tasks[0]
	for _, name := range []string{"passes_to", "fails_from", "base_passes_to", "base_fails_from"} {
		about.Metrics = append(about.Metrics, result.MetricInfo{Name: name, Unit: "tokens", Better: result.Higher, Kind: result.Estimate})
		about.Views[0].Effective = append(about.Views[0].Effective, name)
	}
	tokens := func(x float64) result.Metric { return result.Metric{Value: x, Unit: "tokens", Better: result.Higher} }
	j.Records = nil
	for _, kind := range []string{"vt", "cwe", "fwe"} {
		r := record("ruler", "m", "other", "ruler "+kind, map[string]any{"kind": kind, "lengths": []any{ki, 2 * ki, 4 * ki, 8 * ki}, "adaptive": 100.0})
		r.Metrics = map[string]result.Metric{"passes_to": tokens(ki), "fails_from": tokens(4 * ki), "base_passes_to": tokens(2 * ki)}
		r.Series = []result.Series{{Name: "score", XUnit: "tokens", YUnit: "fraction", X: []float64{ki, 2 * ki, 4 * ki}, Y: []float64{1, 0.9, 0.25},
			Lo: []float64{0.87, 0.7, 0}, Hi: []float64{1, 0.99, 0.8}, N: []int{40, 56, 4}}}
		switch kind {
		case "cwe":
			r.Metrics = map[string]result.Metric{"fails_from": tokens(ki)}
			r.Series[0].X, r.Series[0].Y, r.Series[0].Lo, r.Series[0].Hi, r.Series[0].N = []float64{ki}, []float64{0}, []float64{0}, []float64{0.4}, []int{4}
		case "fwe":
			r.Metrics, r.Series, r.Status, r.Reason = nil, nil, result.OOM, "out of memory"
		}
		j.Records = append(j.Records, r)
	}
	return j
}

func TestPanelsOfSeries(t *testing.T) {
	j := searches()
	text := textOf(t, j)
	for _, want := range []string{
		" vt    │    1.00 │    0.90 │    0.25\n       │ .87–1.0 │ .70–.99 │ .00–.80\n       │    n 40 │    n 56 │     n 4\n",
		" cwe † │    0.00 │", " vt   │             1Ki │        4Ki │                    2Ki │  undecided │     8Ki not asked\n",
		" cwe  │            none │        1Ki │                  floor │      floor │ 2Ki, 4Ki, 8Ki not\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// The shortest length of one kind is too short for another, which fails from its own shortest.
	uneven := searches()
	about := uneven.Runs[0].Tasks[0]
	about.PlaceParams = append(about.PlaceParams, "lengths")
	cwe := uneven.Records[1]
	cwe.Params["lengths"] = []any{2 * ki, 4 * ki, 8 * ki}
	cwe.Series[0].X[0] = 2 * ki
	cwe.Metrics["fails_from"] = result.Metric{Value: 2 * ki, Unit: "tokens", Better: result.Higher}
	if text, want := textOf(t, uneven), " cwe  │            none │        2Ki │                  floor │      floor │ 1Ki unsupported;"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	// A model that passes at all lengths where it was asked may fail at longer ones.
	long := searches()
	long.Records = long.Records[:1]
	long.Records[0].Metrics["passes_to"] = long.Records[0].Metrics["fails_from"]
	delete(long.Records[0].Metrics, "fails_from")
	if text, want := textOf(t, long), " 4Ki │  undecided │ "; !strings.Contains(text, want) || !strings.Contains(text, "8Ki not asked") {
		t.Errorf("no %q in\n%s", want, text)
	}
	if strings.Contains(text, "mean") {
		t.Error("a mean of scores that depend on the number of trials")
	}
	everything(t, reread(t, j))
	// Series that do not fit are left out.
	j.Records[0].Series[0].Lo, j.Records[0].Series[0].X[1] = []float64{5}, -1
	j.Records[1].Series[0].Y[0] = 1e300
	everything(t, reread(t, j))
}

// TestEffectiveLengthOfOneOfSeveralScores checks a record whose trials belong to several scores:
// that of quality has its own samples, which are independent, and the view knows the score of a
// guess.
func TestEffectiveLengthOfOneOfSeveralScores(t *testing.T) {
	share := func(name string, role result.Role) result.MetricInfo {
		return result.MetricInfo{Name: name, Unit: "fraction", Better: result.Higher, Kind: result.Share, Role: role}
	}
	about := &result.Task{Name: "facts", Metrics: []result.MetricInfo{share("easy", ""), share("hard", result.Quality), share("guess", "")},
		Axes: []result.Axis{{Param: "length", Unit: "tokens"}}, Repeats: []string{"trials"},
		Views: []result.View{{Kind: result.ViewCurves, Metrics: []string{"easy", "hard"}, Guess: "guess"}}}
	j := &result.Journal{Runs: []result.Run{{Suite: "s", Tasks: result.Tasks{about}}}}
	for m, hits := range map[string]int{"good": 30, "guesses": 6} {
		for _, length := range []float64{256, 512} {
			r := record("facts", m, "x", "facts", map[string]any{"length": length, "trials": 30.0})
			samples := make([]float64, 30)
			for i := range hits {
				samples[i] = 1
			}
			r.Trials = make([]result.Trial, 60) // all wrong
			r.Metrics = map[string]result.Metric{"hard": {Value: float64(hits) / 30, Unit: "fraction", Better: result.Higher, Samples: samples},
				"guess": {Value: 0.2, Unit: "fraction", Better: result.Higher}}
			j.Records = append(j.Records, r)
		}
	}
	text := textOf(t, j)
	for _, want := range []string{" good    │             512 │       none │                    512 │       none │", " guesses │            none │        256 │                  floor │      floor │"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestFloorAndMean(t *testing.T) {
	rungs := func(hits ...float64) (out []rung) {
		for _, h := range hits {
			r := rung{value: h / 20}
			for i := range 20 {
				r.hits, r.n = append(r.hits, map[bool]float64{true: 1}[float64(i) < h]), append(r.n, 1)
			}
			out = append(out, r)
		}
		return out
	}
	lengths := []float64{256, 512}
	for _, c := range []struct {
		base, guess float64
		floor       bool
	}{{0, 0, true}, {1, 0, true}, {2, 0, false}, {6, 0.25, true}, {20, 0.25, false}, {20, 0.9, true}} {
		if l := (ladder{lengths: lengths, at: rungs(c.base, 20), guess: c.guess}); l.floor() != c.floor {
			t.Errorf("%g of 20 with a guessing rate of %g: floor %v", c.base, c.guess, l.floor())
		}
	}
	a, b := ladder{lengths: lengths, at: rungs(20, 10)}, ladder{lengths: lengths, at: rungs(10, 0), guess: 0.5}
	b.at[1] = rung{why: "oom"}
	m := meanOf([]ladder{a, b})
	x := m.at[0].shown()
	if !(math.Abs(x.Value-0.75) < 1e-12 && x.Lo > 0.6 && x.Lo < 0.75 && x.Hi > 0.75 && x.Hi < 0.9) || m.at[1].ok() || m.at[1].why != "oom for 1 of 2" || m.guess != 0.25 {
		t.Errorf("mean: %+v %+v", x, m)
	}
}

func TestPanelsOfManyKindsAndModels(t *testing.T) {
	lengths := []float64{ki, 2 * ki, 4 * ki, 8 * ki, 16 * ki, 32 * ki}
	for name, c := range map[string]struct{ kinds, models, lengths, rows int }{"all": {13, 4, 6, 5}, "four": {3, 2, 6, 2}, "one": {1, 1, 6, 1}, "one length": {5, 3, 1, 2}} {
		j := reread(t, questions(rulerKinds[:c.kinds], c.models, lengths[:c.lengths], 25))
		v := newView(t.Context(), j, nil)
		s := v.sections[0]
		want := c.models + 1 // the kinds of each model, and the scorer checks
		if c.lengths > 1 {
			want += map[bool]int{true: 1, false: c.models}[c.kinds == 1]
		}
		if len(s.figures) != 1 || len(s.tables) != want || len(s.figures[0].rows) != c.rows {
			t.Fatalf("%s: %d figures, %d tables (want %d), %d rows of panels", name, len(s.figures), len(s.tables), want, len(s.figures[0].rows))
		}
		for _, f := range []Format{Text, Markdown, HTML, SVG, CSV} {
			files, err := v.render(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if strings.Contains(string(file.data), "NaN") || strings.Contains(string(file.data), "Inf") {
					t.Errorf("%s: %s holds NaN or Inf", name, file.name)
				}
				if f != Text {
					continue
				}
				for line := range strings.Lines(string(file.data)) {
					if w := cleantext.Width(strings.TrimRight(line, "\n")); w > 80 {
						t.Errorf("%s: a line of %d columns: %s", name, w, line)
					}
				}
			}
		}
		if dir := os.Getenv("YOCOBENCH_LOOK"); dir != "" {
			dir = filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := Write(t.Context(), dir, j, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestIntervalOfOnePoint checks that the interval of a curve of one point is drawn, as bars because
// a band would have no width.
func TestIntervalOfOnePoint(t *testing.T) {
	for _, n := range []int{1, 2} {
		c := &chart{}
		c.add(curveLine{x: []float64{1, 2}[:n], y: []float64{0.5, 0.5}[:n], lo: []float64{0.2, 0.2}[:n], hi: []float64{0.7, 0.7}[:n]})
		if c.lines[0].bars != (n == 1) || len(c.lines[0].lo) != n {
			t.Errorf("%d points: %+v", n, c.lines[0])
		}
	}
}
