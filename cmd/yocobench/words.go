package main

import (
	"path/filepath"
	"strings"
	"unicode"
)

// portable replaces absolute paths by their last element, so that what a run leaves names no folder
// of the machine, and quotes each word for a shell.
func portable(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if name, value, ok := strings.Cut(a, "="); ok {
			a = name + "=" + withoutFolders(value)
		}
		out[i] = quote(withoutFolders(a))
	}
	return out
}

// withoutFolders is the last element of an absolute path; anything else it leaves alone.
func withoutFolders(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Base(path)
	}
	return path
}

// quote writes a word so that a POSIX shell reads it as one: in single quotes unless it is plain.
func quote(word string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_@%+=:,./-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
