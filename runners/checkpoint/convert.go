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
	t.Decode(xs, 0)
	return xs
}

// Encode stores values as dtype, little-endian, rounded to nearest, ties to even.
func Encode(xs []float32, dtype runners.DType) []byte {
	b := make([]byte, len(xs)*dtype.Size())
	switch dtype {
	case runners.BF16:
		for i, x := range xs {
			binary.LittleEndian.PutUint16(b[2*i:], runners.BFloat16(x))
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
