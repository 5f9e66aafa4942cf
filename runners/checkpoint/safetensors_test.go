package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// file builds a safetensors file of a header and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

// hostile lists malformed files with the error that each must give. The fuzz target uses them as
// seeds.
var hostile = []struct {
	name string
	data []byte
	want string
}{
	{"empty", nil, "too short"},
	{"short", []byte{1, 2, 3}, "too short"},
	{"header longer than the file", binary.LittleEndian.AppendUint64(nil, 100), "want at most 0"},
	{"header beyond the limit", append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "{}"...), "18446744073709551615 bytes, want at most 2"},
	{"no JSON", file("hello", 0), "invalid character"},
	{"no object", file("[]", 0), "is an array, want an object"},
	{"unfinished", file(`{"a":`, 0), "ends too early"},
	{"trailing text", file(`{} {}`, 0), "after the end"},
	{"bad UTF-8", file("{\"a\xff\":1}", 0), "UTF-8"},
	{"entry is no object", file(`{"a":3}`, 0), "the number 3, want an object"},
	{"duplicate tensor", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `the key "a" twice`},
	{"duplicate field", file(`{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `the key "dtype" twice`},
	{"unknown field", file(`{"a":{"dtype":"U8","shape":[1],"offsets":[0,1]}}`, 1), `unknown key "offsets"`},
	{"missing shape", file(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1), "needs a dtype, a shape"},
	{"one offset", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1]}}`, 1), "two data_offsets"},
	{"three offsets", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1), "more than 2 numbers"},
	{"null shape", file(`{"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}}`, 1), "is null, want an array"},
	{"negative dimension", file(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1), "non-negative integers"},
	{"fraction", file(`{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1), "want an integer"},
	{"exponent", file(`{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}`, 1), "want an integer"},
	{"huge number", file(`{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]}}`, 1), "below 2^63"},
	{"shape overflow", file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0), "overflows"},
	{"rank", file(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 16)+`1],"data_offsets":[0,1]}}`, 1), "more than 16 numbers"},
	{"size mismatch", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "holds 4 bytes, but F32 [2] needs 8"},
	{"backwards", file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}`, 4), "before its beginning"},
	{"beyond the file", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7), "cut short?"},
	{"overlap", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "inside another tensor"},
	{"gap", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "bytes 0 to 4"},
	{"trailing data", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8), "the last 4 bytes"},
	{"metadata of numbers", file(`{"__metadata__":{"a":1}}`, 0), "want a string"},
}

func TestHostileFiles(t *testing.T) {
	for _, tt := range hostile {
		_, err := NewFile("x.safetensors", tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.safetensors") {
			t.Errorf("%s: error %v, want one about x.safetensors: %s", tt.name, err, tt.want)
		}
	}
}

// valid lists files that must be read.
var valid = []struct {
	name  string
	data  []byte
	names []string
}{
	{"nothing", file(`{}`, 0), nil},
	{"padded", file(`{}      `, 0), nil},
	{"metadata", file(`{"__metadata__":{"format":"pt"}}`, 0), nil},
	{"no elements", file(`{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}`, 0), []string{"a"}},
	{"scalar", file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4), []string{"a"}},
	{"other order", file(`{"b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 6), []string{"b", "a"}},
	{"unknown type", file(`{"a":{"dtype":"F2","shape":[7],"data_offsets":[0,3]}}`, 3), []string{"a"}},
}

func TestValidFiles(t *testing.T) {
	for _, tt := range valid {
		f, err := NewFile("x", tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := f.Names(); !slices.Equal(got, tt.names) {
			t.Errorf("%s: tensors %q, want %q", tt.name, got, tt.names)
		}
	}
}

func TestOtherTypesAreRejectedOnlyWhenAskedFor(t *testing.T) {
	f, err := NewFile("x", file(`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get("b"); err != nil {
		t.Error(err)
	}
	if _, err := f.Get("a"); err == nil || !strings.Contains(err.Error(), "I64, want F32, BF16, F16 or F64") {
		t.Errorf("an I64 tensor: %v", err)
	}
	if _, err := f.Get("bb"); err == nil || !strings.Contains(err.Error(), `did you mean "b"?`) {
		t.Errorf("a missing tensor: %v", err)
	}
}

func TestDoublesAreRounded(t *testing.T) {
	data := file(`{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}`, 0)
	for _, x := range []float64{1.0 / 3, -2} {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
	}
	f, err := NewFile("x", data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Get("a")
	if err != nil || got.DType != runners.F32 || !slices.Equal(Float32s(got), []float32{1.0 / 3, -2}) {
		t.Errorf("got %v %v, %v", got.DType, Float32s(got), err)
	}
}

// fixed is Weights of given values.
type fixed map[string]runners.Tensor

func (f fixed) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	t, ok := f[p.Name]
	if !ok {
		return t, fmt.Errorf("no tensor %q", p.Name)
	}
	return t, nil
}
func (fixed) Source() string { return "fixed" }
func (fixed) Close() error   { return nil }

func TestWriteThenOpen(t *testing.T) {
	values := []float32{0, 1, -2.5, 1.0 / 3, 1e-8, 65504}
	params := []runners.TensorSpec{{Name: "m", Shape: []int{2, 3}}, {Name: "v", Shape: []int{6}}}
	for _, dtype := range []runners.DType{runners.F32, runners.BF16, runners.F16} {
		path := filepath.Join(t.TempDir(), "w.safetensors")
		w := fixed{
			"m": {Name: "m", DType: runners.F32, Shape: []int{2, 3}, Data: Encode(values, runners.F32)},
			"v": {Name: "v", DType: dtype, Shape: []int{6}, Data: Encode(values, dtype)},
		}
		if err := Write(path, params, w, dtype, map[string]string{"made": "here"}); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range params {
			got, err := f.Tensor(p)
			if err != nil {
				t.Fatal(err)
			}
			if got.DType != dtype || string(Encode(Float32s(got), dtype)) != string(Encode(values, dtype)) {
				t.Errorf("%s as %s: read %v %v", p.Name, dtype, got.DType, Float32s(got))
			}
		}
		if _, err := f.Tensor(runners.TensorSpec{Name: "m", Shape: []int{3, 2}}); err == nil || !strings.Contains(err.Error(), "has shape [2 3], but the config makes it [3 2]") {
			t.Errorf("wrong shape: %v", err)
		}
		if f.Metadata()["made"] != "here" {
			t.Errorf("metadata %v", f.Metadata())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Get("m"); err == nil {
			t.Error("read a tensor of a closed file")
		}
		if err := f.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	}
}

func TestWriteLeavesNothingBehindOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Write(path, []runners.TensorSpec{{Name: "gone", Shape: []int{1}}}, fixed{}, runners.F32, nil)
	if err == nil {
		t.Fatal("wrote a missing tensor")
	}
	entries, _ := os.ReadDir(dir)
	old, _ := os.ReadFile(path)
	if len(entries) != 1 || string(old) != "old" {
		t.Errorf("after a failed write the folder holds %v and the file %q", entries, old)
	}
}

func TestConversions(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		x    float32
		half uint16
		brn  uint16
	}{
		{0, 0, 0}, {float32(math.Copysign(0, -1)), 0x8000, 0x8000}, {1, 0x3c00, 0x3f80}, {-2, 0xc000, 0xc000},
		{65504, 0x7bff, 0x4780}, {65519.99, 0x7bff, 0x4780}, {65520, 0x7c00, 0x4780}, {1e6, 0x7c00, 0x4974}, {inf, 0x7c00, 0x7f80},
		{0x1p-14, 0x0400, 0x3880}, {0x1p-24, 0x0001, 0x3380}, {0x1p-25, 0x0000, 0x3300}, {0x1.8p-24, 0x0002, 0x33c0}, {0x1.8p-25, 0x0001, 0x3340},
		{0x1.ff8p-15, 0x03ff, 0x3880}, {0x1.ffep-15, 0x0400, 0x3880},
		{1 + 0x1p-11, 0x3c00, 0x3f80}, {1 + 0x1.8p-10, 0x3c02, 0x3f80}, {1 + 0x1p-8, 0x3c04, 0x3f80}, {1 + 0x1.8p-7, 0x3c0c, 0x3f82},
		{math.MaxFloat32, 0x7c00, 0x7f80},
	} {
		if got := toHalf(tt.x); got != tt.half {
			t.Errorf("%g as f16 is %#04x, want %#04x", tt.x, got, tt.half)
		}
		if got := runners.BFloat16(tt.x); got != tt.brn {
			t.Errorf("%g as bf16 is %#04x, want %#04x", tt.x, got, tt.brn)
		}
	}
	// Every half-precision value survives a round trip.
	for h := range 1 << 16 {
		x := Float32s(runners.Tensor{DType: runners.F16, Data: []byte{byte(h), byte(h >> 8)}})[0]
		if got := toHalf(x); got != uint16(h) && x == x {
			t.Fatalf("f16 %#04x is %g, which is f16 %#04x", h, x, got)
		}
		if x != x && toHalf(x)&0x7c00 != 0x7c00 {
			t.Fatalf("f16 %#04x is a NaN, which becomes %#04x", h, toHalf(x))
		}
	}
	if nan := runners.BFloat16(math.Float32frombits(0x7f800001)); nan&0x7f != 0x40 {
		t.Errorf("a NaN becomes bf16 %#04x", nan)
	}
}

func FuzzSafetensors(f *testing.F) {
	for _, tt := range hostile {
		f.Add(tt.data)
	}
	for _, tt := range valid {
		f.Add(tt.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := NewFile("fuzz", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz:") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		total := 0
		for _, name := range st.Names() {
			tensor, err := st.Get(name)
			if err != nil {
				continue
			}
			n := int64(tensor.DType.Size())
			for _, d := range tensor.Shape {
				n *= int64(d)
			}
			if err := tensor.Check(); err != nil || n != tensor.Len()*int64(tensor.DType.Size()) {
				t.Errorf("tensor %q of shape %v has %d values (%v)", name, tensor.Shape, tensor.Len(), err)
			}
			total += len(Float32s(tensor)) * 2 // the smallest readable type
		}
		if total > len(data) {
			t.Errorf("%d bytes of tensors in a file of %d", total, len(data))
		}
	})
}
