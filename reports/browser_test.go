package reports

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/browser"
	"github.com/yocobench/yocobench/suites/result"
)

// openReport writes the page of a journal and opens the file in a browser.
func openReport(t *testing.T, j *result.Journal, g *Gates) (p *browser.Page, url string) {
	t.Helper()
	dir := t.TempDir()
	if _, err := Write(t.Context(), dir, j, g, []Format{HTML}); err != nil {
		t.Fatal(err)
	}
	url = "file://" + filepath.ToSlash(filepath.Join(dir, "report.html"))
	return browser.Open(t, url), url
}

// detail is the text of the panel next to a section's grids.
const detail = `document.querySelector("#needle .detail").innerText`

// TestPageInBrowser checks verdicts, cells, curves, commands, both themes and printing.
func TestPageInBrowser(t *testing.T) {
	p, url := openReport(t, few(journal(t)), verdicts())
	says := func(what, got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is not in %q", what, w, got)
			}
		}
	}

	says("gates", p.Text(`document.querySelector("#gates").innerText`), "Gates: regressed", "pooled needle.exact >= 80%", "412.1 ms", "it needs a baseline")
	says("summary", p.Text(`document.querySelector("header").innerText`), "70 cases", "30 ok", "37 not run", "regressed", "oom", "skipped")
	says("problems", p.Text(`document.querySelector("#problems").innerText`), "out of memory: 2.1 GiB asked for", "over budget: 95 s estimated", "yocobench run synthetic --filter case=")
	says("environment", p.Text(`document.querySelector("#environment").innerText`), "Synthetic CPU", "4 threads used", "go1.26")

	// Cells: hover, a click that pins a cell, the keyboard.
	p.Point(".heat tbody td", 0, 0)
	p.Wait(detail + `.includes("What is the magic number")`)
	first := p.Text(detail)
	says("a cell pointed at", first, "needle single 256 @ 0 %", "exact", "question", "expected", "answer", "The magic number of Lisbon is", "yocobench run synthetic --filter case=")
	p.Click(".heat tbody tr:nth-child(2) td")
	held := p.Text(detail)
	p.Point(".heat tbody td", 0, 0)
	if now := p.Text(detail); now != held || held == first {
		t.Errorf("a clicked cell is not pinned: %.60q, then %.60q", held, now)
	}
	p.Keys("ArrowRight")
	says("the cell to the right", p.Text(detail), "needle single 4Ki @ 100 %")
	p.Keys("Home", "ArrowUp", "ArrowUp", "ArrowLeft")
	says("the first cell", p.Text(detail), "needle single 256 @ 0 %")
	p.Keys("End")
	says("the last cell of the row", p.Text(detail), "needle single 32Ki @ 0 %")
	if style := p.Text(`getComputedStyle(document.activeElement).outlineStyle`); style != "solid" {
		t.Errorf("the cell that has the focus is outlined %q", style)
	}
	p.Keys("Escape")
	says("after Escape", p.Text(detail), "No cell selected")
	if n := p.Number(`document.querySelectorAll(".heat td[tabindex='0']").length / document.querySelectorAll(".heat").length`); n != 1 {
		t.Errorf("%v tab stops a grid, want 1", n)
	}

	// Curves: hover near a point, and move from point to point.
	p.Point("#prefill figure .hot", 7, 5)
	p.Wait(`!document.getElementById("tip").hidden`)
	says("a curve pointed at", p.Text(`document.getElementById("tip").innerText`), "tiny-", "ms")
	p.Point("h1", 0, 0)
	p.Wait(`document.getElementById("tip").hidden`)
	p.Text(`document.querySelector("#prefill figure .hot").focus(), ""`)
	one := p.Text(`document.getElementById("tip").innerText`)
	p.Keys("ArrowRight")
	if two := p.Text(`document.getElementById("tip").innerText`); one == "" || two == "" || one == two {
		t.Errorf("the keyboard goes from %q to %q", one, two)
	}
	p.Keys("Escape")
	p.Wait(`document.getElementById("tip").hidden`)

	// A page opened from a file may be denied the clipboard; the button shows the result.
	p.Click("#problems .copy")
	p.Wait(`["copied", "selected"].includes(document.querySelector("#problems .copy").textContent)`)
	p.Click("#cases summary")
	p.Wait(`document.querySelector("#cases .copy") !== null`)
	if n := p.Number(`document.querySelectorAll("code.command").length - document.querySelectorAll(".copy").length`); n != 0 {
		t.Errorf("%v commands have no button to copy them", n)
	}

	checkLooks(t, p)
	if got := p.Requests(); !slices.Equal(got, []string{url}) {
		t.Errorf("the page asked for %v", got)
	}
	if got := p.Errors(); len(got) > 0 {
		t.Errorf("the console says %q", got)
	}
}

// checkLooks checks both themes, the absence of motion, and printing.
func checkLooks(t *testing.T, p *browser.Page) {
	t.Helper()
	checkThemes(t, p)
	// Nothing may be animated, so prefers-reduced-motion is always met.
	if n := p.Number(`[...document.querySelectorAll("*")].filter((e) => { const s = getComputedStyle(e); return s.animationName !== "none" || s.transitionDuration !== "0s" || s.scrollBehavior === "smooth"; }).length`); n != 0 {
		t.Errorf("%v elements move", n)
	}
	p.Print(true)
	if got := p.Text(`[".copy", "nav", ".detail"].map((s) => getComputedStyle(document.querySelector(s)).display).join(" ")`); got != "none none none" {
		t.Errorf("in print, buttons, links and the panel are %s", got)
	}
	p.Text(`dispatchEvent(new Event("beforeprint")), ""`)
	if n := p.Number(`document.querySelectorAll("details:not([open])").length`); n != 0 {
		t.Errorf("%v folded parts stay folded in print", n)
	}
	p.Print(false)
}

// checkThemes checks that the light and dark themes differ and have enough contrast.
func checkThemes(t *testing.T, p *browser.Page) {
	t.Helper()
	const colors = `getComputedStyle(document.body).backgroundColor + " " + getComputedStyle(document.body).color + " " + getComputedStyle(document.querySelector("figure path[style]") || document.body).stroke`
	p.Dark(false)
	light := p.Text(colors)
	p.Dark(true)
	dark := p.Text(colors)
	if !strings.HasPrefix(light, "rgb(255, 255, 255)") || light == dark || strings.HasPrefix(dark, "rgb(255, 255, 255)") {
		t.Errorf("light is %s, dark is %s", light, dark)
	}
	for _, theme := range []bool{false, true} {
		p.Dark(theme)
		if low := p.Text(faint); low != "" {
			t.Errorf("dark %v: too little contrast: %s", theme, low)
		}
	}
}

// faint returns the first text whose contrast with its background is below 4.5, the minimum of WCAG
// 2.2 (1.4.3).
const faint = `(() => {
	const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
	const light = (c) => {
		const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] === 1) return c;
		}
		return [255, 255, 255];
	};
	for (const e of document.querySelectorAll("body *:not(svg *)")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
		const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (!(ratio >= 4.5)) return e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 30) + ": " + ratio.toFixed(2);
	}
	return "";
})()`

// TestHostileTextInBrowser checks that a model's answers are shown as text: no script in them runs
// and no element is created.
func TestHostileTextInBrowser(t *testing.T) {
	evil := "</script><b id=evil>\"'><img src=x onerror='window.evil=1'><!--" + `</style><script>window.evil=1</script>\u2028${evil}`
	r := needleRecord(evil, "yoco-gret", 256, 0.5, 2)
	r.Label, r.Suite, r.Device, r.Notes = evil, evil, evil, []string{evil}
	r.Trials[0].Answer, r.Trials[0].Exact, r.Trials[0].Question, r.Trials[0].Expected, r.Trials[0].Facts = evil, 0, evil, []string{evil}, []string{evil}
	bad := record("kv", evil, evil, evil, map[string]any{"length": 5.0})
	bad.Status, bad.Reason, bad.Metrics = result.Failed, evil, nil
	curve := nllRecord(evil, evil, evil)
	run := small().Runs[0]
	run.Suite, run.Title, run.Command, run.SuiteFile = evil, evil, evil, evil
	g := &Gates{Verdict: evil, Note: evil, List: []Gate{{evil, evil, []string{evil}}}}
	p, url := openReport(t, reread(t, &result.Journal{Runs: []result.Run{run}, Records: []result.Record{r, bad, curve}}), g)

	p.Click(".heat tbody td")
	if got := p.Text(detail); !strings.Contains(got, "</script><b id=evil>") {
		t.Errorf("the answer is not shown as it is: %q", got)
	}
	p.Text(`document.querySelector(".hot").focus(), ""`)
	if got := p.Text(`String(window.evil) + document.querySelectorAll("#evil, img, b").length`); got != "undefined0" {
		t.Errorf("text from a record was interpreted: %s", got)
	}
	if got := p.Requests(); !slices.Equal(got, []string{url}) {
		t.Errorf("the page asked for %v", got)
	}
	if got := p.Errors(); len(got) > 0 {
		t.Errorf("the console says %q", got)
	}
}

// TestWholePageInBrowser checks that a page with all tasks logs no errors and has no duplicate ids.
func TestWholePageInBrowser(t *testing.T) {
	p, _ := openReport(t, journal(t), nil)
	if n := p.Number(`document.querySelectorAll("figure .hot").length`); n < 50 {
		t.Errorf("only %v points can be pointed at", n)
	}
	if ids := p.Text(`(() => { const seen = new Set(); return [...document.querySelectorAll("[id]")].map((e) => e.id).filter((i) => seen.size === seen.add(i).size).join(" "); })()`); ids != "" {
		t.Errorf("duplicate ids: %s", ids)
	}
	if got := p.Errors(); len(got) > 0 {
		t.Errorf("the console says %q", got)
	}
}

// TestLargePageInBrowser checks that a page of ten thousand cells opens in seconds and responds to
// the pointer.
func TestLargePageInBrowser(t *testing.T) {
	j := large[slices.IndexFunc(large, func(l largeJournal) bool { return l.name == "cells" })].make(10_000)
	start := time.Now()
	p, _ := openReport(t, j, nil)
	if n := p.Number(`document.querySelectorAll(".heat tbody td").length`); n != 10_500 { // 3 models, 250 lengths, 14 depths
		t.Errorf("%v cells", n)
	}
	p.Point(".heat tbody td", 0, 0)
	p.Wait(detail + `.includes("Which?")`)
	loaded := p.Number(`performance.timing.loadEventEnd - performance.timing.navigationStart`)
	t.Logf("drawn and opened in %s, the page alone in %.0f ms", time.Since(start).Round(time.Millisecond), loaded)
	if loaded > 15_000 {
		t.Errorf("the page takes %.0f ms to open", loaded)
	}
}
