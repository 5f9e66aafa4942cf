package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Server is a served model as Probe found it.
type Server struct {
	c *client
	// API is Completions or Chat.
	API string
	// Kind is the name of the server's software if it is known: LlamaCPP or VLLM.
	Kind string
	// Reported identifies the model as the server reports it: its name, and its size if the server
	// reports one.
	Reported string
	// Context is the maximum number of tokens of a prompt and its answer, 0 if unknown.
	Context int
	// Shared is the largest number of tokens that the server adds to a text or a message.
	Shared int
	// Slots is the number of prompts that the server computes at the same time, 0 if unknown. With
	// more, each would evict another from its cache.
	Slots int
	// Tokens is true if prompts may be token ids.
	Tokens bool
	// NoScore says why the server gives no log-probabilities of given tokens. It is empty if it
	// does.
	NoScore string

	// tok is the model's tokenizer, or nil.
	tok tokenizer.Tokenizer
	// others are the models that the server lists if Spec.Model is not one of them.
	others []string
	// method is how log-probabilities of given tokens are computed, proof how it was tested.
	method method
	proof  string
}

// The values of Server.Kind.
const (
	LlamaCPP = "llama.cpp"
	VLLM     = "vLLM"
)

// Host returns the host of the URL without its port, or "loopback".
func (s *Server) Host() string {
	u, err := url.Parse(s.c.spec.URL)
	if err != nil {
		return ""
	}
	switch h := u.Hostname(); h {
	case "localhost", "::1":
		return "loopback"
	default:
		if strings.HasPrefix(h, "127.") {
			return "loopback"
		}
		return h
	}
}

// Probe asks a server what it serves, and tries a short completion. tok is the model's tokenizer,
// or nil.
func Probe(ctx context.Context, spec Spec, tok tokenizer.Tokenizer) (*Server, error) {
	s := &Server{c: newClient(spec), tok: tok}
	if err := s.started(ctx); err != nil {
		return nil, err
	}
	if s.Kind == LlamaCPP {
		s.props(ctx)
	}
	if err := s.api(ctx); err != nil {
		return nil, err
	}
	switch {
	case s.API == Chat:
		s.NoScore = "a chat has no log-probabilities of its prompt"
	case tok == nil:
		s.NoScore = "the tokenizer of the model is needed for log-probabilities; set the field tokenizer"
	default:
		if err := s.ids(ctx); err != nil {
			return nil, err
		}
		if err := s.prove(ctx); err != nil {
			return nil, err
		}
	}
	return s, ctx.Err()
}

// startPoll is the time between two requests to a server that is starting.
const startPoll = time.Second

// started reads the list of models, after waiting until the server has started.
func (s *Server) started(ctx context.Context) error {
	for end := time.Now().Add(s.c.spec.Start); ; {
		err := s.models(ctx)
		if s.c.spec.Start <= 0 || !starting(err) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the server did not start within %s: %w", s.c.spec.Start, err)
		}
		if err := sleep(ctx, min(startPoll, time.Until(end))); err != nil {
			return err
		}
	}
}

// starting reports whether an error is one of a server, or of a proxy in front of it, that has not
// started.
func starting(err error) bool {
	switch kindOf(err) {
	case "connection refused", "connection closed", "connection failed", "no such host", "timeout", "HTTP 502", "HTTP 503", "HTTP 504":
		return true
	}
	return false
}

// object sends a request and reads the JSON object that answers it.
func (s *Server) object(ctx context.Context, method, target string, f fields, into any) error {
	_, err := s.c.call(ctx, method, target, f, true, func(x *exchange) error {
		text, err := readJSON(x)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return s.c.malformed(text, err)
		}
		return nil
	})
	return err
}

// get reads a JSON object. missing is true if the server does not have it.
func (s *Server) get(ctx context.Context, target string, into any) (missing bool, err error) {
	err = s.object(ctx, "GET", target, nil, into)
	switch kindOf(err) {
	case "HTTP 404", "HTTP 405", "HTTP 501":
		return true, nil
	}
	return false, err
}

// listed is a model in the list of models.
type listed struct {
	ID      loose[string] `json:"id"`
	OwnedBy loose[string] `json:"owned_by"`
	Root    loose[string] `json:"root"`
	Length  loose[int]    `json:"max_model_len"`
	Meta    loose[struct {
		Vocab   loose[int64] `json:"n_vocab"`
		Context loose[int]   `json:"n_ctx_train"`
		Params  loose[int64] `json:"n_params"`
		Size    loose[int64] `json:"size"`
	}] `json:"meta"`
}

// parseModels reads a list of models: {"data": [...]}, or the list alone. In another form it is
// empty.
func parseModels(text []byte) (out []listed) {
	var object struct {
		Data loose[[]loose[listed]] `json:"data"`
	}
	if json.Unmarshal(text, &object) != nil {
		_ = json.Unmarshal(text, &object.Data)
	}
	for _, m := range object.Data.v {
		if m.v.ID.v != "" {
			out = append(out, m.v)
		}
	}
	return out
}

// models reads the list of models.
func (s *Server) models(ctx context.Context) error {
	var text json.RawMessage
	missing, err := s.get(ctx, s.c.endpoint("/models"), &text)
	if err != nil || missing {
		return err
	}
	list := parseModels(text)
	var names []string
	for _, m := range list {
		names = append(names, m.ID.v)
	}
	want := s.c.spec.Model
	i := slices.Index(names, want)
	if i < 0 {
		s.others = names
	}
	if i < 0 && len(names) == 1 { // llama.cpp accepts any name
		i = 0
	}
	if i < 0 {
		return nil // a completion shows whether the model exists
	}
	m, meta := list[i], list[i].Meta.v
	switch m.OwnedBy.v {
	case "llamacpp":
		s.Kind = LlamaCPP
	case "vllm":
		s.Kind = VLLM
	}
	s.Reported = s.c.clip(path.Base(m.ID.v)) // a path would reveal folders of the machine
	if r := m.Root.v; r != "" && r != m.ID.v {
		s.Reported += " " + s.c.clip(path.Base(r))
	}
	if meta.Params.v > 0 {
		s.Reported += fmt.Sprintf(" %d parameters in %d bytes, vocabulary of %d", meta.Params.v, meta.Size.v, meta.Vocab.v)
	}
	for _, n := range []int{m.Length.v, meta.Context.v} {
		if n > 0 {
			s.Context = n
			break
		}
	}
	return nil
}

// props reads the slots of a llama.cpp server and the context of each. Not every version has them.
func (s *Server) props(ctx context.Context) {
	var p struct {
		Settings loose[struct {
			Context loose[int] `json:"n_ctx"`
		}] `json:"default_generation_settings"`
		Slots loose[int] `json:"total_slots"`
	}
	if missing, err := s.get(ctx, s.c.host("/props"), &p); err != nil || missing {
		return
	}
	if n := p.Settings.v.Context.v; n > 0 {
		s.Context = n
	}
	s.Slots = max(0, p.Slots.v)
}

// chatShared is the number of tokens before a message, if the server does not report it.
const chatShared = 32

// probeText is the prompt of the first completion.
const probeText = "The quick brown fox"

// api finds the API that the server has, by a completion of one token.
func (s *Server) api(ctx context.Context) error {
	var first error
	for _, api := range []string{Completions, Chat} {
		if s.c.spec.API != "" && s.c.spec.API != api {
			continue
		}
		s.API = api
		var prompt any = probeText
		if api == Chat {
			prompt = []message{{Role: "user", Content: new(content(probeText))}}
		}
		a, err := s.post(ctx, s.path(), s.request(prompt, 1))
		if err == nil {
			_, err = a.only()
		}
		if err == nil {
			s.Shared = 1
			if api == Chat {
				s.Shared = max(a.Usage.v.prompt(), chatShared)
			}
			return nil
		}
		if first == nil {
			first = fmt.Errorf("%s of %s: %w", api, s.Host(), err)
			if len(s.others) > 0 {
				first = fmt.Errorf("%w (it lists the models %s)", first, s.c.clip(strings.Join(s.others, ", ")))
			}
		}
		switch kindOf(err) {
		case "HTTP 400", "HTTP 403", "HTTP 404", "HTTP 405", "HTTP 501":
			continue // it may have the other one
		}
		break
	}
	return first
}

// ids tests whether prompts may be token ids.
func (s *Server) ids(ctx context.Context) error {
	ids := append(tokenizer.Begin(s.tok), s.tok.Encode(probeText)...)
	a, err := s.post(ctx, s.path(), s.request(ids, 1))
	if err == nil {
		_, err = a.only()
		s.Tokens = err == nil
		if n := a.Usage.v.prompt(); n >= 0 && n != len(ids) {
			s.Tokens = false // it read them as something else
		}
	}
	if err != nil {
		_, err = refusal(err)
	}
	return err
}

// Count returns the number of tokens of a text. Servers of which the software is known count it;
// for others it is the length of a prompt, without the tokens that every prompt has.
func (s *Server) Count(ctx context.Context, text string) (int, error) {
	var field string
	switch s.Kind {
	case LlamaCPP:
		field = "content"
	case VLLM:
		field = "prompt"
	}
	if field != "" {
		n, err := s.tokenize(ctx, fields{"model": s.c.spec.Model, field: text})
		if err == nil || kindOf(err) == "" {
			return n, err
		}
	}
	var prompt any = text
	if s.API == Chat {
		prompt = []message{{Role: "user", Content: (*content)(&text)}}
	}
	a, err := s.post(ctx, s.path(), s.request(prompt, 1))
	if err != nil {
		return 0, err
	}
	return max(0, a.Usage.v.prompt()-s.Shared), nil
}

// tokenize asks the server for the tokens of a text.
func (s *Server) tokenize(ctx context.Context, f fields) (int, error) {
	var list struct {
		Count  int               `json:"count"`
		Tokens []json.RawMessage `json:"tokens"`
	}
	err := s.object(ctx, "POST", s.c.host("/tokenize"), f, &list)
	return max(list.Count, len(list.Tokens)), err
}
