// Package cudasim holds the simulated CUDA driver that tests of the GPU code run on: build.sh makes
// a libcuda.so.1 from src/, in C++, that executes PTX on the processor and checks every memory
// access. README.md says what it implements and what it cannot find. The Go code, behind the build
// tag cuda, drives it for its own tests.
package cudasim
