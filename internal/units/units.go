// Package units writes quantities as text for people.
package units

import "fmt"

// ShortBytes writes bytes with three digits: 512 B, 9.75 MiB, 104 GiB.
func ShortBytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.3g %ciB", v, units[i])
}
