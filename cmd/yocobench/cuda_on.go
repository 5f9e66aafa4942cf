//go:build cuda

package main

import (
	"context"

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

func cudaPeaks(ctx context.Context, weights runners.DType, tier string) (gflops, gbps float64, err error) {
	p, err := cuda.Peaks(ctx, runners.Options{Weights: weights, Tier: tier})
	return p.GFLOPS, p.GBps, err
}
