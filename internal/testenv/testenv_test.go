package testenv

import "testing"

// outcome is a testing.TB that records how the test ends.
type outcome struct {
	testing.TB
	end string
}

func (o *outcome) Helper()               {}
func (o *outcome) Skipf(string, ...any)  { o.end += "skipped" }
func (o *outcome) Fatalf(string, ...any) { o.end += "failed"; panic(o) } // as Fatalf, it does not return

func TestMissing(t *testing.T) {
	for strict, want := range map[string]string{"": "skipped", "0": "skipped", "1": "failed"} {
		t.Setenv(noSkip, strict)
		o := &outcome{TB: t}
		func() {
			defer func() { _ = recover() }()
			Missing(o, "no %s", "tool")
		}()
		if o.end != want {
			t.Errorf("%s=%s: %s, want %s", noSkip, strict, o.end, want)
		}
	}
}
