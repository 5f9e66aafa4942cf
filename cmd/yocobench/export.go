package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	var nf nameFlags
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

The results of tasks that measure quality (needle, nll, ruler, downstream, …) as
files of each model, in the folder --out:

  lm-eval                  MODEL/results_TIME.json of lm-evaluation-harness
  every-eval-ever          files of Every Eval Ever: aggregates and instances
  eval-results             MODEL/.eval_results/SUITE.yaml for the Hugging Face
                           Hub; --dataset names the data sets of the cases

CSV tables are reports (yocobench report --reports csv).`,
		Example: `  yocobench export runs/after --as gobench > after.txt
  yocobench export runs/after --as junit --baseline runs/before --out junit.xml
  yocobench export runs/after --as eval-results --out hub \
    --dataset 'downstream arc=allenai/ai2_arc:ARC-Challenge'`,
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
			case "lm-eval":
				return nf.files(out, j, export.LMEval)
			case "every-eval-ever":
				return nf.files(out, j, export.EveryEvalEver)
			case "eval-results":
				return nf.files(out, j, export.EvalResults)
			}
			return usagef("--as is gobench, github-action-benchmark, junit, openmetrics, prometheus, lm-eval, every-eval-ever or eval-results, not %q", as)
		},
	}
	c.Flags().StringVar(&as, "as", "", "the format (required)")
	c.Flags().StringVarP(&out, "out", "o", "", "the file to write (default standard output)")
	baselines.add(c)
	gf.add(c)
	nf.add(c)
	return c
}

// nameFlags are names of models and data sets that a journal does not contain.
type nameFlags struct {
	models, datasets           []string
	organization, relationship string
}

func (f *nameFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.models, "model-id", nil, "the id of a model elsewhere: MODEL=OWNER/NAME (repeatable)")
	c.Flags().StringArrayVar(&f.datasets, "dataset", nil, "the data set of cases: CASE=OWNER/NAME:TASK[@REVISION]; CASE is a label or a pattern (repeatable)")
	c.Flags().StringVar(&f.organization, "organization", "", "who ran the evaluation, for every-eval-ever")
	c.Flags().StringVar(&f.relationship, "relationship", "other", "first_party, third_party, collaborative or other, for every-eval-ever")
}

// names parses the flags.
func (f *nameFlags) names(j *result.Journal) (n export.Names, err error) {
	n = export.Names{Models: map[string]string{}, Organization: f.organization, Relationship: f.relationship}
	relationships := []string{"first_party", "third_party", "collaborative", "other"}
	if !slices.Contains(relationships, f.relationship) {
		return n, usagef("--relationship is %s, not %q", strings.Join(relationships, ", "), f.relationship)
	}
	for _, s := range f.models {
		model, id, ok := strings.Cut(s, "=")
		if !ok || strings.Trim(id, "/") == "" || strings.Count(id, "/") > 1 {
			return n, usagef("--model-id %q: expected MODEL=OWNER/NAME", s)
		}
		if !slices.ContainsFunc(j.Records, func(r result.Record) bool { return r.Model == model }) {
			return n, usagef("--model-id %q: the run has no model %q", s, model)
		}
		n.Models[model] = id
	}
	for _, s := range f.datasets {
		d, err := export.ParseDataset(s)
		if err != nil {
			return n, usagef("--dataset: %v", err)
		}
		n.Datasets = append(n.Datasets, d)
	}
	return n, nil
}

// files writes the files of a format below a folder.
func (f *nameFlags) files(dir string, j *result.Journal, format func(*result.Journal, export.Names) ([]export.File, error)) error {
	if dir == "" {
		return usagef("this format has a file for each model: give their folder with --out")
	}
	names, err := f.names(j)
	if err != nil {
		return err
	}
	files, err := format(j, names)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(dir, filepath.FromSlash(file.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := toFile(path, nil, func(w io.Writer) error { _, err := w.Write(file.Data); return err }); err != nil {
			return err
		}
	}
	return nil
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
