package reports

import (
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestMarkedDepths checks that a cell whose facts are at a different depth than that of its row is
// marked, and that the table explains the mark.
func TestMarkedDepths(t *testing.T) {
	at := func(asked, real float64) *result.Record {
		return &result.Record{Task: "needle", Model: "m", Status: result.OK, Params: map[string]any{"kind": "single", "length": 700.0, "depth": asked},
			Metrics: map[string]result.Metric{"exact": {Value: 1, Unit: "fraction"}, "depth_real": {Value: real, Unit: "fraction"}}}
	}
	about := taskOf(*(&result.Journal{}).Tasks().Find("needle"))
	how := scoringOf(about, about.Views[0])
	for _, c := range []struct {
		asked, real float64
		want        string
	}{{0.25, 0.25, "1.00"}, {0.25, 0.269, "1.00"}, {0.25, 0.38, "1.00*"}, {0.25, 0.14, "1.00*"}, {1, 1, "1.00"}} {
		r := at(c.asked, c.real)
		if got := how.score(r).text; got != c.want {
			t.Errorf("requested %g, actual %g: %q, want %q", c.asked, c.real, got, c.want)
		}
		g := &grid{scoring: how, group: &group{about: about, records: []*result.Record{r}}, model: "m", lengths: []float64{700}, depths: []float64{c.asked}, at: [][]*result.Record{{r}}}
		noted := strings.Contains(strings.Join((&view{}).gridTable(g, about.Views[0], "id").notes, " "), "* The actual depth")
		if noted != strings.HasSuffix(c.want, "*") {
			t.Errorf("requested %g, actual %g: noted %v", c.asked, c.real, noted)
		}
	}
}
