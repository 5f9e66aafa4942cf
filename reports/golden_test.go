package reports

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/yocobench/yocobench/suites/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte, equal func(got, want []byte) bool) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !equal(got, want) {
		t.Errorf("%s differs; check the difference, then run: go test ./reports -update\n%s", path, difference(got, want))
	}
}

// difference returns the first line that differs.
func difference(got, want []byte) string {
	a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			w := ""
			if i < len(b) {
				w = b[i]
			}
			return fmt.Sprintf("line %d\n got %.300q\nwant %.300q", i+1, a[i], w)
		}
	}
	return "shorter than the golden file"
}

// journal returns the journal of the golden files from testdata.
func journal(t testing.TB) *result.Journal {
	t.Helper()
	path := filepath.Join("testdata", "journal.jsonl")
	if *update {
		if err := os.WriteFile(path, lines(t, small()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	j, err := result.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// few returns a part of a journal, for slow or large outputs.
func few(j *result.Journal) *result.Journal {
	out := &result.Journal{Runs: j.Runs}
	for _, r := range j.Records {
		if r.Task == "needle" || r.Task == "prefill" && r.Source == result.Measured {
			out.Records = append(out.Records, r)
		}
	}
	return out
}

func TestGoldenTexts(t *testing.T) {
	j := journal(t)
	for format, name := range map[Format]string{Text: "report.txt", Markdown: "report.md", CSV: "results.csv", HTML: "report.html"} {
		of := j
		if format == HTML {
			of = few(j) // the golden file of the whole journal would be large
		}
		files, err := newView(t.Context(), of, nil).render(format)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, files[0].data, bytes.Equal)
	}
	for _, c := range []struct {
		width int
		color bool
		name  string
	}{{100, false, "wide.txt"}, {80, true, "color.txt"}} {
		var buf bytes.Buffer
		if err := Terminal(t.Context(), &buf, j, nil, c.width, c.color); err != nil {
			t.Fatal(err)
		}
		golden(t, c.name, buf.Bytes(), bytes.Equal)
	}
}

// TestGoldenPictures compares pictures at a low resolution and with a tolerance, because CPUs
// differ in the last bit of coordinates.
func TestGoldenPictures(t *testing.T) {
	files, err := newView(t.Context(), journal(t), nil).pictures(PNG, 48)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		golden(t, f.name, f.data, func(got, want []byte) bool {
			return alike(t, f.name, got, want)
		})
	}
}

// alike reports whether two PNG files have the same size and at most one pixel in a thousand that
// clearly differs.
func alike(t *testing.T, name string, got, want []byte) bool {
	a, errA := png.Decode(bytes.NewReader(got))
	b, errB := png.Decode(bytes.NewReader(want))
	if errA != nil || errB != nil {
		t.Errorf("%s: %v, %v", name, errA, errB)
		return false
	}
	if a.Bounds() != b.Bounds() {
		return false
	}
	differ, box := 0, a.Bounds()
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			r0, g0, b0, _ := a.At(x, y).RGBA()
			r1, g1, b1, _ := b.At(x, y).RGBA()
			for _, d := range []int{int(r0) - int(r1), int(g0) - int(g1), int(b0) - int(b1)} {
				if max(d, -d) > 0x1800 {
					differ++
					break
				}
			}
		}
	}
	return differ*1000 <= box.Dx()*box.Dy()
}

// TestMarkdownShowsPictures checks that report.md refers to all pictures that are written.
func TestMarkdownShowsPictures(t *testing.T) {
	v := newView(t.Context(), journal(t), nil)
	md, err := v.render(Markdown)
	if err != nil {
		t.Fatal(err)
	}
	pngs, err := v.pictures(PNG, 24)
	if err != nil {
		t.Fatal(err)
	}
	if len(pngs) == 0 {
		t.Fatal("no pictures")
	}
	for _, p := range pngs {
		if !bytes.Contains(md[0].data, []byte("]("+p.name+")")) {
			t.Errorf("report.md does not show %s", p.name)
		}
	}
}

func TestJSONHoldsTheJournal(t *testing.T) {
	j := journal(t)
	files, err := newView(t.Context(), j, nil).render(JSON)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Schema  int
		Runs    []result.Run
		Records []result.Record
	}
	if err := json.Unmarshal(files[0].data, &back); err != nil {
		t.Fatal(err)
	}
	if got, want := string(lines(t, &result.Journal{Runs: back.Runs, Records: back.Records})), string(lines(t, j)); got != want || back.Schema != result.SchemaVersion {
		t.Error("results.json differs from the journal")
	}
}

// TestWrite checks that Write writes the complete files of every format, and the same ones the
// second time.
func TestWrite(t *testing.T) {
	j, dir := few(journal(t)), t.TempDir()
	names, err := Write(t.Context(), dir, j, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		first[name] = data
	}
	if _, err := Write(t.Context(), dir, j, nil, Formats()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(first) {
		t.Errorf("%d files in the folder, %d written", len(entries), len(first))
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || !bytes.Equal(data, first[e.Name()]) {
			t.Errorf("%s is not the same the second time (%v)", e.Name(), err)
		}
	}
	if _, err := Write(t.Context(), filepath.Join(dir, "missing"), j, nil, []Format{CSV}); err == nil {
		t.Error("no error for a missing folder")
	}
	if _, err := Write(t.Context(), dir, j, nil, []Format{"pdf"}); err == nil {
		t.Error("no error for an unknown format")
	}
}

func TestParseFormats(t *testing.T) {
	for in, want := range map[string]string{"": "[text markdown csv json png svg html]", "png, HTML,png": "[png html]", "md,txt": "[markdown text]"} {
		got, err := ParseFormats(in)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	if _, err := ParseFormats("png,pdf"); err == nil || !strings.Contains(err.Error(), "pdf") {
		t.Errorf("pdf: %v", err)
	}
}

// TestUntrustedText checks that an answer with markup and escapes is shown as text.
func TestUntrustedText(t *testing.T) {
	evil := "</script><script>alert(1)</script>\x1b]0;pwned\a\x00\r\n| `x` \u202e\u009b2J " + `"><img src=x onerror=alert(2)>`
	r := needleRecord(evil, "yoco-gret", 256, 0.5, 2)
	r.Label, r.Suite, r.Device, r.Runner, r.Notes = evil, evil, evil, evil, []string{evil}
	r.Trials[0].Answer, r.Trials[0].Exact, r.Trials[0].Question, r.Trials[0].Expected, r.Trials[0].Facts = evil, 0, evil, []string{evil}, []string{evil}
	r.Params["haystack"], r.Params["kind"], r.Params[evil] = evil, evil, evil
	bad := record("kv", evil, evil, evil, map[string]any{"length": 5.0})
	bad.Status, bad.Reason, bad.Metrics = result.Failed, evil, nil
	odd := record(evil, "m", "a", evil, map[string]any{evil: evil})
	odd.Metrics = map[string]result.Metric{evil: {Value: 1, Unit: evil, Better: "none"}}
	nll := nllRecord(evil, evil, evil)
	run := small().Runs[0]
	run.Suite, run.Title, run.Command, run.Env.CPU, run.Env.Text = evil, evil, evil, evil, map[string]string{evil: evil}
	run.References = []result.Reference{{Task: "needle", Metric: "exact", Model: evil, Value: 1, Unit: evil, Source: evil, Note: evil}}
	j := reread(t, &result.Journal{Runs: []result.Run{run}, Records: []result.Record{r, bad, odd, nll}, Notice: evil})
	v := newView(t.Context(), j, nil)
	for _, f := range Formats() {
		if f == PNG {
			continue
		}
		files, err := v.render(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for i, c := range string(file.data) {
				if c != '\n' && c != '\t' && (unicode.IsControl(c) || c == '\u202e') {
					t.Errorf("%s holds %q at %d", file.name, c, i)
					break
				}
			}
			low := strings.ToLower(string(file.data))
			if f == HTML && (strings.Count(low, "<script") != 2 || strings.Count(low, "</script") != 2 || strings.Contains(low, "<img")) {
				t.Errorf("%s: contains markup from a record", file.name)
			}
			if f == Markdown && (strings.Contains(low, "<script") || strings.Contains(low, "<img")) {
				t.Errorf("%s: contains markup from a record", file.name)
			}
			if f == SVG && (strings.Contains(low, "<script") || strings.Contains(low, "<img")) {
				t.Errorf("%s: contains markup from a record", file.name)
			}
		}
	}
}

// TestPageStandsAlone checks that the page loads no other resource.
func TestPageStandsAlone(t *testing.T) {
	files, err := newView(t.Context(), journal(t), nil).render(HTML)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"http://", "https://", "//cdn", "@import", "url(", "src="} {
		if i := bytes.Index(files[0].data, []byte(word)); i >= 0 {
			t.Errorf("report.html holds %q: %.80q", word, files[0].data[i:])
		}
	}
}
