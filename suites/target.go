package suites

import (
	"context"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Registry holds the tasks of a program, and the function that resolves an entry of a suite.
type Registry struct {
	Tasks []Task
	// Open resolves an entry without loading its model.
	Open func(s *Suite, e Entry) (*Target, error)
	// Machine is the profile of this machine, for estimates and limits.
	Machine *runners.Profile
}

// Target is a resolved entry of a suite that is not loaded: anything that can be evaluated. Tasks
// use it for planning and check its Capabilities.
type Target struct {
	// Name is the name in the suite. Label is the group in reports, such as "yoco-gret" or
	// "transformer".
	Name, Label string
	// Identity identifies the weights: a file's fingerprint, or a seed.
	Identity string
	// Runner and Device are names. Computed is true if results are computed instead of measured.
	Runner, Device string
	Computed       bool
	// Config is nil if the layers are unknown. Then nothing is estimated or computed.
	Config *runners.Config
	// Context is the longest sequence in tokens that a target without a Config reads, or 0.
	Context int
	// Tokenizer is nil if there is none, or if the target takes text.
	Tokenizer tokenizer.Tokenizer
	// TokenizerNote is added to records and printed by a plan, if the tokenizer is not certain to
	// be the model's.
	TokenizerNote string
	// CountTokens counts the tokens of a text, for a target that takes text. It is nil if the
	// target cannot.
	CountTokens func(ctx context.Context, text string) (int, error)
	// Chat is the model's chat template, or nil; NoChat may say why.
	Chat   *chat.Format
	NoChat string
	// Messages is true if the target takes messages of a chat instead of texts: it has a chat
	// template of its own, and always answers as in a chat. MessageTokens is the number of tokens
	// that the template adds at most.
	Messages      bool
	MessageTokens int
	Can           runners.Capabilities
	Options       runners.Options
	// Stated is the number type that a target says it has, if it is not Options.Weights.
	Stated string
	// StoredSize is the mean number of bytes of a weight if Options.Weights is runners.Stored.
	StoredSize float64
	// Machine is the profile of the device, if it differs from the planner's machine.
	Machine *runners.Profile
	// Memory is the limit in bytes for the model with its sequences. 0 means that it is unknown, or
	// that no memory is used.
	Memory int64
	// Room is the number of bytes that all loaded models of the device and a case may use together.
	// If it is 0, several models stay loaded only if all are small.
	Room int64
	// Load loads the model. The caller closes it.
	Load func() (runners.Model, error)
	// Seconds estimates the time of a phase; 0 means that it is negligible. Seconds is nil if there
	// is no estimate.
	Seconds func(runners.Work) float64
}

// Local returns a target with known layers for a runner of this module, with all capabilities that
// its tokenizer allows. The caller sets the other fields.
func Local(name string, cfg runners.Config) *Target {
	t := &Target{
		Name: name, Label: cfg.Label, Config: &cfg,
		Can: runners.Can(runners.Complete, runners.Score, runners.Choose, runners.Step, runners.Memory, runners.Fork, runners.Costed),
	}
	tok, err := tokenizer.New(cfg.Tokenizer)
	if err != nil {
		for _, c := range []runners.Capability{runners.Complete, runners.Score, runners.Choose} {
			t.Can = t.Can.Cannot(c, err.Error())
		}
		return t
	}
	t.Tokenizer = tok
	return t
}

// Served reports whether the target answers requests, as a server does (result.Record.Served).
func (t *Target) Served() bool { return t.Can.Missing(runners.Stream) == "" }

// TooLong returns the reason for which a served model cannot have n tokens of a prompt and its
// answer, or "".
func (t *Target) TooLong(n int) string {
	if t.Served() && t.Context > 0 && n > t.Context {
		return fmt.Sprintf("%d tokens; the server's context has %d", n, t.Context)
	}
	return ""
}

// Counter returns the tokenizer by which the lengths of prompts are counted: the target's or, for a
// target that takes text, an estimate.
func (t *Target) Counter() tokenizer.Tokenizer {
	if t.Tokenizer != nil {
		return t.Tokenizer
	}
	return tokenizer.Estimate{}
}

// CounterNotes returns the note of a record whose prompts were counted by tok, a counter of the
// target: that it is an estimate, if it is one.
func (t *Target) CounterNotes(tok tokenizer.Tokenizer) []string {
	if t.Tokenizer != nil {
		return nil
	}
	return []string{"the tokenizer is unknown: prompt lengths are estimated with " + tok.Name()}
}

// SampleBytes is the length of the text on which CounterFor measures. A server may compute all of
// it.
const SampleBytes = 4 << 10

// CounterFor is Counter for texts like sample, of which an estimate is measured if the target
// counts tokens.
func (t *Target) CounterFor(ctx context.Context, sample string) (tokenizer.Tokenizer, error) {
	if t.Tokenizer != nil || t.CountTokens == nil {
		return t.Counter(), nil
	}
	if len(sample) > SampleBytes {
		sample = strings.ToValidUTF8(sample[:SampleBytes], "")
	}
	n, err := t.CountTokens(ctx, sample)
	if err != nil {
		return nil, fmt.Errorf("count the tokens of a text: %w", err)
	}
	switch {
	case n < 1:
		return t.Counter(), nil
	case n > 2*len(sample):
		return nil, fmt.Errorf("the server counts %d tokens in a text of %d bytes", n, len(sample))
	}
	return tokenizer.Ratio(float64(len(sample)) / float64(n)), nil
}

// contextOf returns words for messages about the longest context: who states it, and what it is.
func (t *Target) contextOf() (who, what string) {
	switch {
	case t.Config != nil:
		return "checkpoint", "trained context"
	case t.Served():
		return "server", "context"
	}
	return "command", "context"
}

// maxSeqLen returns the longest context that the model supports, or 0 if it is not stated.
func (t *Target) maxSeqLen() int64 {
	if t.Config == nil {
		return int64(t.Context)
	}
	return int64(t.Config.MaxSeqLen)
}

// Types returns the number types of the target, with activations of the given type.
func (t *Target) Types(act runners.DType) runners.Types {
	return runners.Types{Weights: t.Options.Weights, KV: t.Options.KV, Act: act, StoredSize: t.StoredSize}
}

// TypeNames returns the number types of weights and of keys and values, for records.
func (t *Target) TypeNames() (weights, kv string) {
	if t.Stated != "" {
		return t.Stated, "not stated"
	}
	return t.Options.Weights.String(), t.Options.KV.String()
}

// weightBytes returns the size of the weights in bytes, or 0 if the layers are unknown.
func (t *Target) weightBytes() int64 {
	if t.Config == nil {
		return 0
	}
	if t.StoredSize > 0 {
		return t.Config.HeldBytes(0, 0, t.Types(runners.F32), 0).Weights
	}
	n, _ := t.Config.Count()
	return n * int64(t.Options.Weights.Size())
}

// seconds returns the estimated time of a case's work.
func (t *Target) seconds(work []Phase) (sum float64) {
	if t.Seconds == nil {
		return 0
	}
	for _, p := range work {
		sum += t.Seconds(p.Work) * p.Times
	}
	return sum
}
