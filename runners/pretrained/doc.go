// Package pretrained opens the models that people have: folders of Hugging Face (config.json and
// safetensors) and GGUF files.
//
//  1. Open reads the config by package families, which describes the layers as a runners.Config.
//  2. names.go has the names of tensors, one table a format: which roles a tensor holds.
//  3. place.go finds the tensor of each parameter of the Config, and what has to be done to its rows:
//     rows of a fused tensor, an order of rotary dimensions, a norm that is stored minus 1.
//  4. tensor.go decodes values of memory-mapped files into what a runner asks for. Nothing is
//     copied or converted before that.
//
// Every parameter must have a tensor of its shape, and every tensor must be used or be known to
// hold nothing that a model computes with. A family, a tensor type or a field of a config that is
// not supported is an error that names it.
package pretrained
