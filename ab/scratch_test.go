package ab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScratchNeedsExec checks that folders that forbid executing programs are skipped, and that the
// error has a hint if none is left.
func TestScratchNeedsExec(t *testing.T) {
	noexec, other := t.TempDir(), t.TempDir()
	starts := func(dir string) error {
		if strings.HasPrefix(dir, noexec) {
			return errNoExec
		}
		return nil
	}
	dir, done, err := scratchIn([]string{noexec, other}, starts)
	if err != nil || filepath.Dir(dir) != other {
		t.Fatalf("got %s, %v", dir, err)
	}
	clearScratch(t.Context(), other)
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the folder of a live process was removed: %v", err)
	}
	done()
	if _, _, err = scratchIn([]string{noexec}, starts); err == nil || !strings.Contains(err.Error(), "mounted noexec") || !strings.Contains(err.Error(), "hint: set TMPDIR") {
		t.Errorf("got %v", err)
	}
	for _, d := range []string{noexec, other} {
		if left, err := os.ReadDir(d); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", d, left, err)
		}
	}
	if err := startsPrograms(other); err != nil {
		t.Errorf("a plain folder: %v", err)
	}
}
