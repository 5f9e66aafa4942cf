//go:build cuda

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/gpucheck"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
)

// gpuCommands returns the commands that only a build with the cuda runner has.
func gpuCommands() []*cobra.Command { return []*cobra.Command{newGPUCheck(), newGPUPart()} }

func newGPUCheck() *cobra.Command {
	var cublas *cublasFile
	var (
		o    gpucheck.Options
		plan bool
	)
	c := &cobra.Command{
		Use:   "gpu-check",
		Short: "Check and benchmark this GPU's kernels and models",
		Long: `Check the cuda runner on this machine's GPU and benchmark it, in parts:

  fixtures  the reference's fixtures in float32 and bfloat16
  peaks     matrix products and memory bandwidth, our kernels and cuBLAS
  kernels   each kernel against float64, then its time
  peers     the same by PyTorch, if --python has it
  models    the paper's suite on the 3B models

A kernel that fails its check is not timed, and the exit code is 1. Each part
runs in its own processes, so a crash affects no other part. Each result is
written to disk as soon as it is measured: a JSON file, a Markdown table and the
run of the models. --resume continues an earlier call.`,
		Example: `  yocobench-cuda gpu-check --plan
  yocobench-cuda gpu-check --parts fixtures,peaks --out results
  yocobench-cuda gpu-check --parts kernels --out results --resume results`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.CUBLAS = string(*cublas)
			return gpuCheck(c.Context(), o, plan, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	out := os.Getenv("OUT")
	if out == "" {
		out = filepath.Join("docs", "measurements")
	}
	fs := c.Flags()
	fs.StringSliceVar(&o.Parts, "parts", gpucheck.Parts, "parts to run")
	fs.BoolVar(&plan, "plan", false, "only print the command lines of all parts with their estimated times")
	fs.StringVar(&o.Resume, "resume", "", "continue an earlier call: its JSON file or folder")
	fs.BoolVar(&o.Small, "small", false, "for testing: small sizes, the smoke suite, PyTorch on the CPU if it finds no GPU")
	fs.BoolVar(&o.Small, "toy", false, "older name of --small")
	if err := fs.MarkHidden("toy"); err != nil {
		panic(err)
	}
	fs.StringVarP(&o.Out, "out", "o", out, "folder for the results (default: the environment variable OUT, or docs/measurements)")
	fs.Lookup("out").DefValue = ""
	fs.StringVar(&o.Fixtures, "fixtures", filepath.Join("testdata", "golden"), "folder of fixtures")
	fs.StringVar(&o.Python, "python", "python3", "Python with PyTorch; its cuBLAS is used if the loader finds none")
	fs.DurationVar(&o.Budget, "budget", 9*time.Minute, "time limit of this call")
	cublas = cublasFlag(c)
	return c
}

// self returns the path of this program, which runs the parts. Tests replace it.
var self = os.Executable

// gpuCheck runs gpu-check, or prints its plan.
func gpuCheck(ctx context.Context, o gpucheck.Options, plan bool, stdout, log io.Writer) error {
	path, err := self()
	if err != nil {
		return err
	}
	v, commit := buildVersion()
	o.Program = gpucheck.Program{Version: v, Commit: commit, Path: path, DeviceLost: exitDeviceLost, Journal: journalName, Plan: planAbsent}
	if plan {
		return gpucheck.Plan(ctx, o, stdout)
	}
	failures, err := gpucheck.Run(ctx, o, stdout, log)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted; the results so far are written")}
	case failures > 0:
		return &exitError{exitFailed, fmt.Errorf("%d checks failed", failures)}
	}
	return nil
}

// planAbsent plans a suite for a GPU that this machine does not have.
func planAbsent(ctx context.Context, name string, sets, filters []string, p runners.Profile) (*suites.Plan, error) {
	suite, err := suites.Load(name, sets, tasks())
	if err != nil {
		return nil, err
	}
	absent := plannedGPU{p, errors.New("a plan loads no model")}
	d := deviceOptions{dry: &assumption{}, found: newCache()}
	d.found.runners["cuda\n"] = described{absent, absent.Device()}
	plan, err := suites.NewPlan(ctx, suite, suites.Registry{Tasks: tasks(), Machine: &p,
		Open: func(s *suites.Suite, e suites.Entry) (*suites.Target, error) { return d.resolve(s, e, &p) }})
	if err != nil {
		return nil, err
	}
	filter, err := suites.ParseFilter(filters)
	if err != nil {
		return nil, err
	}
	return plan, plan.Filter(filter)
}

func newGPUPart() *cobra.Command {
	var p gpucheck.Part
	c := &cobra.Command{
		Use:    "gpu-part",
		Short:  "A part of yocobench gpu-check: results as JSON lines on standard output",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e := json.NewEncoder(c.OutOrStdout())
			err := p.Run(c.Context(), func(r gpucheck.Result) error { return e.Encode(r) }, c.ErrOrStderr())
			if errors.Is(err, runners.ErrDeviceLost) {
				err = &exitError{exitDeviceLost, err}
			}
			return err
		},
	}
	fs := c.Flags()
	fs.StringVar(&p.Name, "part", "", "fixtures, peaks or kernels")
	fs.StringVar(&p.DType, "dtype", "bf16", "number type of peaks and kernels")
	fs.StringVar(&p.Fixtures, "fixtures", "", "folder of fixtures")
	fs.IntVar(&p.From, "from", 0, "index of the first item")
	fs.IntVar(&p.To, "to", 0, "index after the last item (default: all)")
	fs.BoolVar(&p.Small, "small", false, "small sizes")
	cublasFlag(c)
	return c
}
