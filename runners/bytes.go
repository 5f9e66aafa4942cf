package runners

import (
	"fmt"
	"math"
	"math/bits"
)

// FormatBytes formats a number of bytes for people: 12 bytes, 1.50 MiB, 3.25 GiB.
func FormatBytes(n int64) string {
	switch {
	case n == math.MaxInt64:
		return "more bytes than can be counted"
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

// AddBytes returns the sum of non-negative sizes, or math.MaxInt64 on overflow.
func AddBytes(sizes ...int64) (sum int64) {
	for _, n := range sizes {
		if sum += n; sum < 0 {
			return math.MaxInt64
		}
	}
	return sum
}

// MulBytes returns the product of the factors. If it overflows or a factor is negative, it returns
// math.MaxInt64, which exceeds every budget.
func MulBytes[T int | int64](factors ...T) int64 {
	p := uint64(1)
	for _, f := range factors {
		hi, lo := bits.Mul64(p, uint64(f))
		if f < 0 || hi != 0 || lo > math.MaxInt64 {
			return math.MaxInt64
		}
		p = lo
	}
	return int64(p)
}
