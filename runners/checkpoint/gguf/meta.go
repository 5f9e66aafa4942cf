package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// kind is the type of a metadata value.
type kind uint32

const (
	kindU8 kind = iota
	kindI8
	kindU16
	kindI16
	kindU32
	kindI32
	kindF32
	kindBool
	kindString
	kindArray
	kindU64
	kindI64
	kindF64
)

var kindNames = [...]string{"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"}

var kindSizes = [...]int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

func (k kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("type %d", uint32(k))
}

// maxNesting limits arrays of arrays. No known file has any.
const maxNesting = 4

// value is a metadata value in its stored form.
type value struct {
	kind kind
	// raw is the value's bytes; for an array, the bytes of its count elements of kind element.
	raw     []byte
	element kind
	count   int
}

// read reads a value of v.kind; depth is the number of enclosing arrays.
func (v *value) read(r *reader, depth int) {
	switch {
	case r.err != nil:
	case v.kind == kindString:
		v.raw = r.str()
	case v.kind == kindArray:
		if depth == maxNesting {
			r.err = fmt.Errorf("arrays are nested deeper than %d", maxNesting)
			return
		}
		v.element = kind(r.u32())
		least := 12 // an array of arrays
		if v.element == kindString {
			least = 8
		} else if int(v.element) < len(kindSizes) && kindSizes[v.element] > 0 {
			least = kindSizes[v.element]
		} else if v.element != kindArray {
			r.err = fmt.Errorf("an array of unknown %s", v.element)
		}
		v.count = r.count("array elements", least)
		if r.err != nil {
			return
		}
		start := r.at
		if v.element == kindString || v.element == kindArray {
			for range v.count {
				e := value{kind: v.element}
				if e.read(r, depth+1); r.err != nil {
					return
				}
			}
		} else {
			r.take(v.count * least)
		}
		v.raw = r.b[start:r.at:r.at]
	case int(v.kind) < len(kindSizes):
		v.raw = r.take(kindSizes[v.kind])
		if v.kind == kindBool && r.err == nil && v.raw[0] > 1 {
			r.err = fmt.Errorf("a bool of %d", v.raw[0])
		}
	default:
		r.err = fmt.Errorf("unknown %s", v.kind)
	}
}

// number decodes the integer or float of kind k at the start of raw.
func number(k kind, raw []byte) (i int64, u uint64, f float64) {
	switch k {
	case kindU8, kindBool:
		u = uint64(raw[0])
	case kindI8:
		i = int64(int8(raw[0]))
	case kindU16:
		u = uint64(le16(raw))
	case kindI16:
		i = int64(int16(le16(raw)))
	case kindU32:
		u = uint64(binary.LittleEndian.Uint32(raw))
	case kindI32:
		i = int64(int32(binary.LittleEndian.Uint32(raw)))
	case kindU64:
		u = binary.LittleEndian.Uint64(raw)
	case kindI64:
		i = int64(binary.LittleEndian.Uint64(raw))
	case kindF32:
		f = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	case kindF64:
		f = math.Float64frombits(binary.LittleEndian.Uint64(raw))
	}
	return i, u, f
}

func (k kind) unsigned() bool {
	return k == kindU8 || k == kindU16 || k == kindU32 || k == kindU64
}

func (k kind) signed() bool { return k == kindI8 || k == kindI16 || k == kindI32 || k == kindI64 }

func (k kind) float() bool { return k == kindF32 || k == kindF64 }

// unsigned decodes a non-negative integer of any kind.
func unsigned(k kind, raw []byte) (uint64, bool) {
	i, u, _ := number(k, raw)
	switch {
	case k.unsigned():
		return u, true
	case k.signed() && i >= 0:
		return uint64(i), true
	}
	return 0, false
}

// Keys lists the metadata keys in the order of the file.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Has reports whether the metadata has a key.
func (f *File) Has(key string) bool { _, ok := f.entries[key]; return ok }

// Kind describes the type of a metadata value, such as "uint32" or "array of string". It is empty
// if the key is missing.
func (f *File) Kind(key string) string {
	v, ok := f.entries[key]
	switch {
	case !ok:
		return ""
	case v.kind == kindArray:
		return "array of " + v.element.String()
	}
	return v.kind.String()
}

func (f *File) mistyped(key, want string) error {
	return fmt.Errorf("%s: metadata %q is %s, want %s", f.name, key, f.Kind(key), want)
}

// Uint returns a metadata value that is a non-negative integer of any width. ok is false if the key
// is missing.
func (f *File) Uint(key string) (x uint64, ok bool, err error) {
	v, ok := f.entries[key]
	if !ok {
		return 0, false, nil
	}
	if v.kind.unsigned() || v.kind.signed() {
		if x, ok := unsigned(v.kind, v.raw); ok {
			return x, true, nil
		}
	}
	return 0, true, f.mistyped(key, "a non-negative integer")
}

// Float returns a metadata value that is a number.
func (f *File) Float(key string) (x float64, ok bool, err error) {
	v, ok := f.entries[key]
	if !ok {
		return 0, false, nil
	}
	i, u, d := number(v.kind, v.raw)
	switch {
	case v.kind.float():
		return d, true, nil
	case v.kind.unsigned():
		return float64(u), true, nil
	case v.kind.signed():
		return float64(i), true, nil
	}
	return 0, true, f.mistyped(key, "a number")
}

// Bool returns a metadata value that is a bool.
func (f *File) Bool(key string) (x, ok bool, err error) {
	v, ok := f.entries[key]
	if ok && v.kind != kindBool {
		return false, true, f.mistyped(key, "a bool")
	}
	return ok && v.raw[0] == 1, ok, nil
}

// String returns a metadata value that is a string. It need not be valid UTF-8.
func (f *File) String(key string) (s string, ok bool, err error) {
	v, ok := f.entries[key]
	if ok && v.kind != kindString {
		return "", true, f.mistyped(key, "a string")
	}
	return string(v.raw), ok, nil
}

// Len returns the number of elements of a metadata array, 0 for other values.
func (f *File) Len(key string) int { return f.entries[key].count }

// Strings returns a metadata value that is an array of strings, which need not be valid UTF-8.
func (f *File) Strings(key string) (s []string, ok bool, err error) {
	v, ok := f.entries[key]
	if !ok {
		return nil, false, nil
	}
	if v.kind != kindArray || v.element != kindString {
		return nil, true, f.mistyped(key, "an array of strings")
	}
	r := &reader{b: v.raw}
	s = make([]string, v.count)
	for i := range s {
		s[i] = string(r.str())
	}
	return s, true, r.err
}

// Floats returns a metadata value that is an array of numbers.
func (f *File) Floats(key string) (x []float64, ok bool, err error) {
	v, ok := f.entries[key]
	if !ok {
		return nil, false, nil
	}
	if k := v.element; v.kind != kindArray || !k.float() && !k.signed() && !k.unsigned() {
		return nil, true, f.mistyped(key, "an array of numbers")
	}
	size := kindSizes[v.element]
	x = make([]float64, v.count)
	for i := range x {
		n, u, d := number(v.element, v.raw[i*size:])
		x[i] = float64(n) + float64(u) + d // at most one is not 0
	}
	return x, true, nil
}

// Uints returns a metadata value that is an array of non-negative integers or bools.
func (f *File) Uints(key string) (x []uint64, ok bool, err error) {
	v, ok := f.entries[key]
	if !ok {
		return nil, false, nil
	}
	const want = "an array of non-negative integers"
	if k := v.element; v.kind != kindArray || !k.signed() && !k.unsigned() && k != kindBool {
		return nil, true, f.mistyped(key, want)
	}
	size := kindSizes[v.element]
	x = make([]uint64, v.count)
	for i := range x {
		if v.element == kindBool {
			_, x[i], _ = number(kindU8, v.raw[i*size:])
			continue
		}
		n, ok := unsigned(v.element, v.raw[i*size:])
		if !ok {
			return nil, true, f.mistyped(key, want)
		}
		x[i] = n
	}
	return x, true, nil
}
