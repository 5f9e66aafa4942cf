//go:build cuda

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/gpucheck"
	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// cudaTiers returns the kernel tiers that --tier can force on a GPU.
func cudaTiers() []string { return append(kernels.Targets(), cuda.TierCUBLAS) }

func newCUDA() (runners.Runner, error) {
	if err := cuda.Available(); err != nil {
		return nil, &suites.Problem{Msg: "the cuda runner: " + err.Error(), Hint: "yocobench doctor shows what this machine has (docs/cuda.md)"}
	}
	return cuda.New(), nil
}

// cudaAccelerator describes the GPU and its current state.
func cudaAccelerator(tier string) (*result.Accelerator, error) { return gpucheck.Accelerator(tier) }

func cudaPeaks(ctx context.Context, weights runners.DType, tier string) (gpuPeak, error) {
	p, err := cuda.Peaks(ctx, runners.Options{Weights: weights, Tier: tier})
	if err != nil {
		return gpuPeak{}, err
	}
	i, err := cuda.Inspect()
	return gpuPeak{p.GFLOPS, p.GBps, gpucheck.PeakText(p, i.Name, weights)}, err
}

// cudaEnvironment lists the environment variables that are set and affect times on a GPU.
func cudaEnvironment() []string { return cuda.Environment() }

// cudaExclusive reports whether the GPU accepts only one process at a time.
func cudaExclusive() bool {
	i, err := cuda.Inspect()
	return err == nil && i.Exclusive
}

// libraryFlags adds the flags that only a build with the cuda runner has.
func libraryFlags(c *cobra.Command) { cublasFlag(c) }
