// Package cuda runs models on an NVIDIA GPU: it implements runners.Ops with the
// kernels of kernels/cuda, through the driver API (gorgonia.org/cu), and
// accounts for every byte of device memory that it holds. It is built with the
// tag "cuda" (make cuda) and needs the NVIDIA driver only where it is used: a
// program that has it links no CUDA library and runs on machines without one.
//
//	driver.c, driver.go  the driver, found at run time; calls that gorgonia.org/cu lacks
//	device.go            a GPU: what it is, its context, stream and kernels
//	runner.go            the Runner; limits.go what it supports, and the memory that it needs
//	memory.go            the pool that counts memory by part and refuses what is over budget
//	queue.go             the command list of a pass, and the graph that a decode step becomes
//	arena.go             what changes from pass to pass: positions, tokens, tables of caches
//	transfer.go          copies through pinned memory
//	ops.go               buffers, parts and counts; rows.go, linear.go, rope.go, kv.go, attend.go,
//	                     retain.go and logprobs.go one operation each
//	cublas.c, cublas.go  cuBLAS, found at run time
//	choose.go            which products it computes: those that it was measured to do right, and faster
//	nvml.go              clocks, power and what holds the clocks back, where NVML is there
//	peaks.go             what this GPU can do: the limits beside which speeds are shown
//	bench.go             the kernels one by one: checked, then timed
package cuda
