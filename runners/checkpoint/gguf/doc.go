// Package gguf reads GGUF files, versions 2 and 3: metadata, tensors and the values of quantised
// tensors (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// The layout, little-endian throughout:
//
//	"GGUF", version uint32, tensors uint64, entries uint64
//	entries x (key string, type uint32, value)            string: length uint64, bytes
//	tensors x (name string, rank uint32, rank x uint64 dimensions, type uint32, offset uint64)
//	padding to general.alignment (default 32), then the data, to which the offsets are relative
//
// Open maps the file and reads what precedes the data. Values of metadata stay in the file until
// they are asked for, so a vocabulary of a quarter million words costs one pass over its lengths.
// Whatever is read is treated as hostile: a count or length is compared with the bytes that remain
// before it is used.
package gguf
