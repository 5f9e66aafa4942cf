package corpus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/lfs"
)

// headBytes is the number of bytes that decide whether a file is text and its encoding.
const headBytes = 8000

// encoding describes the encoding of a file.
type encoding struct {
	name  string // name in notices; "" for UTF-8
	bom   int    // length of the byte order mark in bytes
	order binary.ByteOrder
	width int // bytes per code unit, 1 for UTF-8
}

var (
	utf8Plain = encoding{width: 1}
	// The marks of UTF-32 come first, because one of them starts with the mark of UTF-16 LE.
	marked = []struct {
		mark string
		encoding
	}{
		{"\xef\xbb\xbf", encoding{"", 3, nil, 1}},
		{"\xff\xfe\x00\x00", encoding{"UTF-32 LE", 4, binary.LittleEndian, 4}},
		{"\x00\x00\xfe\xff", encoding{"UTF-32 BE", 4, binary.BigEndian, 4}},
		{"\xff\xfe", encoding{"UTF-16 LE", 2, binary.LittleEndian, 2}},
		{"\xfe\xff", encoding{"UTF-16 BE", 2, binary.BigEndian, 2}},
	}
	unmarked = []encoding{
		{"UTF-16 LE without a byte order mark", 0, binary.LittleEndian, 2},
		{"UTF-16 BE without a byte order mark", 0, binary.BigEndian, 2},
	}
	// Formats that contain text but are not text files. Some have no zero byte near their start.
	formats = []struct{ magic, name string }{
		{"%PDF-", "a PDF: extract its text (pdftotext)"},
		{"\x1f\x8b", "compressed by gzip: decompress it"},
		{"BZh", "compressed by bzip2: decompress it"},
		{"(\xb5/\xfd", "compressed by zstd: decompress it"},
		{"\xfd7zXZ", "compressed by xz: decompress it"},
		{"PK\x03\x04", "a zip archive, or a document in one: extract its text"},
	}
)

// notText is the reason for which a file is skipped.
type notText string

func (n notText) Error() string { return string(n) }

// detect finds the encoding of a file from its first bytes. The error explains why it is not text.
func detect(head []byte) (encoding, error) {
	head = head[:min(len(head), headBytes)]
	switch {
	case len(head) == 0:
		return utf8Plain, notText("empty")
	case lfs.IsPointer(head):
		return utf8Plain, lfs.ErrPointer
	}
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return utf8Plain, notText(f.name)
		}
	}
	for _, m := range marked {
		if bytes.HasPrefix(head, []byte(m.mark)) {
			return m.encoding, nil
		}
	}
	if bytes.IndexByte(head, 0) < 0 {
		whole := head
		if len(head) == headBytes {
			whole = cutRune(head, headBytes-utf8.UTFMax) // the last character may be cut off
		}
		return utf8Plain, mostlyValid(whole)
	}
	for _, e := range unmarked {
		if plainUTF16(head[:len(head)&^1], e) {
			return e, nil
		}
	}
	return utf8Plain, notText("binary") // git's rule: a zero byte near the start
}

// mostlyValid returns an error if too many bytes of text are not UTF-8.
func mostlyValid(text []byte) error {
	if n := invalidBytes(text); float64(n) > maxInvalid*float64(len(text)) && len(text) >= 16 {
		return notText(fmt.Sprintf("not UTF-8 (%d of %d bytes are invalid): convert it, such as by iconv -f ENCODING -t UTF-8", n, len(text)))
	}
	return nil
}

func invalidBytes(text []byte) (n int) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			n++
		}
		text = text[size:]
	}
	return n
}

// plainUTF16 reports whether head is certainly UTF-16 text: only complete printable characters,
// with spaces or line ends.
func plainUTF16(head []byte, e encoding) bool {
	if len(head) < 8 {
		return false
	}
	blank := false
	for i := 0; i < len(head); i += 2 {
		r := rune(e.order.Uint16(head[i:]))
		if utf16.IsSurrogate(r) {
			if i += 2; i >= len(head) {
				break // head ends in the middle of a surrogate pair
			}
			r = utf16.DecodeRune(r, rune(e.order.Uint16(head[i:])))
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) && r != '\u200b' && r != '\ufeff' {
			return false
		}
		blank = blank || r == ' ' || r == '\n' || r == '\u3000' || r == '。'
	}
	return blank
}

// maxInvalid is the largest share of invalid bytes. A text with more has another encoding and would
// lose its letters.
const maxInvalid = 0.1

// DecodeText converts the contents of a file to UTF-8 with "\n" line ends. It accepts UTF-8, UTF-16
// and UTF-32, with a byte order mark or if the encoding can be recognised without one. Invalid
// characters become U+FFFD. The note describes conversions; it is "" if there were none. The error
// explains why raw is not text. DecodeText may modify raw.
func DecodeText(raw []byte) (text []byte, note string, err error) {
	e, err := detect(raw)
	if err != nil {
		return nil, "", err
	}
	text = raw[e.bom:]
	if e.width > 1 {
		units, bad := len(text)/e.width, 0
		if text, bad = decodeWide(text, e); float64(bad) > maxInvalid*float64(units) {
			return nil, "", notText(fmt.Sprintf("not %s, although it starts like it (%d of %d characters are invalid)", e.name, bad, units))
		}
		note = e.name + ", converted to UTF-8"
		if bad > 0 {
			note += fmt.Sprintf("; %d invalid characters replaced by U+FFFD", bad)
		}
	}
	text = unixLines(text)
	if err := mostlyValid(text); err != nil {
		return nil, "", err
	}
	if n := invalidBytes(text); n > 0 {
		note = fmt.Sprintf("%d bytes are not UTF-8 and were replaced by U+FFFD", n)
		if windows1252(text) {
			note += "; the text looks like Windows-1252 or Latin-1: convert it with iconv -f WINDOWS-1252 -t UTF-8"
		}
		text = validUTF8(text, n)
	}
	if len(text) == 0 {
		return nil, "", notText("empty")
	}
	return text, note, nil
}

// validUTF8 replaces each invalid byte by U+FFFD.
func validUTF8(text []byte, invalid int) []byte {
	out := make([]byte, 0, len(text)+2*invalid)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		out = utf8.AppendRune(out, r)
		text = text[size:]
	}
	return out
}

// windows1252 reports whether every byte of text that is not UTF-8 is a letter or punctuation in
// Windows-1252 next to ASCII, as in Western European text.
func windows1252(text []byte) bool {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			switch text[i] {
			case 0x81, 0x8d, 0x8f, 0x90, 0x9d: // not in the code page
				return false
			}
			if i+2 < len(text) && text[i+1] >= 0x80 && text[i+2] >= 0x80 {
				return false
			}
		}
		i += size
	}
	return true
}

// decodeWide converts code units of two or four bytes to UTF-8. An incomplete unit at the end
// becomes U+FFFD. bad is the number of invalid characters.
func decodeWide(raw []byte, e encoding) (out []byte, bad int) {
	out = make([]byte, 0, len(raw)*3/e.width)
	for len(raw) >= e.width {
		var r rune
		if e.width == 4 {
			if u := e.order.Uint32(raw); u <= unicode.MaxRune {
				r = rune(u)
			} else {
				r = utf8.RuneError
			}
		} else if r = rune(e.order.Uint16(raw)); utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if len(raw) >= 4 {
				pair = utf16.DecodeRune(r, rune(e.order.Uint16(raw[2:])))
			}
			if r = pair; r != utf8.RuneError {
				raw = raw[2:]
			}
		}
		if r == utf8.RuneError || !utf8.ValidRune(r) {
			bad++
		}
		out = utf8.AppendRune(out, r)
		raw = raw[e.width:]
	}
	if len(raw) > 0 {
		bad++
		out = utf8.AppendRune(out, utf8.RuneError)
	}
	return out, bad
}

// unixLines converts the line ends "\r\n" and "\r" to "\n", in place.
func unixLines(text []byte) []byte {
	n := bytes.IndexByte(text, '\r')
	if n < 0 {
		return text
	}
	for i := n; i < len(text); i++ {
		c := text[i]
		if c == '\r' {
			c = '\n'
			if i+1 < len(text) && text[i+1] == '\n' {
				i++
			}
		}
		text[n] = c
		n++
	}
	return text[:n]
}

// reason returns the reason for which a file is skipped, on one line. ok is false for other errors.
func reason(err error) (s string, ok bool) {
	var n notText
	switch {
	case errors.As(err, &n):
		return string(n), true
	case errors.Is(err, lfs.ErrPointer):
		return "a Git LFS pointer, not the file's content: run git lfs pull", true
	}
	return "", false
}
