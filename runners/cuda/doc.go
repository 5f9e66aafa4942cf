// Package cuda runs models on an NVIDIA GPU: it implements runners.Ops with the kernels of
// kernels/cuda, through the driver API (gorgonia.org/cu), and accounts for all device memory that
// it holds. It is built with the tag "cuda" (make cuda) and needs the NVIDIA driver only when it is
// used: the program links no CUDA library and runs on machines without one.
//
//	driver.c, driver.go  the driver, loaded at run time; calls that gorgonia.org/cu lacks
//	device.go            a GPU: its properties, context, stream and kernels
//	runner.go            the Runner; limits.go what it supports, and the memory that it needs
//	memory.go            the pool that counts memory by part and enforces the budget
//	queue.go             the command list of a pass, and the graph of a decode step
//	arena.go             data that change from pass to pass: positions, tokens, tables of caches
//	transfer.go          copies through pinned memory
//	ops.go               buffers, parts and counts; rows.go, linear.go, rope.go, kv.go, attend.go,
//	                     retain.go and logprobs.go have one operation each
//	cublas.c, cublas.go  cuBLAS, loaded at run time
//	choose.go            which products use cuBLAS: those that it computes correctly and faster
//	nvml.go              clocks, power and throttling, if NVML is available
//	peaks.go             the GPU's peak rates, shown as limits next to speeds
//	bench.go             checks and timings of single kernels
package cuda
