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

	"github.com/yocobench/yocobench/contrast"
	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/downstream"
	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/memory"
	"github.com/yocobench/yocobench/needle"
	"github.com/yocobench/yocobench/nll"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/babilong"
	"github.com/yocobench/yocobench/quality/copytext"
	"github.com/yocobench/yocobench/quality/graphwalks"
	"github.com/yocobench/yocobench/quality/lookup"
	"github.com/yocobench/yocobench/quality/mrcr"
	"github.com/yocobench/yocobench/quality/ruler"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/analytic"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/runners/exec"
	"github.com/yocobench/yocobench/runners/families"
	"github.com/yocobench/yocobench/runners/openai"
	"github.com/yocobench/yocobench/runners/pretrained"
	"github.com/yocobench/yocobench/serving"
	"github.com/yocobench/yocobench/suites"
)

// This file is the only table that maps names to implementations.

func tasks() []suites.Task {
	out := []suites.Task{needle.Task{}, contrast.Task{}, nll.Task{}, downstream.Task{}}
	for _, f := range benchmarks() {
		out = append(out, quality.NewTask(f))
	}
	return append(append(out, memory.Tasks()...), serving.Task{})
}

// benchmarks are the families of questions about long-context quality. Each is a task.
func benchmarks() []quality.Family {
	return []quality.Family{
		ruler.Family(), mrcr.Family(), graphwalks.Family(), lookup.Family(), babilong.Family(), copytext.Family(),
	}
}

// backend describes a runner and how entries of a suite run on it.
type backend struct {
	name, about string
	// open creates the runner. profile is the device that the suite names.
	open func(d deviceOptions, profile string) (runners.Runner, error)
	// options sets the runner's own defaults for an entry.
	options func(d deviceOptions, e suites.Entry, o *runners.Options)
	// kv lists the supported types of keys and values; nil means any.
	kv []runners.DType
	// machine returns the device's profile for weights of a type. If it is nil, the plan's machine
	// is used.
	machine func(d deviceOptions, r runners.Runner, o runners.Options) (*runners.Profile, error)
	// family loads a published model that only the cost model supports. If it is nil, the runner
	// cannot.
	family func(r runners.Runner, m *families.Model, o runners.Options) (runners.Model, error)
	// target resolves entries of models without a Config. If it is set, the other functions are
	// nil.
	target func(d deviceOptions, s *suites.Suite, e suites.Entry) (*suites.Target, error)
	// cannot gives the reasons for capabilities that no model has on this runner.
	cannot map[runners.Capability]string
}

// backends are the runners. To add one, add a row.
var backends = []backend{
	{
		name: "cpu", about: "measures on this machine's CPU",
		open:    func(_ deviceOptions, profile string) (runners.Runner, error) { return cpu.New(), here("cpu", profile) },
		options: func(d deviceOptions, _ suites.Entry, o *runners.Options) { o.Tier = d.cpuTier() },
		kv:      []runners.DType{runners.F32, runners.BF16},
	},
	{
		name: "cuda", about: "measures on an NVIDIA GPU; requires a separate build (make cuda)",
		open: func(d deviceOptions, profile string) (runners.Runner, error) {
			if err := here("cuda", profile); err != nil {
				return nil, err
			}
			r, err := newCUDA()
			if err != nil && d.dry != nil {
				return d.dry.gpu(err)
			}
			return r, err
		},
		options: func(d deviceOptions, e suites.Entry, o *runners.Options) {
			// The trained models are tiny and stored as f32, so they run as f32 everywhere.
			if !slices.Contains(checkpoint.Embedded(), e.Model) {
				o.Weights = runners.BF16
			}
			o.Tier = d.gpuTier()
			if o.PrefillChunk == 0 {
				o.PrefillChunk = cuda.PrefillChunk
			}
		},
		machine: func(d deviceOptions, r runners.Runner, o runners.Options) (*runners.Profile, error) {
			if absent, ok := r.(plannedGPU); ok {
				return &absent.profile, nil
			}
			return d.found.gpu(r, o.Weights, o.Tier)
		},
	},
	{
		name: "analytic", about: "computes memory and time from the cost model and a device profile",
		open: func(_ deviceOptions, profile string) (runners.Runner, error) {
			p, err := runners.FindProfile(firstOf(profile, "h100-sxm"))
			if err != nil {
				return nil, err
			}
			return analytic.New(p)
		},
		options: func(_ deviceOptions, _ suites.Entry, o *runners.Options) { o.Weights = runners.BF16 },
		cannot: map[runners.Capability]string{
			runners.Complete: "the analytic runner computes costs and produces no answers",
			runners.Score:    "the analytic runner computes costs and does not score texts",
			runners.Choose:   "the analytic runner computes costs and does not score texts",
		},
		family: func(r runners.Runner, m *families.Model, o runners.Options) (runners.Model, error) {
			return r.(*analytic.Runner).LoadFamily(m, o)
		},
	},
	{
		name: "exec", about: "measures a model in a child process, by the protocol of docs/protocol.md",
		target: commandTarget,
	},
	{
		name: "openai", about: "measures a model behind an OpenAI-compatible HTTP endpoint",
		target: servedTarget,
	},
}

// here returns an error if a device profile is given for a runner that measures this machine.
func here(runner, profile string) error {
	if profile == "" {
		return nil
	}
	return usagef("the %s runner measures this machine; device %q belongs to the analytic runner", runner, profile)
}

// openRunner creates a runner by name, for commands that need no suite.
func openRunner(name string) (runners.Runner, error) {
	b, err := findBackend(name)
	if err != nil {
		return nil, err
	}
	if b.open == nil {
		return nil, usagef("the %s runner runs only models of suites", name)
	}
	return b.open(deviceOptions{}, "")
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

// modelSource is a model found by its name: its config and how to load its weights.
type modelSource struct {
	config   runners.Config
	kind     string // "trained" (embedded), "preset", "checkpoint" or "layers of a suite"
	identity string
	// open opens the weights. It is nil if only the model's cost can be computed: no runner runs
	// it, or there is only a config.
	open func() (runners.Weights, error)
	// path is the checkpoint's file or folder, which may hold its tokenizer; stored are the types
	// of the tensors of a model that package pretrained opens.
	path   string
	stored []pretrained.StoredType
	// family describes the cost of a model of a published family.
	family *families.Model
}

// findModel resolves a model's name: embedded, preset, or a folder relative to dir. random selects
// seeded random weights of type dtype instead of trained ones. Presets always have random weights.
func findModel(name, dir string, random bool, seed uint64, dtype runners.DType) (modelSource, error) {
	var f modelSource
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
		f = modelSource{config: c, kind: "trained", open: func() (runners.Weights, error) {
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
		f, random = modelSource{config: c, kind: "preset"}, true
	case families.IsConfig(folder), families.IsConfig(path):
		if !families.IsConfig(folder) {
			folder = path
		}
		if f, err = findPretrained(folder); err != nil {
			return f, err
		}
	case slices.Contains(families.Published(), name):
		if f, err = fromFamily(families.OpenPublished(name)); err != nil {
			return f, err
		}
	case hasConfig(folder) || hasConfig(path):
		if !hasConfig(folder) {
			folder = path
		}
		c, w, err := checkpoint.Open(folder)
		if err != nil {
			return f, err
		}
		defer w.Close()
		f = modelSource{config: c, kind: "checkpoint", path: folder, open: func() (runners.Weights, error) {
			_, w, err := checkpoint.Open(folder)
			return w, err
		}}
		if f.identity, err = checkpoint.Fingerprint(c, w); err != nil {
			return f, err
		}
	default:
		return f, unknownModel(name, folder, path)
	}
	if random && (f.family == nil || f.family.Config != nil) {
		f.random(seed, dtype)
	}
	return f, nil
}

// findPretrained finds a model in a Hugging Face folder or a GGUF file. If no runner runs it, or
// there are no weights, only its cost can be computed.
func findPretrained(path string) (modelSource, error) {
	if !pretrained.IsModel(path) {
		return fromFamily(families.Open(path))
	}
	m, err := pretrained.Open(path)
	if errors.Is(err, pretrained.ErrNotRun) {
		return fromFamily(families.Open(path))
	}
	if err != nil {
		return fromFamily(nil, err)
	}
	defer m.Close()
	found := modelFiles(path)
	f := modelSource{config: m.Config(), kind: "checkpoint", family: m.Family, path: path, stored: m.Stored(), open: func() (runners.Weights, error) {
		if modelFiles(path) != found { // records would have the identity of the earlier weights
			return nil, fmt.Errorf("%s: the model's files changed since the cases were planned; start the command again", path)
		}
		m, err := pretrained.Open(path)
		if err != nil {
			return nil, err // not a typed nil pointer
		}
		return m, nil
	}}
	f.identity, err = m.Identity()
	return f, err
}

// modelFiles describes the sizes and times of a GGUF file, or of the weights and the config in a
// folder. It changes if they are replaced.
func modelFiles(path string) string {
	files := []string{path}
	if entries, err := os.ReadDir(path); err == nil {
		files = nil
		for _, e := range entries {
			if e.Name() == "config.json" || filepath.Ext(e.Name()) == ".safetensors" {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	var b strings.Builder
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintf(&b, "%q %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// random gives f seeded random weights of type dtype.
func (f *modelSource) random(seed uint64, dtype runners.DType) {
	if f.family != nil {
		f.config = *f.family.Config
	}
	f.path, f.stored = "", nil
	config := f.config
	f.identity = fmt.Sprintf("random %s seed %d", dtype, seed)
	f.open = func() (runners.Weights, error) { return checkpoint.Random(config, seed, dtype), nil }
}

// findLocal is findModel for commands that inspect a model or run it.
func findLocal(name string, dtype runners.DType) (modelSource, error) {
	f, err := findModel(name, ".", false, 1, dtype)
	if err == nil && f.open == nil {
		err = &suites.Problem{
			Msg:  fmt.Sprintf("only the cost of %s can be computed: %s", name, whyNotRun(f.family)),
			Hint: "yocobench cost " + cleantext.ShellQuote(name) + " computes what its context costs",
		}
	}
	return f, err
}

// whyNotRun returns the reason for which a model can only be costed.
func whyNotRun(m *families.Model) string {
	return firstOf(m.NotRun, "there are no weights, only a config")
}

// fromFamily returns the source of a published model with only a config.
func fromFamily(m *families.Model, err error) (modelSource, error) {
	var fe *families.FieldError
	if errors.As(err, &fe) {
		return modelSource{}, &suites.Problem{Msg: fe.Error(), Hint: "yocobench cost FILE --ignore FIELD counts it as without effect"}
	}
	if err != nil {
		return modelSource{}, err
	}
	text, err := json.Marshal(m)
	sum := sha256.Sum256(text)
	return modelSource{kind: "published config", family: m, identity: "config " + hex.EncodeToString(sum[:8])}, err
}

// unknownModel returns the error for a name that is no model. paths are where a file of the name
// could be.
func unknownModel(name string, paths ...string) error {
	const want = "a model is a .gguf file, or a folder with config.json and model.safetensors; nothing is downloaded"
	isPath := strings.ContainsAny(name, `/\.`)
	for _, path := range paths {
		info, err := os.Stat(path)
		_, missing := os.Lstat(path)
		switch {
		case err != nil && missing == nil: // a broken link, or a loop of links
			return &suites.Problem{Msg: fmt.Sprintf("%s is a broken link", name), Hint: fmt.Sprintf("ls -l %s shows where it leads", cleantext.ShellQuote(path))}
		case err != nil:
		case info.IsDir():
			if file := ggufIn(path); file != "" {
				return &suites.Problem{Msg: fmt.Sprintf("%s is a folder without config.json", name), Hint: "give its file: " + cleantext.ShellQuote(filepath.Join(name, file))}
			} else if isPath {
				return &suites.Problem{Msg: fmt.Sprintf("%s is a folder without config.json", name), Hint: want}
			}
		case isPath:
			return &suites.Problem{Msg: fmt.Sprintf("%s is not a model", name), Hint: want}
		}
	}
	if gguf.IsPath(name) {
		return &suites.Problem{Msg: fmt.Sprintf("no file %s", name), Hint: "a path is relative to the current folder, in a suite to the suite's folder"}
	}
	if isPath {
		return &suites.Problem{Msg: fmt.Sprintf("no folder %s", name), Hint: want}
	}
	names := slices.Concat(checkpoint.Embedded(), families.Published())
	for _, c := range runners.Presets() {
		names = append(names, c.Name)
	}
	hint := suites.Suggest(name, names)
	if !strings.HasPrefix(hint, "did you") {
		hint = "`yocobench list models` lists all names; a folder with config.json is a model too"
	}
	return &suites.Problem{Msg: fmt.Sprintf("unknown model %q", name), Hint: hint}
}

// ggufIn returns the name of a .gguf file in a folder, or "".
func ggufIn(dir string) string {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if gguf.IsPath(e.Name()) && !e.IsDir() {
			return e.Name()
		}
	}
	return ""
}

func isPreset(name string) bool {
	return slices.ContainsFunc(runners.Presets(), func(c runners.Config) bool { return c.Name == name })
}

func hasConfig(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "config.json"))
	return err == nil
}

// deviceOptions holds the command-line options that are not part of the suite.
type deviceOptions struct {
	threads int
	tier    string
	found   modelCache
	// ctx ends what planning starts; nil means that it does not end.
	ctx context.Context
	// dry is non-nil in a dry run, which does not need a GPU.
	dry *assumption
	// say, if it is not nil, prints a notice while planning waits for a server or a command.
	say func(text string)
}

// patience is how long planning waits before it says so.
var patience = 10 * time.Second

// waiting says after a while that planning waits for something, until stop is called. After stop it
// prints nothing.
func (d deviceOptions) waiting(text string) (stop func()) {
	if d.say == nil {
		return func() {}
	}
	said := make(chan struct{})
	t := time.AfterFunc(patience, func() {
		d.say(text)
		close(said)
	})
	return func() {
		if !t.Stop() {
			<-said
		}
	}
}

// cpuTier returns the tier to force on the CPU, or "" if the requested tier is a GPU's.
func (d deviceOptions) cpuTier() string {
	if slices.Contains(cudaTiers(), d.tier) {
		return ""
	}
	return d.tier
}

// gpuTier returns the tier to force on the GPU, or "" if the requested tier is a CPU's.
func (d deviceOptions) gpuTier() string {
	if d.cpuTier() == "" {
		return d.tier
	}
	return ""
}

// modelCache stores the models found, so that a suite that uses a model a thousand times opens it
// once.
type modelCache struct {
	models  map[string]modelSource
	texts   map[string]*textModel
	gpus    map[runners.DType]*runners.Profile
	runners map[string]described
	hellos  map[string]*exec.Hello
	servers map[string]*openai.Server
}

func newCache() modelCache {
	return modelCache{map[string]modelSource{}, map[string]*textModel{}, map[runners.DType]*runners.Profile{}, map[string]described{}, map[string]*exec.Hello{}, map[string]*openai.Server{}}
}

// gpu returns the profile of a runner's GPU for weights of a type. It is measured on first use.
func (c modelCache) gpu(r runners.Runner, weights runners.DType, tier string) (*runners.Profile, error) {
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

// text returns the tokenizer of a model's file or folder.
func (c modelCache) text(path string) *textModel {
	if t := c.texts[path]; t != nil {
		return t
	}
	t := openText(path)
	if c.texts != nil {
		c.texts[path] = t
	}
	return t
}

func (c modelCache) get(name, dir string, random bool, seed uint64, dtype runners.DType) (modelSource, error) {
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

// runner creates the runner of a backend and describes its device. Both happen once, because a
// suite may have thousands of models.
func (d deviceOptions) runner(b *backend, profile string) (described, error) {
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

// described is a runner and its device.
type described struct {
	runner runners.Runner
	device runners.Device
}

// wiring connects suites with the implementations in this program.
func wiring(ctx context.Context, d deviceOptions, machine *runners.Profile) suites.Registry {
	d.found, d.ctx = newCache(), ctx
	return suites.Registry{
		Tasks:   tasks(),
		Machine: machine,
		Open:    func(s *suites.Suite, e suites.Entry) (*suites.Target, error) { return d.resolve(s, e, machine) },
	}
}

// find finds the model of an entry.
func (d deviceOptions) find(s *suites.Suite, e suites.Entry, weights runners.DType) (modelSource, error) {
	if e.Command != nil {
		return modelSource{}, &suites.Problem{Msg: fmt.Sprintf("the layers of %s are not known: it is a command", e.Name), Hint: "yocobench model check COMMAND tests it"}
	}
	if e.URL != "" {
		return modelSource{}, &suites.Problem{Msg: fmt.Sprintf("the layers of %s are not known: it is a served model", e.Name)}
	}
	if c := e.Config(); c != nil {
		f := modelSource{config: *c, kind: "layers of a suite"}
		f.random(e.Seed, weights)
		return f, nil
	}
	return d.found.get(e.Model, s.Dir, e.Weights == "random", e.Seed, weights)
}

// resolve converts a suite's entry into a target.
func (d deviceOptions) resolve(s *suites.Suite, e suites.Entry, machine *runners.Profile) (*suites.Target, error) {
	profile := e.Device
	if e.Runner == "" && profile == "" {
		profile = s.Device
	}
	b, err := findBackend(e.RunnerIn(s))
	if err != nil {
		return nil, err
	}
	if b.target != nil {
		return b.target(d, s, e)
	}
	if e.Command != nil {
		return nil, &suites.Problem{Msg: fmt.Sprintf("model %s: the %s runner does not run commands", e.Name, b.name), Hint: "remove the field runner"}
	}
	if e.URL != "" {
		return nil, &suites.Problem{Msg: fmt.Sprintf("model %s: the %s runner sends no requests to a url", e.Name, b.name), Hint: "remove the field runner"}
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
	if f.open == nil {
		return d.familyTarget(b, on, e, f, o)
	}
	if f.config.ChunkLogits = e.Logits == "chunk"; f.config.ChunkLogits {
		if err := f.config.Validate(); err != nil {
			return nil, fmt.Errorf("model %s: %w", e.Name, err)
		}
	}
	t := suites.Local(e.Name, f.config)
	t.Identity, t.Runner, t.Device, t.Room = f.identity, on.runner.Name(), on.device.Name, on.device.Room
	if f.config.Tokenizer == "" && f.path != "" {
		d.found.text(f.path).reads(t)
	}
	for what, why := range b.cannot {
		t.Can = t.Can.Cannot(what, why)
	}
	if t.Computed = on.device.Kind == "computed"; t.Computed {
		t.Identity = "none: computed"
	} else {
		if o.MemoryBudget > on.device.Memory {
			o.MemoryBudget = 0 // no more than the machine has
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
	if t.StoredSize, err = storedSize(on.runner, f, o); err != nil {
		return nil, fmt.Errorf("model %s: %w", e.Name, err)
	}
	t.Load = func() (runners.Model, error) {
		w, err := f.open()
		if err != nil {
			return nil, err
		}
		defer w.Close() // a loaded model keeps its own copy of the weights
		return slowed(on.runner.Load(f.config, w, o))
	}
	return t, nil
}

// storedSize returns the mean size of a weight if weights keep their stored form. It is 0 for other
// types of weights, and if the runner keeps none in this form, which Load reports.
func storedSize(r runners.Runner, f modelSource, o runners.Options) (float64, error) {
	sizer, ok := r.(runners.StoredSizer)
	if o.Weights != runners.Stored || !ok {
		return 0, nil
	}
	w, err := f.open()
	if err != nil {
		return 0, err
	}
	defer w.Close()
	return sizer.StoredSize(f.config, w, o)
}

// familyTarget returns the target of an entry whose model can only be costed.
func (d deviceOptions) familyTarget(b *backend, on described, e suites.Entry, f modelSource, o runners.Options) (*suites.Target, error) {
	if b.family == nil {
		hint := "`runner: analytic` computes its cost"
		if f.family.Config != nil {
			hint += "; `weights: random` measures its layers with random weights"
		}
		return nil, &suites.Problem{
			Msg:  fmt.Sprintf("model %s: the %s runner does not run it: %s", e.Name, b.name, whyNotRun(f.family)),
			Hint: hint,
		}
	}
	if e.Logits != "" || e.DType != nil {
		return nil, fmt.Errorf("model %s: dtype and logits apply only to models that are run; the weights of %s have the type of its config", e.Name, f.family.Name)
	}
	return &suites.Target{
		Name: e.Name, Label: f.family.Family, Identity: f.identity, Runner: on.runner.Name(), Device: on.device.Name, Computed: true,
		Can: runners.Can(runners.Step, runners.Memory, runners.Fork).Cannot(runners.Complete, b.cannot[runners.Complete]).Cannot(runners.Score, b.cannot[runners.Score]).
			Cannot(runners.Choose, b.cannot[runners.Choose]),
		Options: o,
		Load:    func() (runners.Model, error) { return b.family(on.runner, f.family, o) },
	}, nil
}

// options returns the runner options of an entry on a backend.
func (d deviceOptions) options(b *backend, s *suites.Suite, e suites.Entry) (runners.Options, error) {
	o := runners.Options{Threads: d.threads, MemoryBudget: int64(s.Memory), PrefillChunk: int(e.Chunk)}
	b.options(d, e, &o)
	if e.DType != nil {
		o.Weights = *e.DType
	}
	o.KV = o.Weights.Caches()
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

// defaultOut returns the default folder of a run: runs/SUITE-TIME.
func defaultOut(suite string, now time.Time) string {
	return filepath.Join("runs", suite+"-"+now.Format("20060102-150405"))
}
