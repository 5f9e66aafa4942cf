package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// KV is the task "kv": the memory of a model with sequences of a given length.
//
// Metrics, all in bytes: weights, global_kv, window_kv and state as reported by the model and, with
// the suffix _computed, as computed by runners.Config.HeldBytes; a case fails if the two differ.
// workspace is the memory of activations and kernels, which depends on the runner and is as large
// as its largest use so far. total is the sum, peak the largest total if the runner measures it,
// and bytes_per_token the part that grows with the context. If sequences are allocated but not
// filled, the workspace is unused, so it and the peak are left out, also of the total. device_used
// is the memory in use according to the GPU's driver: the total, its own context and kernels, and
// other programs.
//
// The following memory is neither counted nor limited: the program itself and Go's heap (about 20
// MB, plus the prompt's tokens, the text of a haystack, and 4 bytes for each of batch x vocabulary
// logits), and the mapped pages of checkpoint files, which the kernel drops when memory is short.
// Loading takes no more than the weights: tensors that are random or stored in another type are
// converted in blocks.
type KV struct{}

// KVParams are the parameters of kv.
type KVParams struct {
	Models  param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern such as *-3b (default: all)"`
	Lengths suites.Sizes `yaml:"lengths" doc:"context lengths in tokens"`
	Batch   int          `yaml:"batch" doc:"number of sequences"`
	Fill    bool         `yaml:"fill" doc:"prefill the sequences and step them once, so that workspace and peak are realistic; false only allocates them, which takes no time"`
}

// Name is "kv".
func (KV) Name() string { return "kv" }

// About returns a one-line description.
func (KV) About() string {
	return "memory by part (weights, global KV, window KV, state, workspace) against context length"
}

// Params returns the defaults.
func (KV) Params() any {
	return &KVParams{Lengths: suites.Sizes{1 << 10, 4 << 10, 16 << 10}, Batch: 1, Fill: true}
}

// Plan makes a case for each length.
func (KV) Plan(p *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	a := params.(*KVParams)
	if ok, err := wanted(p, a.Models, m); !ok {
		return nil, err
	}
	if err := checkSizes(p, "lengths", a.Lengths, 1); err != nil {
		return nil, err
	}
	if err := checkCount(p, "batch", a.Batch, 1, maxBatch); err != nil {
		return nil, err
	}
	if err := p.Count(len(a.Lengths)); err != nil {
		return nil, err
	}
	s := targetOf(p, m)
	var cases []suites.Case
	for _, n := range a.Lengths {
		k := kvCase{target: s, length: int(n), batch: a.Batch, fill: a.Fill}
		label := fmt.Sprintf("kv %s x %d", suites.Size(n), a.Batch)
		c := suites.Case{
			Label:       label,
			Params:      s.params(map[string]any{"length": n, "batch": a.Batch, "fill": a.Fill}),
			Bytes:       s.bytes(int(n), a.Batch).Total(),
			Least:       s.least(int(n), a.Batch),
			Unsupported: m.Can.Missing(runners.Memory, runners.Step),
			Run:         runs(label, p.Seed, k.run),
		}
		if a.Fill {
			c.Work = append(s.prefill(int(n)-1, 0, float64(a.Batch)), s.step(int(n)-1, a.Batch, 1)...)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

type kvCase struct {
	target
	length, batch int
	fill          bool
}

func (c kvCase) run(ctx context.Context, m runners.Stepper, r *result.Outcome, rng *rand.Rand, progress func(float64)) error {
	meter, err := runners.As[runners.Meter](m, runners.Memory)
	if err != nil {
		return err
	}
	var held sequences
	defer func() { held.close() }()
	meter.ResetPeak()
	for i := range c.batch {
		s, err := m.NewSequence(c.length)
		if err != nil {
			return fmt.Errorf("sequence %d of %d: %w", i+1, c.batch, err)
		}
		held = append(held, s)
	}
	if c.fill {
		if err := c.use(ctx, m, held, rng, progress); err != nil {
			return err
		}
	}
	if d, ok := m.(runners.DeviceMemory); ok {
		used, _, err := d.DeviceMemory()
		if err != nil {
			return err
		}
		set(r, "device_used", "bytes", result.None, float64(used))
	}
	return c.report(meter.Usage(), r)
}

// use fills the sequences: all tokens but the last by Prefill, and the last by a Step of the batch.
func (c kvCase) use(ctx context.Context, m runners.Stepper, held sequences, rng *rand.Rand, progress func(float64)) error {
	for i, s := range held {
		if c.length > 1 {
			if err := m.Prefill(ctx, s, c.prompt(rng, m.Vocab(), c.length-1)); err != nil {
				return fmt.Errorf("prefill of sequence %d of %d: %w", i+1, c.batch, err)
			}
		}
		progress(float64(i+1) / float64(c.batch+1))
	}
	rows := c.logits(m.Vocab(), c.batch)
	if err := m.Step(ctx, held, c.prompt(rng, m.Vocab(), c.batch), rows); err != nil {
		return err
	}
	return runners.CheckFinite(rows...)
}

// report fills in the metrics, and fails if a part differs from its computed size.
func (c kvCase) report(held runners.Usage, r *result.Outcome) error {
	computed := c.bytes(c.length, c.batch)
	for _, part := range []struct {
		name           string
		held, computed int64
	}{
		{"weights", held.Weights, computed.Weights},
		{"global_kv", held.GlobalKV, computed.GlobalKV},
		{"window_kv", held.WindowKV, computed.WindowKV},
		{"state", held.State, computed.State},
	} {
		set(r, part.name, "bytes", result.Lower, float64(part.held))
		if c.cfg == nil {
			continue
		}
		set(r, part.name+"_computed", "bytes", result.None, float64(part.computed))
		if part.held != part.computed {
			return fmt.Errorf("%s: %d bytes held, %d computed", part.name, part.held, part.computed)
		}
	}
	if c.fill {
		set(r, "workspace", "bytes", result.Lower, float64(held.Workspace))
	} else {
		held.Workspace, held.Peak = 0, 0
	}
	set(r, "total", "bytes", result.Lower, float64(held.Total()))
	set(r, "bytes_per_token", "bytes", result.Lower, float64(held.GlobalKV)/float64(c.length)/float64(c.batch))
	if held.Peak > 0 {
		set(r, "peak", "bytes", result.Lower, float64(held.Peak))
	}
	c.assumptions(r, false)
	if c.computed && c.machine != nil && held.Total() > c.machine.Memory {
		device, _, _ := strings.Cut(c.machine.Name, "@")
		r.Notes = append(r.Notes, fmt.Sprintf("this does not fit the %s GB of one %s", short(float64(c.machine.Memory)/1e9), device))
	}
	return nil
}
