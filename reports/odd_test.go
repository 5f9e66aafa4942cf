package reports

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// everything renders a journal in every format and checks properties that hold for all of them.
// Pictures have a low resolution.
func everything(t testing.TB, j *result.Journal) {
	t.Helper()
	v := newView(t.Context(), j, nil)
	for _, f := range Formats() {
		var err error
		switch f {
		case PNG, SVG:
			_, err = v.pictures(f, 24)
		default:
			_, err = v.render(f)
		}
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
	for _, width := range []int{40, 80, 100} {
		for _, color := range []bool{false, true} {
			var buf bytes.Buffer
			if err := Terminal(t.Context(), &buf, j, nil, width, color); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(buf.String()) {
				if w := cleantext.Width(strings.TrimSuffix(line, "\n")); w > width {
					t.Fatalf("a line of %d columns, at most %d are allowed: %q", w, width, line)
				}
			}
		}
	}
}

// TestOddJournals checks that unusual journals can be rendered.
func TestOddJournals(t *testing.T) {
	with := func(records ...result.Record) *result.Journal { return &result.Journal{Records: records} }
	failed := func(r result.Record) result.Record {
		r.Status, r.Reason, r.Metrics, r.Series, r.Trials = result.Failed, "it broke", nil, nil, nil
		return r
	}
	whole := small()
	cases := map[string]*result.Journal{
		"empty":           {},
		"only a header":   {Runs: small().Runs},
		"cut short":       {Runs: []result.Run{{Cases: 12}}, Records: whole.Records[:1], Notice: "dropped an incomplete last line"},
		"one cell":        with(needleRecord("m", "yoco-gret", 1024, 0.5, 3)),
		"one NLL":         with(nllRecord("m", "x", "prose")),
		"one depth":       with(needleRecord("m", "yoco-gret", 256, 0.5, 3), needleRecord("m", "yoco-gret", 512, 0.5, 3)),
		"no models":       with(record("kv", "", "", "", nil)),
		"unknown status":  with(result.Record{Case: "a", Task: "needle", Model: "m", Status: "melted", Params: map[string]any{"length": 1.0, "depth": 0.0}}),
		"no parameters":   with(result.Record{Case: "a", Task: "throughput", Model: "m", Status: result.OK}),
		"odd parameters":  with(result.Record{Case: "a", Task: "kv", Model: "m", Status: result.OK, Params: map[string]any{"length": "long", "x": []any{1.0, map[string]any{"y": nil}}, "": nil}}),
		"ragged series":   with(result.Record{Case: "a", Task: "nll", Model: "m", Status: result.OK, Series: []result.Series{{Name: "nll_bucket", X: []float64{1, 2, 3}, Y: []float64{1}, Lo: []float64{}, Hi: []float64{1, 2}}}}),
		"unicode":         with(needleRecord("模型-🦙-ß-é-שלום", "yoco-gret", 256, 0, 2), nllRecord("模型", "transformer", "散文")),
		"long names":      with(needleRecord(strings.Repeat("very-long-name-", 40), "yoco-gret", 256, 0, 2), nllRecord(strings.Repeat("long ", 80), "transformer", strings.Repeat("c", 300))),
		"the same places": with(needleRecord("m", "a", 256, 0, 2), func() result.Record { r := needleRecord("m", "a", 256, 0, 3); r.Case += "x"; return r }()),
		"three fitted":    with(nllRecord("a", "yoco-gret", "prose"), nllRecord("b", "yoco-gret", "prose"), nllRecord("c", "yoco-gret", "prose")),
	}
	var grid []result.Record
	for l := range 20 {
		for d := range 21 {
			grid = append(grid, needleRecord("m", "yoco-swa", float64((l+1)*1000), float64(d)/20, 2))
		}
	}
	cases["20 lengths x 21 depths"] = with(grid...)
	var many []result.Record
	for m := range 9 {
		many = append(many, needleRecord(fmt.Sprint("model-", m), fmt.Sprint("arch-", m%4), 256, 0, 2), nllRecord(fmt.Sprint("model-", m), fmt.Sprint("arch-", m%4), "prose"))
	}
	cases["9 models"] = with(many...)
	var none []result.Record
	for _, r := range whole.Records {
		none = append(none, failed(r))
	}
	cases["only failures"] = with(none...)
	// One record of each model and task, with extreme values.
	some := func() (records []result.Record) {
		seen := map[string]bool{}
		for _, r := range small().Records {
			if key := r.Task + r.Model; !seen[key] {
				seen[key] = true
				records = append(records, r)
			}
		}
		return records
	}
	finite := func(v float64) float64 { return min(max(v, -math.MaxFloat64), math.MaxFloat64) }
	for _, by := range []float64{0, -1, 1e-300, 1e300, 1e12} {
		var records []result.Record
		for _, r := range some() {
			for name, m := range r.Metrics {
				m.Value = finite(m.Value * by)
				r.Metrics[name] = m
			}
			for i := range r.Series {
				for k := range r.Series[i].Y {
					r.Series[i].Y[k] = finite(r.Series[i].Y[k] * by)
				}
			}
			records = append(records, r)
		}
		cases[fmt.Sprint("values times ", by)] = &result.Journal{Runs: small().Runs, Records: records}
	}
	for name, j := range cases {
		t.Run(name, func(t *testing.T) { everything(t, reread(t, j)) })
	}
}

// FuzzReports renders fuzzed journals as text formats, which are fast.
func FuzzReports(f *testing.F) {
	fuzzJournals(f, func(t *testing.T, j *result.Journal) {
		v := newView(t.Context(), j, nil)
		for _, f := range Formats() {
			if f == PNG || f == SVG || f == HTML { // FuzzPictures covers them
				continue
			}
			if _, err := v.render(f); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
		}
		if err := Terminal(t.Context(), io.Discard, j, nil, 80, false); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPictures renders fuzzed journals in all formats, a few journals per second.
func FuzzPictures(f *testing.F) {
	fuzzJournals(f, func(t *testing.T, j *result.Journal) { everything(t, j) })
}

// fuzzJournals fuzzes journals of schema 1, because every changed byte of schema 2 invalidates a
// checksum.
func fuzzJournals(f *testing.F, use func(*testing.T, *result.Journal)) {
	sum := regexp.MustCompile(`,"sha256":"[0-9a-f]+"`)
	add := func(j *result.Journal) {
		text := bytes.ReplaceAll(sum.ReplaceAll(lines(f, j), nil), []byte(`"schema":2`), []byte(`"schema":1`))
		if r, err := result.Read(bytes.NewReader(text), "seed"); err != nil || len(r.Records) != len(j.Records) {
			f.Fatalf("a seed is not a journal: %v", err)
		}
		f.Add(text)
	}
	add(&result.Journal{Runs: small().Runs})
	for _, kind := range result.ViewKinds() {
		j := grown(func(x *result.Task) {
			x.Views = []result.View{{Kind: kind, Metrics: []string{"share", "gain"}, Of: "gain", Limit: "spare", Actual: "share"}}
			x.Repeats, x.ModelParams, x.NameParams, x.Remarks = []string{"n"}, []string{"dtype"}, []string{"sand"}, []result.Remark{{Partly: "gain", Text: "some"}}
		})
		j.Records = j.Records[:3]
		add(j)
	}
	add(searches())
	whole := small().Records
	for i := 0; i < len(whole); i += len(whole) / 8 {
		add(&result.Journal{Runs: small().Runs, Records: []result.Record{whole[i], whole[len(whole)-1-i]}})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<15 {
			t.Skip("too large")
		}
		j, err := result.Read(bytes.NewReader(data), "fuzz")
		if err != nil {
			t.Skip("not a journal")
		}
		use(t, j)
	})
}

// TestLook writes the reports of a large synthetic journal to the folder YOCOBENCH_LOOK, for visual
// inspection.
func TestLook(t *testing.T) {
	dir := os.Getenv("YOCOBENCH_LOOK")
	if dir == "" {
		t.Skip("YOCOBENCH_LOOK is not set")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := Write(t.Context(), dir, reread(t, big()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(files)
}

// TestPageOfManyCases checks that the page of thousands of cases stays small: each cell has fewer
// trials, wrong ones first.
func TestPageOfManyCases(t *testing.T) {
	j := &result.Journal{Runs: small().Runs}
	for model := range 10 {
		for depth := range 50 {
			for length := range 10 {
				r := needleRecord(fmt.Sprintf("m%d", model), "yoco-gret", float64(int(256)<<length), float64(depth)/49, 20)
				r.Trials[19].Exact, r.Trials[19].Answer = 0, "a wrong answer"
				j.Records = append(j.Records, r)
			}
		}
	}
	v := newView(t.Context(), j, nil)
	if n := v.perCell(); n != 4 {
		t.Errorf("%d trials a cell, want 4", n)
	}
	var buf bytes.Buffer
	if err := v.html(&buf); err != nil {
		t.Fatal(err)
	}
	if n := buf.Len(); n > 10<<20 {
		t.Errorf("a page of %d cases has %.1f MB", len(j.Records), float64(n)/1e6)
	}
	if n := strings.Count(buf.String(), `"a wrong answer"`); n != len(j.Records) {
		t.Errorf("%d of %d cells show their wrong answer", n, len(j.Records))
	}
	if n := strings.Count(buf.String(), "and 16 more, with equal or better scores"); n != len(j.Records) {
		t.Errorf("%d of %d cells mention the omitted trials", n, len(j.Records))
	}
}
