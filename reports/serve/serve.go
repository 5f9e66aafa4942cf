package serve

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

//go:embed page
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"report": reportURL, "class": statusClass}).ParseFS(pageFiles, "page/*.tmpl"))

// Options are the options of a server.
type Options struct {
	// Addr is the listening address, host:port.
	Addr string
	// Hosts lists additional host names to accept, such as that of a proxy.
	Hosts []string
	// Report writes a run's report.html. It may stop when ctx ends.
	Report func(ctx context.Context, w io.Writer, j *result.Journal) error
	// Gates returns the gates of a run's suite.
	Gates func(*result.Journal) ([]gate.Gate, error)
}

// Server serves the runs of a folder.
type Server struct {
	root    *os.Root
	dir     string
	host    string
	exposed bool
	options Options
	// working is a semaphore for requests that render or compare.
	working chan struct{}

	mu    sync.Mutex
	known map[string]entry
	// drawn caches the latest reports, the newest last.
	drawn []drawing
}

// drawing is the rendered report of a journal.
type drawing struct {
	path  string
	stamp stamp
	page  []byte
}

// Limits of requests.
const (
	kept     = 16               // number of cached reports
	keptSize = 64 << 20         // their total size in bytes
	atOnce   = 2                // concurrent requests that render or compare; others wait
	patience = 60 * time.Second // time limit of a request
	largest  = 256 << 20        // total size of a request's journals in bytes
)

// work waits for a free slot and runs f. The context of f ends when the client disconnects or the
// time limit is reached.
func (s *Server) work(r *http.Request, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f(ctx)
}

// New returns a server for a folder. Close releases the folder.
func New(dir string, o Options) (*Server, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("address %q: %w", o.Addr, err)
	}
	return &Server{root: root, dir: dir, host: host, exposed: !Loopback(o.Addr), options: o, working: make(chan struct{}, atOnce)}, nil
}

// Close closes the folder.
func (s *Server) Close() error { return s.root.Close() }

// Handler returns the HTTP handler.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.list)
	mux.HandleFunc("/run/{path...}", s.report)
	mux.HandleFunc("/compare", s.compare)
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return s.guard(mux)
}

// lately returns the cached report of a journal in this state, or nil.
func (s *Server) lately(p string, now stamp) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.drawn {
		if d.path == p && d.stamp == now {
			return d.page
		}
	}
	return nil
}

// list serves the list of runs.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	runs, err := s.runs(r.Context())
	if err != nil {
		s.fail(w, http.StatusInternalServerError, err)
		return
	}
	all := len(runs)
	runs = slices.DeleteFunc(runs, func(e entry) bool { return e.Round > 0 })
	s.page(w, http.StatusOK, "list.html.tmpl", map[string]any{"Title": "Runs in " + s.dir, "Runs": runs, "Rounds": all - len(runs)})
}

// report serves the report of one run.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	var page []byte
	err := s.work(r, func(ctx context.Context) (err error) {
		page, err = s.draw(ctx, r.PathValue("path"))
		return err
	})
	if err != nil {
		s.fail(w, statusOf(err), err)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "; img-src", "; script-src 'unsafe-inline'; img-src", 1))
	send(w, http.StatusOK, page)
}

// draw returns a run's report. It renders the report again if the journal has changed.
func (s *Server) draw(ctx context.Context, p string) ([]byte, error) {
	now, err := s.stat(p)
	if err != nil {
		return nil, err
	}
	if page := s.lately(p, now); page != nil {
		return page, nil
	}
	if now.size > largest {
		return nil, errChoice(fmt.Sprintf("%s has %d MiB, more than a page can show (%d MiB); use yocobench report.", nameOf(p), now.size>>20, largest>>20))
	}
	j, err := s.read(p)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := s.options.Report(ctx, &buf, j); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drawn = slices.DeleteFunc(s.drawn, func(d drawing) bool { return d.path == p })
	s.drawn = append(s.drawn, drawing{p, now, buf.Bytes()})
	size := 0
	for _, d := range s.drawn {
		size += len(d.page)
	}
	for len(s.drawn) > kept || size > keptSize && len(s.drawn) > 1 {
		size -= len(s.drawn[0].page)
		s.drawn = slices.Delete(s.drawn, 0, 1)
	}
	return buf.Bytes(), nil
}

// most is the maximum number of runs in a comparison.
const most = 200

// compare serves the comparison of the selected runs.
func (s *Server) compare(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	err := s.work(r, func(ctx context.Context) error {
		c, err := s.comparison(ctx, r.URL.Query())
		if err != nil {
			return err
		}
		return c.HTML(&body)
	})
	if err != nil {
		s.fail(w, statusOf(err), err)
		return
	}
	s.page(w, http.StatusOK, "compare.html.tmpl", map[string]any{"Title": "Comparison", "Body": template.HTML(body.String())})
}

// errChoice is the error for an invalid selection of runs.
type errChoice string

func (e errChoice) Error() string { return string(e) }

// comparison compares the runs of a query, and evaluates the gates of the last new run's suite.
func (s *Server) comparison(ctx context.Context, q url.Values) (*compare.Comparison, error) {
	bases, news := q["base"], q["new"]
	switch {
	case len(bases) == 0 || len(news) == 0:
		return nil, errChoice("Select at least one run as base and one as new.")
	case len(bases)+len(news) > most:
		return nil, errChoice(fmt.Sprintf("%d runs are too many: at most %d.", len(bases)+len(news), most))
	}
	seen, size := map[string]string{}, int64(0)
	side := func(paths []string) (*compare.Side, *result.Journal, error) {
		var journals []*result.Journal
		var names []string
		for _, p := range paths {
			now, err := s.stat(p)
			if err != nil {
				return nil, nil, err
			}
			if size += now.size; size > largest {
				return nil, nil, errChoice(fmt.Sprintf("These runs have more than %d MiB; use yocobench compare.", largest>>20))
			}
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			j, err := s.read(p)
			if err != nil {
				return nil, nil, err
			}
			if other, ok := seen[compare.RunKey(j)]; ok {
				return nil, nil, errChoice(fmt.Sprintf("%s and %s are the same run: comparing it with itself, or counting it twice, is meaningless.", other, nameOf(p)))
			}
			seen[compare.RunKey(j)] = nameOf(p)
			journals, names = append(journals, j), append(names, nameOf(p))
		}
		return compare.NewSide(strings.Join(names, ", "), journals, nil), journals[len(journals)-1], nil
	}
	base, _, err := side(bases)
	if err != nil {
		return nil, err
	}
	fresh, last, err := side(news)
	if err != nil {
		return nil, err
	}
	c := compare.Compare(base, fresh, compare.Options{})
	gates, err := s.options.Gates(last)
	if err != nil {
		c.Warnings = append(c.Warnings, "the gates of its suite are not evaluated: "+err.Error())
	}
	if len(gates) > 0 {
		c.Gates = compare.Judge(gates, fresh, base)
	}
	return c, nil
}

// statusOf returns the HTTP status for an error.
func statusOf(err error) int {
	var choice errChoice
	switch {
	case errors.As(err, &choice):
		return http.StatusBadRequest
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

// fail serves an error page.
func (s *Server) fail(w http.ResponseWriter, status int, err error) {
	s.page(w, status, "error.html.tmpl", map[string]any{"Title": http.StatusText(status), "Error": cleantext.Line(err.Error())})
}

// page renders a template, in the style of report.html.
func (s *Server) page(w http.ResponseWriter, status int, name string, data map[string]any) {
	data["CSS"] = template.CSS(reports.StyleSheet())
	var buf bytes.Buffer
	if err := pages.ExecuteTemplate(&buf, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, status, buf.Bytes())
}

func send(w http.ResponseWriter, status int, page []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(page)))
	w.WriteHeader(status)
	_, _ = w.Write(page) // the client may have disconnected
}

// reportURL returns the URL path of a journal's report.
func reportURL(p string) string { return (&url.URL{Path: "/run/" + p}).EscapedPath() }

// statusClass returns the CSS class of a status, if the style sheet has one.
func statusClass(status string) string {
	switch result.Status(status) {
	case result.OK, result.OOM, result.Skipped, result.Unsupported, result.Failed:
		return status
	}
	return "missing"
}
