package main

import (
	"fmt"
	"slices"
)

// Registers of the vector kernels: general registers are listed at each kernel; CX is the number of
// values left. Vector registers 0-3 belong to exp; the mask of the tail is K1 or Y15.

// each emits a loop over CX values: body once for whole vectors, and once with the tail's mask.
// ptrs advance by a vector.
func (g *gen) each(ptrs []string, body func(masked bool)) {
	loop, tail, done := g.label("loop"), g.label("tail"), g.label("done")
	g.p("%s:", loop)
	g.p("CMPQ CX, $%d", g.w)
	g.p("JLT %s", tail)
	body(false)
	for _, p := range ptrs {
		g.p("ADDQ $%d, %s", 4*g.w, p)
	}
	g.p("SUBQ $%d, CX", g.w)
	g.p("JMP %s", loop)
	g.p("%s:", tail)
	g.p("TESTQ CX, CX")
	g.p("JZ %s", done)
	g.setMask()
	body(true)
	g.p("%s:", done)
}

// rows emits a loop over the number of rows in the register, at least one.
func (g *gen) rows(register string, body func()) {
	l := g.label("rows")
	g.p("%s:", l)
	body()
	g.p("DECQ %s", register)
	g.p("JNZ %s", l)
}

// setMask sets the mask of the first CX lanes.
func (g *gen) setMask() {
	if g.mask {
		g.p("MOVQ $1, R13")
		g.p("SHLQ CX, R13")
		g.p("DECQ R13")
		g.p("KMOVW R13, K1")
		return
	}
	g.p("LEAQ lanes<>+64(SB), R13")
	g.p("SHLQ $2, CX")
	g.p("SUBQ CX, R13")
	g.p("VMOVUPS (R13), V15")
}

func (g *gen) load(at string, v int, masked bool) {
	switch {
	case masked && g.mask:
		g.p("VMOVUPS.Z %s, K1, V%d", at, v)
	case masked:
		g.p("VMASKMOVPS %s, V15, V%d", at, v)
	default:
		g.p("VMOVUPS %s, V%d", at, v)
	}
}

func (g *gen) store(v int, at string, masked bool) {
	switch {
	case masked && g.mask:
		g.p("VMOVUPS V%d, K1, %s", v, at)
	case masked:
		g.p("VMASKMOVPS V%d, V15, %s", v, at)
	default:
		g.p("VMOVUPS V%d, %s", v, at)
	}
}

func (g *gen) zero(v int) {
	if g.mask {
		g.p("VPXORQ V%d, V%d, V%d", v, v, v)
	} else {
		g.p("VXORPS V%d, V%d, V%d", v, v, v)
	}
}

// sum reduces the lanes of vector v to their sum (or maximum) in X0; it uses 0 and 1.
func (g *gen) sum(v int, op string) {
	x, y := fmt.Sprintf("X%d", v), fmt.Sprintf("Y%d", v)
	if g.mask {
		g.p("VEXTRACTF64X4 $1, V%d, Y1", v)
		g.p("%sPS Y1, %s, %s", op, y, y)
	}
	g.p("VEXTRACTF128 $1, %s, X1", y)
	g.p("%sPS X1, %s, X0", op, x)
	g.p("VPERMILPD $1, X0, X1")
	g.p("%sPS X1, X0, X0", op)
	g.p("VMOVSHDUP X0, X1")
	g.p("%sSS X1, X0, X0", op)
}

// expNames are the constants of exp. With AVX-512, a function loads them into registers from 20 on
// by expConstants; AVX2 has too few registers and reads them from memory.
var expNames = []string{"expLow", "expHigh", "log2e", "ln2hi", "ln2lo", "exp0", "exp1", "exp2", "exp3", "exp4", "exp5", "one"}

func (g *gen) expConstants() {
	if !g.mask {
		return
	}
	for i, name := range expNames {
		g.p("VBROADCASTSS %s<>(SB), V%d", name, 20+i)
	}
}

// c returns a constant of exp as an operand.
func (g *gen) c(name string) string {
	if g.mask {
		return fmt.Sprintf("V%d", 20+slices.Index(expNames, name))
	}
	return name + "<>(SB)"
}

// exp replaces vector x by its exponential; t is the first of three temporaries.
//
//	n = round(x log2 e), r = x - n ln 2 in two steps, exp x = 2^n (1 + r + r² P(r))
//
// An argument below expLow gives 0 (its result is masked at the end), above expHigh exp(expHigh),
// and NaN stays NaN.
func (g *gen) exp(x, t int) {
	n, q, k := t, t+1, t+2
	if g.mask {
		g.p("VCMPPS $5, %s, V%d, K3", g.c("expLow"), x) // NLT: true for NaN
		g.p("VMINPS V%d, %s, V%d", x, g.c("expHigh"), x)
	} else {
		g.p("VCMPPS $1, %s, V%d, V%d", g.c("expLow"), x, k)
		g.p("VMOVUPS %s, V%d", g.c("expHigh"), n)
		g.p("VMINPS V%d, V%d, V%d", x, n, x)
	}
	g.p("VMULPS %s, V%d, V%d", g.c("log2e"), x, n)
	if g.mask {
		g.p("VRNDSCALEPS $8, V%d, V%d", n, n)
	} else {
		g.p("VROUNDPS $8, V%d, V%d", n, n)
	}
	g.p("VFNMADD231PS %s, V%d, V%d", g.c("ln2hi"), n, x)
	g.p("VFNMADD231PS %s, V%d, V%d", g.c("ln2lo"), n, x)
	g.p("VMOVUPS %s, V%d", g.c("exp5"), q)
	for i := 4; i >= 0; i-- {
		g.p("VFMADD213PS %s, V%d, V%d", g.c(fmt.Sprintf("exp%d", i)), x, q)
	}
	// x = 1 + r + r² q = 1 + r (1 + r q): r q + 1, times r, plus 1.
	g.p("VFMADD213PS %s, V%d, V%d", g.c("one"), x, q)
	g.p("VFMADD213PS %s, V%d, V%d", g.c("one"), q, x)
	if g.mask {
		g.p("VSCALEFPS.Z V%d, V%d, K3, V%d", n, x, x)
	} else {
		g.p("VCVTPS2DQ V%d, V%d", n, n)
		g.p("VPSLLD $23, V%d, V%d", n, n)
		g.p("VPADDD V%d, V%d, V%d", n, x, x)
		g.p("VANDNPS V%d, V%d, V%d", x, k, x)
	}
}

// constants are the constants that kernels read, as bits.
var constants = []struct {
	name string
	bits uint32
}{
	{"expLow", 0xc2aeac50},  // -87.33655
	{"expHigh", 0x42b0c0a5}, // 88.37626
	{"log2e", 0x3fb8aa3b},
	{"ln2hi", 0x3f318000}, // 0.693359375
	{"ln2lo", 0xb95e8083}, // -2.12194440e-4
	{"exp0", 0x3f000000},
	{"exp1", 0x3e2aaaaa},
	{"exp2", 0x3d2aa9c1},
	{"exp3", 0x3c088908},
	{"exp4", 0x3ab743ce},
	{"exp5", 0x39506967},
	{"one", 0x3f800000},
	{"half16", 0x7fff},
	{"bit", 1},
	{"high16", 0xffff0000},
	{"quiet", 0x7fc00000},
	{"negInf", 0xff800000},
	{"sign", 0x80000000},
	{"log3", 0x3eaaaaab}, // 1/3, 1/5, ...
	{"log5", 0x3e4ccccd},
	{"log7", 0x3e124925},
	{"log9", 0x3de38e39},
	{"log11", 0x3dba2e8c},
	{"log13", 0x3d9d89d9},
	{"gelu1", 0xbfcc422a}, // -2 sqrt(2/pi)
	{"gelu3", 0xbd922279}, // that times 0.044715
}

// constant returns the bits of the constant of a name.
func constant(name string) uint32 {
	for _, c := range constants {
		if c.name == name {
			return c.bits
		}
	}
	panic("no constant " + name)
}

func (g *gen) constants() {
	g.p("")
	for _, c := range constants {
		for i := range g.w {
			g.p("DATA %s<>+%d(SB)/4, $%#08x", c.name, 4*i, c.bits)
		}
		g.p("GLOBL %s<>(SB), RODATA|NOPTR, $%d", c.name, 4*g.w)
	}
	if g.mask {
		for i := range 16 {
			g.p("DATA interleave<>+%d(SB)/4, $%#08x", 4*i, i|(16+i)<<16)
		}
		g.p("GLOBL interleave<>(SB), RODATA|NOPTR, $64")
	}
}

func (g *gen) vectors() {
	// DI f, SI x, DX rows, R8 within the row; 6: 1/n, 5: eps, 7: one.
	g.function("RMSRows", "(f, x *float32, ldx, rows, n int, eps float32)", 44)
	g.p("MOVQ f+0(FP), DI")
	g.p("MOVQ x+8(FP), SI")
	g.p("MOVQ rows+24(FP), DX")
	g.p("MOVQ n+32(FP), CX")
	g.p("VMOVSS eps+40(FP), X5")
	g.p("VMOVSS one<>(SB), X7")
	g.zero(6)
	g.p("VCVTSI2SSQ CX, X6, X6")
	g.p("VDIVSS X6, X7, X6")
	g.rows("DX", func() {
		g.p("MOVQ SI, R8")
		g.p("MOVQ n+32(FP), CX")
		g.zero(4)
		g.each([]string{"R8"}, func(masked bool) {
			g.load("(R8)", 0, masked)
			g.p("VFMADD231PS V0, V0, V4")
		})
		g.sum(4, "VADD")
		g.p("VFMADD213SS X5, X6, X0")
		g.p("VSQRTSS X0, X0, X0")
		g.p("VDIVSS X0, X7, X0")
		g.p("VMOVSS X0, (DI)")
		g.p("ADDQ $4, DI")
		g.p("ADDQ ldx+16(FP), SI")
	})
	g.ret()

	g.function("MaxRow", "(x *float32, n int) float32", 20)
	g.p("MOVQ x+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	g.p("VMOVUPS negInf<>(SB), V4")
	g.each([]string{"SI"}, func(masked bool) {
		g.load("(SI)", 0, masked)
		switch {
		case masked && g.mask:
			g.p("VMAXPS V0, V4, K1, V4")
		case masked:
			g.p("VMOVUPS negInf<>(SB), V1")
			g.p("VBLENDVPS V15, V0, V1, V0")
			g.p("VMAXPS V0, V4, V4")
		default:
			g.p("VMAXPS V0, V4, V4")
		}
	})
	g.sum(4, "VMAX")
	g.p("VMOVSS X0, ret+16(FP)")
	g.ret()

	// 5: m, 4: the sum.
	g.function("ExpRow", "(x *float32, n int, m float32) float32", 28)
	g.p("MOVQ x+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	g.p("VBROADCASTSS m+16(FP), V5")
	g.expConstants()
	g.zero(4)
	g.each([]string{"SI"}, func(masked bool) {
		g.load("(SI)", 0, masked)
		g.p("VSUBPS V5, V0, V0")
		g.exp(0, 1)
		g.store(0, "(SI)", masked)
		switch {
		case masked && g.mask:
			g.p("VADDPS V0, V4, K1, V4")
		case masked:
			g.p("VANDPS V15, V0, V0")
			g.p("VADDPS V0, V4, V4")
		default:
			g.p("VADDPS V0, V4, V4")
		}
	})
	g.sum(4, "VADD")
	g.p("VMOVSS X0, ret+24(FP)")
	g.ret()

	// DI dst, SI x, DX rows, AX f, R8 R9 R10 dst, x and w within the row; 5: f of the row.
	g.function("NormRows", "(dst *float32, ldd int, x *float32, ldx int, w *float32, rows, n int, f *float32)", 64)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+16(FP), SI")
	g.p("MOVQ rows+40(FP), DX")
	g.p("MOVQ f+56(FP), AX")
	g.rows("DX", func() {
		g.p("MOVQ DI, R8")
		g.p("MOVQ SI, R9")
		g.p("MOVQ w+32(FP), R10")
		g.p("MOVQ n+48(FP), CX")
		g.p("VBROADCASTSS (AX), V5")
		g.each([]string{"R8", "R9", "R10"}, func(masked bool) {
			g.load("(R9)", 0, masked)
			g.load("(R10)", 1, masked)
			g.p("VMULPS V5, V0, V0")
			g.p("VMULPS V1, V0, V0")
			g.store(0, "(R8)", masked)
		})
		g.p("ADDQ $4, AX")
		g.p("ADDQ ldd+8(FP), DI")
		g.p("ADDQ ldx+24(FP), SI")
	})
	g.ret()

	g.function("Scale", "(dst, x *float32, n int, s float32)", 28)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+8(FP), SI")
	g.p("MOVQ n+16(FP), CX")
	g.p("VBROADCASTSS s+24(FP), V5")
	g.each([]string{"DI", "SI"}, func(masked bool) {
		g.load("(SI)", 0, masked)
		g.p("VMULPS V5, V0, V0")
		g.store(0, "(DI)", masked)
	})
	g.ret()

	g.function("Axpy", "(dst, x *float32, n int, s float32)", 28)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+8(FP), SI")
	g.p("MOVQ n+16(FP), CX")
	g.p("VBROADCASTSS s+24(FP), V5")
	g.each([]string{"DI", "SI"}, func(masked bool) {
		g.load("(SI)", 0, masked)
		g.load("(DI)", 1, masked)
		g.p("VFMADD231PS V5, V0, V1")
		g.store(1, "(DI)", masked)
	})
	g.ret()

	g.gatedRows("SiluRows", func() {
		g.zero(0)
		g.p("VSUBPS V4, V0, V0")
	})
	// -g (gelu1 + gelu3 g²)
	g.gatedRows("GeluRows", func() {
		g.p("VMULPS V4, V4, V1")
		g.p("VMOVUPS gelu3<>(SB), V0")
		g.p("VFMADD213PS gelu1<>(SB), V1, V0")
		g.p("VMULPS V4, V0, V0")
	})
	g.softCap()
	g.logSigmoid()
	g.moreVectors()
}

// gatedRows emits dst = g sigmoid(z) x f. negated computes -z from g in V4 into V0, and may use V1
// to V3.
func (g *gen) gatedRows(name string, negated func()) {
	// DI dst, SI g, DX x, AX f, BX rows, R8 R9 R10 dst, g and x within the row; 4: g, 5: f of the
	// row.
	g.function(name, "(dst *float32, ldd int, gate *float32, ldg int, x *float32, ldx, rows, n int, f *float32, fstep int)", 80)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ gate+16(FP), SI")
	g.p("MOVQ x+32(FP), DX")
	g.p("MOVQ rows+48(FP), BX")
	g.p("MOVQ f+64(FP), AX")
	g.expConstants()
	g.rows("BX", func() {
		g.p("MOVQ DI, R8")
		g.p("MOVQ SI, R9")
		g.p("MOVQ DX, R10")
		g.p("MOVQ n+56(FP), CX")
		g.p("VBROADCASTSS (AX), V5")
		g.each([]string{"R8", "R9", "R10"}, func(masked bool) {
			g.load("(R9)", 4, masked)
			negated()
			g.exp(0, 1)
			g.p("VADDPS %s, V0, V0", g.c("one"))
			g.p("VDIVPS V0, V4, V0")
			g.load("(R10)", 1, masked)
			g.p("VMULPS V5, V1, V1")
			g.p("VMULPS V1, V0, V0")
			g.store(0, "(R8)", masked)
		})
		g.p("ADDQ fstep+72(FP), AX")
		g.p("ADDQ ldd+8(FP), DI")
		g.p("ADDQ ldg+24(FP), SI")
		g.p("ADDQ ldx+40(FP), DX")
	})
	g.ret()
}

// softCap emits x = cap - 2 cap / (1 + exp(2 x / cap)), which is cap tanh(x / cap).
func (g *gen) softCap() {
	// SI x; 4: 2 / cap, 5: cap, 6: 2 cap.
	g.function("SoftCap", "(x *float32, n int, cap float32)", 20)
	g.p("MOVQ x+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	g.p("VBROADCASTSS cap+16(FP), V5")
	g.expConstants()
	g.p("VBROADCASTSS one<>(SB), V4")
	g.p("VADDPS V4, V4, V4")
	g.p("VDIVPS V5, V4, V4")
	g.p("VADDPS V5, V5, V6")
	g.each([]string{"SI"}, func(masked bool) {
		g.load("(SI)", 0, masked)
		g.p("VMULPS V4, V0, V0")
		g.exp(0, 1)
		g.p("VADDPS %s, V0, V0", g.c("one"))
		g.p("VDIVPS V0, V6, V0")
		g.p("VSUBPS V0, V5, V0")
		g.store(0, "(SI)", masked)
	})
	g.ret()
}

func (g *gen) logSigmoid() {
	// SI x; 4: x, 5: t and then s, 6: s², 7: the sign's bit, 8: 2, 0: the series.
	g.function("LogSigmoid", "(x *float32, n int)", 16)
	g.p("MOVQ x+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	g.expConstants()
	g.p("VBROADCASTSS sign<>(SB), V7")
	g.p("VBROADCASTSS one<>(SB), V8")
	g.p("VADDPS V8, V8, V8")
	g.each([]string{"SI"}, func(masked bool) {
		g.load("(SI)", 4, masked)
		or := "VORPS"
		if g.mask {
			or = "VPORD"
		}
		g.p("%s V4, V7, V0", or)
		g.exp(0, 1)
		g.p("VADDPS V0, V8, V5")
		g.p("VDIVPS V5, V0, V5")
		g.p("VMULPS V5, V5, V6")
		g.p("VMOVUPS log13<>(SB), V0")
		for _, k := range []string{"log11<>(SB)", "log9<>(SB)", "log7<>(SB)", "log5<>(SB)", "log3<>(SB)", g.c("one")} {
			g.p("VFMADD213PS %s, V6, V0", k)
		}
		g.p("VADDPS V5, V5, V5")
		g.zero(6)
		g.p("VMINPS V6, V4, V4")
		g.p("VFNMADD231PS V5, V0, V4")
		g.store(4, "(SI)", masked)
	})
	g.ret()

}

// moreVectors emits the kernels of retention, attention and conversion.
func (g *gen) moreVectors() {
	// SI p, DX hi, DI lo; 5: hi of i, 6: lo of i.
	g.function("DecayRow", "(p, hi, lo *float32, n int, hi0, lo0 float32)", 40)
	g.p("MOVQ p+0(FP), SI")
	g.p("MOVQ hi+8(FP), DX")
	g.p("MOVQ lo+16(FP), DI")
	g.p("MOVQ n+24(FP), CX")
	g.p("VBROADCASTSS hi0+32(FP), V5")
	g.p("VBROADCASTSS lo0+36(FP), V6")
	g.expConstants()
	g.each([]string{"SI", "DX", "DI"}, func(masked bool) {
		g.load("(DX)", 1, masked)
		g.load("(DI)", 2, masked)
		g.p("VSUBPS V1, V5, V0")
		g.p("VSUBPS V2, V6, V2")
		g.p("VADDPS V2, V0, V0")
		g.exp(0, 1)
		g.load("(SI)", 1, masked)
		g.p("VMULPS V1, V0, V0")
		g.store(0, "(SI)", masked)
	})
	g.ret()

	// DI dst, SI src, DX rows, R8 ldd, R9 lds, AX f, BX fstep, R10 R11 within the row.
	g.function("ScaleRows", "(dst *float32, ldd int, src *float32, lds, rows, n int, f *float32, fstep int)", 64)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ ldd+8(FP), R8")
	g.p("MOVQ src+16(FP), SI")
	g.p("MOVQ lds+24(FP), R9")
	g.p("MOVQ rows+32(FP), DX")
	g.p("MOVQ f+48(FP), AX")
	g.p("MOVQ fstep+56(FP), BX")
	g.rows("DX", func() {
		g.p("VBROADCASTSS (AX), V5")
		g.p("MOVQ n+40(FP), CX")
		g.p("MOVQ DI, R10")
		g.p("MOVQ SI, R11")
		g.each([]string{"R10", "R11"}, func(masked bool) {
			g.load("(R11)", 0, masked)
			g.p("VMULPS V5, V0, V0")
			g.store(0, "(R10)", masked)
		})
		g.p("ADDQ R8, DI")
		g.p("ADDQ R9, SI")
		g.p("ADDQ BX, AX")
	})
	g.ret()

	// SI p; 0-3 what was read. Four registers, so that loads do not wait for each other.
	g.function("Touch", "(p unsafe.Pointer, n int) uint64", 24)
	g.p("MOVQ p+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	for i := range 4 {
		g.zero(i)
	}
	t := g.label("loop")
	g.p("%s:", t)
	for i := range 256 / (4 * g.w) {
		if g.mask {
			g.p("VPORQ %d(SI), V%d, V%d", 4*g.w*i, i%4, i%4)
		} else {
			g.p("VPOR %d(SI), V%d, V%d", 4*g.w*i, i%4, i%4)
		}
	}
	g.p("ADDQ $256, SI")
	g.p("SUBQ $256, CX")
	g.p("JNZ %s", t)
	g.p("VMOVQ X0, AX")
	g.p("MOVQ AX, ret+16(FP)")
	g.ret()

	g.ropes()
	g.softmaxCols()
	g.retainStep()
	g.bfloat16()
	g.transpose8()
}

func (g *gen) ropes() {
	const signature = "(x *float32, ldx int, t *float32, ldt, rows, n int, scale float32)"
	// SI x, DX t, BX rows, AX 4n, R8 R9 R10 x, c and s within the row (R11: the second half of x);
	// 6: scale.
	start := func(name string, row func()) {
		g.function(name, signature, 52)
		g.p("MOVQ x+0(FP), SI")
		g.p("MOVQ t+16(FP), DX")
		g.p("MOVQ rows+32(FP), BX")
		g.p("MOVQ n+40(FP), AX")
		g.p("SHLQ $2, AX")
		g.p("VBROADCASTSS scale+48(FP), V6")
		g.rows("BX", func() {
			g.p("MOVQ SI, R8")
			g.p("MOVQ DX, R9")
			g.p("LEAQ (DX)(AX*1), R10")
			g.p("MOVQ n+40(FP), CX")
			row()
			g.p("ADDQ ldx+8(FP), SI")
			g.p("ADDQ ldt+24(FP), DX")
		})
		g.ret()
	}
	start("RopeInterleaved", func() {
		g.each([]string{"R8", "R9", "R10"}, func(masked bool) {
			g.load("(R8)", 0, masked)
			g.load("(R9)", 1, masked)
			g.load("(R10)", 2, masked)
			g.p("VPERMILPS $0xb1, V0, V3")
			g.p("VMULPS V1, V0, V0")
			g.p("VFMADD231PS V2, V3, V0")
			g.p("VMULPS V6, V0, V0")
			g.store(0, "(R8)", masked)
		})
	})
	start("RopeHalf", func() {
		g.p("LEAQ (SI)(AX*1), R11")
		g.each([]string{"R8", "R11", "R9", "R10"}, func(masked bool) {
			for i, at := range []string{"(R8)", "(R11)", "(R9)", "(R10)"} {
				g.load(at, i, masked)
			}
			g.p("VMULPS V2, V0, V4")
			g.p("VFNMADD231PS V3, V1, V4")
			g.p("VMULPS V2, V1, V5")
			g.p("VFMADD231PS V3, V0, V5")
			g.p("VMULPS V6, V4, V4")
			g.p("VMULPS V6, V5, V5")
			g.store(4, "(R8)", masked)
			g.store(5, "(R11)", masked)
		})
	})
}

// softmaxCols: SI s, CX rows, AX the first row; 8 9 the maxima, 10 11 the sums.
func (g *gen) softmaxCols() {
	b := 4 * g.w
	g.function("SoftmaxCols", "(s *float32, n int, m, l, alpha *float32) int", 48)
	g.p("MOVQ s+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	g.p("MOVQ m+16(FP), DX")
	g.p("MOVQ l+24(FP), DI")
	g.p("MOVQ alpha+32(FP), BX")
	g.p("MOVQ SI, AX")
	g.expConstants()
	for i := range 2 {
		g.p("VMOVUPS %d(DX), V%d", b*i, 8+i)
	}
	l1, l2 := g.label("max"), g.label("exp")
	g.p("%s:", l1)
	for i := range 2 {
		g.p("VMAXPS %d(SI), V%d, V%d", b*i, 8+i, 8+i)
	}
	g.p("ADDQ $%d, SI", 2*b)
	g.p("DECQ CX")
	g.p("JNZ %s", l1)
	for i := range 2 {
		x := 4 * i // 0-3 and 4-7
		g.p("VMOVUPS %d(DX), V%d", b*i, x)
		g.p("VSUBPS V%d, V%d, V%d", 8+i, x, x)
		g.exp(x, x+1)
		g.p("VMOVUPS V%d, %d(BX)", x, b*i)
		g.p("VMOVUPS V%d, %d(DX)", 8+i, b*i)
		g.p("VMULPS %d(DI), V%d, V%d", b*i, x, 10+i)
		// Is any factor different from 1?
		if g.mask {
			g.p("VCMPPS $4, %s, V%d, K%d", g.c("one"), x, 4+i)
		} else {
			g.p("VCMPPS $4, %s, V%d, V%d", g.c("one"), x, 12+i)
		}
	}
	if g.mask {
		g.p("KORW K4, K5, K4")
		g.p("KMOVW K4, R13")
	} else {
		g.p("VORPS V12, V13, V12")
		g.p("VMOVMSKPS V12, R13")
	}
	g.p("MOVQ R13, ret+40(FP)")
	g.p("MOVQ n+8(FP), CX")
	g.p("%s:", l2)
	for i := range 2 {
		x := 4 * i
		g.p("VMOVUPS %d(AX), V%d", b*i, x)
		g.p("VSUBPS V%d, V%d, V%d", 8+i, x, x)
		g.exp(x, x+1)
		g.p("VMOVUPS V%d, %d(AX)", x, b*i)
		g.p("VADDPS V%d, V%d, V%d", x, 10+i, 10+i)
	}
	g.p("ADDQ $%d, AX", 2*b)
	g.p("DECQ CX")
	g.p("JNZ %s", l2)
	for i := range 2 {
		g.p("VMOVUPS V%d, %d(DI)", 10+i, b*i)
	}
	g.ret()

	g.function("ScaleCols", "(o *float32, n int, alpha *float32)", 24)
	g.p("MOVQ o+0(FP), SI")
	g.p("MOVQ n+8(FP), CX")
	g.p("MOVQ alpha+16(FP), DX")
	g.p("VMOVUPS (DX), V0")
	g.p("VMOVUPS %d(DX), V1", b)
	l := g.label("loop")
	g.p("%s:", l)
	for i := range 2 {
		g.p("VMULPS %d(SI), V%d, V%d", b*i, i, 2+i)
		g.p("VMOVUPS V%d, %d(SI)", 2+i, b*i)
	}
	g.p("ADDQ $%d, SI", 2*b)
	g.p("DECQ CX")
	g.p("JNZ %s", l)
	g.ret()
}

// retainStep: SI the strip of S, R8 the row, DX rows, BX bytes of a row, R9 k,
// R10 v, R11 q, DI o, AX the row's count; 12 gamma, 13 k, 14 q; 4-7 v, 8-11 o.
func (g *gen) retainStep() {
	g.function("RetainStep", "(s *float32, rows, n int, k, v, q, o *float32, gamma float32)", 60)
	g.p("MOVQ s+0(FP), SI")
	g.p("MOVQ rows+8(FP), DX")
	g.p("MOVQ n+16(FP), CX")
	g.p("MOVQ v+32(FP), R10")
	g.p("MOVQ o+48(FP), DI")
	g.p("VBROADCASTSS gamma+56(FP), V12")
	g.p("LEAQ (CX*4), BX")
	strip := func(n int, masked bool) {
		at := func(r string, i int) string { return fmt.Sprintf("%d(%s)", 4*g.w*i, r) }
		for i := range n {
			g.load(at("R10", i), 4+i, masked)
			g.zero(8 + i)
		}
		g.p("MOVQ SI, R8")
		g.p("MOVQ k+24(FP), R9")
		g.p("MOVQ q+40(FP), R11")
		g.p("MOVQ DX, AX")
		l := g.label("row")
		g.p("%s:", l)
		g.p("VBROADCASTSS (R9), V13")
		g.p("VBROADCASTSS (R11), V14")
		for i := range n {
			g.load(at("R8", i), i, masked)
			g.p("VMULPS V12, V%d, V%d", i, i)
			g.p("VFMADD231PS V13, V%d, V%d", 4+i, i)
			g.store(i, at("R8", i), masked)
			g.p("VFMADD231PS V14, V%d, V%d", i, 8+i)
		}
		g.p("ADDQ $4, R9")
		g.p("ADDQ $4, R11")
		g.p("ADDQ BX, R8")
		g.p("DECQ AX")
		g.p("JNZ %s", l)
		for i := range n {
			g.store(8+i, at("DI", i), masked)
		}
	}
	four, one := g.label("four"), g.label("one")
	g.p("%s:", four)
	g.p("CMPQ CX, $%d", 4*g.w)
	g.p("JLT %s", one)
	strip(4, false)
	for _, r := range []string{"SI", "R10", "DI"} {
		g.p("ADDQ $%d, %s", 16*g.w, r)
	}
	g.p("SUBQ $%d, CX", 4*g.w)
	g.p("JMP %s", four)
	g.p("%s:", one)
	g.each([]string{"SI", "R10", "DI"}, func(masked bool) { strip(1, masked) })
	g.ret()
}

// bf rounds vector x to the nearest bfloat16, ties to even, in the upper half of each lane (the
// lower half is undefined); t and t+1 are temporaries.
func (g *gen) bf(x, t int) {
	if g.mask {
		g.p("VCMPPS $3, V%d, V%d, K3", x, x)
	} else {
		g.p("VCMPPS $3, V%d, V%d, V%d", x, x, t+1)
	}
	g.p("VPSRLD $16, V%d, V%d", x, t)
	if g.mask {
		g.p("VPANDD bit<>(SB), V%d, V%d", t, t)
	} else {
		g.p("VPAND bit<>(SB), V%d, V%d", t, t)
	}
	g.p("VPADDD half16<>(SB), V%d, V%d", t, t)
	g.p("VPADDD V%d, V%d, V%d", t, x, x)
	if g.mask {
		g.p("VMOVUPS quiet<>(SB), K3, V%d", x)
	} else {
		g.p("VMOVUPS quiet<>(SB), V%d", t)
		g.p("VBLENDVPS V%d, V%d, V%d, V%d", t+1, t, x, x)
	}
}

func (g *gen) bfloat16() {
	and := "VPAND"
	if g.mask {
		and = "VPANDD"
	}
	g.pairRows("PairRows", false)
	if g.mask {
		g.pairRows("PairRowsDot", true)
		g.roundRowDot()
	}

	// DI a, DX b, SI src.
	g.function("WidenPairs", "(a, b *float32, src *uint32, n int)", 32)
	g.p("MOVQ a+0(FP), DI")
	g.p("MOVQ b+8(FP), DX")
	g.p("MOVQ src+16(FP), SI")
	g.p("MOVQ n+24(FP), CX")
	g.each([]string{"DI", "SI", "DX"}, func(masked bool) {
		g.load("(SI)", 0, masked)
		g.p("VPSLLD $16, V0, V1")
		g.p("%s high16<>(SB), V0, V0", and)
		g.store(1, "(DI)", masked)
		g.store(0, "(DX)", masked)
	})
	g.ret()

	// n is a multiple of 16.
	g.function("RoundRow", "(dst *uint16, x *float32, n int)", 24)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+8(FP), SI")
	g.p("MOVQ n+16(FP), CX")
	l, done := g.label("loop"), g.label("done")
	g.p("%s:", l)
	g.p("SUBQ $16, CX")
	g.p("JLT %s", done)
	g.p("VMOVUPS (SI), V0")
	g.bf(0, 2)
	g.p("VPSRLD $16, V0, V0")
	if g.mask {
		g.p("VPMOVDW V0, Y0")
	} else {
		g.p("VMOVUPS 32(SI), V1")
		g.bf(1, 2)
		g.p("VPSRLD $16, V1, V1")
		g.p("VPACKUSDW V1, V0, V0")
		g.p("VPERMQ $0xd8, V0, V0")
	}
	g.p("VMOVUPS Y0, (DI)")
	g.p("ADDQ $64, SI")
	g.p("ADDQ $32, DI")
	g.p("JMP %s", l)
	g.p("%s:", done)
	g.ret()
}

// pairRows: DI dst, SI x, BX ldx, DX rows, R8 R9 R10 dst and the two rows of x within the row; 4:
// the permutation that interleaves words. With dot the processor rounds.
func (g *gen) pairRows(name string, dot bool) {
	and, or := "VPAND", "VPOR"
	if g.mask {
		and, or = "VPANDD", "VPORD"
	}
	g.function(name, "(dst *uint32, ldd int, x *float32, ldx, rows, n int)", 48)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+16(FP), SI")
	g.p("MOVQ ldx+24(FP), BX")
	g.p("MOVQ rows+32(FP), DX")
	if dot {
		g.p("VMOVUPS interleave<>(SB), V4")
	}
	g.rows("DX", func() {
		g.p("MOVQ DI, R8")
		g.p("MOVQ SI, R9")
		g.p("LEAQ (SI)(BX*1), R10")
		g.p("MOVQ n+40(FP), CX")
		g.each([]string{"R8", "R9", "R10"}, func(masked bool) {
			g.load("(R9)", 0, masked)
			g.load("(R10)", 1, masked)
			if dot {
				g.p("%s", evex("VCVTNE2PS2BF16 Z%d, Z%d, Z%d", 3, 0x72, 0, 1, 0))
				g.p("VPERMW V0, V4, V0")
			} else {
				g.bf(0, 2)
				g.bf(1, 2)
				g.p("VPSRLD $16, V0, V0")
				g.p("%s high16<>(SB), V1, V1", and)
				g.p("%s V0, V1, V0", or)
			}
			g.store(0, "(R8)", masked)
		})
		g.p("ADDQ ldd+8(FP), DI")
		g.p("LEAQ (SI)(BX*2), SI")
	})
	g.ret()
}

// roundRowDot: n is a multiple of 16, and the processor rounds.
func (g *gen) roundRowDot() {
	g.function("RoundRowDot", "(dst *uint16, x *float32, n int)", 24)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+8(FP), SI")
	g.p("MOVQ n+16(FP), CX")
	l, done := g.label("loop"), g.label("done")
	g.p("%s:", l)
	g.p("SUBQ $16, CX")
	g.p("JLT %s", done)
	g.p("VMOVUPS (SI), V0")
	g.p("%s", evex("VCVTNEPS2BF16 Z%d, Y%[3]d", 2, 0x72, 0, 0, 0))
	g.p("VMOVUPS Y0, (DI)")
	g.p("ADDQ $64, SI")
	g.p("ADDQ $32, DI")
	g.p("JMP %s", l)
	g.p("%s:", done)
	g.ret()
}

// transpose8: DI dst, R8 ldd, SI src, R9 lds, CX rows, DX columns, both multiples of 8.
// Always 256-bit: 0-7 the block, 8-15 temporaries.
func (g *gen) transpose8() {
	g.function("Transpose8", "(dst *float32, ldd int, src *float32, lds, rows, cols int)", 48)
	g.p("MOVQ ldd+8(FP), R8")
	g.p("MOVQ lds+24(FP), R9")
	g.p("MOVQ rows+32(FP), CX")
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ src+16(FP), SI")
	rows, cols := g.label("rows"), g.label("cols")
	g.p("%s:", rows)
	g.p("MOVQ cols+40(FP), DX")
	g.p("MOVQ SI, AX")
	g.p("MOVQ DI, BX")
	g.p("%s:", cols)
	g.p("MOVQ AX, R10")
	for i := range 8 {
		g.p("VMOVUPS (R10), Y%d", i)
		if i < 7 {
			g.p("ADDQ R9, R10")
		}
	}
	for i := 0; i < 8; i += 2 {
		g.p("VUNPCKLPS Y%d, Y%d, Y%d", i+1, i, 8+i)
		g.p("VUNPCKHPS Y%d, Y%d, Y%d", i+1, i, 9+i)
	}
	for i := 0; i < 8; i += 4 {
		g.p("VSHUFPS $0x44, Y%d, Y%d, Y%d", 10+i, 8+i, i)
		g.p("VSHUFPS $0xee, Y%d, Y%d, Y%d", 10+i, 8+i, i+1)
		g.p("VSHUFPS $0x44, Y%d, Y%d, Y%d", 11+i, 9+i, i+2)
		g.p("VSHUFPS $0xee, Y%d, Y%d, Y%d", 11+i, 9+i, i+3)
	}
	for i := range 4 {
		g.p("VPERM2F128 $0x20, Y%d, Y%d, Y%d", 4+i, i, 8+i)
		g.p("VPERM2F128 $0x31, Y%d, Y%d, Y%d", 4+i, i, 12+i)
	}
	for i := range 8 {
		g.p("VMOVUPS Y%d, (BX)", 8+i)
		if i < 7 {
			g.p("ADDQ R8, BX")
		}
	}
	g.p("ADDQ R8, BX")
	g.p("ADDQ $32, AX")
	g.p("SUBQ $8, DX")
	g.p("JNZ %s", cols)
	g.p("LEAQ (SI)(R9*8), SI")
	g.p("ADDQ $32, DI")
	g.p("SUBQ $8, CX")
	g.p("JNZ %s", rows)
	g.ret()
}
