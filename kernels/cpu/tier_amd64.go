package cpu

import "golang.org/x/sys/cpu"

var featureTable = []feature{
	{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA},
	{"AVX512F", cpu.X86.HasAVX512F}, {"AVX512BW", cpu.X86.HasAVX512BW}, {"AVX512DQ", cpu.X86.HasAVX512DQ},
	{"AVX512VL", cpu.X86.HasAVX512VL}, {"AVX512_BF16", cpu.X86.HasAVX512BF16},
	{"AMX_TILE", cpu.X86.HasAMXTile || amxSimulated}, {"AMX_BF16", cpu.X86.HasAMXBF16 || amxSimulated},
}

func archTiers() []*Tier {
	f32 := []string{"AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX2", "FMA"}
	dot := append(f32[:len(f32):len(f32)], "AVX512_BF16")
	x := avx512Tier("amx-bf16")
	x.avx512Dot()
	x.Tiles = amxTiles
	x.need(append(dot[:len(dot):len(dot)], "AMX_TILE", "AMX_BF16")...)
	if x.Missing == "" {
		x.Missing = tilesForbidden()
	}
	bf := avx512Tier("avx512-bf16")
	bf.avx512Dot()
	bf.need(dot...)
	z := avx512Tier("avx512-f32")
	z.need(f32...)
	y := avx2Tier()
	y.need("AVX2", "FMA")
	return []*Tier{x, bf, z, y}
}

func avx512Tier(name string) *Tier {
	return &Tier{
		Name: name, MR: 12, NR: 32,
		F32: []Gemm{nil, zGemmF32x1, zGemmF32x2, zGemmF32x3, zGemmF32x4, zGemmF32x5, zGemmF32x6,
			zGemmF32x7, zGemmF32x8, zGemmF32x9, zGemmF32x10, zGemmF32x11, zGemmF32x12},
		Wide: []Gemm{nil, zGemmWide1, zGemmWide2, zGemmWide3, zGemmWide4, zGemmWide5, zGemmWide6,
			zGemmWide7, zGemmWide8, zGemmWide9, zGemmWide10, zGemmWide11, zGemmWide12},
		RMSRows: zRMSRows, MaxRow: zMaxRow, ExpRow: zExpRow,
		NormRows: zNormRows, Scale: zScale, Axpy: zAxpy, SiluRows: zSiluRows, LogSigmoid: zLogSigmoid,
		DecayRow: zDecayRow, ScaleRows: zScaleRows, RopeInterleaved: zRopeInterleaved, RopeHalf: zRopeHalf,
		SoftmaxCols: zSoftmaxCols, ScaleCols: zScaleCols, RetainStep: zRetainStep,
		PairRows: zPairRows, WidenPairs: zWidenPairs, RoundRow: zRoundRow,
		Transpose8: zTranspose8, Touch: zTouch,
	}
}

// avx512Dot adds the kernels of bfloat16 arithmetic.
func (t *Tier) avx512Dot() {
	t.PairRows, t.RoundRow = zPairRowsDot, zRoundRowDot
	t.Dot = []Gemm{nil, zGemmDot1, zGemmDot2, zGemmDot3, zGemmDot4, zGemmDot5, zGemmDot6,
		zGemmDot7, zGemmDot8, zGemmDot9, zGemmDot10, zGemmDot11, zGemmDot12}
}

func avx2Tier() *Tier {
	return &Tier{
		Name: "avx2-f32", MR: 6, NR: 16,
		F32:     []Gemm{nil, yGemmF32x1, yGemmF32x2, yGemmF32x3, yGemmF32x4, yGemmF32x5, yGemmF32x6},
		Wide:    []Gemm{nil, yGemmWide1, yGemmWide2, yGemmWide3, yGemmWide4},
		RMSRows: yRMSRows, MaxRow: yMaxRow, ExpRow: yExpRow,
		NormRows: yNormRows, Scale: yScale, Axpy: yAxpy, SiluRows: ySiluRows, LogSigmoid: yLogSigmoid,
		DecayRow: yDecayRow, ScaleRows: yScaleRows, RopeInterleaved: yRopeInterleaved, RopeHalf: yRopeHalf,
		SoftmaxCols: ySoftmaxCols, ScaleCols: yScaleCols, RetainStep: yRetainStep,
		PairRows: yPairRows, WidenPairs: yWidenPairs, RoundRow: yRoundRow,
		Transpose8: yTranspose8, Touch: yTouch,
	}
}
