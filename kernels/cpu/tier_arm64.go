package cpu

import "golang.org/x/sys/cpu"

var featureTable = []feature{{"ASIMD", cpu.ARM64.HasASIMD}}

func archTiers() []*Tier {
	t := &Tier{
		Name: "neon-f32", MR: 6, NR: 16,
		F32:     []Gemm{nil, nGemmF32x1, nGemmF32x2, nGemmF32x3, nGemmF32x4, nGemmF32x5, nGemmF32x6},
		Wide:    []Gemm{nil, nGemmWide1, nGemmWide2, nGemmWide3, nGemmWide4, nGemmWide5},
		RMSRows: nRMSRows, MaxRow: nMaxRow, ExpRow: nExpRow,
		NormRows: nNormRows, Scale: nScale, Axpy: nAxpy, SiluRows: nSiluRows, GeluRows: nGeluRows,
		SoftCap: nSoftCap, LogSigmoid: nLogSigmoid,
		DecayRow: nDecayRow, ScaleRows: nScaleRows, RopeInterleaved: nRopeInterleaved, RopeHalf: nRopeHalf,
		SoftmaxCols: nSoftmaxCols, ScaleCols: nScaleCols, RetainStep: nRetainStep,
		PairRows: nPairRows, WidenPairs: nWidenPairs, RoundRow: nRoundRow,
		Transpose8: nTranspose8, Touch: nTouch,
	}
	t.need("ASIMD")
	return []*Tier{t}
}
