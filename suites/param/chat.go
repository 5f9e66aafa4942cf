package param

import (
	"cmp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/corpus/haystack"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

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

// Dialogue is a chat template for the tokenizer of a target, or the template of a server. A nil
// *Dialogue is a plain completion.
type Dialogue struct {
	// template is nil if the target has it and does not show it; system is then a system message.
	template *chat.Template
	joint    chat.Joint
	system   string
}

// Dialogue opens the chat template of a target. It returns nil if prompts are plain texts, and a
// reason if the target has no usable template. A target that takes messages has a Dialogue whatever
// the suite says.
func (c Chat) Dialogue(pl *suites.Planner, m *suites.Target) (d *Dialogue, unsupported string) {
	if m.Messages {
		return &Dialogue{joint: chat.Joint{Before: make([]int, m.MessageTokens)}, system: c.System}, ""
	}
	if !c.On {
		return nil, ""
	}
	if m.Chat == nil {
		return nil, cmp.Or(m.NoChat, "the model has no chat template")
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
	return &Dialogue{template: t, joint: j}, ""
}

// Params adds the settings to the params of a case. d is what Dialogue returned.
func (c Chat) Params(d *Dialogue, params map[string]any) {
	switch {
	case d != nil && d.template == nil:
		params["chat"] = "server"
	case d != nil:
		params["chat"] = d.template.Hash()
	case c.On:
		params["chat"] = "none"
	}
	if c.System != "" {
		params["system"] = c.System
	}
}

// Surroundings returns the template's text around a prompt, which is empty without a chat.
func (d *Dialogue) Surroundings() chat.Joint {
	if d == nil {
		return chat.Joint{}
	}
	return d.joint
}

// System returns the system message that a prompt must carry because the server adds it to the chat
// (runners.Prompt.System).
func (d *Dialogue) System() string {
	if d == nil {
		return ""
	}
	return d.system
}

// Haystack returns an empty haystack for prompts with the template.
func (d *Dialogue) Haystack(tok tokenizer.Tokenizer) *haystack.Haystack {
	if d == nil {
		return haystack.New(tok, nil)
	}
	return haystack.New(tok, &d.joint)
}

// Notes returns remarks for the record.
func (d *Dialogue) Notes() []string {
	switch {
	case d == nil:
		return nil
	case d.template == nil:
		return []string{"prompts are messages of a chat, to which the server applies the model's template"}
	case !d.template.UsesDate:
		return nil
	}
	return []string{"the chat template contains the date, which is always " + chat.Date.Format("2006-01-02")}
}
