package openai

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Model is a served model. It implements runners.Completer, Scorer, Streamer and Cased. Stream may
// be called concurrently.
type Model struct {
	s *Server
	// scored is true if the case used log-probabilities.
	scored atomic.Bool
	// unfinished counts the answers of the case that ended before the model had finished thinking.
	unfinished atomic.Int64
	// uncounted is true if the server did not report the length of a prompt of the case.
	uncounted atomic.Bool
}

// New returns the model of a server that Probe described.
func New(s *Server) *Model { return &Model{s: s} }

// Close closes the idle connections.
func (m *Model) Close() error {
	m.s.c.close()
	return nil
}

// BeginCase does nothing: each request has its own context.
func (m *Model) BeginCase(context.Context) {}

// EndCase returns notes on failed attempts and on fields that the server rejects.
func (m *Model) EndCase() ([]string, error) {
	c := m.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	var notes []string
	if m.scored.Swap(false) {
		notes = append(notes, m.s.proof)
	}
	if m.uncounted.Swap(false) {
		notes = append(notes, "the server does not report the length of prompts, and there is no tokenizer: it is estimated with "+tokenizer.Estimate{}.Name())
	}
	if n := m.unfinished.Swap(0); n > 0 {
		notes = append(notes, fmt.Sprintf("%d answers are empty: the model reached the limit of their tokens while it was thinking", n))
	}
	if len(c.retried) > 0 {
		var parts []string
		total := 0
		for _, reason := range slices.Sorted(maps.Keys(c.retried)) {
			total += c.retried[reason]
			parts = append(parts, fmt.Sprintf("%s (%d)", reason, c.retried[reason]))
		}
		notes = append(notes, fmt.Sprintf("%d attempts failed and were repeated: %s", total, strings.Join(parts, ", ")))
		clear(c.retried)
	}
	if len(c.others) > 0 {
		notes = append(notes, fmt.Sprintf("answers name another model than %s: %s", c.clip(path.Base(c.spec.Model)), strings.Join(slices.Sorted(maps.Keys(c.others)), ", ")))
		clear(c.others)
	}
	for _, name := range slices.Sorted(maps.Keys(c.rejected)) {
		if lost := optional[name]; lost != "" {
			notes = append(notes, fmt.Sprintf("the server rejects the field %s: %s", name, lost))
		}
	}
	return notes, nil
}

// request returns the fields of a request for a prompt: a text, ids or chat messages.
func (s *Server) request(prompt any, most int) fields {
	f := fields{"model": s.c.spec.Model, "max_tokens": most, "temperature": 0,
		// Some servers make repeated tokens less likely by default, also in greedy decoding:
		// llama-cpp-python by 1.1, vLLM by the value in the model's generation_config.json
		// (Qwen2.5: 1.05). Their names for it differ.
		"repeat_penalty": 1, "repetition_penalty": 1}
	switch p := prompt.(type) {
	case []message:
		f["messages"] = messages(p)
	default:
		f["prompt"] = p
	}
	return f
}

// messages returns chat messages as JSON values.
func messages(ms []message) (out []map[string]string) {
	for _, m := range ms {
		out = append(out, map[string]string{"role": m.Role, "content": string(deref(m.Content))})
	}
	return out
}

// path returns the URL of the API in use.
func (s *Server) path() string {
	if s.API == Chat {
		return s.c.endpoint("/chat/completions")
	}
	return s.c.endpoint("/completions")
}

// post sends a request whose times do not matter, and returns its answer.
func (s *Server) post(ctx context.Context, target string, f fields) (*answer, error) {
	return s.postLarge(ctx, target, f, 0)
}

// postLarge is post for an answer with values of a number of tokens.
func (s *Server) postLarge(ctx context.Context, target string, f fields, tokens int64) (*answer, error) {
	var a *answer
	_, err := s.c.call(ctx, "POST", target, f, true, func(x *exchange) error {
		x.most += tokens * maxToken
		text, err := readJSON(x)
		if err == nil {
			a, err = s.c.parseAnswer(text)
		}
		return err
	})
	return a, err
}

// Complete answers a group of prompts; as many run at the same time as the Spec allows.
func (m *Model) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	if m.s.Context > 0 && room > m.s.Context {
		return nil, fmt.Errorf("%w: %d tokens; the server's context has %d", runners.ErrUnsupported, room, m.s.Context)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		i       int
		answers []runners.Answer
		err     error
	}
	next, out := make(chan int), make(chan outcome)
	var workers sync.WaitGroup
	running := min(len(group), m.s.c.spec.Concurrency)
	if m.s.Slots > 0 {
		running = min(running, m.s.Slots)
	}
	for range running {
		workers.Go(func() {
			for i := range next {
				a, err := m.converse(ctx, group[i])
				out <- outcome{i, a, err}
			}
		})
	}
	go func() {
		defer close(out)
		defer workers.Wait()
		defer close(next)
		for i := range group {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var failure error
	left := len(group)
	for o := range out {
		switch {
		case o.err == nil && failure == nil:
			left--
			done(o.i, o.answers)
		case failure == nil:
			failure = fmt.Errorf("prompt %d: %w", o.i+1, o.err)
			cancel()
		}
	}
	if failure == nil && left > 0 {
		failure = ctx.Err()
	}
	return nil, failure
}

// betweenTurns separates an answer from the next turn of a completion.
const betweenTurns = "\n"

// converse runs the turns of a prompt.
func (m *Model) converse(ctx context.Context, p runners.Prompt) (out []runners.Answer, err error) {
	if m.s.API == Chat {
		return m.chat(ctx, p)
	}
	// text is everything so far, ids are its tokens. near is the text of this turn.
	text, near, ids := p.Text, p.Text, p.Tokens
	for i, t := range p.Turns {
		text, near = text+t.Text, near+t.Text
		if m.s.tok != nil && (i > 0 || ids == nil) {
			if i == 0 {
				ids = tokenizer.Begin(m.s.tok)
			}
			ids = slices.Concat(ids, m.s.tok.Encode(near))
		}
		one := runners.Answer{Tokens: len(ids)}
		if one.LogProbs, err = m.continuations(ctx, text, near, ids, t.Continuations); err != nil {
			return nil, err
		}
		if t.MaxTokens == 0 {
			if one.LogProbs == nil {
				return nil, fmt.Errorf("%w: %s", runners.ErrUnsupported, m.s.NoScore)
			}
			return append(out, one), nil
		}
		var prompt any = text
		if m.s.Tokens && ids != nil {
			prompt = ids
		}
		if err := m.ask(ctx, prompt, text, t, &one); err != nil {
			return nil, err
		}
		out = append(out, one)
		near = one.Text
		if !strings.HasSuffix(near, betweenTurns) {
			near += betweenTurns
		}
		text += near
	}
	return out, nil
}

// chat runs the turns of a prompt as messages of a user.
func (m *Model) chat(ctx context.Context, p runners.Prompt) (out []runners.Answer, err error) {
	var said []message
	if p.System != "" {
		said = append(said, message{Role: "system", Content: (*content)(&p.System)})
	}
	text, all := p.Text, p.System // all is what was said before text
	for _, t := range p.Turns {
		if t.MaxTokens == 0 {
			return nil, fmt.Errorf("%w: %s", runners.ErrUnsupported, m.s.NoScore)
		}
		text += t.Text
		said = append(said, message{Role: "user", Content: new(content(text))})
		var one runners.Answer
		if err := m.ask(ctx, said, all+text, t, &one); err != nil {
			return nil, err
		}
		out = append(out, one)
		said = append(said, message{Role: "assistant", Content: (*content)(&one.Text)})
		all, text = all+text+one.Text, ""
	}
	return out, nil
}

// ask sends a prompt and adds the answer to one. text is the text of the prompt.
func (m *Model) ask(ctx context.Context, prompt any, text string, t runners.Turn, one *runners.Answer) error {
	a, err := m.s.post(ctx, m.s.path(), m.s.request(prompt, t.MaxTokens))
	if err != nil {
		return err
	}
	c, err := a.only()
	if err != nil {
		return err
	}
	said, reasoning := c.text()
	if said == "" && reasoning != "" {
		m.unfinished.Add(1)
	}
	one.Text = cut(m.s.c.hidden(said), t.Done)
	if n := a.Usage.v.prompt(); n >= 0 {
		one.Tokens = n
	} else if one.Tokens == 0 {
		one.Tokens = len(tokenizer.Estimate{}.Encode(text))
		m.uncounted.Store(true)
	}
	return nil
}

// cut returns the shortest beginning of an answer that is complete, or all of it.
func cut(answer string, done func(string) bool) string {
	if done == nil {
		return answer
	}
	for i := range answer {
		if _, n := utf8.DecodeRuneInString(answer[i:]); done(answer[:i+n]) {
			return answer[:i+n]
		}
	}
	return answer
}

// Stream runs a request and reports when each part of its answer arrived. A request fails if the
// server had cached more of its prompt than the start that all prompts share.
func (m *Model) Stream(ctx context.Context, r runners.Request) (*runners.Response, error) {
	var prompt any = r.Prompt
	switch {
	case m.s.API == Chat:
		prompt = []message{{Role: "user", Content: (*content)(&r.Prompt)}}
	case m.s.Tokens && r.Tokens != nil:
		prompt = r.Tokens
	}
	f := m.s.request(prompt, r.MaxTokens)
	f["stream"], f["stream_options"] = true, fields{"include_usage": true}
	if r.Exact {
		f["ignore_eos"], f["min_tokens"] = true, r.MaxTokens
	}
	if m.s.Kind == LlamaCPP {
		f["cache_prompt"] = false
	}
	var out *runners.Response
	retries, err := m.s.c.call(ctx, "POST", m.s.path(), f, false, func(x *exchange) (err error) {
		out = &runners.Response{Sent: x.sent, PromptTokens: -1, OutputTokens: -1, CachedTokens: -1}
		return readStream(x, out)
	})
	if out != nil {
		out.Retries, out.Text = retries, m.s.c.hidden(out.Text)
	}
	if err != nil && (out == nil || len(out.Chunks) == 0) {
		return nil, err
	}
	if err == nil && out.CachedTokens > m.s.Shared {
		err = &runners.RequestError{Kind: "cached prompt", Retries: retries,
			Err: fmt.Errorf("the server took %d of %d tokens of the prompt from a cache: the time to the first token is not that of the prompt", out.CachedTokens, out.PromptTokens)}
	}
	return out, err
}

// latest returns n if it was reported, else the count before.
func latest(n, before int) int {
	if n < 0 {
		return before
	}
	return n
}

// maxDrain limits the wait for the end of a body after the end of a stream.
const maxDrain = 250 * time.Millisecond

// readStream reads a streamed answer up to its end.
func readStream(x *exchange, out *runners.Response) error {
	if t := mediaType(x.resp); t != "" && t != "text/event-stream" {
		if t == "application/json" { // it may be an error
			text, err := readJSON(x)
			if err == nil {
				_, err = x.c.parseAnswer(text)
			}
			if err != nil {
				return err
			}
		}
		return failed("invalid answer", "the server answers with %s, not with a stream", x.c.clip(t))
	}
	e := newEvents(x.c, x.prompt())
	var text strings.Builder
	defer func() { out.Text = text.String() }()
	for {
		data, at, err := e.next()
		if err == io.EOF && out.Finish != "" {
			return nil // not every server sends [DONE]
		}
		if err == io.EOF {
			err = fmt.Errorf("the stream ended without the event [DONE]: %w", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
		if string(data) == "[DONE]" {
			break
		}
		a, err := x.c.parseAnswer(data)
		if err != nil {
			return err
		}
		// The last report counts; some servers report in several parts.
		out.PromptTokens = latest(a.Usage.v.prompt(), out.PromptTokens)
		out.OutputTokens = latest(a.Usage.v.completion(), out.OutputTokens)
		out.CachedTokens = latest(a.Usage.v.cached(), out.CachedTokens)
		for i := range a.Choices {
			c := &a.Choices[i]
			if c.Index != 0 {
				continue
			}
			said, reasoning := c.text()
			if c.tokens() {
				out.Chunks = append(out.Chunks, runners.Chunk{At: at.Sub(out.Sent), Bytes: len(reasoning) + len(said)})
			}
			text.WriteString(reasoning + said)
			out.Finish = cmp.Or(x.c.clip(deref(c.Finish)), out.Finish)
		}
		if len(out.Chunks) > 0 {
			x.stall(x.c.spec.Stall)
		}
	}
	// The rest is only the end of the body; reading it lets the connection be used again. If a
	// server does not send it, later requests do not wait for it: they would be measured at a lower
	// rate.
	if !x.c.open.Load() {
		x.stall(maxDrain)
		begin := time.Now()
		_, _ = io.CopyN(io.Discard, e.r, 4<<10)
		if time.Since(begin) >= maxDrain {
			x.c.open.Store(true)
		}
	}
	return nil
}
