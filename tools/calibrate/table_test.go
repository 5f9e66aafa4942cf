//go:build linux

package main

import (
	"math"
	"os"
	"testing"
)

// The committed table matches the committed data, and the data agree with docs/ci.md.
func TestCommittedTable(t *testing.T) {
	const name = "../../docs/measurements/ab-calibration"
	var f figures
	if err := readFigures(name, &f); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	if string(f.markdown()) != string(table) {
		t.Errorf("%s.md is not the table of its figures; go run ./tools/calibrate -table writes it", name)
	}
	n := map[bool]int{}
	wrong := map[bool]int{}
	for _, r := range f.Runs {
		n[r.Slower]++
		if (r.Verdict == "regressed") != r.Slower {
			wrong[r.Slower]++
		}
		if !(r.Seconds < 200) {
			t.Errorf("a run of %v seconds", r.Seconds)
		}
	}
	if n[false] < 40 || n[true] < 40 || float64(wrong[false]) > 0.02*float64(n[false]) || float64(wrong[true]) > 0.05*float64(n[true]) {
		t.Errorf("%d false alarms of %d runs, %d slowdowns not found of %d", wrong[false], n[false], wrong[true], n[true])
	}
}

func TestAtMost(t *testing.T) {
	// The bound for 0 of 40 solves (1-p)^40 = .05; that for 2 of 10 is from tables of Clopper and
	// Pearson's intervals.
	for _, c := range []struct {
		k, n int
		want float64
	}{{0, 40, 1 - math.Pow(0.05, 1.0/40)}, {2, 10, 0.5069}, {10, 10, 1}} {
		if got := atMost(c.k, c.n); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%d of %d: %v, want %v", c.k, c.n, got, c.want)
		}
	}
}

// The committed table of complete runs matches its data. With one run on a side nothing is judged;
// with several, at most the promised share of judgements regressed.
func TestCommittedRuns(t *testing.T) {
	const name = "../../docs/measurements/run-calibration"
	var f equalRuns
	if err := readFigures(name, &f); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.markdown()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(table) {
		t.Errorf("%s.md is not the table of its figures; go run ./tools/calibrate -mode runs -table writes it", name)
	}
	one, cmp, err := f.overBaseline(1, 1)
	if err != nil || one.judgements < 30 || one.wrong+cmp.wrong > 0 || float64(one.bySamples) < 0.3*float64(one.claims) {
		t.Errorf("single runs: %+v, %+v, %v", one, cmp, err)
	}
	several, _, err := f.overBaseline(4, 4)
	if err != nil || several.judgements < 10 || several.regressed > 1 {
		t.Errorf("4 runs of each side: %+v, %v", several, err)
	}
}
