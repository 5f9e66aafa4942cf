//go:build !linux

package cpu

func tilesForbidden() string {
	return "Linux, where this program can request AMX tiles"
}
