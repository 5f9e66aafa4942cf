//go:build cuda

package cuda

import (
	"errors"
	"testing"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// TestTarget: sm_90a is only for compute capability 9.0; later GPUs use sm_80, which their driver
// compiles.
func TestTarget(t *testing.T) {
	for _, c := range []struct {
		capability int
		want       string // empty: unsupported
	}{{70, ""}, {75, ""}, {80, "sm_80"}, {86, "sm_80"}, {89, "sm_80"}, {90, "sm_90a"}, {100, "sm_80"}, {103, "sm_80"}, {120, "sm_80"}, {121, "sm_80"}} {
		i := Info{Name: "a GPU", Capability: c.capability}
		got, why, err := i.target("")
		if got != c.want || (c.want == "") != errors.Is(err, runners.ErrUnsupported) || (c.want == "") != (why == "") {
			t.Errorf("compute capability %d: %q (%s), want %q: %v", c.capability, got, why, c.want, err)
		}
		if _, _, err := i.target("sm_80"); (c.want == "") != (err != nil) {
			t.Errorf("compute capability %d with sm_80 requested: %v", c.capability, err)
		}
		if _, _, err := i.target("sm_90a"); (c.want == "sm_90a") != (err == nil) {
			t.Errorf("compute capability %d with sm_90a requested: %v", c.capability, err)
		}
	}
}

// TestSharedMemory: kernels fit in the shared memory of a block, those of sm_80 also in the 99 KiB
// of compute capabilities 8.6, 8.9 and 12.0.
func TestSharedMemory(t *testing.T) {
	for target, limit := range map[string]int{"sm_80": 99 << 10, "sm_90a": 227 << 10} {
		for _, build := range []string{"f32", "bf16"} {
			s, err := kernels.Choose(build, target)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.All()) < 50 {
				t.Errorf("%d kernels of %s for %s", len(s.All()), build, target)
			}
			for _, k := range s.All() {
				if k.Shared > limit {
					t.Errorf("%s needs %d bytes of shared memory, more than %d", k.File, k.Shared, limit)
				}
			}
		}
	}
}
