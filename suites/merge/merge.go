// Package merge joins the journals of the shards of one plan into one.
//
// A merged journal has the headers of all runs, a header of its own at the end
// (result.Merged), and the records in the order of the plan. Each record names
// the header that it was measured under (Record.Run), which names host and
// machine. A merged journal can be merged again, with shards or other merged
// journals.
//
// If several runs measured a case, the first record with a result is kept; the others are left out
// and counted. Times of a second run cannot be pooled with those of the first, because runs differ
// by more than the samples within a run. Exact metrics, which do not depend on the machine, must
// agree.
//
// The lines of records are copied unchanged. Only the ids of the cases and the positions of their
// lines are in memory, so a million cases take some hundred MB.
package merge

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// Set is the content of the journals to merge.
type Set struct {
	// Notices describe lines that could not be read.
	Notices []string

	// first is the first header; the other shards must match it.
	first     result.Run
	firstPath string
	// runs are the headers of shards, ids their indexes by ID.
	runs []run
	ids  map[string]int
	// paths are the journals that were added.
	paths []string
	// places maps each case of the shards that are present to its index in the plan and its shard.
	places map[string]place
	// best is the record to keep of each case.
	best       map[string]line
	duplicates int
	// unplanned counts records of cases that their shard does not have.
	unplanned int

	// The lines are in the spool file: file, written through w, size bytes so far.
	file *os.File
	w    *bufio.Writer
	size int64
}

// run holds the parts of a header that are needed later.
type run struct {
	id, host, path string
	shard          int
	start          int64
	env            result.Env
	at             span
}

// place is the index of a case in the plan, and its shard.
type place struct{ index, shard int32 }

// span is the position of a line in the spool file.
type span struct {
	at int64
	n  int32
}

// line is a record's line.
type line struct {
	span
	run   int32 // index in runs
	path  int32 // index in paths
	rank  int32 // by status, the best first
	start int64 // Unix nanoseconds
}

// maxCases bounds the cases of a plan, which a header states.
const maxCases = 100_000_000

// NewSet returns an empty set that keeps the lines of journals in spool, an empty file.
func NewSet(spool *os.File) *Set {
	return &Set{ids: map[string]int{}, places: map[string]place{}, best: map[string]line{}, file: spool, w: bufio.NewWriterSize(spool, 1<<20)}
}

// Add adds the journal at path. It returns an error if the journal is not of a shard or belongs to
// another plan, or if an exact metric differs from that of another run.
func (s *Set) Add(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s.paths = append(s.paths, path)
	own := map[string]line{} // the last record of each case of this journal
	current := -1            // the header in force
	headers := 0
	header := func(h result.Run, text []byte) error {
		if h.Merged != nil {
			return nil
		}
		headers++
		for _, id := range h.Dropped {
			delete(own, id)
		}
		var err error
		current, err = s.header(path, h, text)
		return err
	}
	entry := func(e result.Entry) error {
		at := current
		if e.Run != "" {
			var ok bool
			if at, ok = s.ids[e.Run]; !ok {
				at = -1
			}
		}
		if at < 0 || s.places[e.Case].shard != int32(s.runs[at].shard) {
			s.unplanned++
			return nil
		}
		text, err := e.Under(s.runs[at].id)
		if err != nil {
			return err
		}
		sp, err := s.spool(text)
		own[e.Case] = line{sp, int32(at), int32(len(s.paths) - 1), rank(e.Status), e.Start.UnixNano()}
		return err
	}
	notice, err := result.Scan(f, path, header, entry)
	if err != nil {
		return err
	}
	if notice != "" {
		s.Notices = append(s.Notices, notice)
	}
	if headers == 0 && notice != "" {
		return fmt.Errorf("%s: it has no readable header, so nothing says which shard it is: %s", path, notice)
	}
	if headers == 0 {
		return fmt.Errorf("%s: it has no header, so nothing says which shard it is", path)
	}
	for _, id := range sortedKeys(own) {
		if err := s.keep(id, own[id]); err != nil {
			return err
		}
	}
	return nil
}

// rank orders the outcomes of a case: results first, then outcomes that another attempt would not
// change.
func rank(s result.Status) int32 {
	return int32(slices.Index([]result.Status{result.OK, result.OOM, result.Unsupported, result.Failed, result.Skipped}, s)+6) % 6
}

// header adds a header and returns its index.
func (s *Set) header(path string, h result.Run, text []byte) (int, error) {
	sh := h.Shard
	switch {
	case sh == nil:
		return 0, fmt.Errorf("%s is no shard: it was run without --shard\n  hint: yocobench compare and gate take whole runs", path)
	case h.ID == "" || sh.Number < 1 || sh.Number > sh.Count || sh.Count > result.MaxShards || sh.PlanCases < 0 || sh.PlanCases > maxCases || len(sh.Cases) > sh.PlanCases:
		return 0, fmt.Errorf("%s: the header says nothing sensible about the shard: %s of %d cases, run %q", path, sh, sh.PlanCases, cleantext.Line(h.ID))
	}
	if at, ok := s.ids[h.ID]; ok { // a copy of the same run
		return at, nil
	}
	if len(s.runs) == 0 {
		s.first, s.firstPath = h, path
		cases := *sh
		cases.Cases = nil
		s.first.Shard = &cases
	} else if f := s.first.Shard; f.Plan != sh.Plan || f.Count != sh.Count || f.PlanCases != sh.PlanCases {
		return 0, fmt.Errorf("%s and %s are no shards of one plan: %s", s.firstPath, path, strings.Join(differences(&s.first, &h), ", "))
	}
	for id, index := range sh.Cases {
		if index < 0 || index >= sh.PlanCases {
			return 0, fmt.Errorf("%s: the header has case %d of %d", path, index, sh.PlanCases)
		}
		p := place{int32(index), int32(sh.Number)}
		if old, ok := s.places[id]; ok && old != p {
			return 0, fmt.Errorf("%s: case %s is in shard %d and in shard %d", path, cleantext.Line(id), old.shard, sh.Number)
		}
		s.places[id] = p
	}
	sp, err := s.spool(text)
	s.ids[h.ID] = len(s.runs)
	s.runs = append(s.runs, run{h.ID, h.Host, path, sh.Number, h.Start.UnixNano(), h.Env, sp})
	return len(s.runs) - 1, err
}

// differences lists the fields in which the headers of two different plans differ.
func differences(a, b *result.Run) (out []string) {
	see := func(what, x, y string) {
		if x != y {
			out = append(out, fmt.Sprintf("%s (%s, %s)", what, cleantext.Line(cmp.Or(x, "none")), cleantext.Line(cmp.Or(y, "none"))))
		}
	}
	see("suite", a.Suite, b.Suite)
	see("number of shards", fmt.Sprint(a.Shard.Count), fmt.Sprint(b.Shard.Count))
	see("filter", strings.Join(a.Filter, " "), strings.Join(b.Filter, " "))
	for _, name := range sortedKeys(a.Weights) {
		if w, ok := b.Weights[name]; ok {
			see("weights of "+name, a.Weights[name], w)
		}
	}
	for _, name := range sortedKeys(a.Env.Text) {
		if t, ok := b.Env.Text[name]; ok {
			see("text "+name, a.Env.Text[name], t)
		}
	}
	see("program", a.Env.Version+" "+a.Env.Commit, b.Env.Version+" "+b.Env.Commit)
	if len(out) == 0 {
		see("content of the suite", a.SuiteHash, b.SuiteHash)
	}
	see("number of cases", fmt.Sprint(a.Shard.PlanCases), fmt.Sprint(b.Shard.PlanCases))
	if len(out) == 0 {
		out = append(out, "their cases, or the gates of the command line")
	}
	return out
}

// spool appends a line to the spool file.
func (s *Set) spool(text []byte) (span, error) {
	sp := span{s.size, int32(len(text))}
	s.size += int64(len(text))
	_, err := s.w.Write(text)
	return sp, err
}

// read returns a line of the spool file.
func (s *Set) read(sp span) ([]byte, error) {
	if err := s.w.Flush(); err != nil {
		return nil, err
	}
	b := make([]byte, sp.n)
	_, err := s.file.ReadAt(b, sp.at)
	return b, err
}

// keep adds the record of a case, if it is better than the one so far.
func (s *Set) keep(id string, l line) error {
	old, ok := s.best[id]
	if !ok {
		s.best[id] = l
		return nil
	}
	a, err := s.read(old.span)
	if err != nil {
		return err
	}
	b, err := s.read(l.span)
	if err != nil {
		return err
	}
	if bytes.Equal(a, b) { // a copy of the same record
		return nil
	}
	s.duplicates++
	if old.rank == 0 && l.rank == 0 {
		if err := s.agree(id, a, b, old, l); err != nil {
			return err
		}
	}
	order := cmp.Or(cmp.Compare(l.rank, old.rank), cmp.Compare(l.start, old.start), strings.Compare(s.runs[l.run].id, s.runs[old.run].id), bytes.Compare(b, a))
	if order < 0 {
		s.best[id] = l
	}
	return nil
}

// agree returns an error if two results of a case differ in an exact metric.
func (s *Set) agree(id string, a, b []byte, of, other line) error {
	x, err := result.DecodeRecord(a)
	if err != nil {
		return err
	}
	y, err := result.DecodeRecord(b)
	if err != nil {
		return err
	}
	tasks := (&result.Journal{Runs: []result.Run{s.first}}).Tasks()
	for _, name := range sortedKeys(x.Metrics) {
		m, n := x.Metrics[name], y.Metrics[name]
		info, declared := tasks.Metric(x.Task, name)
		if !(declared && info.Kind == result.Exact && !info.Local || x.Source == result.Computed && y.Source == result.Computed) {
			continue
		}
		if _, both := y.Metrics[name]; both && m.Value == n.Value {
			continue
		}
		return fmt.Errorf("two runs of the case %s (%s, %s) disagree in %s, which does not depend on the machine: %s in %s, %s in %s\n  hint: one of them is wrong, or was measured with a changed program; merge without its folder",
			id, cleantext.Line(x.Model), cleantext.Line(x.Label), name, number(m.Value), s.name(of), number(n.Value), s.name(other))
	}
	return nil
}

// name names the run and the journal of a record for an error.
func (s *Set) name(l line) string {
	r := s.runs[l.run]
	if r.host == "" {
		return s.paths[l.path]
	}
	return fmt.Sprintf("%s (shard %d, host %s)", s.paths[l.path], r.shard, cleantext.Line(r.host))
}

// IncompleteError reports that shards, or cases of shards, are missing.
type IncompleteError struct {
	// Missing lists the shards without a run; Incomplete names the last runs of shards that lack
	// cases.
	Missing    []int
	Incomplete []Incomplete
	// Count is the number of shards, Records and Cases the number of records and of cases.
	Count, Records, Cases int
}

// Incomplete is a shard that lacks cases.
type Incomplete struct {
	Shard int
	// Path is the journal of its last run.
	Path string
	// Cases are ids of cases without a record, in the order of the plan.
	Cases []string
}

func (e *IncompleteError) Error() string {
	const shown = 5
	var out []string
	if n := len(e.Missing); n > 0 {
		var list []string
		for _, m := range e.Missing[:min(n, 2*shown)] {
			list = append(list, fmt.Sprintf("%d/%d", m, e.Count))
		}
		if n > len(list) {
			list = append(list, fmt.Sprintf("and %d more", n-len(list)))
		}
		out = append(out, "no run of shard "+strings.Join(list, ", "))
	}
	for i, x := range e.Incomplete {
		if i == shown {
			out = append(out, fmt.Sprintf("and %d more incomplete shards", len(e.Incomplete)-i))
			break
		}
		ids := slices.Clone(x.Cases[:min(len(x.Cases), shown)])
		for k := range ids {
			ids[k] = cleantext.Line(ids[k])
		}
		if more := len(x.Cases) - len(ids); more > 0 {
			ids = append(ids, fmt.Sprintf("and %d more", more))
		}
		out = append(out, fmt.Sprintf("shard %d/%d in %s lacks %s", x.Shard, e.Count, x.Path, strings.Join(ids, ", ")))
	}
	return fmt.Sprintf("%d of %d cases have no record: %s", e.Cases-e.Records, e.Cases, strings.Join(out, "; "))
}

// Complete returns an *IncompleteError if a case of the plan has no record.
func (s *Set) Complete() error {
	if len(s.runs) == 0 {
		return errors.New("nothing to merge")
	}
	sh := s.first.Shard
	e := &IncompleteError{Count: sh.Count, Records: len(s.best), Cases: sh.PlanCases}
	last := map[int]run{}
	for _, r := range s.sorted() {
		last[r.shard] = r
	}
	for n := 1; n <= sh.Count; n++ {
		if _, ok := last[n]; !ok {
			e.Missing = append(e.Missing, n)
		}
	}
	lacks := map[int][]string{}
	for id, p := range s.places {
		if _, ok := s.best[id]; !ok {
			lacks[int(p.shard)] = append(lacks[int(p.shard)], id)
		}
	}
	for _, n := range sortedKeys(lacks) {
		slices.SortFunc(lacks[n], func(a, b string) int { return cmp.Compare(s.places[a].index, s.places[b].index) })
		e.Incomplete = append(e.Incomplete, Incomplete{n, last[n].path, lacks[n]})
	}
	if len(e.Incomplete) > 0 || len(e.Missing) > 0 && e.Records < e.Cases { // a missing shard may have no case
		return e
	}
	if len(s.best) != sh.PlanCases {
		return fmt.Errorf("the shards have %d cases, but their headers state a plan of %d", len(s.best), sh.PlanCases)
	}
	return nil
}

// sorted returns the runs by shard, start and ID.
func (s *Set) sorted() []run {
	return slices.SortedFunc(slices.Values(s.runs), func(a, b run) int {
		return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.start, b.start), strings.Compare(a.id, b.id))
	})
}

// Records is the number of cases with a record; Duplicates the number of records that were left out
// because another run has one of the same case.
func (s *Set) Records() int    { return len(s.best) }
func (s *Set) Duplicates() int { return s.duplicates }

// Unplanned is the number of records that were left out because their shard does not have the case.
func (s *Set) Unplanned() int { return s.unplanned }

// Header returns the header of the merged run. It is the header of the first run of the first
// shard, whose journal is at path, without the fields that describe only that run. If the machines
// are not similar, its environment has only the fields that do not depend on the machine.
func (s *Set) Header(command string) (h result.Run, path string, err error) {
	first := s.sorted()[0]
	text, err := s.read(first.at)
	if err != nil {
		return h, "", err
	}
	if h, err = result.DecodeRun(text); err != nil {
		return h, "", err
	}
	h.ID, h.Host, h.Shard, h.Dropped, h.Weights = "", "", nil, nil, nil
	h.Command, h.Cases = command, s.first.Shard.PlanCases
	h.Merged = &result.Merged{Plan: s.first.Shard.Plan, Shards: s.first.Shard.Count, Duplicates: s.duplicates}
	if slices.ContainsFunc(s.runs, func(r run) bool { return r.env.Machine() != first.env.Machine() }) {
		e := h.Env
		h.Env = result.Env{Version: e.Version, Commit: e.Commit, Go: e.Go, OS: e.OS, Arch: e.Arch, Text: e.Text}
	}
	var e *IncompleteError
	if errors.As(s.Complete(), &e) {
		h.Merged.Missing, h.Merged.Cases = e.Missing, e.Cases-e.Records
		for _, x := range e.Incomplete {
			h.Merged.Incomplete = append(h.Merged.Incomplete, x.Shard)
		}
	}
	return h, first.path, nil
}

// Write writes the merged journal. h is the last of its headers.
func (s *Set) Write(w io.Writer, h result.Run) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	var buf []byte
	copyLine := func(sp span) error {
		buf = slices.Grow(buf[:0], int(sp.n)+1)[:sp.n]
		if _, err := s.file.ReadAt(buf, sp.at); err != nil {
			return err
		}
		_, err := out.Write(append(buf, '\n'))
		return err
	}
	for _, r := range s.sorted() {
		if err := copyLine(r.at); err != nil {
			return err
		}
	}
	last, err := result.Encode(h)
	if err != nil {
		return err
	}
	if _, err := out.Write(last); err != nil {
		return err
	}
	type placed struct {
		index int32
		span
	}
	order := make([]placed, 0, len(s.best))
	for id, l := range s.best {
		order = append(order, placed{s.places[id].index, l.span})
	}
	slices.SortFunc(order, func(a, b placed) int { return cmp.Compare(a.index, b.index) })
	for i, p := range order {
		if i > 0 && p.index == order[i-1].index {
			return fmt.Errorf("two cases are case %d of the plan", p.index)
		}
		if err := copyLine(p.span); err != nil {
			return err
		}
	}
	return out.Flush()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
