package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/suites"
)

func newDoctor() *cobra.Command {
	var d device
	var format string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this machine can do: kernels, threads, memory, measured peaks, GPU",
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
				out := map[string]any{"env": p.env, "tiers": cpu.Tiers(), "features": cpu.Features()}
				if gpuErr != nil {
					out["no_gpu"] = gpuErr.Error()
				}
				return e.Encode(out)
			}
			line := func(name, form string, args ...any) { fmt.Fprintf(w, "%-14s %s\n", name, fmt.Sprintf(form, args...)) }
			v, commit := buildVersion()
			line("yocobench", "%s %s, %s", v, commit, runtime.Version())
			line("processor", "%s, %d cores, %s/%s", p.device.Name, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
			wrapped := func(name, text string) {
				for i, l := range wrapWords(strings.Fields(text), 64) {
					line(map[bool]string{true: name}[i == 0], "%s", l)
				}
			}
			wrapped("features", strings.Join(cpu.Features(), " "))
			line("memory", "%s", shortBytes(p.device.Memory))
			line("threads", "%d", p.device.Threads)
			wrapped("kernel tier", p.device.Tier+": "+p.device.Why)
			for _, t := range cpu.Tiers() {
				have := "yes"
				if !t.Available {
					have = "no: " + t.Why
				}
				line("", "%-14s %s", t.Name, have)
			}
			line("measured", "%.0f GFLOP/s (matrix product), %.1f GB/s (memory read)", p.peaks.GFLOPS, p.peaks.GBps)
			if gpuErr != nil {
				line("GPU", "none: %v", gpuErr)
			} else {
				line("GPU", "%s", gpu)
			}
			line("GPU runner", "not in this build: models run on the processor")
			line("models", "%d trained ones inside; `yocobench list models`", len(checkpoint.Embedded()))
			line("suites", "%d inside; `yocobench list suites`", len(suites.Shipped()))
			return nil
		},
	}
	deviceFlags(c, &d)
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}
