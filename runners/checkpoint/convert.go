package checkpoint

import (
	"encoding/binary"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// Float32s returns the values of a tensor as float32, which represents every stored type exactly.
func Float32s(t runners.Tensor) []float32 {
	xs := make([]float32, t.Len())
	t.Decode(xs, 0)
	return xs
}

// Encode returns the values in the format of dtype, little-endian, rounded to nearest, ties to
// even.
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

// blockValues is the number of values converted at once.
const blockValues = 1 << 14

// stored calls write with the bytes of values from..to-1 of a tensor as dtype. If the tensor is
// stored in another type, it converts a block at a time.
func stored(t runners.Tensor, dtype runners.DType, from, to int64, write func([]byte) error) error {
	if t.Data != nil && t.DType == dtype {
		size := int64(dtype.Size())
		return write(t.Data[from*size : to*size])
	}
	buf := make([]float32, min(blockValues, to-from))
	for i := from; i < to; {
		xs := buf[:min(int64(len(buf)), to-i)]
		t.Decode(xs, int(i))
		if err := write(Encode(xs, dtype)); err != nil {
			return err
		}
		i += int64(len(xs))
	}
	return nil
}

// doubles returns a reader of float64 data that rounds to float32.
func doubles(data []byte) func([]float32, int) {
	return func(dst []float32, i int) {
		for x := range dst {
			dst[x] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*(i+x):])))
		}
	}
}

// toHalf rounds to IEEE half precision: 1 sign, 5 exponent and 10 fraction bits.
func toHalf(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00
	case b >= 0x47800000: // 65536 and above, including infinity
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: a multiple of 2^-24
		// Adding .5 moves the value's multiple of 2^-24 into the low fraction bits, rounded by the
		// addition.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-math.Float32bits(0.5))
	default:
		// A carry out of the fraction increments the exponent; from 65520 on it gives infinity.
		return sign | uint16((b-0x38000000+0xfff+b>>13&1)>>13)
	}
}
