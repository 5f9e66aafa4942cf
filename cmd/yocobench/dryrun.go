package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// dryRun lists a plan's cases with their estimated cost. Assumption a names the assumed device, if
// there is one, and part the shard.
func dryRun(w io.Writer, p *suites.Plan, part *result.Shard, done map[string]result.Record, a *assumption, format string) error {
	type row struct {
		Case    string         `json:"case"`
		Model   string         `json:"model"`
		Task    string         `json:"task"`
		Label   string         `json:"label"`
		Params  map[string]any `json:"params"`
		Seconds float64        `json:"estimate_seconds"`
		Bytes   int64          `json:"estimate_bytes"`
		Skip    string         `json:"skip,omitempty"`
		Done    bool           `json:"done,omitempty"`
		// Unsupported is the reason for which the model cannot run the case.
		Unsupported string `json:"unsupported,omitempty"`
		// Exceeds reports whether the case is estimated to exceed the memory of its model. Such a
		// case is not tried or ends early, so its time is not counted.
		Exceeds bool `json:"exceeds_memory,omitempty"`
	}
	var rows []row
	var skipped, exceed int
	total := p.Seconds(done)
	for _, c := range p.Cases {
		_, isDone := done[c.ID]
		tooLarge := c.TooLarge()
		exceeds := tooLarge || c.Model.Machine != nil && c.Bytes > c.Model.Machine.Memory
		rows = append(rows, row{c.ID, c.Model.Name, c.Task, c.Label, c.Params, c.Seconds, c.Bytes, c.Skip, isDone, c.Unsupported, exceeds})
		if exceeds && c.Skip == "" && !isDone {
			exceed++
			if !tooLarge { // the plan does not count the time of a case that is too large
				total -= c.Seconds
			}
		}
		if c.Skip != "" {
			skipped++
		}
	}
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		out := map[string]any{"suite": p.Suite.Name, "suite_hash": p.Hash, "estimate_seconds": total, "cases": rows}
		if part != nil {
			out["shard"] = map[string]any{"number": part.Number, "count": part.Count, "plan": part.Plan, "plan_cases": part.PlanCases}
		}
		if a.Device != "" {
			out["assumed"] = a
		}
		return e.Encode(out)
	}
	t := newTable(w, "case", "time", "memory", "", "model", "what")
	for _, r := range rows {
		note := ""
		switch {
		case r.Done:
			note = "done"
		case r.Skip != "":
			note = "skipped"
		case r.Unsupported != "":
			note = "unsupported"
		case r.Exceeds:
			note = "too large"
		}
		t.row(r.Case[:8], units.ShortDuration(r.Seconds), units.ShortBytes(r.Bytes), note, r.Model, r.Label)
	}
	if err := t.write(); err != nil {
		return err
	}
	if part != nil {
		fmt.Fprintf(w, "\nshard %s of %d cases", part, part.PlanCases)
	}
	fmt.Fprintf(w, "\n%s, estimated %s in total", numberOf(len(rows)), units.ShortDuration(total))
	if skipped > 0 {
		fmt.Fprintf(w, "; %d skipped: over the budget of %s", skipped, time.Duration(p.Suite.Budget))
	}
	if exceed > 0 {
		fmt.Fprintf(w, "; %d exceed the memory and take almost no time", exceed)
	}
	_, err := fmt.Fprintln(w)
	return err
}
