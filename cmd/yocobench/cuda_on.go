//go:build cuda

package main

import (
	"context"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

func newCUDA() (runners.Runner, error) {
	if err := cuda.Available(); err != nil {
		return nil, &suites.Problem{Msg: "the cuda runner: " + err.Error(), Hint: "yocobench doctor shows what this machine has (docs/cuda.md)"}
	}
	return cuda.New(), nil
}

// cudaAccelerator describes the GPU as it is now, or says what is missing.
func cudaAccelerator() (*result.Accelerator, error) {
	i, err := cuda.Inspect()
	if err != nil {
		return nil, err
	}
	d, err := cuda.Describe(runners.Options{})
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

func cudaPeaks(ctx context.Context, weights runners.DType) (gflops, gbps float64, err error) {
	p, err := cuda.Peaks(ctx, runners.Options{Weights: weights})
	return p.GFLOPS, p.GBps, err
}
