package cpu

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// Tier is a set of kernels for one instruction set.
type Tier struct {
	// Name is the tier's name in options and records, such as "avx512-f32".
	Name string
	// Needs lists the processor features that the tier requires. Missing lists those that this
	// machine lacks, or another reason why the tier cannot run here; it is empty if the tier can
	// run.
	Needs, Missing string

	// MR is the maximum number of rows of a Gemm's tile, NR its maximum number of columns.
	MR, NR int
	// F32, Wide and Dot are the Gemms, indexed by the number of rows minus 1; see Gemm. Wide may
	// have fewer than MR entries. Dot is nil if the tier has no bfloat16 arithmetic.
	F32, Wide, Dot []Gemm
	// Tiles is nil if the processor has no matrix registers.
	Tiles Tiles

	// Quant has the kernels for quantized weights. QuantRow quantizes blocks of 32 activations for
	// them, QuantBlockBytes each; it is nil if the tier has no such kernels.
	Quant    [QuantFormats]QuantKernels
	QuantRow func(dst unsafe.Pointer, x *float32, blocks int)

	// The vector kernels; vector.go documents them.
	RMSRows         func(f, x *float32, ldx, rows, n int, eps float32)
	MaxRow          func(x *float32, n int) float32
	ExpRow          func(x *float32, n int, m float32) float32
	NormRows        func(dst *float32, ldd int, x *float32, ldx int, w *float32, rows, n int, f *float32)
	Scale           func(dst, x *float32, n int, s float32)
	Axpy            func(dst, x *float32, n int, s float32)
	SiluRows        func(dst *float32, ldd int, g *float32, ldg int, x *float32, ldx, rows, n int, f *float32, fstep int)
	GeluRows        func(dst *float32, ldd int, g *float32, ldg int, x *float32, ldx, rows, n int, f *float32, fstep int)
	SoftCap         func(x *float32, n int, cap float32)
	LogSigmoid      func(x *float32, n int)
	DecayRow        func(p, hi, lo *float32, n int, hi0, lo0 float32)
	ScaleRows       func(dst *float32, ldd int, src *float32, lds, rows, n int, f *float32, fstep int)
	RopeInterleaved func(x *float32, ldx int, t *float32, ldt, rows, n int, scale float32)
	RopeHalf        func(x *float32, ldx int, t *float32, ldt, rows, n int, scale float32)
	SoftmaxCols     func(s *float32, n int, m, l, alpha *float32) int
	ScaleCols       func(o *float32, n int, alpha *float32)
	RetainStep      func(s *float32, rows, n int, k, v, q, o *float32, gamma float32)
	PairRows        func(dst *uint32, ldd int, x *float32, ldx, rows, n int)
	WidenPairs      func(a, b *float32, src *uint32, n int)
	RoundRow        func(dst *uint16, x *float32, n int)
	Transpose8      func(dst *float32, ldd int, src *float32, lds, rows, cols int)
	Touch           func(p unsafe.Pointer, n int) uint64
}

// Available reports whether this machine can run the tier.
func (t *Tier) Available() bool { return t.Missing == "" }

// MaxNR is the largest NR of any tier.
const MaxNR = 32

// Plain returns the tier in plain Go, which every machine supports.
func Plain() *Tier {
	return &Tier{
		Name: "go", MR: goMR, NR: goNR,
		F32: gemms(goMR, goGemm), Wide: gemms(goMR, goGemmWide), Quant: goQuant(goNR), QuantRow: goQuantRow,
		RMSRows: goRMSRows, MaxRow: goMaxRow, ExpRow: goExpRow,
		NormRows: goNormRows, Scale: goScale, Axpy: goAxpy, SiluRows: goSiluRows, GeluRows: goGeluRows,
		SoftCap: goSoftCap, LogSigmoid: goLogSigmoid,
		DecayRow: goDecayRow, ScaleRows: goScaleRows, RopeInterleaved: goRopeInterleaved, RopeHalf: goRopeHalf,
		SoftmaxCols: goSoftmaxCols, ScaleCols: goScaleCols, RetainStep: goRetainStep,
		PairRows: goPairRows, WidenPairs: goWidenPairs, RoundRow: goRoundRow,
		Transpose8: goTranspose8, Touch: goTouch,
	}
}

func gemms(mr int, f func(rows int) Gemm) []Gemm {
	t := make([]Gemm, mr+1)
	for m := 1; m <= mr; m++ {
		t[m] = f(m)
	}
	return t
}

// Tiers lists every tier of this build, fastest first, whether or not this machine supports it.
func Tiers() []*Tier { return append(archTiers(), Plain()) }

// Choose returns the named tier, or the fastest that this machine supports if name is empty, and
// the reason for the choice. If the tier is unknown or not supported, the error lists the available
// tiers.
func Choose(name string) (t *Tier, why string, err error) {
	var list []string
	for _, t := range Tiers() {
		switch {
		case !t.Available():
			list = append(list, fmt.Sprintf("%s (this machine lacks %s)", t.Name, t.Missing))
		default:
			list = append(list, t.Name)
		}
		if name == "" && t.Available() {
			if t.Needs == "" {
				return t, "no faster kernels for this CPU", nil
			}
			return t, "the CPU has " + t.Needs, nil
		}
		if name == t.Name && t.Available() {
			return t, "asked for", nil
		}
	}
	return nil, "", fmt.Errorf("kernel tier %q cannot be used here; tiers: %s", name, strings.Join(list, ", "))
}

// feature is a processor feature, by its vendor's name.
type feature struct {
	name string
	has  bool
}

func (t *Tier) need(names ...string) {
	var missing []string
	for _, f := range featureTable {
		if slices.Contains(names, f.name) && !f.has {
			missing = append(missing, f.name)
		}
	}
	t.Needs, t.Missing = strings.Join(names, " "), strings.Join(missing, " ")
}

// Features lists the features of this processor that tiers require.
func Features() (have []string) {
	for _, f := range featureTable {
		if f.has {
			have = append(have, f.name)
		}
	}
	return have
}
