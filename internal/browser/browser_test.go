package browser

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// A missing browser skips the test, or fails it if tests must not be skipped.
func TestNoBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, strict := range []string{"", "1"} {
		t.Setenv("YOCOBENCH_NO_SKIP", strict)
		f := &outcome{TB: t}
		done := make(chan bool)
		go func() {
			defer close(done)
			Open(f, "file://"+os.DevNull)
		}()
		<-done
		if want := map[string]string{"": "skip: no Chromium on PATH", "1": "fail: no Chromium on PATH"}[strict]; !strings.HasPrefix(f.said, want) {
			t.Errorf("strict %q: %q, want %q", strict, f.said, want)
		}
	}
}

// outcome records how a test would have ended.
type outcome struct {
	testing.TB
	said string
}

func (o *outcome) Helper() {}

func (o *outcome) Skipf(format string, args ...any) {
	o.said = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.said = "fail: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}
