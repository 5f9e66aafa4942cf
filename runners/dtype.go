package runners

import "fmt"

// DType is a number type of weights and caches.
type DType uint8

// The number types.
const (
	F32 DType = iota
	BF16
	F16
)

var dtypeNames = [...]string{F32: "f32", BF16: "bf16", F16: "f16"}

// Size is the number of bytes of one value.
func (d DType) Size() int {
	if d == F32 {
		return 4
	}
	return 2
}

func (d DType) String() string { return dtypeNames[d] }

// ParseDType reads "f32", "bf16" or "f16".
func ParseDType(s string) (DType, error) {
	for d, n := range dtypeNames {
		if n == s {
			return DType(d), nil
		}
	}
	return 0, fmt.Errorf("unknown number type %q (known: f32, bf16, f16)", s)
}

// MarshalText returns the name of the type, for JSON and YAML.
func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses the name of a type, for JSON and YAML.
func (d *DType) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDType(string(b))
	return err
}
