//go:build cuda

package cudasim

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func bf16Bits(f float64) uint16 { return uint16(math.Float32bits(float32(f)) >> 16) } // exact for small integers

// small returns a matrix of small integers, whose products and sums are exact in every type.
func small(seed uint64, rows, cols int) [][]float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, cols)
		for j := range m[i] {
			m[i][j] = float64(r.IntN(15) - 7)
		}
	}
	return m
}

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type": with group = lane/4 and t
// = lane%4, a_i is in row group for i in {0,1,4,5}, else group+8, and column t*2 + (i&1), +8 for i
// >= 4; b_i in row t*2 + (i&1), +8 for i >= 2, column group; c_i in row group (+8 for i >= 2),
// column t*2 + (i&1).
func TestMmaBF16(t *testing.T) {
	a, b, c := small(1, 16, 16), small(2, 16, 8), small(3, 16, 8)
	in := make([][]uint32, 10)
	for q := range in {
		in[q] = lanesOf(func(l int) uint32 {
			g, th := l/4, l%4
			if q >= 6 {
				i := q - 6
				return math.Float32bits(float32(c[g+8*(i/2)][th*2+i%2]))
			}
			var v uint32
			for e := range 2 {
				var x float64
				if q < 4 {
					i := 2*q + e
					row, col := g, th*2+i&1
					if i == 2 || i == 3 || i >= 6 {
						row += 8
					}
					if i >= 4 {
						col += 8
					}
					x = a[row][col]
				} else {
					i := 2*(q-4) + e
					row := th*2 + i&1
					if i >= 2 {
						row += 8
					}
					x = b[row][g]
				}
				v |= uint32(bf16Bits(x)) << (16 * e)
			}
			return v
		})
	}
	out := lanes(t, "sm_80", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r50,%r51,%r52,%r53}, {%r0,%r1,%r2,%r3}, {%r4,%r5}, {%r6,%r7,%r8,%r9};", 4, in...)
	checkSums(t, out, a, b, c)
}

// PTX ISA, "Matrix Fragments for mma.m16n8k8": tf32: a_0 row group column t, a_1 row+8, a_2
// column+4, a_3 both; b_0 row t, b_1 row t+4, column group; the low 13 bits of a tf32 operand are
// ignored.
func TestMmaTF32(t *testing.T) {
	a, b, c := small(4, 16, 8), small(5, 8, 8), small(6, 16, 8)
	in := make([][]uint32, 10)
	for q := range in {
		in[q] = lanesOf(func(l int) uint32 {
			g, th := l/4, l%4
			switch {
			case q < 4:
				return math.Float32bits(float32(a[g+8*(q%2)][th+4*(q/2)])) | 0x1fff
			case q < 6:
				return math.Float32bits(float32(b[th+4*(q-4)][g]))
			default:
				i := q - 6
				return math.Float32bits(float32(c[g+8*(i/2)][th*2+i%2]))
			}
		})
	}
	out := lanes(t, "sm_80", "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r50,%r51,%r52,%r53}, {%r0,%r1,%r2,%r3}, {%r4,%r5}, {%r6,%r7,%r8,%r9};", 4, in...)
	checkSums(t, out, a, b, c)
}

func checkSums(t *testing.T, out [][]uint32, a, b, c [][]float64) {
	t.Helper()
	for i := range 4 {
		equal(t, fmt.Sprintf("d%d", i), out[i], lanesOf(func(l int) uint32 {
			row, col := l/4+8*(i/2), l%4*2+i%2
			s := c[row][col]
			for k := range b {
				s += a[row][k] * b[k][col]
			}
			return math.Float32bits(float32(s))
		}))
	}
}

// The result may use the registers of the operands.
func TestMmaInPlace(t *testing.T) {
	one := lanesOf(func(int) uint32 { return 0x3f803f80 })
	two := lanesOf(func(int) uint32 { return math.Float32bits(2) })
	out := lanes(t, "sm_80", `mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r0,%r1,%r2,%r3}, {%r0,%r1,%r2,%r3}, {%r0,%r1}, {%r4,%r4,%r4,%r4};
		mov.b32 %r50, %r0; mov.b32 %r51, %r3;`, 2, one, one, one, one, two)
	for _, v := range out {
		equal(t, "sum", v, lanesOf(func(int) uint32 { return math.Float32bits(18) }))
	}
}

// PTX ISA, "Warp-level matrix load instruction: ldmatrix": row r of matrix m is at the address of
// lane 8m+r; lane l receives elements l%4*2 and +1 of row l/4, or, with .trans, of column l/4.
// "stmatrix" stores what ldmatrix loads.
func TestMatrixAccess(t *testing.T) {
	in := make([][]uint32, 5)
	for q := range 4 {
		in[q] = lanesOf(func(l int) uint32 { return uint32(32*q+l)*2 | uint32(32*q+l)<<17 | 1<<16 }) // elements are 2i, 2i+1
	}
	perm := func(l int) int { return (l*5 + 3) % 32 } // lane l has the address of row perm(l) of 32 rows of 16 bytes
	in[4] = lanesOf(func(l int) uint32 { return uint32(16 * perm(l)) })
	fill := "mov.u32 %r40, smem; mad.lo.s32 %r41, %r99, 4, %r40; st.shared.b32 [%r41], %r0; st.shared.b32 [%r41+128], %r1; st.shared.b32 [%r41+256], %r2; st.shared.b32 [%r41+384], %r3; add.s32 %r42, %r40, %r4; bar.sync 0;\n"
	element := func(row, i int) uint32 { return uint32(8*row + i) }
	for _, n := range []int{1, 2, 4} {
		for _, trans := range []string{"", ".trans"} {
			want := func(q int) []uint32 {
				return lanesOf(func(l int) uint32 {
					row := func(r int) int { return perm(8*q + r) }
					if trans != "" {
						return element(row(l%4*2), l/4) | element(row(l%4*2+1), l/4)<<16
					}
					return element(row(l/4), l%4*2) | element(row(l/4), l%4*2+1)<<16
				})
			}
			regs := "{" + strings.Join([]string{"%r50", "%r51", "%r52", "%r53"}[:n], ", ") + "}"
			out := lanes(t, "sm_90a", fill+fmt.Sprintf("ldmatrix.sync.aligned.m8n8.x%d%s.shared.b16 %s, [%%r42];", n, trans, regs), n, in...)
			for q := range n {
				equal(t, fmt.Sprintf("ldmatrix.x%d%s matrix %d", n, trans, q), out[q], want(q))
			}
			// after stmatrix stores them 512 bytes further, the rows are at their old positions
			// when read word by word
			body := fill + fmt.Sprintf("ldmatrix.sync.aligned.m8n8.x%d%s.shared.b16 %s, [%%r42];\n", n, trans, regs) +
				"st.shared.b32 [%r41+512], %r99; st.shared.b32 [%r41+640], %r99; st.shared.b32 [%r41+768], %r99; st.shared.b32 [%r41+896], %r99; bar.sync 0;\n" +
				fmt.Sprintf("stmatrix.sync.aligned.m8n8.x%d%s.shared.b16 [%%r42+512], %s; bar.sync 0;\n", n, trans, regs) +
				"ld.shared.b32 %r50, [%r41+512]; ld.shared.b32 %r51, [%r41+640]; ld.shared.b32 %r52, [%r41+768]; ld.shared.b32 %r53, [%r41+896];"
			out = lanes(t, "sm_90a", body, 4, in...)
			stored := map[int]bool{}
			for l := range 8 * n {
				stored[perm(l)] = true
			}
			for q := range 4 {
				equal(t, fmt.Sprintf("stmatrix.x%d%s", n, trans), out[q], lanesOf(func(l int) uint32 {
					if stored[8*q+l/4] {
						return in[q][l]
					}
					return uint32(l)
				}))
			}
		}
	}
}

// operand describes how a wgmma operand is stored in shared memory.
type operand struct {
	swizzle int  // 128, 64 or 32 bytes; 16 for none
	mn      bool // M or N is contiguous ("transposed") instead of K
}

// strides returns strides chosen so that a wrong use of any of them is detected.
func (o operand) strides(size int) (leading, stride int) {
	switch {
	case !o.mn && o.swizzle == 16:
		return 128 * ((size + 7) / 8), 128 // 8 rows of 16 bytes; all rows, then the next 16 bytes of K
	case !o.mn:
		return 16, 8 * o.swizzle // 8 rows; leading is not used
	case o.swizzle == 16:
		return 128 * ((size + 7) / 8), 128 // stride: to the next 8 of M or N; leading: to the next 8 of K
	default:
		return 16 * o.swizzle, 8 * o.swizzle // leading: to the next swizzle/2 of M or N, after 2 times 8 of K
	}
}

// at returns the byte offset of element (i of M or N, k) from the operand's start.
//
// PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout" and "Matrix descriptor", in
// its notation of canonical layouts with T = 8 elements of 16 bits in 16 bytes: K-major
// ((8,m),(T,2)):((8T,SBO),(1,T)) with rows as wide as the swizzle (without swizzle
// ((8,m),(T,2)):((1T,SBO),(1,LBO))); MN-major ((T,w,m),(8,k)):((1,T,LBO),(wT,SBO)), w 16-byte units
// per row (without swizzle ((T,1,m),(8,k)):((1,T,SBO),(1T,LBO))). A swizzle of 128, 64 or 32 bytes
// XORs the index of the 16-byte unit in a 128-byte line with the index of the line modulo 8, 4 or
// 2.
func (o operand) at(i, k, size, bytes int) int {
	leading, stride := o.strides(size)
	t := 16 / bytes
	var a int
	switch {
	case !o.mn && o.swizzle == 16:
		a = i/8*stride + i%8*16 + k/t*leading + k%t*bytes
	case !o.mn:
		a = i/8*stride + i%8*o.swizzle + k*bytes
	case o.swizzle == 16:
		a = i/t*stride + i%t*bytes + k/8*leading + k%8*16
	default:
		row := o.swizzle / bytes
		a = i/row*leading + i%row*bytes + k/8*stride + k%8*o.swizzle
	}
	if o.swizzle > 16 {
		unit, line := a/16%8, a/128
		a += ((unit ^ line%(o.swizzle/16)) - unit) * 16
	}
	return a
}

func (o operand) descriptor(size int) uint64 {
	leading, stride := o.strides(size)
	mode := map[int]uint64{16: 0, 128: 1, 64: 2, 32: 3}[o.swizzle]
	return uint64(leading/16)<<16 | uint64(stride/16)<<32 | mode<<62
}

type wgmmaCase struct {
	n              int
	a, b           operand
	tf32           bool
	registers, set bool // registers: A is in registers; set: D is overwritten, not added to
	negA, negB     bool
}

const imageA, imageB, imageEnd = 0, 8 << 10, 40 << 10 // offsets in shared memory and in the global buffer, where the results follow

func (c wgmmaCase) k() int {
	if c.tf32 {
		return 8
	}
	return 16
}

// body returns PTX that copies the image to shared memory, multiplies, and stores the accumulators
// of one lane after another.
func (c wgmmaCase) body() string {
	var b strings.Builder
	fmt.Fprintf(&b, `.reg .b32 %%acc<%d>;
mov.u32 %%r0, %%tid.x; mov.u32 %%r1, smem; mad.lo.s32 %%r2, %%r0, 16, %%r1; mad.wide.u32 %%rd0, %%r0, 16, %%p0; mov.b32 %%r3, 0;
ld.global.v4.b32 {%%r10, %%r11, %%r12, %%r13}, [%%rd0];
COPY: ld.global.v4.b32 {%%r4, %%r5, %%r6, %%r7}, [%%rd0]; st.shared.v4.b32 [%%r2], {%%r4, %%r5, %%r6, %%r7};
add.s32 %%r2, %%r2, 2048; add.s64 %%rd0, %%rd0, 2048; add.s32 %%r3, %%r3, 1; setp.lt.s32 %%q1, %%r3, 20; @%%q1 bra COPY;
fence.proxy.async.shared::cta;
bar.sync 0;
shr.u32 %%r8, %%r1, 4; cvt.u64.u32 %%rd1, %%r8; or.b64 %%rd2, %%rd1, %d; add.s32 %%r9, %%r8, %d; cvt.u64.u32 %%rd1, %%r9; or.b64 %%rd3, %%rd1, %d;
`, c.n/2, int64(c.a.descriptor(64)), imageB/16, int64(c.b.descriptor(c.n)))
	var acc []string
	for i := range c.n / 2 {
		acc = append(acc, fmt.Sprintf("%%acc%d", i))
		fmt.Fprintf(&b, "mov.b32 %%acc%d, 0f3f800000;\n", i)
	}
	bit := map[bool]int{true: 1}
	sign := map[bool]int{true: -1, false: 1}
	a := "%rd2"
	if c.registers {
		a = "{%r10, %r11, %r12, %r13}"
	}
	fmt.Fprintf(&b, "wgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n%dk%d.f32.%s {%s}, %s, %%rd3, %d, %d, %d", c.n, c.k(),
		map[bool]string{true: "tf32.tf32", false: "bf16.bf16"}[c.tf32], strings.Join(acc, ","), a, bit[!c.set], sign[c.negA], sign[c.negB])
	if !c.tf32 {
		if !c.registers {
			fmt.Fprintf(&b, ", %d", bit[c.a.mn])
		}
		fmt.Fprintf(&b, ", %d", bit[c.b.mn])
	}
	fmt.Fprintf(&b, ";\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\nmad.wide.u32 %%rd4, %%r0, %d, %%p0;\n", 2*c.n)
	for i := range c.n / 2 {
		fmt.Fprintf(&b, "st.global.b32 [%%rd4+%d], %%acc%d;\n", imageEnd+4*i, i)
	}
	return b.String()
}

// PTX ISA, "Register Fragments and Shared Memory Matrix Layouts" of wgmma: element i of D in a lane
// is in row 16 warp + lane/4 + 8 (i/2 % 2), column 8 (i/4) + lane%4 * 2 + i%2; A in registers has
// the layout of mma.m16n8k16 in each warp.
func TestWgmma(t *testing.T) {
	var cases []wgmmaCase
	for _, sw := range []int{16, 32, 64, 128} {
		for mn := range 4 {
			cases = append(cases, wgmmaCase{n: 64, a: operand{sw, mn&1 != 0}, b: operand{sw, mn&2 != 0}})
		}
		cases = append(cases, wgmmaCase{n: 32, a: operand{sw, false}, b: operand{128, false}, tf32: true})
		cases = append(cases, wgmmaCase{n: 40, a: operand{128, false}, b: operand{sw, false}, tf32: true, set: true})
	}
	d := operand{swizzle: 128}
	for _, n := range []int{8, 16, 24, 128, 256} {
		cases = append(cases, wgmmaCase{n: n, a: d, b: d})
	}
	cases = append(cases, wgmmaCase{n: 64, a: d, b: d, set: true}, wgmmaCase{n: 64, a: d, b: d, negA: true}, wgmmaCase{n: 64, a: d, b: operand{128, true}, negB: true},
		wgmmaCase{n: 64, a: d, b: d, registers: true}, wgmmaCase{n: 128, a: d, b: operand{128, true}, registers: true})
	for _, c := range cases {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			s := use(t)
			a, b := small(7, 64, c.k()), small(8, c.k(), c.n)
			image := make([]byte, imageEnd)
			bytes := 2
			if c.tf32 {
				bytes = 4
			}
			used := map[int]bool{}
			put := func(at int, v float64) {
				if used[at] {
					t.Fatal("two elements at one address")
				}
				used[at] = true
				if c.tf32 {
					binary.LittleEndian.PutUint32(image[at:], math.Float32bits(float32(v))|0x1fff)
				} else {
					binary.LittleEndian.PutUint16(image[at:], bf16Bits(v))
				}
			}
			for i := range 64 {
				for k := range c.k() {
					at := imageA + c.a.at(i, k, 64, bytes)
					if c.registers { // 16 bytes for each thread: its four registers
						r, col := i%16, k
						lane := r%8*4 + col%8/2
						at = (i/16*32+lane)*16 + (r/8+col/8*2)*4 + col%2*2
					}
					put(at, a[i][k])
				}
			}
			for j := range c.n {
				for k := range c.k() {
					put(imageB+c.b.at(j, k, c.n, bytes), b[k][j])
				}
			}
			p, err := s.Alloc(imageEnd + 128*2*c.n)
			if err == nil {
				err = s.Write(p, image)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := launch(t, s, kernel("sm_90a", 128, 1, c.body()), 1, 128, imageEnd, p); err != nil {
				t.Fatalf("%v: %v", err, s.Findings())
			}
			got := make([]byte, 128*2*c.n)
			if err := s.Read(got, p+imageEnd); err != nil {
				t.Fatal(err)
			}
			for th := range 128 {
				for i := range c.n / 2 {
					row, col := th/32*16+th%32/4+8*(i/2%2), 8*(i/4)+th%4*2+i%2
					want := 0.0
					for k := range c.k() {
						want += a[row][k] * b[k][col]
					}
					if c.negA != c.negB {
						want = -want
					}
					if !c.set {
						want++
					}
					if g := math.Float32frombits(binary.LittleEndian.Uint32(got[(th*c.n/2+i)*4:])); !(float64(g) == want) {
						t.Fatalf("D[%d][%d] is %v, want %v", row, col, g, want)
					}
				}
			}
		})
	}
}
