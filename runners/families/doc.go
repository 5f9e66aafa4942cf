// Package families reads the configs of published model families and says what the context of such
// a model costs: the bytes of its caches, its weights, and the work of prefill and decode. It needs
// no weights: a config.json of Hugging Face or the metadata of a GGUF file is enough.
//
//  1. Open finds the config (config.json, a folder with one, or a .gguf file).
//  2. Parse picks the family by model_type and hands the fields to its reader (one function a family),
//     which returns a Model: a list of Layers with what each keeps of the context and its weights.
//  3. The sums over layers are in cost.go.
//
// A family's reader names every field that it knows. A field that nobody has read, and that is not
// known to be without effect (neutral.go), is an error with its name: a size is never guessed.
//
// Kinds of layers that no runner of this module runs (latent, delta rule, state space, convolution,
// indexer) exist here only.
package families
