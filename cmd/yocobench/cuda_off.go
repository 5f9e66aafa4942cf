//go:build !cuda

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// cudaMissing returns the reason for which there is no CUDA runner: it is not linked in.
func cudaMissing() error {
	return &suites.Problem{Msg: "the cuda runner is not in this build", Hint: "build bin/yocobench-cuda with: make cuda (docs/cuda.md)"}
}

func newCUDA() (runners.Runner, error) { return nil, cudaMissing() }

func cudaTiers() []string { return nil }

func cudaAccelerator(string) (*result.Accelerator, error) { return nil, cudaMissing() }

func cudaPeaks(context.Context, runners.DType, string) (gpuPeak, error) {
	return gpuPeak{}, cudaMissing()
}

// libraryFlags adds the flags of a build with the cuda runner: none here.
func libraryFlags(*cobra.Command) {}

func cudaEnvironment() []string { return nil }

func cudaExclusive() bool { return false }

// gpuCommands returns the commands of a build with the cuda runner: none here.
func gpuCommands() []*cobra.Command { return nil }
