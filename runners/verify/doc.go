// Package verify compares a runner with fixtures: folders with a model's config.json and weights,
// tokens.json with some token ids, and expect.safetensors with the results of the reference
// implementation or another oracle (testdata/golden/README.md describes the format).
//
// Every text of the fixtures is computed in every mode that the interfaces offer, because each mode
// takes another path through caches, chunks and batches:
//
//	inspect          Inspect of the whole text: every intermediate tensor, by name
//	score            Score of the whole text: nll
//	prefill+score    Prefill of the first half, Score of the rest: nll
//	prefill+step     Prefill of all but the last token, one Step: the last logits
//	steps            token by token: logits at every position
//	chunks+batch     interleaved Prefill of several sequences in pieces of odd sizes, then Steps
//	                 of a batch of sequences of different lengths: logits
//	fork             Forks that continue differently: logits of each
//	truncate         append other tokens, cut back and continue: logits
//	greedy           greedy continuation: ids and logits
//	early exit       the operations that Prefill of a YOCO must skip (Counter)
//
// Verify returns a Report with the largest error of each tensor in each mode. Comparisons are
// written so that NaN fails.
package verify
