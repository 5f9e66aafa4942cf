package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Protocol is the version of the protocol.
const Protocol = 1

// Limits of the protocol.
const (
	maxLine   = 64 << 20 // bytes of a line, in both directions
	maxVocab  = 1 << 24
	maxName   = 200     // bytes of a name or another word of the hello
	maxTokens = 4 << 20 // tokens of a prefill request; a longer text takes several requests
	maxScored = 1 << 20 // tokens of a score request
	maxBytes  = 1 << 50 // of memory
)

// Optional operations. A child lists those that it has in its hello; hello, new, prefill, step,
// free and bye are required.
const (
	opEncode   = "encode"
	opDecode   = "decode"
	opScore    = "score"
	opFork     = "fork"
	opTruncate = "truncate"
	opUsage    = "usage"
	opGenerate = "generate"
)

// request is a line to the child.
type request struct {
	ID       int64    `json:"id"`
	Op       string   `json:"op"`
	Protocol int      `json:"protocol,omitempty"`
	Seq      string   `json:"seq,omitempty"`
	From     string   `json:"from,omitempty"`
	Seqs     []string `json:"seqs,omitempty"`
	Capacity int      `json:"capacity,omitempty"`
	Tokens   []int    `json:"tokens,omitempty"`
	Text     *string  `json:"text,omitempty"`
	Top      int      `json:"top,omitempty"`
	Length   *int     `json:"length,omitempty"`
	N        int      `json:"n,omitempty"`
	Stop     []int    `json:"stop,omitempty"`
	Reset    bool     `json:"reset,omitempty"`
}

// answer is a line from the child. Unknown fields are ignored.
type answer struct {
	ID       *int64        `json:"id"`
	OK       *bool         `json:"ok"`
	Error    string        `json:"error"`
	Message  string        `json:"message"`
	MS       *float64      `json:"ms"`
	Tokens   []int         `json:"tokens"`
	Text     *string       `json:"text"`
	Top      [][][]float64 `json:"top"`
	LogProbs []float64     `json:"logprobs"`
	Times    []float64     `json:"times"`

	Weights   *int64 `json:"weights"`
	Cache     *int64 `json:"cache"`
	Workspace int64  `json:"workspace"`
	Peak      int64  `json:"peak"`

	Protocol int             `json:"protocol"`
	Name     string          `json:"name"`
	Identity string          `json:"identity"`
	Vocab    int             `json:"vocab"`
	Context  int             `json:"context"`
	BOS      *int            `json:"bos"`
	EOS      json.RawMessage `json:"eos"`
	Ops      []string        `json:"ops"`
	Device   string          `json:"device"`
	DType    string          `json:"dtype"`
}

// Error codes of an answer that is not ok.
const (
	codeOutOfMemory = "out_of_memory"
	codeUnsupported = "unsupported"
	codeBadRequest  = "bad_request"
	codeFailed      = "failed"
)

// parseAnswer parses the answer to the request with the given id.
func parseAnswer(line []byte, id int64) (*answer, error) {
	if !utf8.Valid(line) {
		return nil, fmt.Errorf("a line that is not UTF-8: %s", excerpt(line))
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &kind) && kind.Field == "":
			return nil, fmt.Errorf("a JSON %s, expected an object: %s", kind.Value, excerpt(line))
		case kind != nil:
			return nil, fmt.Errorf("%q is a JSON %s, which is not what the protocol has there: %s", kind.Field, kind.Value, excerpt(line))
		}
		return nil, fmt.Errorf("a line that is not a JSON object (%v): %s", err, excerpt(line))
	}
	switch {
	case a.ID == nil:
		return nil, fmt.Errorf("an answer without an id: %s", excerpt(line))
	case *a.ID != id:
		return nil, fmt.Errorf("the id %d, where that of the request is %d: %s", *a.ID, id, excerpt(line))
	case a.OK == nil:
		return nil, fmt.Errorf("an answer without ok: %s", excerpt(line))
	case !*a.OK && !slices.Contains([]string{codeOutOfMemory, codeUnsupported, codeBadRequest, codeFailed}, a.Error):
		return nil, fmt.Errorf("the error %q, expected out_of_memory, unsupported, bad_request or failed: %s", clip(a.Error), excerpt(line))
	case a.MS != nil && !(*a.MS >= 0):
		return nil, fmt.Errorf("a time of %v ms", *a.MS)
	}
	if field := nullIn(line); field != "" {
		return nil, fmt.Errorf("%q has a null among its numbers: %s", field, excerpt(line))
	}
	return &a, nil
}

// nullIn returns the name of a field of numbers that contains null, or "". Package json would
// decode null as 0, which is a valid token and the log-probability of a certain event. JavaScript
// encodes NaN as null.
func nullIn(line []byte) string {
	null := []byte("null")
	if !bytes.Contains(line, null) {
		return ""
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(line, &all) != nil {
		return ""
	}
	for name, value := range all {
		switch strings.ToLower(name) { // as package json compares names
		case "tokens", "top", "logprobs", "times", "eos":
			if bytes.HasPrefix(value, []byte("[")) && bytes.Contains(value, null) {
				return name
			}
		}
	}
	return ""
}

// excerpt quotes the beginning of a line.
func excerpt(line []byte) string {
	const most = 120
	line = bytes.TrimRight(line, "\r\n")
	if len(line) > most {
		return fmt.Sprintf("%q... (%d bytes)", line[:most], len(line))
	}
	return fmt.Sprintf("%q", line)
}

// clip limits a text of the child in an error.
func clip(s string) string {
	const most = 1000
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// Hello is a child's description of itself.
type Hello struct {
	Name, Identity string
	// Vocab is the number of token ids, Context the longest sequence, 0 if there is no limit.
	Vocab, Context int
	// BOS precedes texts that the child encodes, -1 for none. EOS are the tokens that end an
	// answer.
	BOS int
	EOS []int
	// Device and DType describe the child, and may be empty.
	Device, DType string
	ops           map[string]bool
}

// Has reports whether the child has an optional operation.
func (h *Hello) Has(ops ...string) bool {
	for _, op := range ops {
		if !h.ops[op] {
			return false
		}
	}
	return true
}

// hello returns the hello of an answer.
func (a *answer) hello() (*Hello, error) {
	h := &Hello{Name: a.Name, Identity: a.Identity, Vocab: a.Vocab, Context: a.Context, BOS: -1, Device: a.Device, DType: a.DType, ops: map[string]bool{}}
	if a.Protocol != Protocol {
		return nil, fmt.Errorf("version %d of the protocol, expected %d", a.Protocol, Protocol)
	}
	if a.Name == "" {
		return nil, errors.New("a hello without a name")
	}
	for _, w := range []struct{ field, word string }{{"name", a.Name}, {"identity", a.Identity}, {"device", a.Device}, {"dtype", a.DType}} {
		if len(w.word) > maxName || strings.ContainsFunc(w.word, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, fmt.Errorf("%s: expected a printable text of at most %d bytes, got %s", w.field, maxName, excerpt([]byte(w.word)))
		}
	}
	if a.Vocab < 1 || a.Vocab > maxVocab {
		return nil, fmt.Errorf("vocab is %d, expected 1 to %d", a.Vocab, maxVocab)
	}
	if a.Context < 0 {
		return nil, fmt.Errorf("context is %d", a.Context)
	}
	if a.BOS != nil {
		h.BOS = *a.BOS
		if err := h.check("bos", []int{h.BOS}); err != nil {
			return nil, err
		}
	}
	if len(a.EOS) > 0 && string(a.EOS) != "null" {
		var one int
		if json.Unmarshal(a.EOS, &one) == nil {
			h.EOS = []int{one}
		} else if err := json.Unmarshal(a.EOS, &h.EOS); err != nil {
			return nil, fmt.Errorf("eos: expected a token or a list of them, got %s", excerpt(a.EOS))
		}
		if err := h.check("eos", h.EOS); err != nil {
			return nil, err
		}
	}
	for _, op := range a.Ops {
		h.ops[op] = true
	}
	if h.ops[opEncode] != h.ops[opDecode] {
		return nil, errors.New("ops has one of encode and decode, expected both or neither")
	}
	return h, nil
}

// check returns an error for a token outside the vocabulary.
func (h *Hello) check(what string, tokens []int) error {
	for i, t := range tokens {
		if t < 0 || t >= h.Vocab {
			return fmt.Errorf("%s: token %d of %d is %d, outside the vocabulary of %d", what, i+1, len(tokens), t, h.Vocab)
		}
	}
	return nil
}

// candidate is a token and its log-probability.
type candidate struct {
	token   int
	logProb float64
}

// rounding is how far above 0 the rounding errors of low-precision arithmetic may put a
// log-probability.
const rounding = 1e-3

// logProbability checks a log-probability.
func logProbability(v float64) (float64, error) {
	if math.IsNaN(v) || v > rounding || v < -math.MaxFloat32 {
		return 0, fmt.Errorf("%v is no log-probability", v)
	}
	return min(v, 0), nil
}

// tops returns the most likely tokens of each of n sequences, k each.
func (a *answer) tops(h *Hello, n, k int) ([][]candidate, error) {
	k = min(k, h.Vocab)
	if len(a.Top) != n {
		return nil, fmt.Errorf("top has %d lists for %d sequences", len(a.Top), n)
	}
	out := make([][]candidate, n)
	for i, list := range a.Top {
		if len(list) != k {
			return nil, fmt.Errorf("top has %d tokens for sequence %d, expected %d", len(list), i+1, k)
		}
		seen := map[int]bool{}
		sum := 0.0
		for j, pair := range list {
			if len(pair) != 2 || pair[0] != math.Trunc(pair[0]) || !(pair[0] >= 0 && pair[0] < float64(h.Vocab)) {
				return nil, fmt.Errorf("top: %v, expected a token below %d and its log-probability", pair, h.Vocab)
			}
			c := candidate{token: int(pair[0])}
			var err error
			if c.logProb, err = logProbability(pair[1]); err != nil {
				return nil, fmt.Errorf("top: token %d: %w", c.token, err)
			}
			if seen[c.token] {
				return nil, fmt.Errorf("top: token %d is listed twice", c.token)
			}
			if j > 0 && c.logProb > out[i][j-1].logProb {
				return nil, fmt.Errorf("top: token %d is less likely than token %d, which follows it", out[i][j-1].token, c.token)
			}
			seen[c.token] = true
			sum += math.Exp(c.logProb)
			out[i] = append(out[i], c)
		}
		if sum > 1+rounding*float64(k) {
			return nil, fmt.Errorf("top: the probabilities add up to %.4g: log-probabilities are expected, not logits", sum)
		}
		if least := -math.Log(float64(h.Vocab)); out[i][0].logProb < least-0.1 {
			return nil, fmt.Errorf("top: the most likely of %d tokens has the log-probability %.4g, which cannot be less than %.4g", h.Vocab, out[i][0].logProb, least)
		}
	}
	return out, nil
}

// scores returns n log-probabilities.
func (a *answer) scores(n int) ([]float64, error) {
	if len(a.LogProbs) != n {
		return nil, fmt.Errorf("%d log-probabilities, expected %d: one for each token but the first", len(a.LogProbs), n)
	}
	out := make([]float64, n)
	for i, v := range a.LogProbs {
		var err error
		if out[i], err = logProbability(v); err != nil {
			return nil, fmt.Errorf("value %d of %d: %w", i+1, n, err)
		}
	}
	return out, nil
}

// generated returns the tokens of an answer to generate.
func (a *answer) generated(h *Hello, most int, stop []int) ([]int, error) {
	n := len(a.Tokens)
	if n < 1 || n > most {
		return nil, fmt.Errorf("%d tokens, expected 1 to %d", n, most)
	}
	if err := h.check("tokens", a.Tokens); err != nil {
		return nil, err
	}
	if len(a.Times) != 0 && len(a.Times) != n {
		return nil, fmt.Errorf("%d times for %d tokens", len(a.Times), n)
	}
	for _, t := range a.Times {
		if !(t >= 0) {
			return nil, fmt.Errorf("a time of %v ms", t)
		}
	}
	ended := slices.IndexFunc(a.Tokens, func(t int) bool { return slices.Contains(stop, t) })
	if ended >= 0 && ended+1 != n {
		return nil, fmt.Errorf("tokens after token %d, which ends an answer", a.Tokens[ended])
	}
	if ended < 0 && n < most {
		return nil, fmt.Errorf("%d tokens without one that ends the answer, expected %d", n, most)
	}
	return a.Tokens, nil
}
