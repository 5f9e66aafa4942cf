package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

func newTokenize() *cobra.Command {
	var f tokenizeFlags
	c := &cobra.Command{
		Use:   "tokenize MODEL",
		Short: "Print the token ids of a text on standard input",
		Long: `Print the token ids of a text on standard input, in one line.

MODEL is an embedded model, a folder with a tokenizer.json, tokenizer.model or
cl100k_base.tiktoken, or a file: .gguf, tokenizer.json, .model, .tiktoken.

Special tokens in the text, such as <|im_end|>, are recognised; --no-special
takes them as plain text, as suites do with the texts that they measure. No
token of the beginning or the end of a text (BOS, EOS) is added: --add-special
adds those that the tokenizer's file asks for. The text is used as it is,
with its line ends.`,
		Example: `  printf 'Hello world' | yocobench tokenize path/to/model.gguf
  echo '["a", "b c"]' | yocobench tokenize tokenizer.json --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := openTokenizer(args[0])
			if err != nil {
				return err
			}
			notice(c.ErrOrStderr(), tokenizerNote(t))
			return f.run(t, c.InOrStdin(), c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "read a JSON array of strings, print an array of arrays")
	c.Flags().BoolVar(&f.plain, "no-special", false, "take special tokens in the text as plain text")
	c.Flags().BoolVar(&f.add, "add-special", false, "add BOS and EOS where the tokenizer's file asks for them")
	return c
}

// openTokenizer opens the tokenizer of a model or a file.
func openTokenizer(name string) (tokenizer.Tokenizer, error) {
	path, err := corpus.ExpandHome(name)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	t, err := checkpoint.OpenTokenizer(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(name, `/\.`) {
		return nil, &suites.Problem{Msg: fmt.Sprintf("no tokenizer %q", name), Hint: suites.Suggest(name, checkpoint.Embedded())}
	}
	return t, err
}

type tokenizeFlags struct{ json, plain, add bool }

func (f tokenizeFlags) run(t tokenizer.Tokenizer, in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(io.LimitReader(in, maxPrompt+1))
	if err == nil && len(text) > maxPrompt {
		err = usagef("the text is longer than %d MiB", maxPrompt>>20)
	}
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	if !f.json {
		ids, err := f.encode(t, string(text))
		if err != nil {
			return err
		}
		writeIDs(w, ids, " ")
		fmt.Fprintln(w)
		return w.Flush()
	}
	if !utf8.Valid(text) {
		return usagef("the JSON on standard input is not valid UTF-8")
	}
	var texts []string
	if err := json.Unmarshal(text, &texts); err != nil {
		return usagef("want a JSON array of strings on standard input: %v", err)
	}
	all := make([][]int, len(texts))
	for i, s := range texts {
		if all[i], err = f.encode(t, s); err != nil {
			return err
		}
	}
	w.WriteString("[")
	for i, ids := range all {
		if i > 0 {
			w.WriteString(",\n ")
		}
		w.WriteString("[")
		writeIDs(w, ids, ",")
		w.WriteString("]")
	}
	w.WriteString("]\n")
	return w.Flush()
}

// encode returns the ids of a text according to the flags.
func (f tokenizeFlags) encode(t tokenizer.Tokenizer, text string) ([]int, error) {
	s, ok := t.(*tokenizer.Subword)
	if !ok { // it has no special tokens
		return t.Encode(text), nil
	}
	ids, err := s.Tokens(text, !f.plain)
	if err == nil && f.add {
		ids = s.Special().Around(ids)
	}
	return ids, err
}

func writeIDs(w *bufio.Writer, ids []int, between string) {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			w.WriteString(between)
		}
		b = strconv.AppendInt(b[:0], int64(id), 10)
		w.Write(b)
	}
}
