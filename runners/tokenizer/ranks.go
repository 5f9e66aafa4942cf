package tokenizer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Ranks has what a tiktoken file does not contain: the pattern that splits the text, and the
// special tokens.
type Ranks struct {
	// Pattern splits the text.
	Pattern string
	// First are tokens whose ids precede those of the file's tokens.
	First []string
	// Special are special tokens and their ranks, to which the number of First is added.
	Special map[string]int
	// BOS and EOS name special tokens, if any.
	BOS, EOS string
}

// cl100kPattern is the pattern of tiktoken's cl100k_base.
const cl100kPattern = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|\s+(?!\S)|\s`

var cl100kSpecial = map[string]int{
	"<|endoftext|>": 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276,
}

// CL100K is OpenAI's cl100k_base.
func CL100K() Ranks {
	return Ranks{Pattern: cl100kPattern, Special: cl100kSpecial, EOS: "<|endoftext|>"}
}

// YOCO is the tokenizer of the YOCO reference (microsoft/unilm, YOCO/yoco/tasks/data): the tokens
// <s>, <pad>, </s> and <unk>, then those of cl100k_base, then the special tokens of StarCoder.
func YOCO() Ranks {
	r := Ranks{Pattern: cl100kPattern, First: []string{"<s>", "<pad>", "</s>", "<unk>"}, Special: map[string]int{}, BOS: "<s>", EOS: "</s>"}
	for name, rank := range cl100kSpecial {
		r.Special[name] = rank
	}
	for i, name := range []string{
		"<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<reponame>", "<filename>", "<gh_stars>", "<issue_start>", "<issue_comment>",
		"<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<empty_output>", "<commit_before>",
		"<commit_msg>", "<commit_after>",
	} {
		r.Special[name] = 100264 + i
	}
	return r
}

// ParseRanks makes the tokenizer of a tiktoken file: a line for each token, its bytes in base64 and
// its rank. name is for errors.
func ParseRanks(name string, data []byte, r Ranks) (*Subword, error) {
	tokens, err := readRanks(name, data)
	if err != nil {
		return nil, err
	}
	t, err := r.tokenizer(name, tokens)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// readRanks reads the tokens by rank.
func readRanks(name string, data []byte) ([]string, error) {
	var tokens []string
	n := 0
	for i, line := range bytes.Split(data, []byte("\n")) {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", name, i+1, fmt.Sprintf(format, args...))
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		code, number, ok := bytes.Cut(line, []byte(" "))
		if !ok {
			return nil, fail("want a token in base64, a space and its rank")
		}
		token, err := base64.StdEncoding.DecodeString(string(code))
		if err != nil || len(token) == 0 || len(token) > maxTokenBytes {
			return nil, fail("the token %.40q is not 1 to %d bytes in base64", code, maxTokenBytes)
		}
		rank, err := strconv.Atoi(string(number))
		if err != nil || rank < 0 || rank >= maxTokens {
			return nil, fail("the rank %.40q is no integer from 0 to %d", number, maxTokens-1)
		}
		for rank >= len(tokens) {
			tokens = append(tokens, "")
		}
		if tokens[rank] != "" {
			return nil, fail("the rank %d occurs twice", rank)
		}
		tokens[rank] = string(token)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: there are no tokens", name)
	}
	return tokens, nil
}

func (r Ranks) tokenizer(name string, tokens []string) (*Subword, error) {
	first := len(r.First)
	v := newVocabulary(first + len(tokens))
	// Names of First may be tokens of the file too, so they are not part of the vocabulary.
	v.names = append(v.names, make([]string, first)...)
	for rank, s := range tokens {
		if s == "" {
			v.names = append(v.names, "")
		} else if err := v.add(s, first+rank); err != nil {
			return nil, err
		}
	}
	b := v.bpe(true)
	for c := range b.bytes {
		if b.bytes[c] = v.id(string([]byte{byte(c)})); b.bytes[c] == none {
			return nil, fmt.Errorf("the byte %#02x is no token", c)
		}
	}
	if err := v.mergeAll(b, v.names, func(id int) uint32 { return uint32(id) }); err != nil {
		return nil, err
	}
	b.whole = v.ids
	t := &Subword{file: name, unk: none, model: b, ids: map[string]int{}, names: map[int]string{}}
	t.text = slices.Clone(v.names)
	pattern, err := compilePattern(r.Pattern)
	if err != nil {
		return nil, err
	}
	t.pre = preTokenizer{{pattern: pattern}}
	var list []added
	special := func(name string, id int) error {
		if id >= maxTokens {
			return errors.New("the special tokens have too large ids")
		}
		for id >= len(t.text) {
			t.text = append(t.text, "")
		}
		if t.text[id] != "" {
			return fmt.Errorf("the special token %s has the id of another token", name)
		}
		t.ids[name], t.names[id] = id, name
		return nil
	}
	for i, name := range r.First {
		if err := special(name, i); err != nil {
			return nil, err
		}
	}
	for name, rank := range r.Special {
		if err := special(name, first+rank); err != nil {
			return nil, err
		}
		list = append(list, added{id: int32(first + rank), text: name, special: true})
	}
	t.raw, t.normalized = newAdded(list), newAdded(nil)
	t.special = Special{BOS: none, EOS: none}
	if id, ok := t.ids[r.BOS]; ok {
		t.special.BOS = id
	}
	if id, ok := t.ids[r.EOS]; ok {
		t.special.EOS = id
	}
	t.findEnds(func(int) bool { return true })
	return t, nil
}
