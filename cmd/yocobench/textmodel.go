package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// textModel is the tokenizer and the chat format of a model.
type textModel struct {
	tok tokenizer.Tokenizer
	// chat is the format of conversations, nil if the model has none.
	chat *chat.Format
	// hash identifies the tokenizer.
	hash string
	// missing says why there is no tokenizer.
	missing error
}

// openText opens the tokenizer of a model's file or folder. If there is none, the error is stored,
// because the model can still read token ids.
func openText(path string) *textModel {
	tok, err := checkpoint.OpenTokenizer(path)
	if err != nil {
		return &textModel{missing: err}
	}
	m := &textModel{tok: tok, hash: tokenizerHash(tok)}
	if s, ok := tok.(*tokenizer.Subword); ok {
		special := s.Special()
		if special.ChatTemplate != "" {
			m.chat = &chat.Format{Template: special.ChatTemplate, BOS: s.Token(special.BOS), EOS: s.Token(special.EOS)}
		}
	}
	return m
}

// hashText is a text that different tokenizers encode differently.
const hashText = "The quick brown fox, 12345 67.89!  Ünïcødé: ﬁ Ａ 日本語 🙂\n\n\tif (x != y) { return; }\r\n   don't DON'T ½ ے"

// tokenizerHash identifies a tokenizer: its vocabulary, its special tokens, and the ids of a text,
// which depend on how it normalizes and splits.
func tokenizerHash(tok tokenizer.Tokenizer) string {
	special := tokenizer.SpecialOf(tok)
	special.ChatTemplate = "" // prompts made by it are cases of their own
	text, err := json.Marshal([]any{tok.Name(), special, tok.Encode(hashText)})
	if err != nil {
		panic(err) // it has numbers and strings only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// tokenizerNote returns what is uncertain about a tokenizer, or "".
func tokenizerNote(tok tokenizer.Tokenizer) string {
	if s, ok := tok.(*tokenizer.Subword); ok {
		return s.Note()
	}
	return ""
}

// texts are the capabilities that need a tokenizer.
var texts = []runners.Capability{runners.Complete, runners.Score, runners.Choose}

// reads sets the tokenizer and the chat format of a target.
func (m *textModel) reads(t *suites.Target) {
	if m.missing != nil {
		for _, c := range texts {
			t.Can = t.Can.Cannot(c, m.missing.Error())
		}
		return
	}
	t.Tokenizer, t.Chat, t.TokenizerNote = m.tok, m.chat, tokenizerNote(m.tok)
	t.Identity += " tokenizer " + m.hash
	for _, c := range texts {
		t.Can = t.Can.Cannot(c, "")
	}
}

// text opens the tokenizer of the model.
func (f *modelSource) text() *textModel {
	if f.config.Tokenizer == "" && f.path != "" {
		return openText(f.path)
	}
	tok, err := tokenizer.New(f.config.Tokenizer)
	return &textModel{tok: tok, missing: err}
}

// String describes the tokenizer in one line.
func (m *textModel) String() string {
	if m.missing != nil {
		return "none: " + m.missing.Error()
	}
	s := tokenizer.SpecialOf(m.tok)
	text := m.tok.Name()
	if sub, ok := m.tok.(*tokenizer.Subword); ok {
		if s.AddBOS {
			text += ", texts begin with " + sub.Token(s.BOS)
		}
		var ends []string
		for _, id := range s.End {
			ends = append(ends, sub.Token(id))
		}
		if len(ends) > 0 {
			text += ", ends: " + strings.Join(ends, " ")
		}
	}
	if m.chat != nil {
		text += ", chat template"
	}
	if note := tokenizerNote(m.tok); note != "" {
		text += "; " + note
	}
	return text
}
