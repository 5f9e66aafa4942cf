package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/exec"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// This file resolves models in child processes, and checks them.

// commandTarget resolves an entry with a command. It starts the command once per plan to read its
// hello.
func commandTarget(d deviceOptions, s *suites.Suite, e suites.Entry) (*suites.Target, error) {
	if e.Command == nil {
		return nil, &suites.Problem{Msg: fmt.Sprintf("model %s: the exec runner needs the field command", e.Name),
			Hint: "for example: - {name: mine, command: [python3, model.py]}"}
	}
	spec := exec.Spec{Command: e.Command, Dir: s.Dir,
		Start: time.Duration(e.StartTimeout), Request: time.Duration(e.RequestTimeout), Idle: time.Duration(e.IdleTimeout)}
	stop := d.waiting(fmt.Sprintf("model %s: waiting for its command", e.Name))
	h, err := d.hello(spec)
	stop()
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", e.Name, err)
	}
	t := &suites.Target{Name: e.Name, Label: firstOf(e.Label, h.Name), Identity: commandIdentity(spec, h), Runner: "exec", Device: firstOf(h.Device, "child process")}
	t.Can, t.Stated, t.Context = h.Capabilities(), firstOf(h.DType, "not stated"), h.Context
	if e.Tokenizer != "" {
		text, err := d.commandText(s, e.Tokenizer)
		if err == nil && text.tok.Vocab() > h.Vocab {
			err = fmt.Errorf("the tokenizer has %d tokens, the vocabulary of the command %d", text.tok.Vocab(), h.Vocab)
		}
		if err != nil {
			return nil, fmt.Errorf("model %s: tokenizer: %w", e.Name, err)
		}
		text.reads(t)
		if !h.Has("score") {
			t.Can = t.Can.Cannot(runners.Score, "the command has no score").Cannot(runners.Choose, "the command has no score")
		}
	}
	t.Load = func() (runners.Model, error) { return exec.New(spec, h, e.Tokenizer == ""), nil }
	return t, nil
}

// commandIdentity identifies the weights of a command: by the identity in its hello, or else by its
// arguments.
func commandIdentity(spec exec.Spec, h *exec.Hello) string {
	id := h.Identity
	if id == "" {
		text, err := json.Marshal(spec.Command)
		if err != nil {
			panic(err) // it has strings only
		}
		sum := sha256.Sum256(text)
		id = "command " + hex.EncodeToString(sum[:8])
	}
	return strings.TrimSpace(fmt.Sprintf("%s, vocabulary of %d, %s %s", h.Name, h.Vocab, id, h.DType))
}

// hello returns the hello of a command, which is started at most once.
func (d deviceOptions) hello(spec exec.Spec) (*exec.Hello, error) {
	key := fmt.Sprintf("%q %q", spec.Dir, spec.Command)
	if h := d.found.hellos[key]; h != nil {
		return h, nil
	}
	ctx := d.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	h, err := exec.Probe(ctx, spec)
	if err == nil && d.found.hellos != nil {
		d.found.hellos[key] = h
	}
	return h, err
}

// commandText opens the tokenizer that an entry names.
func (d deviceOptions) commandText(s *suites.Suite, name string) (*textModel, error) {
	if tok, err := tokenizer.New(name); err == nil {
		return &textModel{tok: tok, hash: tok.Name()}, nil
	}
	path, err := corpus.ExpandHome(name)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Dir, path)
	}
	text := d.found.text(path)
	return text, text.missing
}

func newCheck() *cobra.Command {
	var spec exec.Spec
	var format string
	c := &cobra.Command{
		Use:   "check [flags] COMMAND [ARGUMENT...]",
		Short: "Test whether a command speaks the protocol of docs/protocol.md",
		Long: `Start a command and test whether it speaks the protocol of docs/protocol.md:
hello, encode and decode, prefill and step against score, batches, forks and
truncation, refusals of wrong requests, times and its end. An operation that the
command does not have is reported as missing. If a test fails, the exit code
is 1.`,
		Example: `  yocobench model check python3 examples/pytorch_model.py path/to/model
  yocobench model check --start-timeout 5m ./serve --model big`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usagef("--format is text or json, not %q", format)
			}
			if spec.Start < 0 || spec.Request < 0 {
				return usagef("a timeout must not be negative")
			}
			spec.Command = args
			var all []exec.Finding
			ok := exec.Check(c.Context(), spec, func(f exec.Finding) {
				all = append(all, f)
				if format == "text" {
					fmt.Fprintln(c.OutOrStdout(), strings.TrimSpace(fmt.Sprintf("%-8s %-32s %s", f.Status, f.Test, f.Detail)))
				}
			})
			if format == "json" {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				if err := e.Encode(all); err != nil {
					return err
				}
			}
			if err := c.Context().Err(); err != nil {
				return err
			}
			if !ok {
				return &exitError{exitFailed, fmt.Errorf("the command does not meet the protocol")}
			}
			return nil
		},
	}
	c.Flags().SetInterspersed(false) // the command has flags of its own
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().DurationVar(&spec.Start, "start-timeout", exec.DefaultStart, "time from the start to the answer to hello")
	c.Flags().DurationVar(&spec.Request, "request-timeout", exec.DefaultRequest, "time of any other answer")
	return c
}
