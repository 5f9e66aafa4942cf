package reports

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// clean makes untrusted text safe for one line of any report.
func clean(s string) string { return cleantext.Line(s) }

// slug converts text to a part of a file name or HTML id: a-z, 0-9, '-' and '.'.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.' && b.Len() > 0:
			b.WriteRune(r)
		case r >= 0x80 && unicode.IsPrint(r): // keep names in other scripts distinct
			fmt.Fprintf(&b, "u%x", r)
		default:
			if !strings.HasSuffix(b.String(), "-") && b.Len() > 0 {
				b.WriteByte('-')
			}
		}
	}
	out := strings.Trim(b.String(), "-.")
	if len(out) > 60 {
		out = strings.Trim(out[:60], "-.")
	}
	return out
}
