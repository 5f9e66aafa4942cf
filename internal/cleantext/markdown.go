package cleantext

import "strings"

// Markdown makes text fit for one line of Markdown, which, with the HTML inside it, shows the text
// as it is.
func Markdown(s string) string {
	var b strings.Builder
	for _, r := range Line(s) {
		switch r {
		case '\\', '`', '*', '_', '[', ']', '|', '~', '#', '$', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
