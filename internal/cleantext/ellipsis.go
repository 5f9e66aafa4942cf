package cleantext

import "unicode/utf8"

// Ellipsis shortens text to at most n characters, and marks the cut with ….
func Ellipsis(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(n-1, 0)]) + "…"
}
