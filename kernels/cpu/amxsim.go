//go:build amd64 && amxsim && linux && cgo

package cpu

import "github.com/yocobench/yocobench/internal/amxsim"

// amxSimulated says that package amxsim carries out the AMX instructions, in a
// test build, because the processor has none.
var amxSimulated = amxsim.Install()
