//go:build !linux

package cpu

func tilesForbidden() string {
	return "an operating system of which this program can ask AMX tiles (Linux)"
}
