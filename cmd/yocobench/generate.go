package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// maxPrompt bounds a prompt, in bytes.
const maxPrompt = 64 << 20

func newGenerate() *cobra.Command {
	var d deviceOptions
	var n int
	var file string
	var stats, exact bool
	c := &cobra.Command{
		Use:   "generate MODEL [PROMPT]",
		Short: "Continue a text greedily, to check that a model works",
		Long: `Continue a text greedily with a model that has a tokenizer. The prompt is the
second argument, --file, or standard input. One trailing newline of a file or
standard input is dropped, because ` + "`echo`" + ` and editors add it; --raw keeps it.`,
		Example: `  yocobench generate tiny-yoco-gret 'const velan = 482913; const velan = '
  yocobench generate path/to/checkpoint --file prompt.txt --tokens 100 --stats`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if n < 1 || n > 1<<20 {
				return usagef("--tokens is 1 to %d, not %d", 1<<20, n)
			}
			prompt, note, err := readPrompt(args[1:], file, exact, c.InOrStdin())
			if err != nil {
				return err
			}
			if note != "" {
				fmt.Fprintf(c.ErrOrStderr(), "the prompt: %s\n", note)
			}
			f, err := findLocal(args[0], runners.F32)
			if err != nil {
				return err
			}
			tok, err := tokenizer.New(f.config.Tokenizer)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			w, err := f.open()
			if err != nil {
				return err
			}
			m, err := cpu.New().Load(f.config, w, runners.Options{Threads: d.threads, Tier: d.tier})
			w.Close()
			if err != nil {
				return err
			}
			defer m.Close()
			ids := tok.Encode(prompt)
			if len(ids) == 0 {
				return usagef("the prompt is empty")
			}
			s, err := m.NewSequence(len(ids) + n)
			if err != nil {
				return err
			}
			defer s.Close()
			out := c.OutOrStdout()
			if terminalFile(out) == nil {
				out = raw(out) // the exact bytes of the model
			}
			var first, last time.Duration
			count := 0
			err = runners.Generate(c.Context(), m, s, ids, n, func(t int, at time.Duration) bool {
				if count == 0 {
					first = at
				}
				last = at
				count++
				_, err := io.WriteString(out, tok.Decode([]int{t}))
				return err == nil
			})
			fmt.Fprintln(out)
			if stats && err == nil {
				fmt.Fprintf(c.ErrOrStderr(), "%d prompt tokens, ttft %s (%.0f tokens/s); %d tokens", len(ids),
					units.ShortDuration(first.Seconds()), float64(len(ids))/first.Seconds(), count)
				if count > 1 {
					fmt.Fprintf(c.ErrOrStderr(), ", %.0f tokens/s", float64(count-1)/(last-first).Seconds())
				}
				fmt.Fprintln(c.ErrOrStderr())
			}
			return err
		},
	}
	deviceFlags(c, &d)
	libraryFlags(c)
	c.Flags().IntVarP(&n, "tokens", "n", 64, "tokens to generate")
	c.Flags().StringVarP(&file, "file", "f", "", "read the prompt from a file (- for standard input)")
	c.Flags().BoolVar(&exact, "raw", false, "keep the trailing newline of a file or standard input")
	c.Flags().BoolVar(&stats, "stats", false, "print time to first token and tokens per second on stderr")
	return c
}

// readPrompt takes the prompt from the argument, the file or standard input. Unless exact is set,
// it decodes files and standard input with corpus.DecodeText and removes one trailing line end. The
// note describes conversions.
func readPrompt(args []string, file string, exact bool, stdin io.Reader) (prompt, note string, err error) {
	if len(args) == 1 {
		if file != "" {
			return "", "", usagef("give the prompt or --file, not both")
		}
		return args[0], "", nil
	}
	r := stdin
	if file != "" && file != "-" {
		path, err := corpus.ExpandHome(file)
		if err != nil {
			return "", "", &exitError{exitUsage, err}
		}
		f, err := os.Open(path)
		if err != nil {
			return "", "", &exitError{exitUsage, err}
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxPrompt+1))
	if err == nil && len(b) > maxPrompt {
		err = usagef("the prompt is longer than %d MiB", maxPrompt>>20)
	}
	if err != nil || exact {
		return string(b), "", err
	}
	text, note, err := corpus.DecodeText(b)
	if err != nil {
		return "", "", usagef("the prompt is not text: %v", err)
	}
	return strings.TrimSuffix(string(text), "\n"), note, nil
}
