// Package export writes a run's records in the formats of other tools.
//
//	GoBench       Go benchmark text with Unit lines, for benchstat and benchproc (gobench.go)
//	GitHubAction  the two JSON files of github-action-benchmark (action.go)
//	JUnit         JUnit XML: one test per case and gate (junit.go)
//	OpenMetrics   OpenMetrics 1.0 text (openmetrics.go)
//	Prometheus    Prometheus' text format, for its textfile collector (openmetrics.go)
//	LMEval        results files of lm-evaluation-harness (lmeval.go)
//	EveryEvalEver aggregate and instance-level files of Every Eval Ever (everyeval.go)
//	EvalResults   files in .eval_results of a model on the Hugging Face Hub (evalresults.go)
//
// All numbers and units come from the records; this package computes only standard errors of means.
// Computed records are marked by a label, a name or a configuration line, or left out.
package export

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/yocobench/yocobench/suites/result"
)

// metricNames returns the metrics of a record that have a better direction, or all.
func metricNames(r *result.Record, all bool) []string {
	var out []string
	for name, m := range r.Metrics {
		if all || m.Better != result.None {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// paramNames returns the parameters of a record.
func paramNames(r *result.Record) []string {
	var out []string
	for name := range r.Params {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// valueText formats a parameter: numbers exactly, lists and mappings as JSON.
func valueText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// number formats a number so that it can be parsed exactly.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// word replaces all characters except letters, digits and those in keep by '_'.
func word(s, keep string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune(keep, r) {
			return r
		}
		return '_'
	}, s)
}

// env returns the environment of a journal's last run.
func env(j *result.Journal) result.Env {
	if len(j.Runs) == 0 {
		return result.Env{}
	}
	return j.Runs[len(j.Runs)-1].Env
}

// header returns the journal's last header.
func header(j *result.Journal) result.Run {
	if len(j.Runs) == 0 {
		return result.Run{}
	}
	return j.Runs[len(j.Runs)-1]
}
