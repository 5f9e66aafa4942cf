//go:build cuda

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// cudaTiers are the kernel tiers that --tier can force on a GPU.
func cudaTiers() []string { return append(kernels.Targets(), cuda.TierCUBLAS) }

func newCUDA() (runners.Runner, error) {
	if err := cuda.Available(); err != nil {
		return nil, &suites.Problem{Msg: "the cuda runner: " + err.Error(), Hint: "yocobench doctor shows what this machine has (docs/cuda.md)"}
	}
	return cuda.New(), nil
}

// cudaAccelerator describes the GPU as it is now with the kernels of tier ("": the best), or says what is missing.
func cudaAccelerator(tier string) (*result.Accelerator, error) {
	i, err := cuda.Inspect()
	if err != nil {
		return nil, err
	}
	d, err := cuda.Describe(runners.Options{Tier: tier})
	if err != nil {
		return nil, err
	}
	a := &result.Accelerator{Name: i.Name, Capability: i.Capability, Multiprocessors: i.Multiprocessors, Memory: i.Memory, CUDA: i.Driver, Kernels: d.Tier, Why: d.Why}
	l, err := cuda.Load(runners.Options{Weights: runners.BF16, Tier: tier}, 1)
	if err != nil {
		return nil, err
	}
	a.Code = l.String()
	if a.CUBLAS, err = cuda.CUBLAS(); err != nil {
		a.NoCUBLAS = err.Error()
	}
	if s, err := cuda.Now(); err != nil {
		a.NoState = err.Error()
	} else {
		state := result.GPUState(s)
		a.State = &state
	}
	return a, nil
}

func cudaPeaks(ctx context.Context, weights runners.DType, tier string) (gpuPeak, error) {
	p, err := cuda.Peaks(ctx, runners.Options{Weights: weights, Tier: tier})
	if err != nil {
		return gpuPeak{}, err
	}
	i, err := cuda.Inspect()
	return gpuPeak{p.GFLOPS, p.GBps, peakText(p, i.Name, weights)}, err
}

// cudaEnvironment says which variables of the environment change how long things take on a GPU.
func cudaEnvironment() []string { return cuda.Environment() }

// cudaExclusive reports whether the GPU takes one process at a time.
func cudaExclusive() bool {
	i, err := cuda.Inspect()
	return err == nil && i.Exclusive
}

// libraryFlags adds the flags that only a build with the cuda runner has.
func libraryFlags(c *cobra.Command) { cublasFlag(c) }

// peakText is what was measured of a GPU, in words, each peak with its share of the datasheet's figure where that is known.
func peakText(p cuda.Peak, gpu string, weights runners.DType) string {
	sheet, known := runners.ProfileOf(gpu)
	share := func(x, of float64) string {
		if !known || of <= 0 {
			return ""
		}
		return fmt.Sprintf(" (%.0f %% of the datasheet's %.4g)", 100*x/of, of)
	}
	var peak float64
	if weights == runners.BF16 { // float32 products go through plain arithmetic, not through tensor cores
		peak = sheet.PeakOf(weights) / 1e12
	}
	text := fmt.Sprintf("%.3g TFLOP/s%s: matrix product, %s, by %s", p.GFLOPS/1e3, share(p.GFLOPS/1e3, peak), weights, p.By)
	switch {
	case p.NoCUBLAS != "":
		text += "; " + p.NoCUBLAS
	case p.CUBLAS > 0:
		text += fmt.Sprintf(" (our kernel %.3g, cuBLAS %.3g)", p.Ours/1e3, p.CUBLAS/1e3)
	}
	return text + fmt.Sprintf("; %.0f GB/s%s: memory, the faster of reading %.0f and copying %.0f", p.GBps, share(p.GBps, sheet.Bandwidth/1e9), p.ReadGBps, p.CopyGBps)
}
