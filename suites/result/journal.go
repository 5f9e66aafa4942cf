package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// Journal is a run's results as read back.
type Journal struct {
	// Runs are the header lines: the first, and one for each time the run was resumed.
	Runs []Run
	// Records hold the last record of each case, in the order of their first appearance.
	Records []Record
	// Notice is not empty when a torn last line was dropped.
	Notice string
	// Good is the length in bytes of the whole lines.
	Good int64
}

// maxLine bounds one line of a journal, in bytes.
const maxLine = 64 << 20

// Read reads a journal. A last line without its newline was torn by a crash: it
// is dropped with a notice. Anything else that is wrong is an error with the
// line's number.
func Read(r io.Reader, name string) (*Journal, error) {
	j := &Journal{}
	index := map[string]int{}
	br := bufio.NewReaderSize(r, 1<<16)
	for line := 1; ; line++ {
		text, whole, err := readLine(br)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if len(text) == 0 && !whole {
			return j, nil
		}
		if !whole {
			j.Notice = fmt.Sprintf("%s:%d: dropped a torn last line of %d bytes", name, line, len(text))
			return j, nil
		}
		if err := j.add(text, index); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		j.Good += int64(len(text)) + 1
	}
}

// readLine returns a line without its newline; whole is false for what stands after the last newline.
func readLine(br *bufio.Reader) (text []byte, whole bool, err error) {
	for {
		part, err := br.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > maxLine {
			return nil, false, fmt.Errorf("a line longer than %d MiB: not a journal", maxLine>>20)
		}
		switch {
		case err == nil:
			return text[:len(text)-1], true, nil
		case errors.Is(err, io.EOF):
			return text, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

func (j *Journal) add(text []byte, index map[string]int) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	var head struct {
		Type   string
		Schema int
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("not a journal line: %w", err)
	}
	if head.Schema > SchemaVersion || head.Schema < 1 {
		return fmt.Errorf("schema %d, but this yocobench reads 1 to %d; hint: use the version that made it", head.Schema, SchemaVersion)
	}
	switch head.Type {
	case "run":
		var r Run
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		j.Runs = append(j.Runs, r)
	case "case":
		var r Record
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		if r.Case == "" {
			return errors.New("a record without a case id")
		}
		if i, ok := index[r.Case]; ok {
			j.Records[i] = r
			return nil
		}
		index[r.Case] = len(j.Records)
		j.Records = append(j.Records, r)
	default:
		return fmt.Errorf("a line of type %q, expected run or case", head.Type)
	}
	return nil
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

// Writer appends lines to a journal, each synced before Append returns.
type Writer struct{ f *os.File }

// Create makes a new journal; the file must not exist.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &Writer{f}, nil
}

// Reopen opens a journal to go on with, and cuts off a torn last line.
func Reopen(path string) (*Writer, *Journal, error) {
	j, err := ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	err = f.Truncate(j.Good)
	if err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return &Writer{f}, j, nil
}

// Append writes v, a Run or a Record, as one line and syncs it.
func (w *Writer) Append(v any) error {
	b, err := Encode(v)
	if err != nil {
		return err
	}
	if _, err := w.f.Write(b); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

// Encode gives the line of a Run or a Record, newline included.
func Encode(v any) ([]byte, error) {
	switch r := v.(type) {
	case Run:
		r.Type, r.Schema = "run", SchemaVersion
		v = r
	case Record:
		r.Type, r.Schema = "case", SchemaVersion
		if err := r.finite(); err != nil {
			return nil, err
		}
		v = r
	default:
		return nil, fmt.Errorf("result: cannot encode a %T", v)
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// finite reports the first metric that is no number: a result that is NaN is a failed case, not a record.
func (r Record) finite() error {
	for name, m := range r.Metrics {
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			return fmt.Errorf("metric %s of %s is %v", name, r.Label, m.Value)
		}
	}
	return nil
}
