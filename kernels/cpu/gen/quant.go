package main

import "fmt"

// The kernels for quantized weights: quant.go of kernels/cpu defines them and the layout of a
// panel.

// The fields of a block of 32 quantized activations.
const (
	quantBlock = 80
	quantScale = 64
	quantSum   = 68
	quantMinus = 72
)

// scaleKind is the kind of a format's scales.
type scaleKind int

const (
	scaleHalf scaleKind = iota
	scaleMin
	scaleSuper
	scaleSixteen
)

func (k scaleKind) minimum() bool { return k == scaleMin || k == scaleSuper }

// quantFormat is a layout of panels.
type quantFormat struct {
	name   string
	bits   int
	scales scaleKind
}

var quantFormats = []quantFormat{
	{"Q8Half", 8, scaleHalf}, {"Q8Min", 8, scaleMin}, {"Q8Super", 8, scaleSuper},
	{"Q4Half", 4, scaleHalf}, {"Q4Min", 4, scaleMin}, {"Q4Super", 4, scaleSuper},
	{"Q8Sixteen", 8, scaleSixteen},
}

// quantRows is the maximum number of rows of a product: their sums, integer and float32, are in
// registers.
func (g *gen) quantRows() int {
	if g.mask {
		return 6
	}
	return 3
}

func (g *gen) quants() {
	for _, f := range quantFormats {
		for m := 1; m <= g.quantRows(); m++ {
			g.quantDot(f, m)
		}
		g.unpack(f)
	}
	g.quantRow()
	g.p("")
	for _, c := range []struct {
		name string
		bits uint32
	}{
		{"nibbles", 0x000f000f}, {"nibble", 15}, {"eight", 8}, {"magnitude", 0x7fffffff},
		{"most", 0x46fffe00}, {"tiny", 0x0d800000}, // 32767, 2^-100
	} {
		g.p("DATA %s<>+0(SB)/4, $%#08x", c.name, c.bits)
		g.p("GLOBL %s<>(SB), RODATA|NOPTR, $4", c.name)
	}
}

// bitwise returns the name of a bitwise instruction.
func (g *gen) bitwise(op string) string {
	if g.mask {
		return op + "D"
	}
	return op
}

// fill fills vector v with a constant.
func (g *gen) fill(name string, v int) { g.p("VPBROADCASTD %s<>(SB), V%d", name, v) }

// quantDot emits the kernel for m rows.
//
//	AVX-512: 0-11 integer sums (two each for up to 3 rows, of alternate pairs, added at the end),
//	         12-23 float32 sums, 24 25 weights, 30 nibbles
//	AVX2:    0-5 integer sums, 6-11 float32 sums, 12 13 weights, 15 temporary, 14 nibbles
//
// General registers: AX C, SI and R8 rows 0 and 3 of A, DX lda, CX blocks left, R11 W at the
// current block, R12 its superblock, R13 blocks left of that, R10 the integers of the current four
// pairs of inputs, R9 groups of four left.
func (g *gen) quantDot(f quantFormat, m int) {
	g.function(fmt.Sprintf("%sDot%d", f.name, m), "(c unsafe.Pointer, ldc int, a unsafe.Pointer, lda int, w unsafe.Pointer, blocks, add int)", 56)
	g.p("MOVQ c+0(FP), AX")
	g.p("MOVQ a+16(FP), SI")
	g.p("MOVQ lda+24(FP), DX")
	g.p("MOVQ w+32(FP), R11")
	g.p("MOVQ blocks+40(FP), CX")
	if m > 3 {
		g.p("LEAQ (SI)(DX*2), R8")
		g.p("ADDQ DX, R8")
	}
	facc, w, nib := 12, 24, 30
	if !g.mask {
		facc, w, nib = 6, 12, 14
	}
	split := g.mask && m <= 3
	sum := func(r, v int) int { return 2*r + v }
	row := func(r, off int) string {
		return fmt.Sprintf([]string{"%d(%s)", "%d(%s)(DX*1)", "%d(%s)(DX*2)"}[r%3], off, []string{"SI", "R8"}[r/3])
	}
	advance := func(n int) {
		g.p("ADDQ $%d, SI", n)
		if m > 3 {
			g.p("ADDQ $%d, R8", n)
		}
	}
	for i := range 2 * m {
		g.zero(facc + i)
	}
	if f.bits == 4 {
		g.fill("nibbles", nib)
	}
	clear := func() {
		for r := range m {
			for v := range 2 {
				if f.bits == 4 && f.scales == scaleHalf { // values are q - 8
					g.p("VPBROADCASTD %s, V%d", row(r, quantMinus), sum(r, v))
				} else {
					g.zero(sum(r, v))
				}
				if split {
					g.zero(6 + sum(r, v))
				}
			}
		}
	}
	// fours adds up n times four pairs.
	fours := func(n int) {
		g.p("MOVQ $%d, R9", n)
		pairs := g.label("pairs")
		g.p("%s:", pairs)
		for p := range 4 {
			for v := range 2 {
				g.pairOf(f, p, v, w+v, nib)
			}
			for r := range m {
				for v := range 2 {
					if g.mask {
						to := sum(r, v)
						if split {
							to += p % 2 * 6
						}
						g.p("VPDPWSSD.BCST %s, V%d, V%d", row(r, 4*p), w+v, to)
						continue
					}
					g.p("VPBROADCASTD %s, V15", row(r, 4*p))
					g.p("VPMADDWD V15, V%d, V15", w+v)
					g.p("VPADDD V15, V%d, V%d", sum(r, v), sum(r, v))
				}
			}
		}
		g.p("ADDQ $%d, R10", 2*g.w*f.bits)
		advance(16)
		g.p("DECQ R9")
		g.p("JNZ %s", pairs)
	}
	// scaled adds the integer sums of a half block, times its scale, to the float32 sums. done is
	// the number of inputs of the block before this half.
	scaled := func(half, done int) {
		for v := range 2 {
			g.scale(f, half, v, w, w+1)
			for r := range m {
				if split {
					g.p("VPADDD V%d, V%d, V%d", 6+sum(r, v), sum(r, v), sum(r, v))
				}
				g.p("VBROADCASTSS %s, V%d", row(r, quantScale-2*done), w+1)
				g.p("VMULPS V%d, V%d, V%d", w+1, w, w+1)
				g.p("VCVTDQ2PS V%d, V%d", sum(r, v), sum(r, v))
				g.p("VFMADD231PS V%d, V%d, V%d", sum(r, v), w+1, facc+2*r+v)
			}
			if !f.scales.minimum() {
				continue
			}
			g.minimum(f, v, w, w+1)
			for r := range m {
				g.p("VBROADCASTSS %s, V%d", row(r, quantSum-2*done), w+1)
				op := "VFMADD231PS"
				if f.scales == scaleSuper {
					op = "VFNMADD231PS"
				}
				g.p("%s V%d, V%d, V%d", op, w, w+1, facc+2*r+v)
			}
		}
	}
	g.quantBlocks(f, func() {
		g.p("LEAQ %d(R11), R10", g.headerBytes(f))
		if f.scales == scaleSixteen {
			for half := range 2 {
				clear()
				fours(2)
				scaled(half, 16*(half+1))
			}
		} else {
			clear()
			fours(4)
			scaled(0, 32)
		}
		advance(quantBlock - 64)
	})
	g.p("MOVQ ldc+8(FP), BX")
	add := g.label("add")
	g.p("CMPQ add+48(FP), $0")
	g.p("JNE %s", add)
	for _, plus := range []bool{false, true} {
		if plus {
			g.p("%s:", add)
		}
		for r := range m {
			for v := range 2 {
				at := fmt.Sprintf("%d(AX)", 4*g.w*v)
				if plus {
					g.p("VADDPS %s, V%d, V%d", at, facc+2*r+v, facc+2*r+v)
				}
				g.p("VMOVUPS V%d, %s", facc+2*r+v, at)
			}
			if r < m-1 {
				g.p("ADDQ BX, AX")
			}
		}
		g.ret()
	}
}

// pairOf loads pair p of the four pairs of inputs at R10 into register w, for vector v of the
// outputs, as 16-bit words.
func (g *gen) pairOf(f quantFormat, p, v, w, nib int) {
	if f.bits == 8 {
		g.p("VPMOVSXBW %d(R10), V%d", (2*p+v)*2*g.w, w)
		return
	}
	at := fmt.Sprintf("%d(R10)", v*4*g.w)
	if p == 0 {
		g.p("%s %s, V%d, V%d", g.bitwise("VPAND"), at, nib, w)
		return
	}
	g.loadShift(at, 4*p, w)
	if p < 3 {
		g.p("%s V%d, V%d, V%d", g.bitwise("VPAND"), w, nib, w)
	}
}

// loadShift loads 16-bit words shifted to the right.
func (g *gen) loadShift(at string, bits, v int) {
	if g.mask {
		g.p("VPSRLW $%d, %s, V%d", bits, at, v)
		return
	}
	g.p("VMOVUPS %s, V%d", at, v)
	g.p("VPSRLW $%d, V%d, V%d", bits, v, v)
}

// headerBytes is the number of bytes before a block's integers at R11.
func (g *gen) headerBytes(f quantFormat) int {
	if f.scales == scaleMin {
		return 8 * g.w
	}
	return 4 * g.w // s and t (not for Half)
}

// quantBlocks emits the loop over CX blocks of 32 inputs at R11.
func (g *gen) quantBlocks(f quantFormat, body func()) {
	outer, inner := g.label("super"), g.label("block")
	step := g.headerBytes(f) + 8*g.w*f.bits
	super := f.scales == scaleSuper || f.scales == scaleSixteen
	if super {
		g.p("%s:", outer)
		g.p("MOVQ R11, R12")
		if f.scales == scaleSuper {
			g.p("ADDQ $%d, R11", 8*g.w)
		} else {
			g.p("ADDQ $%d, R11", 4*g.w)
		}
		g.p("MOVQ $8, R13")
	}
	g.p("%s:", inner)
	body()
	g.p("ADDQ $%d, R11", step)
	g.p("DECQ CX")
	if super {
		g.p("DECQ R13")
		g.p("JNZ %s", inner)
		g.p("TESTQ CX, CX")
		g.p("JNZ %s", outer)
		return
	}
	g.p("JNZ %s", inner)
}

// half loads a vector of float16.
func (g *gen) half(at string, v int) { g.p("VCVTPH2PS %s, V%d", at, v) }

// scale loads the scales of vector v of the outputs, in a half of the block, into register d; t is
// a temporary.
func (g *gen) scale(f quantFormat, half, v, d, t int) {
	switch f.scales {
	case scaleSuper:
		g.half(fmt.Sprintf("%d(R12)", 2*g.w*v), d)
		g.factor("VPMOVZXBD", g.w*v, d, t)
	case scaleSixteen:
		g.half(fmt.Sprintf("%d(R12)", 2*g.w*v), d)
		g.factor("VPMOVSXBD", g.w*(2*half+v), d, t)
	default:
		g.half(fmt.Sprintf("%d(R11)", 2*g.w*v), d)
	}
}

// minimum loads the minimums of vector v of the outputs into register m; t is a temporary.
func (g *gen) minimum(f quantFormat, v, m, t int) {
	if f.scales == scaleMin {
		g.half(fmt.Sprintf("%d(R11)", 4*g.w+2*g.w*v), m)
		return
	}
	g.half(fmt.Sprintf("%d(R12)", 4*g.w+2*g.w*v), m)
	g.factor("VPMOVZXBD", g.w*(2+v), m, t)
}

// factor multiplies register d by bytes of the block.
func (g *gen) factor(widen string, off, d, t int) {
	g.p("%s %d(R11), V%d", widen, off, t)
	g.p("VCVTDQ2PS V%d, V%d", t, t)
	g.p("VMULPS V%d, V%d, V%d", t, d, d)
}

// unpack emits the kernel that dequantizes.
//
// DI is the destination; 0 2 scales and 1 3 minimums of the two vectors, 4-7 temporaries, 8-10
// constants.
func (g *gen) unpack(f quantFormat) {
	g.function(f.name+"Unpack", "(dst *float32, w unsafe.Pointer, blocks int)", 24)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ w+8(FP), R11")
	g.p("MOVQ blocks+16(FP), CX")
	if f.bits == 4 {
		g.fill("nibble", 8)
		g.fill("eight", 9)
	}
	g.quantBlocks(f, func() {
		data := g.headerBytes(f)
		for p := range 16 {
			for v := range 2 {
				if p == 0 || p == 8 && f.scales == scaleSixteen {
					g.scale(f, p/8, v, 2*v, 4)
				}
				if p == 0 && f.scales.minimum() {
					g.minimum(f, v, 2*v+1, 4)
				}
			}
			for v := range 2 {
				if f.bits == 8 {
					g.p("VPMOVSXBW %d(R11), V5", data+(2*p+v)*2*g.w)
					g.p("VPSLLD $16, V5, V4")
					g.p("VPSRAD $16, V4, V4")
					g.p("VPSRAD $16, V5, V5")
				} else {
					g.p("VMOVUPS %d(R11), V6", data+(p/4*2+v)*4*g.w)
					for i := range 2 {
						at := 6
						if n := 4*(p%4) + 16*i; n > 0 {
							at = 4 + i
							g.p("VPSRLD $%d, V6, V%d", n, at)
						}
						g.p("%s V%d, V8, V%d", g.bitwise("VPAND"), at, 4+i)
						if f.scales == scaleHalf {
							g.p("VPSUBD V9, V%d, V%d", 4+i, 4+i)
						}
					}
				}
				for i := range 2 {
					g.p("VCVTDQ2PS V%d, V%d", 4+i, 4+i)
					g.p("VMULPS V%d, V%d, V%d", 2*v, 4+i, 4+i)
					switch f.scales {
					case scaleMin:
						g.p("VADDPS V%d, V%d, V%d", 2*v+1, 4+i, 4+i)
					case scaleSuper:
						g.p("VSUBPS V%d, V%d, V%d", 2*v+1, 4+i, 4+i)
					}
					g.p("VMOVUPS V%d, %d(DI)", 4+i, 4*g.w*(2*(2*p+i)+v))
				}
			}
		}
		g.p("ADDQ $%d, DI", 32*8*g.w)
	})
	g.ret()
}

// quantRow emits the kernel that quantizes activations: DI the destination, SI x, CX blocks left;
// 0-3 the values, 4-7 temporaries, 8 32767, 9 2^-100, 10 the mask of a magnitude.
func (g *gen) quantRow() {
	g.function("QuantRow", "(dst unsafe.Pointer, x *float32, blocks int)", 24)
	g.p("MOVQ dst+0(FP), DI")
	g.p("MOVQ x+8(FP), SI")
	g.p("MOVQ blocks+16(FP), CX")
	g.p("VMOVSS most<>(SB), X8")
	g.p("VMOVSS tiny<>(SB), X9")
	g.fill("magnitude", 10)
	n := 32 / g.w
	loop := g.label("block")
	g.p("%s:", loop)
	for i := range n {
		g.p("VMOVUPS %d(SI), V%d", 4*g.w*i, i)
		if i == 0 {
			g.p("%s V0, V10, V4", g.bitwise("VPAND"))
		} else {
			g.p("%s V%d, V10, V5", g.bitwise("VPAND"), i)
			g.p("VPMAXSD V4, V5, V4")
		}
	}
	g.reduce(4, "VPMAXSD")
	g.p("VDIVSS X8, X4, X6")      // the scale
	g.p("VDIVSS X4, X8, X7")      // its inverse
	g.p("VCMPSS $5, X9, X4, X11") // not less than 2^-100
	g.p("VANDPS X11, X7, X7")
	g.p("VBROADCASTSS X7, V7")
	for i := range n {
		g.p("VMULPS V%d, V7, V%d", i, i)
		g.p("VCVTPS2DQ V%d, V%d", i, i)
	}
	if g.mask {
		for i := range n {
			g.p("VPMOVSDW V%d, %d(DI)", i, 2*g.w*i)
		}
	} else {
		for i := 0; i < n; i += 2 {
			g.p("VPACKSSDW V%d, V%d, V5", i+1, i)
			g.p("VPERMQ $0xd8, V5, V5")
			g.p("VMOVUPS V5, %d(DI)", 2*g.w*i)
		}
	}
	for i := 1; i < n; i++ {
		g.p("VPADDD V%d, V0, V0", i)
	}
	g.reduce(0, "VPADDD")
	g.p("VCVTDQ2PS X0, X1")
	g.p("VMULSS X1, X6, X1")
	g.p("VPSLLD $3, X0, X0")
	g.p("VPXOR X2, X2, X2")
	g.p("VPSUBD X0, X2, X0")
	g.p("VMOVSS X6, %d(DI)", quantScale)
	g.p("VMOVSS X1, %d(DI)", quantSum)
	g.p("VMOVSS X0, %d(DI)", quantMinus)
	g.p("MOVL $0, %d(DI)", quantMinus+4)
	g.p("ADDQ $%d, DI", quantBlock)
	g.p("ADDQ $128, SI")
	g.p("DECQ CX")
	g.p("JNZ %s", loop)
	g.ret()
}

// reduce combines the lanes of vector v into the lowest; it uses 5.
func (g *gen) reduce(v int, op string) {
	if g.mask {
		g.p("VEXTRACTI64X4 $1, V%d, Y5", v)
		g.p("%s Y5, Y%d, Y%d", op, v, v)
	}
	g.p("VEXTRACTI128 $1, Y%d, X5", v)
	g.p("%s X5, X%d, X%d", op, v, v)
	for _, shuffle := range []int{0x4e, 0xb1} {
		g.p("VPSHUFD $%#x, X%d, X5", shuffle, v)
		g.p("%s X5, X%d, X%d", op, v, v)
	}
}
