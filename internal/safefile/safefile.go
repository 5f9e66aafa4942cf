// Package safefile writes files whole and locks files.
//
// Write is the one way to replace a file: a reader sees the old content or the new one, never a
// part of either. The temporary file is in the same folder, is called .NAME.DIGITS, and is locked
// as long as its writer lives. So a later Write of the same file can distinguish leftovers of
// killed writers, which it removes, from files of live ones.
package safefile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrLocked reports that another open file holds the lock.
var ErrLocked = errors.New("locked by another process")

// ErrNoLocks reports that the file system or the operating system has no file locks.
var ErrNoLocks = errors.New("this file system has no file locks")

// Write replaces the file at path by what write writes, whole or not at all. Data are synced before
// the file gets its name, and the folder after that, except where the file system refuses to sync.
// A path that names a device or a pipe is written to directly.
func Write(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &fs.PathError{Op: "write", Path: path, Err: errors.New("is a folder")}
	} else if err == nil && !info.Mode().IsRegular() {
		return writeThrough(path, write)
	}
	clearLeftovers(path)
	f, err := create(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename nothing is left to remove
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := Sync(f); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // an open file cannot be renamed there
		if err := f.Close(); err != nil {
			return err
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncFolder(filepath.Dir(path))
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// WriteBytes replaces the file at path by data, as Write does.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func writeThrough(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// longestName bounds the part of a file's name that its temporary file repeats: file systems allow
// 255 bytes.
const longestName = 200

// prefix returns the prefix of the names of the temporary files of path.
func prefix(path string) string {
	base := filepath.Base(path)
	return "." + base[:min(len(base), longestName)] + "."
}

// create makes a locked temporary file for path.
func create(path string) (*os.File, error) {
	for range 1000 {
		name := filepath.Join(filepath.Dir(path), prefix(path)+strconv.FormatUint(uint64(rand.Uint32()), 10))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := TryLock(f); errors.Is(err, ErrLocked) || !IsAt(f, name) {
			// Another process removed it as a leftover between the two calls.
			f.Close()
			os.Remove(name)
			continue
		}
		return f, nil
	}
	return nil, &fs.PathError{Op: "create", Path: path, Err: errors.New("no free name for a temporary file")}
}

// clearLeftovers removes the temporary files of path whose writers are dead.
func clearLeftovers(path string) {
	start := prefix(path)
	clear(filepath.Dir(path), func(name string) bool { return name == start })
}

// ClearFolder removes the temporary files of dead writers in dir, of all files whose names end in
// one of the extensions.
func ClearFolder(dir string, extensions ...string) {
	clear(dir, func(name string) bool {
		return slices.Contains(extensions, filepath.Ext(strings.TrimSuffix(name, ".")))
	})
}

// clear removes the temporary files of dead writers whose names without the digits are chosen.
func clear(dir string, chosen func(name string) bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := strings.TrimRight(e.Name(), "0123456789")
		if name != e.Name() && e.Type().IsRegular() && strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".") && chosen(name) {
			RemoveUnlocked(filepath.Join(dir, e.Name()))
		}
	}
}

// RemoveUnlocked removes a regular file that no process has locked. If it cannot determine that, it
// keeps the file.
func RemoveUnlocked(path string) {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow|nonBlock, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if TryLock(f) != nil || !IsAt(f, path) {
		return
	}
	if runtime.GOOS == "windows" {
		f.Close()
	}
	_ = os.Remove(path) // a leftover that stays does no harm
}

// IsAt reports whether f is the file at path, which may be a link.
func IsAt(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// Sync syncs f. A file system that refuses to sync is no error; one that lost data is.
func Sync(f *os.File) error {
	err := f.Sync()
	if refused(err) {
		return nil
	}
	return err
}

// refused reports whether err means that a file system does not offer an operation.
func refused(err error) bool {
	for _, e := range []error{syscall.EINVAL, syscall.ENOSYS, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOTTY, syscall.EPERM, syscall.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.Is(err, errors.ErrUnsupported)
}

// syncFolder makes a rename in dir durable, where the system can.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // the file itself is synced; only its name could be lost with the power
		d.Close()
	}
}
