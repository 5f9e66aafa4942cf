package gguf

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// builder builds GGUF bytes.
type builder struct{ b []byte }

func (w *builder) u32(x uint32) *builder {
	w.b = binary.LittleEndian.AppendUint32(w.b, x)
	return w
}

func (w *builder) u64(x uint64) *builder {
	w.b = binary.LittleEndian.AppendUint64(w.b, x)
	return w
}

func (w *builder) str(s string) *builder {
	w.u64(uint64(len(s)))
	w.b = append(w.b, s...)
	return w
}

func (w *builder) bytes(b ...byte) *builder {
	w.b = append(w.b, b...)
	return w
}

// header starts a file with the given counts.
func header(version uint32, tensors, entries uint64) *builder {
	return (&builder{b: []byte("GGUF")}).u32(version).u64(tensors).u64(entries)
}

// entry starts a metadata entry; the caller appends its value.
func (w *builder) entry(key string, k kind) *builder { return w.str(key).u32(uint32(k)) }

// tensor appends a tensor description; dims are in the file's order.
func (w *builder) tensor(name string, t Type, offset uint64, dims ...uint64) *builder {
	w.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		w.u64(d)
	}
	return w.u32(uint32(t)).u64(offset)
}

// data pads to the alignment and appends n bytes.
func (w *builder) data(n int) []byte {
	for len(w.b)%32 != 0 {
		w.b = append(w.b, 0)
	}
	return append(w.b, make([]byte, n)...)
}

// hostile lists malformed files with the error that each must give. The fuzz target uses them as
// seeds.
var hostile = []struct {
	name string
	data []byte
	want string
}{
	{"empty", nil, "does not begin with"},
	{"another format", []byte("PK\x03\x04 and more"), "does not begin with"},
	{"magic only", []byte("GGUF"), "ends too early"},
	{"version 1", header(1, 0, 0).b, "version 1 is not supported"},
	{"version 4", header(4, 0, 0).b, "version 4 is not supported"},
	{"big-endian", header(3<<24, 0, 0).b, "big-endian"},
	{"no counts", (&builder{b: []byte("GGUF")}).u32(3).b, "ends too early"},
	{"tensors beyond the file", header(3, 1<<60, 0).b, "more than the file can hold"},
	{"entries beyond the file", header(3, 0, math.MaxUint64).b, "more than the file can hold"},
	{"entry cut short", header(3, 0, 1).str("a-long-key-name").b, "ends too early"},
	{"key beyond the file", header(3, 0, 1).u64(1 << 62).u64(0).b, "ends too early"},
	{"empty key", header(3, 0, 1).entry("", kindU8).bytes(0).b, "has 0 bytes"},
	{"key of bad UTF-8", header(3, 0, 1).entry("a\xff", kindU8).bytes(0).b, "not valid UTF-8"},
	{"unknown kind", header(3, 0, 1).entry("a", 13).bytes(0).b, "unknown type 13"},
	{"bool of 2", header(3, 0, 1).entry("a", kindBool).bytes(2).b, "a bool of 2"},
	{"same key twice", header(3, 0, 2).entry("a", kindU8).bytes(0).entry("a", kindU8).bytes(0).b, `"a" occurs twice`},
	{"array of unknown", header(3, 0, 1).entry("a", kindArray).u32(99).u64(0).b, "an array of unknown type 99"},
	{"array beyond the file", header(3, 0, 1).entry("a", kindArray).u32(uint32(kindU64)).u64(1 << 61).b, "more than the file can hold"},
	{"string array beyond the file", header(3, 0, 1).entry("a", kindArray).u32(uint32(kindString)).u64(2).str("x").b, "more than the file can hold"},
	{"string in an array beyond the file", header(3, 0, 1).entry("a", kindArray).u32(uint32(kindString)).u64(1).u64(1 << 40).b, "ends too early"},
	{"nested arrays", nested(5), "nested deeper"},
	{"rank 0", header(3, 1, 0).tensor("t", 0, 0).data(8), "0 dimensions"},
	{"rank 5", header(3, 1, 0).tensor("t", 0, 0, 1, 1, 1, 1, 1).data(8), "5 dimensions"},
	{"dimension 0", header(3, 1, 0).tensor("t", 0, 0, 0).data(0), "a dimension of 0"},
	{"dimensions overflow", header(3, 1, 0).tensor("t", 0, 0, 1<<31-1, 1<<31-1, 1<<31-1).data(0), "overflows"},
	{"bytes overflow", header(3, 1, 0).tensor("t", 28, 0, 1<<31-1, 1<<31-1, 2).data(0), "overflows"},
	{"huge dimension", header(3, 1, 0).tensor("t", 0, 0, math.MaxUint64).data(0), "overflows"},
	{"part of a block", header(3, 1, 0).tensor("t", 8, 0, 33).data(64), "not a multiple of 32"},
	{"beyond the file", header(3, 1, 0).tensor("t", 0, 0, 9).data(32), "cut short?"},
	{"offset beyond the file", header(3, 1, 0).tensor("t", 0, 1<<40, 1).data(32), "cut short?"},
	{"offset overflows", header(3, 1, 0).tensor("t", 0, math.MaxUint64-31, 1).data(32), "beyond the file"},
	{"unaligned", header(3, 1, 0).tensor("t", 0, 4, 1).data(32), "not a multiple of the alignment 32"},
	{"overlap", header(3, 2, 0).tensor("t", 0, 0, 9).tensor("u", 0, 32, 1).data(64), "inside another tensor"},
	{"same tensor twice", header(3, 2, 0).tensor("t", 0, 0, 1).tensor("t", 0, 32, 1).data(64), "occurs twice"},
	{"alignment 0", header(3, 0, 1).entry("general.alignment", kindU32).u32(0).b, "want a power of two"},
	{"alignment 48", header(3, 0, 1).entry("general.alignment", kindU32).u32(48).b, "want a power of two"},
	{"alignment of text", header(3, 0, 1).entry("general.alignment", kindString).str("32").b, "general.alignment is string, want a non-negative integer"},
}

// nested is a file with nested arrays.
func nested(depth int) []byte {
	w := header(3, 0, 1).entry("a", kindArray)
	for range depth {
		w.u32(uint32(kindArray)).u64(1)
	}
	return w.u32(uint32(kindU8)).u64(64).bytes(make([]byte, 64)...).b
}

func TestHostileFiles(t *testing.T) {
	for _, tt := range hostile {
		_, err := New("x.gguf", tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.gguf") {
			t.Errorf("%s: error %v, want one about x.gguf: %s", tt.name, err, tt.want)
		}
	}
}

// whole is a small file with metadata of every kind and two tensors.
func whole(version uint32) []byte {
	return header(version, 2, 9).
		entry("s", kindString).str("text").
		entry("u", kindU16).bytes(2, 1).
		entry("i", kindI32).u32(7).
		entry("n", kindI8).bytes(0xff).
		entry("f", kindF32).u32(math.Float32bits(.5)).
		entry("b", kindBool).bytes(1).
		entry("ss", kindArray).u32(uint32(kindString)).u64(3).str("a").str("").str("\xff").
		entry("fs", kindArray).u32(uint32(kindF64)).u64(2).u64(math.Float64bits(1.5)).u64(math.Float64bits(-2)).
		entry("is", kindArray).u32(uint32(kindI32)).u64(3).u32(1).u32(2).u32(3).
		tensor("w", 0, 32, 3, 2).tensor("odd", 99, 0, 5).data(64)
}

func TestMetadataAndTensors(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		f, err := New("x", whole(version))
		if err != nil {
			t.Fatal(err)
		}
		if f.Version() != int(version) || len(f.Keys()) != 9 || f.Has("none") || !f.Has("u") {
			t.Errorf("version %d, keys %v", f.Version(), f.Keys())
		}
		if s, ok, err := f.String("s"); s != "text" || !ok || err != nil {
			t.Errorf("s is %q, %v, %v", s, ok, err)
		}
		if u, ok, err := f.Uint("u"); u != 258 || !ok || err != nil {
			t.Errorf("u is %d, %v, %v", u, ok, err)
		}
		if i, ok, err := f.Uint("i"); i != 7 || !ok || err != nil {
			t.Errorf("i is %d, %v, %v", i, ok, err)
		}
		if _, ok, err := f.Uint("n"); !ok || err == nil {
			t.Errorf("a negative number as an unsigned one: %v", err)
		}
		if x, ok, err := f.Float("n"); x != -1 || !ok || err != nil {
			t.Errorf("n is %v, %v, %v", x, ok, err)
		}
		if x, ok, err := f.Float("f"); x != .5 || !ok || err != nil {
			t.Errorf("f is %v, %v, %v", x, ok, err)
		}
		if b, ok, err := f.Bool("b"); !b || !ok || err != nil {
			t.Errorf("b is %v, %v, %v", b, ok, err)
		}
		if s, ok, err := f.Strings("ss"); !slices.Equal(s, []string{"a", "", "\xff"}) || !ok || err != nil {
			t.Errorf("ss is %q, %v, %v", s, ok, err)
		}
		if x, ok, err := f.Floats("fs"); !slices.Equal(x, []float64{1.5, -2}) || !ok || err != nil {
			t.Errorf("fs is %v, %v, %v", x, ok, err)
		}
		if x, ok, err := f.Uints("is"); !slices.Equal(x, []uint64{1, 2, 3}) || !ok || err != nil {
			t.Errorf("is is %v, %v, %v", x, ok, err)
		}
		if _, _, err := f.Strings("is"); err == nil || !strings.Contains(err.Error(), `"is" is array of int32, want an array of strings`) {
			t.Errorf("numbers as strings: %v", err)
		}
		w, ok := f.Tensor("w")
		if !ok || !slices.Equal(w.Shape, []int{2, 3}) || w.Bytes != 24 || w.Elements() != 6 {
			t.Errorf("w is %+v, %v", w, ok)
		}
		if b, err := f.Data(w); err != nil || len(b) != 24 {
			t.Errorf("data of w: %d bytes, %v", len(b), err)
		}
		odd, _ := f.Tensor("odd")
		if _, err := f.Data(odd); err == nil || !strings.Contains(err.Error(), "type 99") {
			t.Errorf("data of an unknown type: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Data(w); err == nil {
			t.Error("data after Close")
		}
	}
}

// Every truncation of a file is an error, never a panic.
func TestCutShort(t *testing.T) {
	b := whole(3)
	for n := range len(b) - 8 { // the last tensor ends 8 bytes before the end
		if _, err := New("x", b[:n]); err == nil {
			t.Fatalf("a file cut to %d of %d bytes was read", n, len(b))
		}
	}
}

// TestCutShortLater: the metadata of an open file stays readable if the file is cut short, and
// reading its tensors is an error.
func TestCutShortLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(path, whole(3), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Skip("the system keeps mapped files as they are: ", err)
	}
	if s, ok, err := f.String("s"); s != "text" || !ok || err != nil {
		t.Errorf("s is %q, %v, %v", s, ok, err)
	}
	if s, ok, err := f.Strings("ss"); !slices.Equal(s, []string{"a", "", "\xff"}) || !ok || err != nil {
		t.Errorf("ss is %q, %v, %v", s, ok, err)
	}
	w, _ := f.Tensor("w")
	if _, err := f.Values(w); err == nil || !strings.Contains(err.Error(), "x.gguf") {
		t.Errorf("values of w: %v", err)
	}
}

func TestCutExt(t *testing.T) {
	for _, tt := range []struct {
		path, stem string
		ok         bool
	}{{"a/m.gguf", "a/m", true}, {"M.GGUF", "M", true}, {"m.q4.Gguf", "m.q4", true}, {"m.gguf/b", "m.gguf/b", false}, {"qwen-2.5", "qwen-2.5", false}, {"", "", false}} {
		if stem, ok := CutExt(tt.path); stem != tt.stem || ok != tt.ok || IsPath(tt.path) != ok {
			t.Errorf("CutExt(%q) is %q, %v", tt.path, stem, ok)
		}
	}
}

func TestDequantizeChecksSizes(t *testing.T) {
	if err := Type(8).Dequantize(make([]float32, 32), make([]byte, 33)); err == nil {
		t.Error("33 bytes were accepted as a block of Q8_0")
	}
	if err := Type(8).Dequantize(make([]float32, 31), make([]byte, 34)); err == nil {
		t.Error("31 values were accepted as a block of Q8_0")
	}
}

// TestHalf compares half precision with its definition, for all 65,536 values.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		e, f := h>>10&31, float64(h&1023)/1024
		want := math.Ldexp(1+f, e-15)
		if e == 0 {
			want = math.Ldexp(f, -14)
		}
		if h>>15 == 1 {
			want = -want
		}
		got := float64(fromHalf(uint16(h)))
		switch {
		case e == 31 && f == 0 && !math.IsInf(got, 1-2*(h>>15)), e == 31 && f != 0 && !math.IsNaN(got), e < 31 && got != want:
			t.Fatalf("half %#04x is %v, want %v", h, got, want)
		}
	}
}

func FuzzGGUF(f *testing.F) {
	for _, tt := range hostile {
		f.Add(tt.data)
	}
	f.Add(whole(2))
	f.Add(whole(3))
	b, err := os.ReadFile(filepath.Join("testdata", "quants.gguf"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := New("x", data)
		if err != nil {
			return
		}
		for _, key := range g.Keys() {
			_, _, _ = g.Uint(key)
			_, _, _ = g.Float(key)
			_, _, _ = g.Bool(key)
			_, _, _ = g.String(key)
			if _, _, err := g.Strings(key); err != nil && g.Kind(key) == "array of string" {
				t.Errorf("%s: %v", key, err)
			}
			_, _, _ = g.Floats(key)
			_, _, _ = g.Uints(key)
		}
		for _, x := range g.Tensors() {
			b, err := g.Data(x)
			if err != nil || !x.Type.Readable() || x.Elements() > 1<<16 {
				continue
			}
			if err := x.Type.Dequantize(make([]float32, x.Elements()), b); err != nil {
				t.Errorf("tensor %q: %v", x.Name, err)
			}
		}
	})
}
