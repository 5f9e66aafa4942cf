package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options configure a Server. The zero value has completions and chat, reports usage, takes token
// ids, and reports log-probabilities of generated tokens only.
type Options struct {
	// Owner is the owner of the model in /v1/models, such as "vllm" or "llamacpp". A server of
	// llamacpp has /props too.
	Owner string
	// Key is required if it is not empty.
	Key string
	// NoCompletions and NoChat remove an API.
	NoCompletions, NoChat bool
	// Context is the maximum number of tokens of a prompt and its answer, if it is not 0.
	Context int
	// Answer returns the answer to a prompt or to the last message of a chat. If it is nil or the
	// answer is empty, the model generates as many tokens as requested.
	Answer func(prompt string) string
	// First and Each are the times before the first chunk of a stream and before each later one.
	First, Each time.Duration
	// ChunkTokens is the number of tokens of a chunk (default 1).
	ChunkTokens int
	// Thinks is the number of bytes of an answer of a chat that are sent as reasoning.
	Thinks int
	// NoUsage omits usage, NoIDs rejects prompts of token ids, Rejects lists fields that are
	// refused. If Vague is set, the error does not say which.
	NoUsage, NoIDs bool
	Vague          bool
	Rejects        []string
	// Cached is the number of cached tokens that usage reports, if it is not 0.
	Cached int
	// PromptLogProbs and Echo are how the server answers these fields.
	PromptLogProbs, Echo Fidelity
	// Forced is how it answers log-probabilities of a token that logit_bias selects.
	Forced Fidelity
	// Handler is called first; it returns true if it answered the request.
	Handler func(w http.ResponseWriter, r *http.Request) bool
}

// Fidelity is how a server implements a field.
type Fidelity int

// The values of Fidelity.
const (
	// Ignored: the field has no effect.
	Ignored Fidelity = iota
	// Correct: values are right.
	Correct
	// Shifted: each value is that of the token before it.
	Shifted
	// Short: the last value is missing.
	Short
	// Positive: values are positive.
	Positive
	// Constant: all values are equal.
	Constant
	// Null: values are null.
	Null
	// Noisy: about one value of three is 0.2 too small. Biased: each is 0.1 too small.
	Noisy
	Biased
)

// bend returns log-probabilities as a server of a fidelity reports them. The first has no value.
func (f Fidelity) bend(lps []any) []any {
	out := slices.Clone(lps)
	switch f {
	case Shifted:
		out = append([]any{nil}, lps[:len(lps)-1]...)
	case Short:
		out = out[:len(out)-1]
	default:
		for i := range out {
			v, ok := out[i].(float64)
			if !ok {
				continue
			}
			switch f {
			case Positive:
				out[i] = -v
			case Constant:
				out[i] = -1.0
			case Null:
				out[i] = nil
			case Noisy:
				if int(-v*1000)%3 == 0 {
					out[i] = v - 0.2
				}
			case Biased:
				out[i] = v - 0.1
			}
		}
	}
	return out
}

// Server is a running server.
type Server struct {
	// URL is the base of the API, with /v1.
	URL string
	o   Options

	mu       sync.Mutex
	requests []Request
}

// Request is a request that the server received.
type Request struct {
	Path   string
	Header http.Header
	Body   map[string]any
}

// Start starts a server on loopback. It ends with the test.
func Start(t testing.TB, o Options) *Server {
	s := &Server{o: o}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL + "/v1"
	return s
}

// Requests returns the requests received so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Model is the name of the model of all servers.
const Model = "toy"

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	body := map[string]any{}
	if len(text) > 0 && json.Unmarshal(text, &body) != nil {
		refuse(w, http.StatusBadRequest, "invalid JSON", "")
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.URL.Path, r.Header.Clone(), body})
	s.mu.Unlock()
	if s.o.Handler != nil && s.o.Handler(w, r) {
		return
	}
	if s.o.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.o.Key {
		refuse(w, http.StatusUnauthorized, "incorrect API key provided: "+r.Header.Get("Authorization"), "invalid_api_key")
		return
	}
	for _, name := range s.o.Rejects {
		if _, ok := body[name]; ok {
			text := "Unrecognized request argument supplied: " + name
			if s.o.Vague {
				text = "invalid request"
			} else if name == "max_tokens" {
				text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
			}
			refuse(w, http.StatusBadRequest, text, "")
			return
		}
	}
	switch path := r.Method + " " + r.URL.Path; {
	case path == "GET /v1/models":
		send(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": Model, "owned_by": s.o.Owner, "max_model_len": s.o.Context}}})
	case path == "GET /props" && s.o.Owner == "llamacpp":
		send(w, map[string]any{"default_generation_settings": map[string]any{"n_ctx": s.o.Context}})
	case path == "POST /tokenize" && s.o.Owner != "":
		content, _ := body["content"].(string)
		if s.o.Owner == "vllm" {
			content, _ = body["prompt"].(string)
		}
		ids := []int{}
		for i := range len(content) {
			ids = append(ids, int(content[i]))
		}
		send(w, map[string]any{"tokens": ids, "count": len(ids)})
	case path == "POST /v1/completions" && !s.o.NoCompletions:
		s.complete(r.Context(), w, body, false)
	case path == "POST /v1/chat/completions" && !s.o.NoChat:
		s.complete(r.Context(), w, body, true)
	default:
		refuse(w, http.StatusNotFound, "not found", "")
	}
}

func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func refuse(w http.ResponseWriter, status int, message, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "code": code}})
}

// prompt returns the text of a prompt: a text, ids, or the messages of a chat.
func (s *Server) prompt(body map[string]any, chat bool) (text string, ok bool) {
	if chat {
		list, _ := body["messages"].([]any)
		for _, m := range list {
			m, _ := m.(map[string]any)
			text += fmt.Sprintf("<%v>%v\n", m["role"], m["content"])
		}
		return text + "<assistant>", len(list) > 0
	}
	switch p := body["prompt"].(type) {
	case string:
		return p, true
	case []any:
		if s.o.NoIDs {
			return "", false
		}
		ids := make([]byte, len(p))
		for i, v := range p {
			f, _ := v.(float64)
			ids[i] = byte(f)
		}
		return string(ids), true
	}
	return "", false
}

func number(v any, def int) int {
	if f, ok := v.(float64); ok {
		return int(f)
	}
	return def
}

// complete answers a completion or a chat completion.
func (s *Server) complete(ctx context.Context, w http.ResponseWriter, body map[string]any, chat bool) {
	prompt, ok := s.prompt(body, chat)
	if !ok {
		refuse(w, http.StatusUnprocessableEntity, "invalid prompt", "")
		return
	}
	if body["model"] != Model {
		refuse(w, http.StatusNotFound, fmt.Sprintf("the model %v does not exist", body["model"]), "model_not_found")
		return
	}
	most := number(body["max_completion_tokens"], number(body["max_tokens"], 16))
	if s.o.Context > 0 && len(prompt)+most > s.o.Context {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens.", s.o.Context, len(prompt)+most), "")
		return
	}
	g := &generation{s: s, body: body, chat: chat, prompt: prompt}
	if s.o.Answer != nil {
		question := prompt
		if chat {
			list := body["messages"].([]any)
			question, _ = list[len(list)-1].(map[string]any)["content"].(string)
		}
		g.answer = s.o.Answer(question)
		if g.finish = "stop"; len(g.answer) > most {
			g.answer, g.finish = g.answer[:most], "length"
		}
	}
	if g.answer == "" {
		g.generate(most)
	}
	if body["stream"] == true {
		g.stream(ctx, w)
		return
	}
	send(w, g.whole())
}

// generation is one answer.
type generation struct {
	s      *Server
	body   map[string]any
	chat   bool
	prompt string
	answer string
	finish string
	// lps are the log-probabilities that are reported for the tokens of the answer.
	lps []float64
}

// generate decodes greedily. A token that logit_bias prefers is chosen instead.
func (g *generation) generate(most int) {
	g.finish = "length"
	forced := -1
	if bias, ok := g.body["logit_bias"].(map[string]any); ok && g.s.o.Forced != Ignored {
		for id := range bias {
			forced, _ = strconv.Atoi(id)
		}
	}
	all := []byte(g.prompt)
	for range most {
		lps := LogProbs(all)
		id := best(lps)[0]
		lp := lps[id]
		if forced >= 0 {
			if id, lp = forced, lps[forced]; g.s.o.Forced != Correct {
				lp = -1e-6 // of the biased distribution
			}
		}
		all = append(all, byte(id))
		g.lps = append(g.lps, lp)
	}
	g.answer = string(all[len(g.prompt):])
}

func (g *generation) usage() map[string]any {
	u := map[string]any{"prompt_tokens": len(g.prompt), "completion_tokens": len(g.answer), "total_tokens": len(g.prompt) + len(g.answer)}
	if g.s.o.Cached > 0 {
		u["prompt_tokens_details"] = map[string]any{"cached_tokens": g.s.o.Cached}
	}
	return u
}

func (g *generation) object(choices ...any) map[string]any {
	if choices == nil {
		choices = []any{}
	}
	return map[string]any{"id": "x", "object": "text_completion", "model": Model, "choices": choices}
}

// whole is the answer without a stream.
func (g *generation) whole() map[string]any {
	c := map[string]any{"index": 0, "finish_reason": g.finish}
	if g.chat {
		c["message"] = map[string]any{"role": "assistant", "content": g.answer[min(g.s.o.Thinks, len(g.answer)):], "reasoning_content": g.answer[:min(g.s.o.Thinks, len(g.answer))]}
	} else {
		c["text"] = g.answer
	}
	if n, ok := g.body["logprobs"].(float64); ok && !g.chat {
		c["logprobs"] = g.logprobs(int(n))
		if g.body["echo"] == true && g.s.o.Echo != Ignored {
			c["text"] = g.prompt + g.answer
		}
	}
	if _, ok := g.body["prompt_logprobs"]; ok && g.s.o.PromptLogProbs != Ignored {
		lps := g.s.o.PromptLogProbs.bend(promptLogProbs(g.prompt))
		list := make([]any, len(lps))
		for i, lp := range lps {
			if i > 0 {
				list[i] = map[string]any{strconv.Itoa(int(g.prompt[i])): map[string]any{"logprob": lp, "rank": 1, "decoded_token": g.prompt[i : i+1]}}
			}
		}
		c["prompt_logprobs"] = list
	}
	o := g.object(c)
	if !g.s.o.NoUsage {
		o["usage"] = g.usage()
	}
	return o
}

func promptLogProbs(prompt string) []any {
	out := []any{nil}
	for i := 1; i < len(prompt); i++ {
		out = append(out, LogProbs([]byte(prompt[:i]))[prompt[i]])
	}
	return out
}

// logprobs is the field logprobs of a completion, with the prompt if echo is set.
func (g *generation) logprobs(top int) map[string]any {
	tokens, lps, tops := []string{}, []any{}, []any{}
	add := func(text string, from int, values []any) {
		for i := range len(text) {
			dist := LogProbs([]byte(g.prompt + g.answer)[:from+i])
			some := map[string]any{}
			for _, id := range best(dist)[:top] {
				some[string(rune(id))] = dist[id]
			}
			tokens, tops = append(tokens, text[i:i+1]), append(tops, some)
		}
		lps = append(lps, values...)
	}
	if g.body["echo"] == true && g.s.o.Echo != Ignored {
		add(g.prompt, 0, g.s.o.Echo.bend(promptLogProbs(g.prompt)))
	}
	var values []any
	for _, lp := range g.lps {
		values = append(values, lp)
	}
	add(g.answer, len(g.prompt), values)
	return map[string]any{"tokens": tokens, "token_logprobs": lps, "top_logprobs": tops}
}

// stream sends the answer as events.
func (g *generation) stream(ctx context.Context, w http.ResponseWriter) {
	o := g.s.o
	w.Header().Set("Content-Type", "text/event-stream")
	event := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // it has numbers and strings only
		}
		fmt.Fprintf(w, "data: %s\n\n", text)
		w.(http.Flusher).Flush()
	}
	part := func(text string, finish any) map[string]any {
		c := map[string]any{"index": 0, "finish_reason": finish}
		if g.chat {
			c["delta"] = map[string]any{"content": text}
		} else {
			c["text"] = text
		}
		return c
	}
	if g.chat {
		event(g.object(map[string]any{"index": 0, "delta": map[string]any{"role": "assistant", "content": ""}, "finish_reason": nil}))
	}
	size := max(1, o.ChunkTokens)
	for i := 0; i < len(g.answer); i += size {
		wait := o.Each
		if i == 0 {
			wait = o.First
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		c := part(g.answer[i:min(i+size, len(g.answer))], nil)
		if g.chat && i < o.Thinks {
			c["delta"] = map[string]any{"reasoning_content": g.answer[i:min(i+size, len(g.answer))]}
		}
		event(g.object(c))
	}
	event(g.object(part("", g.finish)))
	if options, ok := g.body["stream_options"].(map[string]any); ok && options["include_usage"] == true && !o.NoUsage {
		u := g.object()
		u["usage"] = g.usage()
		event(u)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
	w.(http.Flusher).Flush()
}

// Said returns the text of all requests, headers included, so that tests can search it.
func (s *Server) Said() string {
	var b strings.Builder
	for _, r := range s.Requests() {
		fmt.Fprintf(&b, "%s %v %v\n", r.Path, r.Header, r.Body)
	}
	return b.String()
}
