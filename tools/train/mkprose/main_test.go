package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
)

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "p.txt")
	if err := run([]string{"-seed", "5", "-bytes", "3000", "-docs", "2", "-o", out}, nil, os.Stderr); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append(corpus.Prose(corpus.StreamTrain, 5, 3000), 0), corpus.Prose(corpus.StreamTrain, 6, 3000)...)
	if !bytes.Equal(have, want) {
		t.Errorf("%d bytes, not the two documents", len(have))
	}

	var b bytes.Buffer
	if err := run([]string{"-keys", "50"}, &b, os.Stderr); err != nil {
		t.Fatal(err)
	}
	keys := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(keys) != 50 {
		t.Errorf("%d keys", len(keys))
	}
	for _, k := range keys {
		if corpus.KeyHeldOut(k) {
			t.Errorf("the training key %q is held out", k)
		}
	}
	for _, bad := range [][]string{{"-bytes", "0"}, {"-keys", "1", "-shape", "odd"}, {"-nosuch"}, {"stray"}} {
		if err := run(bad, &b, &bytes.Buffer{}); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
