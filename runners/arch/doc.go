// Package arch computes any runners.Config over runners.Ops.
//
//   - model.go turns a network into a runners.Instance: chunks, batches, sequences.
//   - network.go is the one network: it walks a model's layers.
//   - inspect.go shows what is inside, by the names of the fixtures.
//
// The arithmetic, down to the order of norms and the halves of a rotation, is
// that of the reference implementation (microsoft/unilm, folder YOCO); the
// fixtures in testdata/golden come from running it.
package arch
