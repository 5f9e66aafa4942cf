package gate

import "strings"

// unit is a unit of limits. One of it is times/over of the unit in records. The two integers make
// 95 % exactly the float .95.
type unit struct {
	name        string
	times, over float64
	unit        string
}

var units = []unit{
	{"", 1, 1, ""},
	{"s", 1, 1, "s"}, {"ms", 1, 1e3, "s"}, {"us", 1, 1e6, "s"}, {"µs", 1, 1e6, "s"}, {"ns", 1, 1e9, "s"}, {"min", 60, 1, "s"},
	{"B", 1, 1, "bytes"}, {"KB", 1e3, 1, "bytes"}, {"MB", 1e6, 1, "bytes"}, {"GB", 1e9, 1, "bytes"}, {"TB", 1e12, 1, "bytes"},
	{"KiB", 1 << 10, 1, "bytes"}, {"MiB", 1 << 20, 1, "bytes"}, {"GiB", 1 << 30, 1, "bytes"}, {"TiB", 1 << 40, 1, "bytes"},
	{"tokens/s", 1, 1, "tokens/s"}, {"fraction", 1, 1, "fraction"}, {"%", 1, 100, "fraction"},
	{"Ki", 1 << 10, 1, ""}, {"Mi", 1 << 20, 1, ""}, {"Gi", 1 << 30, 1, ""},
}

func findUnit(name string) (unit, bool) {
	for _, u := range units {
		if u.name == name {
			return u, true
		}
	}
	return unit{}, false
}

// of converts v of the unit to the unit in records.
func (u unit) of(v float64) float64 { return v * u.times / u.over }

// baseName returns the name of a unit in records.
func baseName(name string) string {
	for _, u := range units {
		if u.unit == name && u.times == u.over {
			return u.name
		}
	}
	return ""
}

func unitNames() string {
	var names []string
	for _, u := range units[1:] {
		names = append(names, u.name)
	}
	return strings.Join(names, " ")
}
