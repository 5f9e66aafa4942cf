package reports

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/browser"
	"github.com/yocobench/yocobench/suites/result"
)

// trends returns two metrics over twelve runs: one that falls at the eighth run, and one that stays
// level.
func trends(name string) *History {
	h := &History{Runs: 12, Alpha: 0.01, Notices: []string{"left out: " + name}}
	for _, metric := range []string{"tps", "total"} {
		t := Trend{Task: "prefill", Model: name, Label: "prefill 1Ki " + name, Metric: metric, Unit: "tokens/s", Better: result.Higher, Machine: "Synthetic CPU, 4 threads " + name}
		for i := range 12 {
			v := 1000 + float64(i%3)
			if metric == "tps" && i >= 7 {
				v = 900 + float64(i%3)
			}
			t.Points = append(t.Points, TrendPoint{Run: name, Start: time.Date(2026, 1, i+1, 9, 0, 0, 0, time.UTC), Commit: fmt.Sprintf("%07d", i+1), Value: v})
		}
		if metric == "tps" {
			t.Changes = []TrendChange{{At: 7, Before: 1001, After: 901, P: 0.0021}}
		}
		h.Trends = append(h.Trends, t)
	}
	return h
}

// TestTrendVerdicts checks that a decrease is worse if higher is better, better if lower is better,
// and neither without a direction.
func TestTrendVerdicts(t *testing.T) {
	fall := TrendChange{Before: 2, After: 1}
	for better, want := range map[result.Better]string{result.Higher: "worse", result.Lower: "better", result.None: "changed"} {
		tr := Trend{Better: better}
		if got, _ := tr.verdict(fall); got != want {
			t.Errorf("%s: %s, want %s", better, got, want)
		}
	}
	for better, want := range map[result.Better]any{result.Higher: worseColor, result.Lower: betterColor} {
		tr := trends("m").Trends[0]
		tr.Better = better
		if got := tr.panel(true).(*trendPanel).marks[0]; got.color != want || got.x != 7.5 || got.text != "-10.0 %" {
			t.Errorf("%s: marked %+v", better, got)
		}
	}
}

func TestTrendPageInBrowser(t *testing.T) {
	dir := t.TempDir()
	names, err := trends("tiny").Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(names, " "); got != "history.html history-prefill-tps.png history-prefill-tps.svg history-prefill-total.png history-prefill-total.svg" {
		t.Errorf("wrote %s", got)
	}
	url := "file://" + filepath.ToSlash(filepath.Join(dir, "history.html"))
	p := browser.Open(t, url)
	if got := p.Text(`document.body.innerText`); !strings.Contains(got, "12 runs · 2 trends · 1 change point") || !strings.Contains(got, "-10.0 % worse") ||
		!strings.Contains(got, "8 · 0000008") || !strings.Contains(got, "left out: tiny") || strings.Contains(got, "no header") {
		t.Errorf("the page says %q", got)
	}
	p.Text(`document.querySelector("figure .hot").focus(), ""`)
	p.Keys("ArrowRight")
	if got := p.Text(`document.getElementById("tip").innerText`); !strings.Contains(got, "run 2 · 2026-01-02 09:00 · 0000002") || !strings.Contains(got, "1001") {
		t.Errorf("the second run's point says %q", got)
	}
	if n := p.Number(`document.querySelectorAll("figure .hot").length`); n != 24 {
		t.Errorf("%v points can be pointed at, want 24", n)
	}
	checkThemes(t, p)
	if got := p.Requests(); len(got) != 1 || got[0] != url {
		t.Errorf("the page asked for %v", got)
	}
	if got := p.Errors(); len(got) > 0 {
		t.Errorf("the console says %q", got)
	}
}

func TestTrendPageHostileText(t *testing.T) {
	var b bytes.Buffer
	if err := trends(`</script><b>"'><img src=x>`).HTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<b>", "<img"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page contains %s unescaped", bad)
		}
	}
}
