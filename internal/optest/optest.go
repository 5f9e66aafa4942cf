// Package optest compares the operations of a device (runners.Ops) with plain float64: ragged
// shapes, several sequences in a batch, memory filled with NaN beforehand. Comparisons fail on NaN.
package optest

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// Device describes a device to the tests.
type Device struct {
	// Open opens ops whose memory is filled with NaN when it is allocated. They are closed at the
	// end of the test; no memory may be held then.
	Open func(t testing.TB, budget int64) runners.Ops
	// Set writes values into the first rows of a Mat.
	Set func(t testing.TB, o runners.Ops, m runners.Mat, h Host)
	// Weights, KV and Inner are the types of matrices, caches and Inner buffers.
	Weights, KV, Inner runners.DType
	// Chunk is the chunk length of retention, which determines the operation counts.
	Chunk int
	// Inner dimensions, head dimensions and columns must be multiples of Multiple.
	Multiple int
	// Slow leaves out the larger shapes.
	Slow bool
}

// exact reports whether all stored values are float32.
func (d Device) exact() bool {
	return d.Weights == runners.F32 && d.KV == runners.F32 && d.Inner == runners.F32
}

// tolerance returns the tolerance for values near 1: exact if everything is float32, otherwise n
// roundings to bfloat16, each of at most 2^-8 of the value.
func (d Device) tolerance(exact float64, n float64) float64 {
	if d.exact() {
		return exact
	}
	return exact + n*0x1p-8
}

// Host is a matrix on the host.
type Host struct {
	Rows, Cols int
	V          []float64
}

// At returns the value at row r, column c.
func (h Host) At(r, c int) float64 { return h.V[r*h.Cols+c] }

// row returns n values of row r from column c on.
func (h Host) row(r, c, n int) []float64 { return h.V[r*h.Cols+c : r*h.Cols+c+n] }

// Random returns normally distributed values, rounded to type t.
func Random(r *rand.Rand, rows, cols int, sd float64, t runners.DType) Host {
	h := Host{rows, cols, make([]float64, rows*cols)}
	for i := range h.V {
		h.V[i] = float64(float32(r.NormFloat64() * sd))
	}
	return h.As(t)
}

// As returns h rounded to a type.
func (h Host) As(t runners.DType) Host {
	if t != runners.BF16 {
		return h
	}
	g := Host{h.Rows, h.Cols, slices.Clone(h.V)}
	for i, v := range g.V {
		g.V[i] = round(v)
	}
	return g
}

// round returns the nearest bfloat16.
func round(v float64) float64 {
	return float64(math.Float32frombits(uint32(runners.BFloat16(float32(v))) << 16))
}

// Tensor returns h as a checkpoint stores it.
func Tensor(h Host) runners.Tensor {
	var b []byte
	for _, v := range h.V {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return runners.Tensor{Name: "test", Shape: []int{h.Rows, h.Cols}, Data: b}
}

// put makes a buffer wider than h and writes h to it from a column on.
func (d Device) put(t testing.TB, o runners.Ops, kind runners.BufferKind, h Host, col int) runners.Mat {
	t.Helper()
	col *= d.Multiple
	b, err := o.Buffer(kind, h.Rows, h.Cols+col+3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	m := runners.Mat{Buf: b, Col: col, Cols: h.Cols}
	d.Set(t, o, m, h)
	return m
}

// Get reads rows of a Mat back.
func Get(t testing.TB, o runners.Ops, m runners.Mat, rows int) Host {
	t.Helper()
	h := Host{rows, m.Cols, nil}
	dst := make([][]float32, rows)
	for r := range dst {
		dst[r] = make([]float32, m.Cols)
	}
	if err := o.Read(m, dst); err != nil {
		t.Fatal(err)
	}
	for _, d := range dst {
		for _, v := range d {
			h.V = append(h.V, float64(v))
		}
	}
	return h
}

// Compare fails unless every |got - want| <= tol x (1 + |want|).
func Compare(t testing.TB, what string, got, want Host, tol float64) {
	t.Helper()
	if len(got.V) != len(want.V) {
		t.Fatalf("%s: %d values, want %d", what, len(got.V), len(want.V))
	}
	for i := range want.V {
		if !(math.Abs(got.V[i]-want.V[i]) <= tol*(1+math.Abs(want.V[i]))) {
			t.Fatalf("%s: (%d,%d) is %g, want %g within %g", what, i/want.Cols, i%want.Cols, got.V[i], want.V[i], tol)
		}
	}
}

// TimesT returns a bᵀ.
func TimesT(a, b Host) Host {
	c := Host{a.Rows, b.Rows, make([]float64, a.Rows*b.Rows)}
	for i := range a.Rows {
		for j := range b.Rows {
			for k := range a.Cols {
				c.V[i*b.Rows+j] += a.At(i, k) * b.At(j, k)
			}
		}
	}
	return c
}

// joinColumns returns the columns of a followed by those of b.
func joinColumns(a, b Host) Host {
	c := Host{a.Rows, a.Cols + b.Cols, nil}
	for r := range a.Rows {
		c.V = append(append(c.V, a.row(r, 0, a.Cols)...), b.row(r, 0, b.Cols)...)
	}
	return c
}

// SiLU returns x sigmoid(x).
func SiLU(x float64) float64 { return x / (1 + math.Exp(-x)) }

// logGamma returns logsigmoid(z) / 16.
func logGamma(z float64) float64 {
	return (math.Min(z, 0) - math.Log1p(math.Exp(-math.Abs(z)))) / runners.GateNormalizer
}

// Rotated returns head h of row r of x, rotated for a position.
func Rotated(x Host, r, h int, spec runners.Rope, pos int) []float64 {
	hd := spec.HeadDim
	v := slices.Clone(x.row(r, h*hd, hd))
	dims, magnitude := hd, 1.0
	if spec.Dims != 0 {
		dims = spec.Dims
	}
	if spec.None {
		dims = 0
	}
	if spec.Magnitude != 0 {
		magnitude = spec.Magnitude
	}
	for j := range dims / 2 {
		e := 2 * float64(j) / float64(dims)
		if spec.EndPoint {
			e = float64(j) / float64(hd/2-1)
		}
		angle := float64(pos) * math.Pow(spec.Theta, -e)
		if spec.Divisors != "" {
			angle /= spec.Divisors.Values()[j]
		}
		s, c := math.Sincos(angle)
		s, c = s*magnitude, c*magnitude
		a, b := j, j+hd/2
		if spec.Interleaved {
			a, b = 2*j, 2*j+1
		}
		v[a], v[b] = v[a]*c-v[b]*s, v[b]*c+v[a]*s
	}
	return v
}

// Attend computes attention of one query over the keys and values of positions from..pos.
func Attend(q []float64, keys, values func(pos int) []float64, from, pos int, scores runners.Scores) []float64 {
	o, sum, best := make([]float64, len(q)), 0.0, math.Inf(-1)
	var s []float64
	for p := from; p <= pos; p++ {
		d := 0.0
		for i, v := range keys(p) {
			d += v * q[i]
		}
		if scores.Scale == 0 {
			d /= math.Sqrt(float64(len(q)))
		} else {
			d *= float64(scores.Scale)
		}
		if c := float64(scores.Cap); c != 0 {
			d = c * math.Tanh(d/c)
		}
		s = append(s, d)
		best = math.Max(best, s[len(s)-1])
	}
	for i, v := range s {
		w := math.Exp(v - best)
		sum += w
		for d, y := range values(from + i) {
			o[d] += w * y
		}
	}
	for d := range o {
		o[d] /= sum
	}
	return o
}

// batch describes a pass: rows[i] rows of sequence i, which already holds pos[i] positions. who
// lists the sequences that take part.
func batch(rows [2]int, pos [2]int) (b *runners.Batch, who []int) {
	b = &runners.Batch{}
	for i, n := range rows {
		if n > 0 {
			b.Spans = append(b.Spans, runners.Span{Row: b.Rows, Len: n, Pos: pos[i]})
			b.Rows += n
			who = append(who, i)
		}
	}
	return b, who
}
