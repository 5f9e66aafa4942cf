package cleantext

import "regexp"

var absolute = regexp.MustCompile(`(^|[\s"'` + "`" + `=:,(\[{])/(?:[^\s/"'` + "`" + `,;:)\]}]+/)+([^\s/"'` + "`" + `,;:)\]}]*)`)

// WithoutFolders replaces the absolute paths in a text by their last elements, so that a run's
// output reveals no folder of the machine.
func WithoutFolders(s string) string { return absolute.ReplaceAllString(s, "$1$2") }
