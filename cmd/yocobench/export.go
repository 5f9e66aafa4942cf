package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/reports/export"
	"github.com/yocobench/yocobench/suites/result"
)

func newExport() *cobra.Command {
	var as, out string
	var baselines baselineFlags
	var gf gateFlags
	c := &cobra.Command{
		Use:   "export RUN --as FORMAT",
		Short: "Write results for other tools: benchstat, JUnit, Prometheus, …",
		Long: `Write a run's results in the format of another tool:

  gobench                  Go benchmark text: benchstat before.txt after.txt
  github-action-benchmark  two JSON files, for customBiggerIsBetter and
                           customSmallerIsBetter (--out names their folder)
  junit                    JUnit XML: one test per case and per gate
  openmetrics              OpenMetrics 1.0 text
  prometheus               Prometheus text, for the textfile collector

CSV tables are reports (yocobench report --reports csv).`,
		Example: `  yocobench export runs/after --as gobench > after.txt
  yocobench export runs/after --as junit --baseline runs/before --out junit.xml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			j, err := readRun(args[0])
			if err != nil {
				return err
			}
			notice(c.ErrOrStderr(), j.Notice)
			if len(j.Records) == 0 {
				return fmt.Errorf("%s has no cases to export", args[0])
			}
			w := c.OutOrStdout()
			switch as {
			case "gobench":
				return toFile(out, w, func(w io.Writer) error { return export.GoBench(w, j) })
			case "openmetrics":
				return toFile(out, w, func(w io.Writer) error { return export.OpenMetrics(w, j) })
			case "prometheus":
				return toFile(out, w, func(w io.Writer) error { return export.Prometheus(w, j) })
			case "junit":
				checks, err := gateChecks(&gf, &baselines, j, args[0])
				if err != nil {
					return err
				}
				return toFile(out, w, func(w io.Writer) error { return export.JUnit(w, j, checks) })
			case "github-action-benchmark":
				return actionFiles(out, j)
			}
			return usagef("--as is gobench, github-action-benchmark, junit, openmetrics or prometheus, not %q", as)
		},
	}
	c.Flags().StringVar(&as, "as", "", "the format (required)")
	c.Flags().StringVarP(&out, "out", "o", "", "the file to write (default standard output)")
	baselines.add(c)
	gf.add(c)
	return c
}

// toFile writes the output of write to standard output if path is empty, otherwise atomically to a
// file.
func toFile(path string, stdout io.Writer, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if path == "" || path == "-" {
		_, err := stdout.Write(b.Bytes())
		return err
	}
	safefile.RemoveUnlocked(path + ".part") // a leftover of older versions
	err := safefile.WriteBytes(path, b.Bytes())
	if dir := filepath.Dir(path); errors.Is(err, os.ErrNotExist) {
		return usagef("cannot write %s: there is no folder %s\n  hint: create it: mkdir -p %s", path, dir, cleantext.ShellQuote(dir))
	}
	return err
}

func actionFiles(dir string, j *result.Journal) error {
	if dir == "" {
		return usagef("github-action-benchmark writes two files: give their folder with --out")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var bigger, smaller bytes.Buffer
	if err := export.GitHubAction(&bigger, &smaller, j); err != nil {
		return err
	}
	for name, b := range map[string]*bytes.Buffer{"bigger.json": &bigger, "smaller.json": &smaller} {
		if err := toFile(filepath.Join(dir, name), nil, func(w io.Writer) error { _, err := b.WriteTo(w); return err }); err != nil {
			return err
		}
	}
	return nil
}

// gateChecks evaluates the gates of a run as JUnit tests.
func gateChecks(gf *gateFlags, baselines *baselineFlags, j *result.Journal, path string) ([]export.Check, error) {
	gates, err := gf.all([]*result.Journal{j}, path)
	if err != nil {
		return nil, err
	}
	baselines.restore(path, j)
	base, err := baselines.read(j.Envs(), nil)
	if err != nil {
		return nil, err
	}
	var out []export.Check
	judged := judge(gates, j, base)
	if judged == nil {
		return nil, nil
	}
	for _, g := range judged.Gates {
		out = append(out, export.Check{Name: g.Gate.Text, Outcome: string(g.Verdict), Message: strings.Join(g.Lines(), "\n")})
	}
	return out, nil
}
