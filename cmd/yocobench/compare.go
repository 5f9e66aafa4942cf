package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

func newCompare() *cobra.Command {
	var bases, news, filters, metrics []string
	var alpha float64
	var format string
	var gf gateFlags
	c := &cobra.Command{
		Use:   "compare BASE NEW",
		Short: "Show what changed between runs, beyond noise",
		Long: `Compare two runs case by case: medians with intervals, the change, and its
p-value. A change is significant at p <= --alpha; ~ marks changes that are not.

BASE and NEW are run folders or their results.jsonl. Several runs of a side,
separated by commas or given by --base and --new, are pooled. For times, each
run is one sample: a significant difference takes 4 runs of each side. With one
run on a side the change is shown in brackets and not tested.

Gates of NEW's suite and of --gate use BASE as the baseline
(yocobench gate --help).`,
		Example: `  yocobench compare runs/before runs/after
  yocobench compare a1,a2,a3 b1,b2,b3 --metric decode_tps
  yocobench compare before after --filter 'task=prefill,length<=4Ki'
  yocobench compare before after --gate 'prefill.tps >= 0.95x baseline'`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				bases, news = append(split(args[0]), bases...), append(split(args[1]), news...)
			} else if len(args) == 1 || len(bases) == 0 || len(news) == 0 {
				return usagef("missing runs: give BASE and NEW, or --base and --new")
			}
			if !(alpha > 0 && alpha < 1) {
				return usagef("--alpha is between 0 and 1, not %v", alpha)
			}
			if err := oneOf(format, "text", "markdown", "json"); err != nil {
				return err
			}
			keep, err := keeping(filters)
			if err != nil {
				return err
			}
			base, _, err := readSide("base", bases, keep)
			if err != nil {
				return err
			}
			candidate, journals, err := readSide("new", news, keep)
			if err != nil {
				return err
			}
			if len(filters) > 0 {
				base.Filtered, candidate.Filtered = true, true
			}
			base.Name, candidate.Name = strings.Join(portable(bases), ","), strings.Join(portable(news), ",")
			gates, err := gf.all(journals, news[len(news)-1])
			if err != nil {
				return err
			}
			cmp := compare.Compare(base, candidate, compare.Options{Alpha: alpha, Metrics: metrics})
			if len(cmp.Groups) == 0 && len(metrics) > 0 {
				return usagef("no metric matches --metric %s", strings.Join(metrics, ", "))
			}
			if len(gates) > 0 {
				cmp.Gates = compare.Judge(gates, candidate, base)
			}
			w := c.OutOrStdout()
			switch format {
			case "json":
				err = cmp.JSON(w)
			case "markdown":
				err = cmp.Markdown(w)
			default:
				err = cmp.Text(w, tableWidth(w))
			}
			if err == nil && len(cmp.Groups) == 0 {
				err = unpaired(base, candidate)
			}
			if err != nil || cmp.Gates == nil {
				return err
			}
			return gateError(cmp.Gates)
		},
	}
	fs := c.Flags()
	fs.StringArrayVar(&bases, "base", nil, "a run of the base (repeatable)")
	fs.StringArrayVar(&news, "new", nil, "a run to compare with the base (repeatable)")
	fs.Float64Var(&alpha, "alpha", 0.05, "significance level")
	fs.StringArrayVar(&filters, "filter", nil, "compare only cases that match: key=glob[,key<=number] (repeatable: any of them)")
	fs.StringArrayVar(&metrics, "metric", nil, "compare only these metrics: names or patterns such as tps or prefill.* (repeatable)")
	fs.StringVar(&format, "format", "text", "text, markdown or json")
	gf.add(c)
	return c
}

// unpaired returns the error that no case is on both sides. If only the models' names differ, it
// says so.
func unpaired(base, candidate *compare.Side) error {
	names := func(s *compare.Side) (out []string) {
		for _, c := range s.Cases {
			if len(out) < 8 && !slices.Contains(out, c.Model) {
				out = append(out, c.Model)
			}
		}
		return out
	}
	a, b := names(base), names(candidate)
	for _, n := range a {
		if slices.Contains(b, n) {
			return errors.New("no case is on both sides\n  hint: cases are paired by task, model, runner and parameters; --format json lists the cases of each side")
		}
	}
	return fmt.Errorf("no case is on both sides: the models are named %q and %q\n  hint: use the same name in both suites, such as {name: mine, model: %s}", strings.Join(a, ", "), strings.Join(b, ", "), b[len(b)-1])
}

// tableWidth returns the width of a terminal, or 100 columns for a file.
func tableWidth(w io.Writer) int {
	if terminalFile(w) != nil {
		width, _ := terminal(w)
		return width
	}
	return 100
}

// split splits a comma-separated list of runs. If the whole argument is an existing path, it is one
// run.
func split(list string) []string {
	if _, err := os.Stat(list); err == nil || !strings.Contains(list, ",") {
		return []string{list}
	}
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part != "" {
			out = append(out, part)
		}
	}
	return out
}

// keeping converts filters into a predicate on records.
func keeping(filters []string) (compare.Keep, error) {
	f, err := suites.ParseFilter(filters)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return func(task string, fields match.Fields) bool {
		fields["task"] = task
		return f.Match(fields)
	}, nil
}

// readSide reads and pools the runs of one side.
func readSide(name string, paths []string, keep compare.Keep) (*compare.Side, []*result.Journal, error) {
	var journals []*result.Journal
	seen := map[string]string{}
	for _, p := range paths {
		for _, run := range runsIn(p) {
			j, err := readRun(run)
			if err != nil {
				return nil, nil, err
			}
			if other, ok := seen[compare.RunKey(j)]; ok {
				return nil, nil, usagef("%s and %s are the same run: counting it twice would overstate the confidence", other, run)
			}
			seen[compare.RunKey(j)] = run
			journals = append(journals, j)
		}
	}
	s := compare.NewSide(name, journals, keep)
	if len(s.Cases) == 0 {
		return nil, nil, fmt.Errorf("%s has no case to compare", strings.Join(paths, ", "))
	}
	return s, journals, nil
}

// oneOf returns an error if format is not one of known.
func oneOf(format string, known ...string) error {
	for _, k := range known {
		if format == k {
			return nil
		}
	}
	return usagef("--format is %s or %s, not %q", strings.Join(known[:len(known)-1], ", "), known[len(known)-1], format)
}
