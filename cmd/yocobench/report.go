package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/reports"
)

func newReport() *cobra.Command {
	var out, formats, format string
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Draw the reports of a run anew from its results.jsonl",
		Long: `Draw the reports of a run anew: terminal tables, Markdown, CSV, JSON, PNG and SVG
pictures and one HTML page. Nothing but the run's results.jsonl is needed.`,
		Example: `  yocobench report runs/needle-20260102-150405
  yocobench report runs/needle-20260102-150405 --reports png,svg --out figures
  yocobench report results.jsonl --format markdown`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			j, err := readRun(args[0])
			if err != nil {
				return err
			}
			if j.Notice != "" {
				fmt.Fprintln(c.ErrOrStderr(), "notice:", j.Notice)
			}
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
			} else if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			files, err := reports.Write(dir, j, fs)
			if err != nil {
				return err
			}
			switch format {
			case "json":
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				return e.Encode(map[string]any{"dir": dir, "files": files, "runs": j.Runs, "records": j.Records})
			case "markdown":
				return reports.MarkdownTo(w, j)
			}
			width, color := terminal(w)
			if err := reports.Terminal(w, j, width, color); err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "\n%s: %s\n", dir, listFiles(files))
			return err
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "folder for the files (default: the run's)")
	c.Flags().StringVar(&formats, "reports", "all", "report formats to draw: all, or a list such as png,html")
	c.Flags().StringVar(&format, "format", "text", "what is printed: text, markdown or json")
	return c
}
