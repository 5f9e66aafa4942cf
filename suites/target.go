package suites

import (
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Registry is what a program links in: the tasks, and the way from a suite's entry to a target.
type Registry struct {
	Tasks []Task
	// Open resolves an entry without loading its model.
	Open func(s *Suite, e Entry) (*Target, error)
	// Machine is what this machine can do, for estimates and limits.
	Machine *runners.Profile
}

// Target is one entry of a suite, resolved and not loaded: whatever can be evaluated. Tasks plan
// with it, and ask what it Can do.
type Target struct {
	// Name is how the suite calls it; Label groups it in reports, such as "yoco-gret" or
	// "transformer".
	Name, Label string
	// Identity names the weights: a file's fingerprint, or a seed.
	Identity string
	// Runner is the runner's name, Device the device's; Computed is true when its numbers are
	// computed and not measured.
	Runner, Device string
	Computed       bool
	// Config is nil where the layers are not known: then there is no estimate and no arithmetic.
	Config *runners.Config
	// Tokenizer is nil where there is none, or the target takes text.
	Tokenizer tokenizer.Tokenizer
	// Chat is the model's chat template, nil where it has none.
	Chat    *chat.Format
	Can     runners.Capabilities
	Options runners.Options
	// Machine is what the device can do, where it is not the machine of the planner.
	Machine *runners.Profile
	// Memory is the bytes that the model may hold with its sequences; 0: not known, or nothing is
	// held.
	Memory int64
	// Room is how many bytes the loaded models of the device and a case may hold together. Where it
	// is 0, several models stay loaded only if all are small.
	Room int64
	// Load loads the model. The caller closes it.
	Load func() (runners.Model, error)
	// Seconds estimates the time of a phase, 0 where it takes none; nil where nothing is known of
	// it.
	Seconds func(runners.Work) float64
}

// Local is a target of known layers that a runner of this module steps: it can do all that its
// tokenizer allows. The caller fills in the rest.
func Local(name string, cfg runners.Config) *Target {
	t := &Target{
		Name: name, Label: cfg.Label, Config: &cfg,
		Can: runners.Can(runners.Complete, runners.Score, runners.Step, runners.Memory, runners.Fork, runners.Costed),
	}
	tok, err := tokenizer.New(cfg.Tokenizer)
	if err != nil {
		t.Can = t.Can.Cannot(runners.Complete, err.Error()).Cannot(runners.Score, err.Error())
		return t
	}
	t.Tokenizer = tok
	return t
}

// maxSeqLen is the longest context that the model is made for; 0 where none is stated.
func (t *Target) maxSeqLen() int64 {
	if t.Config == nil {
		return 0
	}
	return int64(t.Config.MaxSeqLen)
}

// weightBytes is the size of the weights; 0 where the layers are not known.
func (t *Target) weightBytes() int64 {
	if t.Config == nil {
		return 0
	}
	n, _ := t.Config.Count()
	return n * int64(t.Options.Weights.Size())
}

// seconds is the estimated time of a case's work.
func (t *Target) seconds(work []Phase) (sum float64) {
	if t.Seconds == nil {
		return 0
	}
	for _, p := range work {
		sum += t.Seconds(p.Work) * p.Times
	}
	return sum
}
