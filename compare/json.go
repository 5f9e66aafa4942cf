package compare

import (
	"encoding/json"
	"io"
)

// JSON writes the comparison as one document.
func (c *Comparison) JSON(w io.Writer) error { return writeJSON(w, c) }

// JSON writes the verdicts as one document.
func (j *Judgement) JSON(w io.Writer) error { return writeJSON(w, j) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
