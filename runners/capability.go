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
	// Complete: continue prompts and return the generated text (Completer).
	Complete Capability = "complete"
	// Score: return the log-probabilities of a text (Scorer).
	Score Capability = "score"
	// Choose: return the log-probabilities of given continuations of a prompt (Completer).
	Choose Capability = "choose"
	// Step: decode token by token, with access to the logits (Stepper).
	Step Capability = "step"
	// Memory: report the memory in use (Meter).
	Memory Capability = "memory"
	// Fork: copy a sequence.
	Fork Capability = "fork"
	// Stream: answer requests and report the time of each part (Streamer).
	Stream Capability = "stream"
	// Concurrent: process several prompts at the same time.
	Concurrent Capability = "concurrent"
	// Costed: its FLOPs and memory can be computed from its Config.
	Costed Capability = "cost"
)

// Capabilities maps each capability of a target to the reason why it is missing; an empty reason
// means that the target has it. A target lacks every capability that is not listed.
type Capabilities map[Capability]string

// Can returns Capabilities with each of cs available.
func Can(cs ...Capability) Capabilities {
	out := Capabilities{}
	for _, c := range cs {
		out[c] = ""
	}
	return out
}

// Cannot returns a copy of c in which a capability is missing for the given reason.
func (c Capabilities) Cannot(what Capability, why string) Capabilities {
	out := Capabilities{what: why}
	for k, v := range c {
		if k != what {
			out[k] = v
		}
	}
	return out
}

// Missing returns why the target lacks one of the capabilities, or "" if it has all of them.
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
	Complete: "complete prompts", Score: "score texts", Choose: "compute the log-probabilities of given continuations", Step: "be stepped token by token", Memory: "report its memory",
	Fork: "fork a sequence", Stream: "stream answers", Concurrent: "run requests at the same time", Costed: "be costed: its layers are not known",
}

// As returns a loaded model as the interface that belongs to a capability.
func As[T any](m Model, what Capability) (T, error) {
	t, ok := m.(T)
	if !ok {
		return t, fmt.Errorf("%w: %s, though its runner said that it can %s", ErrUnsupported, strings.TrimPrefix(fmt.Sprintf("%T", m), "*"), what)
	}
	return t, nil
}
