package cleantext

import "regexp"

var absolute = regexp.MustCompile(`(^|[\s"'` + "`" + `=:,(\[{])/(?:[^\s/"'` + "`" + `,;:)\]}]+/)+([^\s/"'` + "`" + `,;:)\]}]*)`)

// WithoutFolders replaces the absolute paths in a text by their last element, so that
// a run's output names no folder of the machine.
func WithoutFolders(s string) string { return absolute.ReplaceAllString(s, "$1$2") }
