package result

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func sample(id string, v float64) Record {
	return Record{
		Suite: "s", Case: id, Label: "l", Task: "needle", Model: "m", Status: OK, Source: Measured,
		Params: map[string]any{"length": 1024.0}, Metrics: map[string]Metric{"exact": {Value: v, Unit: "fraction", Better: Higher}},
		Start: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func write(t *testing.T, path string, vs ...any) {
	t.Helper()
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		if err := w.Append(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTripKeepsTheLastRecordOfACase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	write(t, path, Run{Suite: "s"}, sample("a", 1), sample("b", 0.5), sample("a", 0.25))
	j, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Runs) != 1 || len(j.Records) != 2 || j.Notice != "" {
		t.Fatalf("got %d runs, %d records, notice %q", len(j.Runs), len(j.Records), j.Notice)
	}
	if j.Records[0].Case != "a" || j.Records[0].Metrics["exact"].Value != 0.25 {
		t.Errorf("first record is %s with %v, want a with 0.25", j.Records[0].Case, j.Records[0].Metrics["exact"].Value)
	}
}

func TestTornLastLineIsCutOffOnResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	write(t, path, Run{Suite: "s"}, sample("a", 1))
	whole, _ := os.ReadFile(path)
	for cut := 1; cut < 40; cut += 13 {
		torn := append(bytes.Clone(whole), whole[:cut]...)
		if err := os.WriteFile(path, torn, 0o644); err != nil {
			t.Fatal(err)
		}
		w, j, err := Reopen(path)
		if err != nil {
			t.Fatal(err)
		}
		if j.Notice == "" || len(j.Records) != 1 {
			t.Fatalf("cut %d: notice %q, %d records", cut, j.Notice, len(j.Records))
		}
		if err := w.Append(sample("b", 1)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		j, err = ReadFile(path)
		if err != nil || len(j.Records) != 2 || j.Notice != "" {
			t.Fatalf("cut %d: after resuming: %v, %d records, notice %q", cut, err, len(j.Records), j.Notice)
		}
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	write(t, path)
	if _, err := Create(path); err == nil {
		t.Fatal("a second Create succeeded")
	}
}

func TestReadRejects(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"not JSON":     {"{\n", "j:1: not a journal line"},
		"other type":   {`{"type":"x","schema":1}` + "\n", `a line of type "x"`},
		"newer schema": {`{"type":"run","schema":99}` + "\n", "schema 99"},
		"no schema":    {`{"type":"run"}` + "\n", "schema 0"},
		"no case id":   {`{"type":"case","schema":1}` + "\n", "without a case id"},
		"no checksum":  {`{"type":"run","schema":2}` + "\n", "j:1: no checksum"},
		"long line":    {strings.Repeat("x", maxLine+2) + "\n", "j:1: longer than 64 MiB"},
	} {
		_, err := Read(strings.NewReader(c.text), "j")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestNaNIsNoRecord(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := Encode(sample("a", v)); err == nil {
			t.Errorf("%v was encoded", v)
		}
	}
	r := sample("a", 1)
	m := r.Metrics["exact"].Interval(0, math.NaN(), .95, "wilson")
	r.Metrics["exact"] = m
	if _, err := Encode(r); err == nil {
		t.Error("an interval with NaN was encoded")
	}
}

func FuzzRead(f *testing.F) {
	line, _ := Encode(sample("a", 1))
	run, _ := Encode(Run{Suite: "s"})
	f.Add([]byte{})
	f.Add(line)
	f.Add(append(bytes.Clone(run), line...))
	f.Add(line[:len(line)-5])
	f.Add(append(bytes.TrimSpace(run), line...))
	f.Add([]byte(`{"type":"case","schema":1,"case":"x"}`))
	f.Add(slices.Concat(run, make([]byte, 512), line, []byte("\r\n")))
	f.Add([]byte(`{"type":"run","schema":1,"tasks":[null,{"name":"t","metrics":[{"name":"a","better":"none","kind":"exact"}],"views":[{"kind":"table","metrics":["a"]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := Read(bytes.NewReader(b), "j")
		if err != nil {
			return
		}
		for _, x := range j.Tasks() {
			if err := x.Check(); err != nil {
				t.Fatalf("a declaration that does not hold: %v", err)
			}
		}
		if j.Good < 0 || j.Good > int64(len(b)) {
			t.Fatalf("%d good bytes of %d", j.Good, len(b))
		}
		// Everything that was read can be written and read again.
		var out bytes.Buffer
		for _, r := range j.Records {
			l, err := Encode(r)
			if err != nil {
				t.Fatalf("a record that was read cannot be written: %v", err)
			}
			out.Write(l)
		}
		again, err := Read(&out, "again")
		if err != nil || len(again.Records) != len(j.Records) {
			t.Fatalf("%v: %d records, want %d", err, len(again.Records), len(j.Records))
		}
	})
}

// TestDeclarations checks that a journal without declarations gets the ones of its version, and
// that a journal with declarations has only those.
func TestDeclarations(t *testing.T) {
	good := &Task{Name: "width", Metrics: []MetricInfo{{Name: "gain", Unit: "widgets", Better: Higher, Kind: Exact, Primary: true}}, Axes: []Axis{{Param: "width"}}}
	bad := &Task{Name: "odd", Metrics: []MetricInfo{{Name: "x", Better: "up", Kind: Exact}}}
	read := func(runs ...Run) *Journal {
		var b bytes.Buffer
		for _, r := range runs {
			l, err := Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(l)
		}
		j, err := Read(&b, "results.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	names := func(j *Journal) (out []string) {
		for _, x := range j.Tasks() {
			out = append(out, x.Name)
		}
		return out
	}
	old := names(read(Run{Suite: "s"}))
	if len(old) != 5 || len(names(&Journal{})) != 5 {
		t.Errorf("an old journal has the tasks %v", old)
	}
	for _, x := range (&Journal{}).Tasks() {
		if err := x.Check(); err != nil || x.Primary() == "" {
			t.Errorf("an old task: %v, primary metric %q", err, x.Primary())
		}
	}
	j := read(Run{Suite: "s", Tasks: Tasks{good, bad}})
	if got := names(j); !slices.Equal(got, []string{"width"}) {
		t.Errorf("tasks %v, want width alone", got)
	}
	if m, ok := j.Tasks().Metric("width", "gain"); !ok || m.Unit != "widgets" || j.Tasks().Find("width").Primary() != "gain" {
		t.Errorf("the metric is %+v", m)
	}
	if !strings.Contains(j.Notice, `declaration skipped: task odd: metric x: better is "up"`) {
		t.Errorf("notice %q", j.Notice)
	}
	if got := names(read(Run{Suite: "s"}, Run{Suite: "s", Tasks: Tasks{good}})); !slices.Equal(got, append(old, "width")) {
		t.Errorf("an old journal that was resumed has the tasks %v", got)
	}
	if j := read(Run{Suite: "s", Tasks: Tasks{nil}}); len(j.Tasks()) != 0 || j.Notice == "" {
		t.Errorf("no declaration at all: %v, notice %q", names(j), j.Notice)
	}
}

func TestCheckOfDeclarations(t *testing.T) {
	whole := func() Task {
		return Task{Name: "t", Metrics: []MetricInfo{{Name: "a", Better: Lower, Kind: Timed}, {Name: "b", Better: None, Kind: Exact}}, Axes: []Axis{{Param: "x"}, {Param: "y"}}}
	}
	for want, change := range map[string]func(*Task){
		"":               func(*Task) {},
		"without a name": func(x *Task) { x.Name = "" },
		"0 metrics":      func(x *Task) { x.Metrics = nil },
		`metric "a" has an empty or repeated name`: func(x *Task) { x.Metrics[1].Name = "a" },
		`better is ""`:                      func(x *Task) { x.Metrics[0].Better = "" },
		`unknown kind "speed"`:              func(x *Task) { x.Metrics[0].Kind = "speed" },
		"2 primary":                         func(x *Task) { x.Metrics[0].Primary, x.Metrics[1].Primary = true, true },
		`axis "x" has an empty or repeated`: func(x *Task) { x.Axes[1].Param = "x" },
		"3 axes; curves have at most two":   func(x *Task) { x.Axes = append(x.Axes, Axis{Param: "z"}) },
		`kind of view "pie"`:                func(x *Task) { x.Views = []View{{Kind: "pie"}} },
		`uses the metric "c"`:               func(x *Task) { x.Views = []View{{Kind: ViewTable, Metrics: []string{"c"}}} },
		"with 0 metrics":                    func(x *Task) { x.Views = []View{{Kind: ViewCurves}} },
		"needs the fields of and limit":     func(x *Task) { x.Views = []View{{Kind: ViewDetails, Metrics: []string{"a"}}} },
		"panels with 0 axes":                func(x *Task) { x.Axes, x.Views = nil, []View{{Kind: ViewPanels, Metrics: []string{"a"}}} },
		`uses the metric "g"`:               func(x *Task) { x.Views = []View{{Kind: ViewPanels, Metrics: []string{"a"}, Guess: "g"}} },
		"grid with 1 axes":                  func(x *Task) { x.Axes, x.Views = x.Axes[:1], []View{{Kind: ViewGrid, Metrics: []string{"a"}}} },
	} {
		x := whole()
		change(&x)
		if err := x.Check(); want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
