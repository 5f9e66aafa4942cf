// Package cudasim implements the simulated CUDA driver on which the GPU code is tested. build.sh
// builds a libcuda.so.1 from the C++ code in src/; it executes PTX on the CPU and checks every
// memory access. README.md documents what it implements and what it cannot detect. The Go code,
// with the build tag cuda, is used by the simulator's own tests.
package cudasim
