package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/suites/result"
)

// journalName is the journal's file in a run's folder.
const journalName = "results.jsonl"

// newFolder creates the folder of a new run: out, or if out is empty a folder named by what is run
// and the time. It accepts an existing empty folder; made is then false.
func newFolder(out, what string) (dir string, made bool, err error) {
	if dir = out; dir == "" {
		dir = defaultOut(what, time.Now())
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", false, err
	}
	err = os.Mkdir(dir, 0o755)
	if out == "" { // another run started in the same second
		for i := 2; errors.Is(err, os.ErrExist) && i < 100; i++ {
			dir = fmt.Sprintf("%s-%d", defaultOut(what, time.Now()), i)
			err = os.Mkdir(dir, 0o755)
		}
	}
	if errors.Is(err, os.ErrExist) {
		return dir, false, usable(dir)
	}
	return dir, err == nil, err
}

// usable returns an error if a run cannot start in an existing folder. The folder must be empty, or
// contain only a journal without a line.
func usable(dir string) error {
	const another = "give another --out"
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return usagef("%s is a broken link\n  hint: %s", dir, another)
	case !info.IsDir():
		return usagef("%s exists and is not a folder\n  hint: %s", dir, another)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	journal, err := os.Stat(filepath.Join(dir, journalName))
	switch {
	case err == nil && journal.Size() > 0:
		hint := another
		if _, err := result.ReadFile(filepath.Join(dir, journalName)); err == nil {
			hint += ", or resume it: yocobench run --resume " + cleantext.ShellQuote(dir)
		}
		return usagef("%s exists; a run is never overwritten\n  hint: %s", dir, hint)
	case err == nil:
		return nil
	case len(entries) > 0:
		return usagef("%s exists; a run is never overwritten, and only an empty folder is used\n  hint: %s", dir, another)
	}
	return nil
}

// newJournal creates the folder and the journal of a new run. It reports whether it made the
// folder.
func newJournal(out, suite string) (dir string, made bool, w *result.Writer, err error) {
	dir, made, err = newFolder(out, suite)
	if err != nil {
		return "", false, nil, err
	}
	path := filepath.Join(dir, journalName)
	if w, err = result.Create(path); errors.Is(err, os.ErrExist) {
		if w, _, err = result.Reopen(path); err == nil && !w.Empty() {
			w.Close()
			err = usable(dir)
		}
	}
	if err != nil && made {
		_ = os.Remove(dir)
	}
	return dir, made, w, err
}

// readRun reads the journal of a run. The path is the run's folder or the journal itself. A journal
// without a line is an error.
func readRun(path string) (*result.Journal, error) {
	file, err := journalAt(path)
	if err != nil {
		return nil, err
	}
	j, err := result.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return j, hasLines(j, file)
}

// clearFolder removes temporary files that killed writers left in a run's folder.
func clearFolder(dir string) {
	safefile.ClearFolder(dir, ".csv", ".html", ".json", ".md", ".png", ".svg", ".txt", ".writer")
}

// journalAt finds the journal of a run.
func journalAt(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", usagef("no run at %s: %v", path, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return path, nil
	}
	file := filepath.Join(path, journalName)
	if info, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		hint := ""
		if usable(path) == nil {
			hint = "\n  hint: the folder is empty; start a run in it: yocobench run SUITE --out " + cleantext.ShellQuote(path)
		}
		return "", usagef("%s is not a run: it has no %s%s", path, journalName, hint)
	} else if err == nil && !info.Mode().IsRegular() { // opening a pipe blocks
		return "", usagef("%s is not a run: its %s is not a regular file", path, journalName)
	}
	return file, nil
}

// hasLines returns an error if a journal has no readable line.
func hasLines(j *result.Journal, file string) error {
	if len(j.Runs) > 0 || len(j.Records) > 0 {
		return nil
	}
	what := file + " is empty: nothing was measured"
	if j.Notice != "" {
		what = file + " has no complete line: nothing was measured"
	}
	hint := ""
	if dir := filepath.Dir(file); filepath.Base(file) == journalName {
		hint = "\n  hint: start the run again in its folder: yocobench run SUITE --out " + cleantext.ShellQuote(dir)
		if j.Notice != "" {
			hint = fmt.Sprintf("\n  hint: delete it and start the run again: rm %s && yocobench run SUITE --out %s", cleantext.ShellQuote(file), cleantext.ShellQuote(dir))
		}
	}
	return &exitError{exitFailed, errors.New(what + hint)}
}

// notice prints a notice about a journal, if there is one.
func notice(w io.Writer, text string) {
	if text != "" {
		fmt.Fprintln(w, "notice:", text)
	}
}

// relative returns the path from one folder to another; both may be links. It returns "" if the
// path leads through the root or to another volume, because it would reveal folder names of the
// machine, as an absolute path does.
func relative(from, to string) string {
	a, errA := realPath(from)
	b, errB := realPath(to)
	if errA != nil || errB != nil {
		return ""
	}
	rel, err := filepath.Rel(a, b)
	if err != nil {
		return ""
	}
	up := 0
	for part := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
		if part == ".." {
			up++
		}
	}
	if top := filepath.Clean(filepath.Join(a, strings.Repeat("../", up))); up > 0 && top == filepath.Dir(top) {
		return ""
	}
	return filepath.ToSlash(rel)
}

// realPath returns the absolute path with links resolved.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// below resolves a path relative to dir. It returns the absolute path, or the path relative to the
// working directory if that is shorter.
func below(dir, rel string) (string, error) {
	real, err := realPath(dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(real, filepath.FromSlash(rel))
	if wd, err := realPath("."); err == nil {
		if short, err := filepath.Rel(wd, path); err == nil && len(short) < len(path) {
			return short, nil
		}
	}
	return path, nil
}
