//go:build amd64 && !(amxsim && linux && cgo)

package cpu

// amxSimulated: see amxsim.go.
const amxSimulated = false
