package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites"
)

// The templates of launch. They receive quoted strings only, so they cannot insert an unquoted
// one.
var (
	//go:embed launch/slurm.sh
	slurmTemplate string
	//go:embed launch/k8s.yaml
	k8sTemplate string
)

// launchFlags are the flags of launch slurm and launch k8s.
type launchFlags struct {
	nodes                   int
	out, name, program      string
	template                string
	printTemplate, submit   bool
	shareNodes              bool
	options, mergeOptions   []string // Slurm
	image, claim            string   // Kubernetes
	resources               []string
	wait                    time.Duration
	suite, suiteText, title string
	args                    []string
}

func newLaunch() *cobra.Command {
	c := group("launch", "Write the jobs of a sweep on a cluster", newLaunchSlurm(), newLaunchK8s())
	c.Long = `Write the jobs that run the shards of a suite on a cluster and merge them. The
script is printed, to be read and changed; --submit submits it. Arguments after
-- are passed to yocobench run.

  yocobench launch slurm needle --nodes 16 --out sweep -- --budget 1h
  yocobench launch k8s suite.yaml --nodes 16 --image IMAGE --claim CLAIM`
	return c
}

func newLaunchSlurm() *cobra.Command {
	var f launchFlags
	c := &cobra.Command{
		Use:   "slurm SUITE --nodes N [-- RUN FLAGS]",
		Short: "Write a Slurm array job and a merge job",
		Long: `Write a script that submits a Slurm array, one task per shard, and a job that
merges the shards when all tasks have ended. A requeued task resumes its shard;
running the script again resumes all shards that are not complete. --out is on a
file system that all nodes share. If a task failed, the merge job writes what
there is to partial-JOB in that folder.`,
		Example: `  yocobench launch slurm needle --nodes 16 --option=--gres=gpu:1
  yocobench launch slurm suite.yaml --nodes 4 --submit -- --filter length<=64Ki
  yocobench launch slurm --print-template`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args, "slurm", slurmTemplate, f.slurm) },
	}
	f.add(c, "sweep")
	c.Flags().StringArrayVar(&f.options, "option", nil, "option of sbatch for the shards, such as --partition=gpu (repeatable)")
	c.Flags().StringArrayVar(&f.mergeOptions, "merge-option", nil, "option of sbatch for the merge job (repeatable)")
	return c
}

func newLaunchK8s() *cobra.Command {
	var f launchFlags
	c := &cobra.Command{
		Use:   "k8s SUITE --nodes N [-- RUN FLAGS]",
		Short: "Write a Kubernetes Indexed Job and a merge Job",
		Long: `Write the manifest of a Kubernetes Indexed Job, one pod per shard, and of a Job
that waits for the shards and merges them. The persistent volume claim is
mounted at /data in all pods. A suite file becomes a ConfigMap; its relative
paths start from /suite, or from --inputs after --.`,
		Example: `  yocobench launch k8s needle --nodes 16 --image IMAGE --claim sweep --submit
  yocobench launch k8s suite.yaml --nodes 4 --image IMAGE --claim sweep \
    --resource nvidia.com/gpu=1 -- --inputs /data/models`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args, "k8s", k8sTemplate, f.k8s) },
	}
	f.add(c, "/data/sweep")
	c.Flags().StringVar(&f.image, "image", "", "container image with yocobench and /bin/sh")
	c.Flags().StringVar(&f.claim, "claim", "", "persistent volume claim, mounted at /data")
	c.Flags().StringArrayVar(&f.resources, "resource", nil, "resource limit of a shard: NAME=AMOUNT (repeatable)")
	c.Flags().DurationVar(&f.wait, "wait", 24*time.Hour, "how long the merge Job waits for the shards")
	return c
}

func (f *launchFlags) add(c *cobra.Command, out string) {
	fs := c.Flags()
	fs.IntVarP(&f.nodes, "nodes", "n", 0, "number of shards, each on a node of its own")
	fs.StringVarP(&f.out, "out", "o", out, "folder for the shards and the merged run")
	fs.StringVar(&f.name, "name", "", "name of the jobs (default: from the suite)")
	fs.StringVar(&f.program, "program", "yocobench", "path of yocobench on the nodes")
	fs.BoolVar(&f.shareNodes, "share-nodes", false, "let several jobs share a node; measured times suffer")
	fs.StringVar(&f.template, "template", "", "file of another template")
	fs.BoolVar(&f.printTemplate, "print-template", false, "print the template")
	fs.BoolVar(&f.submit, "submit", false, "submit instead of printing")
}

// run prints or submits the script that the template makes of the data.
func (f *launchFlags) run(c *cobra.Command, args []string, kind, text string, data func() (map[string]any, error)) error {
	if f.template != "" {
		b, err := os.ReadFile(f.template)
		if err != nil {
			return usagef("--template: %v", err)
		}
		text = string(b)
	}
	if f.printTemplate {
		_, err := io.WriteString(raw(c.OutOrStdout()), text)
		return err
	}
	if at := c.ArgsLenAtDash(); at >= 0 {
		args, f.args = args[:at], args[at:]
	}
	if len(args) != 1 {
		return usagef("which suite? Exactly one file or shipped suite is expected before --, not %d", len(args))
	}
	if err := f.check(args[0]); err != nil {
		return err
	}
	d, err := data()
	if err != nil {
		return err
	}
	t, err := template.New(kind).Option("missingkey=error").Parse(text)
	if err != nil {
		return usagef("--template %s: %v", f.template, err)
	}
	var script bytes.Buffer
	if err := t.Execute(&script, d); err != nil {
		return usagef("--template %s: %v", f.template, err)
	}
	if !f.submit {
		_, err := raw(c.OutOrStdout()).Write(script.Bytes())
		return err
	}
	if kind == "slurm" {
		return submit(c.Context(), &script, c.OutOrStdout(), c.ErrOrStderr(), "sbatch", "bash")
	}
	return submit(c.Context(), &script, c.OutOrStdout(), c.ErrOrStderr(), "kubectl", "kubectl", "create", "-f", "-")
}

// submit runs a command with the script as its input. needs is a program that must exist.
func submit(ctx context.Context, script io.Reader, stdout, stderr io.Writer, needs string, command ...string) error {
	if _, err := exec.LookPath(needs); err != nil {
		return usagef("--submit: %s is not installed here: %v", needs, errors.Unwrap(err))
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = script, stdout, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("--submit: %s: %w", command[0], err)
	}
	return nil
}

// jobName matches a job's name: a Kubernetes label that leaves room for "-merge" and the index of
// a pod.
var jobName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

// check reads the suite and checks the flags common to both schedulers.
func (f *launchFlags) check(suite string) error {
	if f.nodes < 1 || f.nodes > 100_000 {
		return usagef("--nodes is 1 to 100000, not %d", f.nodes)
	}
	for _, s := range append([]string{suite, f.out, f.program}, f.args...) {
		if !utf8.ValidString(s) {
			return usagef("%q is not valid UTF-8", s)
		}
	}
	if f.out == "" || strings.ContainsFunc(f.out, unicode.IsControl) {
		return usagef("--out %q: expected a path without control characters", f.out)
	}
	if f.program == "" || f.program[0] == '-' {
		return usagef("--program %q: expected a path of yocobench; a name that begins with - needs ./ before it", f.program)
	}
	for _, o := range slices.Concat(f.options, f.mergeOptions) {
		if !strings.HasPrefix(o, "-") { // sbatch would take it for the script
			return usagef("--option %q: expected an option of sbatch, such as --partition=gpu", o)
		}
	}
	if err := checkRunFlags(f.args); err != nil {
		return err
	}
	s, err := suites.Load(suite, nil, tasks())
	if err != nil {
		return err
	}
	f.suite, f.title = suite, s.Name
	if !slices.Contains(suites.Shipped(), suite) {
		b, err := os.ReadFile(suite)
		if err != nil {
			return err
		}
		f.suiteText = string(b)
	}
	if f.name == "" {
		f.name = nameOf(s.Name)
	}
	if !jobName.MatchString(f.name) {
		return usagef("--name %q: expected up to 40 lower-case letters, digits and hyphens, beginning with a letter", f.name)
	}
	return nil
}

// checkRunFlags checks the flags for yocobench run, which would otherwise fail in all jobs.
func checkRunFlags(args []string) error {
	c := newRun(nil)
	if err := c.ParseFlags(args); err != nil {
		return usagef("after --: %v\n  hint: yocobench run --help lists the flags", err)
	}
	if c.Flags().NArg() > 0 {
		return usagef("%q after --: only flags of yocobench run are expected there", c.Flags().Arg(0))
	}
	for _, flag := range []string{"shard", "out", "resume", "dry-run"} {
		if c.Flags().Changed(flag) {
			return usagef("--%s after --: the jobs set --shard, --out and --resume themselves", flag)
		}
	}
	return nil
}

// nameOf makes a job's name from a suite's.
func nameOf(suite string) string {
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(suite), "-"), "-")
	name = strings.TrimRight(("sweep-" + name)[:min(len(name)+6, 40)], "-")
	return name
}

func quoteAll(words []string, quote func(string) string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote(w)
	}
	return out
}

// slurm returns the data of a Slurm template. Strings are words for bash on one line.
func (f *launchFlags) slurm() (map[string]any, error) {
	if strings.Contains(f.out, `\`) {
		return nil, usagef(`--out %s: Slurm's names of output files cannot contain \`, f.out)
	}
	log := strings.ReplaceAll(f.out, "%", "%%")
	return map[string]any{
		"Nodes": f.nodes, "Name": f.name, "ShareNodes": f.shareNodes,
		"Suite": bashQuote(f.suite), "Out": bashQuote(f.out), "Program": bashQuote(f.program), "Args": quoteAll(f.args, bashQuote),
		"Log": bashQuote(log + "/log-%a.txt"), "MergeLog": bashQuote(log + "/log-merge.txt"),
		"Options": quoteAll(f.options, bashQuote), "MergeOptions": quoteAll(f.mergeOptions, bashQuote),
	}, nil
}

// bashQuote quotes a word for bash without a newline, so that no line of it can end a here
// document.
func bashQuote(word string) string {
	if !strings.ContainsFunc(word, unicode.IsControl) {
		return cleantext.ShellQuote(word)
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(word) {
		switch {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString("'")
	return b.String()
}

// resourceForm is the form of --resource.
var resourceForm = regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9_./]*)=([0-9.]+[A-Za-z]{0,2})$`)

// k8s returns the data of a Kubernetes template. Strings are double-quoted YAML scalars.
func (f *launchFlags) k8s() (map[string]any, error) {
	if f.image == "" || f.claim == "" {
		return nil, usagef("--image and --claim are needed: an image with yocobench, and a persistent volume claim that all nodes can mount")
	}
	// The templates of users may mount other volumes.
	if out := path.Clean(filepath.ToSlash(f.out)); f.template == "" && !strings.HasPrefix(out, "/data/") {
		return nil, usagef("--out %s is not on the volume, so the results would be lost with the pods\n  hint: give a folder below /data, such as /data/sweep", f.out)
	}
	type resource struct{ Name, Amount string }
	var resources []resource
	for _, r := range f.resources {
		m := resourceForm.FindStringSubmatch(r)
		if m == nil {
			return nil, usagef("--resource %q: expected NAME=AMOUNT such as nvidia.com/gpu=1 or memory=64Gi", r)
		}
		resources = append(resources, resource{yamlQuote(m[1]), yamlQuote(m[2])})
	}
	if f.wait < time.Minute {
		return nil, usagef("--wait is at least 1m, not %s", f.wait)
	}
	const largest = 1_000_000 // a ConfigMap holds 1 MiB
	if len(f.suiteText) > largest {
		return nil, usagef("%s has %d bytes, more than a ConfigMap holds; put it on the volume and write the manifest for its path with --template", f.suite, len(f.suiteText))
	}
	suite, text := f.suite, ""
	if f.suiteText != "" {
		if !utf8.ValidString(f.suiteText) {
			return nil, usagef("%s is not valid UTF-8", f.suite)
		}
		suite, text = "/suite/suite.yaml", yamlQuote(f.suiteText)
	}
	return map[string]any{
		"Nodes": f.nodes, "Name": yamlQuote(f.name), "NameMerge": yamlQuote(f.name + "-merge"), "ShareNodes": f.shareNodes,
		"Suite": yamlArg(suite), "SuiteText": text, "Out": yamlArg(filepath.ToSlash(f.out)), "Program": yamlArg(f.program), "Args": quoteAll(f.args, yamlArg),
		"Image": yamlQuote(f.image), "Claim": yamlQuote(f.claim), "Resources": resources, "Wait": int(f.wait.Seconds()),
	}, nil
}

// yamlArg quotes an argument of a container, where Kubernetes replaces $(NAME) and $$.
func yamlArg(s string) string { return yamlQuote(strings.ReplaceAll(s, "$", "$$")) }

// yamlQuote quotes a string as a double-quoted scalar: JSON, with the characters escaped that YAML
// does not allow.
func yamlQuote(s string) string {
	b, _ := json.Marshal(s) // strings always encode
	var out strings.Builder
	for _, r := range string(b) {
		if r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
