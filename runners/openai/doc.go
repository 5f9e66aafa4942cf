// Package openai runs a model behind an OpenAI-compatible HTTP endpoint: its completions or its
// chat completions.
//
// Probe asks a server what it supports. New returns a Model, which is a runners.Completer, a
// runners.Scorer and a runners.Streamer.
//
// Servers report log-probabilities of a prompt in different ways; some ignore the field that asks
// for them and answer as if nothing was asked, and some report those of other tokens. Probe tests
// the ways one after another: the server generates a token and reports its log-probability and
// those of others, and the same tokens at the end of a prompt must have the same values. A way that
// fails is not used. Without one, scoring is unsupported, and the reason says why each way failed.
//
// Every request decodes greedily (temperature 0). Requests that fail with HTTP 408, 409, 429 or
// 5xx, or whose connection breaks before a byte of the answer arrives, are sent again after a wait
// that grows exponentially and is partly random, or that the server asks for (Retry-After). Only
// requests whose times are not measured are sent again after that point. The time of a failed
// attempt, of a wait and of a queue of the client is never part of a latency.
//
// Times are measured from the moment at which a connection is ready and the request is written to
// it, so the time to connect is not part of a latency either.
//
// The key of an endpoint is sent to the host of its URL only: redirects are errors. Texts that a
// server returns are searched for the key before they leave this package.
package openai
