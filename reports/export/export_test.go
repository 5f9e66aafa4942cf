package export

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/yocobench/yocobench/suites/result"
)

var update = flag.Bool("update", false, "rewrite golden files")

// journal returns a synthetic journal: one case of each kind, with hostile names.
func journal() *result.Journal {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rec := func(id, task, model, label string, params map[string]any, metrics map[string]result.Metric) result.Record {
		return result.Record{Case: id, Task: task, Model: model, Arch: "yoco-gret", Runner: "cpu", Device: "Synthetic CPU", Source: result.Measured,
			Label: label, Params: params, Metrics: metrics, Status: result.OK, Start: start, Seconds: 1.5}
	}
	lo, hi := 0.6, 1.0
	j := &result.Journal{
		Runs: []result.Run{{Suite: "synthetic", Start: start, Env: result.Env{Version: "v0", Commit: "0123abcd", OS: "linux", Arch: "amd64", CPU: "Synthetic CPU @ 2.00GHz", Threads: 2, KernelTier: "avx2"}}},
		Records: []result.Record{
			rec("a1", "prefill", "tiny-yoco-gret", "prefill 4Ki", map[string]any{"length": 4096.0, "samples": 3.0}, map[string]result.Metric{
				"ttft": {Value: 0.051, Unit: "s", Better: result.Lower, Samples: []float64{0.05, 0.051, 0.052}},
				"tps":  {Value: 80313, Unit: "tokens/s", Better: result.Higher, Samples: []float64{81920, 80313, 78769}}}),
			rec("a2", "kv", "tiny-yoco-gret", "kv 4Ki", map[string]any{"length": 4096.0, "list": []any{1.0, 2.0}}, map[string]result.Metric{
				"total": {Value: 1 << 22, Unit: "bytes", Better: result.Lower}, "total_computed": {Value: 1 << 22, Unit: "bytes", Better: result.None}}),
			rec("a3", "needle", "a \"b\" <c>/\\\n\x1b[31m", "needle & 50%", map[string]any{"depth": 0.5, "haystack": "my file"}, map[string]result.Metric{
				"exact": {Value: 0.9, Unit: "fraction", Better: result.Higher, Lo: &lo, Hi: &hi, Level: 0.95, Method: "wilson", Samples: []float64{1, 1, 0}}}),
			rec("a4", "kv", "tiny-transformer", "kv 1Mi", map[string]any{"length": 1048576.0}, nil),
			rec("a5", "nll", "tiny-transformer", "nll 8Ki", nil, nil),
			rec("a6", "kv", "yoco-gret-3b", "kv 1Mi", map[string]any{"length": 1048576.0}, map[string]result.Metric{"total": {Value: 12e9, Unit: "bytes", Better: result.Lower}}),
		},
	}
	j.Records[3].Status, j.Records[3].Reason = result.OOM, "needs 3 GiB"
	j.Records[4].Status, j.Records[4].Reason = result.Failed, "panic: <index>"
	j.Records[5].Source, j.Records[5].Runner = result.Computed, "analytic"
	return j
}

var checks = []Check{
	{"prefill.tps >= 0.95x baseline", "regressed", "tiny: 0.90x\np<0.001"},
	{"kv.total <= 1GiB", "passed", "fine"},
	{"nll.nll <= 2", "broken", "failed: panic"},
	{"needle.exact >= 0.95", "undecided", "about 72 questions would decide"},
}

func write(t *testing.T, name string, f func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the tests with -update to make it", err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs from the output:\n%s", path, b.String())
	}
	return b.String()
}

// TestGoBench reads the output with the reader that benchstat uses.
func TestGoBench(t *testing.T) {
	text := write(t, "gobench.txt", func(b *bytes.Buffer) error { return GoBench(b, journal()) })
	r := benchfmt.NewReader(strings.NewReader(text), "gobench.txt")
	samples := map[string][]float64{}
	for r.Scan() {
		switch x := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(x)
		case *benchfmt.Result:
			for _, v := range x.Values {
				samples[x.Name.String()+" "+v.Unit] = append(samples[x.Name.String()+" "+v.Unit], v.Value)
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if got := samples["Prefill/model=tiny-yoco-gret/length=4096/samples=3-2 ttft-sec"]; len(got) != 3 || got[1] != 0.051 {
		t.Errorf("samples %v of %v", got, samples)
	}
	for unit, want := range map[string]string{"ttft-sec": "lower", "tps-tokens/sec": "higher", "total-bytes": "lower"} {
		if got := r.Units().Get(unit, "better"); got == nil || got.Value != want {
			t.Errorf("unit %s: %v, want better=%s", unit, got, want)
		}
	}
}

func TestGitHubAction(t *testing.T) {
	var smaller bytes.Buffer
	bigger := write(t, "bigger.json", func(b *bytes.Buffer) error { return GitHubAction(b, &smaller, journal()) })
	small := write(t, "smaller.json", func(b *bytes.Buffer) error { _, err := b.Write(smaller.Bytes()); return err })
	for text, want := range map[string]int{bigger: 2, small: 3} {
		var es []map[string]any
		if err := json.Unmarshal([]byte(text), &es); err != nil || len(es) != want {
			t.Errorf("%v: %d entries, want %d", err, len(es), want)
		}
		for _, e := range es {
			if _, ok := e["value"].(float64); !ok || e["name"] == "" || e["unit"] == "" {
				t.Errorf("an entry lacks name, unit or value: %v", e)
			}
		}
	}
}

// TestJUnitOfIncompleteRun checks that an interrupted run has an error, whatever its records and
// gates.
func TestJUnitOfIncompleteRun(t *testing.T) {
	for cases, want := range map[int]int{0: 0, 2: 0, 3: 1, 9: 1} {
		j := &result.Journal{Runs: []result.Run{{Suite: "s", Cases: cases}}, Records: journal().Records[:2]}
		var b bytes.Buffer
		if err := JUnit(&b, j, []Check{{"kv.total <= 1GiB", "passed", "fine"}}); err != nil {
			t.Fatal(err)
		}
		var got junitSuites
		if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if says := strings.Contains(b.String(), "cases were not run"); got.Errors != want || says != (want > 0) {
			t.Errorf("2 records of %d cases: %d errors, want %d:\n%s", cases, got.Errors, want, b.Bytes())
		}
	}
}

func TestJUnit(t *testing.T) {
	text := write(t, "junit.xml", func(b *bytes.Buffer) error { return JUnit(b, journal(), checks) })
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = true
	var back struct {
		Tests  int `xml:"tests,attr"`
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Errors   int    `xml:"errors,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Name    string    `xml:"name,attr"`
				Class   string    `xml:"classname,attr"`
				Skipped *struct{} `xml:"skipped"`
				Error   *struct{} `xml:"error"`
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := d.Decode(&back); err != nil {
		t.Fatal(err)
	}
	tests := 0
	for _, s := range back.Suites {
		var failures, errors, skipped int
		for _, c := range s.Cases {
			failures, errors, skipped = failures+count(c.Failure), errors+count(c.Error), skipped+count(c.Skipped)
			if c.Name == "" || c.Class == "" {
				t.Errorf("%s: a test without a name", s.Name)
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != errors || s.Skipped != skipped {
			t.Errorf("%s: counts %d %d %d %d do not match its tests %d %d %d %d", s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Cases), failures, errors, skipped)
		}
		tests += s.Tests
	}
	if tests != 10 || back.Tests != tests {
		t.Errorf("%d tests, %d reported", tests, back.Tests)
	}
}

func count(x *struct{}) int {
	if x == nil {
		return 0
	}
	return 1
}

// TestOpenMetrics checks every line against OpenMetrics 1.0: families are contiguous, names end in
// their units, and the last line is EOF.
func TestOpenMetrics(t *testing.T) {
	text := write(t, "openmetrics.txt", func(b *bytes.Buffer) error { return OpenMetrics(b, journal()) })
	sample := regexp.MustCompile(`^([a-z_][a-z0-9_]*)\{(?:[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+\} [0-9.e+-]+$`)
	meta := regexp.MustCompile(`^# (TYPE|UNIT|HELP) ([a-z_][a-z0-9_]*) (.+)$`)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[len(lines)-1] != "# EOF" {
		t.Error("the last line is not # EOF")
	}
	family, seen := "", map[string]bool{}
	for _, l := range lines[:len(lines)-1] {
		if m := meta.FindStringSubmatch(l); m != nil {
			if m[1] == "TYPE" {
				if seen[m[2]] {
					t.Errorf("family %s appears twice", m[2])
				}
				family, seen[m[2]] = m[2], true
			}
			if m[2] != family || m[1] == "UNIT" && !strings.HasSuffix(m[2], "_"+m[3]) {
				t.Errorf("misplaced: %s", l)
			}
			continue
		}
		m := sample.FindStringSubmatch(l)
		if m == nil || strings.TrimSuffix(m[1], "_info") != family || seen[l] {
			t.Errorf("not a sample of %s: %s", family, l)
		}
		seen[l] = true
	}
}

// TestOpenMetricsUnitsStandOnce checks that a metric whose name ends in its unit does not get it
// twice.
func TestOpenMetricsUnitsStandOnce(t *testing.T) {
	r := result.Record{Task: "prefill", Status: result.OK, Metrics: map[string]result.Metric{"limit_seconds": {Value: 1, Unit: "s", Better: result.None}}}
	var b bytes.Buffer
	if err := OpenMetrics(&b, &result.Journal{Records: []result.Record{r}}); err != nil {
		t.Fatal(err)
	}
	if want := "# TYPE yocobench_prefill_limit_seconds gauge\n# UNIT yocobench_prefill_limit_seconds seconds\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got %s", b.String())
	}
}

// TestEmpty checks that an empty journal does not crash an exporter.
func TestEmpty(t *testing.T) {
	var b bytes.Buffer
	j := &result.Journal{Records: []result.Record{{Status: result.OK, Metrics: map[string]result.Metric{"": {}}}}}
	for _, err := range []error{GoBench(&b, j), GitHubAction(&b, &b, j), JUnit(&b, j, nil), OpenMetrics(&b, j)} {
		if err != nil {
			t.Error(err)
		}
	}
}
