package result

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/yocobench/yocobench/internal/safefile"
)

// Writer appends lines to a journal, each synced before Append returns. It holds the journal's lock
// until it is closed or its process ends.
type Writer struct {
	f    *os.File
	path string
	// size is the length of the file's whole lines.
	size   int64
	notice string
}

// LockedError reports that another process writes a journal.
type LockedError struct {
	Path string
	// Holder names the process and its host, as far as they are known.
	Holder string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is being written by %s: a run has one writer at a time", e.Path, e.Holder)
}

// LostError reports that a journal is no longer where its writer opened it, or not as its writer
// wrote it.
type LostError struct {
	Path string
	// Now is where the file is, empty if it was deleted or nobody knows.
	Now string
	// Replaced: another file is at Path.
	Replaced bool
	// Changed: something else cut the file or wrote to it.
	Changed bool
}

func (e *LostError) Error() string {
	switch {
	case e.Changed:
		return fmt.Sprintf("%s was changed by another program during the run", e.Path)
	case e.Now != "":
		return fmt.Sprintf("%s was moved to %s during the run", e.Path, e.Now)
	case e.Replaced:
		return fmt.Sprintf("%s was replaced by another file during the run", e.Path)
	}
	return fmt.Sprintf("%s was deleted or moved away during the run", e.Path)
}

// writerFile names the file that says who writes the journal at path.
func writerFile(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".writer")
}

// Create makes a new journal and locks it. The file must not exist.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return lock(f, path)
}

// Reopen locks a journal to append to, reads it, and cuts off a torn last line. It returns a
// *LockedError if another process writes the journal.
func Reopen(path string) (*Writer, *Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, nil, err
	}
	w, err := lock(f, path)
	if err != nil {
		return nil, nil, err
	}
	j, err := w.read()
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return w, j, nil
}

// read reads the journal and makes its end that of a line.
func (w *Writer) read() (*Journal, error) {
	j, err := Read(io.NewSectionReader(w.f, 0, 1<<62), w.path)
	if err != nil {
		return nil, err
	}
	if w.size = j.Good; j.unended {
		if _, err := w.f.WriteString("\n"); err != nil {
			return nil, err
		}
		w.size++
	}
	return j, w.cut()
}

// lock makes f, opened at path, a Writer.
func lock(f *os.File, path string) (*Writer, error) {
	w := &Writer{f: f, path: path}
	err := safefile.TryLock(f)
	switch {
	case errors.Is(err, safefile.ErrLocked):
		f.Close()
		return nil, &LockedError{path, holder(path)}
	case errors.Is(err, safefile.ErrNoLocks):
		w.notice = fmt.Sprintf("%s is not locked: %v; make sure that nothing else writes to it", path, err)
	case err != nil:
		f.Close()
		return nil, err
	}
	if !safefile.IsAt(f, path) {
		f.Close()
		return nil, &LostError{Path: path, Replaced: true}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	// For the message of a second writer only.
	_ = safefile.WriteBytes(writerFile(path), fmt.Appendf(nil, "process %d on host %s\n", os.Getpid(), host))
	return w, nil
}

// holder names the process that holds the lock on the journal at path.
func holder(path string) string {
	b, err := os.ReadFile(writerFile(path))
	text := strings.TrimSpace(string(b))
	if err != nil || !strings.HasPrefix(text, "process ") || len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return "another process"
	}
	return text
}

// Notice is not empty where the journal could not be locked.
func (w *Writer) Notice() string { return w.notice }

// Empty reports whether the journal has no line.
func (w *Writer) Empty() bool { return w.size == 0 }

// Check returns a *LostError if the journal is no longer at the path where it was opened, or its
// length is not that of what was written.
func (w *Writer) Check() error {
	if safefile.IsAt(w.f, w.path) {
		if info, err := w.f.Stat(); err != nil || info.Size() != w.size {
			return &LostError{Path: w.path, Changed: true}
		}
		return nil
	}
	e := &LostError{Path: w.path, Now: w.now()}
	_, err := os.Lstat(w.path)
	e.Replaced = err == nil
	return e
}

// now is where the journal is, "" where the system does not say.
func (w *Writer) now() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", w.f.Fd()))
	if err != nil || !safefile.IsAt(w.f, path) {
		return ""
	}
	return path
}

// Append writes v, a Run or a Record, as one line in one write and syncs it. What a failed write
// left is cut off.
func (w *Writer) Append(v any) error {
	b, err := Encode(v)
	if err != nil {
		return err
	}
	if n, err := w.f.Write(b); err != nil {
		if info, statErr := w.f.Stat(); statErr == nil && info.Size() == w.size+int64(n) {
			err = errors.Join(err, w.cut())
		}
		return err
	}
	w.size += int64(len(b))
	return safefile.Sync(w.f)
}

// cut cuts the file to its whole lines. (A file opened to append cannot be cut by its handle on
// Windows.)
func (w *Writer) cut() error {
	if info, err := w.f.Stat(); err != nil || info.Size() == w.size {
		return err
	}
	if runtime.GOOS == "windows" {
		return os.Truncate(w.path, w.size)
	}
	return w.f.Truncate(w.size)
}

// Close closes the file and gives the lock back.
func (w *Writer) Close() error {
	if safefile.IsAt(w.f, w.path) {
		_ = os.Remove(writerFile(w.path)) // it says nothing once the lock is gone
	}
	return w.f.Close()
}

// Discard closes and removes a journal that nothing was appended to.
func (w *Writer) Discard() {
	if w.Empty() && w.Check() == nil {
		_ = os.Remove(w.path)
	}
	_ = os.Remove(writerFile(w.path))
	_ = w.f.Close()
}
