package runners

import (
	"fmt"
	"math"
	"math/bits"
)

// FormatBytes writes a number of bytes for people: 12 bytes, 1.50 MiB, 3.25 GiB.
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

// AddBytes is the sum of sizes that are not negative, or math.MaxInt64 where it overflows.
func AddBytes(sizes ...int64) (sum int64) {
	for _, n := range sizes {
		if sum += n; sum < 0 {
			return math.MaxInt64
		}
	}
	return sum
}

// MulBytes is a product of factors that are not negative, or math.MaxInt64 where it overflows.
func MulBytes(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}
