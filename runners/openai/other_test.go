package openai

import (
	"fmt"
	"strings"
	"testing"
)

// TestOtherModel checks that a case has a note if its answers name another model than the requests,
// without folders, and that a server cannot make that note long.
func TestOtherModel(t *testing.T) {
	m := New(&Server{c: newClient(Spec{Model: "mine"})})
	answer := func(name string) {
		t.Helper()
		if _, err := m.s.c.parseAnswer(fmt.Appendf(nil, `{"model":%q,"choices":[]}`, name)); err != nil {
			t.Fatal(err)
		}
	}
	notes := func() string {
		t.Helper()
		all, err := m.EndCase()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	answer("mine")
	answer("")
	if got := notes(); got != "" {
		t.Errorf("answers of the model: %q", got)
	}
	answer("mine")
	answer("/home/user/other")
	answer("other")
	if got, want := notes(), "answers name another model than mine: other"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := notes(); got != "" {
		t.Errorf("the next case: %q", got)
	}
	for i := range 1000 {
		answer(fmt.Sprint("m", i))
	}
	if got := notes(); len(got) > 100 || !strings.HasSuffix(got, "m7, others") {
		t.Errorf("%q", got)
	}
}
