// Package pretrained opens published models: Hugging Face folders (config.json and safetensors) and
// GGUF files.
//
//  1. Open reads the config with package families, which describes the layers as a runners.Config.
//  2. names.go has a table of tensor names per format, with the roles of each tensor.
//  3. place.go finds the tensor of each parameter of the Config and the conversion that it needs:
//     rows of a fused tensor, an order of rotary dimensions, a norm that is stored minus 1.
//  4. tensor.go decodes values of memory-mapped files to the type that a runner asks for. Nothing
//     is copied or converted before that.
//
// Every parameter must have a tensor of its shape, and every tensor must be used or be known to be
// unused. An unsupported family, tensor type or config field is an error that names it.
package pretrained
