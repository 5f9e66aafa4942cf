package runners

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// StreamerOf returns m as a Streamer: m itself if it implements Streamer, else an adapter for a
// Stepper and its tokenizer. The adapter answers one request at a time; further requests wait in a
// queue, and this time is part of their latencies.
func StreamerOf(m Model, tok tokenizer.Tokenizer) (Streamer, error) {
	if s, ok := m.(Streamer); ok {
		return s, nil
	}
	s, err := As[Stepper](m, Stream)
	if err != nil {
		return nil, err
	}
	if tok == nil {
		return nil, fmt.Errorf("%w: no tokenizer", ErrUnsupported)
	}
	return stepStreamer{s, tok, make(chan struct{}, 1)}, nil
}

// stepStreamer answers requests one after another, each in a sequence of its own.
type stepStreamer struct {
	m   Stepper
	tok tokenizer.Tokenizer
	// turn has an element while a request is answered.
	turn chan struct{}
}

func (c stepStreamer) Stream(ctx context.Context, r Request) (*Response, error) {
	out := &Response{Sent: time.Now()}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.turn }()
	prompt := r.Tokens
	if prompt == nil {
		prompt = append(tokenizer.Begin(c.tok), c.tok.Encode(r.Prompt)...)
	}
	s, err := c.m.NewSequence(len(prompt) + r.MaxTokens)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out.PromptTokens, out.Finish = len(prompt), "length"
	end := tokenizer.SpecialOf(c.tok).End
	var answer []int
	err = Generate(ctx, c.m, s, prompt, r.MaxTokens, func(g Generated) bool {
		if !r.Exact && slices.Contains(end, g.Token) {
			out.Finish = "stop"
			return false
		}
		answer = append(answer, g.Token)
		out.Chunks = append(out.Chunks, Chunk{At: time.Since(out.Sent), Bytes: len(c.tok.Decode([]int{g.Token}))})
		return true
	})
	out.OutputTokens, out.Text = len(answer), c.tok.Decode(answer)
	return out, err
}
