package runners

import "fmt"

// DType is a number type of weights and caches.
type DType uint8

// The number types.
const (
	F32 DType = iota
	BF16
	F16
	// Stored is for weights alone: a quantized matrix keeps its blocks (Tensor.Blocks) where the
	// runner multiplies with their type; every other matrix is bfloat16.
	Stored
)

var dtypeNames = [...]string{F32: "f32", BF16: "bf16", F16: "f16", Stored: "stored"}

// Size is the number of bytes of one value; of Stored, the most that it takes.
func (d DType) Size() int {
	if d == F32 {
		return 4
	}
	return 2
}

// Caches is the type of keys and values that goes with weights of type d.
func (d DType) Caches() DType {
	if d == Stored {
		return BF16
	}
	return d
}

func (d DType) String() string { return dtypeNames[d] }

// ParseDType reads "f32", "bf16", "f16" or "stored".
func ParseDType(s string) (DType, error) {
	for d, n := range dtypeNames {
		if n == s {
			return DType(d), nil
		}
	}
	return 0, fmt.Errorf("unknown number type %q (known: f32, bf16, f16, stored)", s)
}

// MarshalText returns the name of the type, for JSON and YAML.
func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses the name of a type, for JSON and YAML.
func (d *DType) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDType(string(b))
	return err
}
