// Package browser opens pages in a headless Chromium. Only tests use it.
package browser

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/yocobench/yocobench/internal/testenv"
)

// names are the names of Chromium on PATH.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}

// limit bounds the lifetime of a test's browser, and waitLimit a single wait. They are long because
// a busy machine may need minutes for the work of seconds.
const limit, waitLimit = 15 * time.Minute, 2 * time.Minute

// Page is one page of a browser.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	errors   []string
	requests []string
}

// Open opens a URL in a browser of its own, 1280 x 900 pixels, light, without motion preferences.
// Without Chromium on PATH the test is skipped, or fails if YOCOBENCH_NO_SKIP=1.
func Open(t testing.TB, url string) *Page {
	t.Helper()
	path := ""
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		testenv.Missing(t, "no Chromium on PATH (%v)", names)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.WindowSize(1280, 900),
		chromedp.Flag("allow-pre-commit-input", true)) // else a click before the first frame is lost
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with one
	}
	ctx, cancelTime := context.WithTimeout(context.Background(), limit)
	ctx, cancelProcess := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		cancelTab()
		cancelProcess()
		cancelTime()
	})
	p := &Page{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	call(p, log.Enable, cdp.Empty{})
	call(p, network.Enable, network.EnableParams{})
	p.do(chromedp.Navigate(url))
	return p
}

// listen records the page's errors and requests.
func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.errors = append(p.errors, text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			text := string(e.Type) + ":"
			for _, a := range e.Args {
				text += " " + string(a.Value) + a.Description
			}
			p.errors = append(p.errors, text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.errors = append(p.errors, e.Entry.Text)
		}
	}
}

func (p *Page) do(action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, action); err != nil {
		p.t.Fatal(err)
	}
}

// call runs a command of the protocol.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, command, params); err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
}

// evaluate returns the value of an expression.
func evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Errors returns the errors and warnings on the page's console, and its exceptions.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.errors)
}

// Requests returns the URLs that the page has requested, its own first.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Text evaluates an expression whose value is a string.
func (p *Page) Text(expression string) string {
	p.t.Helper()
	return evaluate[string](p, expression)
}

// Number evaluates an expression whose value is a number.
func (p *Page) Number(expression string) float64 {
	p.t.Helper()
	return evaluate[float64](p, expression)
}

// Keys presses keys one after another: "Tab", "Enter", "Escape", "ArrowRight", ….
func (p *Page) Keys(keys ...string) {
	p.t.Helper()
	codes := map[string]string{"Tab": kb.Tab, "Enter": kb.Enter, "Escape": kb.Escape, "Space": " ", "Home": kb.Home, "End": kb.End,
		"ArrowLeft": kb.ArrowLeft, "ArrowRight": kb.ArrowRight, "ArrowUp": kb.ArrowUp, "ArrowDown": kb.ArrowDown}
	for _, k := range keys {
		code, ok := codes[k]
		if !ok {
			p.t.Fatalf("no key %q", k)
		}
		p.do(chromedp.KeyEvent(code))
	}
}

// Point moves the pointer to the middle of the first element that a selector matches, plus dx and
// dy pixels.
func (p *Page) Point(selector string, dx, dy float64) {
	p.t.Helper()
	x, y := p.middle(selector)
	p.do(chromedp.MouseEvent("mouseMoved", x+dx, y+dy, chromedp.ButtonNone))
}

// Click clicks the middle of the first element that a selector matches.
func (p *Page) Click(selector string) {
	p.t.Helper()
	x, y := p.middle(selector)
	p.do(chromedp.MouseClickXY(x, y))
}

// middle scrolls an element into view and returns the position of its middle.
func (p *Page) middle(selector string) (x, y float64) {
	p.t.Helper()
	at := evaluate[[]float64](p, `(() => {
		const e = document.querySelector(`+strconv.Quote(selector)+`);
		if (!e) return [];
		e.scrollIntoView({ block: "center" });
		const r = e.getBoundingClientRect();
		return [r.left + r.width / 2, r.top + r.height / 2];
	})()`)
	if len(at) != 2 {
		p.t.Fatalf("nothing on the page is %s", selector)
	}
	return at[0], at[1]
}

// Dark sets whether the browser prefers dark pages.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Print lays the page out as for paper, or for the screen again.
func (p *Page) Print(on bool) {
	p.t.Helper()
	media := map[bool]string{true: "print", false: ""}[on]
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media})
}

// Open goes to another URL in the same page.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// Wait waits until an expression is true, even if the page is replaced in the meantime.
func (p *Page) Wait(expression string) {
	p.t.Helper()
	for end := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		yes, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](expression))
		if yes && err == nil {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: still not true (%v)", expression, err)
		}
	}
}
