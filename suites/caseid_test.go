package suites

import "testing"

// TestCaseIDVersion checks that the version of a case changes its id, and that version 0 keeps the
// old id.
func TestCaseIDVersion(t *testing.T) {
	id := func(version int) string {
		p := &PlannedCase{Case: Case{Label: "x", Params: map[string]any{"length": 1}, Version: version}, Task: "needle", Model: &Target{}}
		s, err := caseID(1, p)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if again := id(1); id(0) == id(1) || id(1) == id(2) || again != id(1) {
		t.Errorf("ids %s, %s, %s", id(0), id(1), id(2))
	}
}
