package verify

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
)

// A report has every mode that its folder allows: nothing is skipped silently.
func TestReportHasEveryMode(t *testing.T) {
	plain := []string{"chunks+batch", "fork", "greedy", "inspect", "prefill+score", "prefill+step", "score", "steps", "truncate"}
	for folder, want := range map[string][]string{
		"transformer_A":    plain,
		"yoco_gret_A":      append([]string{"early exit"}, plain...),
		"yoco_swa_A":       append([]string{"early exit"}, plain...),
		"extra_gret_chunk": append([]string{"early exit"}, plain...),
	} {
		r, err := Verify(t.Context(), filepath.Join(golden, folder), cpu.New(), runners.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, c := range r.Checks {
			got[c.Mode] = true
			if c.Values == 0 && !(c.Text == "t1" && c.Tensor == "nll") {
				t.Errorf("%s: %s.%s in mode %s compared nothing", folder, c.Text, c.Tensor, c.Mode)
			}
			if c.Note != "" {
				t.Errorf("%s: %s", folder, c.Note)
			}
		}
		slices.Sort(want)
		if g := slices.Sorted(maps.Keys(got)); !slices.Equal(g, want) {
			t.Errorf("%s: modes %q, want %q", folder, g, want)
		}
		if text := r.String(); !strings.Contains(text, "\nPASS ") {
			t.Errorf("%s:\n%s", folder, text)
		}
	}
}

// TestEarlyExit counts operations: Prefill of a YOCO computes only the self-decoder and the global
// keys and values of every token.
func TestEarlyExit(t *testing.T) {
	for _, folder := range []string{"yoco_gret_A", "yoco_swa_A"} {
		m, ids := load(t, folder, 200)
		c := m.(runners.Counter)
		c.ResetCounts()
		prefilled(t, m, ids)
		prefill := c.Counts().FLOPs
		if prefill[runners.PartCross] != 0 || prefill[runners.PartHead] != 0 || prefill[runners.PartSelf] <= 0 || prefill[runners.PartKV] <= 0 {
			t.Errorf("%s: Prefill counts %v, want only the self-decoder and the global kv", folder, prefill)
		}
		c.ResetCounts()
		s, err := m.NewSequence(len(ids))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Score(t.Context(), s, ids, func(int, float32) {}); err != nil {
			t.Fatal(err)
		}
		score := c.Counts().FLOPs
		for _, p := range []runners.Part{runners.PartSelf, runners.PartKV, runners.PartCross, runners.PartHead} {
			if score[p] <= 0 {
				t.Errorf("%s: Score counts %v, want operations of %q", folder, score, p)
			}
		}
		if prefill[runners.PartSelf] != score[runners.PartSelf] || prefill[runners.PartKV] != score[runners.PartKV] {
			t.Errorf("%s: the self-decoder counts %v in Prefill and %v in Score", folder, prefill, score)
		}
		// Prefill of twice as many tokens costs about twice as much: nothing is quadratic.
		c.ResetCounts()
		prefilled(t, m, append(slices.Clone(ids), ids...))
		twice := c.Counts().FLOPs
		if ratio := float64(twice[runners.PartSelf]) / float64(prefill[runners.PartSelf]); ratio > 2.2 {
			t.Errorf("%s: twice the tokens cost %.2f times as much", folder, ratio)
		}
	}
}

// load loads a fixture's model and returns it with n random ids.
func load(t *testing.T, folder string, n int) (runners.Instance, []int) {
	t.Helper()
	c, w, err := checkpoint.Open(filepath.Join(golden, folder))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cpu.New().Load(c, w, runners.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]int, n)
	for i := range ids {
		ids[i] = random.IntN(c.Vocab)
	}
	return m, ids
}

// prefilled returns a new sequence that holds ids.
func prefilled(t *testing.T, m runners.Instance, ids []int) runners.Sequence {
	t.Helper()
	s, err := m.NewSequence(1024)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if len(ids) > 0 {
		if err := m.Prefill(t.Context(), s, ids); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func stepped(t *testing.T, m runners.Instance, s runners.Sequence, id int) []float32 {
	t.Helper()
	logits := make([]float32, m.Config().Vocab)
	if err := m.Step(context.Background(), []runners.Sequence{s}, []int{id}, [][]float32{logits}); err != nil {
		t.Fatal(err)
	}
	return logits
}

// After any random series of forks, truncations and additions, a sequence continues like a fresh
// one with the same tokens.
func TestForkAndTruncateEqualFresh(t *testing.T) {
	for _, folder := range []string{"transformer_A", "yoco_gret_A", "yoco_gret_C", "yoco_swa_A", "extra_swa_window_one", "extra_gret_decay"} {
		t.Run(folder, func(t *testing.T) {
			m, _ := load(t, folder, 0)
			random := rand.New(rand.NewPCG(7, 11))
			vocab := m.Config().Vocab
			type held struct {
				s   runners.Sequence
				ids []int
			}
			pool := []held{{prefilled(t, m, nil), nil}}
			worst := 0.0
			for range 300 {
				h := &pool[random.IntN(len(pool))]
				switch random.IntN(4) {
				case 0:
					if len(pool) < 5 {
						f, err := h.s.Fork()
						if err != nil {
							t.Fatal(err)
						}
						t.Cleanup(func() { f.Close() })
						pool = append(pool, held{f, slices.Clone(h.ids)})
					}
				case 1:
					n := random.IntN(len(h.ids) + 1)
					if err := h.s.Truncate(t.Context(), n); err != nil {
						t.Fatal(err)
					}
					h.ids = h.ids[:n:n]
				case 2:
					more := make([]int, 1+random.IntN(90))
					for i := range more {
						more[i] = random.IntN(vocab)
					}
					if len(h.ids)+len(more) > 900 {
						continue
					}
					if err := m.Prefill(t.Context(), h.s, more); err != nil {
						t.Fatal(err)
					}
					h.ids = append(h.ids, more...)
				default:
					id := random.IntN(vocab)
					got := stepped(t, m, h.s, id)
					want := stepped(t, m, prefilled(t, m, h.ids), id)
					h.ids = append(h.ids, id)
					for i := range want {
						worst = max(worst, math.Abs(float64(got[i]-want[i])))
						if !(math.Abs(float64(got[i]-want[i])) <= 5e-5) {
							t.Fatalf("after %d tokens logit %d is %g, in a fresh sequence %g", len(h.ids), i, got[i], want[i])
						}
					}
				}
				if h.s.Len() != len(h.ids) {
					t.Fatalf("Len of a sequence of %d tokens is %d", len(h.ids), h.s.Len())
				}
			}
			t.Logf("largest difference %.1e", worst)
		})
	}
}

// misread is a runner that changes the config before loading.
type misread struct {
	runners.Runner
	change func(*runners.Config)
}

func (m misread) Load(c runners.Config, w runners.Weights, o runners.Options) (runners.Instance, error) {
	m.change(&c)
	return m.Runner.Load(c, w, o)
}

// The fixtures detect a wrong value of any config field that does not change a shape.
func TestFixturesNoticeWrongConfigs(t *testing.T) {
	for name, change := range map[string]func(*runners.Shape){
		"eps":         func(s *runners.Shape) { s.NormEps /= 10 },
		"theta":       func(s *runners.Shape) { s.RopeTheta *= 1.5 },
		"window + 1":  func(s *runners.Shape) { s.Window++ },
		"window - 1":  func(s *runners.Shape) { s.Window-- },
		"self heads":  func(s *runners.Shape) { s.SelfHeads *= 2 },
		"other heads": func(s *runners.Shape) { s.Heads, s.KVHeads, s.HeadDim = s.Heads/2, s.KVHeads/2, s.HeadDim*2 },
	} {
		noticed := 0
		for _, dir := range folders(t) {
			c, err := checkpoint.ReadConfig(dir)
			if err != nil {
				t.Fatal(err)
			}
			read, ok := c.Shape()
			if !ok {
				continue
			}
			s := read
			change(&s)
			if (s.Window > 0) != (read.Window > 0) || s.Window < 0 || s.Window > 300 {
				continue // a window longer than every text makes no difference
			}
			if s.SelfHeads != read.SelfHeads && read.Window == 0 {
				continue // changes the shape of the gates
			}
			if s == read || s.Validate() != nil {
				continue
			}
			change := func(c *runners.Config) { *c = s.Config() }
			r, err := Verify(t.Context(), dir, misread{cpu.New(), change}, runners.Options{Threads: 1})
			if err != nil {
				t.Errorf("%s: %s: %v", name, dir, err)
				continue
			}
			if r.OK() {
				t.Errorf("%s: not detected in\n%s", name, r)
			}
			noticed++
		}
		if noticed == 0 {
			t.Errorf("%s: no fixture to try it on", name)
		}
		t.Logf("%s: detected in %d fixtures", name, noticed)
	}
}
