package main

import "fmt"

// The kernels on AMX tiles. A tile is up to 16 rows of 64 bytes; one
// instruction multiplies a tile of A (16 rows x 16 pairs of bfloat16) with a
// tile of B (16 pairs x 16 columns) onto a tile of C (16 x 16 float32).
//
// The tiles of a kernel, whose shapes the configuration gives:
//
//	0 1   C, upper rows, left and right columns     6  B, left columns
//	2 3   C, lower rows                             7  B, right columns
//	4     A, upper rows     5  A, lower rows
//
// Tile state belongs to the processor core, and the operating system preserves it across interrupts
// only between its configuration and its release. Both are in one assembly function, which the Go
// scheduler does not preempt.

// Numbers of general registers in instructions.
var regs = map[string]int{"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SI": 6, "DI": 7, "R8": 8, "R9": 9, "R10": 10, "R11": 11, "R12": 12, "R13": 13}

var gnuRegs = map[string]string{"AX": "rax", "CX": "rcx", "DX": "rdx", "BX": "rbx", "SI": "rsi", "DI": "rdi"}

func gnuReg(r string) string {
	if n, ok := gnuRegs[r]; ok {
		return "%" + n
	}
	return "%r" + r[1:]
}

// vex emits VEX.128.pp.0F38.W0 opcode with the given operand bytes. The comment has the form that
// GNU objdump prints.
func (g *gen) vex(comment string, r, x, b, v, pp, opcode int, operands ...int) {
	s := ""
	for _, c := range append([]int{0xc4, (^r&1)<<7 | (^x&1)<<6 | (^b&1)<<5 | 2, (^v&15)<<3 | pp, opcode}, operands...) {
		s += fmt.Sprintf("BYTE $%#02x; ", c)
	}
	g.p("%s // %s", s[:len(s)-2], comment)
}

// Prefixes as VEX encodes them.
const (
	vexNone = 0
	vex66   = 1
	vexF3   = 2
	vexF2   = 3
)

// tileMemory emits a load or store of tile t at disp(base); rows are stride bytes apart (a
// register).
func (g *gen) tileMemory(store bool, t int, base, stride string, disp int) {
	b, i, at := regs[base], regs[stride], fmt.Sprintf("%#x(%s,%s,1)", disp, gnuReg(base), gnuReg(stride))
	comment, pp := fmt.Sprintf("tileloadd %s,%%tmm%d", at, t), vexF2
	if store {
		comment, pp = fmt.Sprintf("tilestored %%tmm%d,%s", t, at), vexF3
	}
	g.vex(comment, 0, i>>3, b>>3, 0, pp, 0x4b, 1<<6|t<<3|4, (i&7)<<3|b&7, disp)
}

func (g *gen) tileZero(t int) {
	g.vex(fmt.Sprintf("tilezero %%tmm%d", t), 0, 0, 0, 0, vexF2, 0x49, 3<<6|t<<3)
}

// tileDot emits C += A B.
func (g *gen) tileDot(c, a, b int) {
	g.vex(fmt.Sprintf("tdpbf16ps %%tmm%d,%%tmm%d,%%tmm%d", b, a, c), 0, 0, 0, b, vexF3, 0x5c, 3<<6|c<<3|a)
}

func (g *gen) amxGemms() {
	for _, rows := range []int{1, 2} {
		for _, cols := range []int{1, 2} {
			g.amxGemm(rows, cols)
		}
	}
}

// amxGemm emits the kernel whose C is rows x cols tiles, for successive blocks of rows; see
// amx_amd64.go.
//
// General registers: AX C, BX ldc, SI A, DX rs, R11 B, R12 ldb, R9 the step of B, R10 blocks left,
// CX steps of k left or the address of the lower tiles of C; at the current k, DI and R8 the upper
// and lower rows of A, and R13 B.
func (g *gen) amxGemm(rows, cols int) {
	g.function(fmt.Sprintf("Tiles%dx%d", rows, cols),
		"(cfg *tileConfig, c unsafe.Pointer, ldc int, a unsafe.Pointer, rs int, b unsafe.Pointer, ldb, steps, add, blocks int)", 80)
	g.p("MOVQ cfg+0(FP), AX")
	g.vex("ldtilecfg (%rax)", 0, 0, 0, 0, vexNone, 0x49, 0)
	g.p("MOVQ c+8(FP), AX")
	g.p("MOVQ ldc+16(FP), BX")
	g.p("MOVQ a+24(FP), SI")
	g.p("MOVQ rs+32(FP), DX")
	g.p("MOVQ b+40(FP), R11")
	g.p("MOVQ ldb+48(FP), R12")
	g.p("MOVQ blocks+72(FP), R10")
	g.p("MOVQ R12, R9")
	g.p("SHLQ $4, R9")
	block, zero, begin, loop := g.label("block"), g.label("zero"), g.label("begin"), g.label("loop")
	// eachC visits the tiles of C; afterwards CX is the address of the lower ones.
	eachC := func(f func(t int, base string, disp int)) {
		for r := range rows {
			if r == 1 {
				g.p("MOVQ BX, CX")
				g.p("SHLQ $4, CX")
				g.p("ADDQ AX, CX")
			}
			for c := range cols {
				f(2*r+c, []string{"AX", "CX"}[r], 64*c)
			}
		}
	}
	g.p("%s:", block)
	g.p("CMPQ add+64(FP), $0")
	g.p("JEQ %s", zero)
	eachC(func(t int, base string, disp int) { g.tileMemory(false, t, base, "BX", disp) })
	g.p("JMP %s", begin)
	g.p("%s:", zero)
	for r := range rows {
		for c := range cols {
			g.tileZero(2*r + c)
		}
	}
	g.p("%s:", begin)
	g.p("MOVQ SI, DI")
	if rows == 2 {
		g.p("MOVQ DX, R8")
		g.p("SHLQ $4, R8")
		g.p("ADDQ SI, R8")
	}
	g.p("MOVQ R11, R13")
	g.p("MOVQ steps+56(FP), CX")
	g.p("%s:", loop)
	g.tileMemory(false, 4, "DI", "DX", 0)
	for c := range cols {
		g.tileMemory(false, 6+c, "R13", "R12", 64*c)
		g.tileDot(c, 4, 6+c)
	}
	if rows == 2 {
		g.tileMemory(false, 5, "R8", "DX", 0)
		for c := range cols {
			g.tileDot(2+c, 5, 6+c)
		}
		g.p("ADDQ $64, R8")
	}
	g.p("ADDQ $64, DI")
	g.p("ADDQ R9, R13")
	g.p("DECQ CX")
	g.p("JNZ %s", loop)
	eachC(func(t int, base string, disp int) { g.tileMemory(true, t, base, "BX", disp) })
	// The next block begins 16 or 32 rows later.
	for _, r := range [][2]string{{"BX", "AX"}, {"DX", "SI"}} {
		g.p("MOVQ %s, CX", r[0])
		g.p("SHLQ $%d, CX", 3+rows)
		g.p("ADDQ CX, %s", r[1])
	}
	g.p("DECQ R10")
	g.p("JNZ %s", block)
	g.vex("tilerelease", 0, 0, 0, 0, vexNone, 0x49, 0xc0)
	g.p("RET")
}
