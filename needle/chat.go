package needle

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// In a chat, the haystack and the question form the user's message. White space around it is
// removed, as many templates do. The model answers in its own words, so only numbers with at least
// as many digits as a value count.

// The tokenizers of published models can encode a template.
var _ chat.Encoder = (*tokenizer.Subword)(nil)

// Chat selects whether prompts are made with the chat template of the model.
type Chat struct {
	On bool
	// System is a system message, if not empty.
	System string
}

// UnmarshalYAML reads true, false or {system: TEXT}.
func (c *Chat) UnmarshalYAML(n *yaml.Node) error {
	bad := &suites.Problem{Line: n.Line, Msg: "chat: expected true, false or {system: TEXT}"}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Decode(&c.On) != nil {
			return bad
		}
	case yaml.MappingNode:
		if len(n.Content) != 2 || n.Content[0].Value != "system" || n.Content[1].Decode(&c.System) != nil || strings.TrimSpace(c.System) == "" {
			return bad
		}
		c.On = true
	default:
		return bad
	}
	return nil
}

// dialogue is the chat template with which a cell's prompts are made.
type dialogue struct {
	template *chat.Template
	joint    chat.Joint
}

// dialogue opens the chat template of a target. It returns nil if the suite does not use one, and a
// reason if the target has no usable template.
func (c Chat) dialogue(pl *suites.Planner, m *suites.Target) (d *dialogue, unsupported string) {
	if !c.On {
		return nil, ""
	}
	if m.Chat == nil {
		return nil, "the model has no chat template"
	}
	tok, ok := m.Tokenizer.(chat.Encoder)
	if !ok {
		return nil, "the tokenizer of the model has no special tokens, which a chat template needs"
	}
	t, err := m.Chat.Load(pl.Context(), c.System)
	if err != nil {
		return nil, err.Error()
	}
	j, err := t.Join(tok)
	if err != nil {
		return nil, err.Error()
	}
	return &dialogue{t, j}, ""
}

// surroundings returns the template's text around a prompt, which is empty without a chat.
func (d *dialogue) surroundings() chat.Joint {
	if d == nil {
		return chat.Joint{}
	}
	return d.joint
}

// notes returns remarks for the record.
func (d *dialogue) notes() []string {
	if d == nil || !d.template.UsesDate {
		return nil
	}
	return []string{"the chat template contains the date, which is always " + chat.Date.Format("2006-01-02")}
}

// reply returns the model's turn as one line. A special token ends the turn.
func reply(text string) string {
	text, _, _ = strings.Cut(text, "\uFFFD")
	return strings.Join(strings.Fields(text), " ")
}

var digitRuns = regexp.MustCompile(`\d+`)

// numbers returns the numbers of text that have at least the given number of digits.
func numbers(text string, digits int) (out []string) {
	for _, n := range digitRuns.FindAllString(text, -1) {
		if len(n) >= digits {
			out = append(out, n)
		}
	}
	return out
}

// exactInChat returns the share of the values that equal the number at the same place in the
// answer.
func exactInChat(answer string, q question, digits int) float64 {
	got, hits := numbers(answer, digits), 0
	for i, v := range q.values {
		if i < len(got) && got[i] == v {
			hits++
		}
	}
	return float64(hits) / float64(len(q.values))
}

// endedInChat returns a function that reports whether an answer can be scored: its turn has ended,
// or it contains as many complete numbers as the question asks for.
func endedInChat(q question, digits int) func(string) bool {
	return func(answer string) bool {
		got := numbers(answer, digits)
		complete := len(got) > 0 && !strings.HasSuffix(answer, got[len(got)-1])
		return strings.Contains(answer, "\uFFFD") || len(got) > len(q.values) || len(got) == len(q.values) && complete
	}
}
