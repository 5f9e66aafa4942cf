package suites

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// crowd returns an interleaved plan with one case of each size in bytes for each model, on a device
// with room bytes of memory. The weights of each model have 1000 bytes.
func crowd(t *testing.T, room int64, loads map[string]int, task fakeTask, sizes ...int64) *Plan {
	t.Helper()
	p := planOf(t, "name: s\nmodels: [a, b, c]\ntasks:\n  - fake: {lengths: [1]}\n", task, loads)
	var cases []*PlannedCase
	for i, size := range sizes {
		for _, c := range p.Cases {
			m := c.Model
			m.Room, m.Config, m.Options.Weights = room, weighing(t, 1000), runners.F32
			x := *c
			x.ID, x.Label, x.Bytes = fmt.Sprint(c.ID, i), fmt.Sprintf("%d", size), size
			if size < 0 { // only for model c
				if x.Bytes = -size; m.Name != "c" {
					continue
				}
			}
			cases = append(cases, &x)
		}
	}
	p.Cases = cases
	return p
}

// weighing returns a config whose float32 weights have at least the given number of bytes.
func weighing(t *testing.T, bytes int64) *runners.Config {
	t.Helper()
	c := runners.Shape{Name: "w", Arch: runners.Transformer, Dim: 4, Layers: 1, FFN: 4, Heads: 2, KVHeads: 1, HeadDim: 2, RopeTheta: 1e4, NormEps: 1e-5, Vocab: 1}.Config()
	for (&Target{Config: &c}).weightBytes() < bytes {
		c.Vocab++
	}
	return &c
}

// TestRoom checks that models stay loaded while there is room for them next to a case, and that the
// order of cases loads each model once.
func TestRoom(t *testing.T) {
	w := (&Target{Config: weighing(t, 1000)}).weightBytes()
	for _, tt := range []struct {
		name  string
		room  int64
		sizes []int64
		loads int
		order string
	}{
		{"all fit: as planned", 4 * w, []int64{w, 2 * w}, 3, "a b c a b c"},
		{"one case leaves no room: it goes last", 4 * w, []int64{w, -4 * w, 2 * w}, 3, "a b c a b c c"},
		{"no case leaves room: model by model", w, []int64{w, w, w}, 3, "a a a b b b c c c"},
		{"two fit: model by model", 2 * w, []int64{w, w}, 3, "a a b b c c"},
		{"the room is unknown, and all are small: as planned", 0, []int64{w, w}, 3, "a b c a b c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			loads, open := map[string]int{}, map[string]int64{}
			var order []string
			task := fakeTask{run: func(_ context.Context, _ int64, r *fakeOutcome) error {
				order = append(order, r.Model)
				return nil
			}}
			p := crowd(t, tt.room, loads, task, tt.sizes...)
			for _, c := range p.Cases {
				m, load := c.Model, c.Model.Load
				if open[m.Name] != 0 {
					continue
				}
				open[m.Name] = -1
				m.Load = func() (runners.Model, error) {
					model, err := load()
					open[m.Name] = w
					return closing{model, func() { open[m.Name] = 0 }}, err
				}
				run := c.Run
				for _, c := range p.Cases {
					if c.Model == m {
						c.Run = func(ctx context.Context, x runners.Model, f func(float64)) (result.Outcome, error) {
							held := c.Bytes - w
							for _, n := range open {
								held += max(n, 0)
							}
							if tt.room > 0 && held > tt.room && held > c.Bytes {
								t.Errorf("%s %s: %d bytes of %d with the models loaded", m.Name, c.Label, held, tt.room)
							}
							return run(ctx, x, f)
						}
					}
				}
			}
			journal, _ := journal(t)
			if _, err := p.Run(t.Context(), journal, nil, &watcher{}); err != nil {
				t.Fatal(err)
			}
			if n := loads["a"] + loads["b"] + loads["c"]; n != tt.loads {
				t.Errorf("%d loads: %v", n, loads)
			}
			if got := strings.Join(order, " "); got != tt.order {
				t.Errorf("order %s, want %s", got, tt.order)
			}
		})
	}
}

// closing is a model that reports when it is closed.
type closing struct {
	runners.Model
	closed func()
}

func (c closing) Close() error {
	c.closed()
	return nil
}

// TestOutOfMemoryAmongOthers checks that a case that runs out of memory next to other models is
// tried again without them before it is recorded as out of memory.
func TestOutOfMemoryAmongOthers(t *testing.T) {
	for _, enough := range []bool{true, false} {
		loads, tries := map[string]int{}, 0
		task := fakeTask{run: func(_ context.Context, _ int64, r *fakeOutcome) error {
			if r.Model != "b" {
				return nil
			}
			if tries++; tries > 1 && enough {
				return nil
			}
			r.Notes = append(r.Notes, "of the first try")
			return fmt.Errorf("a sequence: %w", runners.ErrOutOfMemory)
		}}
		p := crowd(t, 1<<20, loads, task, 10)
		w, path := journal(t)
		if _, err := p.Run(t.Context(), w, nil, &watcher{}); err != nil {
			t.Fatal(err)
		}
		want := result.OOM
		if enough {
			want = result.OK
		}
		r := read(t, path)["b 10"]
		if r.Status != want || tries != 2 || enough && slices.Contains(r.Notes, "of the first try") {
			t.Errorf("%s after %d tries: %s %q", r.Status, tries, r.Reason, r.Notes)
		}
		if loads["a"] != 1 || loads["b"] != 1 {
			t.Errorf("loads: %v", loads)
		}
	}
}
