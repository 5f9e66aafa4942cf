package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf16"
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
		if !utf8.Valid(text) {
			return usagef("the text on standard input is not valid UTF-8")
		}
		ids, err := f.encode(t, string(text))
		if err != nil {
			return err
		}
		writeIDs(w, ids, " ")
		fmt.Fprintln(w)
		return w.Flush()
	}
	texts, err := jsonTexts(text)
	if err != nil {
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

// jsonTexts reads an array of strings. Strings that are no text, because a part of a surrogate pair
// is missing, are errors: encoding/json would replace them.
func jsonTexts(data []byte) ([]string, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not valid UTF-8")
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, errors.New("it is null")
	}
	texts := make([]string, len(raw))
	for i, r := range raw {
		if err := json.Unmarshal(r, &texts[i]); err != nil || r[0] != '"' {
			return nil, fmt.Errorf("value %d of the array is %.40s", i, r)
		}
		if loneSurrogate(r) {
			return nil, fmt.Errorf("string %d has half of a surrogate pair", i)
		}
	}
	return texts, nil
}

// loneSurrogate reports whether a JSON string has an escape such as \ud83d that is not one of a
// pair.
func loneSurrogate(s []byte) bool {
	unit := func() (rune, bool) { // the escape of a UTF-16 unit at the start of s
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
		return rune(n), err == nil
	}
	for len(s) > 0 {
		if s[0] != '\\' {
			s = s[1:]
			continue
		}
		high, ok := unit()
		if !ok {
			s = s[min(2, len(s)):]
			continue
		}
		s = s[6:]
		if !utf16.IsSurrogate(high) {
			continue
		}
		low, _ := unit()
		if utf16.DecodeRune(high, low) == utf8.RuneError {
			return true
		}
		s = s[6:]
	}
	return false
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
