package verify

import (
	"fmt"
	"math"
	"slices"
)

// meter updates one Check as values arrive.
type meter struct{ check *Check }

// values compares got with want, the values of position pos. If want is nil, nothing is expected.
func (m meter) values(pos int, got, want []float32) {
	if want == nil {
		return
	}
	c := m.check
	if len(got) != len(want) {
		m.problem("%d values at position %d, want %d", len(got), pos, len(want))
		return
	}
	c.Values += len(want)
	for i, w := range want {
		c.Scale = larger(c.Scale, math.Abs(float64(w)))
		diff := math.Abs(float64(got[i]) - float64(w))
		if got[i] == w {
			diff = 0 // equal infinities
		}
		if worst := larger(c.Error, diff); worst != c.Error && !math.IsNaN(c.Error) {
			c.Error = worst
			c.At = fmt.Sprintf("position %d", pos)
			if len(want) > 1 {
				c.At += fmt.Sprintf(", %d", i)
			}
		}
	}
}

// tensor compares a whole tensor, position by position.
func (m meter) tensor(shape []int, got []float32, want tensor) {
	if !slices.Equal(shape, want.shape) {
		m.problem("has shape %v, want %v", shape, want.shape)
		return
	}
	if len(got) != len(want.data) {
		m.problem("has %d values, want %d", len(got), len(want.data))
		return
	}
	if len(shape) == 0 {
		m.values(0, got, want.data)
		return
	}
	n := len(got) / max(shape[0], 1)
	for i := range shape[0] {
		m.values(i, got[i*n:(i+1)*n], want.row(i))
	}
}

// problem records the first failure that is not a numerical error.
func (m meter) problem(format string, args ...any) {
	if m.check.Problem == "" {
		m.check.Problem = fmt.Sprintf(format, args...)
	}
}
