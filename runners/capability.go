package runners

import (
	"fmt"
	"strings"
)

// Capability is one thing that a target can or cannot do. Tasks ask for capabilities, never for
// runners or architectures.
type Capability string

// The capabilities.
const (
	// Complete: continue prompts and give the texts back (Completer).
	Complete Capability = "complete"
	// Score: give the log-probabilities of a text (Scorer).
	Score Capability = "score"
	// Step: decode token by token, prompts and logits being at hand (Stepper).
	Step Capability = "step"
	// Memory: report the memory held (Meter).
	Memory Capability = "memory"
	// Fork: copy a sequence.
	Fork Capability = "fork"
	// Concurrent: work on several prompts at the same time.
	Concurrent Capability = "concurrent"
	// Costed: its work and memory follow from its Config.
	Costed Capability = "cost"
)

// Capabilities says what a target can do: an empty reason is a yes, any other why it cannot. What
// is not listed it cannot do either.
type Capabilities map[Capability]string

// Can makes Capabilities of what a target can do.
func Can(cs ...Capability) Capabilities {
	out := Capabilities{}
	for _, c := range cs {
		out[c] = ""
	}
	return out
}

// Cannot returns c with a capability that the target lacks, and why.
func (c Capabilities) Cannot(what Capability, why string) Capabilities {
	out := Capabilities{what: why}
	for k, v := range c {
		if k != what {
			out[k] = v
		}
	}
	return out
}

// Missing says why a target cannot do one of the things, or "".
func (c Capabilities) Missing(things ...Capability) string {
	for _, t := range things {
		if why, ok := c[t]; !ok {
			return fmt.Sprintf("it cannot %s", verbs[t])
		} else if why != "" {
			return why
		}
	}
	return ""
}

var verbs = map[Capability]string{
	Complete: "complete prompts", Score: "score texts", Step: "be stepped token by token", Memory: "report its memory",
	Fork: "fork a sequence", Concurrent: "run requests at the same time", Costed: "be costed: its layers are not known",
}

// As returns a loaded model as the interface that a capability promises.
func As[T any](m Model, what Capability) (T, error) {
	t, ok := m.(T)
	if !ok {
		return t, fmt.Errorf("%w: %s, though its runner said that it can %s", ErrUnsupported, strings.TrimPrefix(fmt.Sprintf("%T", m), "*"), what)
	}
	return t, nil
}
