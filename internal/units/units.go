// Package units formats quantities for display.
package units

import (
	"fmt"
	"strconv"
	"time"
)

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

// ShortCount writes a count with three digits: 1.53M, 2.83B.
func ShortCount(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.3gB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.3gM", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.3gK", float64(n)/1e3)
	}
	return strconv.FormatInt(n, 10)
}

// ShortDuration writes seconds with two or three digits: 850ms, 12s, 3m20s, 2h05m, 3d04h.
func ShortDuration(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case s < 1:
		return d.Round(10 * time.Millisecond).String()
	case s < 10:
		return d.Round(100 * time.Millisecond).String()
	case s < 60:
		return d.Round(time.Second).String()
	case s < 3600:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case s < 48*3600:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case s < 1e9:
		return fmt.Sprintf("%dd%02dh", int(s/86400), int(s/3600)%24)
	}
	return fmt.Sprintf("%.0f years", s/86400/365)
}
