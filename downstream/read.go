package downstream

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/suggest"
	"github.com/yocobench/yocobench/suites"
)

// Limits of a file of documents.
const (
	maxLine      = 16 << 20 // bytes
	maxDocuments = 1 << 22
)

// document is one line of a file.
type document struct {
	file   string // as shown in errors
	line   int
	fields map[string]any
}

// errorf returns an error at the document's line.
func (d *document) errorf(hint, format string, args ...any) error {
	return &suites.Problem{File: d.file, Line: d.line, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// source is a file of documents.
type source struct {
	path string // as in the suite
	dir  string // of the suite
	name string // the path's last element, which records and errors show
}

func newSource(path, dir string) source { return source{path, dir, filepath.Base(path)} }

// contents describes a file that was read to its end.
type contents struct {
	// documents is the number of documents; hash is the hash of the bytes.
	documents int
	hash      string
}

// read calls each for the documents from (counted from 0) to before the index to. It reads the
// whole file.
func (s source) read(from, to int, each func(d *document) error) (contents, error) {
	f, err := corpus.OpenFile(s.path, s.dir)
	if err != nil {
		return contents{}, err
	}
	defer f.Close()
	return scan(f, s.name, from, to, each)
}

// scan is read for the contents of a file.
func scan(r io.Reader, name string, from, to int, each func(d *document) error) (c contents, err error) {
	h := sha256.New()
	b := bufio.NewReaderSize(io.TeeReader(r, h), 1<<16)
	for line := 1; ; line++ {
		text, err := readLine(b)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			if errors.Is(err, errLong) {
				err = &suites.Problem{File: name, Line: line, Msg: fmt.Sprintf("the line is longer than %d MiB", maxLine>>20), Hint: "expected one JSON object on each line"}
			}
			return c, err
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(text)) > 0 {
			if c.documents == maxDocuments {
				return c, &suites.Problem{File: name, Line: line, Msg: fmt.Sprintf("more than %d documents", maxDocuments)}
			}
			if c.documents >= from && c.documents < to {
				d := &document{file: name, line: line}
				if err := d.decode(text); err != nil {
					return c, err
				}
				if err := each(d); err != nil {
					return c, err
				}
			}
			c.documents++
		}
		if end {
			c.hash = hex.EncodeToString(h.Sum(nil)[:8])
			return c, nil
		}
	}
}

var errLong = errors.New("a line that is too long")

// readLine reads up to a newline or the end.
func readLine(b *bufio.Reader) (line []byte, err error) {
	for {
		part, err := b.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, errLong
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (d *document) decode(line []byte) error {
	const hint = "expected one JSON object on each line"
	if !utf8.Valid(line) {
		return d.errorf("", "the line is not UTF-8")
	}
	j := json.NewDecoder(bytes.NewReader(line))
	j.UseNumber()
	var v any
	if err := j.Decode(&v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the object does not end on this line")
		}
		return d.errorf(hint, "not JSON: %v", err)
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return d.errorf(hint, "expected a JSON object, got %s", kindOf(v))
	}
	if _, err := j.Token(); !errors.Is(err, io.EOF) {
		return d.errorf(hint, "text after the JSON object")
	}
	d.fields = fields
	return nil
}

// path is the place of a value in a document: names of fields and indexes of lists.
type path []string

func (p path) String() string { return strings.Join(p, ".") }

// at returns the value at a path.
func (d *document) at(p path) (any, error) {
	if v, ok := d.fields[p.String()]; ok {
		return v, nil
	}
	var v any = d.fields
	for i, name := range p {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[name]
			if !ok {
				var known []string
				for k := range x {
					known = append(known, k)
				}
				slices.Sort(known)
				of := ""
				if i > 0 {
					of = " in " + path(p[:i]).String()
				}
				return nil, d.errorf(fieldHint(name, known), "no field %q%s", name, of)
			}
			v = next
		case []any:
			n := 0
			if _, err := fmt.Sscanf(name, "%d", &n); err != nil || n < 0 || n >= len(x) || fmt.Sprint(n) != name {
				return nil, d.errorf("", "%s is a list of %d values; it has no %s", path(p[:i]), len(x), name)
			}
			v = x[n]
		default:
			return nil, d.errorf("", "%s is %s; it has no field %q", path(p[:i]), kindOf(v), name)
		}
	}
	return v, nil
}

// fieldHint lists the known fields, the nearest first.
func fieldHint(name string, known []string) string {
	if best := suggest.Nearest(name, known); best != "" {
		return fmt.Sprintf("did you mean %q? its fields: %s", best, shorten(strings.Join(known, ", "), 300))
	}
	return "its fields: " + shorten(strings.Join(known, ", "), 300)
}

// kindOf names the type of a JSON value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	}
	return "an object"
}

// scalar returns the text of a string, number or truth value. Truth values are written as Python
// writes them.
func scalar(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case json.Number:
		return x.String(), true
	case bool:
		if x {
			return "True", true
		}
		return "False", true
	}
	return "", false
}
