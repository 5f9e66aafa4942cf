package reports

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// grown returns a journal of a task that only its header declares: gain by width and mesh, a share
// and a count.
func grown(change func(*result.Task), more ...result.Record) *result.Journal {
	about := &result.Task{Name: "sieve", Title: "Sieving", Metrics: []result.MetricInfo{
		{Name: "share", Unit: "fraction", Better: result.Higher, Kind: result.Share, Title: "Share caught"},
		{Name: "gain", Unit: "grains", Better: result.Higher, Kind: result.Exact, Title: "Gain"},
		{Name: "spare", Unit: "grains", Better: result.None, Kind: result.Exact},
	}, Axes: []result.Axis{{Param: "width", Unit: "mm"}, {Param: "mesh", Title: "mesh size", Unit: "µm"}}, DescribedParams: []string{"sand"}}
	if change != nil {
		change(about)
	}
	j := &result.Journal{Runs: []result.Run{{Suite: "s", Tasks: result.Tasks{about}, Baselines: map[string]string{"a": "b", "b": "b"}}}}
	for k, model := range []string{"a", "b"} {
		for _, width := range []float64{10, 25, 1000} {
			for _, mesh := range []float64{1, 2} {
				r := record("sieve", model, "x", fmt.Sprintf("sieve %g", width), map[string]any{"width": width, "mesh": mesh, "sand": "dry"})
				r.Metrics = map[string]result.Metric{"share": {Value: mesh / 4, Unit: "fraction", Better: result.Higher},
					"gain": {Value: width * mesh * float64(1+k), Unit: "grains", Better: result.Higher}, "spare": {Value: 0, Unit: "grains", Better: result.None}}
				j.Records = append(j.Records, r)
			}
		}
	}
	j.Records = append(j.Records, more...)
	return j
}

func textOf(t *testing.T, j *result.Journal) string {
	t.Helper()
	var b bytes.Buffer
	if err := Terminal(t.Context(), &b, reread(t, j), nil, 100, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDeclaredTask checks that a task with two axes gets a table and a picture per metric, with a
// column of panels for each value of the second axis.
func TestDeclaredTask(t *testing.T) {
	j := grown(nil)
	text := textOf(t, j)
	for _, want := range []string{"SIEVING", "Share caught", "Gain", "sand dry · measured by cpu on Synthetic CPU · in grains", "mesh size (µm)", "width (mm)", "1.00x", "0.500x"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	v := newView(t.Context(), reread(t, j), nil)
	s := v.sections[0]
	if len(v.sections) != 1 || len(s.tables) != 3 || len(s.figures) != 3 || len(s.figures[0].rows[0]) != 2 {
		t.Fatalf("%d sections, %d tables, %d figures", len(v.sections), len(s.tables), len(s.figures))
	}
	share, gain := s.figures[0].rows[0][0].(*chart), s.figures[1].rows[0][1].(*chart)
	if share.y.log || !gain.y.log || share.x.log || gain.title != "mesh size 2 µm" || share.y.label != "Share caught" || gain.x.label != "" {
		t.Errorf("charts: %+v %+v", share.y, gain.y)
	}
	if len(s.figures[2].rows) != 1 { // no ratio without a better direction
		t.Errorf("spare has %d rows of panels", len(s.figures[2].rows))
	}
}

// TestTasksWithoutCharts checks that records without a number on the axis, tasks without axes and
// undeclared tasks are shown in tables.
func TestTasksWithoutCharts(t *testing.T) {
	word := func(j *result.Journal) *result.Journal {
		for i := range j.Records {
			j.Records[i].Params["width"] = fmt.Sprint("wide ", j.Records[i].Params["width"])
		}
		return j
	}
	for name, c := range map[string]struct {
		j    *result.Journal
		want []string
	}{
		"words on the axis": {word(grown(nil)), []string{"SIEVING", "sieve 25", "gain", "50"}},
		"no axes":           {grown(func(x *result.Task) { x.Axes = nil }), []string{"SIEVING", "gain", "width 25", "mesh 2"}},
		"not described":     {grown(func(x *result.Task) { x.Name = "other" }), []string{"TASK SIEVE", "sieve 25", "gain", "sand dry"}},
		"wrongly described": {grown(func(x *result.Task) { x.Metrics[0].Kind = "?" }), []string{"TASK SIEVE", "declaration skipped: task sieve", "gain"}},
	} {
		text := textOf(t, c.j)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if figures := newView(t.Context(), reread(t, c.j), nil).sections[0].figures; len(figures) > 0 {
			t.Errorf("%s: %d figures", name, len(figures))
		}
	}
}

// TestRemarks checks that remarks are shown only with the groups that they apply to.
func TestRemarks(t *testing.T) {
	for _, c := range []struct {
		remark result.Remark
		want   bool
	}{
		{result.Remark{Param: "sand", Value: "dry"}, true},
		{result.Remark{Param: "sand", Value: "wet"}, false},
		{result.Remark{Partly: "share"}, false}, // all have it
		{result.Remark{Partly: "extra"}, true},
		{result.Remark{Partly: "none"}, false},
	} {
		c.remark.Text = "Mind the gap."
		j := grown(func(x *result.Task) { x.Remarks = []result.Remark{c.remark} })
		j.Records[3].Metrics["extra"] = result.Metric{Value: 1}
		if got := strings.Contains(textOf(t, j), "Mind the gap."); got != c.want {
			t.Errorf("%+v: shown %v", c.remark, got)
		}
	}
}

// TestViewsOfAnyTask checks that every kind of view works for any task, and that texts of a
// declaration are cleaned.
func TestViewsOfAnyTask(t *testing.T) {
	evil := "</script><script>alert(1)</script>\x1b]0;x\a\x00\n| `x` \u202e" + strings.Repeat("long ", 300)
	for _, kind := range result.ViewKinds() {
		for _, axes := range []int{1, 2} {
			j := grown(func(x *result.Task) {
				x.Title, x.Lead, x.Metrics[0].Title, x.Metrics[1].Label, x.Metrics[1].Head, x.Axes[0].Label, x.Axes[0].Unit = evil, evil, evil, evil, evil, evil, evil
				x.Axes[0].Log, x.Metrics[1].Unit, x.Remarks = true, evil, []result.Remark{{Param: "sand", Value: "dry", Text: evil}}
				x.DescribedParams = append(x.DescribedParams, evil)
				x.Axes = x.Axes[:axes]
				x.Views = []result.View{{Kind: kind, Title: evil, Metrics: []string{"share", "gain", "spare"}, Of: "gain", Limit: "spare", Note: evil, Actual: "share"}}
				if kind != result.ViewGrid || axes > 1 {
					if err := x.Check(); err != nil {
						t.Fatal(err)
					}
				}
			})
			v := newView(t.Context(), reread(t, j), nil)
			for _, f := range []Format{Text, Markdown, HTML, SVG, CSV} {
				files, err := v.render(f)
				if err != nil {
					t.Fatalf("%s: %s: %v", kind, f, err)
				}
				for _, file := range files {
					low := strings.ToLower(string(file.data))
					if strings.ContainsAny(low, "\x1b\x00\u202e") || f != Text && f != CSV && strings.Contains(low, "<script>alert") || len(low) > 400_000 {
						t.Errorf("%s: %s of %d bytes contains hostile text of the declaration", kind, file.name, len(low))
					}
				}
			}
		}
	}
}
