package reports

import (
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/result"
)

// depthJournal returns needle records of two models whose scores are lowest in the middle. right
// returns how many of 10 trials are right; below 0 there is no result.
func depthJournal(right func(model string, length, depth float64) int) *result.Journal {
	j := &result.Journal{Runs: small().Runs}
	for _, m := range []string{"one", "two"} {
		for _, l := range []float64{1 * ki, 2 * ki, 4 * ki} {
			for _, d := range []float64{0, 0.25, 0.5, 0.75, 1} {
				r := needleRecord(m, m, l, d, 10)
				r.Params["haystacks"] = 5.0
				n := right(m, l, d)
				if n < 0 {
					r.Status, r.Reason, r.Metrics, r.Trials = result.Skipped, "over budget", nil, nil
				}
				for i := range r.Trials {
					r.Trials[i].Exact = 0
					if i < n {
						r.Trials[i].Exact = 1
					}
				}
				if n >= 0 {
					lo, hi := wilson(float64(n), 10)
					r.Metrics["exact"] = bounded(float64(n)/10, lo, hi, "fraction", result.Higher, "wilson")
				}
				j.Records = append(j.Records, r)
			}
		}
	}
	return j
}

// The scores by depth pool the lengths at which all models have results at all depths, with
// haystacks as clusters.
func TestScoresByDepth(t *testing.T) {
	right := func(model string, length, depth float64) int {
		switch {
		case model == "two" && length == 4*ki && depth == 0.5:
			return -1 // no result, so 4Ki is left out for both
		case length == 4*ki:
			return 0
		case depth == 0.5:
			return 4
		}
		return 10
	}
	find := func(j *result.Journal) (found *table, pictures int) {
		v := newView(t.Context(), reread(t, j), nil)
		for _, s := range v.sections {
			for i := range s.tables {
				if strings.HasSuffix(s.tables[i].id, "-by-depth-table") {
					found = &s.tables[i]
				}
			}
			for _, f := range s.figures {
				if strings.HasSuffix(f.id, "-by-depth") {
					pictures++
				}
			}
		}
		return found, pictures
	}
	x, pictures := find(depthJournal(right))
	if x == nil || pictures != 1 {
		t.Fatalf("table %v, %d pictures", x, pictures)
	}
	if got := strings.Join(x.head, " "); got != "model 0 % 25 % 50 % 75 % 100 %" {
		t.Errorf("columns %s", got)
	}
	if !strings.Contains(x.notes[0], "pooled over 1Ki to 2Ki, the lengths with results at all depths") {
		t.Errorf("notes %q", x.notes)
	}
	if len(x.rows) != 4 || x.rows[0][0].text != "one" || x.rows[2][0].text != "two" {
		t.Fatalf("rows %v", x.rows)
	}
	// In the middle, 4 of 10 trials of 5 haystacks are right at both lengths: trials 0 to 3, of
	// haystacks 0 to 3.
	hits, n := []float64{1, 1, 1, 1, 0, 1, 1, 1, 1, 0}, []float64{2, 2, 2, 2, 2, 2, 2, 2, 2, 2}
	lo, hi := stats.Clustered(hits, n, 0.95)
	for _, row := range []int{0, 2} {
		if got := x.rows[row][3].text; got != "0.40" {
			t.Errorf("the score at 50 %% is %s", got)
		}
		if got, want := x.rows[row+1][3].text, short2(lo)+"–"+short2(hi); got != want {
			t.Errorf("the interval at 50 %% is %s, want %s", got, want)
		}
		if got := x.rows[row][1].text; got != "1.00" {
			t.Errorf("the score at 0 %% is %s", got)
		}
	}
	// A model without any result does not hide the others.
	x, _ = find(depthJournal(func(model string, length, depth float64) int {
		if model == "two" {
			return -1
		}
		return 10
	}))
	if x == nil || len(x.rows) != 2 || !strings.Contains(x.notes[0], "pooled over 1Ki to 4Ki ·") {
		t.Errorf("without results of a model: %+v", x)
	}
	// Without a length that is complete, depths cannot be compared.
	x, pictures = find(depthJournal(func(model string, length, depth float64) int {
		if depth == 1 {
			return -1
		}
		return 10
	}))
	if x != nil || pictures != 0 {
		t.Errorf("depths without results: %+v", x)
	}
}
