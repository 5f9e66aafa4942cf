package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/suites/result"
)

func newReport() *cobra.Command {
	var out, formats, format string
	var gf gateFlags
	var baselines baselineFlags
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Re-render a run's reports from its results.jsonl",
		Long: `Re-render a run's reports: terminal tables, Markdown, CSV, JSON, PNG and SVG
pictures and one HTML page. Only the run's results.jsonl is needed.

The gates of the run's suite and of --gate are checked again; gates that name a
baseline need --baseline. Verdicts do not change the exit code (use yocobench
gate for that).`,
		Example: `  yocobench report runs/needle-20260102-150405
  yocobench report runs/needle-20260102-150405 --reports png,svg --out figures
  yocobench report results.jsonl --format markdown`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			j, err := readRun(args[0])
			if err != nil {
				return err
			}
			notice(c.ErrOrStderr(), j.Notice)
			fs, err := reports.ParseFormats(formats)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			w := c.OutOrStdout()
			switch format {
			case "text", "json", "markdown":
			default:
				return usagef("--format is text, markdown or json, not %q", format)
			}
			dir := out
			if dir == "" {
				dir = args[0]
				if info, err := os.Stat(dir); err == nil && !info.IsDir() {
					dir = filepath.Dir(dir)
				}
				clearFolder(dir)
			} else if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			verdicts, err := reportGates(&gf, &baselines, j, args[0], c.ErrOrStderr())
			if err != nil {
				return err
			}
			files, err := reports.Write(c.Context(), dir, j, shown(verdicts), fs)
			if err != nil {
				return err
			}
			switch format {
			case "json":
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				return e.Encode(runJSON(dir, files, j, verdicts))
			case "markdown":
				return reports.MarkdownTo(c.Context(), w, j, shown(verdicts))
			}
			width, color := terminal(w)
			if err := reports.Terminal(c.Context(), raw(w), j, shown(verdicts), width, color); err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "\n%s: %s\n", dir, listFiles(files))
			return err
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "folder for the files (default: the run's)")
	c.Flags().StringVar(&formats, "reports", "all", "report formats: all, or a list such as png,html")
	c.Flags().StringVar(&format, "format", "text", "output format: text, markdown or json")
	baselines.add(c)
	gf.add(c)
	return c
}

// reportGates evaluates the gates of an old run. If this program cannot read them, it prints a
// notice and the report is written without verdicts.
func reportGates(gf *gateFlags, baselines *baselineFlags, j *result.Journal, path string, stderr io.Writer) (*compare.Judgement, error) {
	gates, err := gatesOf(j, path)
	if err != nil {
		fmt.Fprintf(stderr, "notice: the gates of its suite are not evaluated: %v\n", err)
	}
	more, err := gf.parse()
	if err != nil {
		return nil, err
	}
	baselines.restore(path, j)
	base, err := baselines.read(j.Envs(), nil)
	if err != nil {
		return nil, err
	}
	return judge(append(gates, more...), j, base), nil
}

// runJSON returns the JSON object that run and report print for a run.
func runJSON(dir string, files []string, j *result.Journal, verdicts *compare.Judgement) map[string]any {
	out := map[string]any{"dir": dir, "files": files, "runs": j.Runs, "records": j.Records}
	if verdicts != nil {
		out["gates"] = verdicts
	}
	return out
}
