package runners

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Len returns the number of values: the product of the shape, or math.MaxInt64 on overflow.
func (t Tensor) Len() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n = MulBytes(n, int64(max(0, d)))
	}
	return n
}

// Check returns an error if the data do not have the size of the shape.
func (t Tensor) Check() error {
	if want := MulBytes(t.Len(), int64(t.DType.Size())); t.Values == nil && int64(len(t.Data)) != want {
		return fmt.Errorf("%s has %d bytes, but its shape %v in %s takes %d", t.Name, len(t.Data), t.Shape, t.DType, want)
	}
	return nil
}

// Decode reads len(dst) values from index i on as float32, which represents every DType exactly.
func (t Tensor) Decode(dst []float32, i int) {
	if t.Data == nil && t.Values != nil {
		t.Values(dst, i)
		return
	}
	b := t.Data[i*t.DType.Size():]
	switch t.DType {
	case F32:
		for x := range dst {
			dst[x] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*x:]))
		}
	case BF16:
		for x := range dst {
			dst[x] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*x:])) << 16)
		}
	default:
		for x := range dst {
			dst[x] = Float16(binary.LittleEndian.Uint16(b[2*x:]))
		}
	}
}

// Scaled is t with every value multiplied by a factor, as float32.
func (t Tensor) Scaled(factor float64) Tensor {
	return Tensor{Name: t.Name, DType: F32, Shape: t.Shape, Values: func(dst []float32, i int) {
		t.Decode(dst, i)
		for x, v := range dst {
			dst[x] = float32(float64(v) * factor)
		}
	}}
}

// Float16 returns the value of an IEEE 754 binary16 number.
func Float16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp, frac := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0:
		return math.Float32frombits(math.Float32bits(float32(frac)*0x1p-24) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	default:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	}
}

// BFloat16 rounds to bfloat16, the upper half of a float32: to nearest, ties to even.
func BFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40 // keep NaN a NaN
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
