// Package checkpoint is where weights come from.
//
//  1. Open reads a folder: config.json (config.go) next to weights.safetensors,
//     model.safetensors or a sharded model.safetensors.index.json (open.go).
//  2. OpenFile (safetensors.go) reads one safetensors file through a read-only
//     memory map: a tensor is a slice of the file, never a second copy.
//  3. OpenEmbedded (embedded.go) opens a trained tiny model that ships inside
//     the binary.
//  4. Random (random.go) computes seeded weights of any Config, tensor by
//     tensor as they are asked for, the same bits on every platform.
//
// Save and Write go the other way. Whatever is read is treated as hostile: no
// length, offset, name or number of a file is used before it is checked.
package checkpoint
