package optest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// CacheBytes tests that the counted bytes equal Config.CacheBytes, including odd capacities.
func CacheBytes(t *testing.T, d Device) {
	o := d.Open(t, 0)
	for _, capacity := range []int{1, 33, 1000} {
		k, err1 := o.GlobalKV(3, 10, capacity)
		w, err2 := o.WindowKV(3, 10, 64, capacity)
		s, err3 := o.State(2, 10)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		u, size := o.Usage(), d.KV.Size()
		if u.GlobalKV != int64(2*3*10*capacity*size) || u.WindowKV != int64(2*3*10*min(64, capacity)*size) || u.State != 2*10*10*4 {
			t.Errorf("%d positions: %+v", capacity, u)
		}
		k.Close()
		w.Close()
		s.Close()
	}
}

// Errors tests that running out of memory is an error without side effects, that the first failure
// of an operation is kept, and that nothing runs after it.
func Errors(t *testing.T, d Device) {
	o := d.Open(t, 1<<20)
	_, err1 := o.GlobalKV(1<<40, 64, 1<<20)
	_, err2 := o.GlobalKV(8, 64, 10000)
	_, err3 := o.State(1<<20, 1<<20)
	_, err4 := o.Buffer(runners.Inner, 1<<40, 1<<40)
	_, err5 := o.WindowKV(1<<40, 64, 1<<20, 1<<20)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, runners.ErrOutOfMemory) {
			t.Errorf("allocation %d, too large: %v", i, err)
		}
	}
	b, err := o.Buffer(runners.Inner, 2, 16)
	if err != nil {
		t.Fatal(err)
	}
	res, err := o.Buffer(runners.Residual, 2, 16)
	if err != nil {
		t.Fatal(err)
	}
	w, err := o.Weight(Tensor(Random(rand.New(rand.NewPCG(1, 1)), 4, 16, 1, d.Weights)))
	if err != nil {
		t.Fatal(err)
	}
	o.Embed(runners.All(res), w, []int{4}, 1)
	first := o.Sync()
	if first == nil {
		t.Fatal("a token outside the table was accepted")
	}
	o.Linear(1000, runners.All(b), runners.All(b), w)
	if o.Sync() != first {
		t.Errorf("a later failure replaced the first: %v", o.Sync())
	}
	b.Close()
	b.Close()
	res.Close()
}
