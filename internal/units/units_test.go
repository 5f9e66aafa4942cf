package units

import (
	"math"
	"testing"
)

// The numbers in reports and in comparisons agree in the digits that both have.
func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		v             float64
		unit          string
		amount, exact string
	}{
		{0, "s", "0 s", "0 s"}, {9.996e-4, "s", "1000 µs", "999.6 µs"}, {0.01234567, "s", "12.3 ms", "12.35 ms"}, {90, "s", "90.0 s", "90.00 s"},
		{512, "bytes", "512 B", "512.0 B"}, {1.5 * (1 << 30), "bytes", "1.50 GiB", "1.500 GiB"}, {0.875, "fraction", "0.88", "0.875"},
		{1234.4, "ratio", "1234x", "1234x"}, {9.5612, "ratio", "9.56x", "9.56x"}, {123456, "tokens/s", "123k", "123456"}, {1 << 16, "tokens", "64Ki", "65536"},
		{1.23456, "nats", "1.235", "1.235"}, {12, "", "12", "12.00"},
	} {
		if got := Amount(c.v, c.unit); got != c.amount {
			t.Errorf("Amount(%g, %q) = %s, want %s", c.v, c.unit, got, c.amount)
		}
		if got := Exact(c.v, c.unit); got != c.exact {
			t.Errorf("Exact(%g, %q) = %s, want %s", c.v, c.unit, got, c.exact)
		}
	}
}

func TestDigits(t *testing.T) {
	for _, c := range []struct {
		v    float64
		n    int
		want string
	}{{9.996, 3, "10.0"}, {9.994, 3, "9.99"}, {-0.00012345, 3, "-0.000123"}, {1.5e-9, 2, "1.5e-09"}, {1e7, 3, "1.00e+07"}, {0, 3, "0"}, {math.Inf(-1), 3, "-Inf"}} {
		if got := Digits(c.v, c.n); got != c.want {
			t.Errorf("Digits(%g, %d) = %s, want %s", c.v, c.n, got, c.want)
		}
	}
	for n, want := range map[int64]string{999: "999", 1e6: "1M", 2750e6: "2.75B"} {
		if got := ShortCount(n); got != want {
			t.Errorf("ShortCount(%d) = %s, want %s", n, got, want)
		}
	}
	for s, want := range map[float64]string{0.25: "250ms", 75: "1m15s", 7260: "2h01m", 86400 * 3: "3d00h"} {
		if got := ShortDuration(s); got != want {
			t.Errorf("ShortDuration(%g) = %s, want %s", s, got, want)
		}
	}
}
