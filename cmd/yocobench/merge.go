package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/merge"
	"github.com/yocobench/yocobench/suites/result"
)

// mergeFlags are the flags of merge.
type mergeFlags struct {
	out, reports   string
	partial, quiet bool
	baselines      baselineFlags
	gates          gateFlags
}

// maxReported is the number of cases up to which a merge writes reports: they hold all records in
// memory.
const maxReported = 200_000

func newMerge(args []string) *cobra.Command {
	var f mergeFlags
	c := &cobra.Command{
		Use:   "merge DIR... --out DIR",
		Short: "Merge the shards of a run into one run with reports",
		Long: `Merge the shards of a run (yocobench run --shard) into one run, check its gates
and write its reports. All shards must have the same plan. A missing shard or
case is an error; --partial merges the existing records and marks the result.

If several runs measured a case, the result that was measured first is kept;
metrics that do not depend on the machine must agree. Reports show which machine
measured what and draw the speeds of unlike machines separately.

A merged run can be merged again, for example with shards that were missing. It
cannot be resumed: resume the shard. Exit codes are those of yocobench run.`,
		Example: `  yocobench merge sweep/shard-* --out sweep/merged
  yocobench merge sweep/shard-* --out sweep/so-far --partial`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, dirs []string) error {
			if f.out == "" {
				return usagef("--out is missing: the folder for the merged run")
			}
			return f.run(c.Context(), dirs, "yocobench "+strings.Join(portable(args), " "), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.out, "out", "o", "", "folder for the merged run, new or empty")
	fs.BoolVar(&f.partial, "partial", false, "merge even if shards or cases are missing")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only the name of the folder")
	fs.StringVar(&f.reports, "reports", "all", "report formats: all, or a list such as png,html")
	f.baselines.add(c)
	f.gates.add(c)
	return c
}

func (f *mergeFlags) run(ctx context.Context, dirs []string, command string, stdout, stderr io.Writer) error {
	formats, err := reports.ParseFormats(f.reports)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	place, err := unused(f.out)
	if err != nil {
		return err
	}
	tmp, remove, err := makeSibling(place)
	if err != nil {
		return err
	}
	defer remove() // the folder is gone after the rename
	if err := until(ctx, func() error { return f.merge(ctx, dirs, tmp, command, stderr) }); err != nil {
		return err
	}
	records, j, err := mergedJournal(tmp, stderr)
	if err != nil {
		return err
	}
	if j == nil {
		notice(stderr, fmt.Sprintf("no reports of %d cases are written, and no gates are checked: the limit is %d", records, maxReported))
		return f.finish(tmp, place, stdout)
	}
	notice(stderr, j.Notice)
	verdicts, err := reportGates(&f.gates, &f.baselines, j, tmp, stderr)
	if err != nil {
		return err
	}
	files, err := reports.Write(ctx, tmp, j, shown(verdicts), formats)
	if err != nil {
		return err
	}
	if !f.quiet {
		width, color := terminal(stdout)
		if err := reports.Terminal(ctx, raw(stdout), j, shown(verdicts), width, color); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "\n%s: %s\n", f.out, listFiles(files))
	}
	if err := f.finish(tmp, place, stdout); err != nil {
		return err
	}
	sum := suites.Summary{}
	for i := range j.Records {
		sum[j.Records[i].Status]++
	}
	return outcome(sum, verdicts, len(j.Records)+j.Missing(), f.out)
}

// merge writes the merged journal into dir.
func (f *mergeFlags) merge(ctx context.Context, dirs []string, dir, command string, stderr io.Writer) error {
	spool, err := os.OpenFile(filepath.Join(dir, "lines"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	set := merge.NewSet(spool)
	for _, path := range dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		file, err := journalAt(path)
		if err != nil {
			return err
		}
		if err := set.Add(file); err != nil {
			return err
		}
	}
	const most = 10
	for i, n := range set.Notices {
		if i == most {
			notice(stderr, fmt.Sprintf("and %d more", len(set.Notices)-most))
			break
		}
		notice(stderr, n)
	}
	if n := set.Unplanned(); n > 0 {
		notice(stderr, fmt.Sprintf("records left out because their shard does not have the case: %d", n))
	}
	if n := set.Duplicates(); n > 0 {
		notice(stderr, fmt.Sprintf("records left out because another run measured the case first: %d", n))
	}
	if err := set.Complete(); err != nil {
		var lacks *merge.IncompleteError
		if !errors.As(err, &lacks) {
			return err
		}
		if !f.partial {
			return fmt.Errorf("%w\n  hint: %s, or merge the existing records with --partial", err, completionHint(lacks))
		}
	}
	h, from, err := set.Header(command)
	if err != nil {
		return err
	}
	if h.Settings != nil {
		h.Settings.Inputs = ""
		var kept []string
		for _, p := range h.Settings.Baselines {
			if path, err := below(filepath.Dir(from), p); err == nil {
				if rel := relative(dir, path); rel != "" {
					kept = append(kept, rel)
				}
			}
		}
		h.Settings.Baselines = kept
	}
	return safefile.Write(filepath.Join(dir, journalName), func(w io.Writer) error { return set.Write(w, h) })
}

// completionHint describes how to get the missing cases.
func completionHint(e *merge.IncompleteError) string {
	if len(e.Incomplete) > 0 {
		return "resume it: yocobench run --resume " + cleantext.ShellQuote(filepath.Dir(e.Incomplete[0].Path))
	}
	return fmt.Sprintf("run it: yocobench run SUITE --shard %d/%d", e.Missing[0], e.Count)
}

// mergedJournal reads the merged journal in dir, unless it has more records than reports can show:
// then j is nil.
func mergedJournal(dir string, stderr io.Writer) (records int, j *result.Journal, err error) {
	path := filepath.Join(dir, journalName)
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	_, err = result.Scan(f, path, func(result.Run, []byte) error { return nil }, func(result.Entry) error { records++; return nil })
	if err != nil || records > maxReported {
		return records, nil, err
	}
	j, err = result.ReadFile(path)
	return records, j, err
}

// finish renames the folder to its final name, place.
func (f *mergeFlags) finish(tmp, place string, stdout io.Writer) error {
	if err := os.Remove(place); err != nil && !errors.Is(err, os.ErrNotExist) { // an empty folder
		return err
	}
	if err := os.Rename(tmp, place); err != nil {
		return err
	}
	if f.quiet {
		fmt.Fprintln(stdout, f.out)
	}
	return nil
}

// unused returns the path of the folder to create: out, or the empty folder that out links to. It
// returns an error if something else is there.
func unused(out string) (place string, err error) {
	const another = "give another --out"
	if _, err := os.Lstat(out); errors.Is(err, os.ErrNotExist) {
		return out, nil
	} else if err != nil {
		return "", err
	}
	place, err = filepath.EvalSymlinks(out)
	if err != nil {
		return "", usagef("%s is a broken link\n  hint: %s", out, another)
	}
	if entries, err := os.ReadDir(place); err == nil && len(entries) == 0 {
		return place, nil
	}
	return "", usagef("%s exists; a run is never overwritten\n  hint: %s", out, another)
}

// makeSibling creates a hidden folder next to out, which finish renames to out. remove deletes it,
// and the empty folders that were created for it.
func makeSibling(out string) (tmp string, remove func(), err error) {
	abs, err := filepath.Abs(out)
	if err != nil {
		return "", nil, err
	}
	parent := filepath.Dir(abs)
	var made []string // the deepest first
	for dir := parent; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		made = append(made, dir)
	}
	tmp = filepath.Join(parent, "."+filepath.Base(abs)+".merging-"+result.NewID())
	remove = func() {
		os.RemoveAll(tmp)
		for _, dir := range made {
			if os.Remove(dir) != nil { // it is not empty
				return
			}
		}
	}
	if err = os.MkdirAll(parent, 0o755); err == nil {
		err = os.Mkdir(tmp, 0o755)
	}
	if err != nil {
		remove()
	}
	return tmp, remove, err
}
