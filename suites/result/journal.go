package result

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Journal is a run's results as read back.
type Journal struct {
	// Runs are the header lines: the first, and one for each time the run was resumed.
	Runs []Run
	// Records hold the last record of each case, in the order of their first appearance, without
	// those that a later header drops.
	Records []Record
	// Notice is what a reader of the records must know: damaged lines and a torn last line that
	// were not read, declarations that Tasks leaves out, and records that were measured under
	// different settings.
	Notice string
	// Damaged are the lines that were left out, or put right. The list ends after maxDamaged lines.
	Damaged []Damage
	// Good is the length in bytes of the lines; a torn last line begins there.
	Good int64

	// under are the indexes in Runs of the headers that Records were measured under; -1 for none.
	under []int
	// unended: the last line is whole but for its newline.
	unended bool
}

// Damage is a line that is not as it was written.
type Damage struct {
	Line   int // from 1
	Reason string
}

// maxDamaged bounds the lines that are listed.
const maxDamaged = 100

// Under returns the header that Records[i] was measured under, nil where it is unknown.
func (j *Journal) Under(i int) *Run {
	if i >= len(j.under) || j.under[i] < 0 {
		return nil
	}
	return &j.Runs[j.under[i]]
}

// Last returns the header in force at the end, nil where there is none.
func (j *Journal) Last() *Run {
	if len(j.Runs) == 0 {
		return nil
	}
	return &j.Runs[len(j.Runs)-1]
}

// Missing is the number of cases that the run has no record of: it has not come to them.
func (j *Journal) Missing() int {
	last := j.Last()
	if last == nil {
		return 0
	}
	return max(last.Cases-len(j.Records), 0)
}

// Read reads a journal. Damaged lines are left out with a notice that names them; a last line
// without its newline counts if it is whole, and is otherwise dropped with a notice. It is an error
// if no line can be read though there are some.
func Read(r io.Reader, name string) (*Journal, error) {
	d := decoder{index: map[string]int{}, ids: map[string]int{}}
	if err := d.read(r, name); err != nil {
		return nil, err
	}
	return d.end(name)
}

// read reads all lines.
func (d *decoder) read(r io.Reader, name string) error {
	br := bufio.NewReaderSize(r, 1<<16)
	for line := 1; ; line++ {
		text, length, ended, err := readLine(br)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if length == 0 && !ended {
			return nil
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		before := d.lines
		if length > maxLine {
			err = fmt.Errorf("it is longer than %d MiB", maxLine>>20)
		} else {
			err = d.line(text)
		}
		if err != nil && !ended && d.lines == before {
			d.torn, d.tornAt = length, line
			return nil
		}
		if err != nil {
			d.damage(line, err)
		}
		d.journal.Good += int64(length)
		d.journal.unended = !ended
		if ended {
			d.journal.Good++
		}
	}
}

// maxSkipped bounds a line that is read over, in bytes.
const maxSkipped = 4 * maxLine

// readLine returns a line without its newline, and its length; ended is false for what follows the
// last newline. The text of a line that is longer than maxLine is nil.
func readLine(br *bufio.Reader) (text []byte, length int, ended bool, err error) {
	for {
		part, err := br.ReadSlice('\n')
		length += len(part)
		if length > maxSkipped {
			return nil, 0, false, fmt.Errorf("no line ends within %d MiB: not a journal", maxSkipped>>20)
		}
		if length > maxLine+1 {
			text = nil // only its length is wanted
		} else {
			text = append(text, part...)
		}
		switch {
		case err == nil:
			return bytes.TrimSuffix(text, []byte("\n")), length - 1, true, nil
		case errors.Is(err, io.EOF):
			return text, length, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, false, err
		}
	}
}

// decoder gathers the lines of a journal.
type decoder struct {
	journal Journal
	// index is the place of a case's record in Records, ids that of a header in Runs.
	index, ids map[string]int
	// first is the first error, with its line; newer the first of a newer version.
	first, newer error
	firstAt      int
	// lines counts the lines that were read. A torn last line has torn bytes and the number tornAt.
	lines, torn, tornAt int
	// unlisted counts the damaged lines beyond maxDamaged.
	unlisted int
}

func (d *decoder) damage(line int, err error) {
	if d.first == nil {
		d.first, d.firstAt = err, line
	}
	var newer errNewer
	if errors.As(err, &newer) && d.newer == nil {
		d.newer = err
	}
	if len(d.journal.Damaged) == maxDamaged {
		d.unlisted++
		return
	}
	d.journal.Damaged = append(d.journal.Damaged, Damage{line, err.Error()})
}

// line adds what a line holds. An error says what of it was not read.
func (d *decoder) line(text []byte) error {
	const blank = " \t\r\n\x00"
	text = bytes.Trim(text, " \t\r\n")
	if len(text) == 0 {
		return nil
	}
	if text = bytes.Trim(text, blank); len(text) == 0 {
		return errors.New("it contains only NUL bytes")
	}
	v, err := decode(text)
	if err == nil {
		d.add(v)
		return nil
	}
	whole, lost := 0, 0
	for _, p := range parts(text) {
		end := bytes.LastIndex(p, []byte(sumEnd)) // what follows may be what the newline became
		if v, err := decode(bytes.Trim(p[:max(0, end)+len(sumEnd)], blank)); end >= 0 && err == nil {
			d.add(v)
			whole++
		} else {
			lost += len(p)
		}
	}
	switch {
	case whole == 0:
		return err
	case lost > 0:
		return fmt.Errorf("%d bytes in front of or behind a whole line", lost)
	}
	return errGlued
}

// errGlued is what is wrong with lines that lack the newlines between them; all of them are read.
var errGlued = errors.New("several lines without newlines between them, all of them read")

func (d *decoder) add(v any) {
	j := &d.journal
	d.lines++
	switch v := v.(type) {
	case Run:
		j.Runs = append(j.Runs, v)
		if v.ID != "" {
			d.ids[v.ID] = len(j.Runs) - 1
		}
		for _, id := range v.Dropped {
			if i, ok := d.index[id]; ok {
				j.Records[i].Case = "" // compacted at the end
				delete(d.index, id)
			}
		}
	case Record:
		i, ok := d.index[v.Case]
		if !ok {
			i = len(j.Records)
			d.index[v.Case] = i
			j.Records, j.under = append(j.Records, v), append(j.under, 0)
		}
		j.Records[i], j.under[i] = v, len(j.Runs)-1
		if v.Run != "" {
			if j.under[i], ok = d.ids[v.Run]; !ok {
				j.under[i] = -1
			}
		}
	}
}

// end finishes the journal.
func (d *decoder) end(name string) (*Journal, error) {
	j := &d.journal
	if err := d.unreadable(name); err != nil {
		return nil, err
	}
	records, under := j.Records[:0], j.under[:0]
	for i, r := range j.Records {
		if r.Case != "" {
			records, under = append(records, r), append(under, j.under[i])
		}
	}
	j.Records, j.under = records, under
	j.Notice = d.notice(name)
	return j, nil
}

// unreadable returns the error of a journal of which no line could be read.
func (d *decoder) unreadable(name string) error {
	switch {
	case d.lines > 0:
		return nil
	case d.newer != nil:
		return fmt.Errorf("%s: %w", name, d.newer)
	case d.first != nil:
		return fmt.Errorf("%s:%d: %w", name, d.firstAt, d.first)
	}
	return nil
}

// notice names what was not read. It holds no more of the path than the run's folder, since reports
// show it.
func (d *decoder) notice(name string) string {
	file := filepath.Base(name)
	if dir := filepath.Base(filepath.Dir(name)); dir != "." && dir != string(filepath.Separator) {
		file = dir + "/" + file
	}
	const shown = 3
	var out []string
	for _, x := range d.journal.Damaged[:min(len(d.journal.Damaged), shown)] {
		what := "damaged line skipped"
		if x.Reason == errGlued.Error() {
			what = "damaged line"
		}
		out = append(out, fmt.Sprintf("%s:%d: %s: %s", file, x.Line, what, x.Reason))
	}
	if more := len(d.journal.Damaged) + d.unlisted - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%s: and %d more damaged lines", file, more))
	}
	if d.torn > 0 {
		out = append(out, fmt.Sprintf("%s:%d: dropped a torn last line of %d bytes", file, d.tornAt, d.torn))
	}
	out = append(out, d.journal.undeclared()...)
	return strings.Join(append(out, d.journal.mixed()...), "; ")
}

// mixed reports in what the environments of measured records differ, with the number of records of
// each.
func (j *Journal) mixed() (out []string) {
	for _, what := range []struct {
		name string
		of   func(Env) string
	}{
		{"CPU", func(e Env) string { return e.CPU }},
		{"threads", func(e Env) string { return strconv.Itoa(e.Threads) }},
		{"kernel tier", func(e Env) string { return e.KernelTier }},
		{"GPU", func(e Env) string {
			if e.Accelerator == nil {
				return "none"
			}
			return e.Accelerator.Name + " " + e.Accelerator.Kernels
		}},
		{"program", func(e Env) string { return strings.TrimSpace(e.Version + " " + e.Commit) }},
	} {
		n := map[string]int{}
		var values []string
		for i, r := range j.Records {
			if run := j.Under(i); run != nil && r.Source == Measured && r.Status == OK {
				v := what.of(run.Env)
				if n[v]++; n[v] == 1 {
					values = append(values, v)
				}
			}
		}
		if len(values) < 2 {
			continue
		}
		for i, v := range values {
			values[i] = fmt.Sprintf("%s (%d records)", cmp.Or(v, "unknown"), n[v])
		}
		out = append(out, fmt.Sprintf("records were measured under different settings: %s %s", what.name, strings.Join(values, ", ")))
	}
	return out
}

// ReadFile reads the journal in a file.
func ReadFile(path string) (*Journal, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, path)
}
