package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// terminal returns the width to write tables in and whether colour is welcome
// (https://no-color.org): 80 columns and none where w is no terminal.
func terminal(w io.Writer) (width int, color bool) {
	f := terminalFile(w)
	if f == nil {
		return 80, false
	}
	return min(max(columns(f), 40), 100), os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// columns is the width of a terminal, 80 where it is not known.
func columns(f *os.File) int {
	if c, _, err := term.GetSize(int(f.Fd())); err == nil && c > 0 {
		return c
	}
	return 80
}

// observer shows how a run goes on: a bar where there is a terminal, a line a case otherwise,
// nothing if quiet.
type observer struct {
	w     io.Writer
	quiet bool
	tty   *os.File // nil where w is no terminal
	bar   *progressbar.ProgressBar
	start time.Time
	now   string  // the case under way
	took  float64 // estimated seconds of the case under way
	done  float64 // seconds of cases done
	left  float64 // estimated seconds of what is left, the case under way included
	cases int
	nth   int
	began bool // the case under way was begun
}

func newObserver(w io.Writer, quiet bool) *observer { return &observer{w: w, quiet: quiet} }

// ticks are the steps of the bar.
const ticks = 1000

func (o *observer) Begin(cases int, seconds float64) {
	o.cases, o.left, o.start = cases, seconds, time.Now()
	if o.quiet {
		return
	}
	if o.tty = terminalFile(o.w); o.tty == nil {
		fmt.Fprintf(o.w, "%d cases, estimated %s\n", cases, units.ShortDuration(seconds))
		return
	}
	_, color := terminal(o.w)
	o.bar = progressbar.NewOptions(ticks,
		progressbar.OptionSetWriter(o.tty),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionEnableColorCodes(color),
		progressbar.OptionThrottle(60*time.Millisecond),
	)
}

func (o *observer) Case(c *suites.PlannedCase) {
	o.nth++
	o.began = true
	o.now, o.took = c.Model.Name+" "+c.Label, c.Seconds
	o.draw(0)
}

func (o *observer) Fraction(f float64) { o.draw(f) }

func (o *observer) Done(r *result.Record, left float64) {
	if !o.began { // a case that was not tried
		o.nth++
	}
	o.began = false
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
	fmt.Fprintf(o.w, "[%d/%d] %s %s: %s, %s; %s left\n", o.nth, o.cases, cleantext.Line(r.Model), cleantext.Line(r.Label), cleantext.Line(what),
		units.ShortDuration(r.Seconds), units.ShortDuration(left))
}

// describe is the text before a bar on a terminal of so many columns: it leaves the bar room, so
// that the whole stays on one line.
func describe(width, nth, cases int, what string, left float64) string {
	count, eta := fmt.Sprintf("%d/%d ", nth, cases), fmt.Sprintf(" ETA %-7s", units.ShortDuration(left))
	const bar = 18 // the percentage, the frame and a few ticks
	room := min(42, width-bar-len(count)-cleantext.Width(eta))
	if room < 8 {
		return cleantext.Cut(strings.TrimSpace(count+eta), max(1, width-bar))
	}
	return count + cleantext.Pad(cleantext.Line(what), room) + eta
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
	o.bar.Describe(describe(columns(o.tty), min(o.nth, o.cases), o.cases, o.now, max(0, o.left-f*o.took)))
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
