// Package runners defines what a model is (Config), what a device must do for it (Ops), and what a
// task may ask of it (Model).
//
// From a name to a number:
//
//  1. A Config describes an architecture at a size; presets.go has the published ones.
//     Config.Parameters lists every weight by its name in the reference implementation.
//  2. Weights returns tensors by those names: from a safetensors file, the embedded trained
//     models, or a seed (package checkpoint).
//  3. A Runner loads Config and Weights into a Model. The two measuring runners (packages cpu and
//     cuda) implement Ops; package arch implements each architecture once on top of Ops. The
//     analytic runner computes costs instead of measuring.
//  4. A task makes Sequences of a Model and calls Prefill, Step or Score.
//
// cost.go computes the FLOPs, bytes read and bytes held that reports show next to measurements.
package runners
