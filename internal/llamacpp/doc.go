// Package llamacpp starts real servers of llama.cpp on loopback ports, and writes float32 copies of
// GGUF files, on which their answers can be compared with those of this project's runners. Only
// tests use it.
package llamacpp
