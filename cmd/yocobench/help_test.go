package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpFits checks that every command's help fits 80 columns.
func TestHelpFits(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		var b bytes.Buffer
		c.SetOut(&b)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if line = strings.TrimRight(line, "\n"); utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newRoot(nil))
}

// TestCommandsStopAtOnce checks that commands that only read and compute end when their context
// does.
func TestCommandsStopAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, release := make(chan bool), make(chan bool)
	defer close(release)
	c := &cobra.Command{Use: "compare", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
		close(begun)
		<-release
		return nil
	}}
	stopAtOnce(c)
	c.SetArgs(nil)
	go func() { <-begun; cancel() }()
	var ee *exitError
	if err := c.ExecuteContext(ctx); !errors.As(err, &ee) || ee.code != exitInterrupted {
		t.Errorf("got %v, want exit code %d", err, exitInterrupted)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	for _, args := range [][]string{{"compare", "a", "b"}, {"report", "a"}, {"history", "a"}, {"gate", "a"}, {"list", "models"}, {"suite", "check", "kv"}} {
		if code := run(ended, args, io.Discard, io.Discard); code != exitInterrupted && code != exitUsage && code != exitOK {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
