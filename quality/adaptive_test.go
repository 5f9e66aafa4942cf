package quality

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/result"
)

// shortMemory is a fakeModel that knows the password only in prompts of at most known tokens, and
// runs out of memory beyond most.
type shortMemory struct {
	fakeModel
	known, most int
}

func (m *shortMemory) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	if room > m.most {
		return nil, fmt.Errorf("%w: %d tokens", runners.ErrOutOfMemory, room)
	}
	return m.fakeModel.Complete(ctx, group, room, func(i int, a []runners.Answer) {
		if a[0].Tokens > m.known {
			a[0].Text = " 0"
		}
		done(i, a)
	})
}

// luckyModel is a fakeModel that answers every eighth question right.
type luckyModel struct {
	fakeModel
	asked int
}

func (m *luckyModel) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	return m.fakeModel.Complete(ctx, group, room, func(i int, a []runners.Answer) {
		if m.asked%8 != 0 {
			a[0].Text = " 0"
		}
		m.asked++
		done(i, a)
	})
}

// TestAdaptiveFloor checks that a model that guesses passes no length by a share of its base.
func TestAdaptiveFloor(t *testing.T) {
	r := records(t, "{kinds: shared, lengths: [128, 256, 512], adaptive: 100}", target(&luckyModel{}, tokenizer.Bytes{}))[0]
	m, ok := r.Metrics["base_passes_to"]
	if !ok || m.Value != 0 || *m.Lo != 0 || !(r.Series[0].Y[0] > 0) {
		t.Errorf("base_passes_to %+v with scores %v", m, r.Series[0].Y)
	}
}

func TestAdaptive(t *testing.T) {
	for name, c := range map[string]struct {
		known, most int
		bounds      map[string]float64
		trials      [2]int // at least and at most
		note        string
		unmeasured  int
		highest     float64
	}{
		"cliff":         {600, 1 << 20, map[string]float64{"passes_to": 512, "fails_from": 1024, "base_passes_to": 512, "base_fails_from": 1024}, [2]int{100, 200}, "", 1, 512},
		"cannot":        {0, 1 << 20, map[string]float64{"passes_to": 0, "fails_from": 128, "base_passes_to": 0, "base_fails_from": 0}, [2]int{4, 20}, "", 4, 0},
		"out of memory": {1 << 20, 512, map[string]float64{"passes_to": 512, "fails_from": 0, "base_passes_to": 512, "base_fails_from": 0}, [2]int{100, 200}, "lengths from 1Ki on were not measured: out of memory: 1024 tokens", 2, 512},
	} {
		m := &shortMemory{known: c.known, most: c.most}
		all := records(t, "{kinds: shared, lengths: [128, 256, 512, 1Ki, 2Ki], adaptive: 300}", target(m, tokenizer.Bytes{}))
		if len(all) != 1 || all[0].Status != result.OK {
			t.Fatalf("%s: %+v", name, all)
		}
		r := all[0]
		for metric, want := range c.bounds {
			if got, ok := r.Metrics[metric]; ok != (want > 0 || strings.HasSuffix(metric, "passes_to")) || got.Value != want {
				t.Errorf("%s: %s %+v, want %g", name, metric, got, want)
			}
		}
		if m := r.Metrics["passes_to"]; m.Lo == nil || *m.Lo != m.Value || *m.Hi != c.highest {
			t.Errorf("%s: passes_to %+v", name, m)
		}
		n := int(r.Metrics["trials"].Value)
		if n < c.trials[0] || n > c.trials[1] || len(r.Trials) != n {
			t.Errorf("%s: %d trials, %d recorded", name, n, len(r.Trials))
		}
		curve := r.Series[0]
		sum := 0
		for i := range curve.X {
			sum += curve.N[i]
			if !(curve.Lo[i] <= curve.Y[i] && curve.Y[i] <= curve.Hi[i]) {
				t.Errorf("%s: %+v", name, curve)
			}
		}
		if len(curve.X) != 5-c.unmeasured || sum != n {
			t.Errorf("%s: lengths %v, %d trials of %d", name, curve.X, sum, n)
		}
		if !strings.Contains(strings.Join(r.Notes, "\n"), c.note) {
			t.Errorf("%s: notes %q", name, r.Notes)
		}
		if g := r.Metrics["guess"].Value; g != 0.125 || math.IsNaN(r.Metrics["repeat"].Value) || r.Params["length"] != nil || r.Params["adaptive"] != 300.0 {
			t.Errorf("%s: %+v %+v", name, r.Metrics, r.Params)
		}
	}
}

// TestAdaptiveAsksTheSameQuestions checks that the i-th question at a length is that of a fixed
// number of samples.
func TestAdaptiveAsksTheSameQuestions(t *testing.T) {
	m := target(&fakeModel{}, tokenizer.Bytes{})
	fixed := records(t, "{kinds: shared, lengths: 256, samples: 4}", m)[0]
	adaptive := records(t, "{kinds: shared, lengths: [256, 512], adaptive: 8}", m)[0]
	for i, trial := range fixed.Trials {
		if got := adaptive.Trials[i]; !slices.Equal(got.Expected, trial.Expected) || got.Tokens != trial.Tokens {
			t.Errorf("question %d: %+v, want %+v", i, got, trial)
		}
	}
}

func TestAdaptiveProblems(t *testing.T) {
	m := target(&fakeModel{}, tokenizer.Bytes{})
	for block, want := range map[string]string{
		"{adaptive: 3}":                                     "adaptive: 3 questions, expected 8 to 4096",
		"{adaptive: 100, samples: 5}":                       "samples: not used with adaptive",
		"{adaptive: 100, lengths: 512}":                     "adaptive: 1 length, expected 2 or more",
		"{adaptive: 100, lengths: [16, 17], kinds: shared}": "all are too short",
	} {
		if _, err := plan(t, block, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
	// Lengths that are too short for a kind are left out.
	p, err := plan(t, "{kinds: shared, lengths: [16, 128, 256], adaptive: 8}", m)
	if err != nil || len(p.Cases) != 1 {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Cases[0].Params["lengths"]); got != "[128 256]" {
		t.Errorf("lengths %s of %v", got, slices.Sorted(maps.Keys(p.Cases[0].Params)))
	}
	// A kind for which all are too short does not prevent the others.
	p, err = plan(t, "{kinds: [shared, separate], lengths: [100, 110], adaptive: 8}", m)
	if err != nil || len(p.Cases) != 2 {
		t.Fatal(err)
	}
	if a, b := p.Cases[0], p.Cases[1]; !strings.Contains(a.Unsupported, "too short") || a.Label != "fake shared 100 to 110, adaptive" || b.Unsupported != "" {
		t.Errorf("%s: %q, %s: %q", a.Label, a.Unsupported, b.Label, b.Unsupported)
	}
}
