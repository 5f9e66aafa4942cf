//go:build cuda

package gpucheck

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites"
)

// markdown writes the results as tables.
func (r *Results) markdown(w io.Writer) error {
	a := r.Accelerator
	p := func(form string, args ...any) { fmt.Fprintf(w, form, args...) }
	p("# %s\n\n", a.Name)
	if r.Small {
		p("**Small sizes, for testing: the speeds are meaningless.**\n\n")
	}
	p("%s, yocobench %s %s. Compute capability %d.%d, %d multiprocessors, %s; driver for CUDA %s", r.Start.Format("2006-01-02 15:04"), r.Version, r.Commit,
		a.Capability/10, a.Capability%10, a.Multiprocessors, units.ShortBytes(a.Memory), a.CUDA)
	if s := a.State; s != nil {
		p(" (%s); %d of %d MHz, %.0f of %.0f W, %d °C", s.Driver, s.SMClock, s.SMClockMax, s.Power, s.PowerLimit, s.Temperature)
	} else {
		p("; clocks and power unknown: %s", a.NoState)
	}
	if s := r.After; s != nil {
		p("; after the kernels %d MHz, %.0f W, %d °C", s.SMClock, s.Power, s.Temperature)
		if len(s.Throttled) > 0 {
			p(", throttled by: %s", strings.Join(s.Throttled, ", "))
		}
	}
	p(". Kernels: %s (%s).", a.Kernels, a.Why)
	if r.Peak != nil {
		p(" Peaks measured here: %s.", PeakText(*r.Peak, a.Name, runners.BF16))
	}
	p("\n")
	if todo := r.todo(); len(todo) > 0 {
		p("\n**Incomplete: %s.** `--resume` continues.\n", strings.Join(todo, ", "))
	}
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
	r.attentionTable(p)
	p("\n## The paper's models\n\n")
	if r.NoEndToEnd != "" {
		p("%s\n\n", r.NoEndToEnd)
	}
	if r.EndToEnd == nil {
		return nil
	}
	// The run's report, with headings one level down and without pictures, because no files are
	// written for them.
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

// kernelTable writes errors, times and rates of the kernels and of their peers.
func (r *Results) kernelTable(p func(string, ...any)) {
	p("\n## Kernels\n\nTimes are medians, measured by device events. TFLOP/s and GB/s divide the operation's minimum work by the time. A peer's ratio is its time divided by the kernel's: above 1 the kernel is faster.\n\n")
	if r.Torch != "" {
		p("Peers: PyTorch %s\n\n", r.Torch)
	}
	if r.NoPeers != "" {
		p("Peers missing: %s\n\n", r.NoPeers)
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
		of := ""
		if k.DType == "bf16" && r.Peak != nil {
			of = ofPeak(compute*1e3/r.Peak.GFLOPS, memory/r.Peak.GBps)
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

// attention holds the times of prefill attention over the full context on one shape: ours, and the
// best of ours and of the peers that compute the same.
type attention struct {
	flops, ours, best float64 // FLOP, milliseconds
	name              string  // the peer's name; "" if no peer is faster
}

// attention finds the measurement of bfloat16 prefill attention, after a context or from its start.
func (r *Results) attention(after bool) (a attention, ok bool) {
	for _, k := range r.Kernels {
		if k.Kernel != "attend_prefill" || k.DType != "bf16" || !k.OK || (k.Shape["pos0"] > 0) != after {
			continue
		}
		a, ok = attention{flops: k.FLOPs, ours: k.Median(), best: k.Median()}, true
		for _, p := range k.Peers {
			// Consider only peers that compute the same result.
			if p.Millis > 0 && p.Millis < a.best && p.Error != nil && *p.Error <= 3*k.Tolerance {
				a.best, a.name = p.Millis, p.Name
			}
		}
	}
	return a, ok
}

// everyLayerGlobal reports whether every layer of a preset stores keys and values of the whole
// context, as in a Transformer.
func everyLayerGlobal(preset string) bool {
	c, err := runners.Preset(preset)
	return err == nil && !slices.ContainsFunc(c.Layers, func(l runners.Layer) bool { return !l.Mixer.Global() })
}

// attentionTable compares YOCO's prefill with the Transformer's, as measured and as it would be
// with the best peer's attention. A ratio to a Transformer with slow attention would be misleading.
func (r *Results) attentionTable(p func(string, ...any)) {
	if r.EndToEnd == nil {
		return
	}
	ttft := map[string]map[int]float64{} // by model and length
	base := ""
	for _, rec := range r.EndToEnd.Records {
		n, isNumber := rec.Params["length"].(float64)
		m, measured := rec.Metrics["ttft"]
		if !isNumber || !measured {
			continue
		}
		if ttft[rec.Model] == nil {
			ttft[rec.Model] = map[int]float64{}
		}
		ttft[rec.Model][int(n)] = m.Value
		if everyLayerGlobal(rec.Model) {
			base = rec.Model
		}
	}
	if base == "" || len(ttft) < 2 {
		return
	}
	p("\n## Prefill: Transformer / YOCO\n\n")
	start, ok1 := r.attention(false)
	after, ok2 := r.attention(true)
	cfg, err := runners.Preset(base)
	if !ok1 || !ok2 || err != nil || len(start.peers(r))+len(after.peers(r)) == 0 {
		p("**No peer's attention was measured, so it is unknown how much our attention kernel slows the Transformer down.**\n\n")
		ok1 = false
	} else {
		p("The last two columns show the Transformer with the attention of the fastest peer that computes the same: %s for the first %s tokens (%.2f times ours), %s for the later ones (%.2f times).\n\n",
			start.peerName(), suites.Size(cuda.PrefillChunk), start.ours/start.best, after.peerName(), after.ours/after.best)
	}
	p("| tokens | model | s | %s, s | ratio | with the best attention, s | ratio |\n|---|---|---|---|---|---|---|\n", base)
	for _, n := range slices.Sorted(maps.Keys(ttft[base])) {
		for _, model := range slices.Sorted(maps.Keys(ttft)) {
			yoco, ok := ttft[model][n]
			if model == base || !ok {
				continue
			}
			t := ttft[base][n]
			best, ratio := "", ""
			if ok1 {
				b := withBest(t, cfg, n, start, after)
				best, ratio = fmt.Sprintf("%.4g", b), fmt.Sprintf("%.3g", b/yoco)
			}
			p("| %s | %s | %.4g | %.4g | %.3g | %s | %s |\n", suites.Size(n), model, yoco, t, t/yoco, best, ratio)
		}
	}
}

// peers returns the names of the timed peers.
func (a attention) peers(r *Results) (names []string) {
	for _, k := range r.Kernels {
		for _, p := range k.Peers {
			if k.Kernel == "attend_prefill" && k.DType == "bf16" && k.FLOPs == a.flops && p.Millis > 0 {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

func (a attention) peerName() string {
	if a.name == "" {
		return "our own kernel, because no peer is faster,"
	}
	return a.name
}

// withBest converts the measured seconds of a prefill of n tokens. It assumes the best speed of
// start for the attention of the first chunk, and the best speed of after for that of the others.
func withBest(seconds float64, cfg runners.Config, n int, start, after attention) float64 {
	first := min(n, cuda.PrefillChunk)
	// The cost of one pair of a token and a key that it attends to. One token has one pair, two
	// tokens have three.
	flops := func(n int) float64 { return cfg.PrefillWork(n, 0, runners.Types{}).Total().FLOPs }
	work := flops(2) - 2*flops(1)
	saved := func(pairs float64, a attention) float64 { return work * pairs / a.flops * (a.ours - a.best) / 1e3 }
	return seconds - saved(runners.CausalKeys(first, 0), start) - saved(runners.CausalKeys(n-first, first), after)
}

// ofPeak describes the share of the measured peak that is reached.
func ofPeak(compute, memory float64) string {
	share, what := compute, "FLOP/s"
	if memory > compute {
		share, what = memory, "GB/s"
	}
	text := fmt.Sprintf("%.0f %% of %s", 100*share, what)
	if share > 1 {
		text += " (the peak is underestimated, or data came from caches)"
	}
	return text
}

func okay(ok bool) string {
	if ok {
		return "ok"
	}
	return "**wrong**"
}
