// Package runners is the map of the project: what a model is (Config), what a
// device must do for it (Ops), and what a task may ask of it (Model).
//
// The way from a name to a number:
//
//  1. A Config says which architecture at which size; presets.go has the
//     published ones. Config.Parameters lists every weight by the name that
//     the reference implementation gives it.
//  2. Weights hands out tensors by those names: from a safetensors file, the
//     embedded trained models, or a seed (package checkpoint).
//  3. A Runner loads Config and Weights into a Model. The two measuring
//     runners (packages cpu and cuda) implement Ops and leave the architecture
//     to package arch, which writes each architecture once over Ops. The
//     analytic runner computes instead of measuring.
//  4. A task makes Sequences of a Model and calls Prefill, Step or Score.
//
// cost.go holds the arithmetic of FLOPs, bytes read and bytes held that stands
// beside every measurement.
package runners
