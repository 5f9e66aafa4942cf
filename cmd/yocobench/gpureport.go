//go:build cuda

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/reports"
)

// markdown writes what was found as tables.
func (r *gpuCheck) markdown(w io.Writer) error {
	a := r.Accelerator
	p := func(form string, args ...any) { fmt.Fprintf(w, form, args...) }
	p("# %s\n\n", a.Name)
	if r.Toy {
		p("**Toy sizes: a rehearsal. The speeds mean nothing.**\n\n")
	}
	p("%s, yocobench %s %s. Compute capability %d.%d, %d multiprocessors, %s; driver for CUDA %s", r.Start.Format("2006-01-02 15:04"), r.Version, r.Commit,
		a.Capability/10, a.Capability%10, a.Multiprocessors, shortBytes(a.Memory), a.CUDA)
	if s := a.State; s != nil {
		p(" (%s); %d of %d MHz, %.0f of %.0f W, %d °C", s.Driver, s.SMClock, s.SMClockMax, s.Power, s.PowerLimit, s.Temperature)
	} else {
		p("; clocks and power unknown: %s", a.NoState)
	}
	if s := r.After; s != nil {
		p("; after the kernels %d MHz, %.0f W, %d °C", s.SMClock, s.Power, s.Temperature)
		if len(s.Throttled) > 0 {
			p(", held back by: %s", strings.Join(s.Throttled, ", "))
		}
	}
	p(". Kernels: %s (%s).", a.Kernels, a.Why)
	if r.GFLOPS > 0 {
		p(" Peaks measured here: %.3g TFLOP/s (matrix product, bf16), %.0f GB/s (memory copy).", r.GFLOPS/1e3, r.GBps)
	}
	p("\n")
	if len(r.Problems) > 0 {
		p("\n## Problems\n\n")
		for _, x := range r.Problems {
			p("- %s\n", x)
		}
	}

	p("\n## Fixtures\n\n| fixture | type | kernels | largest error of a logit | tolerance | |\n|---|---|---|---|---|---|\n")
	for _, f := range r.Fixtures {
		if f.Note != "" {
			p("| %s | %s | %s | | | %s |\n", f.Name, f.DType, f.Kernels, f.Note)
			continue
		}
		p("| %s | %s | %s | %.2g | %.2g | %s |\n", f.Name, f.DType, f.Kernels, f.Error, f.Tolerance, okay(f.OK))
	}
	r.kernelTable(p)
	p("\n## The paper's models\n\n")
	if r.NoEndToEnd != "" {
		p("%s\n\n", r.NoEndToEnd)
	}
	if r.EndToEnd == nil {
		return nil
	}
	// Its report without pictures, which are in no file here, one level down.
	var b strings.Builder
	if err := reports.MarkdownTo(context.Background(), &b, r.EndToEnd, nil); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		switch {
		case strings.HasPrefix(line, "!["):
			continue
		case strings.HasPrefix(line, "#"):
			line = "##" + line
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}

// kernelTable writes the kernels: errors, times, rates and those of peers.
func (r *gpuCheck) kernelTable(p func(string, ...any)) {
	p("\n## Kernels\n\nMedian times by the device's events. TFLOP/s and GB/s count the work once, by arithmetic. A peer's ratio is its time over the kernel's: above 1 the kernel is faster.\n\n")
	if r.Torch != "" {
		p("Peers: PyTorch %s\n\n", r.Torch)
	}
	if r.NoPeers != "" {
		p("No peers, or not all: %s\n\n", r.NoPeers)
	}
	p("| kernel | type | shape | error | ms | TFLOP/s | GB/s | of peak | peers |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, k := range r.Kernels {
		var shape []string
		for name, n := range k.Shape {
			shape = append(shape, name+" "+strconv.Itoa(n))
		}
		slices.Sort(shape)
		p("| %s | %s | %s | %.2g of %.2g | ", k.Kernel, k.DType, strings.Join(shape, ", "), k.Error, k.Tolerance)
		if !k.OK {
			p("**wrong: not timed** | | | | |\n")
			continue
		}
		ms := k.Median()
		compute, memory := k.FLOPs/ms/1e9, k.Bytes/ms/1e6
		of := fmt.Sprintf("%.0f %% of FLOP/s", 100*compute*1e3/r.GFLOPS)
		if share := memory / r.GBps; share > compute*1e3/r.GFLOPS {
			of = fmt.Sprintf("%.0f %% of GB/s", 100*share)
		}
		if k.DType != "bf16" || r.GFLOPS == 0 {
			of = ""
		}
		var peers []string
		if k.Choice != nil {
			peers = append(peers, "chosen: "+k.Choice.String())
		}
		for _, q := range k.Peers {
			switch {
			case q.Why != "":
				peers = append(peers, q.Name+": "+q.Why)
			default:
				text := fmt.Sprintf("%s %.4g ms (%.2f)", q.Name, q.Millis, q.Millis/ms)
				if q.Error != nil {
					text += fmt.Sprintf(", differs by %.2g", *q.Error)
				}
				peers = append(peers, text)
			}
		}
		p("%.4g | %.4g | %.4g | %s | %s |\n", ms, compute, memory, of, strings.Join(peers, "; "))
	}
}

func okay(ok bool) string {
	if ok {
		return "ok"
	}
	return "**wrong**"
}
