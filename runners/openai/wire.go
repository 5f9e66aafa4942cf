package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path"
	"strings"
)

// fields is the JSON object of a request.
type fields map[string]any

// loose is a field that servers may omit, or give another form than the expected one. In another
// form it is the zero value, as if it was omitted.
type loose[T any] struct{ v T }

// UnmarshalJSON reads a value.
func (l *loose[T]) UnmarshalJSON(text []byte) error {
	var v T
	if json.Unmarshal(text, &v) == nil {
		l.v = v
	}
	return nil
}

// answer is the body of an answer, or the data of an event of a streamed one. Fields that are not
// used are not listed; servers send many others.
type answer struct {
	Model   string       `json:"model"`
	Choices []choice     `json:"choices"`
	Usage   loose[usage] `json:"usage"`
	// Error is set instead of the other fields if the request failed after the status was sent.
	// Some servers set Object to "error" and Message instead.
	Error   json.RawMessage `json:"error"`
	Object  loose[string]   `json:"object"`
	Message loose[string]   `json:"message"`
}

// choice is a text (completions), a message (chat) or a part of one (streams of chat).
type choice struct {
	Index   int      `json:"index"`
	Text    *string  `json:"text"`
	Message *message `json:"message"`
	Delta   *message `json:"delta"`
	Finish  *string  `json:"finish_reason"`
	// Probs are the log-probabilities of the answer, PromptProbs those of the prompt's tokens by
	// their ids; the first of these is null.
	Probs       *tokenProbs            `json:"logprobs"`
	PromptProbs []map[string]tokenProb `json:"prompt_logprobs"`
}

type message struct {
	Role    string   `json:"role"`
	Content *content `json:"content"`
	// ReasoningContent and Reasoning are the tokens of a model that thinks first.
	ReasoningContent *string `json:"reasoning_content"`
	Reasoning        *string `json:"reasoning"`
}

// content is a text, or a list of parts of which some have a text.
type content string

// UnmarshalJSON reads either form.
func (c *content) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, (*string)(c)) == nil {
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		*c += content(p.Text)
	}
	return nil
}

// usage counts tokens. Servers that do not count some omit them.
type usage struct {
	Prompt     loose[*float64] `json:"prompt_tokens"`
	Completion loose[*float64] `json:"completion_tokens"`
	Details    loose[struct {
		Cached loose[*float64] `json:"cached_tokens"`
	}] `json:"prompt_tokens_details"`
}

// maxCount is the largest count of tokens that a server can mean.
const maxCount = 1 << 32

// count returns a count of a server, or -1 if there is none that is possible.
func count(n loose[*float64]) int {
	if n.v == nil || !(*n.v >= 0 && *n.v <= maxCount) || *n.v != math.Trunc(*n.v) {
		return -1
	}
	return int(*n.v)
}

func (u usage) prompt() int     { return count(u.Prompt) }
func (u usage) completion() int { return count(u.Completion) }
func (u usage) cached() int     { return count(u.Details.v.Cached) }

// text returns the text of a choice, and that of its reasoning.
func (c *choice) text() (said, reasoning string) {
	if c.Text != nil {
		return *c.Text, ""
	}
	for _, m := range []*message{c.Message, c.Delta} {
		if m != nil {
			return string(deref(m.Content)), deref(m.ReasoningContent) + deref(m.Reasoning)
		}
	}
	return "", ""
}

// tokens reports whether a part of a stream carries tokens. Those of special tokens, and of parts
// of a character, have no text; the role of a chat message and the end of an answer have none
// either, but are not tokens.
func (c *choice) tokens() bool {
	said, reasoning := c.text()
	switch {
	case said != "" || reasoning != "":
		return true
	case c.Finish != nil && *c.Finish != "":
		return false
	case c.Delta != nil:
		return c.Delta.Role == "" && c.Delta.Content != nil
	}
	return c.Text != nil
}

func deref[T ~string](s *T) T {
	if s == nil {
		return ""
	}
	return *s
}

// parseAnswer parses an answer or an event.
func (c *client) parseAnswer(text []byte) (*answer, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, c.malformed(text, err)
	}
	if len(a.Error) > 0 && string(a.Error) != "null" || len(a.Choices) == 0 && (a.Object.v == "error" || a.Message.v != "") {
		return nil, failed("error in the answer", "the server reports an error: %s", c.parseError(text).text())
	}
	c.answeredBy(a.Model)
	return &a, nil
}

// malformed is the failure of an answer that is not the JSON text of the expected form.
func (c *client) malformed(text []byte, err error) *failure {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		err = fmt.Errorf("unexpected JSON %s", kind.Value)
		if kind.Field != "" {
			err = fmt.Errorf("%w in the field %s", err, kind.Field)
		}
	}
	return failed("invalid answer", "invalid answer %q: %w", c.clip(string(text)), err)
}

// mediaType returns the media type of an answer in small letters, or "" if the server states none.
func mediaType(r *http.Response) string {
	t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// maxOthers is the largest number of names of other models that are recorded.
const maxOthers = 8

// answeredBy records the name of the model of an answer if it is not the one of the requests.
func (c *client) answeredBy(name string) {
	if name == "" || name == c.spec.Model {
		return
	}
	name = c.clip(path.Base(name)) // a path would reveal folders of the machine
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.others[name]; !ok && len(c.others) >= maxOthers {
		name = "others"
	}
	c.others[name] = true
}

// byteOrderMark may precede a text.
const byteOrderMark = "\uFEFF"

// readJSON reads the body of an answer that is not a stream.
func readJSON(x *exchange) ([]byte, error) {
	if t := mediaType(x.resp); strings.HasPrefix(t, "text/") {
		return nil, failed("invalid answer", "the server answers with %s, not JSON", x.c.clip(t))
	}
	text, err := io.ReadAll(x)
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if len(x.c.spec.Key) >= minKey {
		text = bytes.ReplaceAll(text, []byte(x.c.spec.Key), []byte("[key]"))
	}
	return text, err
}

// only returns the choice of an answer that must have one.
func (a *answer) only() (*choice, error) {
	for i := range a.Choices {
		if a.Choices[i].Index == 0 {
			return &a.Choices[i], nil
		}
	}
	return nil, failed("invalid answer", "the answer has no choice")
}
