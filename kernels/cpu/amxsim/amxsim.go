//go:build amxsim && linux && amd64 && cgo

// Package amxsim carries out the AMX instructions of package cpu's kernels on
// processors that have none, so that tests run their very machine code: the
// processor refuses each one (SIGILL), and the signal's handler does what
// Intel's manual says it does, on tile registers of its own, one set a thread.
// What the manual forbids ends the program with a message: shapes beyond the
// palette's, operands that do not fit each other, a tile without a shape.
//
// It is for tests alone, behind the build tag amxsim, and needs cgo:
//
//	go test -tags amxsim ./kernels/cpu ./runners/cpu
package amxsim

// #cgo CFLAGS: -O2 -Wall
// int amxsimInstall(void);
import "C"

// Install puts the handler in place where the processor has no AMX, and says whether it did.
func Install() bool { return C.amxsimInstall() != 0 }
