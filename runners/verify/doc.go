// Package verify holds a runner against fixtures: folders of a model's
// config.json and weights with tokens.json, some token ids, and
// expect.safetensors, what the reference implementation or another oracle
// computed for them (testdata/golden/README.md has the layout).
//
// Every text of the fixtures is computed in every way that the interfaces
// offer, because each way takes another path through caches, chunks and batches:
//
//	inspect          Inspect of the whole text: every tensor inside, by name
//	score            Score of the whole text: nll
//	prefill+score    Prefill of the first half, Score of the rest: nll
//	prefill+step     Prefill of all but the last token, one Step: the last logits
//	steps            token by token: logits at every position
//	chunks+batch     Prefill in pieces of odd sizes, sequence by sequence in turn, then
//	                 Steps of a batch of sequences of different lengths: logits
//	fork             Forks that go different ways: logits of each
//	truncate         cut back after other tokens, then on: logits
//	greedy           greedy continuation: ids and logits
//	early exit       the operations that Prefill of a YOCO must not do (Counter)
//
// Verify returns a Report of the largest error of each tensor by each way.
// Comparisons are written so that NaN fails.
package verify
