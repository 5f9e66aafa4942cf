package suites

import (
	"strings"
	"testing"
)

func TestGates(t *testing.T) {
	s, err := parse(good + "gates:\n  - fake.x >= 1 @ 4Ki\n  - {gate: 'b.fake.x <= 2x baseline @ trials=3', confidence: 0.99}\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(t.Context(), s, fakeWiring(fakeTask{}, map[string]int{})); err != nil {
		t.Fatal(err)
	}
	if len(s.Gates) != 2 || s.Gates[0].Confidence != 0.95 || s.Gates[1].Confidence != 0.99 || s.Gates[1].Models != "b" {
		t.Errorf("got %+v", s.Gates)
	}
	// The gates of an old run are read whatever else its text contains.
	old, err := ReadGates(strings.ReplaceAll(s.Text, "tasks:", "unheard_of:"), "old")
	if err != nil || len(old) != 2 || old[1].Confidence != 0.99 {
		t.Errorf("got %+v, %v", old, err)
	}
}

func TestGateErrors(t *testing.T) {
	for gate, want := range map[string]string{
		"gates: fake.x >= 1":                             "s.yaml:6: expected a list",
		"gates:\n  - fake.x > 1":                         "s.yaml:7: gate \"fake.x > 1\": expected >= or <=",
		"gates:\n  - fake.x >= 1\n  - fake.x >= 1 furl":  "s.yaml:8: gate \"fake.x >= 1 furl\": unknown unit \"furl\"",
		"gates:\n  - fakr.x >= 1":                        "s.yaml:7: gate \"fakr.x >= 1\": the suite has no task \"fakr\"\n  hint: did you mean \"fake\"?",
		"gates:\n  - fake.xs >= 1":                       "s.yaml:7: gate \"fake.xs >= 1\": fake has no metric \"xs\"\n  hint: its metrics: x, call",
		"gates:\n  - fake.x >= 1 ms":                     "s.yaml:7: gate \"fake.x >= 1 ms\": its limit is in s, but fake.x is in x",
		"gates:\n  - fake.x >= 1 @ 3Ki":                  "s.yaml:7: gate \"fake.x >= 1 @ 3Ki\": no case of the suite matches it",
		"gates:\n  - {gate: fake.x >= 1, sure: 1}":       "s.yaml:7: unknown field \"sure\"",
		"gates:\n  - {gate: fake.x >= 1, confidence: 1}": "s.yaml:7: confidence: expected 0.5 to below 1",
		"gates:\n  - {confidence: 0.9}":                  "s.yaml:7: gate \"\": expected >= or <=",
		"gates:\n  - [fake.x >= 1]":                      "s.yaml:7: expected a gate",
	} {
		s, err := parse(good + gate + "\n")
		if err == nil {
			_, err = NewPlan(t.Context(), s, fakeWiring(fakeTask{}, map[string]int{}))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", gate, err, want)
		}
	}
	if _, err := ReadGates("gates: [a]", "old/results.jsonl"); err == nil || !strings.Contains(err.Error(), "old/results.jsonl:1: gate") {
		t.Errorf("got %v", err)
	}
}
