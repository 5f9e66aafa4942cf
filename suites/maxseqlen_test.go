package suites

import (
	"slices"
	"strings"
	"testing"
)

// TestLongerThanMaxSeqLen checks that a context longer than the model's max_seq_len is measured,
// with a notice in the plan and a note in the record. A tokenizer that is uncertain has them too.
func TestLongerThanMaxSeqLen(t *testing.T) {
	s, err := Parse([]byte("name: s\nmodels: [a, b]\ntasks:\n  - fake: {lengths: [1Ki, 4Ki, 8Ki]}\n"), "s.yaml", nil, []Task{fakeTask{}})
	if err != nil {
		t.Fatal(err)
	}
	w := fakeWiring(fakeTask{}, map[string]int{})
	resolve := w.Open
	w.Open = func(s *Suite, e Entry) (*Target, error) {
		m, err := resolve(s, e)
		if err == nil && e.Name == "a" {
			m.Config.MaxSeqLen = 4096
		}
		if err == nil && e.Name == "b" {
			m.TokenizerNote = "its ids are uncertain"
		}
		return m, err
	}
	plan, err := NewPlan(t.Context(), s, w)
	if err != nil {
		t.Fatal(err)
	}
	if notices := strings.Join(plan.Notices, "\n"); notices != "a: its checkpoint states a trained context of 4Ki; cases with a longer context: 1\nb: its ids are uncertain" {
		t.Errorf("notices %q", notices)
	}
	j, path := journal(t)
	if _, err := plan.Run(t.Context(), j, nil, &watcher{}); err != nil {
		t.Fatal(err)
	}
	for label, r := range read(t, path) {
		if noted := strings.Contains(strings.Join(r.Notes, "\n"), "exceeds the trained context of 4Ki"); noted != (label == "a fake 8Ki") {
			t.Errorf("%s: notes %q", label, r.Notes)
		}
		if noted := slices.Contains(r.Notes, "its ids are uncertain"); noted != strings.HasPrefix(label, "b ") {
			t.Errorf("%s: notes %q", label, r.Notes)
		}
		if want := map[bool]int{true: 4096}[strings.HasPrefix(label, "a ")]; r.TrainedContext != want {
			t.Errorf("%s: trained context %d, want %d", label, r.TrainedContext, want)
		}
	}
}
