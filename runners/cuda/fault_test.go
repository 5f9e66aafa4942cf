//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
)

// failing makes the n-th of the named calls fail, counted from 0, and counts the calls.
type failing struct {
	n, seen int
	err     error
	calls   map[string]bool
}

func fail(t *testing.T, n int, err error, calls ...string) *failing {
	f := &failing{n: n, err: err, calls: map[string]bool{}}
	for _, c := range calls {
		f.calls[c] = true
	}
	inject = func(call string) error {
		if !f.calls[call] {
			return nil
		}
		f.seen++
		if f.seen == f.n+1 {
			return f.err
		}
		return nil
	}
	t.Cleanup(func() { inject = nil })
	return f
}

// scenario makes two sequences, prefills them, steps them together until a graph runs, forks,
// truncates and scores.
func scenario(m runners.Instance) (err error) {
	ctx := context.Background()
	var ss []runners.Sequence
	defer func() {
		for _, s := range ss {
			err = errors.Join(err, s.Close())
		}
	}()
	vocab := m.Config().Vocab
	for i := range 2 {
		s, err := m.NewSequence(40)
		if err != nil {
			return err
		}
		ss = append(ss, s)
		if err := m.Prefill(ctx, s, tokens(12+i, vocab)); err != nil {
			return err
		}
	}
	logits := [][]float32{make([]float32, vocab), make([]float32, vocab)}
	for range 4 {
		if err := m.Step(ctx, ss, []int{1, 2}, logits); err != nil {
			return err
		}
	}
	for _, row := range logits {
		for _, v := range row {
			if math.IsNaN(float64(v)) {
				return errors.New("a logit is NaN")
			}
		}
	}
	f, err := ss[0].Fork()
	if err != nil {
		return err
	}
	ss = append(ss, f)
	if err := ss[0].Truncate(ctx, 3); err != nil {
		return err
	}
	return m.Score(ctx, f, tokens(6, vocab), func(int, float32) {})
}

// tried loads a model and runs a scenario. The model is nil if loading failed.
func tried(c runners.Config, run func(runners.Instance) error) (runners.Instance, error) {
	m, err := New().Load(c, checkpoint.Random(c, 1, runners.F32), runners.Options{})
	if err != nil {
		return nil, err
	}
	return m, run(m)
}

// outOfMemory makes each call fail once. arm makes call n fail and returns a function that disarms
// it and reports whether the call was reached. Each failure must return ErrOutOfMemory and leak
// nothing, and the model must work afterwards.
func outOfMemory(t *testing.T, c runners.Config, arm func(n int) (reached func() bool)) {
	t.Helper()
	n := 0
	for ; ; n++ {
		done := arm(n)
		m, err := tried(c, scenario)
		reached := done()
		if reached != errors.Is(err, runners.ErrOutOfMemory) || !reached && err != nil {
			t.Fatalf("call %d failed: %v", n, err)
		}
		if m != nil {
			if err := scenario(m); err != nil {
				t.Errorf("after call %d failed, the model does not work: %v", n, err)
			}
			closed(t, m, m.(*model).o, holding{})
		} else if now := held(); now != (holding{}) {
			t.Errorf("after call %d failed, the driver holds %+v", n, now)
		}
		if !reached {
			break
		}
	}
	if n < 20 {
		t.Errorf("only %d calls were seen", n)
	}
	t.Logf("%d calls failed, one at a time", n)
}

// TestOutOfMemory makes each allocation of a model fail.
func TestOutOfMemory(t *testing.T) {
	for _, a := range runners.Arches() {
		t.Run(string(a), func(t *testing.T) {
			outOfMemory(t, tiny(a), func(n int) func() bool {
				f := fail(t, n, cu.OutOfMemory, callContext, callAlloc, callPinned, callEvent, callLoad, callGraph)
				return func() bool {
					inject = nil
					return f.seen > n
				}
			})
		})
	}
}

// TestLaunchErrors: a launch, copy or wait that fails is reported by the call that waits for it,
// and persists; closing frees everything.
func TestLaunchErrors(t *testing.T) {
	c := tiny(runners.YOCOSlidingWindow)
	n, step := 0, 1
	for ; ; n += step {
		f := fail(t, n, cu.LaunchFailed, callCopy, callLaunch, callCapture, callSync)
		m, err := tried(c, scenario)
		reached := f.seen > n
		if reached != errors.Is(err, error(cu.LaunchFailed)) || !reached && err != nil {
			t.Fatalf("call %d of %d failed: %v", n, f.seen, err)
		}
		inject = nil
		if m != nil {
			if reached {
				err := m.(*model).o.Sync()
				if err2 := scenario(m); err != nil && !errors.Is(err2, error(cu.LaunchFailed)) {
					t.Errorf("after call %d failed, a later use returns: %v", n, err2)
				}
			}
			closed(t, m, m.(*model).o, holding{})
		}
		if !reached {
			break
		}
	}
	if n < 50 {
		t.Errorf("only %d calls were seen", n)
	}
	t.Logf("%d calls failed, one at a time", n)
}

// TestDriverOutOfMemory is TestOutOfMemory with the driver refusing each allocation.
func TestDriverOutOfMemory(t *testing.T) {
	onSimulator(t)
	defer sim.Set("fail_alloc", 0)
	outOfMemory(t, tiny(runners.YOCOGatedRetention), func(n int) func() bool {
		before := sim.Get("allocs")
		sim.Set("fail_alloc", n+1)
		return func() bool {
			sim.Set("fail_alloc", 0)
			return sim.Get("allocs")-before > n
		}
	})
}

// TestPoisonReachesReuse: reused scratch contains nothing readable of its earlier use.
func TestPoisonReachesReuse(t *testing.T) {
	onSimulator(t)
	o := openTest(t, runners.Options{})
	buf, err := o.Buffer(runners.Logits, 1, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Close()
	read := func() error {
		at, ok := o.scratch(scratchParts, 64)
		if !ok {
			return o.Sync()
		}
		o.k.Argmax(&o.c, buf.(*buffer).blk.at(0), at, 1, 16, 16)
		o.enqueue()
		return o.Sync()
	}
	at, ok := o.scratch(scratchParts, 64)
	if !ok {
		t.Fatal(o.Sync())
	}
	if err := o.st.upload(o.d, at, 64, func(p []byte, _ int64) { clear(p) }); err != nil {
		t.Fatal(err)
	}
	sim.Set("quiet", 1)
	defer sim.Set("quiet", 0)
	defer sim.Reset()
	if err := read(); err == nil || len(sim.Findings()) == 0 || !strings.HasPrefix(sim.Findings()[0], "uninitialised") {
		t.Errorf("old content of scratch was read: %v, %v", err, sim.Findings())
	}
}

// TestPeaksMemory: if memory is exhausted, the peaks are those of the largest sizes that fit; if
// nothing fits, there are none.
func TestPeaksMemory(t *testing.T) {
	opts := runners.Options{Weights: runners.F32}
	// Fail after three matrices (enough for the simulated GPU), one copy and one read.
	fail(t, 3+2+3, cu.OutOfMemory, callAlloc)
	if p, err := Peaks(context.Background(), opts); err != nil || !(p.GFLOPS > 0 && p.CopyGBps > 0 && p.ReadGBps > 0) {
		t.Errorf("%+v: %v", p, err)
	}
	fail(t, 0, cu.OutOfMemory, callAlloc)
	if p, err := Peaks(context.Background(), opts); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("with no memory at all: %+v: %v", p, err)
	}
}

// TestBudget: the budget is enforced, and the error says by how much it is exceeded.
func TestBudget(t *testing.T) {
	c := tiny(runners.Transformer)
	m := load(t, c, runners.Options{MemoryBudget: 1 << 20})
	if _, err := m.NewSequence(1 << 20); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("over the budget: %v", err)
	}
	if err := scenario(m); err != nil {
		t.Error(err)
	}
	if _, err := New().Load(c, checkpoint.Random(c, 1, runners.F32), runners.Options{MemoryBudget: 1 << 12}); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("weights over the budget: %v", err)
	}
}

// TestUsage: a model holds the computed number of bytes in both number types, and peaks start at
// ResetPeak.
func TestUsage(t *testing.T) {
	for _, opts := range combos(t) {
		for _, a := range runners.Arches() {
			t.Run(fmt.Sprint(name(opts), "/", a), func(t *testing.T) {
				c := tiny(a)
				m := load(t, c, opts)
				types := runners.Types{Weights: opts.Weights, KV: opts.KV}
				if got, want := m.Usage().Weights, c.HeldBytes(0, 0, types, 0).Weights; got != want {
					t.Errorf("weights: %d bytes held, %d computed", got, want)
				}
				const capacity = 700
				s, err := m.NewSequence(capacity)
				if err != nil {
					t.Fatal(err)
				}
				u, want := m.Usage(), c.CacheBytes(capacity, opts.KV)
				if u.GlobalKV != want.GlobalKV || u.WindowKV != want.WindowKV || u.State != want.State {
					t.Errorf("held %+v, computed %+v", u, want)
				}
				m.ResetPeak()
				before := m.Usage()
				if before.Peak != before.Total() {
					t.Errorf("peak is %d after ResetPeak, %d are held", before.Peak, before.Total())
				}
				if err := m.Prefill(context.Background(), s, tokens(30, c.Vocab)); err != nil {
					t.Fatal(err)
				}
				after := m.Usage()
				if limit := WorkspaceBytes(c, 30, 30, opts.Weights) + 4*capacity; after.Workspace > limit {
					t.Errorf("a prefill of 30 rows takes %d bytes of workspace, want at most %d", after.Workspace, limit)
				}
				if after.Peak < after.Total() {
					t.Errorf("peak %d is below the %d held", after.Peak, after.Total())
				}
				if used, total, err := m.DeviceMemory(); err != nil || used < 0 || total < after.Total() {
					t.Errorf("the driver reports %d of %d bytes: %v", used, total, err)
				}
				now := m.Now()
				if later := m.Now(); later < now || now <= 0 {
					t.Errorf("the clock goes from %v to %v", now, later)
				}
				s.Close()
				if u := m.Usage(); u.Cache() != 0 {
					t.Errorf("held after the sequence was closed: %+v", u)
				}
			})
		}
	}
}
