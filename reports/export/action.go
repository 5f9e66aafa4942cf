package export

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// entry is one value in the format of github-action-benchmark (tools customBiggerIsBetter and
// customSmallerIsBetter).
type entry struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Range string  `json:"range,omitempty"`
	Extra string  `json:"extra,omitempty"`
}

// GitHubAction writes the metrics for which higher is better to bigger and those for which lower is
// better to smaller. Each is a JSON array for github-action-benchmark (tools customBiggerIsBetter
// and customSmallerIsBetter).
func GitHubAction(bigger, smaller io.Writer, j *result.Journal) error {
	more, less := []entry{}, []entry{}
	for i := range j.Records {
		r := &j.Records[i]
		if r.Status != result.OK {
			continue
		}
		for _, name := range metricNames(r, false) {
			m := r.Metrics[name]
			e := entry{Name: fmt.Sprintf("%s: %s: %s", r.Model, r.Label, name), Unit: m.Unit, Value: m.Value,
				Extra: fmt.Sprintf("%s by %s on %s\ncase %s", r.Source, r.Runner, r.Device, r.Case)}
			switch {
			case m.Lo != nil && m.Hi != nil:
				e.Range = fmt.Sprintf("%s to %s", number(*m.Lo), number(*m.Hi))
			case len(m.Samples) > 1:
				e.Range = fmt.Sprintf("%d samples", len(m.Samples))
			}
			if m.Better == result.Higher {
				more = append(more, e)
			} else {
				less = append(less, e)
			}
		}
	}
	for _, out := range []struct {
		w       io.Writer
		entries []entry
	}{{bigger, more}, {smaller, less}} {
		e := json.NewEncoder(cleantext.NewWriter(out.w)) // without raw escapes
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(out.entries); err != nil {
			return err
		}
	}
	return nil
}
