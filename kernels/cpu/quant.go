package cpu

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Quantized weights, multiplied in their stored form: integers of 4 or 8 bits with a scale for each
// block of 32 along `in`.
//
// A block of 32 activations is converted to 16-bit integers with its own scale. The product of two
// blocks is an exact integer in every tier, and the sum over blocks is float32 in the order of the
// blocks, so a result depends neither on the number of rows nor on the number of threads.
//
//	x = sx xi, |xi| <= 32767       w = d q + m       Σ w x = d sx Σ q xi + m sx Σ xi
//
// Rounding the activations changes x by at most half of sx, 2^-16 of the block's largest value.

// Quant is a quantized type of ggml. A panel holds the weights of NR outputs; it is a sequence of
// blocks of 32 inputs (of 256 for the K types):
//
//	scales   Half: d [NR] float16.  Min: d [NR], m [NR] float16, m added.
//	         Super, of 256: d [NR], m [NR] float16, and then before each of 8 blocks
//	         s [NR], t [NR] bytes; the block's scale is d s and its minimum m t, subtracted.
//	         Sixteen, of 256: d [NR] float16, and before each of 8 blocks s [NR], t [NR] int8; the
//	         scale of the block's first 16 inputs is d s, that of the others d t
//	8 bits   [16 pairs of inputs][NR][2] int8
//	4 bits   [4][NR] words of 32 bits; half word h of word g holds inputs 8g+h, 8g+h+2, 8g+h+4 and
//	         8g+h+6, the first in its lowest bits; with scales of kind Half the value is q - 8
//
// Types with 3, 5 and 6 bits are stored with 8.
type Quant struct {
	// Name is the type's name in GGUF.
	Name string
	// Values is the number of values of a stored block, Bytes its size in bytes.
	Values, Bytes int
	Format        QuantFormat
	// decode reads the i-th 32 values of a stored block.
	decode func(q []int8, s *scales, src []byte, i int)
}

// QuantFormat is the layout of a panel. Tier.Quant has kernels for each.
type QuantFormat int

// The formats, by bits and kind of scales.
const (
	Q8Half QuantFormat = iota
	Q8Min
	Q8Super
	Q4Half
	Q4Min
	Q4Super
	Q8Sixteen
	QuantFormats
)

// The kinds of scales.
const (
	scaleHalf = iota
	scaleMin
	scaleSuper
	scaleSixteen
)

func (f QuantFormat) bits() int { return [...]int{8, 8, 8, 4, 4, 4, 8}[f] }

func (f QuantFormat) scales() int { return [...]int{0, 1, 2, 0, 1, 2, 3}[f] }

// Values returns the number of inputs of a panel's block.
func (f QuantFormat) Values() int {
	if f.scales() >= scaleSuper {
		return 256
	}
	return 32
}

// Bytes returns the size in bytes of a panel's block for nr outputs.
func (f QuantFormat) Bytes(nr int) int {
	_, _, at := f.offsets(nr, f.Values()/32-1)
	return at + 4*nr*f.bits()
}

// offsets returns where in a panel block i of 32 inputs has d (and m), s and t, and the integers.
func (f QuantFormat) offsets(nr, i int) (scale, factor, integers int) {
	n := 4 * nr * f.bits()
	switch f.scales() {
	case scaleHalf:
		scale = i * (2*nr + n)
		return scale, 0, scale + 2*nr
	case scaleMin:
		scale = i * (4*nr + n)
		return scale, 0, scale + 4*nr
	}
	head := 4 * nr
	if f.scales() == scaleSixteen {
		head = 2 * nr
	}
	scale = i / 8 * (head + 8*(2*nr+n))
	factor = scale + head + i%8*(2*nr+n)
	return scale, factor, factor + 2*nr
}

// quantBlock is a block of 32 activations: the integers, their scale, the scale times their sum,
// and -8 times their sum.
type quantBlock struct {
	q     [32]int16
	scale float32
	sum   float32
	minus int32
	_     int32
}

// QuantBlockBytes is the size of a block of 32 activations (see Tier.QuantRow).
const QuantBlockBytes = int(unsafe.Sizeof(quantBlock{}))

// QuantDot computes C = A W, or C += A W if add is not 0, for the NR outputs of a panel. A row of A
// is a sequence of blocks of quantized activations; lda is the distance between rows of A in bytes,
// ldc that between rows of C. blocks counts blocks of 32 inputs and is at least 1 (for Super a
// multiple of 8).
type QuantDot func(c unsafe.Pointer, ldc int, a unsafe.Pointer, lda int, w unsafe.Pointer, blocks, add int)

// QuantKernels are the kernels of a format.
type QuantKernels struct {
	// Dot is indexed by the number of rows; Dot[0] is nil.
	Dot []QuantDot
	// Unpack writes the values of blocks of 32 inputs, [input][NR], as ggml dequantizes them.
	Unpack func(dst *float32, w unsafe.Pointer, blocks int)
}

// quantTiny is a lower bound: a block of activations whose largest magnitude is below it is treated
// as zeros.
const quantTiny = 0x1p-100

// goQuantRow quantizes blocks of 32 activations. If a value is not finite, neither is the scale.
func goQuantRow(dst unsafe.Pointer, x *float32, blocks int) {
	out, xs := unsafe.Slice((*quantBlock)(dst), blocks), unsafe.Slice(x, 32*blocks)
	for b := range out {
		o, v := &out[b], xs[32*b:32*b+32]
		var m uint32
		for _, f := range v {
			m = max(m, math.Float32bits(f)&0x7fffffff) // NaN compares larger than any number
		}
		most := math.Float32frombits(m)
		inv := float32(0)
		if !(most < quantTiny) {
			inv = 32767 / most
		}
		sum := int32(0)
		for i, f := range v {
			n := int32(max(-32768, min(32767, math.RoundToEven(float64(f*inv)))))
			o.q[i] = int16(n)
			sum += n
		}
		o.scale = most / 32767
		o.sum, o.minus = o.scale*float32(sum), -8*sum
	}
}

// scales are the scales of a block of 32 inputs of one output.
type scales struct {
	d, m uint16 // float16
	s, t uint8
}

// QuantOf returns the quantized type of a name, or nil if there are no kernels for it.
func QuantOf(name string) *Quant {
	for i := range quants {
		if quants[i].Name == name {
			return &quants[i]
		}
	}
	return nil
}

// QuantNames lists the quantized types.
func QuantNames() (names []string) {
	for _, q := range quants {
		names = append(names, q.Name)
	}
	return names
}

var quants = []Quant{
	{"Q8_0", 32, 34, Q8Half, func(q []int8, s *scales, src []byte, _ int) {
		s.d = binary.LittleEndian.Uint16(src)
		for i, v := range src[2:34] {
			q[i] = int8(v)
		}
	}},
	{"Q5_0", 32, 22, Q8Half, func(q []int8, s *scales, src []byte, _ int) {
		s.d = binary.LittleEndian.Uint16(src)
		nibbles(q, src[6:22])
		fifth(q, binary.LittleEndian.Uint32(src[2:]))
		for i := range q {
			q[i] -= 16
		}
	}},
	{"IQ4_NL", 32, 18, Q8Half, func(q []int8, s *scales, src []byte, _ int) {
		s.d = binary.LittleEndian.Uint16(src)
		nibbles(q, src[2:18])
		for i, v := range q {
			q[i] = nonlinear[v]
		}
	}},
	{"Q5_1", 32, 24, Q8Min, func(q []int8, s *scales, src []byte, _ int) {
		s.d, s.m = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
		nibbles(q, src[8:24])
		fifth(q, binary.LittleEndian.Uint32(src[4:]))
	}},
	{"Q4_0", 32, 18, Q4Half, func(q []int8, s *scales, src []byte, _ int) {
		s.d = binary.LittleEndian.Uint16(src)
		nibbles(q, src[2:18])
	}},
	{"Q4_1", 32, 20, Q4Min, func(q []int8, s *scales, src []byte, _ int) {
		s.d, s.m = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
		nibbles(q, src[4:20])
	}},
	{"Q4_K", 256, 144, Q4Super, superBlock},
	{"Q5_K", 256, 176, Q8Super, superBlock},
	{"Q6_K", 256, 210, Q8Sixteen, func(q []int8, s *scales, src []byte, i int) {
		s.d, s.s, s.t = binary.LittleEndian.Uint16(src[208:]), src[192+2*i], src[193+2*i]
		low, high := src[i/4*64+i%2*32:], src[128+i/4*32:]
		for x := range q {
			q[x] = int8(low[x]>>(i%4/2*4)&15|high[x]>>(i%4*2)&3<<4) - 32
		}
	}},
	{"Q3_K", 256, 110, Q8Sixteen, func(q []int8, s *scales, src []byte, i int) {
		s.d = binary.LittleEndian.Uint16(src[108:])
		scale := func(b int) uint8 { // 6 bits in two parts
			p := src[96:108]
			return (p[b%8]>>(b/8*4)&15 | p[8+b%4]>>(b/4*2)&3<<4) - 32
		}
		s.s, s.t = scale(2*i), scale(2*i+1)
		low := src[32+i/4*32:]
		for x := range q {
			q[x] = int8(low[x]>>(i%4*2)&3) - int8(^src[x]>>i&1)<<2
		}
	}},
}

// nonlinear is the codebook of IQ4_NL.
var nonlinear = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// nibbles reads 32 values of 4 bits: the low halves of 16 bytes, then the high halves.
func nibbles(q []int8, src []byte) {
	for i, v := range src {
		q[i], q[i+16] = int8(v&15), int8(v>>4)
	}
}

// fifth adds bit i of bits to value i as its fifth bit.
func fifth(q []int8, bits uint32) {
	for i := range q {
		q[i] |= int8(bits>>i&1) << 4
	}
}

// superBlock reads block i of a superblock of Q4_K or Q5_K: d, m, 12 bytes with eight 6-bit scales
// and minimums, for Q5_K 32 bytes of fifth bits, and 128 bytes of 4-bit values.
func superBlock(q []int8, s *scales, src []byte, i int) {
	s.d, s.m = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
	packed, low := src[4:16], src[len(src)-128:]
	if i < 4 {
		s.s, s.t = packed[i]&63, packed[i+4]&63
	} else {
		s.s, s.t = packed[i+4]&15|packed[i-4]>>6<<4, packed[i+4]>>4|packed[i]>>6<<4
	}
	for x, v := range low[i/2*32 : i/2*32+32] {
		q[x] = int8(v >> (i % 2 * 4) & 15)
	}
	if len(src) == 176 {
		for x, v := range src[16:48] {
			q[x] |= int8(v>>i&1) << 4
		}
	}
}

// Pack writes row j < nr of a panel; src is the row's stored blocks. It returns false if a scale is
// not finite, because the kernels would not compute what ggml computes.
func (t *Quant) Pack(panel []byte, nr, j int, src []byte) bool {
	f := t.Format
	var q [32]int8
	for block := 0; len(src) > 0; src = src[t.Bytes:] {
		for i := range t.Values / 32 {
			var s scales
			t.decode(q[:], &s, src[:t.Bytes], i)
			if s.d&0x7c00 == 0x7c00 || s.m&0x7c00 == 0x7c00 {
				return false
			}
			scale, factor, integers := f.offsets(nr, block)
			half(panel[scale:], j, s.d)
			if f.scales() == scaleMin || f.scales() == scaleSuper {
				half(panel[scale+2*nr:], j, s.m)
			}
			if f.scales() >= scaleSuper {
				panel[factor+j], panel[factor+nr+j] = s.s, s.t
			}
			t.put(panel[integers:], nr, j, &q)
			block++
		}
	}
	return true
}

func half(dst []byte, j int, v uint16) { binary.LittleEndian.PutUint16(dst[2*j:], v) }

// put writes the integers of output j of a block of 32 inputs.
func (t *Quant) put(data []byte, nr, j int, q *[32]int8) {
	if t.Format.bits() == 8 {
		for p := range 16 {
			data[2*(p*nr+j)], data[2*(p*nr+j)+1] = byte(q[2*p]), byte(q[2*p+1])
		}
		return
	}
	for g := range 4 {
		w := uint32(0)
		for i, v := range q[8*g : 8*g+8] {
			w |= uint32(v) << (i/2*4 + i%2*16)
		}
		binary.LittleEndian.PutUint32(data[4*(g*nr+j):], w)
	}
}

// quantGroup is a block of 32 inputs in a panel.
type quantGroup struct {
	f        QuantFormat
	nr       int
	scale    unsafe.Pointer // d of the outputs, then m
	factor   unsafe.Pointer // s and t (Super only)
	integers unsafe.Pointer
}

// group returns block i of 32 inputs.
func (f QuantFormat) group(panel unsafe.Pointer, nr, i int) quantGroup {
	scale, factor, integers := f.offsets(nr, i)
	return quantGroup{f, nr, unsafe.Add(panel, scale), unsafe.Add(panel, factor), unsafe.Add(panel, integers)}
}

// integersOf reads the integers of output j.
func (g quantGroup) integersOf(j int, q *[32]int32) {
	if g.f.bits() == 8 {
		for p := range 16 {
			v := (*[2]int8)(unsafe.Add(g.integers, 2*(p*g.nr+j)))
			q[2*p], q[2*p+1] = int32(v[0]), int32(v[1])
		}
		return
	}
	for x := range 4 {
		w := *(*uint32)(unsafe.Add(g.integers, 4*(x*g.nr+j)))
		for i := range 8 {
			q[8*x+i] = int32(w >> (i/2*4 + i%2*16) & 15)
			if g.f.scales() == 0 {
				q[8*x+i] -= 8
			}
		}
	}
}

// scalesOf returns the scale of output j in each half of the block, and the offset that is added to
// its values.
func (g quantGroup) scalesOf(j int) (d [2]float32, m float32) {
	h := func(i int) float32 { return float16(*(*uint16)(unsafe.Add(g.scale, 2*i))) }
	b := func(i int) uint8 { return *(*uint8)(unsafe.Add(g.factor, i)) }
	d[0] = h(j)
	switch g.f.scales() {
	case scaleMin:
		m = h(g.nr + j)
	case scaleSuper:
		d[0], m = d[0]*float32(b(j)), -(h(g.nr+j) * float32(b(g.nr+j)))
	case scaleSixteen:
		return [2]float32{d[0] * float32(int8(b(j))), d[0] * float32(int8(b(g.nr+j)))}, 0
	}
	d[1] = d[0]
	return d, m
}

// float16 returns the value of a finite float16.
func float16(h uint16) float32 {
	return math.Float32frombits(uint32(h&0x8000)<<16|uint32(h&0x7fff)<<13) * 0x1p112
}

// Row writes the values of output j of a panel of nr to dst, as Unpack does.
func (f QuantFormat) Row(dst []float32, panel unsafe.Pointer, nr, j int) {
	var q [32]int32
	for b := range len(dst) / 32 {
		g := f.group(panel, nr, b)
		g.integersOf(j, &q)
		d, m := g.scalesOf(j)
		for i, v := range q {
			dst[32*b+i] = float32(float32(v)*d[i/16]) + m
		}
	}
}

func goQuant(nr int) (k [QuantFormats]QuantKernels) {
	for f := range k {
		k[f] = QuantKernels{[]QuantDot{nil, goQuantDot(QuantFormat(f), nr)}, goUnpack(QuantFormat(f), nr)}
	}
	return k
}

// goQuantDot returns a QuantDot for one row.
func goQuantDot(f QuantFormat, nr int) QuantDot {
	return func(c unsafe.Pointer, _ int, a unsafe.Pointer, _ int, w unsafe.Pointer, blocks, add int) {
		var sums [MaxNR]float32
		var q [32]int32
		for b, x := range unsafe.Slice((*quantBlock)(a), blocks) {
			g := f.group(w, nr, b)
			for j := range nr {
				g.integersOf(j, &q)
				var n [2]int32
				for i, v := range q {
					n[i/16] += v * int32(x.q[i])
				}
				d, m := g.scalesOf(j)
				if f.scales() == scaleSixteen {
					sums[j] += d[0] * x.scale * float32(n[0])
					sums[j] += d[1] * x.scale * float32(n[1])
				} else {
					sums[j] += d[0] * x.scale * float32(n[0]+n[1])
				}
				if m != 0 {
					sums[j] += m * x.sum
				}
			}
		}
		goStore(unsafe.Slice((*float32)(c), nr), sums[:nr], add)
	}
}

func goUnpack(f QuantFormat, nr int) func(dst *float32, w unsafe.Pointer, blocks int) {
	return func(dst *float32, w unsafe.Pointer, blocks int) {
		out := unsafe.Slice(dst, 32*blocks*nr)
		var q [32]int32
		for b := range blocks {
			g := f.group(w, nr, b)
			for j := range nr {
				g.integersOf(j, &q)
				d, m := g.scalesOf(j)
				for i, v := range q {
					out[(32*b+i)*nr+j] = float32(float32(v)*d[i/16]) + m
				}
			}
		}
	}
}
