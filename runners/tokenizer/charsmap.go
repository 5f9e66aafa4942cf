package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// charsmap is SentencePiece's table of normalization: a double-array trie (Darts) of the strings to
// replace, and their replacements, each terminated by a zero byte.
type charsmap struct {
	units        []uint32
	replacements string
}

// maxCharsmap bounds a table, in bytes. The one of NFKC has 237,539.
const maxCharsmap = 1 << 26

// parseCharsmap reads a table. It returns nil for an empty one.
func parseCharsmap(data []byte) (*charsmap, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) < 4 || len(data) > maxCharsmap {
		return nil, fmt.Errorf("the table of normalization has %d bytes, want 4 to %d", len(data), maxCharsmap)
	}
	n := int64(binary.LittleEndian.Uint32(data))
	if n%4 != 0 || n == 0 || n > int64(len(data)-4) {
		return nil, fmt.Errorf("the table of normalization says that %d of its %d bytes are a trie", n, len(data))
	}
	m := &charsmap{units: make([]uint32, n/4), replacements: string(data[4+n:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(data[4+4*i:])
	}
	if m.replacements != "" && m.replacements[len(m.replacements)-1] != 0 {
		return nil, errors.New("the table of normalization does not end with a zero")
	}
	return m, nil
}

// prefixes calls f for each string of the table with which s begins, the shortest first, with its
// length and its replacement. It stops if f returns false.
func (m *charsmap) prefixes(s string, f func(n int, by string) bool) {
	// A unit has a label in bits 0 to 7, a flag in bit 8 if a string ends there, and the offset of
	// its children in bits 10 to 30, shifted by 8 if bit 9 is set. The child with label 0 is a
	// value.
	offset := func(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
	at := offset(m.units[0])
	for i := 0; i < len(s) && s[i] != 0; i++ {
		at ^= uint32(s[i])
		if int64(at) >= int64(len(m.units)) {
			return
		}
		u := m.units[at]
		if u&(1<<31|0xff) != uint32(s[i]) {
			return
		}
		at ^= offset(u)
		if u>>8&1 == 0 {
			continue
		}
		if int64(at) >= int64(len(m.units)) {
			return
		}
		value := m.units[at] & (1<<31 - 1)
		if int64(value) >= int64(len(m.replacements)) {
			return
		}
		by, _, _ := strings.Cut(m.replacements[value:], "\x00")
		if !f(i+1, by) {
			return
		}
	}
}

// apply replaces the longest strings of the table, from left to right, as SentencePiece does. A
// byte that is not valid UTF-8 becomes U+FFFD.
func (m *charsmap) apply(a *aligned) error {
	b := builder{from: a}
	for at := 0; at < len(a.s); {
		n, by := 0, ""
		m.prefixes(a.s[at:], func(length int, replacement string) bool {
			n, by = length, replacement
			return true
		})
		if n > 0 {
			b.write(by, at+n)
			at += n
			continue
		}
		r, size := utf8.DecodeRuneInString(a.s[at:])
		if r == utf8.RuneError && size == 1 {
			b.write("\uFFFD", at+1)
		} else {
			b.copy(at, at+size)
		}
		at += size
	}
	return b.done()
}

// graphemes applies a table as Hugging Face's tokenizers do.
type graphemes struct{ *charsmap }

// maxWholeGrapheme is the length in bytes from which the characters of a grapheme are looked up one
// by one.
const maxWholeGrapheme = 6

func (g graphemes) apply(a *aligned) error {
	if g.charsmap == nil {
		return nil
	}
	b := builder{from: a}
	// The replacement of the first match, which is the shortest, replaces all of part.
	replaced := func(part string, end int) (found bool) {
		g.prefixes(part, func(_ int, by string) bool {
			b.write(by, end)
			found = true
			return false
		})
		return found
	}
	state, rest := -1, a.s
	for at := 0; rest != ""; {
		var part string
		part, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		end := at + len(part)
		if len(part) >= maxWholeGrapheme || !replaced(part, end) {
			for part != "" {
				_, n := utf8.DecodeRuneInString(part)
				if at += n; !replaced(part[:n], at) {
					b.copy(at-n, at)
				}
				part = part[n:]
			}
		}
		at = end
	}
	return b.done()
}
