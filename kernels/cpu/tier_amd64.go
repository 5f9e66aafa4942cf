package cpu

import "golang.org/x/sys/cpu"

var featureTable = []feature{
	{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA}, {"F16C", cpu.X86.HasF16C},
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
	y.need("AVX2", "FMA", "F16C")
	return []*Tier{x, bf, z, y}
}

func avx512Tier(name string) *Tier {
	t := &Tier{
		Name: name, MR: 12, NR: 32,
		F32: []Gemm{nil, zGemmF32x1, zGemmF32x2, zGemmF32x3, zGemmF32x4, zGemmF32x5, zGemmF32x6,
			zGemmF32x7, zGemmF32x8, zGemmF32x9, zGemmF32x10, zGemmF32x11, zGemmF32x12},
		Wide: []Gemm{nil, zGemmWide1, zGemmWide2, zGemmWide3, zGemmWide4, zGemmWide5, zGemmWide6,
			zGemmWide7, zGemmWide8, zGemmWide9, zGemmWide10, zGemmWide11, zGemmWide12},
		RMSRows: zRMSRows, MaxRow: zMaxRow, ExpRow: zExpRow,
		NormRows: zNormRows, Scale: zScale, Axpy: zAxpy, SiluRows: zSiluRows, GeluRows: zGeluRows,
		SoftCap: zSoftCap, LogSigmoid: zLogSigmoid,
		DecayRow: zDecayRow, ScaleRows: zScaleRows, RopeInterleaved: zRopeInterleaved, RopeHalf: zRopeHalf,
		SoftmaxCols: zSoftmaxCols, ScaleCols: zScaleCols, RetainStep: zRetainStep,
		PairRows: zPairRows, WidenPairs: zWidenPairs, RoundRow: zRoundRow,
		Transpose8: zTranspose8, Touch: zTouch,
	}
	if cpu.X86.HasAVX512VNNI { // only the first processors with AVX-512 lack it
		t.Quant, t.QuantRow = avx512Quant, zQuantRow
	}
	return t
}

// avx512Dot adds the kernels with bfloat16 arithmetic.
func (t *Tier) avx512Dot() {
	t.PairRows, t.RoundRow = zPairRowsDot, zRoundRowDot
	t.Dot = []Gemm{nil, zGemmDot1, zGemmDot2, zGemmDot3, zGemmDot4, zGemmDot5, zGemmDot6,
		zGemmDot7, zGemmDot8, zGemmDot9, zGemmDot10, zGemmDot11, zGemmDot12}
}

func avx2Tier() *Tier {
	return &Tier{
		Name: "avx2-f32", MR: 6, NR: 16,
		Quant: avx2Quant, QuantRow: yQuantRow,
		F32:     []Gemm{nil, yGemmF32x1, yGemmF32x2, yGemmF32x3, yGemmF32x4, yGemmF32x5, yGemmF32x6},
		Wide:    []Gemm{nil, yGemmWide1, yGemmWide2, yGemmWide3, yGemmWide4},
		RMSRows: yRMSRows, MaxRow: yMaxRow, ExpRow: yExpRow,
		NormRows: yNormRows, Scale: yScale, Axpy: yAxpy, SiluRows: ySiluRows, GeluRows: yGeluRows,
		SoftCap: ySoftCap, LogSigmoid: yLogSigmoid,
		DecayRow: yDecayRow, ScaleRows: yScaleRows, RopeInterleaved: yRopeInterleaved, RopeHalf: yRopeHalf,
		SoftmaxCols: ySoftmaxCols, ScaleCols: yScaleCols, RetainStep: yRetainStep,
		PairRows: yPairRows, WidenPairs: yWidenPairs, RoundRow: yRoundRow,
		Transpose8: yTranspose8, Touch: yTouch,
	}
}

var avx512Quant = [QuantFormats]QuantKernels{
	Q8Half:    {[]QuantDot{nil, zQ8HalfDot1, zQ8HalfDot2, zQ8HalfDot3, zQ8HalfDot4, zQ8HalfDot5, zQ8HalfDot6}, zQ8HalfUnpack},
	Q8Min:     {[]QuantDot{nil, zQ8MinDot1, zQ8MinDot2, zQ8MinDot3, zQ8MinDot4, zQ8MinDot5, zQ8MinDot6}, zQ8MinUnpack},
	Q8Super:   {[]QuantDot{nil, zQ8SuperDot1, zQ8SuperDot2, zQ8SuperDot3, zQ8SuperDot4, zQ8SuperDot5, zQ8SuperDot6}, zQ8SuperUnpack},
	Q4Half:    {[]QuantDot{nil, zQ4HalfDot1, zQ4HalfDot2, zQ4HalfDot3, zQ4HalfDot4, zQ4HalfDot5, zQ4HalfDot6}, zQ4HalfUnpack},
	Q4Min:     {[]QuantDot{nil, zQ4MinDot1, zQ4MinDot2, zQ4MinDot3, zQ4MinDot4, zQ4MinDot5, zQ4MinDot6}, zQ4MinUnpack},
	Q4Super:   {[]QuantDot{nil, zQ4SuperDot1, zQ4SuperDot2, zQ4SuperDot3, zQ4SuperDot4, zQ4SuperDot5, zQ4SuperDot6}, zQ4SuperUnpack},
	Q8Sixteen: {[]QuantDot{nil, zQ8SixteenDot1, zQ8SixteenDot2, zQ8SixteenDot3, zQ8SixteenDot4, zQ8SixteenDot5, zQ8SixteenDot6}, zQ8SixteenUnpack},
}

var avx2Quant = [QuantFormats]QuantKernels{
	Q8Half:    {[]QuantDot{nil, yQ8HalfDot1, yQ8HalfDot2, yQ8HalfDot3}, yQ8HalfUnpack},
	Q8Min:     {[]QuantDot{nil, yQ8MinDot1, yQ8MinDot2, yQ8MinDot3}, yQ8MinUnpack},
	Q8Super:   {[]QuantDot{nil, yQ8SuperDot1, yQ8SuperDot2, yQ8SuperDot3}, yQ8SuperUnpack},
	Q4Half:    {[]QuantDot{nil, yQ4HalfDot1, yQ4HalfDot2, yQ4HalfDot3}, yQ4HalfUnpack},
	Q4Min:     {[]QuantDot{nil, yQ4MinDot1, yQ4MinDot2, yQ4MinDot3}, yQ4MinUnpack},
	Q4Super:   {[]QuantDot{nil, yQ4SuperDot1, yQ4SuperDot2, yQ4SuperDot3}, yQ4SuperUnpack},
	Q8Sixteen: {[]QuantDot{nil, yQ8SixteenDot1, yQ8SixteenDot2, yQ8SixteenDot3}, yQ8SixteenUnpack},
}
