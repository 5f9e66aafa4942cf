package result

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// maxLine is the maximum length of a line in bytes.
const maxLine = 64 << 20

// The checksum at the end of a line consists of sumStart, sumDigits digits and sumEnd.
const (
	sumStart  = `,"sha256":"`
	sumDigits = 16
	sumEnd    = `"}`
)

// checksum returns the checksum of the bytes of a line before its checksum.
func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:sumDigits/2])
}

// verify reports whether a line has a checksum, and whether it matches.
func verify(line []byte) (has, ok bool) {
	at := len(line) - len(sumStart) - sumDigits - len(sumEnd)
	if at < 0 || !bytes.HasPrefix(line[at:], []byte(sumStart)) || !bytes.HasSuffix(line, []byte(sumEnd)) {
		return false, false
	}
	digits := line[at+len(sumStart) : len(line)-len(sumEnd)]
	return true, string(digits) == checksum(line[:at])
}

// Encode returns the line of a Run or a Record, with its checksum and newline.
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
	buf.Truncate(buf.Len() - len("}\n"))
	sum := checksum(buf.Bytes())
	buf.WriteString(sumStart + sum + sumEnd + "\n")
	if buf.Len() > maxLine {
		return nil, fmt.Errorf("a line of %d MiB is too long for a journal (at most %d MiB)", buf.Len()>>20, maxLine>>20)
	}
	return buf.Bytes(), nil
}

// finite returns an error for the first metric that is NaN or infinite. Such a result must become a
// failed case.
func (r Record) finite() error {
	for name, m := range r.Metrics {
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			return fmt.Errorf("metric %s of %s is %v", name, r.Label, m.Value)
		}
	}
	return nil
}

// errNewer is the error for a line that a newer version wrote.
type errNewer int

func (e errNewer) Error() string {
	return fmt.Sprintf("schema %d, but this yocobench reads 1 to %d; hint: use the version that wrote it", int(e), SchemaVersion)
}

// decode decodes one line without its newline: a Run or a Record.
func decode(line []byte) (any, error) {
	has, ok := verify(line)
	if has && !ok {
		return nil, errors.New("checksum mismatch")
	}
	var head struct {
		Type   string
		Schema int
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, fmt.Errorf("not a journal line: %w", err)
	}
	switch {
	case head.Schema > SchemaVersion:
		return nil, errNewer(head.Schema)
	case head.Schema < 1:
		return nil, fmt.Errorf("schema %d, expected 1 to %d", head.Schema, SchemaVersion)
	case head.Schema > 1 && !has:
		return nil, errors.New("no checksum")
	}
	switch head.Type {
	case "run":
		var r Run
		err := json.Unmarshal(line, &r)
		return r, err
	case "case":
		var r Record
		err := json.Unmarshal(line, &r)
		if err == nil && r.Case == "" {
			err = errors.New("a record without a case id")
		}
		return r, err
	}
	return nil, fmt.Errorf("a line of type %q, expected run or case", head.Type)
}

// lineStart starts every line that Encode writes. It cannot occur elsewhere in a line, because
// quotes in strings are escaped.
var lineStart = []byte(`{"type":"`)

// parts splits an unreadable line at each lineStart. Lines are joined if a newline was lost, or if
// a line was appended to an incomplete one.
func parts(line []byte) (out [][]byte) {
	for {
		at := -1
		if len(line) > 0 {
			at = bytes.Index(line[1:], lineStart)
		}
		if at < 0 {
			return append(out, line)
		}
		out = append(out, line[:at+1])
		line = line[at+1:]
	}
}
