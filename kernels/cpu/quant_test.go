package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// quantTiers runs f for every tier of this machine that has kernels for quantized weights.
func quantTiers(t *testing.T, f func(t *testing.T, k *Tier)) {
	eachTier(t, func(t *testing.T, k *Tier) {
		if k.QuantRow == nil {
			t.Skip("this tier has no kernels for quantized weights")
		}
		f(t, k)
	})
}

// scalesAt returns where a stored block has its float16 scales.
func scalesAt(q *Quant) []int {
	switch {
	case q.Format.scales() == scaleSixteen:
		return []int{q.Bytes - 2}
	case q.Format.scales() == scaleHalf:
		return []int{0}
	}
	return []int{0, 2}
}

// storedRow returns a row of random blocks with finite scales.
func storedRow(r *rand.Rand, q *Quant, blocks int) []byte {
	row := make([]byte, blocks*q.Bytes)
	for i := range row {
		row[i] = byte(r.Uint32())
	}
	for b := range blocks {
		for _, at := range scalesAt(q) { // denormals too
			half(row[b*q.Bytes+at:], 0, uint16(r.IntN(0x2c00))|uint16(r.IntN(2))<<15)
		}
	}
	return row
}

// packed returns a panel of random rows, with NaN around it.
func packed(t *testing.T, r *rand.Rand, q *Quant, nr, in int) unsafe.Pointer {
	n := in / q.Format.Values() * q.Format.Bytes(nr)
	p := unsafe.Slice((*byte)(unsafe.Pointer(&poisoned(n / 4)[0])), n)
	for j := range nr {
		if !q.Pack(p, nr, j, storedRow(r, q, in/q.Values)) {
			t.Fatal("finite scales were rejected")
		}
	}
	return unsafe.Pointer(&p[0])
}

func TestQuantRow(t *testing.T) {
	quantTiers(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		const blocks = 40
		x := random(r, 32*blocks)
		for b := range blocks {
			scale := float32(math.Exp2(float64(r.IntN(250) - 125)))
			for i := range 32 {
				x[32*b+i] *= scale
			}
		}
		clear(x[32:64])
		for i := range 32 {
			x[64+i] = 0x1p-120
		}
		x[97], x[130], x[131] = nan, float32(math.Inf(1)), float32(math.Inf(-1))
		got, want := make([]quantBlock, blocks+1), make([]quantBlock, blocks)
		got[blocks].scale = 7
		k.QuantRow(unsafe.Pointer(&got[0]), &x[0], blocks)
		goQuantRow(unsafe.Pointer(&want[0]), &x[0], blocks)
		if got[blocks].scale != 7 {
			t.Fatal("wrote beyond the end")
		}
		for b, w := range want {
			g := got[b]
			if b == 3 || b == 4 {
				if s := float64(g.scale); !math.IsNaN(s) && !math.IsInf(s, 0) {
					t.Errorf("block %d is not finite, and its scale is %g", b, g.scale)
				}
				continue
			}
			if g != w {
				t.Fatalf("block %d: got %+v, want %+v", b, g, w)
			}
			sum := int32(0)
			for i, q := range g.q {
				sum += int32(q)
				near(t, fmt.Sprintf("block %d value %d", b, i), float32(q)*g.scale, float64(x[32*b+i]), float64(g.scale)*0.51+0x1p-100)
			}
			if g.minus != -8*sum || g.sum != g.scale*float32(sum) {
				t.Errorf("block %d: sums %g and %d of %d", b, g.sum, g.minus, sum)
			}
		}
	})
}

// TestQuantDot compares with the same sum in float64, with exact integers and the stored scales.
func TestQuantDot(t *testing.T) {
	quantTiers(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(3, 4))
		for i := range quants {
			q := &quants[i]
			for _, in := range []int{32, 64, 256, 576, 1056, 1536} {
				if in%q.Values != 0 {
					continue
				}
				for rows := 1; rows < len(k.Quant[q.Format].Dot); rows++ {
					testQuantDot(t, k, r, q, rows, in)
				}
			}
		}
	})
}

func testQuantDot(t *testing.T, k *Tier, r *rand.Rand, q *Quant, rows, in int) {
	nr, blocks := k.NR, in/32
	panel := packed(t, r, q, nr, in)
	lda := blocks*QuantBlockBytes + 16
	a := unsafe.Pointer(&poisoned(rows * lda / 4)[0])
	for i := range rows {
		k.QuantRow(unsafe.Add(a, i*lda), &random(r, in)[0], blocks)
	}
	for add := range 2 {
		ldc := nr + 3
		c := poisoned(rows * ldc)
		base := make([]float32, len(c))
		for i := range rows {
			for j := range nr {
				if add == 1 {
					base[i*ldc+j] = float32(r.NormFloat64())
					c[i*ldc+j] = base[i*ldc+j]
				}
			}
		}
		k.Quant[q.Format].Dot[rows](unsafe.Pointer(&c[0]), 4*ldc, a, lda, panel, blocks, add)
		for i := range rows {
			xs := unsafe.Slice((*quantBlock)(unsafe.Add(a, i*lda)), blocks)
			for j := range ldc {
				if j >= nr {
					if i < rows-1 && c[i*ldc+j] == c[i*ldc+j] {
						t.Fatalf("%s: wrote column %d of row %d", q.Name, j, i)
					}
					continue
				}
				want, size := float64(base[i*ldc+j]), math.Abs(float64(base[i*ldc+j]))
				for b, x := range xs {
					g := q.Format.group(panel, nr, b)
					var v [32]int32
					g.integersOf(j, &v)
					var n [2]int64
					for i, w := range v {
						n[i/16] += int64(w) * int64(x.q[i])
					}
					d, m := g.scalesOf(j)
					sum := 0
					for _, q := range x.q {
						sum += int(q)
					}
					for h, n := range n {
						u := float64(d[h]) * float64(x.scale) * float64(n)
						want += u
						size += math.Abs(u)
					}
					w := float64(m) * float64(x.scale) * float64(sum)
					want += w
					size += math.Abs(w)
				}
				// Each term has four roundings (of the scale, its product, the integer, the
				// minimum's product), and each of up to three additions one.
				near(t, fmt.Sprintf("%s, %d rows of %d, add %d (%d,%d)", q.Name, rows, in, add, i, j),
					c[i*ldc+j], want, float64(3*blocks+5)*0x1p-24*size)
			}
		}
	}
}

func TestUnpack(t *testing.T) {
	quantTiers(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(5, 6))
		for i := range quants {
			q, in := &quants[i], 512
			panel := packed(t, r, q, k.NR, in)
			got := poisoned(in * k.NR)
			k.Quant[q.Format].Unpack(&got[0], panel, in/32)
			want := make([]float32, in)
			for j := range k.NR {
				q.Format.Row(want, panel, k.NR, j)
				for x, w := range want {
					if got[x*k.NR+j] != w {
						t.Fatalf("%s: input %d of output %d is %g, want %g", q.Name, x, j, got[x*k.NR+j], w)
					}
				}
			}
		}
	})
}

// TestPackRefuses: an infinite or NaN scale is rejected.
func TestPackRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range quants {
		q := &quants[i]
		for _, h := range []uint16{0x7c00, 0xfc00, 0x7e01} {
			for _, at := range scalesAt(q) {
				row := storedRow(r, q, 2)
				half(row[q.Bytes+at:], 0, h)
				if q.Pack(make([]byte, 512/q.Format.Values()*q.Format.Bytes(16)), 16, 3, row) {
					t.Errorf("%s: a scale of %#x was accepted", q.Name, h)
				}
			}
		}
	}
}

func BenchmarkQuantDot(b *testing.B) {
	for _, k := range Tiers() {
		if !k.Available() || k.QuantRow == nil {
			continue
		}
		r := rand.New(rand.NewPCG(3, 4))
		for i := range quants {
			q := &quants[i]
			for _, rows := range []int{1, len(k.Quant[q.Format].Dot) - 1} {
				for _, panels := range []int{1, 1024} {
					b.Run(fmt.Sprintf("%s/%s/%d/%d", k.Name, q.Name, rows, panels), func(b *testing.B) {
						const in = 2048
						size := in / q.Format.Values() * q.Format.Bytes(k.NR)
						data := make([]byte, size*panels)
						row := storedRow(r, q, in/q.Values)
						for p := range panels {
							for j := range k.NR {
								q.Pack(data[p*size:], k.NR, j, row)
							}
						}
						a := make([]quantBlock, rows*in/32)
						x := random(r, in)
						for i := range rows {
							k.QuantRow(unsafe.Pointer(&a[i*in/32]), &x[0], in/32)
						}
						c := make([]float32, rows*k.NR)
						b.SetBytes(int64(len(data)))
						for b.Loop() {
							for p := range panels {
								k.Quant[q.Format].Dot[rows](unsafe.Pointer(&c[0]), 4*k.NR, unsafe.Pointer(&a[0]), in/32*QuantBlockBytes, unsafe.Pointer(&data[p*size]), in/32, 0)
							}
						}
					})
				}
			}
		}
	}
}

// FuzzPack: any stored blocks are rejected or unpacked to finite values, by all tiers the same.
func FuzzPack(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 10))
	for i := range quants {
		f.Add(uint8(i), storedRow(r, &quants[i], 2))
	}
	f.Fuzz(func(t *testing.T, typ uint8, row []byte) {
		q := &quants[int(typ)%len(quants)]
		row = row[:min(len(row)/q.Bytes, 8)*q.Bytes]
		in := len(row) / q.Bytes * q.Values
		if in == 0 {
			return
		}
		for _, k := range Tiers() {
			if !k.Available() || k.QuantRow == nil {
				continue
			}
			j := int(typ) % k.NR
			panel := make([]byte, in/q.Format.Values()*q.Format.Bytes(k.NR))
			if !q.Pack(panel, k.NR, j, row) {
				return
			}
			want, got := make([]float32, in), make([]float32, in*k.NR)
			q.Format.Row(want, unsafe.Pointer(&panel[0]), k.NR, j)
			k.Quant[q.Format].Unpack(&got[0], unsafe.Pointer(&panel[0]), in/32)
			for x, w := range want {
				if g := got[x*k.NR+j]; g != w || math.IsInf(float64(w), 0) {
					t.Fatalf("%s, %s: input %d is %g, want %g", k.Name, q.Name, x, g, w)
				}
			}
		}
	})
}
