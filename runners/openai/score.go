package openai

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// This file computes the log-probabilities of given tokens. Servers differ in how they report them,
// some ignore the field that asks for them, and some report values of other tokens. So each method
// is tested before it is used (prove).

// method is a way to get the log-probabilities of the tokens of a prompt.
type method string

const (
	none method = ""
	// byPrompt uses vLLM's field prompt_logprobs.
	byPrompt method = "prompt_logprobs"
	// byEcho uses the field echo of OpenAI's first API.
	byEcho method = "echo"
	// byForce generates each token: logit_bias selects it, and the server reports its
	// log-probability without the bias. It takes a request for each token.
	byForce method = "forced decoding"
)

// maxForced is the number of tokens of the longest text that is scored by forced decoding.
const maxForced = 1024

// tokenProbs are the log-probabilities of the tokens of an answer: in parallel lists (completions)
// or in a list of tokens (chat, and completions of llama.cpp).
type tokenProbs struct {
	Tokens  []string              `json:"tokens"`
	Values  []*float64            `json:"token_logprobs"`
	Top     []map[string]*float64 `json:"top_logprobs"`
	Content []tokenProb           `json:"content"`
}

type tokenProb struct {
	ID    *int        `json:"id"`
	Token string      `json:"token"`
	Value *float64    `json:"logprob"`
	Top   []tokenProb `json:"top_logprobs"`
}

// last returns the last generated token and then the reported alternatives to it, with their
// log-probabilities.
func (p *tokenProbs) last() (out []tokenProb) {
	if p == nil {
		return nil
	}
	if n := len(p.Content); n > 0 {
		return append([]tokenProb{p.Content[n-1]}, p.Content[n-1].Top...)
	}
	n := len(p.Tokens)
	if n == 0 || len(p.Values) != n {
		return nil
	}
	out = append(out, tokenProb{Token: p.Tokens[n-1], Value: p.Values[n-1]})
	if len(p.Top) == n {
		for token, value := range p.Top[n-1] {
			out = append(out, tokenProb{Token: token, Value: value})
		}
	}
	return out
}

// valid checks a log-probability.
func valid(v *float64) (float64, error) {
	const rounding = 1e-4
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) || *v > rounding {
		text := "null"
		if v != nil {
			text = fmt.Sprint(*v)
		}
		return 0, failed("invalid answer", "a log-probability is %s", text)
	}
	return min(*v, 0), nil
}

// prompted is a prompt whose tokens are to be scored: its tokens, and its text for servers that do
// not take ids.
type prompted struct {
	text string
	ids  []int
	// begin is the number of ids that precede the text.
	begin int
}

// prompted returns a text as a prompt. ids are its tokens.
func (s *Server) prompted(text string, ids []int) prompted {
	begin := tokenizer.Begin(s.tok)
	return prompted{text, slices.Concat(begin, ids), len(begin)}
}

func (s *Server) wire(p prompted) any {
	if s.Tokens {
		return p.ids
	}
	return p.text
}

// scores returns the log-probabilities of the last n tokens of a prompt.
func (s *Server) scores(ctx context.Context, how method, p prompted, n int) ([]float64, error) {
	if len(p.ids) <= n {
		return nil, fmt.Errorf("%w: no token precedes the scored ones", runners.ErrUnsupported)
	}
	if s.Context > 0 && len(p.ids) >= s.Context {
		return nil, fmt.Errorf("%w: %d tokens; the server's context has %d", runners.ErrUnsupported, len(p.ids), s.Context)
	}
	f := s.request(s.wire(p), 1)
	switch how {
	case byPrompt:
		f["prompt_logprobs"] = 0
	case byEcho:
		f["echo"], f["logprobs"] = true, 1
	case byForce:
		return s.force(ctx, p, n)
	default:
		return nil, fmt.Errorf("%w: %s", runners.ErrUnsupported, s.NoScore)
	}
	a, err := s.postLarge(ctx, s.path(), f, int64(len(p.ids)))
	if err != nil {
		return nil, err
	}
	c, err := a.only()
	if err != nil {
		return nil, err
	}
	values, err := c.promptValues(how, p.ids, a.Usage.v)
	if err != nil {
		return nil, err
	}
	// A server that adds tokens before a text, or omits them, does so at the beginning.
	if len(values) != len(p.ids) && (s.Tokens || len(values) != len(p.ids)-p.begin) {
		return nil, failed("invalid answer", "%s reports %d tokens of a prompt of %d", how, len(values), len(p.ids))
	}
	out := make([]float64, n)
	for i, v := range values[len(values)-n:] {
		if out[i], err = valid(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// promptValues returns the values of the tokens of a prompt; that of the first is nil.
func (c *choice) promptValues(how method, ids []int, u usage) (values []*float64, err error) {
	if how == byPrompt {
		if c.PromptProbs == nil {
			return nil, failed("ignored", "the server ignores %s", how)
		}
		for i, list := range c.PromptProbs {
			var v *float64
			if i < len(ids) && list != nil {
				v = list[strconv.Itoa(ids[i])].Value
			}
			if v == nil && i > 0 {
				return nil, failed("invalid answer", "%s has no value of token %d of the prompt", how, i)
			}
			values = append(values, v)
		}
		return values, nil
	}
	var all []*float64
	if c.Probs != nil {
		all = c.Probs.Values
		for _, t := range c.Probs.Content {
			all = append(all, t.Value)
		}
	}
	generated := 1
	if n := u.completion(); n >= 0 {
		generated = n
	}
	if len(all) <= generated {
		return nil, failed("ignored", "the server ignores %s", how)
	}
	return all[:len(all)-generated], nil
}

// force returns the log-probabilities of the last n tokens of a prompt, each by a request.
func (s *Server) force(ctx context.Context, p prompted, n int) ([]float64, error) {
	var out []float64
	for i := len(p.ids) - n; i < len(p.ids); i++ {
		f := s.request(p.ids[:i], 1)
		f["logprobs"], f["logit_bias"] = 1, map[string]float64{strconv.Itoa(p.ids[i]): 100}
		a, err := s.post(ctx, s.path(), f)
		if err != nil {
			return nil, err
		}
		c, err := a.only()
		if err != nil {
			return nil, err
		}
		found := c.Probs.last()
		if len(found) == 0 {
			return nil, failed("ignored", "the server reports no log-probability of a generated token")
		}
		if id := found[0].ID; id != nil && *id != p.ids[i] || id == nil && found[0].Token != s.tok.Decode(p.ids[i:i+1]) {
			return nil, failed("invalid answer", "logit_bias did not select the token")
		}
		v, err := valid(found[0].Value)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// probe is a token whose log-probability after a prompt is known, because the server reported it
// when it generated a token there.
type probe struct {
	prompted
	value float64
}

// probeTexts are the prompts of the test of a method.
var probeTexts = []string{
	probeText,
	"On the first day of the journey they crossed the river and",
	"Water boils at a temperature of one hundred degrees, and ice",
}

const (
	// probeTop is the number of tokens whose log-probabilities are requested.
	probeTop = 5
	// The log-probabilities of the same token, as reported in two ways, may differ by tolerance at
	// the median and by noise for each token, in nats. A server computes a prompt, the end of a
	// cached prompt and a step by different kernels: float32 agrees to 1e-4, but the logits of a
	// bfloat16 model are rounded by up to 0.06, and llama.cpp with a model in Q4_1 differs by 0.17.
	tolerance, noise = 0.05, 0.5
	// minProbes and minSpan make it impossible that a method passes by luck: a server that reports
	// values of other tokens, or one value for all, cannot agree with so many different values.
	minProbes = 4
	minSpan   = 0.5
)

// probes returns tokens with known log-probabilities after several prompts.
func (s *Server) probes(ctx context.Context) (out []probe, err error) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, text := range probeTexts {
		ids := s.tok.Encode(text)
		f := s.request(s.wire(s.prompted(text, ids)), 1)
		f["logprobs"] = probeTop
		a, err := s.post(ctx, s.path(), f)
		if err != nil {
			return nil, err
		}
		c, err := a.only()
		if err != nil {
			return nil, err
		}
		seen := map[int]bool{}
		for i, t := range c.Probs.last() {
			if i > 0 && t.Value == nil { // a token that is excluded
				continue
			}
			v, err := valid(t.Value)
			if err != nil {
				return nil, err
			}
			// The text must show which token it is.
			all := s.tok.Encode(text + t.Token)
			n := len(ids)
			if len(all) != n+1 || !slices.Equal(all[:n], ids) || t.ID != nil && *t.ID != all[n] || seen[all[n]] {
				continue
			}
			seen[all[n]] = true
			out = append(out, probe{s.prompted(text+t.Token, all), v})
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if len(out) < minProbes || hi-lo < minSpan {
		return nil, failed("ignored", "the server reports too few log-probabilities of generated tokens to test those of prompts")
	}
	return out, nil
}

// prove tests the methods and keeps those that pass. It returns only errors of the connection.
func (s *Server) prove(ctx context.Context) error {
	probes, err := s.probes(ctx)
	if err != nil {
		why, err := refusal(err)
		s.NoScore = why
		return err
	}
	var reasons []string
	for _, how := range []method{byPrompt, byEcho, byForce} {
		if how == byForce && !s.Tokens {
			reasons = append(reasons, string(how)+": the server does not take token ids")
			continue
		}
		difference, err := s.test(ctx, how, probes)
		if err != nil {
			why, err := refusal(err)
			if err != nil {
				return err
			}
			reasons = append(reasons, string(how)+": "+why)
			continue
		}
		s.method, s.proof = how, fmt.Sprintf("log-probabilities by %s; in a test, those of %d tokens equal the ones that the server reports when it generates them (difference at most %.2g)", how, len(probes), difference)
		return nil
	}
	s.NoScore = "the server reports no log-probabilities of a prompt (" + strings.Join(reasons, "; ") + ")"
	return nil
}

// test compares a method with known values, and returns the largest difference.
func (s *Server) test(ctx context.Context, how method, probes []probe) (largest float64, err error) {
	var all []float64
	var worst error
	for _, p := range probes {
		got, err := s.scores(ctx, how, p.prompted, 1)
		if err != nil {
			return 0, err
		}
		d := math.Abs(got[0] - p.value)
		if all = append(all, d); d >= largest {
			largest = d
			worst = failed("wrong", "the server reports %.4g for a token of a prompt, and %.4g when it generates it there", got[0], p.value)
		}
	}
	if slices.Sort(all); largest > noise || all[len(all)/2] > tolerance {
		return 0, worst
	}
	return largest, nil
}

// refusal returns the reason if an error means that the server does not support a request, or else
// the error.
func refusal(err error) (why string, other error) {
	var r *runners.RequestError
	var f *failure
	switch {
	case errors.Is(err, runners.ErrUnsupported):
		return err.Error(), nil
	case errors.As(err, &r):
		switch r.Kind {
		case "HTTP 400", "HTTP 403", "HTTP 404", "HTTP 405", "HTTP 422", "HTTP 500", "HTTP 501", "invalid answer", "error in the answer":
			return err.Error(), nil
		}
	case errors.As(err, &f):
		return err.Error(), nil
	}
	return "", err
}

// ScoreText emits the log-probability of each token of a text but the first.
func (m *Model) ScoreText(ctx context.Context, text string, tokens []int, emit func(runners.Piece)) error {
	s := m.s
	if s.method == none {
		return fmt.Errorf("%w: %s", runners.ErrUnsupported, s.NoScore)
	}
	if len(tokens) < 2 {
		return nil
	}
	if s.method == byForce && len(tokens) > maxForced {
		return fmt.Errorf("%w: a text of %d tokens; the server reports log-probabilities only of tokens that it generates, by a request for each, which is limited to texts of %d",
			runners.ErrUnsupported, len(tokens), maxForced)
	}
	values, err := s.scores(ctx, s.method, s.prompted(text, tokens), len(tokens)-1)
	if err != nil {
		return err
	}
	m.scored.Store(true)
	bytes := runners.TokenBytes(s.tok, text, tokens)
	for i, v := range values {
		emit(runners.Piece{Pos: i + 1, Bytes: bytes(i + 1), LogProb: float32(v)})
	}
	return nil
}

// continuations returns the log-probabilities of texts after a prompt, or nil if the server does
// not report them. ids are the tokens of the prompt, near is the text before its end.
func (m *Model) continuations(ctx context.Context, text, near string, ids []int, texts []string) (out []float64, err error) {
	s := m.s
	if len(texts) == 0 || s.method == none {
		return nil, nil
	}
	begin := len(tokenizer.Begin(s.tok))
	for _, t := range texts {
		next := tokenizer.Continuation(s.tok, near, t)
		sum := 0.0
		if len(next) > 0 {
			values, err := s.scores(ctx, s.method, prompted{text + t, slices.Concat(ids, next), begin}, len(next))
			if err != nil {
				return nil, err
			}
			for _, v := range values {
				sum += v
			}
		}
		out = append(out, sum)
	}
	m.scored.Store(true)
	return out, nil
}
