package pretrained

import (
	"github.com/yocobench/yocobench/runners"
)

// matrix is a tensor of a file: a matrix [rows, in], or a vector of rows values.
type matrix struct {
	name string
	// plain is the type of the values if they are not quantized; then values is 1.
	plain   runners.DType
	isPlain bool
	kind    string // the type's name in GGUF
	in      int    // values of a row
	// A block stores a number of values in a number of bytes; decode converts one.
	values, bytes int
	decode        func(dst []float32, src []byte)
	data          []byte
}

// stride is the number of bytes of a row.
func (m *matrix) stride() int { return m.in / m.values * m.bytes }

// parameter returns the parameter that is stored at a place of m.
func (m *matrix) parameter(p runners.TensorSpec, at place) runners.Tensor {
	t := runners.Tensor{Name: p.Name, DType: runners.F32, Shape: p.Shape}
	stride := m.stride()
	if m.isPlain && at.order == nil && at.add == 0 {
		t.DType = m.plain
		t.Data = m.data[at.from*stride:][:p.Shape[0]*stride]
		return t
	}
	row := func(i int) []byte {
		if at.order != nil {
			i = at.order(i)
		}
		return m.data[(at.from+i)*stride:][:stride]
	}
	if m.isPlain && at.add == 0 {
		t.DType = m.plain
	}
	if !m.isPlain && at.add == 0 {
		t.Blocks = &runners.Blocks{Type: m.kind, Row: row}
	}
	t.Values = func(dst []float32, i int) {
		for len(dst) > 0 {
			from := i % m.in
			n := min(len(dst), m.in-from)
			m.read(dst[:n], row(i/m.in), from)
			if at.add != 0 {
				for x := range dst[:n] {
					dst[x] += at.add
				}
			}
			dst, i = dst[n:], i+n
		}
	}
	return t
}

// read decodes values of a row, starting at value from.
func (m *matrix) read(dst []float32, row []byte, from int) {
	for len(dst) > 0 {
		skip := from % m.values
		src := row[from/m.values*m.bytes:]
		whole := len(dst) / m.values * m.values
		if skip == 0 && whole > 0 {
			m.decode(dst[:whole], src)
			dst, from = dst[whole:], from+whole
			continue
		}
		var block [largestBlock]float32
		m.decode(block[:m.values], src)
		n := copy(dst, block[skip:m.values])
		dst, from = dst[n:], from+n
	}
}

// largestBlock is the number of values of the largest block.
const largestBlock = 256
