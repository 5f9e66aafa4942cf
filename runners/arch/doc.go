// Package arch writes each architecture once, over runners.Ops.
//
//   - model.go turns a network into a runners.Model: chunks, batches, sequences.
//   - yoco.go is the decoder-decoder with its two self-decoders.
//   - transformer.go is the baseline.
//
// The arithmetic, down to the order of norms and the halves of a rotation, is
// that of the reference implementation (microsoft/unilm, folder YOCO); the
// fixtures in testdata/golden come from running it.
package arch
