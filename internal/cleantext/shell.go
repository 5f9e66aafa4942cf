package cleantext

import (
	"path/filepath"
	"strings"
	"unicode"
)

// ShellQuote writes a word so that a POSIX shell reads it as one: in single quotes unless it is
// plain.
func ShellQuote(word string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_@%+=:,./-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// LastElement returns the last element of an absolute path, and any other text unchanged.
func LastElement(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Base(path)
	}
	return path
}
