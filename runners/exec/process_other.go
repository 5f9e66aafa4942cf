//go:build !unix

package exec

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup kills the command; this system has no process groups.
func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }
