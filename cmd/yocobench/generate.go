package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// maxPrompt bounds a prompt, in bytes.
const maxPrompt = 64 << 20

// generateFlags are the flags of generate.
type generateFlags struct {
	device            deviceOptions
	tokens            int
	file, format      string
	dtype, kv, system string
	stats, raw, chat  bool
}

func newGenerate() *cobra.Command {
	var f generateFlags
	c := &cobra.Command{
		Use:   "generate MODEL [PROMPT]",
		Short: "Continue a text greedily, to check that a model works",
		Long: `Continue a text greedily with a model that has a tokenizer: an embedded one, a
checkpoint's folder or a .gguf file. The text ends after --tokens tokens, or
where the model ends it. The prompt is the second argument, --file, or standard
input. One trailing newline of a file or standard input is dropped, because
` + "`echo`" + ` and editors add it; --raw keeps it.

--chat makes the prompt a user's message in the model's chat template.
--format json prints the ids of the prompt and of the generated tokens, the
text, and the log-probability of each generated token in nats.`,
		Example: `  yocobench generate tiny-yoco-gret 'const velan = 482913; const velan = '
  yocobench generate path/to/model.gguf --chat 'What is the capital of France?'
  yocobench generate path/to/checkpoint --file prompt.txt --tokens 100 --stats`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			prompt, note, err := readPrompt(args[1:], f.file, f.raw, c.InOrStdin())
			if err != nil {
				return err
			}
			if note != "" {
				fmt.Fprintf(c.ErrOrStderr(), "the prompt: %s\n", note)
			}
			return f.run(c.Context(), args[0], prompt, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	deviceFlags(c, &f.device)
	libraryFlags(c)
	c.Flags().IntVarP(&f.tokens, "tokens", "n", 64, "maximum number of tokens to generate")
	c.Flags().StringVarP(&f.file, "file", "f", "", "read the prompt from a file (- for standard input)")
	c.Flags().BoolVar(&f.raw, "raw", false, "keep the trailing newline of a file or standard input")
	c.Flags().BoolVar(&f.chat, "chat", false, "make the prompt a user's message in the model's chat template")
	c.Flags().StringVar(&f.system, "system", "", "system message of --chat")
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	c.Flags().StringVar(&f.dtype, "dtype", "f32", "type of the weights in memory: f32, bf16, f16 or stored")
	c.Flags().StringVar(&f.kv, "kv", "", "type of the KV caches: f32 or bf16 (default: as --dtype)")
	c.Flags().BoolVar(&f.stats, "stats", false, "print time to first token and tokens per second on stderr")
	return c
}

// options checks the flags.
func (f *generateFlags) options() (runners.Options, error) {
	o := runners.Options{Threads: f.device.threads, Tier: f.device.tier}
	if f.tokens < 1 || f.tokens > 1<<20 {
		return o, usagef("--tokens is 1 to %d, not %d", 1<<20, f.tokens)
	}
	if f.format != "text" && f.format != "json" {
		return o, usagef("--format is text or json, not %q", f.format)
	}
	if f.system != "" && !f.chat {
		return o, usagef("--system belongs to --chat")
	}
	var err error
	if o.Weights, err = runners.ParseDType(f.dtype); err != nil {
		return o, usagef("--dtype: %v", err)
	}
	if o.KV, err = runners.ParseDType(firstOf(f.kv, o.Weights.Caches().String())); err != nil {
		return o, usagef("--kv: %v", err)
	}
	return o, nil
}

// generated is what --format json prints.
type generated struct {
	Prompt   []int     `json:"prompt"`
	Tokens   []int     `json:"tokens"`
	Text     string    `json:"text"`
	LogProbs []float64 `json:"logprobs"`
	// Ended is true if the model ended the text. The end token is not in Text.
	Ended bool `json:"ended"`
}

func (f *generateFlags) run(ctx context.Context, model, prompt string, stdout, stderr io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	source, err := findLocal(model, runners.F32)
	if err != nil {
		return err
	}
	text := source.text()
	if text.missing != nil && source.path != "" {
		return text.missing // it names the file
	} else if text.missing != nil {
		return fmt.Errorf("%s: %w", model, text.missing)
	}
	notice(stderr, tokenizerNote(text.tok))
	ids, err := f.prompt(ctx, text, prompt)
	if err != nil {
		return fmt.Errorf("%s: %w", model, err)
	}
	if len(ids) == 0 {
		return usagef("the prompt is empty")
	}
	w, err := source.open()
	if err != nil {
		return err
	}
	m, err := cpu.New().Load(source.config, w, o)
	w.Close()
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := m.NewSequence(len(ids) + f.tokens)
	if err != nil {
		return err
	}
	defer s.Close()
	out := stdout
	if terminalFile(out) == nil {
		out = raw(out) // the exact bytes of the model
	}
	got := generated{Prompt: ids, Tokens: []int{}, LogProbs: []float64{}}
	end := tokenizer.SpecialOf(text.tok).End
	var first, last time.Duration
	show := decoding{tok: text.tok}
	err = runners.Generate(ctx, m, s, ids, f.tokens, func(g runners.Generated) bool {
		if len(got.Tokens) == 0 {
			first = g.At
		}
		last = g.At
		got.Tokens = append(got.Tokens, g.Token)
		if f.format == "json" {
			got.LogProbs = append(got.LogProbs, g.LogProb())
		}
		if got.Ended = slices.Contains(end, g.Token); got.Ended {
			return false
		}
		piece := show.add(g.Token)
		got.Text += piece
		if f.format == "json" {
			return true
		}
		_, err := io.WriteString(out, piece)
		return err == nil
	})
	if rest := show.rest(); rest != "" {
		got.Text += rest
		if f.format == "text" {
			io.WriteString(out, rest)
		}
	}
	if n, most := len(ids)+len(got.Tokens), source.config.MaxSeqLen; most > 0 && n > most {
		defer notice(stderr, fmt.Sprintf("the prompt and the text have %d tokens; the model's trained context is %d", n, most))
	}
	if err == nil && f.format == "json" {
		e := json.NewEncoder(stdout)
		e.SetEscapeHTML(false)
		return e.Encode(got)
	}
	fmt.Fprintln(out)
	if f.stats && err == nil {
		fmt.Fprintf(stderr, "%d prompt tokens, ttft %s (%.0f tokens/s); %d tokens", len(ids),
			units.ShortDuration(first.Seconds()), float64(len(ids))/first.Seconds(), len(got.Tokens))
		if n := len(got.Tokens); n > 1 {
			fmt.Fprintf(stderr, ", %.0f tokens/s", float64(n-1)/(last-first).Seconds())
		}
		fmt.Fprintln(stderr)
	}
	return err
}

// prompt returns the ids of a prompt.
func (f *generateFlags) prompt(ctx context.Context, text *textModel, prompt string) ([]int, error) {
	if !f.chat {
		ids := text.tok.Encode(prompt)
		if len(ids) == 0 {
			return nil, nil
		}
		return append(tokenizer.Begin(text.tok), ids...), nil
	}
	if text.chat == nil {
		return nil, fmt.Errorf("the model has no chat template, which --chat needs")
	}
	t, err := text.chat.Load(ctx, f.system)
	if err != nil {
		return nil, err
	}
	return t.Encode(text.tok.(*tokenizer.Subword), prompt)
}

// decoding converts tokens to text one by one. A character that spans several tokens is returned
// when it is complete.
type decoding struct {
	tok  tokenizer.Tokenizer
	held string
}

// add appends a token and returns the text that is now complete.
func (d *decoding) add(token int) string {
	d.held += d.tok.Decode([]int{token})
	at := len(d.held)
	for n := 1; n < utf8.UTFMax && n <= len(d.held); n++ {
		if tail := d.held[len(d.held)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				at -= n
			}
			break
		}
	}
	text := d.held[:at]
	d.held = d.held[at:]
	return text
}

// rest returns the bytes of an incomplete character.
func (d *decoding) rest() string {
	text := d.held
	d.held = ""
	return text
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
