package runners

import (
	"errors"
	"fmt"
)

// ErrNotFinite is returned when a model computes NaN or infinity: neither its answers nor its speed
// are meaningful.
var ErrNotFinite = errors.New("logits are not finite")

// CheckFinite returns an error that wraps ErrNotFinite for the first NaN or infinity in the rows.
// Each row is the logits after one token.
func CheckFinite(rows ...[]float32) error {
	for i, row := range rows {
		for token, v := range row {
			if v-v != 0 { // NaN for both
				return fmt.Errorf("%w: that of token %d is %v in row %d of %d", ErrNotFinite, token, v, i+1, len(rows))
			}
		}
	}
	return nil
}
