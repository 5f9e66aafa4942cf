package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// TestLossAtAPosition checks that the report shows the loss at each position with its paired
// changes, if the record has them. Old records have no such table.
func TestLossAtAPosition(t *testing.T) {
	r := nllRecord("tiny", "yoco-gret", "prose")
	text := func() string {
		var b bytes.Buffer
		if err := MarkdownTo(t.Context(), &b, &result.Journal{Runs: small().Runs, Records: []result.Record{r}}, nil); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(b.String(), "\\", "")
	}
	if strings.Contains(text(), "NLL at a position") {
		t.Error("a table of changes without changes")
	}
	b := r.Series[0]
	c := result.Series{Name: "nll_bucket_change", XUnit: "tokens", YUnit: "nats/token", X: b.X[1:]}
	for range c.X {
		c.Y, c.Lo, c.Hi = append(c.Y, -0.0123), append(c.Lo, -0.0156), append(c.Hi, 0.0012)
	}
	r.Series = append(r.Series, c)
	for _, want := range []string{"NLL at a position", units.Loss(b.Y[3]) + " [" + units.Loss(b.Lo[3]), "-0.0123 [-0.0156, +0.0012]", "paired by text"} {
		if !strings.Contains(text(), want) {
			t.Errorf("%q is missing in:\n%s", want, text())
		}
	}
}

// Models of different tokenizers are compared in bits per byte, models of one in nats per token.
func TestLossOfDifferentTokenizers(t *testing.T) {
	a, b := nllRecord("bytes", "yoco-gret", "prose"), nllRecord("words", "transformer", "prose")
	for _, r := range []*result.Record{&a, &b} {
		s := r.Series[1]
		s.Name, s.YUnit = "bits_cumulative", "bits/byte"
		r.Series = append(r.Series, s)
	}
	text := func() string {
		var out bytes.Buffer
		if err := MarkdownTo(t.Context(), &out, &result.Journal{Runs: small().Runs, Records: []result.Record{a, b}}, nil); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(out.String(), "\\", "")
	}
	if s := text(); !strings.Contains(s, "nats per token over all positions before the length") || strings.Contains(s, "different tokenizers") {
		t.Errorf("one tokenizer:\n%s", s)
	}
	b.Params["tokenizer"] = "gpt2 49152"
	if s := text(); !strings.Contains(s, "bits per byte over all positions before the length") || !strings.Contains(s, "different tokenizers: compare them in bits per byte") {
		t.Errorf("two tokenizers:\n%s", s)
	}
}

// A heatmap says where the trained context of a model ends.
func TestTrainedContext(t *testing.T) {
	for trained, want := range map[int]string{0: "", 64 * ki: "", 1000: "dashed: the end of the trained context of tiny, 1000", 2 * ki: "dashed: the end of the trained context of tiny, 2Ki"} {
		var records []result.Record
		for _, length := range []float64{ki, 2 * ki, 4 * ki} {
			r := needleRecord("tiny", "yoco-gret", length, 0.5, 3)
			r.TrainedContext = trained
			records = append(records, r)
		}
		var out bytes.Buffer
		if err := MarkdownTo(t.Context(), &out, &result.Journal{Runs: small().Runs, Records: records}, nil); err != nil {
			t.Fatal(err)
		}
		s := strings.ReplaceAll(out.String(), "\\", "")
		if strings.Contains(s, "dashed") != (want != "") || !strings.Contains(s, want) {
			t.Errorf("trained context %d, want %q:\n%s", trained, want, s)
		}
	}
}
