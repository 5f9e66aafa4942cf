package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/memory"
	"github.com/yocobench/yocobench/needle"
	"github.com/yocobench/yocobench/nll"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/analytic"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/runners/families"
	"github.com/yocobench/yocobench/suites"
)

// This file is the one table of names to implementations.

func tasks() []suites.Task {
	return append([]suites.Task{needle.Task{}, nll.Task{}}, memory.Tasks()...)
}

// backend is a runner of the program, and what an entry of a suite becomes on it.
type backend struct {
	name, about string
	// open makes the runner; profile is the device that the suite names.
	open func(d device, profile string) (runners.Runner, error)
	// options fills in the defaults of an entry that the runner has of its own.
	options func(d device, e suites.Entry, o *runners.Options)
	// kv lists the types that keys and values can have; nil is any.
	kv []runners.DType
	// machine is what the device can do with weights of a type; nil: it is the machine of the plan.
	machine func(d device, r runners.Runner, o runners.Options) (*runners.Profile, error)
	// family loads a published model whose layers only the cost model knows; nil: the runner
	// cannot.
	family func(r runners.Runner, m *families.Model, o runners.Options) (runners.Model, error)
	// cannot says what targets cannot do on this runner whatever their model is.
	cannot map[runners.Capability]string
}

// backends are the runners; a further one is a further row.
var backends = []backend{
	{
		name: "cpu", about: "measures on this machine's CPU",
		open:    func(_ device, profile string) (runners.Runner, error) { return cpu.New(), here("cpu", profile) },
		options: func(d device, _ suites.Entry, o *runners.Options) { o.Tier = d.cpuTier() },
		kv:      []runners.DType{runners.F32, runners.BF16},
	},
	{
		name: "cuda", about: "measures on an NVIDIA GPU; requires a separate build (make cuda)",
		open: func(d device, profile string) (runners.Runner, error) {
			if err := here("cuda", profile); err != nil {
				return nil, err
			}
			r, err := newCUDA()
			if err != nil && d.dry != nil {
				return d.dry.gpu(err)
			}
			return r, err
		},
		options: func(d device, e suites.Entry, o *runners.Options) {
			// The trained models are tiny, and stored as f32: that is what they run as everywhere.
			if !slices.Contains(checkpoint.Embedded(), e.Model) {
				o.Weights = runners.BF16
			}
			o.Tier = d.gpuTier()
			if o.PrefillChunk == 0 {
				o.PrefillChunk = cuda.PrefillChunk
			}
		},
		machine: func(d device, r runners.Runner, o runners.Options) (*runners.Profile, error) {
			if absent, ok := r.(plannedGPU); ok {
				return &absent.profile, nil
			}
			return d.found.gpu(r, o.Weights, o.Tier)
		},
	},
	{
		name: "analytic", about: "computes memory and time from the cost model and a device profile",
		open: func(_ device, profile string) (runners.Runner, error) {
			p, err := runners.FindProfile(firstOf(profile, "h100-sxm"))
			if err != nil {
				return nil, err
			}
			return analytic.New(p)
		},
		options: func(_ device, _ suites.Entry, o *runners.Options) { o.Weights = runners.BF16 },
		cannot: map[runners.Capability]string{
			runners.Complete: "the analytic runner computes costs and produces no answers",
			runners.Score:    "the analytic runner computes costs and predicts no text",
		},
		family: func(r runners.Runner, m *families.Model, o runners.Options) (runners.Model, error) {
			return r.(*analytic.Runner).LoadFamily(m, o)
		},
	},
}

// here refuses a device profile for a runner that measures this machine.
func here(runner, profile string) error {
	if profile == "" {
		return nil
	}
	return usagef("the %s runner measures this machine; device %q belongs to the analytic runner", runner, profile)
}

// openRunner makes the runner of a name for a command that needs no suite.
func openRunner(name string) (runners.Runner, error) {
	b, err := findBackend(name)
	if err != nil {
		return nil, err
	}
	return b.open(device{}, "")
}

// findBackend finds a runner by its name.
func findBackend(name string) (*backend, error) {
	var names []string
	for i := range backends {
		if backends[i].name == name {
			return &backends[i], nil
		}
		names = append(names, backends[i].name)
	}
	return nil, &suites.Problem{Msg: fmt.Sprintf("unknown runner %q", name), Hint: suites.Suggest(name, names)}
}

// found is a model of some name: its config and the way to its weights.
type found struct {
	config   runners.Config
	kind     string // "trained" (embedded), "preset", "checkpoint" or "layers of a suite"
	identity string
	open     func() (runners.Weights, error)
	// family is a published model whose layers are known to the cost model alone; then there is no
	// config, and nothing to open.
	family *families.Model
}

// findModel resolves a model's name: embedded, preset, or a folder relative to dir. random asks for
// seeded random weights of type dtype instead of trained ones; presets have no others.
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
	case families.IsConfig(folder), families.IsConfig(path):
		if !families.IsConfig(folder) {
			folder = path
		}
		return fromFamily(families.Open(folder))
	case slices.Contains(families.Published(), name):
		return fromFamily(families.OpenPublished(name))
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

// findLocal is findModel for commands that look into a model or run it.
func findLocal(name string, dtype runners.DType) (found, error) {
	f, err := findModel(name, ".", false, 1, dtype)
	if err == nil && f.family != nil {
		err = &suites.Problem{
			Msg:  fmt.Sprintf("the layers of %s (%s) are known to the cost model alone", name, f.family.Family),
			Hint: "yocobench cost " + cleantext.ShellQuote(name) + " computes what its context costs",
		}
	}
	return f, err
}

// fromFamily makes a published model a found one.
func fromFamily(m *families.Model, err error) (found, error) {
	var fe *families.FieldError
	if errors.As(err, &fe) {
		return found{}, &suites.Problem{Msg: fe.Error(), Hint: "yocobench cost FILE --ignore FIELD counts it as without effect"}
	}
	if err != nil {
		return found{}, err
	}
	text, err := json.Marshal(m)
	sum := sha256.Sum256(text)
	return found{kind: "published config", family: m, identity: "config " + hex.EncodeToString(sum[:8])}, err
}

func unknownModel(name string) error {
	if strings.ContainsAny(name, `/\.`) {
		return &suites.Problem{Msg: fmt.Sprintf("no model in the folder %s: it has no config.json", name), Hint: "a checkpoint is a folder with config.json and weights.safetensors"}
	}
	names := slices.Concat(checkpoint.Embedded(), families.Published())
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

// gpu is what the GPU of a runner can do with weights of a type, measured when it is first asked
// for.
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

// runner makes the runner of a backend once, and describes its device once: a suite may have
// thousands of models.
func (d device) runner(b *backend, profile string) (described, error) {
	key := b.name + "\n" + profile
	if p, ok := d.found.runners[key]; ok {
		return p, nil
	}
	r, err := b.open(d, profile)
	if err != nil {
		return described{}, err
	}
	p := described{r, r.Device()}
	if d.found.runners != nil {
		d.found.runners[key] = p
	}
	return p, nil
}

// described is a runner with what it runs on.
type described struct {
	runner runners.Runner
	device runners.Device
}

// wiring connects suites with everything that this program links in.
func wiring(d device, machine *runners.Profile) suites.Registry {
	d.found = newCache()
	return suites.Registry{
		Tasks:   tasks(),
		Machine: machine,
		Open:    func(s *suites.Suite, e suites.Entry) (*suites.Target, error) { return d.resolve(s, e, machine) },
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

// resolve makes a suite's entry a target.
func (d device) resolve(s *suites.Suite, e suites.Entry, machine *runners.Profile) (*suites.Target, error) {
	profile := e.Device
	if e.Runner == "" && profile == "" {
		profile = s.Device
	}
	b, err := findBackend(firstOf(e.Runner, s.Runner))
	if err != nil {
		return nil, err
	}
	on, err := d.runner(b, profile)
	if err != nil {
		return nil, err
	}
	o, err := d.options(b, s, e)
	if err != nil {
		return nil, err
	}
	f, err := d.find(s, e, o.Weights)
	if err != nil {
		return nil, err
	}
	if f.family != nil {
		return d.familyTarget(b, on, e, f, o)
	}
	if f.config.ChunkLogits = e.Logits == "chunk"; f.config.ChunkLogits {
		if err := f.config.Validate(); err != nil {
			return nil, fmt.Errorf("model %s: %w", e.Name, err)
		}
	}
	t := suites.Local(e.Name, f.config)
	t.Identity, t.Runner, t.Device, t.Room = f.identity, on.runner.Name(), on.device.Name, on.device.Room
	for what, why := range b.cannot {
		t.Can = t.Can.Cannot(what, why)
	}
	if t.Computed = on.device.Kind == "computed"; t.Computed {
		t.Identity = "none: computed"
	} else {
		if o.MemoryBudget > on.device.Memory {
			o.MemoryBudget = 0 // more than the machine has: what it has
		}
		if t.Memory = o.MemoryBudget; t.Memory == 0 {
			t.Memory = on.device.Memory
		}
	}
	if b.machine != nil {
		if t.Machine, err = b.machine(d, on.runner, o); err != nil {
			return nil, err
		}
		machine = t.Machine
	}
	if !t.Computed && machine != nil {
		t.Seconds = func(w runners.Work) float64 { return machine.Seconds(w, o.Weights) }
	}
	t.Options = o
	t.Load = func() (runners.Model, error) {
		w, err := f.open()
		if err != nil {
			return nil, err
		}
		defer w.Close() // a loaded model has its weights laid out on the device
		return slowed(on.runner.Load(f.config, w, o))
	}
	return t, nil
}

// familyTarget makes an entry a target whose layers only the cost model knows.
func (d device) familyTarget(b *backend, on described, e suites.Entry, f found, o runners.Options) (*suites.Target, error) {
	if b.family == nil {
		return nil, &suites.Problem{
			Msg:  fmt.Sprintf("model %s: the %s runner does not run the layers of %s; they are known to the cost model alone", e.Name, b.name, f.family.Family),
			Hint: "`runner: analytic` computes its cost",
		}
	}
	if e.Logits != "" || e.DType != nil {
		return nil, fmt.Errorf("model %s: dtype and logits belong to models that are run; the weights of %s have the type of its config", e.Name, f.family.Name)
	}
	return &suites.Target{
		Name: e.Name, Label: f.family.Family, Identity: f.identity, Runner: on.runner.Name(), Device: on.device.Name, Computed: true,
		Can:     runners.Can(runners.Step, runners.Memory, runners.Fork).Cannot(runners.Complete, b.cannot[runners.Complete]).Cannot(runners.Score, b.cannot[runners.Score]),
		Options: o,
		Load:    func() (runners.Model, error) { return b.family(on.runner, f.family, o) },
	}, nil
}

// options are those of an entry on a backend.
func (d device) options(b *backend, s *suites.Suite, e suites.Entry) (runners.Options, error) {
	o := runners.Options{Threads: d.threads, MemoryBudget: int64(s.Memory), PrefillChunk: int(e.Chunk)}
	b.options(d, e, &o)
	if e.DType != nil {
		o.Weights = *e.DType
	}
	o.KV = o.Weights
	if e.KV != nil {
		o.KV = *e.KV
	}
	if b.kv != nil && !slices.Contains(b.kv, o.KV) {
		return o, fmt.Errorf("model %s: the %s runner keeps keys and values in f32 or bf16, not %s; set kv", e.Name, b.name, o.KV)
	}
	return o, nil
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
