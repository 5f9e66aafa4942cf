//go:build cuda

package cuda

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// TestGreedy: the tokens chosen on the device are those that the host chooses from the logits, step
// after step and in the graph of a step. 4 bytes per sequence are copied to the host, and nothing
// is allocated.
func TestGreedy(t *testing.T) {
	ctx := context.Background()
	for _, opts := range combos(t) {
		for a, c := range tinies() {
			m := load(t, c, opts)
			const batch = 3
			ss, copies := sequences(t, m, batch, 300), sequences(t, m, batch, 300)
			ids, want := []int{1, 2, 3}, []int{1, 2, 3}
			logits := make([][]float32, batch)
			for i := range logits {
				logits[i] = make([]float32, c.Vocab)
			}
			for range 3 {
				if err := m.Step(ctx, copies, want, logits); err != nil {
					t.Fatal(err)
				}
				for i, row := range logits {
					want[i] = best(row)
				}
			}
			var out []int64
			copiedOut = func(n int64) { out = append(out, n) }
			for range 3 {
				if err := m.Greedy(ctx, ss, ids, ids); err != nil {
					t.Fatal(err)
				}
			}
			copiedOut = nil
			for i := range ids {
				if ids[i] != want[i] || ss[i].Len() != copies[i].Len() {
					t.Errorf("%s %s: token %d of sequence %d on the device, %d on the host", name(opts), a, ids[i], i, want[i])
				}
			}
			if len(out) != 3 || out[0] != 4*batch {
				t.Errorf("%s %s: copies to the host: %d", name(opts), a, out)
			}
			got := [][]float32{make([]float32, c.Vocab), make([]float32, c.Vocab), make([]float32, c.Vocab)}
			if err := m.Logits(got); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				for j, v := range got[i] {
					if v != logits[i][j] {
						t.Fatalf("logit %d of sequence %d is %g, by a step %g", j, i, v, logits[i][j])
					}
				}
			}
			// The sequences hold the tokens that were fed, not those that were chosen. A YOCO
			// recomputes them on truncation.
			for _, s := range []runners.Sequence{ss[0], copies[0]} {
				if err := s.Truncate(ctx, s.Len()-1); err != nil {
					t.Fatal(err)
				}
			}
			for i, s := range []runners.Sequence{ss[0], copies[0]} {
				if err := m.Step(ctx, []runners.Sequence{s}, []int{7}, got[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
			for j, v := range got[0] {
				if v != got[1][j] {
					t.Fatalf("%s %s: after a truncation logit %d is %g, by steps %g", name(opts), a, j, v, got[1][j])
				}
			}
			replayed := m.o.q.replayed
			if n := testing.AllocsPerRun(3, func() {
				if err := m.Greedy(ctx, ss, ids, ids); err != nil {
					t.Fatal(err)
				}
			}); n != 0 || m.o.q.replayed == replayed {
				t.Errorf("%s %s: %g allocations per step, %d graphs launched", name(opts), a, n, m.o.q.replayed-replayed)
			}
		}
	}
}

// best returns the host's choice.
func best(row []float32) int {
	b := 0
	for i, v := range row {
		if v > row[b] {
			b = i
		}
	}
	return b
}

// TestGreedyTies: among equal logits the lowest id is chosen. A row of NaN is an error, and a NaN
// among numbers is found by the check of the logits.
func TestGreedyTies(t *testing.T) {
	o := openTest(t, runners.Options{})
	nan := math.NaN()
	const rows, n = 4, 37
	b, err := o.Buffer(runners.Logits, rows, n)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	fill := func(f func(r, c int) float64) error {
		blk := b.(*buffer)
		return o.st.upload(o.d, blk.blk.at(0), blk.blk.bytes, func(p []byte, at int64) {
			for i := range len(p) / 4 {
				e := int(at)/4 + i
				putFloat(p[4*i:], f(e/blk.ld, e%blk.ld))
			}
		})
	}
	for _, c := range []struct {
		f    func(r, c int) float64
		want []int
		err  error
	}{
		{func(r, c int) float64 { return float64(-c * r) }, []int{0, 0, 0, 0}, nil},
		{func(r, c int) float64 { return float64(min(c, 30+r)) }, []int{30, 31, 32, 33}, nil},
		{func(r, c int) float64 { return math.Inf(-1) }, []int{0, 0, 0, 0}, nil},
		{func(r, c int) float64 {
			if c < 5 {
				return nan
			}
			return float64(-c)
		}, []int{5, 5, 5, 5}, nil},
		{func(r, c int) float64 {
			if r == 2 {
				return nan
			}
			return float64(c)
		}, nil, runners.ErrNotFinite},
	} {
		if err := fill(c.f); err != nil {
			t.Fatal(err)
		}
		out := make([]int, rows)
		if err := o.argmax(runners.All(b), out); !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%v, want %v", err, c.err)
		}
		for i := range c.want {
			if out[i] != c.want[i] {
				t.Errorf("tokens %d, want %d", out, c.want)
				break
			}
		}
	}
}

func putFloat(p []byte, v float64) {
	binary.LittleEndian.PutUint32(p, math.Float32bits(float32(v)))
}
