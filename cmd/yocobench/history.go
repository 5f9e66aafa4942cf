package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/compare/history"
	"github.com/yocobench/yocobench/suites/match"
)

func newHistory() *cobra.Command {
	var filters, metrics []string
	var alpha float64
	var format, out string
	var across bool
	c := &cobra.Command{
		Use:   "history DIR...",
		Short: "Plot metrics across runs and mark change points",
		Long: `Plot metrics across runs, in order of start time, and mark change points. DIR is
a run, a journal, or a folder with runs at any depth.

Each trend is one metric of one case on one machine. Change points are found by
a permutation test: in a series without a change, the probability of marking one
is at most --alpha. Detecting a change at 0.01 takes eleven runs, three of them
at the new level. Exact values (bytes, computed times) are marked wherever they
differ.

Runs of different machines are in separate trends, unless --across-machines is
given.`,
		Example: `  yocobench history runs
  yocobench history runs --metric tps --filter 'model=tiny-yoco-*' --out trends
  yocobench history baselines/main --metric prefill.ttft --alpha 0.05`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
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
			chosen, err := metricFilter(metrics)
			if err != nil {
				return err
			}
			runs, notices, err := findRuns(args)
			if err != nil {
				return err
			}
			h := history.Build(runs, history.Options{Alpha: alpha, Keep: keep, Metric: chosen, AcrossMachines: across})
			h.Notices = append(notices, h.Notices...)
			if len(h.Trends) == 0 {
				return usagef("none of %d runs has a result that matches --filter and --metric", len(runs))
			}
			w := c.OutOrStdout()
			switch format {
			case "json":
				err = h.JSON(w)
			case "markdown":
				err = h.Markdown(w)
			default:
				err = h.Text(w, tableWidth(w))
			}
			if err != nil || out == "" {
				return err
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			names, err := h.Write(out)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "history.html and %d pictures in %s\n", len(names)-1, out)
			return nil
		},
	}
	fs := c.Flags()
	fs.StringArrayVar(&metrics, "metric", nil, "metrics to plot (default: each task's main one): names or patterns such as ttft, prefill.* or '*' (repeatable)")
	fs.StringArrayVar(&filters, "filter", nil, "plot only cases that match: key=glob[,key<=number] (repeatable: any of them)")
	fs.Float64Var(&alpha, "alpha", 0.01, "probability of marking a change in a series that has none")
	fs.BoolVar(&across, "across-machines", false, "combine the runs of all machines in one trend")
	fs.StringVarP(&out, "out", "o", "", "write history.html and the trends as PNG and SVG into this folder")
	fs.StringVar(&format, "format", "text", "text, markdown or json")
	return c
}

// metricFilter converts patterns of metrics, with or without their task, into a predicate. Without
// patterns it returns nil, and history.Build chooses.
func metricFilter(patterns []string) (func(task, name string) bool, error) {
	for _, p := range patterns {
		if err := match.Check(p); err != nil {
			return nil, usagef("--metric: %v", err)
		}
	}
	if len(patterns) == 0 {
		return nil, nil
	}
	return func(task, name string) bool { return compare.Chosen(patterns, task, name) }, nil
}

// findRuns reads every journal at and below the paths. It leaves out, with a notice, journals in a
// folder that cannot be read, and the rounds of yocobench ab, which hold a few samples each of two
// builds.
func findRuns(paths []string) (runs []history.Run, notices []string, err error) {
	seen, rounds := map[string]string{}, 0
	add := func(path, name string) error {
		j, err := readRun(path)
		if err != nil {
			return err
		}
		if len(j.Runs) == 0 {
			return fmt.Errorf("%s has no header", path)
		}
		if j.Runs[0].Round > 0 {
			rounds++
			return nil
		}
		if other, ok := seen[compare.RunKey(j)]; ok {
			notices = append(notices, fmt.Sprintf("%s is %s again: counted once", name, other))
			return nil
		}
		seen[compare.RunKey(j)] = name
		runs = append(runs, history.Run{Name: name, Journal: j})
		return nil
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || !info.IsDir() {
			if err := add(p, portable([]string{p})[0]); err != nil {
				return nil, nil, err
			}
			continue
		}
		err := filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() || !strings.HasSuffix(path, ".jsonl") {
				return nil
			}
			name := path
			if d.Name() == journalName {
				name = filepath.Dir(path)
			}
			if rel, err := filepath.Rel(p, name); err == nil && rel != "." {
				name = rel
			} else {
				name = filepath.Base(name)
			}
			if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // opening a pipe blocks
				notices = append(notices, fmt.Sprintf("skipped: %s is not a regular file", path))
			} else if err := add(path, name); err != nil {
				notices = append(notices, "skipped: "+err.Error())
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	if rounds > 0 {
		notices = append(notices, fmt.Sprintf("skipped: %d rounds of yocobench ab", rounds))
	}
	if len(runs) == 0 {
		return nil, nil, fmt.Errorf("no run in %s%s", strings.Join(paths, ", "), strings.Join(append([]string{""}, notices...), "\n  "))
	}
	return runs, notices, nil
}
