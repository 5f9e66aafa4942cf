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

// Journal is the journal of a run.
type Journal struct {
	// Runs holds the header lines: the first one, and one for each time the run was resumed.
	Runs []Run
	// Records holds the last record of each case, in order of first appearance, without those that
	// a later header drops.
	Records []Record
	// Notice describes problems with the records: damaged lines and an incomplete last line,
	// declarations that Tasks skips, and records that were measured under different settings.
	Notice string
	// Damaged lists the first maxDamaged lines that were skipped or repaired.
	Damaged []Damage
	// Good is the length in bytes of the complete lines. An incomplete last line starts there.
	Good int64

	// under[i] is the index in Runs of the header of Records[i], or -1.
	under []int
	// unended reports that only the newline of the last line is missing.
	unended bool
}

// Damage describes a damaged line.
type Damage struct {
	Line   int // from 1
	Reason string
}

// maxDamaged limits Journal.Damaged.
const maxDamaged = 100

// Under returns the header under which Records[i] was measured, or nil if it is unknown.
func (j *Journal) Under(i int) *Run {
	if i >= len(j.under) || j.under[i] < 0 {
		return nil
	}
	return &j.Runs[j.under[i]]
}

// Last returns the last header, or nil.
func (j *Journal) Last() *Run {
	if len(j.Runs) == 0 {
		return nil
	}
	return &j.Runs[len(j.Runs)-1]
}

// Header returns the header that describes the run as a whole: that of the merge if it is a merged
// run, otherwise the first; nil if there is none.
func (j *Journal) Header() *Run {
	if last := j.Last(); last != nil && last.Merged == nil {
		return &j.Runs[0]
	}
	return j.Last()
}

// Envs returns the environments that results were measured in, one of each kind of machine
// (Env.Machine); that of the last header if nothing was measured.
func (j *Journal) Envs() (out []Env) {
	seen := map[string]bool{}
	last := (*Run)(nil)
	for i := range j.Records {
		run := j.Under(i)
		if r := &j.Records[i]; run == nil || run == last || r.Source == Computed || r.Status != OK {
			continue
		}
		last = run
		if m := run.Env.Machine(); !seen[m] {
			seen[m] = true
			out = append(out, run.Env)
		}
	}
	if h := j.Last(); len(out) == 0 && h != nil {
		out = append(out, h.Env)
	}
	return out
}

// Missing returns the number of cases of the run without a record.
func (j *Journal) Missing() int {
	last := j.Last()
	if last == nil {
		return 0
	}
	return max(last.Cases-len(j.Records), 0)
}

// Read reads a journal. It skips damaged lines with a notice. A last line without a newline counts
// if it is complete; otherwise it is dropped with a notice. It is an error if none of the lines can
// be read.
func Read(r io.Reader, name string) (*Journal, error) {
	d := decoder{decode: decode, index: map[string]int{}, ids: map[string]int{}}
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
			err = fmt.Errorf("longer than %d MiB", maxLine>>20)
		} else {
			err = d.line(text)
		}
		if d.err != nil {
			return d.err
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

// maxSkipped is the maximum length of a skipped line in bytes.
const maxSkipped = 4 * maxLine

// readLine returns a line without its newline, and its length. ended reports whether it had a
// newline. For a line longer than maxLine, text is nil.
func readLine(br *bufio.Reader) (text []byte, length int, ended bool, err error) {
	for {
		part, err := br.ReadSlice('\n')
		length += len(part)
		if length > maxSkipped {
			return nil, 0, false, fmt.Errorf("no line ends within %d MiB: not a journal", maxSkipped>>20)
		}
		if length > maxLine+1 {
			text = nil // too long: only count its length
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

// decoder collects the lines of a journal.
type decoder struct {
	journal Journal
	// decode reads a line.
	decode func([]byte) (any, error)
	// entry is called with each Entry, header with each Run and its line, if they are not nil; err
	// is their first error.
	entry  func(Entry) error
	header func(Run, []byte) error
	err    error
	// index maps a case to the index of its record in Records, ids the ID of a header to its index
	// in Runs.
	index, ids map[string]int
	// first is the first error, with its line. newer is the first error about a newer version.
	first, newer error
	firstAt      int
	// lines counts the lines read. An incomplete last line has torn bytes and the number tornAt.
	lines, torn, tornAt int
	// unlisted is the number of damaged lines beyond maxDamaged.
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

// line adds the contents of a line. The error describes what could not be read.
func (d *decoder) line(text []byte) error {
	const blank = " \t\r\n\x00"
	text = bytes.Trim(text, " \t\r\n")
	if len(text) == 0 {
		return nil
	}
	if text = bytes.Trim(text, blank); len(text) == 0 {
		return errors.New("only NUL bytes")
	}
	v, err := d.decode(text)
	if err == nil {
		d.add(v, text)
		return nil
	}
	whole, lost := 0, 0
	for _, p := range parts(text) {
		end := bytes.LastIndex(p, []byte(sumEnd)) // the rest may be a damaged newline
		line := bytes.Trim(p[:max(0, end)+len(sumEnd)], blank)
		if v, err := d.decode(line); end >= 0 && err == nil {
			d.add(v, line)
			whole++
		} else {
			lost += len(p)
		}
	}
	switch {
	case whole == 0:
		return err
	case lost > 0:
		return fmt.Errorf("%d bytes before or after a complete line", lost)
	}
	return errGlued
}

// errGlued reports several lines without newlines between them, which were all read.
var errGlued = errors.New("several lines without newlines between them, all of them read")

// add adds what was read from a line.
func (d *decoder) add(v any, line []byte) {
	j := &d.journal
	d.lines++
	switch v := v.(type) {
	case Entry:
		if d.err == nil {
			d.err = d.entry(v)
		}
	case Run:
		if d.header != nil {
			if d.err == nil {
				d.err = d.header(v, line)
			}
			return
		}
		j.Runs = append(j.Runs, v)
		if v.ID != "" {
			d.ids[v.ID] = len(j.Runs) - 1
		}
		for _, id := range v.Dropped {
			if i, ok := d.index[id]; ok {
				j.Records[i].Case = "" // removed by end
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

// end completes the journal.
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

// notice describes the damaged lines. Of the path it contains only the run's folder, because
// reports show it.
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
		out = append(out, fmt.Sprintf("%s:%d: dropped an incomplete last line of %d bytes", file, d.tornAt, d.torn))
	}
	out = append(out, d.journal.partial()...)
	out = append(out, d.journal.undeclared()...)
	return strings.Join(append(out, d.journal.mixed()...), "; ")
}

// mixed describes differences between the environments of the measured records, with the number of
// records of each.
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
