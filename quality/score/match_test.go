package score

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestMatchRecorded compares with scores of RULER's own functions (tools/fixtures/rulerscore.py).
func TestMatchRecorded(t *testing.T) {
	b, err := os.ReadFile("testdata/ruler.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Answer     string
		References []string
		All, Part  float64
	}
	if err := json.Unmarshal(b, &rows); err != nil || len(rows) < 600 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, r := range rows {
		// RULER rounds to two digits of a percentage.
		if got := MatchAll(r.Answer, r.References); !(math.Abs(got-r.All) <= 5.1e-5) {
			t.Errorf("all of %q in %q: %g, want %g", r.References, r.Answer, got, r.All)
		}
		if got := MatchAny(r.Answer, r.References); got != r.Part {
			t.Errorf("any of %q in %q: %g, want %g", r.References, r.Answer, got, r.Part)
		}
	}
}

func TestMatchNoReferences(t *testing.T) {
	if a, b := MatchAll("x", nil), MatchAny("x", nil); a != 0 || b != 0 {
		t.Errorf("without references: %g and %g", a, b)
	}
}
