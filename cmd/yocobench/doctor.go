package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/limits"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/suites"
)

func newDoctor() *cobra.Command {
	var d deviceOptions
	var format string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this machine can run: kernels, memory, peaks, GPU",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return usagef("--format is text or json, not %q", format)
			}
			p, err := probe(c.Context(), d)
			if err != nil {
				return err
			}
			gpu, gpuErr := findGPU()
			w := c.OutOrStdout()
			if format == "json" {
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				out := map[string]any{"env": p.env, "limits": map[string]any{"memory": limits.ReadMemory(), "cpus": limits.ReadCPUs()}, "tiers": cpu.Tiers(), "features": cpu.Features()}
				if gpuErr != nil {
					out["no_gpu"] = gpuErr.Error()
				}
				if a, err := cudaAccelerator(""); err != nil {
					out["no_cuda_runner"] = firstLine(err.Error())
				} else {
					out["accelerator"] = a
				}
				return e.Encode(out)
			}
			line := func(name, form string, args ...any) { fmt.Fprintf(w, "%-14s %s\n", name, fmt.Sprintf(form, args...)) }
			v, commit := buildVersion()
			line("yocobench", "%s %s, %s", v, commit, runtime.Version())
			line("CPU", "%s, %d cores, %s/%s", p.device.Name, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
			wrapped := func(name, text string) {
				for i, l := range cleantext.Wrap(text, 64) {
					line(map[bool]string{true: name}[i == 0], "%s", l)
				}
			}
			wrapped("features", strings.Join(cpu.Features(), " "))
			wrapped("memory", units.ShortBytes(p.device.Memory)+" for models: "+memoryLimit(limits.ReadMemory()))
			wrapped("threads", fmt.Sprintf("%d%s", p.device.Threads, cpuLimit(limits.ReadCPUs())))
			wrapped("kernel tier", p.device.Tier+": "+p.device.Why)
			for _, t := range cpu.Tiers() {
				have := "yes"
				if !t.Available {
					have = "no: " + t.Why
				}
				line("", "%-14s %s", t.Name, have)
			}
			line("measured", "%.0f GFLOP/s float32, %.0f bfloat16; memory read %.1f GB/s", p.peaks.GFLOPS, p.peaks.BF16GFLOPS, p.peaks.GBps)
			if gpuErr != nil {
				line("GPU", "none: %v", gpuErr)
			} else {
				line("GPU", "%s", gpu)
			}
			if err := doctorCUDA(c.Context(), wrapped); err != nil {
				return err
			}
			line("models", "%d trained, embedded; `yocobench list models`", len(checkpoint.Embedded()))
			line("suites", "%d embedded; `yocobench list suites`", len(suites.Shipped()))
			return nil
		},
	}
	deviceFlags(c, &d)
	libraryFlags(c)
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

// memoryLimit describes what limits the memory of this process.
func memoryLimit(m limits.Memory) string {
	switch {
	case m.By == "":
		return "a guess: the system does not report free memory"
	case !m.Hard():
		return units.ShortBytes(m.Left) + " of the machine are available"
	}
	return fmt.Sprintf("%s are left of %s, the limit of %s", units.ShortBytes(m.Left), units.ShortBytes(m.Limit), m.By)
}

// cpuLimit describes what limits the number of threads, if it is not the number of cores.
func cpuLimit(c limits.CPUs) string {
	switch {
	case c.By != "":
		return fmt.Sprintf(": %s allows %.3g CPUs", c.By, c.Quota)
	case c.Count < runtime.NumCPU():
		return fmt.Sprintf(": GOMAXPROCS is %d", runtime.GOMAXPROCS(0))
	}
	return ""
}

// doctorCUDA describes the device of the cuda runner, or what the runner lacks.
func doctorCUDA(ctx context.Context, line func(name, text string)) error {
	a, err := cudaAccelerator("")
	if err != nil {
		line("cuda runner", "none: "+strings.ReplaceAll(err.Error(), "\n  hint: ", "; "))
		return nil
	}
	line("cuda runner", fmt.Sprintf("%s, compute capability %d.%d, %d multiprocessors, %s; driver for CUDA %s", a.Name, a.Capability/10, a.Capability%10,
		a.Multiprocessors, units.ShortBytes(a.Memory), a.CUDA))
	line("", "kernels "+a.Kernels+": "+a.Why)
	line("", "kernel code: "+a.Code)
	if a.CUBLAS != "" {
		line("", a.CUBLAS+": computes the matrix products for which it is faster")
	} else {
		line("", "all matrix products use these kernels: "+a.NoCUBLAS)
	}
	for _, t := range []runners.DType{runners.BF16, runners.F32} {
		p, err := cudaPeaks(ctx, t, "")
		if err != nil {
			return err
		}
		line("", "measured "+p.text)
	}
	for _, s := range cudaEnvironment() {
		line("", s)
	}
	switch s := a.State; {
	case s == nil:
		line("", "clocks and power are unknown: "+a.NoState)
	default:
		line("", fmt.Sprintf("driver %s; %d of %d MHz, memory %d of %d MHz; %.0f of %.0f W, %d °C", s.Driver, s.SMClock, s.SMClockMax, s.MemoryClock, s.MemoryClockMax, s.Power, s.PowerLimit, s.Temperature))
		if len(s.Throttled) > 0 {
			line("", "clocks are throttled by: "+strings.Join(s.Throttled, ", "))
		}
	}
	return nil
}
