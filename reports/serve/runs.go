package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// stamp identifies a version of a file.
type stamp struct {
	size  int64
	mtime time.Time
}

// entry is a journal in the list.
type entry struct {
	// Path is the journal's path relative to the folder, with slashes.
	Path string
	// Name is the run's folder, or the journal's path if it is not named results.jsonl.
	Name         string
	Suite, Title string
	Models       []string
	Counts       []count
	Start        time.Time
	Machine      string
	Notice       string
	// Round is non-zero if the journal is a round of an interleaved measurement.
	Round int
	// Broken is the reason for which the journal cannot be read. Then only Path, Name and Start
	// (the file's time) are set.
	Broken string

	stamp stamp
}

// count is the number of cases of one status.
type count struct {
	N      int
	Status string
}

// journalName is the name of the journal in a run folder.
const journalName = "results.jsonl"

// runs returns the journals, newest first. It does not read unchanged journals again.
func (s *Server) runs(ctx context.Context) ([]entry, error) {
	var out []entry
	fresh := map[string]entry{}
	s.mu.Lock()
	known := s.known
	s.mu.Unlock()
	err := fs.WalkDir(s.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if p == "." {
				return err
			}
			out = append(out, entry{Path: p, Name: cleantext.Line(p), Broken: cleantext.Line(err.Error())})
			return nil
		}
		if d.IsDir() {
			if p != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || path.Ext(p) != ".jsonl" {
			return nil
		}
		e, ok := known[p]
		info, err := d.Info()
		if err != nil {
			return nil // it was removed meanwhile
		}
		if now := (stamp{info.Size(), info.ModTime()}); !ok || e.stamp != now {
			e = s.describe(p)
			e.stamp = now
			if e.Start.IsZero() {
				e.Start = info.ModTime()
			}
		}
		fresh[p] = e
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.known = fresh
	s.mu.Unlock()
	slices.SortStableFunc(out, func(a, b entry) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Path, b.Path))
	})
	return out, nil
}

// nameOf returns the name of a run: its folder, or its journal's path.
func nameOf(p string) string {
	if dir, file := path.Split(p); file == journalName && dir != "" {
		return strings.TrimSuffix(dir, "/")
	}
	return p
}

// describe reads a journal for the list.
func (s *Server) describe(p string) entry {
	e := entry{Path: p, Name: cleantext.Line(nameOf(p))}
	j, err := s.read(p)
	if err == nil && len(j.Runs) == 0 && len(j.Records) == 0 {
		// The run ended before it wrote a complete line, or the file is empty.
		err = errors.New(cmp.Or(j.Notice, "it is empty"))
	}
	if err != nil {
		e.Broken = cleantext.Line(err.Error())
		return e
	}
	e.Notice = cleantext.Line(j.Notice)
	if h := j.Header(); h != nil {
		e.Suite, e.Title, e.Start, e.Machine, e.Round = cleantext.Line(h.Suite), cleantext.Line(h.Title), h.Start, cleantext.Line(machine(h.Env)), h.Round
	}
	n := map[string]int{}
	for _, r := range j.Records {
		if model := cleantext.Line(r.Model); !slices.Contains(e.Models, model) {
			e.Models = append(e.Models, model)
		}
		status := cleantext.Line(string(r.Status))
		if n[status]++; n[status] == 1 {
			e.Counts = append(e.Counts, count{0, status})
		}
	}
	for i := range e.Counts {
		e.Counts[i].N = n[e.Counts[i].Status]
	}
	if missing := j.Missing(); missing > 0 {
		e.Counts = append(e.Counts, count{missing, "not run"})
	}
	return e
}

// machine describes an environment briefly.
func machine(e result.Env) string {
	words := []string{e.CPU}
	if e.Threads > 0 {
		words = append(words, fmt.Sprintf("%d threads", e.Threads))
	}
	words = append(words, e.GPU)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}

// stat returns the stamp of the journal at a path relative to the folder.
func (s *Server) stat(p string) (stamp, error) {
	if !fs.ValidPath(p) || path.Ext(p) != ".jsonl" {
		return stamp{}, fmt.Errorf("%q is not a journal: %w", p, fs.ErrNotExist)
	}
	info, err := s.root.Stat(p)
	if err != nil {
		return stamp{}, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return stamp{}, fmt.Errorf("%s is not a file: %w", p, fs.ErrNotExist)
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

// read reads the journal at a path relative to the folder.
func (s *Server) read(p string) (*result.Journal, error) {
	if _, err := s.stat(p); err != nil {
		return nil, err
	}
	f, err := s.root.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return result.Read(f, p)
}
