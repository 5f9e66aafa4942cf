//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// markdown writes the table.
func (f figures) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# How often yocobench ab is wrong

Measured by tools/calibrate on %s: %s, %d cores, %s, commit
%s. A build was compared alternately with itself and with a build that is %g %% slower
(it spins after each operation for %g %% of the operation's time), with %s and a
budget of 3 minutes per run.
Another process kept core 0 busy in random bursts of 5 to 500 ms, about half the time. The load
shows all activity of the machine: the number of runnable processes, including the measurement's.

| new | runs | regressed | passed | undecided | broken | rounds: median (most) | seconds: median (most) | load: median (most) |
| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`, f.Date, f.CPU, f.Cores, f.Go, f.Commit, 100*f.Slowdown, 100*f.Slowdown, f.Suite)
	for _, slower := range []bool{false, true} {
		n := map[string]int{}
		var rounds, seconds, loads []float64
		for _, r := range f.Runs {
			if r.Slower != slower {
				continue
			}
			n[r.Verdict]++
			rounds, seconds, loads = append(rounds, float64(r.Rounds)), append(seconds, r.Seconds), append(loads, r.Load)
		}
		name := "the same build"
		if slower {
			name = fmt.Sprintf("%g %% slower", 100*f.Slowdown)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %s | %s | %s |\n", name, len(rounds), n["regressed"], n["passed"], n["undecided"], n["broken"],
			spread(rounds, "%.0f"), spread(seconds, "%.0f"), spread(loads, "%.1f"))
	}
	var alarms, missed, same, slow int
	for _, r := range f.Runs {
		switch {
		case r.Slower:
			if slow++; r.Verdict != "regressed" {
				missed++
			}
		default:
			if same++; r.Verdict == "regressed" {
				alarms++
			}
		}
	}
	fmt.Fprintf(&b, `
Bounds from this number of runs (exact, at 95 %%): at most %.1f %% of all runs raise a false alarm, and
at least %.1f %% of such slowdowns are caught within the budget. Tests of compare extend this: they
assemble thousands of runs from the rounds below and from worse noise.

Deviation from 1 of the ratio new/base in single rounds of the same build, by case (root mean square
and largest):

| case | rounds | rms | largest |
| :--- | ---: | ---: | ---: |
`, 100*atMost(alarms, same), 100*(1-atMost(missed, slow)))
	all := map[string][]float64{}
	var names []string
	for _, r := range f.Runs {
		for name, ratios := range r.Ratios {
			if r.Slower {
				continue
			}
			if all[name] == nil {
				names = append(names, name)
			}
			all[name] = append(all[name], ratios...)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		squares, most := 0.0, 0.0
		for _, x := range all[name] {
			d := math.Abs(math.Log(x))
			squares, most = squares+d*d, max(most, d)
		}
		fmt.Fprintf(&b, "| %s | %d | %.2f %% | %.1f %% |\n", name, len(all[name]), 100*math.Sqrt(squares/float64(len(all[name]))), 100*most)
	}
	b.WriteString("\nThe data of every round is in ab-calibration.json.\n")
	return b.Bytes()
}

// spread formats the median and the maximum.
func spread(xs []float64, format string) string {
	if len(xs) == 0 {
		return ""
	}
	s := slices.Sorted(slices.Values(xs))
	return fmt.Sprintf(format+" ("+format+")", (s[(len(s)-1)/2]+s[len(s)/2])/2, s[len(s)-1])
}

// atMost returns the upper 95 % confidence bound of a probability, given k events in n trials.
func atMost(k, n int) float64 {
	lo, hi := 0.0, 1.0
	for range 50 {
		p := (lo + hi) / 2
		seen, term := 0.0, math.Pow(1-p, float64(n))
		for i := 0; i <= k; i++ {
			seen += term
			term *= float64(n-i) / float64(i+1) * p / (1 - p)
		}
		if seen > 0.05 {
			lo = p
		} else {
			hi = p
		}
	}
	return hi
}
