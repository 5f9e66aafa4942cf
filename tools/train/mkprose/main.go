// Mkprose writes generated text for training: the stream "train" of package
// corpus, whose documents no task ever reads.
//
//	go run ./tools/train/mkprose -seed 1 -bytes 1048576 -o prose.txt
//	go run ./tools/train/mkprose -keys 1000 -shape mixed -o keys.txt
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if err != flag.ErrHelp {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
		os.Exit(2)
	}
}

func run(args []string, w, wErr io.Writer) error {
	fs := flag.NewFlagSet("mkprose", flag.ContinueOnError)
	fs.SetOutput(wErr)
	seed := fs.Uint64("seed", 1, "seed of the first document")
	n := fs.Int("bytes", 1<<20, "bytes of one document")
	docs := fs.Int("docs", 1, "number of documents, with seeds seed, seed+1, ...")
	nkeys := fs.Int("keys", 0, "write this many training keys, one a line, instead of text")
	shape := fs.String("shape", string(corpus.KeyMixed), "shape of the keys: word, words, hyphen, capital, camel, code or mixed")
	out := fs.String("o", "", "file to write (standard output if empty); with -docs above 1, documents are separated by a zero byte")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	text, err := generate(*seed, *n, *docs, *nkeys, corpus.KeyShape(*shape))
	if err != nil {
		return err
	}
	if *out == "" {
		_, err = w.Write(text)
		return err
	}
	return os.WriteFile(*out, text, 0o644)
}

func generate(seed uint64, n, docs, nkeys int, shape corpus.KeyShape) ([]byte, error) {
	if nkeys > 0 {
		keys, err := corpus.TrainingKeys(rng.New("keys/"+corpus.StreamTrain, seed), nkeys, shape)
		if err != nil {
			return nil, err
		}
		return []byte(strings.Join(keys, "\n") + "\n"), nil
	}
	if n < 1 || docs < 1 {
		return nil, fmt.Errorf("-bytes and -docs must be at least 1")
	}
	var text []byte
	for i := range docs {
		if i > 0 {
			text = append(text, 0)
		}
		text = append(text, corpus.Prose(corpus.StreamTrain, seed+uint64(i), n)...)
	}
	return text, nil
}
