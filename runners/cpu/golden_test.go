package cpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/verify"
)

// TestGolden holds every tier against the reference implementation's fixtures,
// in every way of computing, with float32 and with bfloat16 weights and caches.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("../../testdata/golden/*/config.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, k := range cpu.Tiers() {
		for _, types := range [][2]runners.DType{{runners.F32, runners.F32}, {runners.F32, runners.BF16}, {runners.BF16, runners.BF16}} {
			t.Run(fmt.Sprintf("%s-%s-%s", k.Name, types[0], types[1]), func(t *testing.T) {
				if !k.Available() {
					t.Skipf("UNTESTED here: this processor lacks %s", k.Missing)
				}
				for _, d := range dirs {
					d = filepath.Dir(d)
					if k.Name == "go" && strings.Contains(d, "chunk") && testing.Short() {
						continue
					}
					r, err := verify.Verify(context.Background(), d, New(), runners.Options{Tier: k.Name, Weights: types[0], KV: types[1], Threads: 2})
					if err != nil {
						t.Errorf("%s: %v", d, err)
						continue
					}
					if !r.OK() {
						t.Errorf("%s differs from the reference", d)
						r.Write(os.Stderr)
					}
				}
			})
		}
	}
}
