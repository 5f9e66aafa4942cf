package gguf

import (
	"encoding/binary"
	"math"
)

// The block formats of ggml (ggml-common.h), one function each. d is a block's scale and m its
// minimum, stored as half precision. A superblock (the K types) is 256 values in 16 or 8 blocks
// with scales of 4 to 8 bits.

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// half reads a half-precision number.
func half(b []byte) float32 { return fromHalf(le16(b)) }

func fromHalf(h uint16) float32 {
	sign, e, f := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&0x3ff)
	switch e {
	case 0: // zero or subnormal: f x 2^-24
		x := float32(f) / (1 << 24)
		return math.Float32frombits(math.Float32bits(x) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | f<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | f<<13)
}

func f32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func f16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

func bf16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(le16(src[2*i:])) << 16)
	}
}

func q8_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[34:] {
		d := half(src)
		for i, q := range src[2:34] {
			dst[i] = float32(int8(q)) * d
		}
	}
}

func q4_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		d := half(src)
		for i, q := range src[2:18] {
			dst[i], dst[i+16] = float32(int(q&15)-8)*d, float32(int(q>>4)-8)*d
		}
	}
}

func q4_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[20:] {
		d, m := half(src), half(src[2:])
		for i, q := range src[4:20] {
			dst[i], dst[i+16] = float32(q&15)*d+m, float32(q>>4)*d+m
		}
	}
}

func q5_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[22:] {
		d, fifth := half(src), binary.LittleEndian.Uint32(src[2:])
		for i, q := range src[6:22] {
			low, high := int(q&15)|int(fifth>>i&1)<<4, int(q>>4)|int(fifth>>(i+16)&1)<<4
			dst[i], dst[i+16] = float32(low-16)*d, float32(high-16)*d
		}
	}
}

func q5_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[24:] {
		d, m, fifth := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
		for i, q := range src[8:24] {
			low, high := int(q&15)|int(fifth>>i&1)<<4, int(q>>4)|int(fifth>>(i+16)&1)<<4
			dst[i], dst[i+16] = float32(low)*d+m, float32(high)*d+m
		}
	}
}

// q2_K: a 4-bit scale and a 4-bit minimum for each 16 values (16 bytes), 64 bytes of 2-bit values,
// d, m.
func q2_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[84:] {
		scales, q, d, m := src[:16], src[16:80], half(src[80:]), half(src[82:])
		for block := range 16 {
			dl, ml := d*float32(scales[block]&15), m*float32(scales[block]>>4)
			// Four pairs of blocks share 32 bytes, each pair at its own shift; the second half of
			// the superblock uses the next 32 bytes.
			shift, at := block/2%4*2, block/8*32+block%2*16
			for i, b := range q[at : at+16] {
				dst[16*block+i] = dl*float32(b>>shift&3) - ml
			}
		}
	}
}

// q3_K: 32 bytes of third bits, 64 bytes of 2-bit values, 12 bytes of sixteen 6-bit scales, d.
func q3_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[110:] {
		high, q, packed, d := src[:32], src[32:96], src[96:108], half(src[108:])
		for block := range 16 {
			scale := packed[block%8] >> (block / 8 * 4) & 15
			scale |= packed[8+block%4] >> (block / 4 * 2) & 3 << 4
			dl := d * float32(int(scale)-32)
			shift, at := block/2%4*2, block/8*32+block%2*16
			for i, b := range q[at : at+16] {
				v := int(b >> shift & 3)
				if high[block%2*16+i]>>(block/2)&1 == 0 {
					v -= 4
				}
				dst[16*block+i] = dl * float32(v)
			}
		}
	}
}

// scaleMin reads the i-th of eight pairs of a 6-bit scale and a 6-bit minimum in 12 bytes.
func scaleMin(packed []byte, i int) (scale, minimum float32) {
	if i < 4 {
		return float32(packed[i] & 63), float32(packed[i+4] & 63)
	}
	return float32(packed[i+4]&15 | packed[i-4]>>6<<4), float32(packed[i+4]>>4 | packed[i]>>6<<4)
}

// q4_K: d, m, 12 bytes of scales and minimums, 128 bytes of 4-bit values.
func q4_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[144:] {
		d, m, packed, q := half(src), half(src[2:]), src[4:16], src[16:144]
		for block := range 8 {
			scale, minimum := scaleMin(packed, block)
			dl, ml := d*scale, m*minimum
			at, shift := block/2*32, block%2*4
			for i, b := range q[at : at+32] {
				dst[32*block+i] = dl*float32(b>>shift&15) - ml
			}
		}
	}
}

// q5_K: like q4_K, with 32 bytes of fifth bits before the 4-bit values.
func q5_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[176:] {
		d, m, packed, fifth, q := half(src), half(src[2:]), src[4:16], src[16:48], src[48:176]
		for block := range 8 {
			scale, minimum := scaleMin(packed, block)
			dl, ml := d*scale, m*minimum
			at, shift := block/2*32, block%2*4
			for i, b := range q[at : at+32] {
				dst[32*block+i] = dl*float32(b>>shift&15|fifth[i]>>block&1<<4) - ml
			}
		}
	}
}

// q6_K: 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed 8-bit scales, d.
func q6_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[210:] {
		low, high, scales, d := src[:128], src[128:192], src[192:208], half(src[208:])
		for block := range 16 {
			dl := d * float32(int8(scales[block]))
			// The half, the quarter of the half, and the offset in the quarter's 32 values.
			h, quarter, place := block/8, block/2%4, block%2*16
			l, u := low[64*h+quarter%2*32+place:], high[32*h+place:]
			for i := range 16 {
				v := int(l[i]>>(quarter/2*4)&15) | int(u[i]>>(2*quarter)&3)<<4
				dst[16*block+i] = dl * float32(v-32)
			}
		}
	}
}

// nonlinear is the codebook of the IQ4 types.
var nonlinear = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func iq4_NL(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		d := half(src)
		for i, q := range src[2:18] {
			dst[i], dst[i+16] = d*nonlinear[q&15], d*nonlinear[q>>4]
		}
	}
}

// iq4_XS: d, the high 2 bits of eight scales, their low 4 bits, 128 bytes of 4-bit values.
func iq4_XS(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[136:] {
		d, highs, lows, q := half(src), le16(src[2:]), src[4:8], src[8:136]
		for block := range 8 {
			scale := int(lows[block/2]>>(block%2*4)&15) | int(highs>>(2*block)&3)<<4
			dl, out := d*float32(scale-32), dst[32*block:]
			for i, b := range q[16*block : 16*block+16] {
				out[i], out[i+16] = dl*nonlinear[b&15], dl*nonlinear[b>>4]
			}
		}
	}
}

// fp4 lists the values of a 4-bit float with 2 exponent bits (E2M1), doubled.
var fp4 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// mxfp4: an exponent e and 32 values of E2M1; a value is fp4/2 x 2^(e-127).
func mxfp4(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[17:] {
		d := float32(math.Ldexp(1, int(src[0])-128))
		for i, q := range src[1:17] {
			dst[i], dst[i+16] = fp4[q&15]*d, fp4[q>>4]*d
		}
	}
}
