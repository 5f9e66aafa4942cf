//go:build cuda

package cudasim

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"testing"
)

func f32(v float32) uint32 { return math.Float32bits(v) }

var (
	inf  = float32(math.Inf(1))
	nan  = uint32(0x7fc00000)
	nan2 = uint32(0x7fffffff) // the result of operations
)

// floats are 32 values, including special cases.
var floats = []uint32{0, 1 << 31, 1, 1 | 1<<31, 0x007fffff, 0x00800000, 0x80800000, f32(inf), f32(-inf), nan, nan | 1<<31, f32(1), f32(-1), f32(0.5), f32(1.5), f32(2.5),
	f32(-0.5), f32(-1.5), f32(-2.5), f32(3.7), f32(-3.7), f32(1e10), f32(-1e10), f32(3e38), 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x3f801000, 0x3f800fff, 0x3f803000, 0x7f7fffff}

var ints = []uint32{0, 1, 2, 3, 31, 32, 33, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x12345678, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0xdeadbeef,
	5, 7, 100, 1000, 12345, 0x0f0f0f0f, 0xf0f0f0f0, 0x55555555, 0xaaaaaaaa, 64, 128, 0xff00ff00}

func rotate(v []uint32, by int) []uint32 {
	return lanesOf(func(l int) uint32 { return v[(l+by)%32] })
}

// isNaN reports whether the bits are a NaN; all NaNs compare equal in results.
func isNaN(u uint32) bool { return u&0x7fffffff > 0x7f800000 }

func ftz(u uint32) uint32 {
	if u&0x7f800000 == 0 {
		return u & (1 << 31)
	}
	return u
}
func g(u uint32) float32 { return math.Float32frombits(u) }

// TestFloat: PTX ISA, "Floating Point Instructions": add, sub, mul, fma, div (.rn: IEEE 754), neg,
// abs, min, max, copysign, and .ftz, which flushes subnormal inputs and results to a zero of the
// same sign.
func TestFloat(t *testing.T) {
	fma := func(a, b, c float32) float32 { // in float64 the product is exact; the sum is rounded to odd, then to float32
		p := float64(a) * float64(b)
		s := p + float64(c)
		bb := s - p
		if e := (p - (s - bb)) + (float64(c) - bb); e != 0 && !math.IsInf(s, 0) && e == e && math.Float64bits(s)&1 == 0 {
			if e > 0 == (s > 0) {
				s = math.Float64frombits(math.Float64bits(s) + 1)
			} else {
				s = math.Float64frombits(math.Float64bits(s) - 1)
			}
		}
		return float32(s)
	}
	least := func(a, b float32) uint32 {
		switch {
		case a != a && b != b:
			return nan2
		case a != a:
			return f32(b)
		case b != b:
			return f32(a)
		}
		return f32(float32(math.Min(float64(a), float64(b)))) // Go's Min also orders -0 before +0
	}
	greatest := func(a, b float32) uint32 {
		switch {
		case a != a && b != b:
			return nan2
		case a != a:
			return f32(b)
		case b != b:
			return f32(a)
		}
		return f32(float32(math.Max(float64(a), float64(b))))
	}
	cases := []struct {
		op   string
		want func(a, b, c uint32) uint32
	}{
		{"add.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return f32(g(a) + g(b)) }},
		{"sub.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return f32(g(a) - g(b)) }},
		{"mul.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return f32(g(a) * g(b)) }},
		{"mul.rn.ftz.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return ftz(f32(g(ftz(a)) * g(ftz(b)))) }},
		{"div.rn.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return f32(g(a) / g(b)) }},
		{"fma.rn.f32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return f32(fma(g(a), g(b), g(c))) }},
		{"fma.rn.ftz.f32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return ftz(f32(fma(g(ftz(a)), g(ftz(b)), g(ftz(c))))) }},
		{"neg.f32 %r50, %r0", func(a, b, c uint32) uint32 { return a ^ 1<<31 }},
		{"abs.f32 %r50, %r0", func(a, b, c uint32) uint32 { return a &^ (1 << 31) }},
		{"copysign.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return a&(1<<31) | b&^(1<<31) }},
		{"min.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return least(g(a), g(b)) }},
		{"max.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return greatest(g(a), g(b)) }},
		{"max.NaN.f32 %r50, %r0, %r1", func(a, b, c uint32) uint32 {
			if isNaN(a) || isNaN(b) {
				return nan2
			}
			return greatest(g(a), g(b))
		}},
		{"sqrt.rn.f32 %r50, %r0", func(a, b, c uint32) uint32 { return f32(float32(math.Sqrt(float64(g(a))))) }},
	}
	for _, c := range cases {
		for by := range 32 {
			in := [][]uint32{floats, rotate(floats, by), rotate(floats, 2*by+1)}
			out := lanes(t, "sm_80", c.op+";", 1, in...)
			for l, got := range out[0] {
				want := c.want(in[0][l], in[1][l], in[2][l])
				if got != want && !(isNaN(got) && isNaN(want)) {
					t.Fatalf("%s of %#x, %#x, %#x is %#x, want %#x", c.op, in[0][l], in[1][l], in[2][l], got, want)
				}
			}
		}
	}
}

// TestApprox: PTX ISA's bounds: ex2.approx.ftz.f32 2^-22.5 relative, div.full.f32 2 ulp, rsqrt and
// sqrt.approx about 2^-22. ex2 of -inf is +0, of +inf +inf, of NaN NaN; .ftz flushes.
func TestApprox(t *testing.T) {
	for _, c := range []struct {
		op   string
		want func(float64) float64
	}{
		{"ex2.approx.f32", math.Exp2}, {"ex2.approx.ftz.f32", math.Exp2}, {"rsqrt.approx.ftz.f32", func(x float64) float64 { return 1 / math.Sqrt(x) }},
		{"sqrt.approx.ftz.f32", math.Sqrt}, {"lg2.approx.f32", math.Log2}, {"rcp.approx.ftz.f32", func(x float64) float64 { return 1 / x }},
	} {
		flush := strings.Contains(c.op, "ftz")
		for round := range 64 {
			in := lanesOf(func(l int) uint32 { return f32(float32(math.Sin(float64(round*32+l))) * float32(round*3)) })
			if round == 0 {
				in = floats
			}
			for l, got := range lanes(t, "sm_80", c.op+" %r50, %r0;", 1, in)[0] {
				x := in[l]
				if flush {
					x = ftz(x)
				}
				want := c.want(float64(g(x)))
				w := f32(float32(want))
				if flush {
					w = ftz(w)
				}
				if got == w || isNaN(got) && isNaN(w) {
					continue
				}
				if e := math.Abs(float64(g(got)) - want); !(e <= math.Abs(want)*0x1p-22 || e <= 0x1p-149 && !flush || flush && math.Abs(want) < 0x1.1p-126 && e < 0x1p-125) {
					t.Errorf("%s of %v is %v, want %v", c.op, g(in[l]), g(got), want)
				}
			}
		}
	}
}

// TestConvert: PTX ISA, "Data Movement and Conversion Instructions: cvt". Float to integer clamps,
// and NaN gives 0; .rni rounds to even; bf16x2 has its first source in the upper half; .rna to tf32
// rounds ties away from zero; NaN becomes the canonical NaN.
func TestConvert(t *testing.T) {
	toInt := func(round func(float64) float64, low, high float64) func(uint32) uint32 {
		return func(a uint32) uint32 {
			v := round(float64(g(a)))
			if v != v {
				return 0
			}
			return uint32(int64(math.Max(low, math.Min(high, v))))
		}
	}
	s32 := func(f func(float64) float64) func(uint32) uint32 { return toInt(f, -1<<31, 1<<31-1) }
	u32 := func(f func(float64) float64) func(uint32) uint32 { return toInt(f, 0, 1<<32-1) }
	bf := func(a uint32) uint32 { // the nearer of the two neighbors, the even one in a tie
		if isNaN(a) {
			return 0x7fff
		}
		lo := a >> 16
		d := a & 0xffff
		if d > 0x8000 || d == 0x8000 && lo&1 == 1 {
			lo++
		}
		return lo
	}
	for _, c := range []struct {
		op   string
		want func(uint32) uint32
	}{
		{"cvt.rni.s32.f32 %r50, %r0", s32(math.RoundToEven)}, {"cvt.rzi.s32.f32 %r50, %r0", s32(math.Trunc)}, {"cvt.rmi.s32.f32 %r50, %r0", s32(math.Floor)}, {"cvt.rpi.s32.f32 %r50, %r0", s32(math.Ceil)},
		{"cvt.rni.u32.f32 %r50, %r0", u32(math.RoundToEven)}, {"cvt.rzi.u32.f32 %r50, %r0", u32(math.Trunc)},
		{"cvt.rn.f32.s32 %r50, %r0", func(a uint32) uint32 { return f32(float32(int32(a))) }},
		{"cvt.rn.f32.u32 %r50, %r0", func(a uint32) uint32 { return f32(float32(a)) }},
		{"cvt.rmi.f32.f32 %r50, %r0", func(a uint32) uint32 { return f32(float32(math.Floor(float64(g(a))))) }},
		{"cvt.rn.bf16.f32 %h0, %r0; cvt.u32.u16 %r50, %h0", bf},
		{"cvt.rz.bf16.f32 %h0, %r0; cvt.u32.u16 %r50, %h0", func(a uint32) uint32 {
			if isNaN(a) {
				return 0x7fff
			}
			return a >> 16
		}},
		{"mov.b32 %r1, 0f3f800000; cvt.rn.bf16x2.f32 %r50, %r0, %r1", func(a uint32) uint32 { return bf(a)<<16 | 0x3f80 }},
		{"mov.b32 {%h0, %h1}, %r0; cvt.f32.bf16 %r50, %h1", func(a uint32) uint32 { return a &^ 0xffff }},
		{"cvt.rna.tf32.f32 %r50, %r0", func(a uint32) uint32 {
			if isNaN(a) {
				return nan2
			}
			if a&0x7f800000 == 0x7f800000 {
				return a
			}
			low, high := a&^0x1fff, a&^0x1fff+0x2000
			if a-low >= high-a {
				return high
			}
			return low
		}},
		{"cvt.s64.s32 %rd0, %r0; shr.u64 %rd0, %rd0, 32; cvt.u32.u64 %r50, %rd0", func(a uint32) uint32 { return uint32(int32(a) >> 31) }},
		{"cvt.u64.u32 %rd0, %r0; shr.u64 %rd0, %rd0, 32; cvt.u32.u64 %r50, %rd0", func(uint32) uint32 { return 0 }},
		{"mov.b64 %rd0, {%r0, %r0}; cvt.s64.s32 %rd1, %rd0; shr.s64 %rd1, %rd1, 16; cvt.u32.u64 %r50, %rd1", func(a uint32) uint32 { return uint32(int32(a) >> 16) }},
		{"cvt.u16.u32 %h0, %r0; cvt.s32.s16 %r50, %h0", func(a uint32) uint32 { return uint32(int32(int16(a))) }},
	} {
		for _, in := range [][]uint32{floats, ints} {
			for l, got := range lanes(t, "sm_80", c.op+";", 1, in)[0] {
				if want := c.want(in[l]); got != want && !(isNaN(got) && isNaN(want) && strings.Contains(c.op, "f32.f32")) {
					t.Errorf("%s of %#x is %#x, want %#x", c.op, in[l], got, want)
				}
			}
		}
	}
	// all finite f16 values
	for base := 0; base < 0x7c00; base += 32 {
		in := lanesOf(func(l int) uint32 { return uint32(base + l) })
		out := lanes(t, "sm_80", "cvt.u16.u32 %h0, %r0; cvt.f32.f16 %r50, %h0; cvt.rn.f16.f32 %h1, %r50; cvt.u32.u16 %r51, %h1;", 2, in)
		for l, got := range out[0] {
			h := base + l
			want := math.Ldexp(float64(h&0x3ff), -24)
			if e := h >> 10; e > 0 {
				want = math.Ldexp(1+float64(h&0x3ff)/1024, e-15)
			}
			if float64(g(got)) != want || out[1][l] != uint32(h) {
				t.Fatalf("f16 %#x is %v, want %v, and comes back as %#x", h, g(got), want, out[1][l])
			}
		}
		base += 32 * 30 // a sample is enough
	}
}

// TestInteger: PTX ISA, "Integer Arithmetic Instructions", "Logic and Shift Instructions": shifts
// of more than the width give 0 (or the sign); bfe and bfi as in their pseudocode; prmt in its
// default mode, where the selector's top bit replicates the sign; lop3 by its table; shf by a
// 64-bit shift.
func TestInteger(t *testing.T) {
	shl := func(a, b uint32) uint32 {
		if b > 31 {
			return 0
		}
		return a << b
	}
	bfe := func(a, b, c uint32, signed bool) uint32 { // bit by bit, as in the manual
		pos, n := b&0xff, c&0xff
		var sign uint32
		if signed && n != 0 {
			sign = a >> min(pos+n-1, 31) & 1
		}
		var d uint32
		for i := range uint32(32) {
			bit := sign
			if i < n && pos+i <= 31 {
				bit = a >> (pos + i) & 1
			}
			d |= bit << i
		}
		return d
	}
	type fn = func(a, b, c uint32) uint32
	for _, x := range []struct {
		op   string
		want fn
	}{
		{"add.s32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return a + b }},
		{"mul.lo.s32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return a * b }},
		{"mul.hi.s32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return uint32(int64(int32(a)) * int64(int32(b)) >> 32) }},
		{"mul.hi.u32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return uint32(uint64(a) * uint64(b) >> 32) }},
		{"mad.lo.s32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return a*b + c }},
		{"mul.wide.s32 %rd0, %r0, %r1; mov.b64 {_, %r50}, %rd0", func(a, b, c uint32) uint32 { return uint32(int64(int32(a)) * int64(int32(b)) >> 32) }},
		{"mov.b64 %rd1, {%r2, %r1}; mad.wide.u32 %rd0, %r0, %r1, %rd1; mov.b64 {%r49, %r50}, %rd0", func(a, b, c uint32) uint32 {
			return uint32((uint64(a)*uint64(b) + (uint64(b)<<32 | uint64(c))) >> 32)
		}},
		{"or.b32 %r3, %r1, 1; div.s32 %r50, %r0, %r3", func(a, b, c uint32) uint32 { return uint32(int64(int32(a)) / int64(int32(b|1))) }},
		{"or.b32 %r3, %r1, 1; rem.s32 %r50, %r0, %r3", func(a, b, c uint32) uint32 { return uint32(int64(int32(a)) % int64(int32(b|1))) }},
		{"or.b32 %r3, %r1, 1; rem.u32 %r50, %r0, %r3", func(a, b, c uint32) uint32 { return a % (b | 1) }},
		{"min.s32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return uint32(min(int32(a), int32(b))) }},
		{"max.u32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return max(a, b) }},
		{"neg.s32 %r50, %r0", func(a, b, c uint32) uint32 { return -a }},
		{"not.b32 %r50, %r0", func(a, b, c uint32) uint32 { return ^a }},
		{"shl.b32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return shl(a, b) }},
		{"shr.u32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return uint32(uint64(a) >> min(b, 63)) }},
		{"shr.s32 %r50, %r0, %r1", func(a, b, c uint32) uint32 { return uint32(int64(int32(a)) >> min(b, 63)) }},
		{"bfe.u32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return bfe(a, b, c, false) }},
		{"bfe.s32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return bfe(a, b, c, true) }},
		{"bfi.b32 %r50, %r0, %r1, %r2, 7", func(a, b, c uint32) uint32 {
			d := b
			for i := uint32(0); i < 7 && c&0xff+i <= 31; i++ {
				d = d&^(1<<(c&0xff+i)) | (a>>i&1)<<(c&0xff+i)
			}
			return d
		}},
		{"prmt.b32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 {
			var d uint32
			for i := range 4 {
				s := c >> (4 * i) & 15
				v := byte(a >> (8 * (s & 3)))
				if s&4 != 0 {
					v = byte(b >> (8 * (s & 3)))
				}
				if s&8 != 0 {
					v = byte(int8(v) >> 7)
				}
				d |= uint32(v) << (8 * i)
			}
			return d
		}},
		{"lop3.b32 %r50, %r0, %r1, %r2, 0xe8", func(a, b, c uint32) uint32 { return a&b | a&c | b&c }},
		{"lop3.b32 %r50, %r0, %r1, %r2, 0x2a", func(a, b, c uint32) uint32 { return ^(a & b) & c }},
		{"shf.l.wrap.b32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return b<<(c&31) | uint32(uint64(a)>>(32-c&31)) }},
		{"shf.r.wrap.b32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) >> (c & 31)) }},
		{"shf.r.clamp.b32 %r50, %r0, %r1, %r2", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) >> min(c, 32)) }},
		{"popc.b32 %r50, %r0", func(a, b, c uint32) uint32 { return uint32(bits.OnesCount32(a)) }},
		{"clz.b32 %r50, %r0", func(a, b, c uint32) uint32 { return uint32(bits.LeadingZeros32(a)) }},
		{"brev.b32 %r50, %r0", func(a, b, c uint32) uint32 { return bits.Reverse32(a) }},
		{"setp.lt.s32 %q1, %r0, %r1; selp.b32 %r50, %r0, %r1, %q1", func(a, b, c uint32) uint32 { return uint32(min(int32(a), int32(b))) }},
		{"setp.hi.u32 %q1, %r0, %r1; selp.b32 %r50, %r0, %r1, %q1", func(a, b, c uint32) uint32 { return max(a, b) }},
		{"setp.eq.u32 %q1, %r0, %r2; setp.lt.and.u32 %q2|%q3, %r0, %r1, !%q1; selp.b32 %r3, 1, 0, %q2; selp.b32 %r50, 2, %r3, %q3", func(a, b, c uint32) uint32 {
			switch {
			case a < b && a != c:
				return 1
			case a >= b && a != c:
				return 2
			}
			return 0
		}},
		{"mov.b32 %r50, 77; setp.lt.u32 %q1, %r0, %r1; @!%q1 mov.b32 %r50, 5", func(a, b, c uint32) uint32 {
			if a < b {
				return 77
			}
			return 5
		}},
	} {
		for by := range 32 {
			in := [][]uint32{ints, rotate(ints, by), rotate(ints, 3*by+5)}
			out := lanes(t, "sm_80", x.op+";", 1, in...)
			equal(t, fmt.Sprintf("%s, rotated by %d", x.op, by), out[0], lanesOf(func(l int) uint32 { return x.want(in[0][l], in[1][l], in[2][l]) }))
		}
	}
}

// TestCompare: PTX ISA, "Comparison and Selection Instructions": ordered comparisons with a NaN are
// false, unordered ones true.
func TestCompare(t *testing.T) {
	for op, want := range map[string]func(a, b float32) bool{
		"eq": func(a, b float32) bool { return a == b }, "ne": func(a, b float32) bool { return a < b || a > b }, "lt": func(a, b float32) bool { return a < b },
		"le": func(a, b float32) bool { return a <= b }, "gt": func(a, b float32) bool { return a > b }, "ge": func(a, b float32) bool { return a >= b },
		"equ": func(a, b float32) bool { return !(a < b || a > b) }, "neu": func(a, b float32) bool { return a != b }, "ltu": func(a, b float32) bool { return !(a >= b) },
		"leu": func(a, b float32) bool { return !(a > b) }, "gtu": func(a, b float32) bool { return !(a <= b) }, "geu": func(a, b float32) bool { return !(a < b) },
		"num": func(a, b float32) bool { return a == a && b == b }, "nan": func(a, b float32) bool { return a != a || b != b },
	} {
		for by := range 32 {
			b := rotate(floats, by)
			out := lanes(t, "sm_80", "setp."+op+".f32 %q1, %r0, %r1; selp.b32 %r50, 1, 0, %q1;", 1, floats, b)
			equal(t, op, out[0], lanesOf(func(l int) uint32 {
				if want(g(floats[l]), g(b[l])) {
					return 1
				}
				return 0
			}))
		}
	}
}

// TestShuffle: PTX ISA, "shfl.sync": the source lane and its bounds by the segment mask c[12:8] and
// clamp c[4:0].
func TestShuffle(t *testing.T) {
	id := lanesOf(func(l int) uint32 { return uint32(l) + 100 })
	for _, c := range []uint32{31, 0, 0x101f, 0x1800 | 31, 0x1c00, 0x181f &^ 1, 7} {
		for b := uint32(0); b < 32; b += 3 {
			for _, mode := range []string{"up", "down", "bfly", "idx"} {
				out := lanes(t, "sm_80", fmt.Sprintf("shfl.sync.%s.b32 %%r50|%%q1, %%r0, %d, %d, -1; selp.b32 %%r51, 1, 0, %%q1;", mode, b, c), 2, id)
				valid := make([]uint32, 32)
				want := lanesOf(func(l int) uint32 {
					lane, seg, clamp := int(uint32(l)), int(c>>8&31), int(c&31)
					maxLane, minLane := lane&seg|clamp&^seg, lane&seg
					var j int
					var p bool
					switch mode {
					case "up":
						j = lane - int(b)
						p = j >= maxLane
					case "down":
						j = lane + int(b)
						p = j <= maxLane
					case "bfly":
						j = lane ^ int(b)
						p = j <= maxLane
					case "idx":
						j = minLane | int(b)&^seg
						p = j <= maxLane
					}
					if !p {
						j = lane
					} else {
						valid[l] = 1
					}
					return id[j]
				})
				equal(t, fmt.Sprintf("shfl.%s %d %#x", mode, b, c), out[0], want)
				equal(t, fmt.Sprintf("shfl.%s %d %#x predicate", mode, b, c), out[1], valid)
			}
		}
	}
	red := lanes(t, "sm_80", "redux.sync.min.s32 %r50, %r0, -1; redux.sync.max.u32 %r51, %r0, -1; redux.sync.add.s32 %r52, %r0, -1; setp.lt.s32 %q1, %r0, 0; vote.sync.ballot.b32 %r53, %q1, -1;", 4, ints)
	low, high, sum, vote := int32(math.MaxInt32), uint32(0), uint32(0), uint32(0)
	for l, v := range ints {
		low, high, sum = min(low, int32(v)), max(high, v), sum+v
		vote |= v >> 31 << l
	}
	for k, w := range []uint32{uint32(low), high, sum, vote} {
		equal(t, "redux and vote", red[k], lanesOf(func(int) uint32 { return w }))
	}
}

// TestDivergence: lanes that take different branches, or leave a loop at different times,
// reconverge.
func TestDivergence(t *testing.T) {
	n := lanesOf(func(l int) uint32 { return uint32(l * 7 % 13) })
	out := lanes(t, "sm_80", `mov.b32 %r50, 0; mov.b32 %r1, 0;
LOOP: setp.ge.u32 %q1, %r1, %r0; @%q1 bra DONE;
and.b32 %r2, %r1, 1; setp.eq.u32 %q2, %r2, 0; @%q2 bra EVEN;
add.u32 %r50, %r50, 100; bra NEXT;
EVEN: add.u32 %r50, %r50, 1;
NEXT: add.u32 %r1, %r1, 1; bra LOOP;
DONE: shfl.sync.idx.b32 %r51, %r50, 3, 31, -1;`, 2, n)
	sum := func(l int) uint32 { return (n[l]+1)/2 + n[l]/2*100 }
	equal(t, "loop", out[0], lanesOf(sum))
	equal(t, "shuffle after the loop", out[1], lanesOf(func(int) uint32 { return sum(3) }))
}

// TestCopyAsync: PTX ISA, "cp.async": if src-size is less than cp-size, the rest is filled with
// zeros.
func TestCopyAsync(t *testing.T) {
	out := lanes(t, "sm_80", `mov.u32 %r40, smem; mad.lo.s32 %r41, %r99, 16, %r40; and.b32 %r42, %r99, 7; shl.b32 %r42, %r42, 4; cvt.u64.u32 %rd1, %r42; add.s64 %rd1, %p0, %rd1;
and.b32 %r43, %r99, 3; shl.b32 %r43, %r43, 2; cp.async.ca.shared.global [ %r41 + 0 ], [ %rd1 + 0 ], 0x10, %r43; cp.async.commit_group; cp.async.wait_group 0;
ld.shared.v4.b32 {%r50, %r51, %r52, %r53}, [%r41];`, 4, ints)
	for k := range 4 {
		equal(t, "cp.async", out[k], lanesOf(func(l int) uint32 {
			if k < l&3 {
				return ints[l%8*4+k]
			}
			return 0
		}))
	}
}

// TestAccess: every width and vector length, with extension according to the type.
func TestAccess(t *testing.T) {
	out := lanes(t, "sm_80", `ld.global.s8 %r50, [%rd99]; ld.global.u8 %r51, [%rd99]; ld.global.s16 %r52, [%rd99+2]; ld.global.u16 %h0, [%rd99+2]; cvt.u32.u16 %r53, %h0;
ld.global.v2.b16 {%h1, %h2}, [%rd99]; mov.b32 %r54, {%h2, %h1};
mov.u32 %r40, smem; mad.lo.s32 %r41, %r99, 16, %r40; mov.b64 %rd2, {%r0, %r51}; st.shared.v2.b64 [%r41], {%rd2, %rd2}; ld.shared.v4.b32 {%r55, %r56, %r57, %r58}, [%r41];
st.shared.v4.b16 [%r41], {%h1, %h2, %h1, %h0}; ld.shared.b64 %rd3, [%r41]; mov.b64 {%r59, %r60}, %rd3;`, 11, ints)
	for k, want := range []func(v uint32) uint32{
		func(v uint32) uint32 { return uint32(int32(int8(v))) }, func(v uint32) uint32 { return v & 255 }, func(v uint32) uint32 { return uint32(int32(v) >> 16) }, func(v uint32) uint32 { return v >> 16 },
		func(v uint32) uint32 { return v>>16 | v<<16 }, func(v uint32) uint32 { return v }, func(v uint32) uint32 { return v & 255 }, func(v uint32) uint32 { return v }, func(v uint32) uint32 { return v & 255 },
		func(v uint32) uint32 { return v }, func(v uint32) uint32 { return v&0xffff | v&^0xffff },
	} {
		equal(t, fmt.Sprintf("access %d", k), out[k], lanesOf(func(l int) uint32 { return want(ints[l]) }))
	}
}
