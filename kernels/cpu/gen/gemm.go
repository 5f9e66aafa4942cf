package main

import "fmt"

// bKind is how a matrix kernel reads its B.
type bKind int

const (
	bF32  bKind = iota // float32
	bWide              // bfloat16 pairs along k, widened to float32; A is float32
	bDot               // bfloat16 pairs along k, multiplied as pairs (VDPBF16PS); A is bfloat16 pairs too
)

const gemmSignature = "(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs, cs int, b unsafe.Pointer, ldb, k, n, add int)"

func (g *gen) gemms() {
	for m := 1; m <= g.mr; m++ {
		g.gemm(fmt.Sprintf("GemmF32x%d", m), m, bF32)
	}
	for m := 1; m <= g.wideMR; m++ {
		g.gemm(fmt.Sprintf("GemmWide%d", m), m, bWide)
	}
	if g.mask {
		for m := 1; m <= g.mr; m++ {
			g.gemm(fmt.Sprintf("GemmDot%d", m), m, bDot)
		}
	}
}

// gemm emits the kernel for m rows of C.
//
// General registers: AX C, BX ldc, CX k, DX rs, R10 cs, R11 B at the current k, R12 ldb, R13
// scratch or the lane mask's address, and SI DI R8 R9 the addresses of rows 0 3 6 9 of A at the
// current k.
//
//	AVX-512: 0-3 a row (pair of rows) of B, 4 5 broadcasts, 7 constant, 8-31 C; K1 K2 the lanes of the two vectors.
//	AVX2:    0 1 (0-3) a row (pair of rows) of B, 2 3 (12 13) broadcasts, 15 constant, 4-15 (4-11) C.
func (g *gen) gemm(name string, m int, kind bKind) {
	g.function(name, gemmSignature, 80)
	g.p("MOVQ n+64(FP), CX")
	if g.mask {
		g.p("MOVQ $1, R13")
		g.p("SHLQ CX, R13")
		g.p("DECQ R13")
		g.p("KMOVW R13, K1")
		g.p("SHRQ $16, R13")
		g.p("KMOVW R13, K2")
	} else {
		g.p("LEAQ lanes<>+64(SB), R13")
		g.p("SHLQ $2, CX")
		g.p("SUBQ CX, R13")
	}
	g.p("MOVQ c+0(FP), AX")
	g.p("MOVQ ldc+8(FP), BX")
	g.p("MOVQ a+16(FP), SI")
	g.p("MOVQ rs+24(FP), DX")
	g.p("MOVQ cs+32(FP), R10")
	g.p("MOVQ b+40(FP), R11")
	g.p("MOVQ ldb+48(FP), R12")
	rows := []string{"SI", "DI", "R8", "R9"}
	for i := 1; 3*i < m; i++ {
		g.p("LEAQ (%s)(DX*2), %s", rows[i-1], rows[i])
		g.p("ADDQ DX, %s", rows[i])
	}
	if g.mask {
		g.p("MOVQ k+56(FP), CX")
		g.gemmBody(m, kind, true)
		return
	}
	masked := g.label("masked")
	g.p("CMPQ CX, $64")
	g.p("MOVQ k+56(FP), CX")
	g.p("JLT %s", masked)
	g.gemmBody(m, kind, false)
	g.p("%s:", masked)
	g.gemmBody(m, kind, true)
}

// gemmBody emits the loop over k and the stores, up to the return.
func (g *gen) gemmBody(m int, kind bKind, masked bool) {
	acc, cst := 8, 7
	bc := []int{4, 5}
	if !g.mask {
		acc, cst = 4, 15
		bc = []int{2, 3}
		if kind == bWide {
			bc = []int{12, 13}
		}
	}
	for i := range 2 * m {
		if g.mask {
			g.p("VPXORQ V%d, V%d, V%d", acc+i, acc+i, acc+i)
		} else {
			g.p("VXORPS V%d, V%d, V%d", acc+i, acc+i, acc+i)
		}
	}
	if kind == bWide {
		if g.mask {
			g.p("VPTERNLOGD $255, V%d, V%d, V%d", cst, cst, cst)
		} else {
			g.p("VPCMPEQD V%d, V%d, V%d", cst, cst, cst)
		}
		g.p("VPSLLD $16, V%d, V%d", cst, cst)
	}
	loop, done, add := g.label("loop"), g.label("done"), g.label("add")
	g.p("TESTQ CX, CX")
	g.p("JZ %s", done)
	g.p("%s:", loop)
	for i := range 2 {
		switch {
		case g.mask:
			g.p("VMOVUPS.Z %d(R11), K%d, V%d", 64*i, i+1, i)
		case masked:
			g.p("VMOVUPS %d(R13), V%d", 32*i, i)
			g.p("VMASKMOVPS %d(R11), V%d, V%d", 32*i, i, i)
		default:
			g.p("VMOVUPS %d(R11), V%d", 32*i, i)
		}
	}
	if kind == bWide {
		// 0 1: the even k of the pairs; 2 3: the odd.
		for i := range 2 {
			if g.mask {
				g.p("VPANDD V%d, V%d, V%d", cst, i, i+2)
			} else {
				g.p("VPAND V%d, V%d, V%d", cst, i, i+2)
			}
			g.p("VPSLLD $16, V%d, V%d", i, i)
		}
	}
	for r := range m {
		at := []string{"(%s)", "(%s)(DX*1)", "(%s)(DX*2)"}[r%3]
		row := fmt.Sprintf(at, []string{"SI", "DI", "R8", "R9"}[r/3])
		c0, c1 := acc+2*r, acc+2*r+1
		b := bc[r%2]
		g.p("VBROADCASTSS %s, V%d", row, b)
		if kind == bDot {
			g.p("%s", dpbf16(c0, b, 0))
			g.p("%s", dpbf16(c1, b, 1))
			continue
		}
		g.p("VFMADD231PS V0, V%d, V%d", b, c0)
		g.p("VFMADD231PS V1, V%d, V%d", b, c1)
		if kind == bWide {
			o := bc[(r+1)%2]
			g.p("VBROADCASTSS 4%s, V%d", row, o)
			g.p("VFMADD231PS V2, V%d, V%d", o, c0)
			g.p("VFMADD231PS V3, V%d, V%d", o, c1)
		}
	}
	for i := 0; 3*i < m; i++ {
		r := []string{"SI", "DI", "R8", "R9"}[i]
		if kind == bWide {
			g.p("LEAQ (%s)(R10*2), %s", r, r)
		} else {
			g.p("ADDQ R10, %s", r)
		}
	}
	g.p("ADDQ R12, R11")
	g.p("DECQ CX")
	g.p("JNZ %s", loop)
	g.p("%s:", done)
	if !g.mask && masked {
		g.p("VMOVUPS (R13), V0")
		g.p("VMOVUPS 32(R13), V1")
	}
	store := func(sum bool) {
		for r := range m {
			for i := range 2 {
				c, at := acc+2*r+i, fmt.Sprintf("%d(AX)", 4*g.w*i)
				switch {
				case g.mask:
					if sum {
						g.p("VADDPS %s, V%d, K%d, V%d", at, c, i+1, c)
					}
					g.p("VMOVUPS V%d, K%d, %s", c, i+1, at)
				case masked:
					if sum {
						g.p("VMASKMOVPS %s, V%d, V2", at, i)
						g.p("VADDPS V2, V%d, V%d", c, c)
					}
					g.p("VMASKMOVPS V%d, V%d, %s", c, i, at)
				default:
					if sum {
						g.p("VADDPS %s, V%d, V%d", at, c, c)
					}
					g.p("VMOVUPS V%d, %s", c, at)
				}
			}
			if r < m-1 {
				g.p("ADDQ BX, AX")
			}
		}
		g.ret()
	}
	g.p("CMPQ add+72(FP), $0")
	g.p("JNE %s", add)
	store(false)
	g.p("%s:", add)
	store(true)
}

// dpbf16 is acc += a b on pairs of bfloat16.
func dpbf16(acc, a, b int) string {
	return evex("VDPBF16PS Z%d, Z%d, Z%d", 2, 0x52, acc, a, b)
}

// evex encodes an instruction of the AVX512_BF16 extension in bytes, because Go's assembler does
// not support them: EVEX.512.prefix.0F38.W0 opcode /r, d = op(a, b), or op(b) if a is 0. The
// comment's format gets b, a and d, in the operand order of Go's assembler.
func evex(comment string, prefix, opcode, d, a, b int) string {
	inv := func(x int) int { return ^x & 1 }
	p0 := inv(d>>3)<<7 | inv(b>>4)<<6 | inv(b>>3)<<5 | inv(d>>4)<<4 | 2
	p1 := (^a&15)<<3 | 1<<2 | prefix
	p2 := 2<<5 | inv(a>>4)<<3
	modrm := 3<<6 | (d&7)<<3 | b&7
	return fmt.Sprintf("BYTE $0x62; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x // ", p0, p1, p2, opcode, modrm) +
		fmt.Sprintf(comment, b, a, d)
}
