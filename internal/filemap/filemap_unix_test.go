//go:build unix

package filemap

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/yocobench/yocobench/internal/testenv"
)

// TestCutShort: a file that is cut short while it is open is an error, not a fault.
func TestCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	c, size, err := Open(path)
	if err != nil || size != 1<<20 {
		t.Fatal(size, err)
	}
	whole, err := c.Bytes(0, size)
	if err != nil || len(whole) != 1<<20 {
		t.Fatal(len(whole), err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bytes(1<<20-4, 4); err == nil || !strings.Contains(err.Error(), "f: cut short from 1048576 to 4096 bytes") {
		t.Error(err)
	}
	err = Guard(path, func() error {
		_, err := io.Discard.Write(append([]byte(nil), whole...))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "f: cut short while it was read") {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestParseCutShort: a file that is cut short while it is parsed is an error, and is closed.
func TestParseCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := Parse(path, func(c Content, size int64) (int, error) {
		b, err := c.Bytes(0, size)
		if err != nil {
			return 0, err
		}
		if err := os.Truncate(path, 0); err != nil {
			return 0, err
		}
		return len(append([]byte(nil), b...)), nil
	})
	if n != 0 || err == nil || !strings.Contains(err.Error(), "f: cut short while it was read") {
		t.Error(n, err)
	}
}

// TestPipe: opening a pipe, which would block until it is written to, is an error, as is a folder.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		testenv.Missing(t, "named pipes: %v", err)
	}
	for _, path := range []string{pipe, filepath.Dir(pipe)} {
		if _, _, err := Open(path); err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
