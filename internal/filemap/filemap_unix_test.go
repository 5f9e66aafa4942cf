//go:build unix

package filemap

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPipe: opening a pipe, which would block until it is written to, is an error, as is a folder.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{pipe, filepath.Dir(pipe)} {
		if _, _, err := Open(path); err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
