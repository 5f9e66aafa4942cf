package cpu

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/runners"
)

// TestChain: enqueued operations give the same bits as operations run one by one, also when there
// are more than a chain holds and when the number of rows changes.
func TestChain(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		r := rand.New(rand.NewPCG(3, 3))
		const dim, ffn = 70, 130
		weight := func(shapes ...[2]int) runners.Weight {
			var stack []runners.Tensor
			for _, s := range shapes {
				stack = append(stack, optest.Tensor(optest.Random(r, s[0], s[1], 0.1, runners.F32)))
			}
			w, err := o.Weight(stack...)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		norm, err := o.Weight(runners.Tensor{Shape: []int{dim}, Data: optest.Tensor(optest.Random(r, 1, dim, 1, runners.F32)).Data})
		if err != nil {
			t.Fatal(err)
		}
		up, down, square := weight([2]int{ffn, dim}, [2]int{ffn, dim}), weight([2]int{dim, ffn}), weight([2]int{dim, dim})
		for _, rows := range []int{o.k.MR + 1, 63, 64, 65, 200} {
			var results [2][]float64
			start := optest.Random(r, rows, dim, 1, runners.F32)
			for i := range results {
				x, done1 := upload(t, o, start, 0)
				n, done2 := upload(t, o, optest.Random(r, rows, dim, 1, runners.F32), 0)
				h, done3 := upload(t, o, optest.Random(r, rows, ffn, 1, runners.F32), 0)
				after := func() {
					if i == 0 {
						if err := o.Sync(); err != nil {
							t.Fatal(err)
						}
					}
				}
				for layer := range 9 {
					some := rows - layer%2*(rows/3)
					o.RMSNorm(some, n, x, norm, 1e-5)
					after()
					o.GLU(some, h, n, up, runners.SiLU)
					after()
					o.LinearAdd(some, x, h, down)
					after()
					o.RMSNorm(some, n, x, norm, 1e-5)
					after()
					o.Linear(some, x, n, square)
					after()
				}
				if i == 1 && o.chain.n == 0 {
					t.Fatal("nothing was enqueued")
				}
				results[i] = optest.Get(t, o, x, rows).V
				done1()
				done2()
				done3()
			}
			if !slices.Equal(results[0], results[1]) {
				t.Errorf("%d rows: a chain and its operations run one by one give different values", rows)
			}
		}
	})
}

// pending enqueues a product y += x wT, and returns y and functions that close x and y.
func pending(t *testing.T, o *ops) (y runners.Mat, doneX, doneY func()) {
	r := rand.New(rand.NewPCG(3, 3))
	w, err := o.Weight(optest.Tensor(optest.Random(r, 64, 64, 1, runners.F32)))
	if err != nil {
		t.Fatal(err)
	}
	x, doneX := upload(t, o, optest.Random(r, 512, 64, 1, runners.F32), 0)
	y, doneY = upload(t, o, optest.Host{Rows: 512, Cols: 64, V: make([]float64, 512*64)}, 0)
	o.LinearAdd(512, y, x, w)
	if o.chain.n == 0 {
		t.Fatal("nothing was enqueued")
	}
	return y, doneX, doneY
}

// TestChainClose: closing a buffer used by an enqueued operation runs the operation first.
func TestChainClose(t *testing.T) {
	o := openTest(t, runners.Options{})
	y, doneX, doneY := pending(t, o)
	defer doneY()
	doneX()
	if o.chain.n != 0 {
		t.Fatal("the product is still enqueued after its input was closed")
	}
	if slices.Equal(make([]float64, 512*64), optest.Get(t, o, y, 512).V) {
		t.Error("the product was not computed")
	}
}

// TestChainModelClose: closing the ops discards enqueued operations, which could no longer use
// their workers and weights.
func TestChainModelClose(t *testing.T) {
	o := openTest(t, runners.Options{Threads: 2})
	_, doneX, doneY := pending(t, o)
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	doneX()
	doneY()
}

// TestChainMemory: a chain whose scratch exceeds the budget fails, and the product after it does
// not run. The scratch counts toward the peak that was current when the chain was enqueued.
func TestChainMemory(t *testing.T) {
	const rows, dim = 512, 600
	o := openTest(t, runners.Options{})
	r := rand.New(rand.NewPCG(3, 3))
	var ws [2]runners.Weight
	for i, in := range []int{16, dim} {
		var err error
		if ws[i], err = o.Weight(optest.Tensor(optest.Random(r, dim, in, 1, runners.F32))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(ws[1].(*weight).blk.data); n <= chainBytes {
		t.Fatalf("the second weight of %d bytes was enqueued", n)
	}
	x, done1 := upload(t, o, optest.Random(r, rows, 16, 1, runners.F32), 0)
	y, done2 := upload(t, o, optest.Random(r, rows, dim, 1, runners.F32), 0)
	defer done1()
	defer done2()
	o.Linear(rows, y, x, ws[0])
	o.ResetPeak()
	held := o.Usage()
	if err := o.Sync(); err != nil || o.Usage() != held || held.Peak != held.Total() {
		t.Errorf("after ResetPeak %+v, then %+v: %v", held, o.Usage(), err)
	}

	z, done3 := upload(t, o, optest.Random(r, rows, dim, 1, runners.F32), 0)
	defer done3()
	rest := o.pool.account.Budget() - o.Usage().Total()
	if err := o.pool.account.Take(runners.MemoryState, rest, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	defer o.pool.account.Free(runners.MemoryState, rest)
	o.Linear(rows, y, x, ws[0])
	o.Linear(rows, z, y, ws[1])
	if err := o.Sync(); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("scratch beyond the budget: %v", err)
	}
	if o.lin.w != nil {
		t.Error("a product ran after a failure")
	}
}

// TestNormOfStep: the norm of a step's few rows runs on one worker, because handing rows to other
// workers takes longer.
func TestNormOfStep(t *testing.T) {
	o := openTest(t, runners.Options{Threads: 2})
	const dim = 576
	r := rand.New(rand.NewPCG(3, 3))
	w, err := o.Weight(runners.Tensor{Shape: []int{dim}, Data: optest.Tensor(optest.Random(r, 1, dim, 1, runners.F32)).Data})
	if err != nil {
		t.Fatal(err)
	}
	x, done := upload(t, o, optest.Random(r, o.k.MR+1, dim, 1, runners.F32), 0)
	defer done()
	for rows, want := range map[int]uint64{o.k.MR: 0, o.k.MR + 1: 1} {
		before := o.workers.round.Load()
		o.RMSNorm(rows, x, x, w, 1e-5)
		if err := o.Sync(); err != nil {
			t.Fatal(err)
		}
		if n := o.workers.round.Load() - before; n != want {
			t.Errorf("%d rows made %d jobs for all workers, want %d", rows, n, want)
		}
	}
}
