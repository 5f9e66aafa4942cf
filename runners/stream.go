package runners

import (
	"context"
	"time"
)

// Request is one request to a model that streams its answer.
type Request struct {
	// Prompt is the text. Tokens encodes it, or is nil; a model that takes text ignores it.
	Prompt string
	Tokens []int
	// MaxTokens is the maximum number of generated tokens.
	MaxTokens int
	// Exact requests exactly MaxTokens tokens: the model ignores its end token if it supports
	// that. Response.OutputTokens is the actual number.
	Exact bool
}

// Response is a streamed answer. Its times are measured from Sent.
type Response struct {
	Text string
	// Sent is when the attempt that succeeded was sent. Time spent in a queue of the client, or in
	// attempts before it, is not part of any latency.
	Sent time.Time
	// Chunks are the parts of the answer that carry tokens, in order. A chunk may carry several
	// tokens; a chunk without text (the role of a chat message, the usage) is not listed.
	Chunks []Chunk
	// PromptTokens, OutputTokens and CachedTokens are what the server reports, or -1. CachedTokens
	// are those of the prompt that were not computed.
	PromptTokens, OutputTokens, CachedTokens int
	// Finish is the reason for which the answer ended: "stop", "length" or another word of the
	// server.
	Finish string
	// Retries are the failed attempts before the one that succeeded.
	Retries []Retry
}

// Chunk is a part of a streamed answer.
type Chunk struct {
	// At is when it arrived.
	At time.Duration
	// Bytes is the length of its text.
	Bytes int
}

// Retry is a failed attempt of a request.
type Retry struct {
	// Reason is the kind of error in a few words, such as "HTTP 429" or "connection closed". Wait
	// is the time until the next attempt.
	Reason string
	Wait   time.Duration
}

// Streamer is a model that answers requests and reports when each part of an answer arrived.
// Requests may run at the same time if the target has the capability Concurrent.
type Streamer interface {
	// Stream runs a request by greedy decoding. A request that failed returns a *RequestError; if
	// some of its answer had arrived, the Response is returned too.
	Stream(ctx context.Context, r Request) (*Response, error)
}

// RequestError is the failure of one request, after all its attempts. It is the failure of a sample
// and need not end a case.
type RequestError struct {
	// Kind groups errors in reports: "timeout", "HTTP 500", "connection closed", "truncated".
	Kind    string
	Retries []Retry
	Err     error
}

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }
