// Package cleantext makes untrusted text safe to display: characters that control a terminal or a
// browser become visible escapes.
package cleantext

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line makes text safe for one line: escape characters, line breaks, invisible and
// direction-changing characters and invalid bytes become escapes such as \x1b, \n and \u202e.
func Line(s string) string { return clean(s, false) }

// clean escapes unprintable characters; lines keeps \n and \t.
func clean(s string, lines bool) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f || lines && (s[i] == '\n' || s[i] == '\t')
	}
	if plain {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case lines && (r == '\n' || r == '\t'):
			b.WriteByte(s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r) && !invisible(r):
			b.WriteString(s[:n])
		case r < ' ':
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default: // as in JSON, which stays JSON
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		}
		s = s[n:]
	}
	return b.String()
}

// invisible reports the characters that Unicode calls printable letters or marks
// but that draw nothing, such as fillers and variation selectors.
func invisible(r rune) bool {
	return unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Writer cleans the text that is written through it, except for \n and \t. A character may be
// written in parts. JSON remains the same document.
type Writer struct {
	w    io.Writer
	part []byte // the beginning of a character
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write cleans and writes p. It returns len(p), or an error of the underlying writer.
func (c *Writer) Write(p []byte) (int, error) {
	whole := append(c.part, p...)
	c.part = nil
	// An unfinished character at the end waits for its rest.
	for n := 1; n < utf8.UTFMax && n <= len(whole); n++ {
		if b := whole[len(whole)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(whole[len(whole)-n:]) {
				c.part = append([]byte(nil), whole[len(whole)-n:]...)
				whole = whole[:len(whole)-n]
			}
			break
		}
	}
	if len(whole) > 0 {
		if _, err := io.WriteString(c.w, clean(string(whole), true)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush writes an incomplete character.
func (c *Writer) Flush() error {
	part := c.part
	c.part = nil
	if len(part) == 0 {
		return nil
	}
	_, err := io.WriteString(c.w, clean(string(part), true))
	return err
}

// Raw returns the underlying writer, for code that cleans its text itself and adds colour.
func (c *Writer) Raw() io.Writer { return c.w }
