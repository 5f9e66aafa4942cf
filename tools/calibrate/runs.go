//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchmath"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// equalRuns holds complete runs of one binary, for -mode runs. Every difference between two of them
// is noise.
type equalRuns struct {
	Go     string `json:"go"`
	Commit string `json:"commit"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Suite  string `json:"suite"`
	Date   string `json:"date"`
	// Nice is the niceness of the runs.
	Nice int        `json:"nice"`
	Runs []equalRun `json:"runs"`
}

// equalRun is one run: the load at its end and the records of its timed metrics.
type equalRun struct {
	Load    float64         `json:"load"`
	Records []result.Record `json:"records"`
}

// timed are the stored metrics.
var timed = []string{"ttft", "decode_tps"}

// calibrateRuns makes runs of a suite in folders of dir, reuses existing ones, and writes the
// table.
func calibrateRuns(ctx context.Context, runs, nice int, suite, dir, out string, table bool) error {
	var f equalRuns
	if table {
		if err := readFigures(out, &f); err != nil {
			return err
		}
		return f.write(out)
	}
	binary := filepath.Join(dir, "yocobench")
	if text, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/yocobench").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	f = equalRuns{Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuName(), Cores: runtime.NumCPU(),
		Suite: filepath.Base(suite), Date: time.Now().UTC().Format(time.DateOnly), Nice: nice}
	for i := range runs {
		folder := filepath.Join(dir, fmt.Sprint(i))
		journal := filepath.Join(folder, "results.jsonl")
		if _, err := os.Stat(journal); err != nil {
			c := exec.CommandContext(ctx, "nice", "-n", fmt.Sprint(nice), binary, "run", suite, "--out", folder, "--quiet", "--reports", "csv")
			var failed *exec.ExitError
			if text, err := c.CombinedOutput(); err != nil && !errors.As(err, &failed) {
				return fmt.Errorf("yocobench run: %w\n%s", err, text)
			}
			if err := os.WriteFile(filepath.Join(folder, "load"), fmt.Appendln(nil, load()), 0o644); err != nil {
				return err
			}
		}
		j, err := result.ReadFile(journal)
		if err != nil {
			return err
		}
		r := equalRun{Load: -1}
		if b, err := os.ReadFile(filepath.Join(folder, "load")); err == nil {
			_, _ = fmt.Sscan(string(b), &r.Load)
		}
		for _, x := range j.Records {
			if x.Status == result.OK {
				r.Records = append(r.Records, trim(x))
			}
		}
		if len(j.Runs) > 0 {
			f.Commit = j.Runs[0].Env.Commit[:min(len(j.Runs[0].Env.Commit), 7)]
		}
		f.Runs = append(f.Runs, r)
	}
	return f.write(out)
}

// trim reduces a record to what comparisons of times read, with four digits.
func trim(r result.Record) result.Record {
	out := result.Record{Case: r.Case, Label: r.Label, Task: r.Task, Model: r.Model, Arch: r.Arch, Runner: r.Runner, Source: r.Source, Params: r.Params,
		Status: r.Status, Start: r.Start, Metrics: map[string]result.Metric{}}
	for _, name := range timed {
		m, ok := r.Metrics[name]
		if !ok {
			continue
		}
		m.Value = round(m.Value)
		m.Samples = slices.Clone(m.Samples)
		for i, v := range m.Samples {
			m.Samples[i] = round(v)
		}
		out.Metrics[name] = m
	}
	return out
}

func round(v float64) (out float64) {
	if _, err := fmt.Sscan(fmt.Sprintf("%.4g", v), &out); err != nil {
		return v
	}
	return out
}

func (f *equalRuns) write(out string) error {
	if err := writeFigures(out, f); err != nil {
		return err
	}
	text, err := f.markdown()
	if err != nil {
		return err
	}
	return safefile.WriteBytes(out+".md", text)
}

// journals returns the runs as journals.
func (f *equalRuns) journals() (out []*result.Journal) {
	for _, r := range f.Runs {
		out = append(out, &result.Journal{Runs: []result.Run{{Suite: f.Suite}}, Records: r.Records})
	}
	return out
}

// tally counts the verdicts on equal programs.
type tally struct {
	name string
	// judgements and claims count the possible errors at a limit of 1x.
	judgements, regressed, passed, claims, wrong int
	// bySamples counts the claims that are significant in a rank test of the samples.
	bySamples int
}

func (t tally) row() string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %.1f %% |\n", t.name, t.judgements, t.regressed, t.passed, t.claims, t.wrong, 100*float64(t.bySamples)/float64(max(t.claims, 1)))
}

// judge adds the verdicts of a judgement to t.
func (t *tally) judge(j *compare.Judgement) {
	t.judgements++
	switch j.Verdict {
	case compare.Regressed:
		t.regressed++
	case compare.Passed:
		t.passed++
	}
	for _, g := range j.Gates {
		for _, c := range g.Cases {
			if c.P == nil {
				continue
			}
			t.claims++
			if c.Verdict == compare.Passed || c.Verdict == compare.Regressed {
				t.wrong++
			}
		}
	}
}

// bySample counts the pairs of samples that differ by the Mann-Whitney test.
func (t *tally) bySample(a, b []float64) {
	th := benchmath.Thresholds{CompareAlpha: 0.05}
	if benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(a), &th), benchmath.NewSample(slices.Clone(b), &th)).P <= 0.05 {
		t.bySamples++
	}
}

func parse(texts ...string) (out []gate.Gate, err error) {
	for _, t := range texts {
		g, err := gate.Parse(t)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// overBaseline judges groups of consecutive, alternating runs of both sides at a limit of 1x the
// baseline.
func (f *equalRuns) overBaseline(fresh, base int) (tally, tally, error) {
	gates, err := parse("prefill.ttft <= 1x baseline", "throughput.decode_tps >= 1x baseline")
	t := tally{name: fmt.Sprintf("gates over a baseline, %d against %d runs", fresh, base)}
	c := tally{name: fmt.Sprintf("compare, %d against %d runs", fresh, base)}
	if err != nil {
		return t, c, err
	}
	all := f.journals()
	for at := 0; at+fresh+base <= len(all); at += fresh + base {
		sides := [2][]*result.Journal{}
		for i, j := range all[at : at+fresh+base] {
			k := i % 2
			if len(sides[k]) == []int{fresh, base}[k] {
				k = 1 - k
			}
			sides[k] = append(sides[k], j)
		}
		a, b := compare.NewSide("new", sides[0], nil), compare.NewSide("base", sides[1], nil)
		t.judge(compare.Judge(gates, a, b))
		cmp := compare.Compare(b, a, compare.Options{})
		c.judgements++
		for _, g := range cmp.Groups {
			c.claims += len(g.Changes)
		}
		c.wrong += cmp.Count(compare.Better) + cmp.Count(compare.Worse)
		for i, x := range a.Cases {
			for _, name := range timed {
				if m := x.Metrics[name]; m != nil && i < len(b.Cases) && b.Cases[i].Metrics[name] != nil {
					t.bySample(pooled(sides[0], x.ID, name), pooled(sides[1], x.ID, name))
				}
			}
		}
	}
	c.bySamples = t.bySamples
	return t, c, nil
}

// pooled returns the samples of a case in several runs.
func pooled(js []*result.Journal, id, metric string) (out []float64) {
	for _, j := range js {
		for _, r := range j.Records {
			if r.Case == id {
				out = append(out, r.Metrics[metric].Samples...)
			}
		}
	}
	return out
}

// inside judges ratios of equal models within n consecutive runs at a limit of 1x.
func (f *equalRuns) inside(n int) (tally, error) {
	gates, err := parse("gret-one.prefill.ttft <= 1x gret-two", "full-one.prefill.ttft <= 1x full-two",
		"gret-one.throughput.decode_tps >= 1x gret-two", "full-one.throughput.decode_tps >= 1x full-two")
	t := tally{name: fmt.Sprintf("ratios of models inside %d runs", n)}
	if err != nil {
		return t, err
	}
	all := f.journals()
	for at := 0; at+n <= len(all); at += n {
		js := all[at : at+n]
		side := compare.NewSide("run", js, nil)
		t.judge(compare.Judge(gates, side, nil))
		for _, x := range side.Cases {
			for _, y := range side.Cases {
				if x.Label != y.Label || !strings.HasSuffix(x.Model, "-one") || y.Model != strings.TrimSuffix(x.Model, "one")+"two" {
					continue
				}
				for _, name := range timed {
					if x.Metrics[name] != nil && y.Metrics[name] != nil {
						t.bySample(pooled(js, x.ID, name), pooled(js, y.ID, name))
					}
				}
			}
		}
	}
	return t, nil
}

// markdown returns the table of verdicts on equal programs.
func (f *equalRuns) markdown() ([]byte, error) {
	var loads []float64
	for _, r := range f.Runs {
		loads = append(loads, r.Load)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `# How often comparisons of runs are wrong

Measured by `+"`tools/calibrate -mode runs`"+` on %s: %s, %d cores, %s,
commit %s. One binary made %d complete runs of tools/calibrate/%s (two models,
each twice, 16 timed cases of 12 samples) in sequence, at niceness %d, on a machine kept busy by
other work. Load at the end of the runs, median (most): %s. Every difference is noise, so
every verdict at a limit of 1x is wrong.

- *Judgements* are runs of the command on disjoint groups of consecutive runs, which alternate
  between the sides if there are two.
- *Regressed* must stay below 2.5 %% of judgements. *Claims* are single cases, of which *wrong*
  passed or regressed (compare: better or worse at p <= .05, not corrected for the number of cases).
- *By samples* is the fraction of claims that a Mann-Whitney test of the single samples calls
  different at .05: the result of treating the samples of a run as independent.

| comparison | judgements | regressed | passed | claims | wrong | by samples |
| :--- | ---: | ---: | ---: | ---: | ---: | ---: |
`, f.Date, f.CPU, f.Cores, f.Go, f.Commit, len(f.Runs), f.Suite, f.Nice, spread(loads, "%.1f"))
	var worst, first tally
	for _, n := range [][2]int{{1, 1}, {1, 8}, {4, 4}, {6, 6}} {
		t, c, err := f.overBaseline(n[0], n[1])
		if err != nil {
			return nil, err
		}
		b.WriteString(t.row())
		b.WriteString(c.row())
		if n == [2]int{4, 4} {
			worst = t
		}
	}
	for _, n := range []int{1, 3, 6, 10} {
		t, err := f.inside(n)
		if err != nil {
			return nil, err
		}
		b.WriteString(t.row())
		if n == 1 {
			first = t
		}
	}
	fmt.Fprintf(&b, `
With one run on a side nothing is judged, so nothing is wrong. With 4 runs of each side %d of %d
judgements regressed: with probability 95 %%, at most %.1f %% do. A ratio inside a single run is
judged only if its samples do not overlap; %d of %d such judgements regressed on this busy
machine (at most %.1f %%), which is no guarantee: compare/doc.go explains why. From 6 runs on, the
ratio of each run is one sample of a sign test, which is simulated in the tests of compare.

The samples of every run are in run-calibration.json; `+"`tools/calibrate -mode runs -table`"+`
rebuilds this table from them.
`, worst.regressed, worst.judgements, 100*atMost(worst.regressed, worst.judgements), first.regressed, first.judgements, 100*atMost(first.regressed, first.judgements))
	return b.Bytes(), nil
}
