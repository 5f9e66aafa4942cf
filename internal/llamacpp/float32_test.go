package llamacpp

import (
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// The copy has the metadata and the values of the file, which has all types.
func TestWriteFloat32(t *testing.T) {
	from := filepath.Join("..", "..", "testdata", "real", "tiny", "quant.gguf")
	path := filepath.Join(t.TempDir(), "f32.gguf")
	if err := WriteFloat32(path, from); err != nil {
		t.Fatal(err)
	}
	open := func(path string) *gguf.File {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	want, got := open(from), open(path)
	if !reflect.DeepEqual(got.Keys(), want.Keys()) || len(got.Tensors()) != len(want.Tensors()) {
		t.Fatalf("keys %v and %d tensors, want %v and %d", got.Keys(), len(got.Tensors()), want.Keys(), len(want.Tensors()))
	}
	values := func(f *gguf.File, x gguf.Tensor) []float32 {
		data, err := f.Data(x)
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float32, x.Elements())
		if err := x.Type.Dequantize(v, data); err != nil {
			t.Fatal(err)
		}
		return v
	}
	quantised := 0
	for i, x := range want.Tensors() {
		y := got.Tensors()[i]
		if y.Name != x.Name || y.Type.String() != "F32" || !reflect.DeepEqual(y.Shape, x.Shape) {
			t.Fatalf("tensor %+v, want float32 of %+v", y, x)
		}
		if x.Type != y.Type {
			quantised++
		}
		a, b := values(want, x), values(got, y)
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Fatalf("%s: value %d is %v, want %v", x.Name, i, b[i], a[i])
			}
		}
	}
	if quantised == 0 {
		t.Error("the file has no quantised tensor")
	}
}
