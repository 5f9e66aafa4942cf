package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// terminal returns the width to write tables in and whether colour is welcome
// (https://no-color.org): 80 columns and none where w is no terminal.
func terminal(w io.Writer) (width int, color bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 80, false
	}
	if c, _, err := term.GetSize(int(f.Fd())); err == nil && c > 0 {
		width = min(max(c, 60), 100)
	} else {
		width = 80
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// observer shows how a run goes on: a bar where there is a terminal, a line a case otherwise, nothing if quiet.
type observer struct {
	w     io.Writer
	quiet bool
	bar   *progressbar.ProgressBar
	start time.Time
	now   string  // the case under way
	took  float64 // estimated seconds of the case under way
	done  float64 // seconds of cases done
	left  float64 // estimated seconds of what is left, the case under way included
	cases int
	nth   int
}

func newObserver(w io.Writer, quiet bool) *observer { return &observer{w: w, quiet: quiet} }

// ticks are the steps of the bar.
const ticks = 1000

func (o *observer) Begin(cases int, seconds float64) {
	o.cases, o.left, o.start = cases, seconds, time.Now()
	if o.quiet {
		return
	}
	if f, ok := o.w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(o.w, "%d cases, estimated %s\n", cases, suites.ShortDuration(seconds))
		return
	}
	_, color := terminal(o.w)
	o.bar = progressbar.NewOptions(ticks,
		progressbar.OptionSetWriter(o.w),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionEnableColorCodes(color),
		progressbar.OptionThrottle(60*time.Millisecond),
	)
}

func (o *observer) Case(c *suites.Planned) {
	o.nth++
	o.now, o.took = c.Model.Name+" "+c.Label, c.Seconds
	o.draw(0)
}

func (o *observer) Fraction(f float64) { o.draw(f) }

func (o *observer) Done(r *result.Record, left float64) {
	if r.Status == result.Skipped {
		o.nth++
	}
	o.done = time.Since(o.start).Seconds()
	o.left = left
	if o.quiet || o.bar != nil {
		o.draw(0)
		return
	}
	if r.Source == result.Computed && r.Status == result.OK {
		return // a line a millisecond tells nobody anything
	}
	what := string(r.Status)
	if r.Status != result.OK {
		what += ": " + firstLine(r.Reason)
	}
	fmt.Fprintf(o.w, "[%d/%d] %s %s: %s, %s; %s left\n", o.nth, o.cases, r.Model, r.Label, what,
		suites.ShortDuration(r.Seconds), suites.ShortDuration(left))
}

// draw moves the bar. The fraction is of estimated time, so that the bar moves evenly.
func (o *observer) draw(f float64) {
	if o.bar == nil {
		return
	}
	total := o.done + o.left
	part := o.done + f*min(o.took, o.left)
	if total <= 0 {
		total = 1
	}
	o.bar.Describe(fmt.Sprintf("%d/%d %-42.42s ETA %-7s", min(o.nth, o.cases), o.cases, o.now,
		suites.ShortDuration(max(0, o.left-f*o.took))))
	_ = o.bar.Set(min(int(ticks*part/total), ticks-1))
}

func (o *observer) end() {
	if o.bar != nil {
		_ = o.bar.Finish()
	}
}

func firstLine(s string) string {
	for i, r := range s {
		if r == '\n' {
			return s[:i]
		}
	}
	return s
}
