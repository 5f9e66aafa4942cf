package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/memory"
	"github.com/yocobench/yocobench/needle"
	"github.com/yocobench/yocobench/nll"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/analytic"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites"
)

// This file is the one table of names to implementations.

func tasks() []suites.Task {
	return append([]suites.Task{needle.Task{}, nll.Task{}}, memory.Tasks()...)
}

// runnerNames lists the runners with a line on each.
var runnerNames = []struct{ name, about string }{
	{"cpu", "measures on this machine's processor"},
	{"cuda", "measures on an NVIDIA GPU; a build of its own has it (make cuda)"},
	{"analytic", "computes memory and time from the cost model and a device profile"},
}

// newRunner makes the runner of a name; device is the profile's name for the analytic one.
func newRunner(name, device string) (runners.Runner, error) {
	switch name {
	case "cpu":
		if device != "" {
			return nil, usagef("the cpu runner measures this machine; device %q belongs to the analytic runner", device)
		}
		return cpu.New(), nil
	case "cuda":
		if device != "" {
			return nil, usagef("the cuda runner measures this machine; device %q belongs to the analytic runner", device)
		}
		return newCUDA()
	case "analytic":
		if device == "" {
			device = "h100-sxm"
		}
		p, err := runners.FindProfile(device)
		if err != nil {
			return nil, err
		}
		return analytic.New(p)
	}
	var names []string
	for _, r := range runnerNames {
		names = append(names, r.name)
	}
	return nil, &suites.Problem{Msg: fmt.Sprintf("unknown runner %q", name), Hint: suites.Suggest(name, names)}
}

// found is a model of some name: its config and the way to its weights.
type found struct {
	config   runners.Config
	kind     string // "trained" (embedded), "preset", "checkpoint" or "layers of a suite"
	identity string
	open     func() (runners.Weights, error)
}

// findModel resolves a model's name: embedded, preset, or a folder relative to dir. random asks for seeded
// random weights of type dtype instead of trained ones; presets have no others.
func findModel(name, dir string, random bool, seed uint64, dtype runners.DType) (found, error) {
	var f found
	path, err := corpus.ExpandHome(name)
	if err != nil {
		return f, err
	}
	folder := filepath.Join(dir, path)
	if filepath.IsAbs(path) {
		folder = path
	}
	switch {
	case slices.Contains(checkpoint.Embedded(), name):
		c, w, err := checkpoint.OpenEmbedded(name)
		if err != nil {
			return f, err
		}
		defer w.Close()
		f = found{config: c, kind: "trained", open: func() (runners.Weights, error) {
			_, w, err := checkpoint.OpenEmbedded(name)
			return w, err
		}}
		if f.identity, err = checkpoint.Fingerprint(c, w); err != nil {
			return f, err
		}
	case isPreset(name):
		c, err := runners.Preset(name)
		if err != nil {
			return f, err
		}
		f, random = found{config: c, kind: "preset"}, true
	case hasConfig(folder) || hasConfig(path):
		if !hasConfig(folder) {
			folder = path
		}
		c, w, err := checkpoint.Open(folder)
		if err != nil {
			return f, err
		}
		defer w.Close()
		f = found{config: c, kind: "checkpoint", open: func() (runners.Weights, error) {
			_, w, err := checkpoint.Open(folder)
			return w, err
		}}
		if f.identity, err = checkpoint.Fingerprint(c, w); err != nil {
			return f, err
		}
	default:
		return f, unknownModel(name)
	}
	if random {
		f.random(seed, dtype)
	}
	return f, nil
}

// random gives f seeded random weights of a type.
func (f *found) random(seed uint64, dtype runners.DType) {
	config := f.config
	f.identity = fmt.Sprintf("random %s seed %d", dtype, seed)
	f.open = func() (runners.Weights, error) { return checkpoint.Random(config, seed, dtype), nil }
}

func unknownModel(name string) error {
	if strings.ContainsAny(name, `/\.`) {
		return &suites.Problem{Msg: fmt.Sprintf("no model in the folder %s: it has no config.json", name), Hint: "a checkpoint is a folder with config.json and weights.safetensors"}
	}
	names := checkpoint.Embedded()
	for _, c := range runners.Presets() {
		names = append(names, c.Name)
	}
	hint := suites.Suggest(name, names)
	if !strings.HasPrefix(hint, "did you") {
		hint = "`yocobench list models` shows them all; a folder with config.json is a model too"
	}
	return &suites.Problem{Msg: fmt.Sprintf("unknown model %q", name), Hint: hint}
}

func isPreset(name string) bool {
	return slices.ContainsFunc(runners.Presets(), func(c runners.Config) bool { return c.Name == name })
}

func hasConfig(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "config.json"))
	return err == nil
}

// device holds the choices of the command line that are no part of the question a suite asks.
type device struct {
	threads int
	tier    string
	found   cache
	// dry is not nil in a dry run, which can do without a GPU.
	dry *assumption
}

// cpuTier is the tier to force on the processor: none where the one asked for is a GPU's.
func (d device) cpuTier() string {
	if slices.Contains(cudaTiers(), d.tier) {
		return ""
	}
	return d.tier
}

// gpuTier is the tier to force on the GPU: none where the one asked for is the processor's.
func (d device) gpuTier() string {
	if d.cpuTier() == "" {
		return d.tier
	}
	return ""
}

// cache keeps what was found, so that a suite that names a model a thousand times opens it once.
type cache struct {
	models  map[string]found
	gpus    map[runners.DType]*runners.Profile
	runners map[string]described
}

func newCache() cache {
	return cache{map[string]found{}, map[runners.DType]*runners.Profile{}, map[string]described{}}
}

// gpu is what the GPU of a runner can do with weights of a type, measured when it is first asked for.
func (c cache) gpu(r runners.Runner, weights runners.DType, tier string) (*runners.Profile, error) {
	if p := c.gpus[weights]; p != nil {
		return p, nil
	}
	peak, err := cudaPeaks(context.Background(), weights, tier)
	if err != nil {
		return nil, err
	}
	p := runners.ThisMachine(peak.gflops, peak.gbps, r.Device().Memory)
	p.Kind = "gpu"
	if c.gpus != nil {
		c.gpus[weights] = &p
	}
	return &p, nil
}

func (c cache) get(name, dir string, random bool, seed uint64, dtype runners.DType) (found, error) {
	key := fmt.Sprint(name, "\n", dir, random, seed, dtype)
	if f, ok := c.models[key]; ok {
		return f, nil
	}
	f, err := findModel(name, dir, random, seed, dtype)
	if err == nil && c.models != nil {
		c.models[key] = f
	}
	return f, err
}

// runner makes the runner of a name once, and describes its device once: a suite may have thousands of models.
func (d device) runner(name, profile string) (runners.Runner, runners.Device, error) {
	key := name + "\n" + profile
	if p, ok := d.found.runners[key]; ok {
		return p.runner, p.device, nil
	}
	r, err := newRunner(name, profile)
	if err != nil && name == "cuda" && profile == "" && d.dry != nil {
		r, err = d.dry.gpu(err)
	}
	if err != nil {
		return nil, runners.Device{}, err
	}
	p := described{r, r.Device()}
	if d.found.runners != nil {
		d.found.runners[key] = p
	}
	return p.runner, p.device, nil
}

// described is a runner with what it runs on.
type described struct {
	runner runners.Runner
	device runners.Device
}

// wiring connects suites with everything that this program links in.
func wiring(d device, machine *runners.Profile) suites.Wiring {
	d.found = newCache()
	return suites.Wiring{
		Tasks:   tasks(),
		Machine: machine,
		Resolve: func(s *suites.Suite, e suites.Entry) (*suites.Resolved, error) { return d.resolve(s, e, machine) },
	}
}

// find finds the model of an entry.
func (d device) find(s *suites.Suite, e suites.Entry, weights runners.DType) (found, error) {
	if c := e.Config(); c != nil {
		f := found{config: *c, kind: "layers of a suite"}
		f.random(e.Seed, weights)
		return f, nil
	}
	return d.found.get(e.Model, s.Dir, e.Weights == "random", e.Seed, weights)
}

func (d device) resolve(s *suites.Suite, e suites.Entry, machine *runners.Profile) (*suites.Resolved, error) {
	name, dev := firstOf(e.Runner, s.Runner), e.Device
	if e.Runner == "" && dev == "" {
		dev = s.Device
	}
	r, on, err := d.runner(name, dev)
	if err != nil {
		return nil, err
	}
	o := runners.Options{Threads: d.threads, Tier: d.cpuTier(), MemoryBudget: int64(s.Memory), PrefillChunk: int(e.Chunk)}
	// The trained models are tiny, and stored as f32: that is what they run as everywhere.
	if name == "analytic" || name == "cuda" && !slices.Contains(checkpoint.Embedded(), e.Model) {
		o.Weights = runners.BF16
	}
	if name == "cuda" {
		o.Tier = d.gpuTier()
		if o.PrefillChunk == 0 {
			o.PrefillChunk = cuda.PrefillChunk
		}
	}
	if e.DType != nil {
		o.Weights = *e.DType
	}
	o.KV = o.Weights
	if e.KV != nil {
		o.KV = *e.KV
	}
	if name == "cpu" && o.KV == runners.F16 {
		return nil, fmt.Errorf("model %s: the cpu runner keeps keys and values in f32 or bf16, not f16; set kv", e.Name)
	}
	f, err := d.find(s, e, o.Weights)
	if err != nil {
		return nil, err
	}
	if f.config.ChunkLogits = e.Logits == "chunk"; f.config.ChunkLogits {
		if err := f.config.Validate(); err != nil {
			return nil, fmt.Errorf("model %s: %w", e.Name, err)
		}
	}
	var gpu *runners.Profile
	if absent, ok := r.(absentGPU); ok {
		gpu, machine = &absent.profile, &absent.profile
	} else if name == "cuda" {
		if gpu, err = d.found.gpu(r, o.Weights, o.Tier); err != nil {
			return nil, err
		}
		machine = gpu
	}
	computed, limit := on.Kind == "computed", int64(0)
	if !computed {
		if o.MemoryBudget > on.Memory {
			o.MemoryBudget = 0 // more than the machine has: what it has
		}
		if limit = o.MemoryBudget; limit == 0 {
			limit = on.Memory
		}
	}
	m := &suites.Resolved{
		Model: suites.Model{
			Name: e.Name, Config: f.config, Options: o, Identity: f.identity,
			Runner: r.Name(), Device: on.Name, Computed: computed, Machine: gpu, Memory: limit,
		},
		Load: func() (runners.Model, error) {
			w, err := f.open()
			if err != nil {
				return nil, err
			}
			defer w.Close() // a loaded model has its weights laid out on the device
			return slowed(r.Load(f.config, w, o))
		},
		Seconds: func(w runners.Work) float64 {
			if computed || machine == nil {
				return 0
			}
			return machine.Seconds(w, o.Weights)
		},
		Room: r.Device().Room,
	}
	if computed {
		m.Identity = "none: computed"
	}
	return m, nil
}

func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// defaultOut is the folder of a run that was given none: runs/SUITE-TIME.
func defaultOut(suite string, now time.Time) string {
	return filepath.Join("runs", suite+"-"+now.Format("20060102-150405"))
}
