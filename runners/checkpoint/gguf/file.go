package gguf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/filemap"
)

const (
	// maxRank is GGML_MAX_DIMS.
	maxRank = 4
	// maxName limits the names of keys and tensors, in bytes. ggml allows tensor names of 63 bytes.
	maxName = 1 << 12
	// maxHeader limits the bytes before the data. Vocabularies take up to about 30 MB.
	maxHeader = 1 << 28
	// maxAlignment limits general.alignment, which is a power of two.
	maxAlignment = 1 << 20
)

// File is an open GGUF file.
type File struct {
	name    string
	version uint32
	content filemap.Content
	entries map[string]value
	keys    []string
	tensors []Tensor
	index   map[string]int
	// data is the file offset of the data.
	data int64
}

// Tensor describes a tensor.
type Tensor struct {
	Name string
	// Shape is row-major, the outermost dimension first: [out, in] for the matrix of y = x Wᵀ. (The
	// file stores the dimensions in the opposite order.)
	Shape []int
	Type  Type
	// Bytes is the stored size, or -1 if the type is unknown.
	Bytes  int64
	offset int64
}

// Elements returns the number of values of t.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// CutExt returns a path without its extension .gguf, in any case, and whether it has one.
func CutExt(path string) (stem string, ok bool) {
	if ext := filepath.Ext(path); strings.EqualFold(ext, ".gguf") {
		return strings.TrimSuffix(path, ext), true
	}
	return path, false
}

// IsPath reports whether a path has the extension .gguf, in any case.
func IsPath(path string) bool { _, ok := CutExt(path); return ok }

// Open opens a GGUF file and checks everything before the data.
func Open(path string) (*File, error) {
	return filemap.Parse(path, func(c filemap.Content, size int64) (*File, error) { return newFile(path, c, size) })
}

// New opens a GGUF file in memory. name is used in errors.
func New(name string, data []byte) (*File, error) {
	return newFile(name, filemap.Memory(data), int64(len(data)))
}

func newFile(name string, c filemap.Content, size int64) (*File, error) {
	head, err := c.Bytes(0, min(size, maxHeader))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := &File{name: name, content: c, entries: map[string]value{}, index: map[string]int{}}
	r := &reader{b: head}
	f.read(r)
	if r.err == nil {
		f.layOut(r, size)
	}
	if r.err != nil {
		return nil, fmt.Errorf("%s: %w", name, r.err)
	}
	return f, nil
}

// read reads the header, the metadata and the tensor descriptions.
func (f *File) read(r *reader) {
	if magic := r.take(4); r.err != nil || string(magic) != "GGUF" {
		r.err = errors.New(`not a GGUF file: it does not begin with "GGUF"`)
		return
	}
	f.version = r.u32()
	if r.err == nil && f.version != 2 && f.version != 3 {
		r.err = fmt.Errorf("GGUF version %d is not supported, want 2 or 3", f.version)
		if f.version&0xffff == 0 {
			r.err = errors.New("the file is big-endian, which is not supported")
		}
		return
	}
	// A tensor description takes at least 24 bytes, a metadata entry at least 13.
	tensors, entries := r.count("tensors", 24), r.count("metadata entries", 13)
	for range entries {
		f.readEntry(r)
		if r.err != nil {
			return
		}
	}
	for range tensors {
		f.readTensor(r)
		if r.err != nil {
			return
		}
	}
}

func (f *File) readEntry(r *reader) {
	key := r.name("a metadata key")
	if r.err != nil {
		return
	}
	kind := kind(r.u32())
	v := value{kind: kind}
	v.read(r, 0)
	if r.err != nil {
		r.err = fmt.Errorf("metadata %q: %w", key, r.err)
		return
	}
	if _, twice := f.entries[key]; twice {
		r.err = fmt.Errorf("metadata %q occurs twice", key)
		return
	}
	v.raw = bytes.Clone(v.raw) // of the file's memory map, which may be cut short later
	f.entries[key] = v
	f.keys = append(f.keys, key)
}

func (f *File) readTensor(r *reader) {
	t := Tensor{Name: r.name("a tensor's name")}
	fail := func(format string, args ...any) {
		if r.err == nil {
			r.err = fmt.Errorf("tensor %q: "+format, append([]any{t.Name}, args...)...)
		}
	}
	rank := r.u32()
	if r.err == nil && (rank < 1 || rank > maxRank) {
		fail("%d dimensions, want 1 to %d", rank, maxRank)
	}
	n := int64(1)
	for range rank {
		if r.err != nil {
			return
		}
		d := r.u64()
		if d == 0 || d > math.MaxInt32 || n > math.MaxInt64/int64(d) {
			fail("a dimension of %d, or a product of dimensions that overflows", d)
			return
		}
		n *= int64(d)
		t.Shape = append(t.Shape, int(d))
	}
	t.Type = Type(r.u32())
	offset := r.u64()
	if offset > math.MaxInt64 {
		fail("its offset %d is beyond the file", offset)
	}
	if r.err != nil {
		return
	}
	t.offset, t.Bytes = int64(offset), -1
	if l, known := layouts[t.Type]; known {
		if int64(t.Shape[0])%l.values != 0 {
			fail("rows of %d values are not a multiple of %d, the block of %s", t.Shape[0], l.values, l.name)
			return
		}
		size, ok := t.Type.Bytes(n)
		if !ok {
			fail("its size overflows")
			return
		}
		t.Bytes = size
	}
	slices.Reverse(t.Shape)
	if _, twice := f.index[t.Name]; twice {
		fail("occurs twice")
		return
	}
	f.index[t.Name] = len(f.tensors)
	f.tensors = append(f.tensors, t)
}

// layOut computes the offset of the data and checks that the tensors are aligned, inside the file
// and do not overlap.
func (f *File) layOut(r *reader, size int64) {
	alignment := uint64(32)
	if v, ok := f.entries["general.alignment"]; ok {
		if alignment, ok = unsigned(v.kind, v.raw); !ok {
			r.err = fmt.Errorf("general.alignment is %s, want a non-negative integer", f.Kind("general.alignment"))
			return
		}
	}
	if alignment == 0 || alignment > maxAlignment || alignment&(alignment-1) != 0 {
		r.err = fmt.Errorf("general.alignment is %d, want a power of two up to %d", alignment, maxAlignment)
		return
	}
	align := int64(alignment)
	f.data = (int64(r.at) + align - 1) / align * align
	room := max(0, size-f.data)
	order := slices.Clone(f.tensors)
	slices.SortFunc(order, func(a, b Tensor) int { return cmp.Compare(a.offset, b.offset) })
	end := int64(0)
	for _, t := range order {
		switch {
		case t.offset%align != 0:
			r.err = fmt.Errorf("tensor %q begins at byte %d of the data, not a multiple of the alignment %d", t.Name, t.offset, align)
		case t.offset > room || t.Bytes > room-t.offset:
			r.err = fmt.Errorf("tensor %q ends at byte %d of the data, which has %d (cut short?)", t.Name, t.offset+max(t.Bytes, 0), room)
		case t.offset < end:
			r.err = fmt.Errorf("tensor %q begins at byte %d of the data, inside another tensor", t.Name, t.offset)
		}
		if r.err != nil {
			return
		}
		end = t.offset + max(t.Bytes, 0)
	}
}

// Version returns the version of the format, 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Name returns the file's name, as given to Open or New.
func (f *File) Name() string { return f.name }

// Tensors lists the tensors in the order of the file.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Tensor returns the tensor of a name.
func (f *File) Tensor(name string) (t Tensor, ok bool) {
	i, ok := f.index[name]
	if ok {
		t = f.tensors[i]
	}
	return t, ok
}

// Data returns the stored bytes of a tensor, in the file's memory map. They are valid until Close.
func (f *File) Data(t Tensor) ([]byte, error) {
	if t.Bytes < 0 {
		return nil, fmt.Errorf("%s: tensor %q is of %s, which is not supported", f.name, t.Name, t.Type)
	}
	b, err := f.content.Bytes(f.data+t.offset, t.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: read tensor %q: %w", f.name, t.Name, err)
	}
	return b, nil
}

// Values returns the values of a tensor as float32.
func (f *File) Values(t Tensor) (x []float32, err error) {
	data, err := f.Data(t)
	if err != nil {
		return nil, err
	}
	x = make([]float32, t.Elements())
	err = filemap.Guard(f.name, func() error {
		if err := t.Type.Dequantize(x, data); err != nil {
			return fmt.Errorf("%s: tensor %q: %w", f.name, t.Name, err)
		}
		return nil
	})
	return x, err
}

// Close unmaps the file. Its data must not be used afterwards.
func (f *File) Close() error {
	c := f.content
	f.content = filemap.Closed{}
	return c.Close()
}

// reader reads from b and keeps the first error, after which it returns zeros.
type reader struct {
	b   []byte
	at  int
	err error
}

var errShort = errors.New("the header ends too early (cut short?)")

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b)-r.at {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at : r.at]
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads the number of items that take at least least bytes each.
func (r *reader) count(what string, least int) int {
	n := r.u64()
	if r.err == nil && n > uint64((len(r.b)-r.at)/least) {
		r.err = fmt.Errorf("the header says %d %s, more than the file can hold", n, what)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// str reads a string.
func (r *reader) str() []byte {
	n := r.u64()
	if r.err == nil && n > uint64(len(r.b)-r.at) {
		r.err = errShort
	}
	return r.take(int(n))
}

// name reads a string that is a key or a tensor's name.
func (r *reader) name(what string) string {
	b := r.str()
	switch {
	case r.err != nil:
		return ""
	case len(b) == 0 || len(b) > maxName:
		r.err = fmt.Errorf("%s has %d bytes, want 1 to %d", what, len(b), maxName)
	case !utf8.Valid(b):
		r.err = fmt.Errorf("%s is not valid UTF-8: %q", what, b)
	}
	return string(b)
}
