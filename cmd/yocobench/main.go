// Command yocobench runs suites of long-context benchmarks and writes their reports.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/runners/exec"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// Exit codes. They are part of the interface: scripts and CI rely on them.
const (
	exitOK          = 0   // every case has an outcome, and at least one has a result
	exitFailed      = 1   // a case failed, no case has a result, or another error occurred
	exitUsage       = 2   // the command line or the suite is wrong; nothing was run
	exitGate        = 3   // a gate regressed
	exitUndecided   = 4   // a gate could not be decided: too few or too noisy samples
	exitDeviceLost  = 5   // the process lost the GPU; results are kept and the run can be resumed
	exitInterrupted = 130 // interrupted; results are kept and the run can be resumed
)

// exitError is an error with an exit code. If err is nil, nothing is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	log.SetOutput(io.Discard) // net/http would log what a server sends without a request, such as a key
	exit(run(signals(), os.Args[1:], os.Stdout, os.Stderr))
}

// exit ends the process and the commands that it started.
func exit(code int) {
	exec.KillAll()
	os.Exit(code)
}

// signals returns a context that ends with the first SIGINT, SIGTERM or SIGHUP. A second SIGINT or
// SIGTERM ends the process at once. A second SIGHUP does not, because a shell that loses its
// terminal sends another one.
func signals() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	end, hangup := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(hangup, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-end:
		case <-hangup:
		}
		cancel()
		<-end
		exit(exitInterrupted)
	}()
	return ctx
}

// checked is standard output that remembers the first write error, for commands that ignore it.
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

// run runs the program with the given arguments and streams. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(args)
	root.SetArgs(args)
	// All output is cleaned, because it contains names from files. Commands that clean their output
	// themselves, to add colour, or that copy data unwrap the writer with raw.
	to := &checked{Writer: stdout}
	out, errs := cleantext.NewWriter(to), cleantext.NewWriter(stderr)
	root.SetOut(out)
	root.SetErr(errs)
	err := execute(ctx, root)
	if flush := out.Flush(); err == nil && flush != nil {
		err = flush
	}
	if err == nil && to.err != nil {
		err = fmt.Errorf("the output could not be written: %w", to.err)
	}
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var ee *exitError
	var problem *suites.Problem
	switch {
	case errors.As(err, &ee):
		code = ee.code
		if ee.err == nil {
			return code
		}
	case errors.As(err, &problem), isUsage(err):
		code = exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		code, err = exitInterrupted, errors.New("interrupted")
	}
	fmt.Fprintf(errs, "error: %v\n", err)
	return code
}

// execute runs the command. A tokenizer whose pattern takes too long ends it with an error.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		p := recover()
		if slow, ok := p.(*tokenizer.PatternError); ok {
			err = slow
		} else if p != nil {
			panic(p)
		}
	}()
	return root.ExecuteContext(ctx)
}

// raw returns the writer that a cleaning writer wraps, or w itself.
func raw(w io.Writer) io.Writer {
	if c, ok := w.(*cleantext.Writer); ok {
		return c.Raw()
	}
	return w
}

// terminalFile returns the terminal that w writes to, or nil if w is not a terminal.
func terminalFile(w io.Writer) *os.File {
	w = raw(w)
	if c, ok := w.(*checked); ok {
		w = c.Writer
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// isUsage recognises cobra's errors about the command line.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs", "invalid argument", "accepts ", "requires ", "required flag", "bad flag", "if any flags in the group"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "yocobench",
		Short: "Benchmark long-context architectures: needle, NLL, memory and speed",
		Long: `yocobench benchmarks and evaluates long-context language-model architectures:
whether a model finds a needle in its context, whether its loss falls with the
context, and the memory and time that the context takes. It compares YOCO (one
global KV cache) with a Transformer of the same size, on one machine, from one
YAML file.

  yocobench run needle          a shipped suite; results go to runs/needle-TIME
  yocobench compare RUN RUN     what changed between two runs, beyond noise
  yocobench list models         trained models and presets
  yocobench suite explain       how to write a suite

Exit codes: 0 every case has a result and every gate passed; 1 a case failed,
no case has a result, a gate lacks its data, or the output could not be written;
2 wrong usage or an invalid suite; 3 a gate regressed; 4 a gate is
undecided; 5 the GPU was lost and 130 interrupted (both resume with run
--resume).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	// Wrap the descriptions of flags at 80 columns.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages |", "FlagUsagesWrapped 80 |"))
	root.AddCommand(newRun(args), newMerge(args), newLaunch(), newReport(), newCompare(), newGate(), newAB(args), newWorker(), newChatRender(), newBaseline(), newExport(), newHistory(), newServe(), newList(), newSuite(), newModel(), newCost(), newGenerate(), newTokenize(), newDoctor(), newVersion())
	root.AddCommand(gpuCommands()...)
	for _, c := range root.Commands() {
		stopAtOnce(c)
	}
	return root
}

// stopAtOnce makes commands that only read and compute end as soon as ctx does, in the middle of
// their work. That is safe because they write files atomically. Other commands handle ctx
// themselves.
func stopAtOnce(c *cobra.Command) {
	switch c.Name() {
	case "run", "merge", "ab", "ab-worker", "serve", "generate", "gpu-check":
		return
	}
	for _, sub := range c.Commands() {
		stopAtOnce(sub)
	}
	work := c.RunE
	if work == nil {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return until(c.Context(), func() error { return work(c, args) })
	}
}

// until runs work that may take long and does not watch a context. It returns at once when ctx
// ends. The work then continues until the program ends, so the caller must not read what it writes.
func until(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
}

// group returns a command that only has subcommands. Without a subcommand it shows its help.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	var names []string
	for _, s := range subs {
		names = append(names, s.Name())
	}
	c := &cobra.Command{Use: use, Short: short, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return &suites.Problem{Msg: fmt.Sprintf("unknown command %q for %q", args[0], "yocobench "+use), Hint: suites.Suggest(args[0], names)}
		}}
	c.AddCommand(subs...)
	return c
}
