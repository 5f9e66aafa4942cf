package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// maxTokenizer limits the size of a tokenizer's file. Gemma 3's has 33 MB.
const maxTokenizer = 256 << 20

// The files of a tokenizer in a model's folder, the first of which counts.
const (
	hfTokenizer    = "tokenizer.json"
	hfTokenizerCfg = "tokenizer_config.json"
	hfTemplate     = "chat_template.jinja" // replaces the one of tokenizer_config.json
	spmTokenizer   = "tokenizer.model"
	cl100kRanks    = "cl100k_base.tiktoken"
)

// OpenTokenizer opens the tokenizer of an embedded model, of a model's folder, or of a file.
//
// A folder has a tokenizer.json (with tokenizer_config.json and chat_template.jinja), a
// tokenizer.model of SentencePiece, a cl100k_base.tiktoken, which is then the tokenizer of the YOCO
// reference, or a config.json that names the tokenizer "bytes". A file is a .gguf, a tokenizer.json
// by any name ending in .json, a SentencePiece .model, or cl100k_base.tiktoken.
func OpenTokenizer(path string) (tokenizer.Tokenizer, error) {
	if slices.Contains(Embedded(), path) {
		c, w, err := OpenEmbedded(path)
		if err != nil {
			return nil, err
		}
		w.Close()
		return tokenizer.New(c.Tokenizer)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return folderTokenizer(path)
	}
	return fileTokenizer(path, tokenizer.CL100K())
}

func folderTokenizer(dir string) (tokenizer.Tokenizer, error) {
	for _, name := range []string{hfTokenizer, spmTokenizer, cl100kRanks} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return fileTokenizer(path, tokenizer.YOCO())
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if c, err := ReadConfig(dir); err == nil && c.Tokenizer != "" {
		return tokenizer.New(c.Tokenizer)
	}
	return nil, fmt.Errorf("%s: no tokenizer, want %s, %s or %s", dir, hfTokenizer, spmTokenizer, cl100kRanks)
}

// fileTokenizer opens a file. ranks describes the vocabulary of a tiktoken file.
func fileTokenizer(path string, ranks tokenizer.Ranks) (tokenizer.Tokenizer, error) {
	if gguf.IsPath(path) {
		return ggufTokenizer(path)
	}
	data, err := readSmall(path, maxTokenizer)
	if err != nil {
		return nil, err
	}
	switch name := filepath.Base(path); {
	case strings.EqualFold(filepath.Ext(path), ".json"):
		config, err := readSmall(filepath.Join(filepath.Dir(path), hfTokenizerCfg), maxTokenizer)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		t, err := tokenizer.ParseHF(path, data, config)
		if err != nil {
			return nil, err
		}
		return orNil(t, readTemplate(t, filepath.Join(filepath.Dir(path), hfTemplate)))
	case strings.EqualFold(filepath.Ext(path), ".model"):
		if isRanks(data) {
			return nil, fmt.Errorf("%s: tiktoken ranks, which do not name the special tokens; use the model's %s", path, hfTokenizer)
		}
		return orNil(tokenizer.ParseSentencePiece(path, data))
	case name == cl100kRanks:
		return orNil(tokenizer.ParseRanks(path, data, ranks))
	}
	return nil, fmt.Errorf("%s: not a tokenizer; want a .gguf, a %s, a SentencePiece .model or %s", path, hfTokenizer, cl100kRanks)
}

// readTemplate sets the chat template of a tokenizer to the text of a file, if it exists.
func readTemplate(t *tokenizer.Subword, path string) error {
	text, err := readSmall(path, maxTokenizer)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !utf8.Valid(text):
		err = fmt.Errorf("%s: the text is not valid UTF-8", path)
	}
	if err == nil {
		t.SetChatTemplate(string(text))
	}
	return err
}

func ggufTokenizer(path string) (tokenizer.Tokenizer, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.FromGGUF(path, f)
	return orNil(t, errors.Join(err, f.Close()))
}

// isRanks reports whether a file is lines of a token in base64 and its rank. Rank 0 is "!" in all
// published ones.
func isRanks(data []byte) bool { return bytes.HasPrefix(data, []byte("IQ== 0")) }

// orNil keeps a nil *Subword from becoming a Tokenizer that is not nil.
func orNil(t *tokenizer.Subword, err error) (tokenizer.Tokenizer, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}
