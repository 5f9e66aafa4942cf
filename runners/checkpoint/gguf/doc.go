// Package gguf reads GGUF files, versions 2 and 3: metadata, tensors and the values of quantized
// tensors (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// The layout, little-endian throughout:
//
//	"GGUF", version uint32, tensors uint64, entries uint64
//	entries x (key string, type uint32, value)            string: length uint64, bytes
//	tensors x (name string, rank uint32, rank x uint64 dimensions, type uint32, offset uint64)
//	padding to general.alignment (default 32), then the data, to which the offsets are relative
//
// Open maps the file and reads everything before the data. Metadata values stay in the file until
// they are requested, so a vocabulary of 250,000 words costs one pass over its lengths. All input
// is treated as hostile: a count or length is compared with the remaining bytes before it is used.
package gguf
