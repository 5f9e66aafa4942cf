package analytic

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
)

var ctx = context.Background()

func profile(t *testing.T, name string) runners.Profile {
	t.Helper()
	p, err := runners.FindProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func load(t *testing.T, device, model string, o runners.Options) *Instance {
	t.Helper()
	r, err := New(profile(t, device))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := runners.Preset(model)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Load(cfg, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*Instance)
}

var half = runners.Options{Weights: runners.BF16, KV: runners.BF16}

func sequenceOf(t *testing.T, m *Instance, capacity int) runners.Sequence {
	t.Helper()
	s, err := m.NewSequence(capacity)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The clock advances by exactly what the cost model computes.
func TestClock(t *testing.T) {
	p := profile(t, "h100-sxm")
	for _, name := range []string{"yoco-gret-3b", "yoco-swa-3b", "transformer-3b"} {
		m := load(t, p.Name, name, half)
		cfg, types := m.Config(), runners.Types{Weights: runners.BF16, KV: runners.BF16}
		var clock runners.Clock = m
		want := 0.0
		check := func(what string, w runners.Work) {
			t.Helper()
			want += p.Seconds(w, runners.BF16)
			if got := clock.Now().Seconds(); math.Abs(got-want) > 1e-8*want+1e-9 {
				t.Errorf("%s: after %s the clock is at %g s, want %g", name, what, got, want)
			}
		}
		check("load", runners.Work{})
		a, b := sequenceOf(t, m, 10000), sequenceOf(t, m, 100)
		tokens := make([]int, 8000)
		must(t, m.Prefill(ctx, a, tokens[:8000]))
		check("prefill", cfg.PrefillWork(8000, 0, types))
		must(t, m.Prefill(ctx, a, tokens[:500]))
		check("more prefill", cfg.PrefillWork(500, 8000, types))
		logits := [][]float32{{1, 2}, nil}
		must(t, m.Step(ctx, []runners.Sequence{a, b}, tokens[:2], logits))
		check("step", cfg.StepsWork([]int{8500, 0}, types))
		if logits[0][0] != 0 || logits[0][1] != 0 {
			t.Errorf("logits are %v, want zeros", logits[0])
		}
		if a.Len() != 8501 || b.Len() != 1 {
			t.Errorf("lengths are %d and %d", a.Len(), b.Len())
		}
		must(t, a.Truncate(ctx, 1000))
		if !cfg.CanTruncate() {
			check("truncate", cfg.PrefillWork(1000, 0, types))
		} else {
			check("truncate", runners.Work{})
		}
		f, err := a.Fork()
		must(t, err)
		must(t, m.Prefill(ctx, f, tokens[:1]))
		if a.Len() != 1000 || f.Len() != 1001 || f.Capacity() != 10000 {
			t.Errorf("after a fork: %d and %d of %d", a.Len(), f.Len(), f.Capacity())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMillionTokensTakeNoTime(t *testing.T) {
	m := load(t, "h100-sxm", "yoco-gret-3b", half)
	s, tokens := sequenceOf(t, m, 1<<20), make([]int, 1<<20)
	// Take the shortest of several runs, because any of them may be slow on a busy machine.
	shortest := time.Hour
	for i := 0; i < 20 && shortest > 20*time.Millisecond; i++ {
		must(t, s.Truncate(ctx, 0))
		start := time.Now()
		must(t, m.Prefill(ctx, s, tokens))
		shortest = min(shortest, time.Since(start))
	}
	if shortest > 20*time.Millisecond {
		t.Errorf("prefill of 1Mi tokens took %v", shortest)
	}
	if m.Now() < time.Second {
		t.Errorf("and on the device %v", m.Now())
	}
}

func BenchmarkPrefillMillion(b *testing.B) {
	p, _ := runners.FindProfile("h100-sxm")
	cfg, _ := runners.Preset("transformer-3b")
	r, _ := New(p)
	m, err := r.Load(cfg, nil, runners.Options{MemoryBudget: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	s, err := m.NewSequence(1 << 20)
	if err != nil {
		b.Fatal(err)
	}
	tokens := make([]int, 1<<20)
	for b.Loop() {
		_ = s.Truncate(ctx, 0)
		if err := m.Prefill(ctx, s, tokens); err != nil {
			b.Fatal(err)
		}
	}
}

func TestUsage(t *testing.T) {
	m := load(t, "h100-sxm", "yoco-gret-3b", half)
	cfg, types := m.Config(), runners.Types{Weights: runners.BF16, KV: runners.BF16, Act: runners.BF16}
	empty := m.Usage()
	if empty.Cache() != 0 || empty.Workspace != 0 || empty.Peak != empty.Total() {
		t.Errorf("empty: %+v", empty)
	}
	a := sequenceOf(t, m, 1<<20)
	want := cfg.RunBytes(1<<20, 1, 0, types)
	want.Peak = want.Total()
	if got := m.Usage(); got != want {
		t.Errorf("one sequence: %+v, want %+v", got, want)
	}
	b, err := a.Fork()
	must(t, err)
	two := m.Usage()
	if want := cfg.RunBytes(1<<20, 2, 0, types); two.Total() != want.Total() || two.Peak != want.Total() {
		t.Errorf("two sequences: %+v, want %+v", two, want)
	}
	must(t, b.Close())
	must(t, b.Close()) // the second Close does nothing
	must(t, a.Close())
	now := m.Usage()
	if now.Peak != two.Total() {
		t.Errorf("peak %d, want %d", now.Peak, two.Total())
	}
	m.ResetPeak()
	if now = m.Usage(); now != empty {
		t.Errorf("after closing: %+v, want %+v", now, empty)
	}
}

func TestOutOfMemory(t *testing.T) {
	// 1Mi tokens of the Transformer take 118 GB, more than an H100's 80.
	m := load(t, "h100-sxm", "transformer-3b", half)
	_, err := m.NewSequence(1 << 20)
	if !errors.Is(err, runners.ErrOutOfMemory) || !strings.Contains(err.Error(), "119.08 GB needed, 80.00 GB available") {
		t.Errorf("1Mi tokens: %v", err)
	}
	before := m.Usage()
	s := sequenceOf(t, m, 512<<10) // still usable
	if _, err := s.Fork(); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("a second 512Ki: %v", err)
	}
	must(t, m.Prefill(ctx, s, make([]int, 9)))
	must(t, s.Close())
	m.ResetPeak()
	if got := m.Usage(); got != before {
		t.Errorf("after closing: %+v, want %+v", got, before)
	}

	// A budget replaces the device's memory, whether larger or smaller.
	larger := half
	larger.MemoryBudget = 1e12
	sequenceOf(t, load(t, "h100-sxm", "transformer-3b", larger), 1<<20)
	smaller := half
	smaller.MemoryBudget = 7e9
	m = load(t, "h100-sxm", "transformer-3b", smaller)
	if _, err := m.NewSequence(32 << 10); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("32Ki within 7 GB: %v", err)
	}

	// Weights that alone exceed the memory.
	r, err := New(profile(t, "rtx-4090"))
	must(t, err)
	cfg, err := runners.Preset("yoco-gret-65b")
	must(t, err)
	if _, err := r.Load(cfg, nil, half); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("65B on 24 GB: %v", err)
	}
}

func TestMisuse(t *testing.T) {
	m, other := load(t, "h100-sxm", "yoco-swa-3b", half), load(t, "h100-sxm", "yoco-swa-3b", half)
	s, closed, foreign := sequenceOf(t, m, 4), sequenceOf(t, m, 4), sequenceOf(t, other, 4)
	must(t, closed.Close())
	must(t, m.Prefill(ctx, s, make([]int, 3)))
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	rows := make([][]float32, 2)
	one := []runners.Sequence{s}
	for name, err := range map[string]error{
		"beyond the capacity":   m.Prefill(ctx, s, make([]int, 2)),
		"closed":                m.Prefill(ctx, closed, make([]int, 1)),
		"another model's":       m.Prefill(ctx, foreign, make([]int, 1)),
		"cancelled":             m.Prefill(cancelled, s, make([]int, 1)),
		"twice in a batch":      m.Step(ctx, []runners.Sequence{s, s}, make([]int, 2), rows),
		"tokens missing":        m.Step(ctx, one, nil, rows[:1]),
		"logits missing":        m.Step(ctx, one, make([]int, 1), nil),
		"truncate to more":      s.Truncate(ctx, 4),
		"truncate to less than": s.Truncate(ctx, -1),
		"truncate closed":       closed.Truncate(ctx, 0),
		"fork of a closed one":  second(closed.Fork()),
		"no capacity":           second(m.NewSequence(0)),
		"score":                 m.Score(ctx, s, make([]int, 1), nil),
		"inspect":               m.Inspect(ctx, s, make([]int, 1), nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if unsupported := name == "score" || name == "inspect"; errors.Is(err, runners.ErrUnsupported) != unsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Len() != 3 {
		t.Errorf("errors moved the length to %d", s.Len())
	}
	must(t, m.Step(ctx, one, make([]int, 1), rows[:1]))
	if err := m.Step(ctx, one, make([]int, 1), rows[:1]); err == nil {
		t.Error("a step beyond the capacity: no error")
	}
}

func second(_ runners.Sequence, err error) error { return err }

func TestRunner(t *testing.T) {
	r, err := New(profile(t, "h200@0.3/0.6"))
	must(t, err)
	if d := r.Device(); d.Kind != "computed" || d.Name != "h200@0.3/0.6" || d.Memory != 141e9 || r.Name() != "analytic" {
		t.Errorf("%s: %+v", r.Name(), d)
	}
	if _, err := New(runners.Profile{Name: "empty"}); err == nil {
		t.Error("an empty profile was accepted")
	}
	if _, err := r.Load(runners.Config{Name: "none"}, nil, half); err == nil {
		t.Error("an empty config was accepted")
	}
}

// TestStored: weights of several types are refused, not computed as one of them.
func TestStored(t *testing.T) {
	p, err := runners.FindProfile("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	cfg := runners.Shape{Name: "m", Arch: runners.Transformer, Dim: 64, Layers: 1, FFN: 64, Vocab: 64, Heads: 1, KVHeads: 1, HeadDim: 64, RopeTheta: 1e4, NormEps: 1e-5}.Config()
	if _, err := r.Load(cfg, nil, runners.Options{Weights: runners.Stored, KV: runners.BF16}); !errors.Is(err, runners.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
