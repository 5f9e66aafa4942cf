// Package amxsim executes the AMX instructions of the kernels in kernels/cpu on CPUs that lack
// them, so that tests run the real machine code. Such a CPU raises SIGILL at each instruction. The
// signal handler emulates it as Intel's manual specifies, with one set of tile registers per
// thread. Violations of the manual end the program with a message: shapes beyond the palette's
// limits, operands whose shapes do not match, a tile without a shape.
//
// It is for tests only, behind the build tag amxsim, and needs cgo:
//
//	go test -tags amxsim ./kernels/cpu ./runners/cpu
package amxsim
