//go:build amxsim && linux && amd64 && cgo

package amxsim

// #cgo CFLAGS: -O2 -Wall
// int amxsimInstall(void);
import "C"

// Install installs the handler if the CPU has no AMX, and reports whether it did.
func Install() bool { return C.amxsimInstall() != 0 }
