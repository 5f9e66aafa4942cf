//go:build amxsim && linux && amd64 && cgo

package amxsim

// #cgo CFLAGS: -O2 -Wall
// int amxsimInstall(void);
import "C"

// Install puts the handler in place where the processor has no AMX, and says whether it did.
func Install() bool { return C.amxsimInstall() != 0 }
