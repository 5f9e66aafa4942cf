//go:build amd64 && amxsim && linux && cgo

package cpu

import "github.com/yocobench/yocobench/internal/amxsim"

// amxSimulated reports that package amxsim emulates the AMX instructions, in a test build on a
// processor without them.
var amxSimulated = amxsim.Install()
