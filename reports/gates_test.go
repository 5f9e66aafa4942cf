package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// verdicts returns one verdict of each kind.
func verdicts() *Gates {
	return &Gates{Verdict: "regressed", Note: "one run on each side cannot show how the machine shifts from run to run", List: []Gate{
		{"passed", "pooled needle.exact >= 80%", []string{"3 cases passed, the closest tiny-yoco-swa: 0.917 (0.83 to 0.97), n=72"}},
		{"regressed", "prefill.ttft <= 250ms @ length=16Ki", []string{"tiny-transformer prefill 16Ki: 412.1 ms (401 ms to 431 ms), n=5, p<0.001"}},
		{"undecided", "throughput.decode_tps >= 100", []string{"tiny-yoco-gret: 99 (90 to 110), n=3; about 40 samples would decide"}},
		{"broken", "kv.total <= 1GiB", []string{"no case matches it"}},
		{"not judged", "nll.nll <= 1.01x baseline", []string{"it needs a baseline"}},
	}}
}

// TestVerdicts checks that every human-readable format shows the verdicts with their evidence, and
// does not mention gates if there are none.
func TestVerdicts(t *testing.T) {
	j, g := few(journal(t)), verdicts()
	for _, f := range []Format{Text, Markdown, HTML} {
		files, err := newView(t.Context(), j, g).render(f)
		if err != nil {
			t.Fatal(err)
		}
		got := string(files[0].data)
		if f == Text {
			got = strings.Join(strings.Fields(got), " ") // undo line wrapping
		}
		for _, x := range g.List {
			text := x.Text
			switch f {
			case Markdown:
				text = cleantext.Markdown(text)
			case HTML:
				text = strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(text)
			}
			for _, want := range []string{text, x.Verdict} {
				if !strings.Contains(got, want) {
					t.Errorf("%s lacks %q", f, want)
				}
			}
		}
		for _, want := range []string{"3 cases passed, the closest", "412.1 ms", "it needs a baseline", "cannot show how the machine shifts"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %q", f, want)
			}
		}
		files, err = newView(t.Context(), j, nil).render(f)
		if err != nil {
			t.Fatal(err)
		}
		if low := bytes.ToLower(files[0].data); bytes.Contains(low, []byte("gates: ")) || bytes.Contains(low, []byte(`href="#gates"`)) {
			t.Errorf("%s mentions gates without any", f)
		}
	}
}
