package gguf

import "fmt"

// Type is the number of a tensor type in a file.
type Type uint32

// layout describes how a type stores its values: blocks of a number of values in a number of bytes.
type layout struct {
	name          string
	values, bytes int64
	// dequantize converts whole blocks to float32; nil if this package does not read the type.
	dequantize func(dst []float32, src []byte)
}

// layouts lists the types of ggml.h. For types without dequantize only the size and the name are
// known.
var layouts = map[Type]layout{
	0:  {"F32", 1, 4, f32},
	1:  {"F16", 1, 2, f16},
	2:  {"Q4_0", 32, 18, q4_0},
	3:  {"Q4_1", 32, 20, q4_1},
	6:  {"Q5_0", 32, 22, q5_0},
	7:  {"Q5_1", 32, 24, q5_1},
	8:  {"Q8_0", 32, 34, q8_0},
	9:  {"Q8_1", 32, 36, nil},
	10: {"Q2_K", 256, 84, q2_K},
	11: {"Q3_K", 256, 110, q3_K},
	12: {"Q4_K", 256, 144, q4_K},
	13: {"Q5_K", 256, 176, q5_K},
	14: {"Q6_K", 256, 210, q6_K},
	15: {"Q8_K", 256, 292, nil},
	16: {"IQ2_XXS", 256, 66, nil},
	17: {"IQ2_XS", 256, 74, nil},
	18: {"IQ3_XXS", 256, 98, nil},
	19: {"IQ1_S", 256, 50, nil},
	20: {"IQ4_NL", 32, 18, iq4_NL},
	21: {"IQ3_S", 256, 110, nil},
	22: {"IQ2_S", 256, 82, nil},
	23: {"IQ4_XS", 256, 136, iq4_XS},
	24: {"I8", 1, 1, nil},
	25: {"I16", 1, 2, nil},
	26: {"I32", 1, 4, nil},
	27: {"I64", 1, 8, nil},
	28: {"F64", 1, 8, nil},
	29: {"IQ1_M", 256, 56, nil},
	30: {"BF16", 1, 2, bf16},
	34: {"TQ1_0", 256, 54, nil},
	35: {"TQ2_0", 256, 66, nil},
	39: {"MXFP4", 32, 17, mxfp4},
}

func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Readable reports whether Dequantize supports the type.
func (t Type) Readable() bool { return layouts[t].dequantize != nil }

// Block returns the number of values and of bytes of a block; 0 if the type is unknown. Types that
// are not quantised have blocks of one value.
func (t Type) Block() (values, bytes int) { return int(layouts[t].values), int(layouts[t].bytes) }

// Decoder returns the function that converts whole blocks to float32, nil if the type is not
// Readable. Unlike Dequantize it checks nothing: src must hold the blocks of len(dst) values.
func (t Type) Decoder() func(dst []float32, src []byte) { return layouts[t].dequantize }

// Bytes returns the size in bytes of n values. ok is false if the type is unknown, n is not a
// multiple of its block or the size overflows.
func (t Type) Bytes(n int64) (size int64, ok bool) {
	l, known := layouts[t]
	if !known || n < 0 || n%l.values != 0 || n/l.values > (1<<62)/l.bytes {
		return 0, false
	}
	return n / l.values * l.bytes, true
}

// Dequantize writes the values stored in src to dst, with ggml's arithmetic (float32, in its order
// of operations). src must hold exactly len(dst) values.
func (t Type) Dequantize(dst []float32, src []byte) error {
	l, known := layouts[t]
	if !known || l.dequantize == nil {
		return fmt.Errorf("tensor type %s is not supported", t)
	}
	if n, ok := t.Bytes(int64(len(dst))); !ok || n != int64(len(src)) {
		return fmt.Errorf("%d bytes of %s are not %d values", len(src), t, len(dst))
	}
	l.dequantize(dst, src)
	return nil
}
