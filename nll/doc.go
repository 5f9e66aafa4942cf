// Package nll measures the loss over long texts: does a model keep learning from its context?
//
// One Score pass over each document covers every context length, because the loss at a position
// depends only on the tokens before it:
//
//  1. task.go plans a case for each model and corpus.
//  2. run.go scores the documents and sums losses by position (tally.go) and by whether
//     the token could have been copied from the context (ngram.go).
//  3. From the sums come the mean loss in log-spaced buckets of positions, the
//     mean up to each context length, and a power law fitted to the buckets
//     (fit.go). Leaving out one text at a time gives every number its standard error and
//     Student's interval (internal/stats). Stretches of one file are one text.
//
// Losses are in nats per token and, so that tokenizers can be compared, in bits
// per byte of text: nats / ln 2 / bytes.
package nll
