package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/browser"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// writeRun writes a run with a prefill case whose samples are about seconds, started at the given
// hour.
func writeRun(t testing.TB, dir, name string, hour int, seconds float64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := result.Create(filepath.Join(dir, name, journalName))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	start := time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC)
	var samples []float64
	for i := range 12 {
		samples = append(samples, seconds*(1+float64(i)/100))
	}
	record := result.Record{Suite: "mine", Case: "c0ffee", Label: "prefill 1Ki", Task: "prefill", Model: "m-<b>", Arch: "yoco-gret", Runner: "cpu", Source: result.Measured,
		Params: map[string]any{"length": 1024.0}, Status: result.OK, Start: start, Seconds: seconds,
		Metrics: map[string]result.Metric{"ttft": {Value: seconds, Unit: "s", Better: result.Lower, Samples: samples}}}
	failed := record
	failed.Case, failed.Label, failed.Status, failed.Reason, failed.Metrics = "dead", "prefill 2Ki", result.Failed, "it broke </script><b>", nil
	env := result.Env{CPU: "Synthetic CPU", Threads: 4}
	for _, v := range []any{result.Run{Suite: "mine", Title: "a <title>", Start: start, Cases: 3, Env: env, Command: "yocobench run mine"}, record, failed} {
		if err := w.Append(v); err != nil {
			t.Fatal(err)
		}
	}
}

// folder returns a folder with three runs, one of them nested, a broken journal, an empty one and
// other files.
func folder(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "runs")
	writeRun(t, dir, "old", 3, 0.1)
	writeRun(t, dir, "new", 5, 0.2)
	writeRun(t, dir, "deep/er & <er>", 4, 0.1)
	writeRun(t, dir, ".hidden", 4, 0.1)
	for name, text := range map[string]string{"broken/results.jsonl": "{\n", "empty.jsonl": "", "notes.txt": "x", "../secret.jsonl": `{"type":"run","schema":1,"suite":"secret"}` + "\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serving returns a server for a folder, and a counter of rendered reports.
func serving(t testing.TB, dir, addr string) (*Server, *int) {
	t.Helper()
	var mu sync.Mutex
	drawn := 0
	s, err := New(dir, Options{Addr: addr,
		Hosts: []string{"runs.example.org"},
		Report: func(ctx context.Context, w io.Writer, j *result.Journal) error {
			mu.Lock()
			drawn++
			mu.Unlock()
			return reports.HTMLTo(ctx, w, j, nil)
		},
		Gates: func(*result.Journal) ([]gate.Gate, error) {
			g, err := gate.Parse("prefill.ttft <= 1.05x baseline")
			return []gate.Gate{g}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, &drawn
}

// ask sends a request to a host, as a browser does.
func ask(s *Server, method, host, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

const here = "127.0.0.1:8080"

func TestList(t *testing.T) {
	s, _ := serving(t, folder(t), here)
	w := ask(s, "GET", here, "/")
	page := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("status %d, type %q", w.Code, w.Header().Get("Content-Type"))
	}
	last := 0
	for _, want := range []string{`href="/run/new/results.jsonl">new<`, `href="/run/deep/er%20&amp;%20%3Cer%3E/results.jsonl">deep/er &amp; &lt;er&gt;<`, `href="/run/old/results.jsonl">old<`} {
		i := strings.Index(page, want)
		if i < last {
			t.Errorf("%q is at %d, before %d: not newest first", want, i, last)
		}
		last = i
	}
	for _, want := range []string{"a &lt;title&gt;", "m-&lt;b&gt;", `<span class="chip ok">1 ok</span>`, `<span class="chip failed">1 failed</span>`, "1 not run", "2026-01-02 05:00:00", "Synthetic CPU, 4 threads",
		"cannot be read: broken/results.jsonl:1: not a journal line", "cannot be read: it is empty"} {
		if !strings.Contains(page, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	for _, no := range []string{".hidden", "secret", "notes.txt", `href="/run/broken`} {
		if strings.Contains(page, no) {
			t.Errorf("the list contains %q", no)
		}
	}
}

// TestPagesAreClean checks that names on pages contain no control characters and no bidirectional
// marks.
func TestPagesAreClean(t *testing.T) {
	dir := folder(t)
	name := "x\u001b[31m\u009b\u202e\u2066\u200b"
	quoted, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	journal := fmt.Sprintf(`{"type":"run","schema":1,"suite":%[1]s,"title":%[1]s,"cases":1,"env":{"cpu":%[1]s}}`+"\n"+
		`{"type":"case","schema":1,"case":"a","task":"kv","model":%[1]s,"label":%[1]s,"params":{"length":1},"metrics":{"total":{"value":1,"unit":"bytes"}},"status":"ok"}`+"\n", quoted)
	for _, p := range []string{"hostile", "hostile-\u202e"} {
		if err := os.Mkdir(filepath.Join(dir, p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, p, "results.jsonl"), []byte(journal), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := serving(t, dir, here)
	for _, url := range []string{"/", "/run/hostile/results.jsonl", "/compare?base=hostile/results.jsonl&new=old/results.jsonl", "/compare?base=hostile/results.jsonl&new=hostile/results.jsonl", "/run/%1b%e2%80%ae.jsonl"} {
		page := ask(s, "GET", here, url).Body.String()
		for _, r := range []string{"\u001b", "\u009b", "\u2066", "\u200b"} {
			if strings.Contains(page, r) {
				t.Errorf("%s has %q", url, r)
			}
		}
	}
	if page := ask(s, "GET", here, "/").Body.String(); strings.Count(page, "\u202e") != 2 { // the values of its checkboxes
		t.Errorf("the list has %d bidirectional marks", strings.Count(page, "\u202e"))
	}
}

// TestRoundsAreNotListed checks that the list only counts the rounds of interleaved measurements.
func TestRoundsAreNotListed(t *testing.T) {
	dir := folder(t)
	for _, name := range []string{"ab/base/001.jsonl", "ab/new/001.jsonl"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(`{"type":"run","schema":1,"suite":"ci","round":1}`+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := serving(t, dir, here)
	page := ask(s, "GET", here, "/").Body.String()
	if strings.Contains(page, "001.jsonl") || !strings.Contains(page, "Not listed: 2 journals of rounds") || !strings.Contains(page, `href="/run/new/results.jsonl"`) {
		t.Errorf("the list says %q", page[strings.Index(page, "<main"):])
	}
}

// TestTornJournalIsListed checks that a run that ended in its first line is listed with the reason.
func TestTornJournalIsListed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "torn.jsonl"), []byte(`{"type":"run","schema":1`), 0o644); err != nil {
		t.Fatal(err)
	}
	s, _ := serving(t, dir, here)
	if page := ask(s, "GET", here, "/").Body.String(); !strings.Contains(page, "cannot be read: torn.jsonl:1: dropped an incomplete last line of 24 bytes") {
		t.Errorf("the list says %q", page[strings.Index(page, "<main"):])
	}
}

func TestReportIsRenderedAgainWhenItsJournalChanges(t *testing.T) {
	dir := folder(t)
	s, drawn := serving(t, dir, here)
	const url = "/run/old/results.jsonl"
	for range 3 {
		w := ask(s, "GET", here, url)
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "yocobench mine") || !strings.Contains(body, "prefill 1Ki") || strings.Contains(body, "</script><b>") {
			t.Fatalf("status %d: %.200s", w.Code, body)
		}
	}
	if *drawn != 1 {
		t.Errorf("drawn %d times, want once", *drawn)
	}
	writeMore(t, filepath.Join(dir, "old", journalName))
	if body := ask(s, "GET", here, url).Body.String(); *drawn != 2 || !strings.Contains(body, "prefill 4Ki") {
		t.Errorf("drawn %d times; the new case is missing", *drawn)
	}
	if page := ask(s, "GET", here, "/").Body.String(); !strings.Contains(page, "2 ok") {
		t.Error("the list does not count the new case")
	}
	// The cache is bounded.
	for i := range kept + 5 {
		name := fmt.Sprint("many-", i)
		writeRun(t, dir, name, 6, 0.1)
		if w := ask(s, "GET", here, "/run/"+name+"/results.jsonl"); w.Code != http.StatusOK {
			t.Fatalf("%s: %d", name, w.Code)
		}
	}
	if len(s.drawn) != kept {
		t.Errorf("%d reports cached, want %d", len(s.drawn), kept)
	}
}

// writeMore adds a case to a journal.
func writeMore(t *testing.T, path string) {
	t.Helper()
	w, _, err := result.Reopen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(result.Record{Suite: "mine", Case: "beef", Label: "prefill 4Ki", Task: "prefill", Model: "m-<b>", Status: result.OK, Params: map[string]any{"length": 4096.0}}); err != nil {
		t.Fatal(err)
	}
}

func TestCompare(t *testing.T) {
	s, _ := serving(t, folder(t), here)
	w := ask(s, "GET", here, "/compare?base=old/results.jsonl&new=new/results.jsonl")
	page := w.Body.String()
	for _, want := range []string{"<dd>old</dd>", "<dd>new</dd>", "prefill.ttft", "m-&lt;b&gt; 1Ki", "~ (&#43;100.0 %)", "times are not tested with one run on a side", "Gates: <span class=\"chip", "prefill.ttft &lt;= 1.05x baseline"} {
		if !strings.Contains(page, want) {
			t.Errorf("the comparison lacks %q", want)
		}
	}
	if w.Code != http.StatusOK || strings.Contains(page, "<b>") {
		t.Errorf("status %d, or text from a record was interpreted as markup", w.Code)
	}
	pooled := ask(s, "GET", here, "/compare?base=old/results.jsonl&base=deep/er+%26+%3Cer%3E/results.jsonl&new=new/results.jsonl").Body.String()
	if !strings.Contains(pooled, "<dd>old, deep/er &amp; &lt;er&gt;</dd>") {
		t.Error("two runs of a side are not pooled")
	}
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"":                        {400, "Select at least one run as base"},
		"?base=old/results.jsonl": {400, "Select at least one run as base"},
		"?base=old/results.jsonl&new=old/results.jsonl":            {400, "are the same run"},
		"?base=old/results.jsonl&new=gone/results.jsonl":           {404, "no such file"},
		"?base=old/results.jsonl&new=../secret.jsonl":              {404, "not a journal"},
		"?base=old/results.jsonl&new=broken/results.jsonl":         {422, "not a journal line"},
		"?base=old/results.jsonl" + strings.Repeat("&new=x", most): {400, "too many"},
	} {
		w := ask(s, "GET", here, "/compare"+query)
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%.60q: status %d, want %d with %q", query, w.Code, want.status, want.text)
		}
	}
}

// TestTraversal checks that no path reads a file outside the folder.
func TestTraversal(t *testing.T) {
	dir := folder(t)
	if err := os.Symlink(filepath.Join(dir, "..", "secret.jsonl"), filepath.Join(dir, "link.jsonl")); err != nil {
		testenv.Missing(t, "no symbolic links in the temporary folder: %v", err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	s, _ := serving(t, dir, here)
	if _, err := os.Stat(filepath.Join(dir, "up", "secret.jsonl")); err != nil {
		t.Fatal("the test's secret file cannot be read: ", err)
	}
	for _, p := range []string{"../secret.jsonl", "..%2fsecret.jsonl", "%2e%2e/secret.jsonl", "old/../../secret.jsonl", "up/secret.jsonl", "link.jsonl", "/etc/passwd", "%2fetc%2fpasswd",
		"old", "notes.txt", "", ".", "old/results.jsonl/", "old%00/results.jsonl", `..\secret.jsonl`} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = here
		r.URL.Path, r.URL.RawPath = "/run/"+unescape(t, p), "/run/"+p
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusOK || strings.Contains(w.Body.String(), "yocobench secret") {
			t.Errorf("%q: status %d", p, w.Code)
		}
	}
	if page := ask(s, "GET", here, "/").Body.String(); strings.Contains(page, "secret") {
		t.Error("the list follows a link")
	}
}

func unescape(t *testing.T, p string) string {
	t.Helper()
	s, err := url.PathUnescape(p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGuard checks that other sites can neither use their own host names, nor send data, nor frame
// a page.
func TestGuard(t *testing.T) {
	dir := folder(t)
	for _, c := range []struct {
		addr, host string
		ok         bool
	}{
		{here, "127.0.0.1:8080", true}, {here, "localhost:8080", true}, {here, "LOCALHOST", true}, {here, "[::1]:8080", true}, {here, "127.0.0.2", true},
		{here, "evil.example", false}, {here, "evil.example:8080", false}, {here, "127.0.0.1.evil.example", false}, {here, "localhost.evil.example", false},
		{here, "192.168.0.7:8080", false}, {here, "", false}, {here, "::", false},
		{"0.0.0.0:80", "192.168.0.7", true}, {"0.0.0.0:80", "localhost", true}, {"0.0.0.0:80", "evil.example", false},
		{"box.example:80", "box.example:80", true}, {"box.example:80", "evil.example", false}, {":80", "", false},
	} {
		s, _ := serving(t, dir, c.addr)
		if got := ask(s, "GET", c.host, "/").Code; (got == http.StatusOK) != c.ok || !c.ok && got != http.StatusForbidden {
			t.Errorf("at %s, asked as %q: status %d", c.addr, c.host, got)
		}
	}
	s, _ := serving(t, dir, here)
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		if got := ask(s, m, here, "/"); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d", m, got.Code)
		}
	}
	for _, p := range []string{"/", "/run/old/results.jsonl", "/compare", "/nothing", "/favicon.ico"} {
		h := ask(s, "GET", here, p).Header()
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %s", p, csp, want)
			}
		}
		if scripts := strings.Contains(csp, "script-src"); scripts != strings.HasPrefix(p, "/run/") {
			t.Errorf("%s: scripts allowed: %v", p, scripts)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", p, h)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, ":1": false, "0.0.0.0:1": false, "[::]:1": false,
		"10.0.0.1:1": false, "localhost.evil.example:1": false, "127.0.0.1": false, "": false} {
		if got := Loopback(addr); got != want {
			t.Errorf("%q: %v, want %v", addr, got, want)
		}
	}
}

// TestInBrowser lists the runs, compares two and opens one. The folder must not change.
func TestInBrowser(t *testing.T) {
	dir := folder(t)
	s, _ := serving(t, dir, here)
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	before := state(t, dir)

	p := browser.Open(t, server.URL)
	if got := p.Text(`[...document.querySelectorAll("tbody th")].map((e) => e.innerText).slice(0, 3).join("|")`); got != "empty.jsonl|broken|new" && got != "broken|empty.jsonl|new" {
		t.Errorf("the list starts with %q", got) // broken journals are sorted by file time
	}
	p.Click(`input[name=base][value="old/results.jsonl"]`)
	p.Text(`document.querySelector('input[name=new][value="new/results.jsonl"]').focus(), ""`)
	p.Keys("Space", "Enter") // by the keyboard
	p.Wait(`location.pathname === "/compare" && document.readyState === "complete"`)
	if got := p.Text(`document.querySelector("main").innerText`); !strings.Contains(got, "undecided") || !strings.Contains(got, "~ (+100.0 %)") || !strings.Contains(got, "prefill.ttft") {
		t.Errorf("the comparison says %.300q", got)
	}
	p.Click("nav a")
	p.Wait(`location.pathname === "/" && document.readyState === "complete"`)
	p.Click(`a[href="/run/new/results.jsonl"]`)
	p.Wait(`location.pathname.startsWith("/run/") && document.readyState === "complete"`)
	if got := p.Text(`document.querySelector("main").innerText`); !strings.Contains(got, "it broke </script><b>") || !strings.Contains(got, "Synthetic CPU") {
		t.Errorf("the report says %.300q", got)
	}
	if got := p.Text(`document.querySelector("figure .hot") ? "" : "no curve"`) + p.Text(`(document.querySelector(".copy") || {}).textContent || "no script ran"`); got != "copy" {
		t.Errorf("the report's script: %s", got)
	}
	p.Open(server.URL + "/run/gone/results.jsonl")
	if got := p.Text(`document.body.innerText`); !strings.Contains(got, "Not Found") {
		t.Errorf("a removed run: %q", got)
	}
	for _, asked := range p.Requests() {
		if !strings.HasPrefix(asked, server.URL) && !strings.HasPrefix(asked, "data:") {
			t.Errorf("the page asked for %s", asked)
		}
	}
	for _, e := range p.Errors() {
		if !strings.Contains(e, "404") {
			t.Errorf("the console says %q", e)
		}
	}
	if after := state(t, dir); after != before {
		t.Errorf("the folder changed:\n%s\n%s", before, after)
	}
}

// state returns the names, sizes and times of all files below a folder.
func state(t *testing.T, dir string) (s string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		s += fmt.Sprintln(path, info.Size(), info.ModTime(), info.Mode())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHostNames checks that a server accepts its configured names, and that the error explains how
// to add one.
func TestHostNames(t *testing.T) {
	s, _ := serving(t, folder(t), here)
	for host, want := range map[string]int{"runs.example.org": 200, "RUNS.example.org:8443": 200, "localhost:1": 200, "other.example.org": 403, "runs.example.org.evil.org": 403, "": 403} {
		w := ask(s, "GET", host, "/")
		if w.Code != want || want == 403 && !strings.Contains(w.Body.String(), "--host NAME") {
			t.Errorf("%q: %d, %s", host, w.Code, w.Body.String())
		}
	}
}

// TestWorkIsBounded checks the limit on concurrent rendering, and that a request whose client
// disconnected does not block others.
func TestWorkIsBounded(t *testing.T) {
	started, release := make(chan struct{}, 10), make(chan struct{})
	s, err := New(folder(t), Options{Addr: here, Gates: func(*result.Journal) ([]gate.Gate, error) { return nil, nil },
		Report: func(ctx context.Context, w io.Writer, j *result.Journal) error {
			started <- struct{}{}
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	get := func(ctx context.Context) chan int {
		code := make(chan int, 1)
		go func() {
			r := httptest.NewRequestWithContext(ctx, "GET", "/run/new/results.jsonl", nil)
			r.Host = here
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			code <- w.Code
		}()
		return code
	}
	var leaving, staying []chan int
	ctx, leave := context.WithCancel(t.Context())
	for range atOnce {
		leaving = append(leaving, get(ctx))
		<-started
	}
	for range 3 {
		staying = append(staying, get(t.Context()))
	}
	gone, left := context.WithCancel(t.Context())
	waiting := get(gone)
	left()
	if code := <-waiting; code != http.StatusServiceUnavailable {
		t.Errorf("a client that disconnected while waiting: %d", code)
	}
	if len(started) != 0 {
		t.Error("too many requests render at the same time")
	}
	leave()
	for _, c := range leaving {
		if code := <-c; code != http.StatusServiceUnavailable {
			t.Errorf("a client that disconnected: %d", code)
		}
	}
	close(release)
	for _, c := range staying {
		if code := <-c; code != http.StatusOK {
			t.Errorf("one that stayed: %d", code)
		}
	}
}
