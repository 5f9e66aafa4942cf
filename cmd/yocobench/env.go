package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// version is set by the linker for releases. If it is empty, buildVersion uses the module's build
// information.
var version = ""

// buildVersion returns the version and the commit that this program was built from.
func buildVersion() (v, commit string) {
	v = version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return firstOf(v, "unknown"), ""
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if commit != "" {
		commit += dirty
	}
	return firstOf(v, info.Main.Version, "(devel)"), commit
}

// probed describes this machine.
type probed struct {
	device  runners.Device
	peaks   cpu.Peak
	machine runners.Profile
	env     result.Env
}

// probe measures this machine's peaks, in a fraction of a second, and describes the environment.
func probe(ctx context.Context, d deviceOptions) (*probed, error) {
	dev, err := cpu.Describe(runners.Options{Threads: d.threads, Tier: d.cpuTier()})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	peaks, err := cpu.Peaks(ctx, runners.Options{Threads: d.threads, Tier: d.cpuTier()})
	if err != nil {
		return nil, err
	}
	p := &probed{device: dev, peaks: peaks, machine: peaks.Profile(dev.Memory)}
	v, commit := buildVersion()
	gpu, _ := findGPU()
	p.env = result.Env{
		Version: v, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPU: dev.Name, Cores: runtime.NumCPU(), Threads: dev.Threads, Memory: dev.Memory,
		KernelTier: dev.Tier, Why: dev.Why, GPU: gpu,
		GFLOPS: peaks.GFLOPS, BF16GFLOPS: peaks.BF16GFLOPS, GBps: peaks.GBps,
	}
	return p, nil
}

// gpuPeak holds the peaks of a GPU, in 10^9 FLOP/s and 10^9 bytes/s, and a description of how they
// were measured.
type gpuPeak struct {
	gflops, gbps float64
	text         string
}

// runsOnGPU reports whether a model of the plan runs on the GPU.
func runsOnGPU(p *suites.Plan) bool {
	return slices.ContainsFunc(p.Cases, func(c *suites.PlannedCase) bool { return c.Model.Runner == "cuda" })
}

// onGPU describes the GPU in env, if a model of the plan runs on it.
func onGPU(p *suites.Plan, d deviceOptions, env *result.Env) (err error) {
	if runsOnGPU(p) {
		env.Accelerator, err = cudaAccelerator(d.gpuTier())
	}
	return err
}

// findGPU returns the names of the NVIDIA GPUs that the driver lists, or the reason why there is
// none.
func findGPU() (name string, err error) {
	files, _ := filepath.Glob("/proc/driver/nvidia/gpus/*/information")
	var names []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if model, ok := strings.CutPrefix(line, "Model:"); ok {
				names = append(names, strings.TrimSpace(model))
			}
		}
	}
	switch {
	case len(names) > 0:
		return strings.Join(names, ", "), nil
	case runtime.GOOS != "linux":
		return "", fmt.Errorf("detected on Linux only")
	}
	if _, err := os.Stat("/proc/driver/nvidia/version"); err != nil {
		return "", errors.New("no NVIDIA driver is loaded (/proc/driver/nvidia is missing)")
	}
	return "", errors.New("an NVIDIA driver is loaded, but lists no GPU")
}
