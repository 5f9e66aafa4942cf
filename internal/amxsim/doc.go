// Package amxsim executes the AMX instructions of the kernels in kernels/cpu on CPUs that lack
// them, so that tests run the real machine code. Such a CPU raises SIGILL at each instruction; the
// signal handler executes it as Intel's manual specifies, with one set of simulated tile registers
// per thread. Operations that the manual forbids end the program with a message: shapes beyond the
// palette's limits, operands whose shapes do not match, a tile without a shape.
//
// It is for tests only, behind the build tag amxsim, and needs cgo:
//
//	go test -tags amxsim ./kernels/cpu ./runners/cpu
package amxsim
