package checkpoint

import (
	"encoding/binary"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// Float32s returns the values of a tensor as float32, which holds those of
// every stored type exactly.
func Float32s(t runners.Tensor) []float32 {
	xs := make([]float32, len(t.Data)/t.DType.Size())
	switch t.DType {
	case runners.BF16:
		for i := range xs {
			xs[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
		}
	case runners.F16:
		for i := range xs {
			xs[i] = fromHalf(binary.LittleEndian.Uint16(t.Data[2*i:]))
		}
	default:
		for i := range xs {
			xs[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		}
	}
	return xs
}

// Encode stores values as dtype, little-endian, rounded to nearest, ties to even.
func Encode(xs []float32, dtype runners.DType) []byte {
	b := make([]byte, len(xs)*dtype.Size())
	switch dtype {
	case runners.BF16:
		for i, x := range xs {
			binary.LittleEndian.PutUint16(b[2*i:], toBrain(x))
		}
	case runners.F16:
		for i, x := range xs {
			binary.LittleEndian.PutUint16(b[2*i:], toHalf(x))
		}
	default:
		for i, x := range xs {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
		}
	}
	return b
}

// roundDoubles turns stored float64 into stored float32.
func roundDoubles(data []byte) []byte {
	b := make([]byte, len(data)/2)
	for i := 0; i < len(b); i += 4 {
		x := math.Float64frombits(binary.LittleEndian.Uint64(data[2*i:]))
		binary.LittleEndian.PutUint32(b[i:], math.Float32bits(float32(x)))
	}
	return b
}

// toBrain rounds to bfloat16: the upper half of a float32.
func toBrain(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40 // a NaN stays one
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// toHalf rounds to IEEE half precision: 1 sign, 5 exponent and 10 fraction bits.
func toHalf(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00
	case b >= 0x47800000: // 65536 and more, infinity too
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: a multiple of 2^-24
		// Adding .5 puts the value's multiple of 2^-24 into the low fraction bits, rounded by the addition.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-math.Float32bits(0.5))
	default:
		// A carry out of the fraction moves into the exponent, and from 65520 on to infinity.
		return sign | uint16((b-0x38000000+0xfff+b>>13&1)>>13)
	}
}

func fromHalf(h uint16) float32 {
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
