//go:build unix

package exec

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func init() {
	leaveGroup = func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
}

// TestPipeStaysOpen checks that the exit of a command is found although a process that it started
// has left its group and holds standard output.
func TestPipeStaysOpen(t *testing.T) {
	spec := bad("deserter")
	h, err := Probe(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(spec, h)
	defer m.Close()
	begin := time.Now()
	err, _ = stepOnce(m)
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	p, _ := os.FindProcess(f.grandchild())
	defer p.Kill()
	if !strings.Contains(err.Error(), "exit status 6") || time.Since(begin) > spec.Request/2 {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}
