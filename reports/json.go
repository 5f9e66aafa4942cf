package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// json writes results.json: the whole journal as one document. Non-printing characters are escaped,
// so that it is safe to print on a terminal.
func (v *view) json(out io.Writer) error {
	runs := append([]result.Run{}, v.journal.Runs...)
	for i := range runs { // only the journal contains the paths, for resuming
		runs[i].SuiteText = cleantext.WithoutFolders(runs[i].SuiteText)
	}
	head, err := json.MarshalIndent(struct {
		Schema int          `json:"schema"`
		Notice string       `json:"notice,omitempty"`
		Runs   []result.Run `json:"runs"`
	}{result.SchemaVersion, v.journal.Notice, runs}, "", " ")
	if err != nil {
		return err
	}
	// Write records one by one: there may be many, and a signal must not wait for all of them.
	var buf bytes.Buffer
	buf.Write(escaped(bytes.TrimSuffix(head, []byte("\n}"))))
	buf.WriteString(",\n \"records\": [")
	for i, r := range v.journal.Records {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		record, err := json.MarshalIndent(r, "  ", " ")
		if err != nil {
			return err
		}
		if i > 0 {
			buf.WriteByte(',')
		}
		buf.WriteString("\n  ")
		buf.Write(escaped(record))
	}
	if len(v.journal.Records) > 0 {
		buf.WriteString("\n ")
	}
	buf.WriteString("]\n}\n")
	_, err = out.Write(buf.Bytes())
	return err
}

// escaped replaces non-printing characters, which in JSON occur only in strings, by \u escapes.
func escaped(doc []byte) []byte {
	var buf bytes.Buffer
	for _, r := range string(doc) {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			buf.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&buf, `\u%04x`, r)
		default:
			fmt.Fprintf(&buf, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		}
	}
	return buf.Bytes()
}
