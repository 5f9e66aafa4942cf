package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/filemap"
	"github.com/yocobench/yocobench/internal/lfs"
	"github.com/yocobench/yocobench/internal/suggest"
	"github.com/yocobench/yocobench/runners"
)

// A safetensors file is an 8-byte little-endian length n, n bytes of JSON {name: {dtype, shape,
// data_offsets: [begin, end]}}, and the data, to which the offsets are relative. The tensors cover
// the data without gaps or overlaps.
const (
	// maxHeader is the largest header that the format allows.
	maxHeader = 100 << 20
	// maxRank limits the number of dimensions of a tensor.
	maxRank = 16
)

// elementSize is the number of bytes of a value of each type of the format. A file may contain any
// of them; Get returns only those in readable.
var elementSize = map[string]int64{
	"F32": 4, "BF16": 2, "F16": 2,
	"F64": 8, "C64": 8, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2,
	"I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
}

// readable maps stored types to the type in which Get returns them.
var readable = map[string]runners.DType{"F32": runners.F32, "BF16": runners.BF16, "F16": runners.F16, "F64": runners.F32}

// File is an open safetensors file.
type File struct {
	name    string
	content filemap.Content
	tensors map[string]entry
	names   []string
	meta    map[string]string
	// data is the file offset of the data.
	data int64
}

// entry describes a tensor, stored at [begin, end) relative to the start of the data.
type entry struct {
	dtype      string
	shape      []int64
	begin, end int64
}

// OpenFile opens a safetensors file and checks its header. It does not read the data.
func OpenFile(path string) (*File, error) {
	return filemap.Parse(path, func(c filemap.Content, size int64) (*File, error) { return newFile(path, c, size) })
}

// NewFile opens a safetensors file in memory. name is used in errors and by Source.
func NewFile(name string, data []byte) (*File, error) {
	return newFile(name, filemap.Memory(data), int64(len(data)))
}

func newFile(name string, c filemap.Content, size int64) (*File, error) {
	f := &File{name: name, content: c, tensors: map[string]entry{}, meta: map[string]string{}}
	if size < 8 {
		return nil, fmt.Errorf("%s: %d bytes long, too short for a safetensors file", name, size)
	}
	b, err := c.Bytes(0, 8)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if size < lfs.MaxPointer {
		if text, err := c.Bytes(0, size); err == nil && lfs.IsPointer(text) {
			return nil, fmt.Errorf("%s: %w", name, lfs.ErrPointer)
		}
	}
	n := binary.LittleEndian.Uint64(b)
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("%s: the header's length is %d bytes, want at most %d (not a safetensors file, or cut short?)",
			name, n, min(maxHeader, size-8))
	}
	f.data = 8 + int64(n)
	head, err := c.Bytes(8, int64(n))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := f.readHeader(head); err != nil {
		return nil, err
	}
	return f, f.checkLayout(size - f.data)
}

func (f *File) readHeader(head []byte) error {
	j, err := newJSON(f.name+": header", head)
	if err != nil {
		return err
	}
	err = j.object("the header", func(name string) error {
		if name == "__metadata__" {
			return j.object(name, func(key string) (err error) {
				f.meta[key], err = j.str(name + "." + key)
				return err
			})
		}
		e, err := f.readEntry(j, name)
		f.tensors[name] = e
		f.names = append(f.names, name)
		return err
	})
	if err != nil {
		return err
	}
	return j.end()
}

func (f *File) readEntry(j *jsonFile, name string) (entry, error) {
	var e entry
	var offsets []int64
	what := fmt.Sprintf("tensor %q", name)
	err := j.object(what, func(key string) (err error) {
		switch key {
		case "dtype":
			e.dtype, err = j.str(what + " dtype")
		case "shape":
			e.shape, err = j.ints(what+" shape", maxRank)
		case "data_offsets":
			offsets, err = j.ints(what+" data_offsets", 2)
		default:
			err = j.errorf("%s has the unknown key %q (known: dtype, shape, data_offsets)", what, key)
		}
		return err
	})
	switch {
	case err != nil:
		return e, err
	case e.dtype == "" || e.shape == nil || len(offsets) != 2:
		return e, j.errorf("%s needs a dtype, a shape and two data_offsets", what)
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.begin > e.end {
		return e, j.errorf("%s ends at %d, before its beginning %d", what, e.end, e.begin)
	}
	size, known := elementSize[e.dtype]
	if !known {
		return e, nil // an unknown type is an error only if it is read
	}
	for _, d := range e.shape {
		if d != 0 && size > math.MaxInt64/d {
			return e, j.errorf("%s has shape %v, whose size overflows", what, e.shape)
		}
		size *= d
	}
	if size != e.end-e.begin {
		return e, j.errorf("%s holds %d bytes, but %s %v needs %d", what, e.end-e.begin, e.dtype, e.shape, size)
	}
	return e, nil
}

// checkLayout returns an error unless the tensors cover every byte of the data exactly once.
func (f *File) checkLayout(size int64) error {
	order := slices.Clone(f.names)
	slices.SortFunc(order, func(a, b string) int {
		x, y := f.tensors[a], f.tensors[b]
		if x.begin != y.begin {
			return cmpInt(x.begin, y.begin)
		}
		return cmpInt(x.end, y.end)
	})
	at := int64(0)
	for _, name := range order {
		e := f.tensors[name]
		switch {
		case e.end > size:
			return fmt.Errorf("%s: tensor %q ends at byte %d of the data, which has %d (cut short?)", f.name, name, e.end, size)
		case e.begin < at:
			return fmt.Errorf("%s: tensor %q begins at byte %d of the data, inside another tensor", f.name, name, e.begin)
		case e.begin > at:
			return fmt.Errorf("%s: bytes %d to %d of the data belong to no tensor", f.name, at, e.begin)
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("%s: the last %d bytes of the data belong to no tensor", f.name, size-at)
	}
	return nil
}

func cmpInt(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// Names lists the tensors in the order of the header.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Metadata returns the header's __metadata__.
func (f *File) Metadata() map[string]string { return f.meta }

// Has reports whether the file holds a tensor of that name.
func (f *File) Has(name string) bool { _, ok := f.tensors[name]; return ok }

// Info describes a tensor, without reading it.
func (f *File) Info(name string) Info {
	e := f.tensors[name]
	return Info{Type: e.dtype, Shape: slices.Clone(e.shape), Bytes: e.end - e.begin}
}

// Bytes returns the stored bytes of a tensor, whatever its type is, in the file's memory map.
func (f *File) Bytes(name string) ([]byte, error) {
	e, ok := f.tensors[name]
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q%s", f.name, name, didYouMean(name, f.names))
	}
	data, err := f.content.Bytes(f.data+e.begin, e.end-e.begin)
	if err != nil {
		return nil, fmt.Errorf("%s: reading tensor %q: %w", f.name, name, err)
	}
	return data, nil
}

// Ints returns the values of a tensor of I32 or I64 with one dimension.
func (f *File) Ints(name string) ([]int, error) {
	e, ok := f.tensors[name]
	if size := elementSize[e.dtype]; !ok || len(e.shape) != 1 || e.dtype != "I32" && e.dtype != "I64" || e.shape[0] > math.MaxInt/size {
		return nil, fmt.Errorf("%s: tensor %q is %s %v, want I32 or I64 with one dimension", f.name, name, e.dtype, e.shape)
	}
	data, err := f.Bytes(name)
	if err != nil {
		return nil, err
	}
	out := make([]int, e.shape[0])
	for i := range out {
		if e.dtype == "I32" {
			out[i] = int(int32(binary.LittleEndian.Uint32(data[4*i:])))
		} else {
			out[i] = int(int64(binary.LittleEndian.Uint64(data[8*i:])))
		}
	}
	return out, nil
}

// Get returns a tensor as it is stored: F32, BF16 or F16, with Data in the file's memory map. F64
// is returned as F32, rounded when it is read.
func (f *File) Get(name string) (runners.Tensor, error) {
	e, ok := f.tensors[name]
	if !ok {
		return runners.Tensor{}, fmt.Errorf("%s: no tensor %q%s", f.name, name, didYouMean(name, f.names))
	}
	shape, err := f.readableShape(name, e)
	if err != nil {
		return runners.Tensor{}, err
	}
	data, err := f.Bytes(name)
	if err != nil {
		return runners.Tensor{}, err
	}
	t := runners.Tensor{Name: name, DType: readable[e.dtype], Shape: shape}
	if e.dtype == "F64" {
		t.Values = doubles(data)
	} else {
		t.Data = data
	}
	return t, nil
}

// readableShape returns the shape of a tensor, or an error if it cannot be read. It does not read
// the data.
func (f *File) readableShape(name string, e entry) ([]int, error) {
	if _, ok := readable[e.dtype]; !ok {
		return nil, fmt.Errorf("%s: tensor %q is %s, want F32, BF16, F16 or F64", f.name, name, e.dtype)
	}
	shape := make([]int, len(e.shape))
	for i, d := range e.shape {
		if int64(int(d)) != d {
			return nil, fmt.Errorf("%s: tensor %q has shape %v, too large for this machine", f.name, name, e.shape)
		}
		shape[i] = int(d)
	}
	return shape, nil
}

// check returns the error that Tensor(p) would return, without reading the data.
func (f *File) check(p runners.TensorSpec) error {
	e, ok := f.tensors[p.Name]
	if !ok {
		return fmt.Errorf("%s: no tensor %q%s", f.name, p.Name, didYouMean(p.Name, f.names))
	}
	shape, err := f.readableShape(p.Name, e)
	if err == nil && !slices.Equal(shape, p.Shape) {
		err = fmt.Errorf("%s: tensor %q has shape %v, but the config makes it %v", f.name, p.Name, shape, p.Shape)
	}
	return err
}

// Tensor returns the tensor of a parameter (see runners.Weights).
func (f *File) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	if err := f.check(p); err != nil {
		return runners.Tensor{}, err
	}
	return f.Get(p.Name)
}

// Source returns the file's name.
func (f *File) Source() string { return f.name }

// Close unmaps the file. Its tensors must not be used afterwards.
func (f *File) Close() error {
	c := f.content
	f.content = filemap.Closed{}
	return c.Close()
}

// didYouMean suggests the most similar known name, if one is similar enough.
func didYouMean(name string, known []string) string {
	best := suggest.Nearest(name, known[:min(len(known), 10000)])
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// quoteSome lists at most three names.
func quoteSome(names []string) string {
	s := fmt.Sprintf("%q", names[:min(3, len(names))])
	s = strings.Trim(s, "[]")
	if len(names) > 3 {
		s += fmt.Sprintf(" and %d more", len(names)-3)
	}
	return s
}
