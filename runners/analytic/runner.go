// Package analytic is the runner that computes instead of measuring. Its models have no weights.
// Prefill and Step advance a virtual clock by the time computed from the cost model
// (runners/cost.go) and a device profile, and track the lengths of sequences. Score is unsupported.
// Memory is computed too. The tasks that measure time and memory run on it unchanged, for machines
// that are not available and models that do not fit on any machine here. Its records have source:
// computed.
//
// The workspace is that of runners.Config.RunBytes: activations of one prefill chunk and logits of
// one batch, in the type of the weights. Fork takes no time; truncating a model that cannot be
// truncated for free takes the time of a prefill.
package analytic

import (
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/families"
)

// Runner computes the time and memory of models on one device.
type Runner struct{ profile runners.Profile }

// New returns a runner for a device. The profile's Efficiency is the assumed fraction of its
// limits.
func New(p runners.Profile) (*Runner, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Runner{p}, nil
}

// Name is "analytic".
func (r *Runner) Name() string { return "analytic" }

// Profile returns the device's profile.
func (r *Runner) Profile() runners.Profile { return r.profile }

// Device describes the device.
func (r *Runner) Device() runners.Device {
	return runners.Device{
		Kind:   "computed",
		Name:   r.profile.Name,
		Why:    r.profile.Source,
		Memory: r.profile.Memory,
	}
}

// Load makes a model of cfg. weights may be nil: they are not read. A MemoryBudget replaces the
// profile's memory, whether larger or smaller.
func (r *Runner) Load(cfg runners.Config, _ runners.Weights, o runners.Options) (runners.Instance, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("model %q: %w", cfg.Name, err)
	}
	m, err := r.model(layered{cfg, r.profile, runners.Types{Weights: o.Weights, KV: o.KV, Act: o.Weights}, o.PrefillChunk}, o)
	if err != nil {
		return nil, err
	}
	return &Instance{m, cfg}, nil
}

// LoadFamily makes a model of a published family, which need not be supported by other runners.
func (r *Runner) LoadFamily(f *families.Model, o runners.Options) (*Model, error) {
	return r.model(published{f, r.profile, families.KVTypeOf(o.KV)}, o)
}

func (r *Runner) model(s shape, o runners.Options) (*Model, error) {
	if o.Weights == runners.Stored {
		return nil, fmt.Errorf("%w: the analytic runner computes with one type of weights, not those of a file; set dtype to f32, bf16 or f16", runners.ErrUnsupported)
	}
	m := &Model{shape: s, profile: r.profile, memory: r.profile.Memory, live: map[int]int{}}
	if o.MemoryBudget > 0 {
		m.memory = o.MemoryBudget
	}
	if w := m.Usage().Weights; w > m.memory {
		return nil, m.outOfMemory("the weights", w)
	}
	m.ResetPeak()
	return m, nil
}

// Instance is a Model whose layers are known. It implements runners.Instance.
type Instance struct {
	*Model
	cfg runners.Config
}

// Config is the model's configuration.
func (m *Instance) Config() runners.Config { return m.cfg }
