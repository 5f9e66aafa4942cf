//go:build !cuda

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// cudaMissing says why there is no CUDA runner: it is not linked in.
func cudaMissing() error {
	return &suites.Problem{Msg: "the cuda runner is not in this build", Hint: "make cuda builds bin/yocobench-cuda, which has it (docs/cuda.md)"}
}

func newCUDA() (runners.Runner, error) { return nil, cudaMissing() }

func cudaTiers() []string { return nil }

func cudaAccelerator(string) (*result.Accelerator, error) { return nil, cudaMissing() }

func cudaPeaks(context.Context, runners.DType, string) (gpuPeak, error) {
	return gpuPeak{}, cudaMissing()
}

// libraryFlags adds the flags that only a build with the cuda runner has.
func libraryFlags(*cobra.Command) {}

func cudaEnvironment() []string { return nil }

func cudaExclusive() bool { return false }

// gpuCommands are the commands that only a build with the cuda runner has.
func gpuCommands() []*cobra.Command { return nil }
