package openai

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// events reads server-sent events: blocks of lines "data: TEXT" that end with an empty line.
// Comments and the fields event, id and retry are ignored; another line is an error, because it may
// be a part of an answer.
type events struct {
	c *client
	r *bufio.Reader
	// n is the number of events read. begun is true after the first line.
	n     int
	begun bool
}

func newEvents(c *client, r io.Reader) *events {
	return &events{c: c, r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the data of the next event and the time at which its last line of data arrived. The
// error is io.EOF at the end of the stream between two events; an event that is cut is
// io.ErrUnexpectedEOF.
func (e *events) next() (data []byte, at time.Time, err error) {
	some := false
	for {
		line, err := e.line(maxLine - len(data))
		if err == io.EOF && (some || len(line) > 0) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, at, err
		}
		if !e.begun {
			e.begun, line = true, bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		switch {
		case len(line) == 0 && len(data) == 0:
			some = false // an event without data is none
		case len(line) == 0:
			if e.n++; e.n > maxEvents {
				return nil, at, failed("invalid answer", "the stream has more than %d events", maxEvents)
			}
			return data, at, nil
		case bytes.HasPrefix(line, []byte("data:")):
			text := bytes.TrimPrefix(line[len("data:"):], []byte(" "))
			if some {
				data = append(data, '\n')
			}
			data, some, at = append(data, text...), true, time.Now()
		case line[0] == ':' || ignored(line):
		case bytes.HasPrefix(line, []byte("error:")): // older versions of llama.cpp
			return nil, at, failed("error in the stream", "error in the stream: %s", e.c.parseError(line[len("error:"):]).text())
		default:
			return nil, at, failed("invalid answer", "the stream has the line %q", e.c.clip(string(line)))
		}
	}
}

// ignored reports whether a line of a stream is a field without data.
func ignored(line []byte) bool {
	name, _, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "event", "id", "retry":
		return true
	}
	return false
}

// line reads a line of at most most bytes without its end. At the end of the stream it returns what
// there is and io.EOF.
func (e *events) line(most int) ([]byte, error) {
	var line []byte
	for {
		part, err := e.r.ReadSlice('\n')
		if len(line)+len(part) > most {
			return nil, failed("invalid answer", "an event of the stream has more than %d bytes", maxLine)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}
