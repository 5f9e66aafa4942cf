// Package checkpoint reads and writes weights.
//
//  1. Open reads a folder: config.json (config.go) next to weights.safetensors, model.safetensors or
//     a sharded model.safetensors.index.json (open.go).
//  2. OpenFile (safetensors.go) opens one safetensors file as a read-only memory map: a tensor is a
//     slice of the file, never a copy.
//  3. OpenEmbedded (embedded.go) opens a small trained model that is embedded in the binary.
//  4. Random (random.go) generates seeded weights of any Config, one tensor at a time when it is
//     read, with the same bits on every platform.
//
// Save and Write write models. All input is treated as hostile: every length, offset, name and
// number of a file is checked before it is used.
package checkpoint
