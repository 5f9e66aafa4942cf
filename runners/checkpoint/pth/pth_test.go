package pth

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/filemap"
)

// entry is an entry of an archive; method 0 stores it.
type entry struct {
	name   string
	data   string
	method uint16
}

// archive is a zip file of entries.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		if err == nil {
			_, err = w.Write([]byte(e.data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(data []byte) (*File, error) {
	return newFile("x.pth", filemap.Memory(data), int64(len(data)))
}

// Parts of pickles.

func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func integer(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func tuple(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func ints(ns ...int64) string {
	var s []string
	for _, n := range ns {
		s = append(s, integer(n))
	}
	return tuple(s...)
}

func storageOf(kind, key string, n int64) string {
	return tuple(str("storage"), "ctorch\n"+kind+"\n", str(key), str("cpu"), integer(n)) + "Q"
}

func tensorOf(storage string, offset int64, shape, stride string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n" + tuple(storage, integer(offset), shape, stride, "\x89", "ccollections\nOrderedDict\n)R") + "R"
}

func dict(items ...string) string { return "}(" + strings.Join(items, "") + "u" }

func pickle(value string) string { return "\x80\x02" + value + "." }

// saved is a file with a pickle and a storage "0" of 24 bytes.
func saved(t testing.TB, pickle string) []byte {
	return archive(t, entry{name: "m/data.pkl", data: pickle}, entry{name: "m/byteorder", data: "little"},
		entry{name: "m/data/0", data: "abcdefghijklmnopqrstuvwx"})
}

func TestTensors(t *testing.T) {
	for _, c := range []struct {
		kind               string
		n, offset          int64
		shape, stride      []int64
		want               string
		wantKind, wantSize any
	}{
		{"FloatStorage", 6, 0, []int64{2, 3}, []int64{3, 1}, "abcdefghijklmnopqrstuvwx", "Float", int64(4)},
		{"FloatStorage", 6, 1, []int64{2}, []int64{2}, "efghmnop", "Float", int64(4)},
		{"HalfStorage", 12, 0, []int64{3, 2}, []int64{1, 3}, "abghcdijefkl", "Half", int64(2)},
		{"BFloat16Storage", 12, 10, []int64{2}, []int64{1}, "uvwx", "BFloat16", int64(2)},
		{"ByteStorage", 24, 3, nil, nil, "d", "Byte", int64(1)},
		{"ByteStorage", 24, 20, []int64{2, 0, 9}, []int64{9, 9, 1}, "", "Byte", int64(1)},
		{"ByteStorage", 24, 0, []int64{2, 2, 2}, []int64{1, 2, 12}, "amcobndp", "Byte", int64(1)},
		{"DoubleStorage", 3, 0, []int64{1, 3}, []int64{77, 1}, "abcdefghijklmnopqrstuvwx", "Double", int64(8)},
	} {
		f, err := open(saved(t, pickle(dict(str("w"), tensorOf(storageOf(c.kind, "0", c.n), c.offset, ints(c.shape...), ints(c.stride...))))))
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		v, _ := f.Root.(*Dict).Get("w")
		w := v.(*Tensor)
		b, err := f.Bytes(w)
		kind, size := w.Type()
		if string(b) != c.want || err != nil || kind != c.wantKind || size != c.wantSize || w.Len()*size != int64(len(c.want)) {
			t.Errorf("%+v: %q %s %d, %v", c, b, kind, size, err)
		}
	}
}

func TestValues(t *testing.T) {
	f, err := open(saved(t, pickle(dict(
		str("ints"), "](K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x00\x8a\x02\x00\x80\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80e",
		str("float"), "G\x3f\xf8\x00\x00\x00\x00\x00\x00", str("none"), "N", str("yes"), "\x88", str("pair"), "K\x01K\x02\x86q\x05",
		str("again"), "h\x05", str("ns"), "cargparse\nNamespace\n)\x81"+dict(str("dim"), "K\x07")+"b",
		"K\x03", str("by number"), str("ints twice"), "]q\x06K\x01a", str("shared"), "h\x06"))))
	if err != nil {
		t.Fatal(err)
	}
	get := func(key string) any { v, _ := f.Root.(*Dict).Get(key); return v }
	if got := get("ints").(*List).Items; !slices.Equal(got, []any{int64(255), int64(65535), int64(-1), int64(0), int64(-32768), int64(math.MinInt64)}) {
		t.Errorf("integers %v", got)
	}
	if get("float") != 1.5 || get("none") != nil || get("yes") != true || !slices.Equal(get("again").(Tuple), Tuple{int64(1), int64(2)}) {
		t.Errorf("values %v %v %v %v", get("float"), get("none"), get("yes"), get("again"))
	}
	if dim, ok := get("ns").(*Namespace).Get("dim"); !ok || dim != int64(7) {
		t.Errorf("dim of the Namespace: %v", dim)
	}
	if get("ints twice") != get("shared") {
		t.Error("a value from the memo is a copy")
	}
}

// Hostile pickles are errors that describe the problem. They never cause a panic or an allocation
// of a size stated in the file.
func TestHostilePickles(t *testing.T) {
	float := storageOf("FloatStorage", "0", 6)
	for name, c := range map[string]struct{ pickle, want string }{
		"os.system":          {pickle("cos\nsystem\n" + tuple(str("touch /tmp/x")) + "R"), `the global "os.system"`},
		"builtins.eval":      {pickle("c__builtin__\neval\n" + tuple(str("1")) + "R"), `the global "__builtin__.eval"`},
		"getattr":            {pickle("cbuiltins\ngetattr\n"), `the global "builtins.getattr"`},
		"torch.load":         {pickle("ctorch\nload\n"), `the global "torch.load"`},
		"STACK_GLOBAL":       {pickle(str("os") + str("system") + "\x93"), "STACK_GLOBAL"},
		"INST":               {pickle("(ios\nsystem\n"), "INST"},
		"EXT1":               {pickle("\x82\x01"), "EXT1"},
		"unknown opcode":     {pickle("\xfe"), "opcode 0xfe"},
		"PERSID":             {pickle("P0\n"), "PERSID"},
		"long global":        {pickle("c" + strings.Repeat("a", 1<<16)), "longer than 256 bytes"},
		"protocol":           {"\x80\x09N.", "protocol 9"},
		"call of a string":   {pickle(str("x") + ")R"), "want a global"},
		"Namespace by call":  {pickle("cargparse\nNamespace\n)R"), "argparse.Namespace with 0 arguments"},
		"storage by NEWOBJ":  {pickle("ctorch\nFloatStorage\n)\x81"), "torch.FloatStorage with 0 arguments"},
		"huge string":        {pickle("X\xff\xff\xff\xffabc"), "a string of 4294967295 bytes"},
		"not UTF-8":          {pickle(str("\xff\xfe")), "not UTF-8"},
		"huge integer":       {pickle("\x8a\xff" + strings.Repeat("a", 255)), "an integer of 255 bytes"},
		"empty":              {"", "ends too early"},
		"no STOP":            {"\x80\x02N", "ends too early"},
		"values left":        {"\x80\x02NN.", "0 bytes and 1 values are left"},
		"bytes left":         {"\x80\x02N.N", "1 bytes and 0 values are left"},
		"empty stack":        {pickle(""), "the stack has 0 values"},
		"mark as a value":    {pickle("("), "a mark on the stack"},
		"no mark":            {pickle("Nt"), "no mark"},
		"append to a dict":   {pickle("}Na"), "append to a dict"},
		"item of a tuple":    {pickle(")NNs"), "set an item of a tuple"},
		"odd items":          {pickle("}(Nu"), "a key without a value"},
		"memo":               {pickle("j\xff\xff\xff\xff"), "no value 4294967295 in the memo"},
		"BUILD of a list":    {pickle("]}b"), "attributes of a list"},
		"BUILD with a tuple": {pickle("})b"), "want a dict"},
		"persistent string":  {pickle(str("0") + "Q"), "a persistent id"},
		"persistent tuples":  {pickle(tuple(")", "N", "N", "N", "N") + "Q"), "a persistent id"},
		"storage type":       {pickle(tuple(str("storage"), "ccollections\nOrderedDict\n", str("0"), str("cpu"), "K\x06") + "Q"), "a storage of type the global collections.OrderedDict"},
		"storage key":        {pickle(storageOf("FloatStorage", "../../etc/passwd", 6)), `no storage "../../etc/passwd"`},
		"storage size":       {pickle(storageOf("FloatStorage", "0", 7)), "7 values of 4 bytes, but its entry has 24"},
		"storage overflow":   {pickle(storageOf("FloatStorage", "0", 1<<62+6)), "4611686018427387910 values"},
		"negative storage":   {pickle(storageOf("FloatStorage", "0", -1)), "-1 values"},
		"complex storage":    {pickle("ctorch\nComplexFloatStorage\n"), `the global "torch.ComplexFloatStorage"`},
		"tensor of a dict":   {pickle(tensorOf("}", 0, ints(1), ints(1))), "a tensor of a dict"},
		"beyond the storage": {pickle(tensorOf(float, 1, ints(2, 3), ints(3, 1))), "not inside its storage"},
		"offset":             {pickle(tensorOf(float, 6, ints(), ints())), "not inside its storage"},
		"negative offset":    {pickle(tensorOf(float, -1, ints(2), ints(1))), "not inside its storage"},
		"huge offset":        {pickle(tensorOf(float, math.MaxInt64, ints(2), ints(1))), "not inside its storage"},
		"expanded":           {pickle(tensorOf(float, 0, ints(1<<40), ints(0))), "not inside its storage"},
		"shape overflows":    {pickle(tensorOf(float, 0, ints(1<<32, 1<<32), ints(0, 0))), "not inside its storage"},
		"stride overflows":   {pickle(tensorOf(float, 0, ints(3, 2), ints(1<<62, 1<<62))), "not inside its storage"},
		"negative stride":    {pickle(tensorOf(float, 5, ints(6), ints(-1))), "not negative"},
		"too many strides":   {pickle(tensorOf(float, 0, ints(2), ints(1, 1))), "1 dimensions has 2 strides"},
		"rank":               {pickle(tensorOf(float, 0, ints(make([]int64, 17)...), ints(make([]int64, 17)...))), "at most 16"},
		"float shape":        {pickle(tensorOf(float, 0, tuple("G\x3f\xf8\x00\x00\x00\x00\x00\x00"), ints(1))), "the float 1.5"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := open(saved(t, c.pickle))
			if err == nil {
				t.Fatalf("no error, want %q", c.want)
			}
			if first, _, _ := strings.Cut(err.Error(), "\n  hint: "); !strings.Contains(first, c.want) || strings.Contains(first, "\n") {
				t.Errorf("root %v, error %v, want %q", f != nil, err, c.want)
			}
		})
	}
}

// Depth is not limited: a value nested a million times and one that contains itself can be read.
func TestNesting(t *testing.T) {
	if _, err := open(saved(t, pickle(strings.Repeat("]", 1<<20)+strings.Repeat("a", 1<<20-1)))); err != nil {
		t.Error(err)
	}
	f, err := open(saved(t, pickle("]q\x00h\x00a")))
	if err != nil {
		t.Fatal(err)
	}
	if l := f.Root.(*List); l.Items[0] != any(l) {
		t.Error("the list does not contain itself")
	}
	if _, err := open(saved(t, pickle(strings.Repeat("N", maxOpcodes)))); err == nil || !strings.Contains(err.Error(), "opcodes") {
		t.Errorf("%v", err)
	}
}

func TestHostileArchives(t *testing.T) {
	data := entry{name: "m/data.pkl", data: pickle("}")}
	legacy, err := os.ReadFile("../testdata/torch/legacy.pth")
	if err != nil {
		t.Fatal(err)
	}
	good := saved(t, pickle("}"))
	central := bytes.Index(good, []byte("PK\x01\x02"))
	larger := slices.Clone(good)
	binary.LittleEndian.PutUint32(larger[central+20:], 1<<30) // the compressed size of data.pkl
	binary.LittleEndian.PutUint32(larger[central+24:], 1<<30)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"legacy":          {legacy, "the legacy format"},
		"legacy tar":      {append(make([]byte, 257), "ustar\x00"...), "the legacy format"},
		"empty":           {nil, "not a file of torch.save"},
		"text":            {[]byte("hello"), "not a file of torch.save"},
		"LFS pointer":     {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), "git lfs pull"},
		"cut short":       {good[:len(good)-30], "zip"},
		"local header":    {append([]byte("PK\x03\x04"), bytes.Repeat([]byte{0}, 100)...), "zip"},
		"larger entry":    {larger, "more than the file"},
		"path traversal":  {archive(t, data, entry{name: "m/../../../etc/passwd"}), `"m/../../../etc/passwd"`},
		"absolute path":   {archive(t, entry{name: "/data.pkl", data: pickle("}")}), `"/data.pkl"`},
		"two folders":     {archive(t, data, entry{name: "n/data/0"}), `"n/data/0"`},
		"no folder":       {archive(t, entry{name: "data.pkl"}), `"data.pkl"`},
		"twice":           {archive(t, data, data), "two entries"},
		"compressed":      {archive(t, data, entry{"m/data/0", strings.Repeat("a", 1<<20), zip.Deflate}), "compressed"},
		"big endian":      {archive(t, data, entry{name: "m/byteorder", data: "big"}), `"big"`},
		"no data.pkl":     {archive(t, entry{name: "m/data/0"}), "no data.pkl"},
		"TorchScript":     {archive(t, data, entry{name: "m/code/a.py"}), "TorchScript"},
		"long byte order": {archive(t, data, entry{name: "m/byteorder", data: strings.Repeat("a", 17)}), "17 bytes"},
		"long pickle":     {archive(t, entry{name: "m/data.pkl", data: strings.Repeat("N", maxPickle+1)}), "want at most"},
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := open(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("root %v, error %v, want %q", f != nil, err, c.want)
			}
		})
	}
	if _, err := open(archive(t, entry{name: "m/"}, data)); err != nil {
		t.Errorf("an archive with a folder's entry: %v", err)
	}
}

// walk reads every tensor of a file's outer dicts.
func walk(f *File, v any, depth int) error {
	switch v := v.(type) {
	case *Dict:
		for _, it := range v.Items {
			if depth > 0 {
				if err := walk(f, it.Value, depth-1); err != nil {
					return err
				}
			}
		}
	case *Tensor:
		b, err := f.Bytes(v)
		if _, size := v.Type(); err == nil && int64(len(b)) != v.Len()*size {
			err = fmt.Errorf("%d bytes of %d values of %d", len(b), v.Len(), size)
		}
		return err
	}
	return nil
}

func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob("../testdata/torch/*.pth")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(saved(f, pickle(dict(str("w"), tensorOf(storageOf("FloatStorage", "0", 6), 0, ints(2, 3), ints(3, 1))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := open(b)
		if err != nil {
			return
		}
		if err := walk(x, x.Root, 3); err != nil {
			t.Error(err)
		}
	})
}

func FuzzPickle(f *testing.F) {
	f.Add([]byte(pickle(dict(str("w"), tensorOf(storageOf("FloatStorage", "0", 6), 0, ints(2, 3), ints(3, 1))))))
	f.Add([]byte(pickle("cargparse\nNamespace\n)\x81" + dict(str("dim"), "K\x07") + "b")))
	f.Add([]byte(pickle("](K\x01M\x01\x02J\x01\x00\x00\x00e")))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := open(saved(t, string(b)))
		if err != nil {
			return
		}
		if err := walk(x, x.Root, 3); err != nil {
			t.Error(err)
		}
	})
}
