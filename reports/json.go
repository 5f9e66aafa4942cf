package reports

import (
	"encoding/json"
	"io"

	"github.com/yocobench/yocobench/suites/result"
)

// json writes results.json: the whole journal as one document.
func (v *view) json(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(struct {
		Schema  int             `json:"schema"`
		Notice  string          `json:"notice,omitempty"`
		Runs    []result.Run    `json:"runs"`
		Records []result.Record `json:"records"`
	}{result.SchemaVersion, v.journal.Notice, append([]result.Run{}, v.journal.Runs...), append([]result.Record{}, v.journal.Records...)})
}
