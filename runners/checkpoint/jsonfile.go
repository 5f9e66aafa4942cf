package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth limits the nesting of JSON values that are skipped.
const maxDepth = 64

// jsonFile reads one JSON text strictly, value by value and without building a tree, so memory is
// proportional to what is kept. Duplicate keys, invalid UTF-8, trailing text and values of the
// wrong type are errors with the file's name and the line.
type jsonFile struct {
	name string
	src  []byte
	dec  *json.Decoder
	// at is the offset at which the last token was requested.
	at int64
}

func newJSON(name string, src []byte) (*jsonFile, error) {
	j := &jsonFile{name: name, src: src, dec: json.NewDecoder(bytes.NewReader(src))}
	j.dec.UseNumber()
	if !utf8.Valid(src) {
		n := 0
		for r, size := utf8.DecodeRune(src); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRune(src[n:]) {
			n += size
		}
		j.at = int64(n)
		return nil, j.errorf("the text is not valid UTF-8")
	}
	return j, nil
}

// errorf returns an error at the last token.
func (j *jsonFile) errorf(format string, args ...any) error {
	end := min(max(j.at, 0), int64(len(j.src)))
	// Skip the white space and the punctuation before the token.
	for end < int64(len(j.src)) && strings.IndexByte(" \t\r\n,:", j.src[end]) >= 0 {
		end++
	}
	line := 1 + bytes.Count(j.src[:end], []byte{'\n'})
	return fmt.Errorf("%s:%d: %s", j.name, line, fmt.Sprintf(format, args...))
}

// token returns the next token. what names the value that it belongs to, for errors.
func (j *jsonFile) token(what string) (json.Token, error) {
	j.at = j.dec.InputOffset()
	t, err := j.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return t, nil
	case errors.As(err, &syntax):
		j.at = max(j.at, min(syntax.Offset-1, int64(len(j.src))))
		return nil, j.errorf("%s: %v", what, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		j.at = int64(len(j.src))
		return nil, j.errorf("%s: the text ends too early", what)
	default:
		return nil, j.errorf("%s: %v", what, err)
	}
}

// describe names the type of a token in JSON terms.
func describe(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "the number " + string(t)
	case string:
		return "a string"
	case json.Delim:
		if t == '[' {
			return "an array"
		}
		return "an object"
	default:
		return fmt.Sprintf("%v", t)
	}
}

func (j *jsonFile) mismatch(what, want string, got json.Token) error {
	return j.errorf("%s is %s, want %s", what, describe(got), want)
}

// object reads an object and calls field with each key; field must read exactly the value.
func (j *jsonFile) object(what string, field func(key string) error) error {
	t, err := j.token(what)
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return j.mismatch(what, "an object", t)
	}
	return j.members(what, field)
}

// members reads the rest of an object after its opening brace.
func (j *jsonFile) members(what string, field func(key string) error) error {
	seen := map[string]bool{}
	for {
		t, err := j.token(what)
		if err != nil {
			return err
		}
		if t == json.Delim('}') {
			return nil
		}
		key, ok := t.(string)
		if !ok {
			return j.mismatch("a key of "+what, "a string", t)
		}
		if seen[key] {
			return j.errorf("%s has the key %q twice", what, key)
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
}

// array reads an array and calls item with the index of each value, which item must read.
func (j *jsonFile) array(what string, item func(i int) error) error {
	t, err := j.token(what)
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return j.mismatch(what, "an array", t)
	}
	for i := 0; j.dec.More(); i++ {
		if err := item(i); err != nil {
			return err
		}
	}
	_, err = j.token(what) // the closing bracket
	return err
}

// ints reads an array of at most most non-negative integers.
func (j *jsonFile) ints(what string, most int) ([]int64, error) {
	t, err := j.token(what)
	if err != nil {
		return nil, err
	}
	if t != json.Delim('[') {
		return nil, j.mismatch(what, "an array of integers", t)
	}
	ns := []int64{}
	for {
		t, err := j.token(what)
		if err != nil {
			return nil, err
		}
		if t == json.Delim(']') {
			return ns, nil
		}
		n, err := j.asInt(what, t)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, j.errorf("%s contains %d, want non-negative integers", what, n)
		}
		if len(ns) == most {
			return nil, j.errorf("%s has more than %d numbers", what, most)
		}
		ns = append(ns, n)
	}
}

func (j *jsonFile) asInt(what string, t json.Token) (int64, error) {
	num, ok := t.(json.Number)
	if !ok {
		return 0, j.mismatch(what, "an integer", t)
	}
	n, err := strconv.ParseInt(string(num), 10, 64)
	if err != nil {
		return 0, j.errorf("%s is %s, want an integer below 2^63", what, num)
	}
	return n, nil
}

func (j *jsonFile) float(what string) (float64, error) {
	t, err := j.token(what)
	if err != nil {
		return 0, err
	}
	num, ok := t.(json.Number)
	if !ok {
		return 0, j.mismatch(what, "a number", t)
	}
	f, err := strconv.ParseFloat(string(num), 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, j.errorf("%s is %s, not a finite number", what, num)
	}
	return f, nil
}

func (j *jsonFile) str(what string) (string, error) {
	t, err := j.token(what)
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", j.mismatch(what, "a string", t)
	}
	return s, nil
}

func (j *jsonFile) boolean(what string) (bool, error) {
	t, err := j.token(what)
	if err != nil {
		return false, err
	}
	b, ok := t.(bool)
	if !ok {
		return false, j.mismatch(what, "true or false", t)
	}
	return b, nil
}

// optionalInteger reads an integer or null; set reports whether it was an integer.
func (j *jsonFile) optionalInteger(what string) (n int64, set bool, err error) {
	t, err := j.token(what)
	if err != nil || t == nil {
		return 0, false, err
	}
	n, err = j.asInt(what, t)
	return n, err == nil, err
}

// skip reads and discards one value of any type.
func (j *jsonFile) skip(what string) error { return j.skipAt(what, 0) }

func (j *jsonFile) skipAt(what string, depth int) error {
	if depth > maxDepth {
		return j.errorf("%s is nested deeper than %d levels", what, maxDepth)
	}
	t, err := j.token(what)
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		return j.members(what, func(string) error { return j.skipAt(what, depth+1) })
	case json.Delim('['):
		for j.dec.More() {
			if err := j.skipAt(what, depth+1); err != nil {
				return err
			}
		}
		_, err := j.token(what) // the closing bracket
		return err
	}
	return nil
}

// end checks that only white space follows.
func (j *jsonFile) end() error {
	j.at = j.dec.InputOffset()
	if t, err := j.dec.Token(); !errors.Is(err, io.EOF) {
		if err != nil {
			return j.errorf("after the end: %v", err)
		}
		return j.errorf("after the end: want nothing, got %s", describe(t))
	}
	return nil
}
