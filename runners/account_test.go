package runners

import (
	"errors"
	"math"
	"sync"
	"testing"
)

func TestMemoryAccount(t *testing.T) {
	a := NewMemoryAccount(100)
	none := func() error { return nil }
	parts := []MemoryPart{MemoryWeights, MemoryGlobalKV, MemoryWindowKV, MemoryState, MemoryWorkspace}
	for i, p := range parts {
		if err := a.Take(p, int64(i+1), none); err != nil {
			t.Fatal(err)
		}
	}
	want := Usage{Weights: 1, GlobalKV: 2, WindowKV: 3, State: 4, Workspace: 5, Peak: 15}
	if got := a.Usage(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}

	// A refusal by the budget or by the device changes nothing.
	for _, n := range []int64{86, math.MaxInt64, -1, math.MinInt64} {
		if err := a.Take(MemoryState, n, func() error { t.Error("allocated"); return nil }); !errors.Is(err, ErrOutOfMemory) {
			t.Errorf("%d bytes beyond the budget: %v", n, err)
		}
	}
	full := errors.New("the device is full")
	if err := a.Take(MemoryWorkspace, 80, func() error { return full }); err != full {
		t.Errorf("the device's error became %v", err)
	}
	if got := a.Usage(); got != want {
		t.Errorf("after refusals %+v, want %+v", got, want)
	}

	// The whole budget may be held, and the peak remains until it is reset.
	if err := a.Take(MemoryWorkspace, 85, none); err != nil {
		t.Error(err)
	}
	a.Free(MemoryWorkspace, 90)
	want.Workspace, want.Peak = 0, 100
	if got := a.Usage(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	a.ResetPeak()
	for i, p := range parts[:4] {
		a.Free(p, int64(i+1))
	}
	if got := a.Usage(); got != (Usage{Peak: 10}) {
		t.Errorf("%+v, want nothing held and a peak of 10", got)
	}
}

func TestMemoryAccountConcurrent(t *testing.T) {
	a := NewMemoryAccount(4)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 1000 {
				if a.Take(MemoryState, 1, func() error { return nil }) == nil {
					a.Free(MemoryState, 1)
				}
			}
		})
	}
	group.Wait()
	if u := a.Usage(); u.Total() != 0 || u.Peak < 1 || u.Peak > 4 {
		t.Errorf("%+v, want nothing held and a peak within the budget", u)
	}
}

func TestMulBytes(t *testing.T) {
	for _, c := range []struct {
		sizes []int
		want  int64
	}{
		{nil, 1}, {[]int{7}, 7}, {[]int{3, 0, 5}, 0}, {[]int{1 << 31, 1 << 31}, 1 << 62}, {[]int{1 << 32, 1 << 31}, math.MaxInt64},
		{[]int{1 << 40, 1 << 40, 1}, math.MaxInt64}, {[]int{-1, 5}, math.MaxInt64}, {[]int{-1, -1}, math.MaxInt64},
	} {
		if got := MulBytes(c.sizes...); got != c.want {
			t.Errorf("%v: %d, want %d", c.sizes, got, c.want)
		}
	}
}
