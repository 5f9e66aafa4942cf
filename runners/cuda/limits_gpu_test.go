//go:build cuda

package cuda

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// TestCountsOfKernels: sizes that exceed the kernels' 32-bit counters are unsupported, before any
// memory is allocated, and the model works afterwards.
func TestCountsOfKernels(t *testing.T) {
	o := openTest(t, runners.Options{})
	for _, c := range []struct{ hd, capacity int }{{256, 1 << 23}, {128, 1 << 24}, {2, 1 << 30}} {
		if _, err := o.GlobalKV(1, c.hd, c.capacity); !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("a cache of %d positions of %d values: %v", c.capacity, c.hd, err)
		}
		if _, err := o.GlobalKV(1, c.hd, c.capacity-1); errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("a cache of %d positions of %d values: %v", c.capacity-1, c.hd, err)
		}
	}
	b := &runners.Batch{Rows: maxBatch + 1}
	for i := range b.Rows {
		b.Spans = append(b.Spans, runners.Span{Row: i, Len: 1})
	}
	o.Begin(b)
	if err := o.Sync(); !errors.Is(err, runners.ErrUnsupported) || !strings.Contains(err.Error(), "65536 sequences") {
		t.Errorf("a step of %d sequences: %v", b.Rows, err)
	}
	if lines, err := multiplied(t, o, 20, 16, 18); err != nil {
		t.Errorf("afterwards: %v, %q", err, lines)
	}
}

// TestWatchdog: on a GPU with a watchdog, attention of a long chunk is split into launches of
// limited size, with the same result.
func TestWatchdog(t *testing.T) {
	c := tiny(runners.Transformer)
	c.Vocab = 50
	ctx := context.Background()
	var logits [2][]float32
	var launches [2]int
	old := watchedFLOPs
	defer func() { watchedFLOPs = old }()
	watchedFLOPs = 4 * 64 * 300 * 128 // heads of tiny, together 64 wide
	for i := range 2 {
		m := load(t, c, runners.Options{})
		m.o.d.info.Watched = i == 1
		s, err := m.NewSequence(400)
		if err != nil {
			t.Fatal(err)
		}
		before := m.o.q.launched
		if err := m.Prefill(ctx, s, tokens(300, c.Vocab)); err != nil {
			t.Fatal(err)
		}
		launches[i] = m.o.q.launched - before
		logits[i] = make([]float32, c.Vocab)
		if err := m.Step(ctx, []runners.Sequence{s}, []int{1}, logits[i:i+1]); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	for j, v := range logits[0] {
		if !(math.Abs(float64(v-logits[1][j])) <= 1e-5) {
			t.Fatalf("logit %d is %g in one launch, %g in several", j, v, logits[1][j])
		}
	}
	if want := launches[0] + 2*len(c.Layers); launches[1] != want {
		t.Errorf("%d launches with a watchdog, want %d", launches[1], want)
	}
}

// TestFailureHints: errors of the driver with a known cause name it.
func TestFailureHints(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{cu.JitCompilerNotFound, "libnvidia-ptxjitcompiler.so.1"}, {driverError(221), "libnvidia-ptxjitcompiler.so.1"},
		{driverError(46), "another process uses the GPU"},
	} {
		if err := failure("load the kernel x", c.err); !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "load the kernel x: ") {
			t.Errorf("%v", err)
		}
	}
	for _, v := range []string{launchBlocking, "CUDA_FORCE_PTX_JIT", "CUDA_CACHE_DISABLE"} {
		t.Setenv(v, "")
	}
	if got := Environment(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	t.Setenv("CUDA_CACHE_DISABLE", "1")
	t.Setenv("CUDA_FORCE_PTX_JIT", "0")
	if got := Environment(); len(got) != 1 || !strings.HasPrefix(got[0], "CUDA_CACHE_DISABLE=1: ") {
		t.Errorf("%q", got)
	}
}
