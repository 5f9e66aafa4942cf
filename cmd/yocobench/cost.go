package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/families"
	"github.com/yocobench/yocobench/suites"
)

// costFlags are the flags of cost.
type costFlags struct {
	lengths, kv, device, format, png string
	batch                            int64
	price, watts                     float64
	ignore                           []string
}

func newCost() *cobra.Command {
	var f costFlags
	c := &cobra.Command{
		Use:   "cost MODEL...",
		Short: "Compute what any model's context costs: memory, prefill, decode",
		Long: `Compute what the context of a model costs: the bytes of its caches by kind of
layer and length, its weights, the largest batch and context that fit a device,
and lower bounds on prefill and decode time there. Nothing is run.

MODEL is a Hugging Face config.json or a folder with one (no weights needed), a
.gguf file, or the name of a published model or preset (yocobench list models).
An unknown field of a config is an error: sizes are never guessed.

Keys and values have the type --kv; recurrent states and convolutions are
float32. Times are bounds at the device's published peaks.`,
		Example: `  yocobench cost path/to/config.json
  yocobench cost model.gguf --kv q8_0 --device rtx-4090
  yocobench cost yoco-gret-3b transformer-3b --lengths 32Ki..1Mi --png cost.png
  yocobench cost config.json --device '{"name": "mine", "peak": {"bf16": 4e14},
    "bandwidth": 2e12, "memory": 64e9}' --price 1.90`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(args, c.OutOrStdout(), c.ErrOrStderr()) },
	}
	fs := c.Flags()
	fs.StringVar(&f.lengths, "lengths", "4Ki..1Mi", "context lengths: FROM..TO in doublings, or a list such as 8Ki,100k")
	fs.Int64Var(&f.batch, "batch", 1, "sequences decoded together")
	fs.StringVar(&f.kv, "kv", "bf16", "type of keys and values: f16, bf16, fp8, q8_0, q4_0 or f32")
	fs.StringVar(&f.device, "device", "h100-sxm", "device (yocobench list devices), or a JSON object")
	fs.StringVar(&f.format, "format", "text", "text or json")
	fs.StringVar(&f.png, "png", "", "plot cache bytes against length into this file (.png or .svg)")
	fs.Float64Var(&f.price, "price", 0, "dollars per hour of the device, to compute dollars per million tokens")
	fs.Float64Var(&f.watts, "watts", 0, "power of the device in watts, to compute joules (default: the device's TDP)")
	fs.StringSliceVar(&f.ignore, "ignore", nil, "config fields to ignore because they do not affect the model's size")
	return c
}

// costReport is the output of cost for one model. Its JSON form is a public interface.
type costReport struct {
	Name   string `json:"name"`
	Family string `json:"family"`
	// Layers holds the caches by kind of layer.
	Layers     []families.Group `json:"layers"`
	Parameters int64            `json:"parameters"`
	Active     int64            `json:"active_parameters"`
	Weights    int64            `json:"weights_bytes"`
	Stored     string           `json:"weights_type"`
	KV         string           `json:"kv_type"`
	// PerToken is the growth of the caches per token, in bytes, once every window is full. Fixed is
	// the rest of one sequence's memory, in bytes: full windows, states, convolutions.
	PerToken int64  `json:"bytes_per_token"`
	Fixed    int64  `json:"fixed_bytes"`
	Context  int64  `json:"context,omitempty"`
	Device   string `json:"device"`
	Batch    int64  `json:"batch"`
	// LargestContext is the longest sequence that fits the device's memory, in tokens. It is -1 if
	// the caches do not grow, so that there is no limit.
	LargestContext int64        `json:"largest_context"`
	Lengths        []costLength `json:"lengths"`
	Notes          []string     `json:"notes,omitempty"`

	model *families.Model
}

// costLength is the cost at one length.
type costLength struct {
	Tokens int64 `json:"tokens"`
	// Cache covers all sequences of the batch. Total adds the weights.
	Cache int64 `json:"cache_bytes"`
	Total int64 `json:"total_bytes"`
	// LargestBatch is the number of sequences that fit the device's memory.
	LargestBatch int64 `json:"largest_batch"`
	// Prefill covers one sequence, Decode one token of each sequence of the batch. Seconds are
	// lower bounds, computed from the device's peaks.
	PrefillFLOPs   float64 `json:"prefill_flop"`
	PrefillSeconds float64 `json:"prefill_seconds"`
	DecodeFLOPs    float64 `json:"decode_flop"`
	DecodeBytes    float64 `json:"decode_bytes"`
	DecodeSeconds  float64 `json:"decode_seconds"`
	// Cost of a million decoded tokens; 0 if the price or the power is unknown.
	Dollars float64 `json:"dollars_per_million_tokens,omitempty"`
	Joules  float64 `json:"joules_per_million_tokens,omitempty"`
}

func (f *costFlags) run(args []string, stdout, stderr io.Writer) error {
	if f.format != "text" && f.format != "json" {
		return usagef("--format is text or json, not %q", f.format)
	}
	lengths, err := parseLengths(f.lengths)
	if err != nil {
		return usagef("--lengths: %v", err)
	}
	kv, err := families.ParseKVType(f.kv)
	if err != nil {
		return usagef("--kv: %v", err)
	}
	device, err := runners.FindProfile(f.device)
	if err != nil {
		return usagef("--device: %v", err)
	}
	if f.batch < 1 || f.batch > 1<<20 {
		return usagef("--batch is 1 to %d, not %d", 1<<20, f.batch)
	}
	if !(f.price >= 0) || !(f.watts >= 0) {
		return usagef("--price and --watts are 0 or more")
	}
	if f.watts > 0 {
		device.Watts = f.watts
	}
	var all []costReport
	for _, arg := range args {
		models, err := costModels(arg, f.ignore)
		if err != nil {
			return err
		}
		for _, m := range models {
			all = append(all, f.report(m, lengths, kv, device))
		}
	}
	if f.png != "" {
		if err := drawCost(f.png, all, device); err != nil {
			return err
		}
	}
	if f.format == "json" {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		if len(all) == 1 {
			return e.Encode(all[0])
		}
		return e.Encode(all)
	}
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		if err := r.print(stdout, device); err != nil {
			return err
		}
	}
	return nil
}

// costModels finds the models that an argument names: a single model, or all models of a suite
// file.
func costModels(arg string, ignore []string) (models []*families.Model, err error) {
	if !strings.HasSuffix(arg, ".yaml") && !strings.HasSuffix(arg, ".yml") {
		m, err := costModel(arg, ignore)
		return []*families.Model{m}, err
	}
	s, err := suites.Load(arg, nil, tasks())
	if err != nil {
		return nil, err
	}
	d := deviceOptions{found: newCache()}
	for _, e := range s.Models {
		f, err := d.find(s, e, runners.BF16)
		if err != nil {
			return nil, err
		}
		m := f.family
		if m == nil {
			m = families.FromConfig(f.config, runners.BF16)
		}
		named := *m
		named.Name = e.Name
		models = append(models, &named)
	}
	return models, nil
}

// costModel finds a model: a file or folder of a published family, or any name that a suite
// accepts.
func costModel(arg string, ignore []string) (*families.Model, error) {
	if families.IsConfig(arg) {
		m, err := families.Open(arg, ignore...)
		var fe *families.FieldError
		if errors.As(err, &fe) {
			return nil, &suites.Problem{Msg: fe.Error(), Hint: fe.Hint}
		}
		return m, err
	}
	if _, err := os.Stat(arg); err != nil && strings.ContainsAny(arg, `/\`) {
		return nil, usagef("%v\n  hint: a model is a config.json, a folder with one, a .gguf file, or a name (yocobench list models)", err)
	}
	f, err := findModel(arg, ".", true, 1, runners.BF16)
	if err != nil {
		return nil, err
	}
	if f.family != nil {
		return f.family, nil
	}
	return families.FromConfig(f.config, runners.BF16), nil
}

// parseLengths reads FROM..TO or a list.
func parseLengths(s string) ([]int64, error) {
	from, to, isRange := strings.Cut(s, "..")
	parts := strings.Split(s, ",")
	if isRange {
		parts = []string{from, to}
	}
	var out []int64
	for _, p := range parts {
		n, err := suites.ParseSize(p)
		if err != nil {
			return nil, err
		}
		if n < 1 || n > 1<<40 {
			return nil, fmt.Errorf("%s is not a length, want 1 to 1024Gi", p)
		}
		out = append(out, int64(n))
	}
	if !isRange {
		return out, nil
	}
	last := out[1]
	if out[0] > last {
		return nil, fmt.Errorf("%s is more than %s", from, to)
	}
	out = out[:1]
	for n := 2 * out[0]; n < last; n *= 2 {
		out = append(out, n)
	}
	if out[0] < last {
		out = append(out, last)
	}
	return out, nil
}

func (f *costFlags) report(m *families.Model, lengths []int64, kv families.KVType, device runners.Profile) costReport {
	r := costReport{
		Name: m.Name, Family: m.Family, Layers: m.Groups(kv), Weights: m.Bytes(), Stored: m.Stored.Name, KV: kv.Name,
		PerToken: m.BytesPerToken(kv), Fixed: m.FixedBytes(kv), Context: m.Context, Device: device.Name, Batch: f.batch,
		LargestContext: m.LargestContext(device.Memory, kv), Notes: m.Notes, model: m,
	}
	r.Parameters, r.Active = m.Parameters()
	peak := device.PeakOf(runners.BF16)
	for _, n := range lengths {
		prefill, decode := m.PrefillCost(n, kv), m.DecodeCost(n, f.batch, kv)
		l := costLength{
			Tokens: n, Cache: f.batch * m.CacheBytes(n, kv), LargestBatch: m.LargestBatch(n, device.Memory, kv),
			PrefillFLOPs: prefill.FLOPs, PrefillSeconds: prefill.Seconds(peak, device.Bandwidth),
			DecodeFLOPs: decode.FLOPs, DecodeBytes: decode.Bytes, DecodeSeconds: decode.Seconds(peak, device.Bandwidth),
		}
		l.Total = l.Cache + r.Weights
		perMillion := l.DecodeSeconds / float64(f.batch) * 1e6
		l.Dollars, l.Joules = perMillion*f.price/3600, perMillion*device.Watts
		r.Lengths = append(r.Lengths, l)
	}
	return r
}

func (r costReport) print(w io.Writer, device runners.Profile) error {
	fmt.Fprintf(w, "%s: %s, %s parameters", r.Name, r.Family, units.ShortCount(r.Parameters))
	if r.Active < r.Parameters*9/10 {
		fmt.Fprintf(w, " (%s active)", units.ShortCount(r.Active))
	}
	fmt.Fprintf(w, "\nweights: %s (%s)", units.ShortBytes(r.Weights), r.Stored)
	if r.Context > 0 {
		fmt.Fprintf(w, "; context %s", suites.Size(r.Context))
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "one sequence: %d bytes per token and %s fixed (%s)\n\n", r.PerToken, units.ShortBytes(r.Fixed), r.KV)
	t := newTable(w, "layers", "count", "window", "bytes/token", "fixed")
	for _, g := range r.Layers {
		window, perToken, fixed := "", "", ""
		if g.Window > 0 {
			window = suites.Size(g.Window).String()
		}
		if g.PerToken > 0 {
			perToken = fmt.Sprint(g.PerToken)
		}
		if g.Fixed > 0 {
			fixed = units.ShortBytes(g.Fixed)
		}
		t.row(string(g.Kind), fmt.Sprint(g.Count), window, perToken, fixed)
	}
	if err := t.write(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\non %s (%.4g GB), batch %d (times are bounds at its peaks):\n\n", device.Name, float64(device.Memory)/1e9, r.Batch)
	heads := []string{"context", "caches", "with weights", "max batch", "prefill", "decode"}
	if r.Lengths[0].Dollars > 0 {
		heads = append(heads, "$/M")
	}
	if r.Lengths[0].Joules > 0 {
		heads = append(heads, "MJ/M")
	}
	t = newTable(w, heads...)
	for _, l := range r.Lengths {
		row := []string{suites.Size(l.Tokens).String(), units.ShortBytes(l.Cache), units.ShortBytes(l.Total), fmt.Sprint(l.LargestBatch),
			reports.Seconds(l.PrefillSeconds), reports.Seconds(l.DecodeSeconds)}
		if l.LargestBatch == 0 {
			row[3] = "0"
		}
		if l.Dollars > 0 {
			row = append(row, fmt.Sprintf("%.3g", l.Dollars))
		}
		if l.Joules > 0 {
			row = append(row, fmt.Sprintf("%.3g", l.Joules/1e6))
		}
		t.row(row...)
	}
	if err := t.write(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nmax batch: sequences that fit; prefill: one sequence; decode: one step")
	if r.Lengths[0].Dollars > 0 {
		fmt.Fprintln(w, "$/M: dollars per million decoded tokens, computed")
	}
	if r.Lengths[0].Joules > 0 {
		fmt.Fprintf(w, "MJ/M: megajoules per million decoded tokens at %g W, computed\n", device.Watts)
	}
	switch {
	case r.LargestContext < 0:
		fmt.Fprintf(w, "The caches do not grow: any context fits.\n")
	case r.LargestContext == 0:
		fmt.Fprintf(w, "The weights do not fit into %.4g GB.\n", float64(device.Memory)/1e9)
	default:
		fmt.Fprintf(w, "The largest context of one sequence is %d tokens.\n", r.LargestContext)
	}
	if r.Context > 0 && r.Lengths[len(r.Lengths)-1].Tokens > r.Context {
		fmt.Fprintf(w, "note: the model supports %s tokens; longer contexts are extrapolated\n", suites.Size(r.Context))
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, strings.Join(cleantext.Wrap("note: "+n, 80), "\n"))
	}
	return nil
}

// drawCost plots the cache bytes of one sequence against its length, with the device's memory as a
// horizontal line.
func drawCost(path string, all []costReport, device runners.Profile) error {
	p := reports.Plot{
		Title: "Cache of one sequence", XLabel: "context length in tokens", XUnit: "tokens", YUnit: "bytes",
		Subtitle: fmt.Sprintf("computed, keys and values in %s; the dashed line is the memory of %s", all[0].KV, device.Name),
		Limit:    float64(device.Memory), LimitName: device.Name,
	}
	kv, err := families.ParseKVType(all[0].KV)
	if err != nil {
		return err
	}
	for _, r := range all {
		c := reports.Curve{Name: r.Name}
		for _, l := range r.Lengths {
			c.X, c.Y = append(c.X, float64(l.Tokens)), append(c.Y, float64(r.model.CacheBytes(l.Tokens, kv)))
		}
		p.Curves = append(p.Curves, c)
	}
	b, err := p.Draw(strings.HasSuffix(path, ".svg"))
	if err != nil {
		return err
	}
	return safefile.WriteBytes(path, b)
}
