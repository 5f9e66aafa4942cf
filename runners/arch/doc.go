// Package arch computes any runners.Config on top of runners.Ops.
//
//   - model.go turns a network into a runners.Instance: chunks, batches, sequences.
//   - network.go is the network: it iterates over a model's layers.
//   - inspect.go emits intermediate results under the names of the fixtures.
//
// The arithmetic, including the order of norms and the pairing of rotary dimensions, is that of the
// reference implementation (microsoft/unilm, folder YOCO), which also generated the fixtures in
// testdata/golden.
package arch
