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

// terminal returns the width for tables, in columns, and whether to use colour
// (https://no-color.org). If w is not a terminal, it returns 80 and false.
func terminal(w io.Writer) (width int, color bool) {
	f := terminalFile(w)
	if f == nil {
		return 80, false
	}
	return min(max(columns(f), 40), 100), os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// columns returns the width of a terminal, or 80 if it is unknown.
func columns(f *os.File) int {
	if c, _, err := term.GetSize(int(f.Fd())); err == nil && c > 0 {
		return c
	}
	return 80
}

// observer shows the progress of a run: a bar on a terminal, otherwise a line per case, or nothing
// if quiet.
type observer struct {
	w     io.Writer
	quiet bool
	tty   *os.File // nil if w is not a terminal
	bar   *progressbar.ProgressBar
	start time.Time
	now   string  // the current case
	took  float64 // estimated seconds of the current case
	done  float64 // seconds of cases done
	left  float64 // estimated seconds left, the current case included
	cases int
	nth   int
	began bool // the current case has started
}

func newObserver(w io.Writer, quiet bool) *observer { return &observer{w: w, quiet: quiet} }

// ticks is the number of steps of the bar.
const ticks = 1000

// numberOf returns a number of cases in words.
func numberOf(cases int) string {
	if cases == 1 {
		return "1 case"
	}
	return fmt.Sprintf("%d cases", cases)
}

func (o *observer) Begin(cases int, seconds float64) {
	o.cases, o.left, o.start = cases, seconds, time.Now()
	if o.quiet {
		return
	}
	if o.tty = terminalFile(o.w); o.tty == nil {
		fmt.Fprintf(o.w, "%s, estimated %s\n", numberOf(cases), units.ShortDuration(seconds))
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
	if !o.began { // the case was not tried
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
		return // a line per millisecond is useless
	}
	what := string(r.Status)
	if r.Status != result.OK {
		what += ": " + firstLine(r.Reason)
	}
	fmt.Fprintf(o.w, "[%d/%d] %s %s: %s, %s; %s left\n", o.nth, o.cases, cleantext.Line(r.Model), cleantext.Line(r.Label), cleantext.Line(what),
		units.ShortDuration(r.Seconds), units.ShortDuration(left))
}

// describe returns the text before the bar. It leaves room for the bar, so that the whole fits one
// line of width columns.
func describe(width, nth, cases int, what string, left float64) string {
	count, eta := fmt.Sprintf("%d/%d ", nth, cases), fmt.Sprintf(" ETA %-7s", units.ShortDuration(left))
	const bar = 18 // the percentage, the frame and a few ticks
	room := min(42, width-bar-len(count)-cleantext.Width(eta))
	if room < 8 {
		return cleantext.Cut(strings.TrimSpace(count+eta), max(1, width-bar))
	}
	return count + cleantext.Pad(cleantext.Line(what), room) + eta
}

// draw moves the bar. f is the fraction of the estimated time, so that the bar moves evenly.
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
