package pth

import (
	"fmt"
	"slices"
)

// Tensor is a tensor of a file: a strided view of a storage, which other tensors may share.
type Tensor struct {
	// Shape and Stride are in values, with one entry per dimension.
	Shape, Stride []int64
	storage       *storage
	offset        int64
}

// Type is the name of the values' type as torch's storages have it, such as "Float", "Half" or
// "BFloat16", and the bytes of a value.
func (t *Tensor) Type() (name string, size int64) { return t.storage.kind.name, t.storage.kind.size }

// Len returns the number of values.
func (t *Tensor) Len() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// check checks the view.
func (t *Tensor) check() error {
	if len(t.Stride) != len(t.Shape) {
		return fmt.Errorf("a tensor of %d dimensions has %d strides", len(t.Shape), len(t.Stride))
	}
	if !t.inside() {
		return fmt.Errorf("a tensor of shape %v with strides %v from value %d is not inside its storage %q of %d values",
			t.Shape, t.Stride, t.offset, t.storage.key, t.storage.n)
	}
	return nil
}

// inside reports whether all values are inside the storage, and are no more than the storage has.
func (t *Tensor) inside() bool {
	if slices.Contains(t.Shape, 0) {
		return t.offset >= 0
	}
	n, last, limit := int64(1), t.offset, t.storage.n
	if last < 0 || last >= limit {
		return false
	}
	for i, d := range t.Shape {
		if d > limit/n || d > 1 && t.Stride[i] > (limit-1-last)/(d-1) {
			return false
		}
		n *= d
		last += (d - 1) * t.Stride[i]
	}
	return true
}

// contiguous reports whether the values are stored contiguously in the order of the shape.
func (t *Tensor) contiguous() bool {
	want := int64(1)
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] > 1 && t.Stride[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return true
}

// Bytes returns the values of a tensor, contiguous and little-endian: the file's memory if they are
// stored in this form, else a copy.
func (f *File) Bytes(t *Tensor) ([]byte, error) {
	size, n := t.storage.kind.size, t.Len()
	e := f.entries["data/"+t.storage.key]
	if n == 0 {
		return nil, nil
	}
	if t.contiguous() {
		return f.content.Bytes(e.at+t.offset*size, n*size)
	}
	src, err := f.content.Bytes(e.at, t.storage.n*size)
	if err != nil {
		return nil, err
	}
	dst := make([]byte, 0, n*size)
	index := make([]int64, len(t.Shape))
	at := t.offset
	for {
		dst = append(dst, src[at*size:(at+1)*size]...)
		d := len(index) - 1
		for ; d >= 0; d-- {
			index[d]++
			at += t.Stride[d]
			if index[d] < t.Shape[d] {
				break
			}
			at -= t.Stride[d] * t.Shape[d]
			index[d] = 0
		}
		if d < 0 {
			return dst, nil
		}
	}
}
