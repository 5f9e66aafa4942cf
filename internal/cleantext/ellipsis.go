package cleantext

import "unicode/utf8"

// Ellipsis cuts text to at most n characters, and shows by … that it did.
func Ellipsis(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(n-1, 0)]) + "…"
}
