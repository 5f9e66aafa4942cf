// Package cpu holds the compute kernels of the CPU runner: small loops over
// memory that the caller has laid out, without allocation, threads or checks.
//
// A Tier is a set of kernels for one instruction set, all with the same
// contracts; the plain Go tier is the reference that the others are tested
// against. What a kernel computes is documented once, at its plain Go form in
// gemm.go, vector.go and quant.go; the assembly is written by ./gen.
//
//	gemm.go    the matrix kernel: a tile of C from strided A and B; amx_amd64.go the one on matrix registers
//	vector.go  loops over rows: norms, exponentials, rotations, bfloat16
//	quant.go   products with quantised weights, and how their panels are laid out
//	tier.go    the tiers and how one is chosen
//
// Strides (ldc, rs, cs, ldb, ldd, lds) are in bytes, counts in elements.
package cpu

//go:generate go run ./gen
