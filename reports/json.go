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

// json writes results.json: the whole journal as one document. Characters that
// a terminal would act on are written as escapes, so that it can be printed.
func (v *view) json(out io.Writer) error {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetIndent("", " ")
	runs := append([]result.Run{}, v.journal.Runs...)
	for i := range runs { // the journal itself keeps the paths, for resuming
		runs[i].SuiteText = cleantext.WithoutFolders(runs[i].SuiteText)
	}
	err := e.Encode(struct {
		Schema  int             `json:"schema"`
		Notice  string          `json:"notice,omitempty"`
		Runs    []result.Run    `json:"runs"`
		Records []result.Record `json:"records"`
	}{result.SchemaVersion, v.journal.Notice, runs, append([]result.Record{}, v.journal.Records...)})
	if err != nil {
		return err
	}
	_, err = out.Write(escaped(buf.Bytes()))
	return err
}

// escaped replaces what does not print, which in JSON stands only in strings, by \u escapes.
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
