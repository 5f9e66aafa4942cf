//go:build cuda

package cuda

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
)

// lose runs a scenario in a separate process in which a kernel fails, and returns its output.
func lose(t *testing.T, env ...string) string {
	t.Helper()
	onSimulator(t)
	c := exec.Command(os.Args[0], "-test.run", "^TestDeviceLostProcess$", "-test.v")
	c.Env = append(append(os.Environ(), "YOCOBENCH_LOSE=1", "YOCOSIM_QUIET=1"), env...)
	out, _ := c.CombinedOutput() // it exits with an error, because it could not free memory
	return string(out)
}

// TestDeviceLostProcess is the process that loses the device; see lose.
func TestDeviceLostProcess(t *testing.T) {
	if os.Getenv("YOCOBENCH_LOSE") == "" {
		t.Skip("run by the other tests")
	}
	poison = nil
	c := tiny(runners.YOCOSlidingWindow)
	m, err := tried(c, scenario)
	t.Logf("lost: %t: %v", errors.Is(err, runners.ErrDeviceLost), err)
	if m != nil {
		_ = m.Close() // as a run does
	}
	_, err = New().Load(c, checkpoint.Random(c, 1, runners.F32), runners.Options{})
	t.Logf("again: %t: %v", errors.Is(err, runners.ErrDeviceLost), err)
	_, err = Peaks(context.Background(), runners.Options{})
	t.Logf("peaks: %t", errors.Is(err, runners.ErrDeviceLost))
}

// TestDeviceLost: a kernel that fails loses the device for the process, in prefill and in the graph
// of a step. The error has the driver's name for it and lists the kernels that may have failed, or
// names the kernel if launches are waited for.
func TestDeviceLost(t *testing.T) {
	for _, kernel := range []string{"attend_window_32", "attend_reduce_16:4", "logprobs"} {
		name, _, _ := strings.Cut(kernel, ":")
		out := lose(t, "YOCOSIM_FAULT="+kernel)
		for _, want := range []string{"lost: true: ", "the device is lost: one of the kernels ", name, "(CUDA_LAUNCH_BLOCKING=1 in the environment shows which): CUDA_ERROR_ILLEGAL_ADDRESS",
			"again: true: the device is lost: a context on cudasim: CUDA_ERROR_ILLEGAL_ADDRESS", "peaks: true"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no line contains %q:\n%s", kernel, want, out)
			}
		}
		if out := lose(t, "YOCOSIM_FAULT="+kernel, "CUDA_LAUNCH_BLOCKING=1"); !strings.Contains(out, "the device is lost: the kernel "+name+": CUDA_ERROR_ILLEGAL_ADDRESS") {
			t.Errorf("%s with launches that are waited for:\n%s", kernel, out)
		}
	}
}
