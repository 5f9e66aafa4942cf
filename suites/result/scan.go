package result

import (
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Entry is the line of a record, read only as far as merging journals needs it.
type Entry struct {
	Case   string    `json:"case"`
	Run    string    `json:"run"`
	Status Status    `json:"status"`
	Start  time.Time `json:"start"`
	// Line is the whole line with a valid checksum, without its newline. It is valid until the
	// function that got the Entry returns.
	Line []byte `json:"-"`
}

// Scan reads a journal as Read does, but keeps none of it: it calls header with each header and its
// line, and entry with each record, in the order of the file. Scan ends with the first error of
// these functions. It returns the notice on what was not read.
func Scan(r io.Reader, name string, header func(Run, []byte) error, entry func(Entry) error) (notice string, err error) {
	d := decoder{decode: decodeEntry, header: header, entry: entry}
	if err := d.read(r, name); err != nil {
		return "", err
	}
	if err := d.unreadable(name); err != nil {
		return "", err
	}
	return d.notice(name), nil
}

// decodeEntry reads one line without its newline: a Run or an Entry.
func decodeEntry(line []byte) (any, error) {
	if has, ok := verify(line); !has || !ok {
		v, err := decode(line) // schema 1, or an error
		rec, isRecord := v.(Record)
		if err != nil || !isRecord {
			return v, err
		}
		if line, err = Encode(rec); err != nil {
			return nil, err
		}
		line = line[:len(line)-1]
	}
	var e struct {
		Type   string `json:"type"`
		Schema int    `json:"schema"`
		Entry
	}
	if err := json.Unmarshal(line, &e); err != nil || e.Type != "case" || e.Schema < 1 || e.Schema > SchemaVersion {
		return decode(line)
	}
	if e.Case == "" {
		return nil, errors.New("a record without a case id")
	}
	e.Line = line
	return e.Entry, nil
}

// Under returns the entry's line with the ID of the header that it was measured under.
func (e Entry) Under(id string) ([]byte, error) {
	if e.Run != "" {
		return e.Line, nil
	}
	text, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, e.Line[:len(e.Line)-len(sumStart)-sumDigits-len(sumEnd)]...)
	out = append(append(out, `,"run":`...), text...)
	return append(out, sumStart+checksum(out)+sumEnd...), nil
}

// DecodeRecord reads the line of a record.
func DecodeRecord(line []byte) (Record, error) {
	v, err := decode(line)
	if err != nil {
		return Record{}, err
	}
	r, ok := v.(Record)
	if !ok {
		return Record{}, errors.New("the line is no record")
	}
	return r, nil
}

// DecodeRun reads the line of a header.
func DecodeRun(line []byte) (Run, error) {
	v, err := decode(line)
	if err != nil {
		return Run{}, err
	}
	r, ok := v.(Run)
	if !ok {
		return Run{}, errors.New("the line is no header")
	}
	return r, nil
}
