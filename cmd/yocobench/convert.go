package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/suites"
)

func newConvert() *cobra.Command {
	var out, params, tokenizer string
	c := &cobra.Command{
		Use:   "convert FILE.pth --out DIR",
		Short: "Convert a PyTorch checkpoint of the reference YOCO",
		Long: `Convert a checkpoint of the reference implementation (microsoft/unilm, folder
YOCO) that PyTorch saved: a state dict, or what a training with fairseq saves.
The folder has config.json and weights.safetensors, in the type of the stored
weights. The checkpoint is read as data: nothing in it is executed.

The sizes of the model are those of --params, else of the arguments that the
checkpoint contains, else of params.json in its folder.

The tokenizer of YOCO is cl100k_base with 4 tokens before its own. Its file,
cl100k_base.tiktoken, is not in a checkpoint; name it by --tokenizer.`,
		Example: `  yocobench model convert YOCO-3B-1M/checkpoint.pth --out yoco-3b-1m \
    --tokenizer cl100k_base.tiktoken
  yocobench run needle --model yoco-3b-1m`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usagef("--out: name the folder for the model")
			}
			return convertModel(c, args[0], out, params, tokenizer)
		},
	}
	c.Flags().StringVar(&out, "out", "", "folder to write; must not contain a model")
	c.Flags().StringVar(&params, "params", "", "JSON file with the sizes, as the reference's params.json")
	c.Flags().StringVar(&tokenizer, "tokenizer", "", "tokenizer: bytes, or a file cl100k_base.tiktoken (YOCO) or tokenizer.model to copy (default: token ids only)")
	return c
}

func convertModel(c *cobra.Command, file, out, params, tokenizer string) error {
	if _, err := os.Lstat(filepath.Join(out, "config.json")); err == nil {
		return &suites.Problem{Msg: fmt.Sprintf("the folder %s contains a model", out), Hint: "choose another folder for --out, or remove this one"}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t, err := checkpoint.OpenTorch(file, params)
	if err != nil {
		return err
	}
	defer t.Close()
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	t.Config.Name = filepath.Base(abs)
	if err := t.SetTokenizer(tokenizer); err != nil {
		return err
	}
	if err := t.Save(out); err != nil {
		return err
	}
	total, _ := t.Config.Count()
	_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s: %s, %s parameters, %s\n", cleantext.ShellQuote(out), t.Config.Label, units.ShortCount(total), t.DType)
	return err
}
