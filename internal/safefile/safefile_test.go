package safefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteIsWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := Write(path, func(w io.Writer) error {
		fmt.Fprint(w, strings.Repeat("new", 1<<20))
		return boom
	})
	if !errors.Is(err, boom) || content(t, path) != "old" || names(t, dir) != "x" {
		t.Fatalf("got %v, %q, files %s", err, content(t, path), names(t, dir))
	}
	if err := WriteBytes(path, []byte("new")); err != nil || content(t, path) != "new" || names(t, dir) != "x" {
		t.Fatalf("got %v, %q, files %s", err, content(t, path), names(t, dir))
	}
	if err := WriteBytes(filepath.Join(dir, "none", "x"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	if err := WriteBytes(dir, nil); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	long := filepath.Join(dir, strings.Repeat("n", 255))
	if err := WriteBytes(long, []byte("x")); err != nil {
		t.Errorf("a name of 255 bytes: %v", err)
	}
}

func TestWriteFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"x.part", ".x.1", "x"} {
		if err := os.Symlink(victim, filepath.Join(dir, link)); err != nil {
			testenv.Missing(t, "no symbolic links in the temporary folder: %v", err)
		}
	}
	if err := WriteBytes(filepath.Join(dir, "x"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	if content(t, victim) != "kept" || content(t, filepath.Join(dir, "x")) != "new" {
		t.Errorf("the victim holds %q, x %q", content(t, victim), content(t, filepath.Join(dir, "x")))
	}
}

// Leftovers are removed. The temporary file of a live writer and files with other names are kept.
func TestWriteClearsLeftoversOfTheDead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	for _, name := range []string{".x.1", ".x.4294967295", ".x.1a", ".x.", ".y.1", "x.1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inner := false
	err := Write(path, func(io.Writer) error {
		inner = true
		before := names(t, dir)
		if err := WriteBytes(path, []byte("second")); err != nil {
			return err
		}
		live := 0
		for name := range strings.FieldsSeq(before) {
			if strings.HasPrefix(name, ".x.") && len(name) > 5 && strings.Contains(names(t, dir), name) {
				live++
			}
		}
		if live != 1 {
			t.Errorf("before a second writer %s, then %s", before, names(t, dir))
		}
		return nil
	})
	if err != nil || !inner {
		t.Fatal(err)
	}
	if got := names(t, dir); got != ".x. .x.1a .y.1 x x.1" {
		t.Errorf("left: %s", got)
	}
}

func TestClearFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".a.png.1", ".a.png", ".b.csv.23", ".b.doc.4", "c.csv.5", ".csv.6", ".d.7"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ClearFolder(dir, ".csv", ".png")
	if got := names(t, dir); got != ".a.png .b.doc.4 .d.7 c.csv.5" {
		t.Errorf("left: %s", got)
	}
}

// A device cannot be synced, which is not an error.
func TestSyncThatIsRefused(t *testing.T) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Sync(f); err != nil {
		t.Errorf("Sync of %s: %v", os.DevNull, err)
	}
	if refused(syscall.EIO) || refused(syscall.ENOSPC) || refused(nil) {
		t.Error("lost data are taken for a refusal")
	}
}

func TestWriteGoesThroughDevices(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no /dev")
	}
	if err := WriteBytes(os.DevNull, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s is now a file", os.DevNull)
	}
}

// Another process holds the lock until it ends.
func TestLockEndsWithItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if os.Getenv("SAFEFILE_HOLD") != "" {
		f, err := os.OpenFile(os.Getenv("SAFEFILE_HOLD"), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil || TryLock(f) != nil {
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = io.ReadAll(os.Stdin)
		os.Exit(0)
	}
	c := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithItsHolder$")
	c.Env = append(os.Environ(), "SAFEFILE_HOLD="+path)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := TryLock(f); errors.Is(err, ErrNoLocks) {
		testenv.Missing(t, "no file locks in the temporary folder: %v", err)
	} else if !errors.Is(err, ErrLocked) {
		t.Fatalf("a held lock: %v", err)
	}
	RemoveUnlocked(path)
	if !IsAt(f, path) {
		t.Fatal("a locked file was removed")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	in.Close()
	if err := TryLock(f); err != nil {
		t.Fatalf("after its holder was killed: %v", err)
	}
}
