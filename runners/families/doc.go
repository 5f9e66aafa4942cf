// Package families reads the configs of published model families and computes the cost of their
// context: the bytes of the caches and the weights, and the work of prefill and decode. It needs no
// weights: a config.json from Hugging Face or the metadata of a GGUF file is enough.
//
//  1. Open finds the config (config.json, a folder with one, or a .gguf file).
//  2. Parse selects the family by model_type and passes the fields to its reader (one function per
//     family), which returns a Model: a list of Layers with their caches and weights.
//  3. cost.go sums over the layers.
//
// A family's reader names every field that it knows. A field that no reader has used, and that is
// not known to be irrelevant (neutral.go), is an error that names the field: sizes are never
// guessed.
//
// Kinds of layers that no runner of this module can run (latent, delta rule, state space,
// convolution, indexer) exist only here.
package families
