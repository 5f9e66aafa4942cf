package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/verify"
	"github.com/yocobench/yocobench/suites"
)

func newModel() *cobra.Command {
	return group("model", "Inspect, verify, convert or check a model", newInspect(), newVerify(), newConvert(), newCheck())
}

func newInspect() *cobra.Command {
	var format, context, suite string
	c := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Show a model's configuration, parameters and context costs",
		Example: `  yocobench model inspect yoco-gret-3b --context 1Mi
  yocobench model inspect path/to/checkpoint
  yocobench model inspect hybrid --suite zoo    # by its name in a suite`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := suites.ParseSize(context)
			if err != nil || n < 1 || n > 1<<40 {
				return usagef("--context: expected a length such as 64Ki, got %q", context)
			}
			var f modelSource
			if suite != "" {
				f, err = suiteModel(suite, args[0])
			} else {
				f, err = findLocal(args[0], runners.BF16)
			}
			if err != nil {
				return err
			}
			return inspectModel(c.OutOrStdout(), f, int(n), format)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().StringVar(&context, "context", "32Ki", "context length in tokens")
	c.Flags().StringVar(&suite, "suite", "", "suite that defines the model (a shipped one or a file)")
	return c
}

// suiteModel finds a model by its name in a suite.
func suiteModel(suite, name string) (modelSource, error) {
	s, err := suites.Load(suite, nil, tasks())
	if err != nil {
		return modelSource{}, err
	}
	var names []string
	for _, e := range s.Models {
		if e.Name == name {
			return deviceOptions{}.find(s, e, runners.BF16)
		}
		names = append(names, e.Name)
	}
	return modelSource{}, &suites.Problem{Msg: fmt.Sprintf("the suite %s has no model %q", s.Name, name), Hint: suites.Suggest(name, names)}
}

func inspectModel(w io.Writer, f modelSource, n int, format string) error {
	c := f.config
	total, inner := c.Count()
	cache := c.CacheBytes(n, runners.BF16)
	types := runners.Types{Weights: runners.BF16, KV: runners.BF16, Act: runners.BF16}
	prefill, step := c.PrefillWork(n, 0, types).Total(), c.StepWork(n, 1, types).Total()
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{
			"config": c, "kind": f.kind, "weights": f.identity, "parameters": total, "parameters_non_embedding": inner,
			"tokenizer": f.text().String(), "stored": f.stored, "max_seq_len": c.MaxSeqLen,
			"context": n, "cache_bytes_bf16": cache, "prefill_flop": prefill.FLOPs, "step_flop": step.FLOPs, "step_bytes_read": step.Read,
		})
	case "text":
	default:
		return usagef("--format is text or json, not %q", format)
	}
	p := func(name, form string, args ...any) { fmt.Fprintf(w, "%-22s %s\n", name, fmt.Sprintf(form, args...)) }
	p("model", "%s (%s)", c.Name, f.kind)
	p("architecture", "%s", c.Label)
	p("parameters", "%s, %s of them outside the embedding and output matrices", units.ShortCount(total), units.ShortCount(inner))
	p("layers", "%d", c.Depth())
	for _, line := range layerLines(c) {
		p("", "%s", line)
	}
	p("dim, vocab", "%d, %d", c.Dim, c.Vocab)
	p("norm eps", "%g", float32(c.NormEps)) // files hold it as float32
	p("tokenizer", "%s", f.text())
	if c.MaxSeqLen > 0 {
		p("trained context", "%d tokens", c.MaxSeqLen)
	}
	p("weights", "%s", f.identity)
	for _, s := range f.stored {
		p("", "%s in %s of %s", units.ShortBytes(s.Bytes), units.Plural(float64(s.Tensors), "tensor"), s.Type)
	}
	fmt.Fprintf(w, "\nat a context of %s tokens (bf16):\n", suites.Size(n))
	p("global KV cache", "%s", units.ShortBytes(cache.GlobalKV))
	if cache.WindowKV > 0 {
		p("window KV cache", "%s", units.ShortBytes(cache.WindowKV))
	}
	if cache.State > 0 {
		p("retention state (f32)", "%s", units.ShortBytes(cache.State))
	}
	p("prefill", "%.3g TFLOP", prefill.FLOPs/1e12)
	_, err := fmt.Fprintf(w, "%-22s %.3g GFLOP, %s read\n", "one decode step", step.FLOPs/1e9, units.ShortBytes(int64(step.Read)))
	return err
}

// layerLines describes the layers of a model. Equal consecutive layers share a line, and a repeated
// group is described once.
func layerLines(c runners.Config) (lines []string) {
	for i := 0; i < len(c.Layers); {
		n := 1
		for i+n < len(c.Layers) && follows(c.Layers[i+n-1], c.Layers[i+n]) {
			n++
		}
		lines = append(lines, fmt.Sprintf("%d x %s", n, layerLine(c, i, n)))
		i += n
	}
	for period := 2; period <= len(lines)/2; period++ {
		times := 1
		for (times+1)*period <= len(lines) && slices.Equal(lines[:period], lines[times*period:][:period]) {
			times++
		}
		if times > 1 {
			out := []string{fmt.Sprintf("%d times:", times)}
			for _, l := range lines[:period] {
				out = append(out, "  "+l)
			}
			return append(out, lines[times*period:]...)
		}
	}
	return lines
}

// follows reports whether two consecutive layers are shown as one.
func follows(a, b runners.Layer) bool {
	if a.Mixer.KVBack > 0 {
		a.Mixer.KVBack++ // then both read the same layer
	}
	return a == b
}

// layerLine describes layer i and the n-1 that follow it.
func layerLine(c runners.Config, i, n int) string {
	l := c.Layers[i]
	m := l.Mixer
	var s string
	switch {
	case m.Kind == runners.Retention:
		s = fmt.Sprintf("gated retention, %d heads of %d", m.Heads, m.HeadDim)
	case m.Kind == runners.KeysValues:
		s = fmt.Sprintf("keys and values for later layers, %d heads of %d", m.KVHeads, m.HeadDim)
	default:
		s = fmt.Sprintf("attention, %d heads of %d, %d kv heads", m.Heads, m.HeadDim, m.KVHeads)
		if m.Window > 0 {
			s += fmt.Sprintf(", window of %d", m.Window)
		}
		switch {
		case m.KVBack == 1 && n == 1:
			s += " of the layer before"
		case m.KVBack > 0:
			s += fmt.Sprintf(" of layer %d", i-m.KVBack)
		}
	}
	s += ropeText(m.Rope)
	for _, v := range []struct {
		has  bool
		text string
	}{
		{m.Bias, "biases"},
		{m.QKNorm != runners.NoQKNorm, "norms of queries and keys"},
		{m.ScoreCap != 0, fmt.Sprintf("scores within %g", m.ScoreCap)},
	} {
		if v.has {
			s += ", " + v.text
		}
	}
	if l.FFN > 0 {
		s += fmt.Sprintf("; ffn %d", l.FFN)
	}
	if l.Activation != runners.SiLU {
		s += " " + string(l.Activation)
	}
	if l.Norms != runners.PreNorm {
		s += fmt.Sprintf("; norms: %s", l.Norms)
	}
	return s
}

// ropeText describes rotary positions.
func ropeText(r runners.Rotary) string {
	if r.None {
		return ", no rope"
	}
	s := fmt.Sprintf(", rope theta %g", r.Theta)
	if r.Dims > 0 {
		s += fmt.Sprintf(" on %d dimensions", r.Dims)
	}
	if r.Divisors != "" {
		s += ", scaled"
	}
	return s
}

func newVerify() *cobra.Command {
	var d deviceOptions
	var format, dtype, kv, runner, expect string
	var tolerance float64
	c := &cobra.Command{
		Use:   "verify DIR|FILE.gguf...",
		Short: "Compare a runner's tensors with expected values",
		Long: `Verify folders that hold config.json, weights.safetensors, tokens.json and
expect.safetensors (see testdata/golden/README.md). Every expected tensor is
compared: by scoring, by prefill and steps, and by odd-sized chunks and a batch.
The largest absolute error of each is printed. If it exceeds the tolerance, the
exit code is 1.

A folder of Hugging Face or a GGUF file is compared with the tokens and logits
in expect.safetensors: tokens [n] and logits [n, vocab], or [n/2, vocab] after
every second token. The file is in the folder, or in the folder with the GGUF
file's name without .gguf; --expect names another file.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usagef("--format is text or json, not %q", format)
			}
			o := runners.Options{Threads: d.threads, Tier: d.tier}
			var err error
			if o.Weights, err = runners.ParseDType(dtype); err != nil {
				return usagef("--dtype: %v", err)
			}
			if o.KV, err = runners.ParseDType(firstOf(kv, o.Weights.Caches().String())); err != nil {
				return usagef("--kv: %v", err)
			}
			r, err := openRunner(runner)
			if err != nil {
				return err
			}
			if r.Device().Kind == "computed" {
				return usagef("--runner: the %s runner computes no tensors", runner)
			}
			if expect != "" && len(args) > 1 {
				return usagef("--expect is for one model, not for %d", len(args))
			}
			failed := 0
			var all []verify.Report
			for _, dir := range args {
				rep, err := verify.Expecting(c.Context(), dir, expect, r, o)
				if err != nil {
					return err
				}
				if tolerance > 0 {
					rep = rep.With(tolerance)
				}
				if !rep.OK() {
					failed++
				}
				all = append(all, rep)
				if format == "text" {
					if err := rep.Write(c.OutOrStdout()); err != nil {
						return err
					}
				}
			}
			if format == "json" {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				if err := e.Encode(all); err != nil {
					return err
				}
			}
			if failed > 0 {
				return &exitError{exitFailed, fmt.Errorf("%d of %d models differ from the expected values", failed, len(args))}
			}
			return nil
		},
	}
	deviceFlags(c, &d)
	libraryFlags(c)
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().StringVar(&runner, "runner", "cpu", "cpu or cuda")
	c.Flags().StringVar(&dtype, "dtype", "f32", "type of the weights in memory: f32, bf16, f16 or stored")
	c.Flags().StringVar(&kv, "kv", "", "type of the key/value caches (default: as --dtype)")
	c.Flags().StringVar(&expect, "expect", "", "file with the tokens and logits of a Hugging Face folder or a GGUF file")
	c.Flags().Float64Var(&tolerance, "tolerance", 0, "largest error of a logit (default 2e-4 for f32, 1e-4 for a pretrained model, 0.1 for f16, 0.5 for bf16)")
	return c
}
