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

// Writer appends lines to a journal. Each line is synced before Append returns. A Writer holds the
// journal's lock until it is closed or its process ends.
type Writer struct {
	f    *os.File
	path string
	// size is the length of the complete lines in bytes.
	size   int64
	notice string
}

// LockedError reports that another process is writing the journal.
type LockedError struct {
	Path string
	// Holder describes the process and its host, if known.
	Holder string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is being written by %s: a run has one writer at a time", e.Path, e.Holder)
}

// LostError reports that the journal was moved, deleted or changed while its writer had it open.
type LostError struct {
	Path string
	// Now is the present path of the file, or "" if it was deleted or the path is unknown.
	Now string
	// Replaced reports that another file is at Path.
	Replaced bool
	// Changed reports that another program truncated the file or wrote to it.
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

// writerFile returns the path of the file that identifies the writer of the journal at path.
func writerFile(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".writer")
}

// Create creates and locks a journal. The file must not exist.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return lock(f, path)
}

// Reopen locks a journal for appending, reads it, and removes an incomplete last line. It returns a
// *LockedError if another process is writing the journal.
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

// read reads the journal and makes it end with a complete line.
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

// lock returns a Writer of f, which was opened at path.
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
	// Used only for the error message of a second writer.
	_ = safefile.WriteBytes(writerFile(path), fmt.Appendf(nil, "process %d on host %s\n", os.Getpid(), host))
	return w, nil
}

// holder describes the process that holds the lock on the journal at path.
func holder(path string) string {
	b, err := os.ReadFile(writerFile(path))
	text := strings.TrimSpace(string(b))
	if err != nil || !strings.HasPrefix(text, "process ") || len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return "another process"
	}
	return text
}

// Notice returns a notice if the journal could not be locked, otherwise "".
func (w *Writer) Notice() string { return w.notice }

// Empty reports whether the journal has no line.
func (w *Writer) Empty() bool { return w.size == 0 }

// Check returns a *LostError if the journal is no longer at its path, or does not have the length
// that was written.
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

// now returns the present path of the journal, or "" if the system does not provide it.
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

// Append writes v, a Run or a Record, as one line in one write and syncs it. It removes the partial
// line of a failed write.
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

// cut truncates the file to its complete lines. It uses the path, because Windows cannot truncate a
// file that is open for appending by its handle.
func (w *Writer) cut() error {
	if info, err := w.f.Stat(); err != nil || info.Size() == w.size {
		return err
	}
	if runtime.GOOS == "windows" {
		return os.Truncate(w.path, w.size)
	}
	return w.f.Truncate(w.size)
}

// Close closes the file and releases the lock.
func (w *Writer) Close() error {
	if safefile.IsAt(w.f, w.path) {
		_ = os.Remove(writerFile(w.path)) // useless without the lock
	}
	return w.f.Close()
}

// Discard closes and removes a journal to which nothing was appended.
func (w *Writer) Discard() {
	if w.Empty() && w.Check() == nil {
		_ = os.Remove(w.path)
	}
	_ = os.Remove(writerFile(w.path))
	_ = w.f.Close()
}
