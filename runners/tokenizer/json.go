package tokenizer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonText reads one JSON text strictly, value by value. It is for files of tens of megabytes, for
// which encoding/json is too slow. The callbacks of object and array must read exactly one value.
type jsonText struct {
	name  string
	s     string
	at    int
	depth int
}

// maxDepth bounds the nesting of values.
const maxDepth = 64

func newJSON(name string, data []byte) (*jsonText, error) {
	j := &jsonText{name: name, s: string(data)}
	if !utf8.ValidString(j.s) {
		for i, r := range j.s {
			if _, n := utf8.DecodeRuneInString(j.s[i:]); r == utf8.RuneError && n == 1 {
				j.at = i
				return nil, j.errorf("the text is not valid UTF-8")
			}
		}
	}
	return j, nil
}

// errorf returns an error at the line of the next value.
func (j *jsonText) errorf(format string, args ...any) error {
	line := 1 + strings.Count(j.s[:min(j.at, len(j.s))], "\n")
	return fmt.Errorf("%s:%d: %s", j.name, line, fmt.Sprintf(format, args...))
}

// next returns the first byte of the next value or punctuation, 0 at the end.
func (j *jsonText) next() byte {
	for j.at < len(j.s) {
		switch c := j.s[j.at]; c {
		case ' ', '\t', '\r', '\n':
			j.at++
		default:
			return c
		}
	}
	return 0
}

// expect reads a byte of punctuation.
func (j *jsonText) expect(c byte, what string) error {
	if got := j.next(); got != c {
		return j.errorf("%s: want %q, got %s", what, c, describeByte(got))
	}
	j.at++
	return nil
}

func describeByte(c byte) string {
	switch {
	case c == 0:
		return "the end of the text"
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	case c == 't' || c == 'f':
		return "true or false"
	case c == 'n':
		return "null"
	}
	return fmt.Sprintf("%q", c)
}

// object reads an object and calls field with each key.
func (j *jsonText) object(what string, field func(key string) error) error {
	if err := j.open('{', what); err != nil {
		return err
	}
	defer func() { j.depth-- }()
	for i := 0; ; i++ {
		if j.next() == '}' && i == 0 {
			j.at++
			return nil
		}
		key, err := j.str("a key of " + what)
		if err != nil {
			return err
		}
		if err := j.expect(':', what); err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
		if done, err := j.comma('}', what); done || err != nil {
			return err
		}
	}
}

// array reads an array and calls item for each value; i counts them.
func (j *jsonText) array(what string, item func(i int) error) error {
	if err := j.open('[', what); err != nil {
		return err
	}
	defer func() { j.depth-- }()
	for i := 0; ; i++ {
		if j.next() == ']' && i == 0 {
			j.at++
			return nil
		}
		if err := item(i); err != nil {
			return err
		}
		if done, err := j.comma(']', what); done || err != nil {
			return err
		}
	}
}

func (j *jsonText) open(c byte, what string) error {
	if j.depth++; j.depth > maxDepth {
		return j.errorf("%s is nested deeper than %d levels", what, maxDepth)
	}
	return j.expect(c, what)
}

// comma reads a comma, or the end of an object or array.
func (j *jsonText) comma(end byte, what string) (done bool, err error) {
	switch c := j.next(); c {
	case ',':
		j.at++
		return false, nil
	case end:
		j.at++
		return true, nil
	default:
		return false, j.errorf("%s: want a comma or %q, got %s", what, end, describeByte(c))
	}
}

// str reads a string. Without escapes, it shares the memory of the text.
func (j *jsonText) str(what string) (string, error) {
	if err := j.expect('"', what); err != nil {
		return "", err
	}
	start := j.at
	for i := start; i < len(j.s); i++ {
		switch c := j.s[i]; {
		case c == '"':
			j.at = i + 1
			return j.s[start:i], nil
		case c == '\\':
			return j.escaped(start, i, what)
		case c < ' ':
			j.at = i
			return "", j.errorf("%s: a control character in a string", what)
		}
	}
	return "", j.errorf("%s: a string without an end", what)
}

// escaped reads the rest of a string, from its first escape on.
func (j *jsonText) escaped(start, i int, what string) (string, error) {
	b := []byte(j.s[start:i])
	for ; i < len(j.s); i++ {
		c := j.s[i]
		switch {
		case c == '"':
			j.at = i + 1
			return string(b), nil
		case c < ' ':
			j.at = i
			return "", j.errorf("%s: a control character in a string", what)
		case c != '\\':
			b = append(b, c)
			continue
		}
		i++
		if i == len(j.s) {
			break
		}
		if k := strings.IndexByte(`"\/bfnrt`, j.s[i]); k >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[k])
			continue
		}
		r, ok := j.hex(i)
		i += 4
		if ok && utf16.IsSurrogate(r) {
			low, paired := rune(0), i+1 < len(j.s) && j.s[i+1] == '\\'
			if paired {
				low, paired = j.hex(i + 2)
			}
			if r = utf16.DecodeRune(r, low); !paired || r == utf8.RuneError {
				ok = false
			}
			i += 6
		}
		if !ok {
			return "", j.errorf("%s: an invalid escape in a string", what)
		}
		b = utf8.AppendRune(b, r)
	}
	return "", j.errorf("%s: a string without an end", what)
}

// hex reads u and four hexadecimal digits.
func (j *jsonText) hex(i int) (rune, bool) {
	if i+5 > len(j.s) || j.s[i] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(j.s[i+1:i+5], 16, 32)
	return rune(n), err == nil
}

// word reads a number, true, false or null.
func (j *jsonText) word() string {
	j.next()
	start := j.at
	for j.at < len(j.s) && strings.IndexByte(" \t\r\n,:]}[{\"", j.s[j.at]) < 0 {
		j.at++
	}
	return j.s[start:j.at]
}

// null reads null if it is next.
func (j *jsonText) null() bool {
	if j.next() == 'n' && strings.HasPrefix(j.s[j.at:], "null") {
		j.at += 4
		return true
	}
	return false
}

func (j *jsonText) boolean(what string) (bool, error) {
	switch c := j.next(); c {
	case 't', 'f':
		if w := j.word(); w == "true" || w == "false" {
			return w == "true", nil
		}
		fallthrough
	default:
		return false, j.errorf("%s: want true or false, got %s", what, describeByte(c))
	}
}

// integer reads an integer from 0 to most.
func (j *jsonText) integer(what string, most int) (int, error) {
	c := j.next()
	w := j.word()
	n, err := strconv.Atoi(w)
	if err != nil || n < 0 || n > most {
		if describeByte(c) == "a number" {
			return 0, j.errorf("%s is %.40s, want an integer from 0 to %d", what, w, most)
		}
		return 0, j.errorf("%s: want an integer, got %s", what, describeByte(c))
	}
	return n, nil
}

func (j *jsonText) float(what string) (float64, error) {
	c := j.next()
	if describeByte(c) != "a number" {
		return 0, j.errorf("%s: want a number, got %s", what, describeByte(c))
	}
	w := j.word()
	f, err := strconv.ParseFloat(w, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(w, "xX_pP") {
		return 0, j.errorf("%s is %.40s, which is no finite number", what, w)
	}
	return f, nil
}

// skip reads a value of any type.
func (j *jsonText) skip(what string) error {
	switch c := j.next(); c {
	case '{':
		return j.object(what, func(string) error { return j.skip(what) })
	case '[':
		return j.array(what, func(int) error { return j.skip(what) })
	case '"':
		_, err := j.str(what)
		return err
	case 't', 'f':
		_, err := j.boolean(what)
		return err
	case 'n':
		if !j.null() {
			return j.errorf("%s: want a value, got %q", what, j.word())
		}
		return nil
	default:
		_, err := j.float(what)
		return err
	}
}

// end checks that nothing but white space follows.
func (j *jsonText) end() error {
	if c := j.next(); c != 0 || j.at < len(j.s) {
		return j.errorf("after the end: want nothing, got %s", describeByte(c))
	}
	return nil
}
