package load

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// MinLength is the smallest length of a prompt in tokens.
const MinLength = 32

// Prompts makes prompts of a length. Each begins with random letters, which are not the same in any
// two runs, so a server that caches prefixes has computed none of it. The rest is common words in
// random order.
type Prompts struct {
	Questions
	// tokens are those of the text after the random letters, begin those before them. Without a
	// tokenizer both are nil.
	tokens, begin []int
	// text is the text after the random letters. texts caches its first tokens by their number.
	text  string
	texts map[int]string
	// notes are remarks on the length of the prompts.
	notes []string
}

// words are common English words. Most tokenizers encode each, with the space before it, as one
// token.
var words = strings.Fields(`time year people way day man thing woman life child world school state
	family student group country problem hand part place case week company system program question
	work government number night point home water room mother area money story fact month lot right
	study book eye job word business issue side kind head house service friend father power hour game
	line end member law car city`)

// text returns n words in random order: every word once, then every word again.
func text(random *rng.Rand, n int) string {
	var b strings.Builder
	order := make([]int, len(words))
	for i := range order {
		order[i] = i
	}
	for i := range n {
		at := i % len(words)
		if at == 0 {
			random.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
		}
		b.WriteByte(' ')
		b.WriteString(words[order[at]])
	}
	return b.String()
}

// letters returns the beginning of a prompt.
func letters() string { return strings.ToLower(rand.Text()[:8]) }

// NewPrompts makes prompts. If the tokenizer is unknown, two short requests find out how many
// tokens the server counts for a text.
func NewPrompts(ctx context.Context, s runners.Streamer, q Questions) (*Prompts, error) {
	p, tok, length := &Prompts{Questions: q, texts: map[int]string{}}, q.Tokenizer, q.Length
	random := rng.New("load", q.Seed)
	if tok != nil {
		p.begin = tokenizer.Begin(tok)
		sample := tok.Encode(text(random, len(words)))
		n := length*len(words)/len(sample) + len(words)
		for len(p.tokens) < length {
			p.tokens = tok.Encode(text(random, n))
			n += n/8 + len(words)
		}
		return p, nil
	}
	fixed, each, err := p.calibrate(ctx, s, random)
	if err != nil {
		return nil, err
	}
	p.text = text(random, max(0, int(math.Round((float64(length)-fixed)/each))))
	return p, nil
}

// calibrate returns the number of tokens of a prompt without words, and of each word.
func (p *Prompts) calibrate(ctx context.Context, s runners.Streamer, random *rng.Rand) (fixed, each float64, err error) {
	var counts [2]float64
	sizes := [2]int{len(words), 3 * len(words)}
	for i, n := range sizes {
		a, err := s.Stream(ctx, runners.Request{Prompt: letters() + text(random, n), MaxTokens: 1, Exact: true})
		if err != nil {
			return 0, 0, fmt.Errorf("a request to count tokens: %w", err)
		}
		if a.PromptTokens < 0 {
			p.notes = append(p.notes, "the server does not report the length of prompts, and there is no tokenizer: a word is taken for a token")
			return 4, 1, nil
		}
		counts[i] = float64(a.PromptTokens)
	}
	each = (counts[1] - counts[0]) / float64(sizes[1]-sizes[0])
	if !(each > 0.1 && each < 20) {
		return 0, 0, fmt.Errorf("the server counts %.0f tokens for a prompt of %d words and %.0f for one of %d: the length of prompts cannot be controlled",
			counts[0], sizes[0], counts[1], sizes[1])
	}
	return counts[0] - each*float64(sizes[0]), each, nil
}

// Request returns a request with a new prompt.
func (p *Prompts) Request() runners.Request {
	first := letters()
	q := runners.Request{MaxTokens: p.Output, Exact: true}
	if p.Tokenizer == nil {
		q.Prompt = first + p.text
		return q
	}
	q.Tokens = append(append(q.Tokens, p.begin...), p.Tokenizer.Encode(first)...)
	n := max(0, p.Length-len(q.Tokens))
	q.Tokens = append(q.Tokens, p.tokens[:n]...)
	if _, ok := p.texts[n]; !ok {
		p.texts[n] = p.Tokenizer.Decode(p.tokens[:n])
	}
	q.Prompt = first + p.texts[n]
	return q
}
