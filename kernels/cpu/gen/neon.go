package main

import "fmt"

// neon is arm64's instruction set: 32 registers of 4 floats and no masks, so the rest of a row
// after whole vectors is computed value by value, in lane 0.
var neon = isa{name: "neon", fn: "n", reg: "V", w: 4, mr: 6, wideMR: 5}

// neonCodes are instructions that Go's assembler does not support, on lanes of 32 bits: with three
// registers, with two, and FMLA by lane 0 of its last.
var neonCodes = map[string]uint32{
	"FADD": 0x4e20d400, "FSUB": 0x4ea0d400, "FMUL": 0x6e20dc00, "FDIV": 0x6e20fc00,
	"FMAX": 0x4e20f400, "FMIN": 0x4ea0f400, "FADDP": 0x6e20d400, "FMAXP": 0x6e20f400,
	"FCMGT": 0x6ea0e400, "FCMEQ": 0x4e20e400,
	"FRINTN": 0x4e218800, "FCVTNS": 0x4e21a800,
}

// v3 emits d = op(n, m), v2 d = op(n).
func (g *gen) v3(op string, d, n, m int) {
	g.p("WORD $%#08x // %s v%d.4s, v%d.4s, v%d.4s", neonCodes[op]|uint32(m<<16|n<<5|d), op, d, n, m)
}

func (g *gen) v2(op string, d, n int) {
	g.p("WORD $%#08x // %s v%d.4s, v%d.4s", neonCodes[op]|uint32(n<<5|d), op, d, n)
}

// fmlaLane emits d += n x lane 0 of m.
func (g *gen) fmlaLane(d, n, m int) {
	g.p("WORD $%#08x // FMLA v%d.4s, v%d.4s, v%d.s[0]", 0x4f801000|uint32(m<<16|n<<5|d), d, n, m)
}

// list returns nv consecutive registers from v.
func list(v, nv int) string {
	s := ""
	for i := range nv {
		s += fmt.Sprintf(", V%d.S4", v+i)
	}
	return "[" + s[2:] + "]"
}

// nload and nstore move nv vectors, or only lane 0 if scalar.
func (g *gen) nload(at string, v, nv int, scalar bool) {
	if scalar {
		g.p("FMOVS (%s), F%d", at, v)
	} else {
		g.p("VLD1 (%s), %s", at, list(v, nv))
	}
}

func (g *gen) nstore(v, nv int, at string, scalar bool) {
	if scalar {
		g.p("FMOVS F%d, (%s)", v, at)
	} else {
		g.p("VST1 %s, (%s)", list(v, nv), at)
	}
}

func (g *gen) nzero(v int) { g.p("VEOR V%d.B16, V%d.B16, V%d.B16", v, v, v) }
func (g *gen) ncopy(from, to int) {
	g.p("VORR V%d.B16, V%d.B16, V%d.B16", from, from, to)
}

// args loads arguments from their offsets into registers.
func (g *gen) args(pairs ...any) {
	for i := 0; i < len(pairs); i += 2 {
		g.p("MOVD %s(FP), %s", pairs[i], pairs[i+1])
	}
}

func (g *gen) broadcast(arg string, v int) {
	g.p("FMOVS %s(FP), F%d", arg, v)
	g.p("VDUP V%d.S[0], V%d.S4", v, v)
}

func (g *gen) bits(value uint32, v int) {
	g.p("MOVD $%#x, R21", value)
	g.p("VDUP R21, V%d.S4", v)
}

func (g *gen) neonGemms() {
	for m := 1; m <= g.mr; m++ {
		g.neonGemm(fmt.Sprintf("GemmF32x%d", m), m, false)
	}
	for m := 1; m <= g.wideMR; m++ {
		g.neonGemm(fmt.Sprintf("GemmWide%d", m), m, true)
	}
}

// neonGemm emits the kernel for m rows of C: 16 columns at once, and the remaining columns in
// strips of 4 and then of 1.
//
// General registers: R0 C, R1 ldc, R2-R7 the rows of A, R8 the step of the index R9 (R22: the
// second of a pair) into them, R10 B, R11 ldb, R12 k, R13 columns left, R14 add, R15 k left, R19 B
// at the current k, R20 the row of C.
//
//	F32:  0-3 a row of B, 4-7 values of A, 8-31 C
//	Wide: 0-3 the even and 4-7 the odd row of a pair, 8 the mask, 9-11 values of A, 12-31 C
func (g *gen) neonGemm(name string, m int, wide bool) {
	g.function(name, gemmSignature, 80)
	g.args("c+0", "R0", "ldc+8", "R1", "a+16", "R2", "rs+24", "R21", "cs+32", "R8",
		"b+40", "R10", "ldb+48", "R11", "k+56", "R12", "n+64", "R13", "add+72", "R14")
	for r := 1; r < m; r++ {
		g.p("ADD R21, R%d, R%d", r+1, r+2)
	}
	if wide {
		g.p("LSL $1, R8")
		g.bits(0xffff0000, 8)
	}
	four, one, done := g.label("four"), g.label("one"), g.label("done")
	g.p("CMP $16, R13")
	g.p("BLT %s", four)
	g.neonGemmBody(m, 4, false, wide)
	g.p("RET")
	for i, at := range []string{four, one} {
		g.p("%s:", at)
		g.p("CMP $%d, R13", []int{4, 1}[i])
		g.p("BLT %s", []string{one, done}[i])
		g.neonGemmBody(m, 1, i == 1, wide)
		n := []int{4, 1}[i]
		g.p("ADD $%d, R0", 4*n)
		g.p("ADD $%d, R10", 4*n)
		g.p("SUB $%d, R13", n)
		g.p("B %s", at)
	}
	g.p("%s:", done)
	g.p("RET")
}

// neonGemmBody emits nv vectors of columns (only lane 0 of one, if scalar): the loop over k and the
// stores.
func (g *gen) neonGemmBody(m, nv int, scalar, wide bool) {
	acc, a, as := 8, 4, 4
	if wide {
		acc, a, as = 12, 9, 3
	}
	for i := range nv * m {
		g.nzero(acc + i)
	}
	loop, sum, store, end := g.label("loop"), g.label("sum"), g.label("store"), g.label("end")
	g.p("MOVD R10, R19")
	g.p("MOVD R12, R15")
	g.p("MOVD ZR, R9")
	g.p("CBZ R15, %s", sum)
	g.p("%s:", loop)
	g.nload("R19", 0, nv, scalar)
	g.p("ADD R11, R19")
	if wide {
		for i := range nv {
			g.p("VAND V8.B16, V%d.B16, V%d.B16", i, 4+i)
			g.p("VSHL $16, V%d.S4, V%d.S4", i, i)
		}
		g.p("ADD $4, R9, R22")
	}
	next := 0
	row := func(r, b int, index string) {
		x := a + next%as
		next++
		g.p("FMOVS (R%d)(%s), F%d", 2+r, index, x)
		for i := range nv {
			g.fmlaLane(acc+nv*r+i, b+i, x)
		}
	}
	for r := range m {
		row(r, 0, "R9")
	}
	if wide {
		for r := range m {
			row(r, 4, "R22")
		}
	}
	g.p("ADD R8, R9")
	g.p("SUBS $1, R15, R15")
	g.p("BNE %s", loop)
	g.p("%s:", sum)
	g.p("MOVD R0, R20")
	g.p("CBZ R14, %s", store)
	for r := range m {
		g.nload("R20", 0, nv, scalar)
		for i := range nv {
			g.v3("FADD", acc+nv*r+i, acc+nv*r+i, i)
		}
		g.nstore(acc+nv*r, nv, "R20", scalar)
		g.p("ADD R1, R20")
	}
	g.p("B %s", end)
	g.p("%s:", store)
	for r := range m {
		g.nstore(acc+nv*r, nv, "R20", scalar)
		g.p("ADD R1, R20")
	}
	g.p("%s:", end)
}

// neach emits a loop over R15 values: body for whole vectors, then for each remaining value.
func (g *gen) neach(ptrs []string, body func(scalar bool)) {
	loop, tail, done := g.label("loop"), g.label("tail"), g.label("done")
	step := func(at string, n int) {
		for _, p := range ptrs {
			g.p("ADD $%d, %s", 4*n, p)
		}
		g.p("SUB $%d, R15", n)
		g.p("B %s", at)
	}
	g.p("%s:", loop)
	g.p("CMP $4, R15")
	g.p("BLT %s", tail)
	body(false)
	step(loop, 4)
	g.p("%s:", tail)
	g.p("CBZ R15, %s", done)
	body(true)
	step(tail, 1)
	g.p("%s:", done)
}

// nrows emits a loop over the number of rows in the register, at least one.
func (g *gen) nrows(register string, body func()) {
	l := g.label("rows")
	g.p("%s:", l)
	body()
	g.p("SUBS $1, %s, %s", register, register)
	g.p("BNE %s", l)
}

// nfactor broadcasts the value at an address.
func (g *gen) nfactor(at string, v int) {
	g.p("FMOVS (%s), F%d", at, v)
	g.p("VDUP V%d.S[0], V%d.S4", v, v)
}

// nexpConstants loads the constants of nexp, the expNames, into registers from 16 on.
func (g *gen) nexpConstants() {
	g.p("MOVD $exp<>(SB), R21")
	for i := 0; i < len(expNames); i += 4 {
		g.p("VLD1.P 64(R21), %s", list(16+i, 4))
	}
}

// nexp replaces vector x by its exponential, like exp; t is the first of four temporaries.
func (g *gen) nexp(x, t int) {
	const low, high, log2e, hi, lo, c0, one = 16, 17, 18, 19, 20, 21, 27
	n, k, q, next := t, t+1, t+2, t+3
	g.v3("FCMGT", k, low, x) // false for NaN
	g.v3("FMIN", x, x, high)
	g.v3("FMUL", n, x, log2e)
	g.v2("FRINTN", n, n)
	g.p("VFMLS V%d.S4, V%d.S4, V%d.S4", hi, n, x)
	g.p("VFMLS V%d.S4, V%d.S4, V%d.S4", lo, n, x)
	horner := func(from, c int) {
		g.ncopy(c, next)
		g.p("VFMLA V%d.S4, V%d.S4, V%d.S4", from, x, next)
		q, next = next, q
	}
	horner(c0+5, c0+4)
	for i := 3; i >= 0; i-- {
		horner(q, c0+i)
	}
	horner(q, one)
	horner(q, one)
	g.v2("FCVTNS", n, n)
	g.p("VSHL $23, V%d.S4, V%d.S4", n, n)
	g.p("VADD V%d.S4, V%d.S4, V%d.S4", n, q, x)
	g.p("WORD $%#08x // BIC v%d.16b, v%d.16b, v%d.16b", 0x4e601c00|uint32(k<<16|x<<5|x), x, x, k)
}

func (g *gen) neonConstants() {
	g.p("")
	for i, name := range expNames {
		for j := range 4 {
			g.p("DATA exp<>+%d(SB)/4, $%#08x", 16*i+4*j, constant(name))
		}
	}
	g.p("GLOBL exp<>(SB), RODATA|NOPTR, $%d", 16*len(expNames))
}

// nsum reduces the lanes of vector v and scalar s with op into F0; it uses 0.
func (g *gen) nsum(v, s int, pair, scalar string) {
	g.v3(pair, 0, v, v)
	g.v3(pair, 0, 0, 0)
	g.p("%s F%d, F0, F0", scalar, s)
}

func (g *gen) neonVectors() {
	// R0 f, R1 x, R2 ldx, R3 rows, R4 n, R5 within the row; 4 the sums of the lanes, 6 unused, 7:
	// n, 8: eps, 9: one.
	g.function("RMSRows", "(f, x *float32, ldx, rows, n int, eps float32)", 44)
	g.args("f+0", "R0", "x+8", "R1", "ldx+16", "R2", "rows+24", "R3", "n+32", "R4")
	g.p("SCVTFS R4, F7")
	g.p("FMOVS eps+40(FP), F8")
	g.p("FMOVS $1.0, F9")
	g.nzero(6)
	g.nrows("R3", func() {
		g.p("MOVD R1, R5")
		g.p("MOVD R4, R15")
		g.nzero(4)
		g.neach([]string{"R5"}, func(scalar bool) {
			g.nload("R5", 0, 1, scalar)
			g.p("VFMLA V0.S4, V0.S4, V4.S4") // the other lanes of a single value are 0
		})
		g.nsum(4, 6, "FADDP", "FADDS")
		g.p("FDIVS F7, F0, F0")
		g.p("FADDS F8, F0, F0")
		g.p("FSQRTS F0, F0")
		g.p("FDIVS F0, F9, F0")
		g.p("FMOVS.P F0, 4(R0)")
		g.p("ADD R2, R1")
	})
	g.p("RET")

	g.function("MaxRow", "(x *float32, n int) float32", 20)
	g.args("x+0", "R0", "n+8", "R15")
	g.bits(0xff800000, 4)
	g.ncopy(4, 6)
	g.neach([]string{"R0"}, func(scalar bool) {
		g.nload("R0", 0, 1, scalar)
		if scalar {
			g.p("FMAXS F0, F6, F6")
		} else {
			g.v3("FMAX", 4, 4, 0)
		}
	})
	g.nsum(4, 6, "FMAXP", "FMAXS")
	g.p("FMOVS F0, ret+16(FP)")
	g.p("RET")

	// 5: m, 6: the sum of the lanes, 7: of the single values.
	g.function("ExpRow", "(x *float32, n int, m float32) float32", 28)
	g.args("x+0", "R0", "n+8", "R15")
	g.broadcast("m+16", 5)
	g.nexpConstants()
	g.nzero(6)
	g.nzero(7)
	g.neach([]string{"R0"}, func(scalar bool) {
		g.nload("R0", 0, 1, scalar)
		g.v3("FSUB", 0, 0, 5)
		g.nexp(0, 1)
		g.nstore(0, 1, "R0", scalar)
		if scalar {
			g.p("FADDS F0, F7, F7")
		} else {
			g.v3("FADD", 6, 6, 0)
		}
	})
	g.nsum(6, 7, "FADDP", "FADDS")
	g.p("FMOVS F0, ret+24(FP)")
	g.p("RET")

	// R0 dst, R1 ldd, R2 x, R3 ldx, R4 w, R5 rows, R6 n, R7 f, R8 R9 R10 dst, x and w within the
	// row; 5: f of the row.
	g.function("NormRows", "(dst *float32, ldd int, x *float32, ldx int, w *float32, rows, n int, f *float32)", 64)
	g.args("dst+0", "R0", "ldd+8", "R1", "x+16", "R2", "ldx+24", "R3", "w+32", "R4", "rows+40", "R5", "n+48", "R6", "f+56", "R7")
	g.nrows("R5", func() {
		g.nfactor("R7", 5)
		g.p("ADD $4, R7")
		g.p("MOVD R0, R8")
		g.p("MOVD R2, R9")
		g.p("MOVD R4, R10")
		g.p("MOVD R6, R15")
		g.neach([]string{"R8", "R9", "R10"}, func(scalar bool) {
			g.nload("R9", 0, 1, scalar)
			g.nload("R10", 1, 1, scalar)
			g.v3("FMUL", 0, 0, 5)
			g.v3("FMUL", 0, 0, 1)
			g.nstore(0, 1, "R8", scalar)
		})
		g.p("ADD R1, R0")
		g.p("ADD R3, R2")
	})
	g.p("RET")

	g.function("Scale", "(dst, x *float32, n int, s float32)", 28)
	g.args("dst+0", "R0", "x+8", "R1", "n+16", "R15")
	g.broadcast("s+24", 5)
	g.neach([]string{"R0", "R1"}, func(scalar bool) {
		g.nload("R1", 0, 1, scalar)
		g.v3("FMUL", 0, 0, 5)
		g.nstore(0, 1, "R0", scalar)
	})
	g.p("RET")

	g.function("Axpy", "(dst, x *float32, n int, s float32)", 28)
	g.args("dst+0", "R0", "x+8", "R1", "n+16", "R15")
	g.broadcast("s+24", 5)
	g.neach([]string{"R0", "R1"}, func(scalar bool) {
		g.nload("R1", 0, 1, scalar)
		g.nload("R0", 1, 1, scalar)
		g.p("VFMLA V5.S4, V0.S4, V1.S4")
		g.nstore(1, 1, "R0", scalar)
	})
	g.p("RET")

	g.ngatedRows("SiluRows", func() {}, func() {
		g.nzero(0)
		g.v3("FSUB", 0, 0, 6)
	})
	// -g (gelu1 + gelu3 g²); 7: gelu1, 8: gelu3.
	g.ngatedRows("GeluRows", func() {
		g.bits(constant("gelu1"), 7)
		g.bits(constant("gelu3"), 8)
	}, func() {
		g.v3("FMUL", 1, 6, 6)
		g.ncopy(7, 0)
		g.p("VFMLA V8.S4, V1.S4, V0.S4")
		g.v3("FMUL", 0, 0, 6)
	})
	g.nsoftCap()
	g.nlogSigmoid()
	g.nmoreVectors()
}

// ngatedRows is like gatedRows; constants loads the constants of negated, which gets g in V6.
func (g *gen) ngatedRows(name string, constants, negated func()) {
	// R0 dst, R1 ldd, R2 g, R3 ldg, R4 x, R5 ldx, R6 rows, R7 n, R8 f, R9 fstep,
	// R10 R11 R12 dst, g and x within the row; 6: g, 5: f of the row.
	g.function(name, "(dst *float32, ldd int, gate *float32, ldg int, x *float32, ldx, rows, n int, f *float32, fstep int)", 80)
	g.args("dst+0", "R0", "ldd+8", "R1", "gate+16", "R2", "ldg+24", "R3", "x+32", "R4", "ldx+40", "R5",
		"rows+48", "R6", "n+56", "R7", "f+64", "R8", "fstep+72", "R9")
	g.nexpConstants()
	constants()
	g.nrows("R6", func() {
		g.nfactor("R8", 5)
		g.p("ADD R9, R8")
		g.p("MOVD R0, R10")
		g.p("MOVD R2, R11")
		g.p("MOVD R4, R12")
		g.p("MOVD R7, R15")
		g.neach([]string{"R10", "R11", "R12"}, func(scalar bool) {
			g.nload("R11", 6, 1, scalar)
			negated()
			g.nexp(0, 1)
			g.v3("FADD", 0, 0, 27)
			g.v3("FDIV", 0, 6, 0)
			g.nload("R12", 1, 1, scalar)
			g.v3("FMUL", 1, 1, 5)
			g.v3("FMUL", 0, 0, 1)
			g.nstore(0, 1, "R10", scalar)
		})
		g.p("ADD R1, R0")
		g.p("ADD R3, R2")
		g.p("ADD R5, R4")
	})
	g.p("RET")
}

// nsoftCap emits SoftCap, like softCap.
func (g *gen) nsoftCap() {
	// R0 x; 5: cap, 6: 2 / cap, 7: 2 cap.
	g.function("SoftCap", "(x *float32, n int, cap float32)", 20)
	g.args("x+0", "R0", "n+8", "R15")
	g.broadcast("cap+16", 5)
	g.nexpConstants()
	g.v3("FADD", 6, 27, 27)
	g.v3("FDIV", 6, 6, 5)
	g.v3("FADD", 7, 5, 5)
	g.neach([]string{"R0"}, func(scalar bool) {
		g.nload("R0", 0, 1, scalar)
		g.v3("FMUL", 0, 0, 6)
		g.nexp(0, 1)
		g.v3("FADD", 0, 0, 27)
		g.v3("FDIV", 0, 7, 0)
		g.v3("FSUB", 0, 5, 0)
		g.nstore(0, 1, "R0", scalar)
	})
	g.p("RET")
}

func (g *gen) nlogSigmoid() {
	// R0 x; 5: x, 6: t and then s, 7: s², 8-13 the series' constants, 14: the sign's bit, 15: 2, 0
	// and 1 the series.
	g.function("LogSigmoid", "(x *float32, n int)", 16)
	g.args("x+0", "R0", "n+8", "R15")
	g.nexpConstants()
	for i, c := range []string{"log13", "log11", "log9", "log7", "log5", "log3", "sign"} {
		g.bits(constant(c), 8+i)
	}
	g.v3("FADD", 15, 27, 27)
	g.neach([]string{"R0"}, func(scalar bool) {
		g.nload("R0", 5, 1, scalar)
		g.p("VORR V5.B16, V14.B16, V0.B16")
		g.nexp(0, 1)
		g.v3("FADD", 6, 0, 15)
		g.v3("FDIV", 6, 0, 6)
		g.v3("FMUL", 7, 6, 6)
		q, next := 0, 1
		g.ncopy(8, q)
		for _, c := range []int{9, 10, 11, 12, 13, 27} {
			g.ncopy(c, next)
			g.p("VFMLA V%d.S4, V7.S4, V%d.S4", q, next)
			q, next = next, q
		}
		g.v3("FADD", 6, 6, 6)
		g.nzero(7)
		g.v3("FMIN", 5, 5, 7)
		g.p("VFMLS V6.S4, V%d.S4, V5.S4", q)
		g.nstore(5, 1, "R0", scalar)
	})
	g.p("RET")
}

// nmoreVectors emits the kernels of moreVectors.
func (g *gen) nmoreVectors() {
	// R0 p, R1 hi, R2 lo; 5: hi of i, 6: lo of i.
	g.function("DecayRow", "(p, hi, lo *float32, n int, hi0, lo0 float32)", 40)
	g.args("p+0", "R0", "hi+8", "R1", "lo+16", "R2", "n+24", "R15")
	g.broadcast("hi0+32", 5)
	g.broadcast("lo0+36", 6)
	g.nexpConstants()
	g.neach([]string{"R0", "R1", "R2"}, func(scalar bool) {
		g.nload("R1", 0, 1, scalar)
		g.nload("R2", 1, 1, scalar)
		g.v3("FSUB", 0, 5, 0)
		g.v3("FSUB", 1, 6, 1)
		g.v3("FADD", 0, 0, 1)
		g.nexp(0, 1)
		g.nload("R0", 1, 1, scalar)
		g.v3("FMUL", 0, 0, 1)
		g.nstore(0, 1, "R0", scalar)
	})
	g.p("RET")

	// R0 dst, R1 ldd, R2 src, R3 lds, R4 rows, R5 f, R6 fstep, R7 R8 within the row.
	g.function("ScaleRows", "(dst *float32, ldd int, src *float32, lds, rows, n int, f *float32, fstep int)", 64)
	g.args("dst+0", "R0", "ldd+8", "R1", "src+16", "R2", "lds+24", "R3", "rows+32", "R4", "f+48", "R5", "fstep+56", "R6")
	g.nrows("R4", func() {
		g.nfactor("R5", 5)
		g.args("n+40", "R15")
		g.p("MOVD R0, R7")
		g.p("MOVD R2, R8")
		g.neach([]string{"R7", "R8"}, func(scalar bool) {
			g.nload("R8", 0, 1, scalar)
			g.v3("FMUL", 0, 0, 5)
			g.nstore(0, 1, "R7", scalar)
		})
		g.p("ADD R1, R0")
		g.p("ADD R3, R2")
		g.p("ADD R6, R5")
	})
	g.p("RET")

	// R0 p; 16-19 what was read.
	g.function("Touch", "(p unsafe.Pointer, n int) uint64", 24)
	g.args("p+0", "R0", "n+8", "R15")
	for i := range 4 {
		g.nzero(16 + i)
	}
	t := g.label("loop")
	g.p("%s:", t)
	for range 4 {
		g.p("VLD1.P 64(R0), %s", list(0, 4))
		for i := range 4 {
			g.p("VORR V%d.B16, V%d.B16, V%d.B16", i, 16+i, 16+i)
		}
	}
	g.p("SUBS $256, R15, R15")
	g.p("BNE %s", t)
	g.p("VMOV V16.D[0], R1")
	g.p("MOVD R1, ret+16(FP)")
	g.p("RET")

	g.neonRopes()
	g.neonSoftmaxCols()
	g.neonRetainStep()
	g.neonBfloat16()
	g.neonTranspose8()
}

func (g *gen) neonRopes() {
	// R0 x, R1 ldx, R2 t, R3 ldt, R4 rows, R5 n, R6 4n, R7 R8 R9 x, c and s within the row (R10:
	// the second half of x); 6: scale.
	start := func(name string, row func()) {
		g.function(name, "(x *float32, ldx int, t *float32, ldt, rows, n int, scale float32)", 52)
		g.args("x+0", "R0", "ldx+8", "R1", "t+16", "R2", "ldt+24", "R3", "rows+32", "R4", "n+40", "R5")
		g.p("LSL $2, R5, R6")
		g.broadcast("scale+48", 6)
		g.nrows("R4", func() {
			g.p("MOVD R0, R7")
			g.p("MOVD R2, R8")
			g.p("ADD R6, R2, R9")
			g.p("MOVD R5, R15")
			row()
			g.p("ADD R1, R0")
			g.p("ADD R3, R2")
		})
		g.p("RET")
	}
	// Two pairs at once, and one if two values are left.
	turn := func() {
		g.p("VREV64 V0.S4, V3.S4")
		g.v3("FMUL", 0, 0, 1)
		g.p("VFMLA V2.S4, V3.S4, V0.S4")
		g.v3("FMUL", 0, 0, 6)
	}
	start("RopeInterleaved", func() {
		loop, tail, done := g.label("loop"), g.label("tail"), g.label("done")
		g.p("%s:", loop)
		g.p("CMP $4, R15")
		g.p("BLT %s", tail)
		for i, r := range []string{"R7", "R8", "R9"} {
			g.nload(r, i, 1, false)
		}
		turn()
		g.nstore(0, 1, "R7", false)
		for _, r := range []string{"R7", "R8", "R9"} {
			g.p("ADD $16, %s", r)
		}
		g.p("SUB $4, R15")
		g.p("B %s", loop)
		g.p("%s:", tail)
		g.p("CBZ R15, %s", done)
		for i, r := range []string{"R7", "R8", "R9"} {
			g.p("FMOVD (%s), F%d", r, i)
		}
		turn()
		g.p("FMOVD F0, (R7)")
		g.p("%s:", done)
	})
	start("RopeHalf", func() {
		g.p("ADD R6, R0, R10")
		g.neach([]string{"R7", "R10", "R8", "R9"}, func(scalar bool) {
			for i, r := range []string{"R7", "R10", "R8", "R9"} {
				g.nload(r, i, 1, scalar)
			}
			g.v3("FMUL", 4, 0, 2)
			g.p("VFMLS V3.S4, V1.S4, V4.S4")
			g.v3("FMUL", 5, 1, 2)
			g.p("VFMLA V3.S4, V0.S4, V5.S4")
			g.v3("FMUL", 4, 4, 6)
			g.v3("FMUL", 5, 5, 6)
			g.nstore(4, 1, "R7", scalar)
			g.nstore(5, 1, "R10", scalar)
		})
	})
}

// neonSoftmaxCols: R0 s, R1 the row, R2 m, R3 l, R4 alpha, R15 rows left; 8-11 the maxima, 12-15
// the sums, 7 which factors are 1.
func (g *gen) neonSoftmaxCols() {
	g.function("SoftmaxCols", "(s *float32, n int, m, l, alpha *float32) int", 48)
	g.args("s+0", "R0", "n+8", "R15", "m+16", "R2", "l+24", "R3", "alpha+32", "R4")
	g.nexpConstants()
	g.nload("R2", 8, 4, false)
	g.nload("R3", 12, 4, false)
	g.p("MOVD R0, R1")
	l1, l2 := g.label("max"), g.label("exp")
	g.p("%s:", l1)
	g.p("VLD1.P 64(R1), %s", list(0, 4))
	for i := range 4 {
		g.v3("FMAX", 8+i, 8+i, i)
	}
	g.p("SUBS $1, R15, R15")
	g.p("BNE %s", l1)
	g.bits(0xffffffff, 7)
	for i := range 4 {
		g.nload("R2", 0, 1, false)
		g.v3("FSUB", 0, 0, 8+i)
		g.nexp(0, 1)
		g.p("VST1.P [V0.S4], 16(R4)")
		g.p("VST1.P [V%d.S4], 16(R2)", 8+i)
		g.v3("FMUL", 12+i, 12+i, 0)
		g.v3("FCMEQ", 1, 0, 27)
		g.p("VAND V1.B16, V7.B16, V7.B16")
	}
	g.p("VMOV V7.D[0], R21")
	g.p("VMOV V7.D[1], R22")
	g.p("AND R22, R21, R21")
	g.p("MVN R21, R21")
	g.p("MOVD R21, ret+40(FP)")
	g.args("n+8", "R15")
	g.p("%s:", l2)
	for i := range 4 {
		g.nload("R0", 0, 1, false)
		g.v3("FSUB", 0, 0, 8+i)
		g.nexp(0, 1)
		g.p("VST1.P [V0.S4], 16(R0)")
		g.v3("FADD", 12+i, 12+i, 0)
	}
	g.p("SUBS $1, R15, R15")
	g.p("BNE %s", l2)
	g.nstore(12, 4, "R3", false)
	g.p("RET")

	g.function("ScaleCols", "(o *float32, n int, alpha *float32)", 24)
	g.args("o+0", "R0", "n+8", "R15", "alpha+16", "R1")
	g.nload("R1", 4, 4, false)
	l := g.label("loop")
	g.p("%s:", l)
	g.nload("R0", 0, 4, false)
	for i := range 4 {
		g.v3("FMUL", i, i, 4+i)
	}
	g.p("VST1.P %s, 64(R0)", list(0, 4))
	g.p("SUBS $1, R15, R15")
	g.p("BNE %s", l)
	g.p("RET")
}

// neonRetainStep: R0 the strip of S, R1 the row, R2 rows, R3 bytes of a row, R4 k,
// R5 v, R6 q, R7 o, R8 the row's count, R15 columns left; 12 gamma, 13 k, 14 q; 4-7 v, 8-11 o.
func (g *gen) neonRetainStep() {
	g.function("RetainStep", "(s *float32, rows, n int, k, v, q, o *float32, gamma float32)", 60)
	g.args("s+0", "R0", "rows+8", "R2", "n+16", "R15", "v+32", "R5", "o+48", "R7")
	g.broadcast("gamma+56", 12)
	g.p("LSL $2, R15, R3")
	strip := func(nv int, scalar bool) {
		g.nload("R5", 4, nv, scalar)
		for i := range nv {
			g.nzero(8 + i)
		}
		g.p("MOVD R0, R1")
		g.args("k+24", "R4", "q+40", "R6")
		g.p("MOVD R2, R8")
		l := g.label("row")
		g.p("%s:", l)
		g.p("FMOVS.P 4(R4), F13")
		g.p("FMOVS.P 4(R6), F14")
		g.nload("R1", 0, nv, scalar)
		for i := range nv {
			g.v3("FMUL", i, i, 12)
			g.fmlaLane(i, 4+i, 13)
		}
		g.nstore(0, nv, "R1", scalar)
		for i := range nv {
			g.fmlaLane(8+i, i, 14)
		}
		g.p("ADD R3, R1")
		g.p("SUBS $1, R8, R8")
		g.p("BNE %s", l)
		g.nstore(8, nv, "R7", scalar)
	}
	four, one := g.label("four"), g.label("one")
	g.p("%s:", four)
	g.p("CMP $16, R15")
	g.p("BLT %s", one)
	strip(4, false)
	for _, r := range []string{"R0", "R5", "R7"} {
		g.p("ADD $64, %s", r)
	}
	g.p("SUB $16, R15")
	g.p("B %s", four)
	g.p("%s:", one)
	g.neach([]string{"R0", "R5", "R7"}, func(scalar bool) { strip(1, scalar) })
	g.p("RET")
}

// nbf rounds vector x to bfloat16 in the upper half of each lane, like bf; t and t+1 are
// temporaries.
func (g *gen) nbf(x, t int) {
	const bit, half, quiet = 16, 17, 18
	g.v3("FCMEQ", t+1, x, x)
	g.p("VUSHR $16, V%d.S4, V%d.S4", x, t)
	g.p("VAND V%d.B16, V%d.B16, V%d.B16", bit, t, t)
	g.p("VADD V%d.S4, V%d.S4, V%d.S4", half, t, t)
	g.p("VADD V%d.S4, V%d.S4, V%d.S4", t, x, x)
	g.p("VBIF V%d.B16, V%d.B16, V%d.B16", t+1, quiet, x)
}

func (g *gen) neonBfloat16() {
	constants := func() {
		for i, c := range []string{"bit", "half16", "quiet", "high16"} {
			g.bits(constant(c), 16+i)
		}
	}
	// R0 dst, R1 ldd, R2 x, R3 ldx, R4 rows, R5 n, R6 R7 R8 dst and the two rows of x within the
	// row.
	g.function("PairRows", "(dst *uint32, ldd int, x *float32, ldx, rows, n int)", 48)
	g.args("dst+0", "R0", "ldd+8", "R1", "x+16", "R2", "ldx+24", "R3", "rows+32", "R4", "n+40", "R5")
	constants()
	g.nrows("R4", func() {
		g.p("MOVD R0, R6")
		g.p("MOVD R2, R7")
		g.p("ADD R3, R2, R8")
		g.p("MOVD R5, R15")
		g.neach([]string{"R6", "R7", "R8"}, func(scalar bool) {
			g.nload("R7", 0, 1, scalar)
			g.nload("R8", 1, 1, scalar)
			g.nbf(0, 2)
			g.nbf(1, 2)
			g.p("VUSHR $16, V0.S4, V0.S4")
			g.p("VAND V19.B16, V1.B16, V1.B16")
			g.p("VORR V1.B16, V0.B16, V0.B16")
			g.nstore(0, 1, "R6", scalar)
		})
		g.p("ADD R1, R0")
		g.p("ADD R3<<1, R2, R2")
	})
	g.p("RET")

	// R0 a, R1 b, R2 src.
	g.function("WidenPairs", "(a, b *float32, src *uint32, n int)", 32)
	g.args("a+0", "R0", "b+8", "R1", "src+16", "R2", "n+24", "R15")
	g.bits(constant("high16"), 2)
	g.neach([]string{"R0", "R1", "R2"}, func(scalar bool) {
		g.nload("R2", 0, 1, scalar)
		g.p("VSHL $16, V0.S4, V1.S4")
		g.p("VAND V2.B16, V0.B16, V0.B16")
		g.nstore(1, 1, "R0", scalar)
		g.nstore(0, 1, "R1", scalar)
	})
	g.p("RET")

	// n is a multiple of 16.
	g.function("RoundRow", "(dst *uint16, x *float32, n int)", 24)
	g.args("dst+0", "R0", "x+8", "R1", "n+16", "R15")
	constants()
	l, done := g.label("loop"), g.label("done")
	g.p("%s:", l)
	g.p("SUBS $16, R15, R15")
	g.p("BLT %s", done)
	g.p("VLD1.P 64(R1), %s", list(4, 4))
	for i := range 4 {
		g.nbf(4+i, 0)
	}
	g.p("VUZP2 V5.H8, V4.H8, V0.H8")
	g.p("VUZP2 V7.H8, V6.H8, V1.H8")
	g.p("VST1.P [V0.H8, V1.H8], 32(R0)")
	g.p("B %s", l)
	g.p("%s:", done)
	g.p("RET")
}

// neonTranspose8: R0 dst, R1 ldd, R2 src, R3 lds, R4 rows, R5 columns, in blocks of 4 x 4: R6 R7
// the block, R8 within it.
func (g *gen) neonTranspose8() {
	g.function("Transpose8", "(dst *float32, ldd int, src *float32, lds, rows, cols int)", 48)
	g.args("dst+0", "R0", "ldd+8", "R1", "src+16", "R2", "lds+24", "R3", "rows+32", "R4")
	rows, cols := g.label("rows"), g.label("cols")
	g.p("%s:", rows)
	g.args("cols+40", "R5")
	g.p("MOVD R2, R6")
	g.p("MOVD R0, R7")
	g.p("%s:", cols)
	g.p("MOVD R6, R8")
	for i := range 4 {
		g.nload("R8", i, 1, false)
		g.p("ADD R3, R8")
	}
	for i := 0; i < 4; i += 2 {
		g.p("VTRN1 V%d.S4, V%d.S4, V%d.S4", i+1, i, 4+i)
		g.p("VTRN2 V%d.S4, V%d.S4, V%d.S4", i+1, i, 5+i)
	}
	for i := range 2 {
		g.p("VTRN1 V%d.D2, V%d.D2, V%d.D2", 6+i, 4+i, i)
		g.p("VTRN2 V%d.D2, V%d.D2, V%d.D2", 6+i, 4+i, 2+i)
	}
	for i := range 4 {
		g.nstore(i, 1, "R7", false)
		g.p("ADD R1, R7")
	}
	g.p("ADD $16, R6")
	g.p("SUBS $4, R5, R5")
	g.p("BNE %s", cols)
	g.p("ADD R3<<2, R2, R2")
	g.p("ADD $16, R0")
	g.p("SUBS $4, R4, R4")
	g.p("BNE %s", rows)
	g.p("RET")
}
