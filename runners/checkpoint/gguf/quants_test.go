package gguf_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// TestDequantize compares with the values of ggml's own dequantize_row functions.
func TestDequantize(t *testing.T) {
	f, err := gguf.Open(filepath.Join("testdata", "quants.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := checkpoint.OpenFile(filepath.Join("testdata", "quants.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	read := map[gguf.Type]bool{}
	for _, x := range f.Tensors() {
		data, err := f.Data(x)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, x.Elements())
		err = x.Type.Dequantize(got, data)
		if !x.Type.Readable() {
			if err == nil || !strings.Contains(err.Error(), x.Type.String()) {
				t.Errorf("%s: error %v, want one that names the type", x.Name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", x.Name, err)
			continue
		}
		read[x.Type] = true
		w, err := want.Get(x.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.Shape, x.Shape) {
			t.Errorf("%s has shape %v, want %v", x.Name, x.Shape, w.Shape)
		}
		for i, y := range checkpoint.Float32s(w) {
			if got[i] != y {
				t.Errorf("%s: value %d is %v, want %v", x.Name, i, got[i], y)
				break
			}
		}
	}
	for typ := range gguf.Type(64) {
		if typ.Readable() && !read[typ] {
			t.Errorf("%s was not compared with ggml's values", typ)
		}
	}
}
