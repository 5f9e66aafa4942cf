package main

import (
	"bytes"
	"os"
	"testing"
)

// TestFresh: the committed assembly is what the generator writes.
func TestFresh(t *testing.T) {
	for name, want := range generate() {
		got, err := os.ReadFile("../" + name)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what gen writes: run `go generate ./kernels/cpu`", name)
		}
	}
}
