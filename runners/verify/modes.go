package verify

import (
	"errors"
	"fmt"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// longest limits the number of steps of one text, so that a long fixture does not take too long.
const longest = 512

func (v *verifier) inspect(t text) error {
	in, ok := v.model.(runners.Inspector)
	if !ok {
		v.meter(t, "hidden", "inspect").check.Note = "not checked: this runner does not expose intermediate tensors"
		return nil
	}
	type shown struct {
		shape []int
		data  []float32
	}
	got := map[string]shown{}
	err := v.sequence(len(t.ids), func(s runners.Sequence) error {
		err := in.Inspect(v.ctx, s, t.ids, func(name string, shape []int, data []float32) {
			got[name] = shown{append([]int(nil), shape...), append([]float32(nil), data...)}
		})
		return errors.Join(err, checkLen(s, len(t.ids)))
	})
	if err != nil {
		return err
	}
	for _, name := range t.names() {
		x, ok := got[name]
		if name == "greedy_logits" || !ok && len(t.ids) == 1 && name == "nll" {
			continue
		}
		want, err := t.want(name)
		if err != nil {
			return err
		}
		m := v.meter(t, name, "inspect")
		if !ok {
			m.problem("the model did not emit it")
			continue
		}
		m.tensor(x.shape, x.data, want)
	}
	return nil
}

func (v *verifier) score(t text) error {
	return v.sequence(len(t.ids), func(s runners.Sequence) error {
		return v.scoreFrom(s, t, 0, v.meter(t, "nll", "score"))
	})
}

func (v *verifier) prefillScore(t text) error {
	if len(t.ids) < 3 {
		return nil
	}
	return v.sequence(len(t.ids), func(s runners.Sequence) error {
		half := len(t.ids) / 2
		if err := v.prefill(s, t.ids[:half]); err != nil {
			return err
		}
		return v.scoreFrom(s, t, half, v.meter(t, "nll", "prefill+score"))
	})
}

// scoreFrom scores ids[from:] and checks that each position is emitted once and in order. The first
// position may be missing: its logits belong to an earlier call.
func (v *verifier) scoreFrom(s runners.Sequence, t text, from int, m meter) error {
	want, err := t.want("nll")
	if len(t.ids) > 1 && err != nil {
		return err
	}
	next := from + 1
	err = v.model.Score(v.ctx, s, t.ids[from:], func(pos int, logprob float32) {
		switch {
		case pos == from && from > 0 && next == from+1:
		case pos != next:
			m.problem("got position %d, want %d", pos, next)
			return
		default:
			next++
		}
		if pos < len(t.ids) {
			m.values(pos, []float32{-logprob}, want.row(pos-1))
		}
	})
	if err == nil && next != len(t.ids) {
		m.problem("positions %d to %d are missing", next, len(t.ids)-1)
	}
	return errors.Join(err, checkLen(s, len(t.ids)))
}

func (v *verifier) prefillStep(t text) error {
	want, err := t.want("logits")
	if err != nil {
		return err
	}
	last := len(t.ids) - 1
	return v.sequence(len(t.ids), func(s runners.Sequence) error {
		if err := v.prefill(s, t.ids[:last]); err != nil {
			return err
		}
		return v.follow(s, t, want, v.meter(t, "logits", "prefill+step"), last, last+1)
	})
}

func (v *verifier) steps(t text) error {
	want, err := t.want("logits")
	if err != nil {
		return err
	}
	return v.sequence(len(t.ids), func(s runners.Sequence) error {
		from := max(0, len(t.ids)-v.longest)
		if err := v.prefill(s, t.ids[:from]); err != nil {
			return err
		}
		return v.follow(s, t, want, v.meter(t, "logits", "steps"), from, len(t.ids))
	})
}

// spoil appends n tokens that differ from the text at these positions.
func (v *verifier) spoil(s runners.Sequence, t text, n int) error {
	for i := range n {
		if _, err := v.step(s, (t.ids[(s.Len()+i)%len(t.ids)]+1+i)%v.model.Config().Vocab); err != nil {
			return err
		}
	}
	return nil
}

// fork checks that a branch continues the text correctly while the trunk and another branch append
// other tokens before, between and after its steps.
func (v *verifier) fork(t text) error {
	want, err := t.want("logits")
	if err != nil || len(t.ids) < 2 {
		return err
	}
	n := len(t.ids)
	at := n / 2
	mid, end := min(at+4, n), min(at+12, n)
	return v.sequence(n+16, func(trunk runners.Sequence) error {
		if err := v.prefill(trunk, t.ids[:at]); err != nil {
			return err
		}
		return v.forked(trunk, func(branch runners.Sequence) error {
			return v.forked(trunk, func(other runners.Sequence) error {
				m := v.meter(t, "logits", "fork")
				if branch.Len() != at || branch.Capacity() != trunk.Capacity() {
					m.problem("a fork of %d tokens with room for %d reports %d and %d", at, trunk.Capacity(), branch.Len(), branch.Capacity())
				}
				return errors.Join(
					v.spoil(other, t, 3),
					v.follow(branch, t, want, m, at, mid),
					v.spoil(other, t, 2),
					other.Truncate(v.ctx, at/2),
					v.follow(trunk, t, want, m, at, end),
					v.follow(branch, t, want, m, mid, end),
				)
			})
		})
	})
}

func (v *verifier) forked(s runners.Sequence, use func(runners.Sequence) error) error {
	f, err := s.Fork()
	if err != nil {
		return fmt.Errorf("fork: %w", err)
	}
	return errors.Join(use(f), f.Close())
}

// truncate prefills a part of the text, appends other tokens, cuts back to an earlier point and
// continues; then it cuts back to an empty sequence and starts over.
func (v *verifier) truncate(t text) error {
	want, err := t.want("logits")
	if err != nil || len(t.ids) < 2 {
		return err
	}
	n := len(t.ids)
	at := n - n/3
	back := max(0, at-5)
	return v.sequence(n+16, func(s runners.Sequence) error {
		m := v.meter(t, "logits", "truncate")
		cut := func(n int) error { return errors.Join(s.Truncate(v.ctx, n), checkLen(s, n)) }
		if err := v.prefill(s, t.ids[:at]); err != nil {
			return err
		}
		return errors.Join(
			v.spoil(s, t, 3),
			cut(back),
			v.follow(s, t, want, m, back, min(back+8, n)),
			cut(s.Len()),
			cut(0),
			v.follow(s, t, want, m, 0, min(4, n)),
		)
	})
}

// greedy feeds the expected ids, so that one wrong choice does not affect later ones.
func (v *verifier) greedy(t text) error {
	if len(t.greedy) == 0 {
		return nil
	}
	want, err := t.want("greedy_logits")
	if err != nil {
		return err
	}
	last := len(t.ids) - 1
	return v.sequence(len(t.ids)+len(t.greedy), func(s runners.Sequence) error {
		if err := v.prefill(s, t.ids[:last]); err != nil {
			return err
		}
		m := v.meter(t, "greedy_logits", "greedy")
		id := t.ids[last]
		for i, expected := range t.greedy {
			logits, err := v.step(s, id)
			if err != nil {
				return err
			}
			m.values(last+i, logits, want.row(i))
			if got := argmax(logits); got != expected && !v.tie(want.row(i), got, expected) {
				m.problem("greedy id %d is %d, want %d", i, got, expected)
			}
			id = expected
		}
		return nil
	})
}

// tie reports whether the logits of two ids are so close that the tolerance allows either order.
func (v *verifier) tie(want []float32, a, b int) bool {
	return math.Abs(float64(want[a])-float64(want[b])) <= 2*v.report.Tolerance
}

func argmax(xs []float32) int {
	best := 0
	for i, x := range xs {
		if x > xs[best] {
			best = i
		}
	}
	return best
}

// earlyExit counts the operations of Prefill and Score of models with an early exit.
func (v *verifier) earlyExit(t text) error {
	c, ok := v.model.(runners.Counter)
	cfg := v.model.Config()
	if !ok || cfg.PrefillLayers() == len(cfg.Layers) {
		return nil
	}
	m := v.meter(t, "operations", "early exit")
	counts := func(what string, run func(runners.Sequence) error) (flops map[runners.Part]int64) {
		err := v.sequence(len(t.ids), func(s runners.Sequence) error {
			c.ResetCounts()
			return run(s)
		})
		if err != nil {
			m.problem("%s: %v", what, err)
		}
		return c.Counts().FLOPs
	}
	prefill := counts("Prefill", func(s runners.Sequence) error { return v.prefill(s, t.ids) })
	score := counts("Score", func(s runners.Sequence) error {
		return v.model.Score(v.ctx, s, t.ids, func(int, float32) {})
	})
	// The skipped layers hold no retention state, so their cost does not depend on the runner's
	// retention chunk.
	n, types := len(t.ids), runners.Types{}
	early, full := cfg.PrefillWork(n, 0, types), cfg.ScoreWork(n, 0, types)
	m.check.Values = 1
	for _, p := range runners.Parts() {
		switch extra := prefill[p]; {
		case early.Part(p).FLOPs == 0 && extra != 0:
			m.check.Error += float64(extra)
			m.problem("Prefill computed the %s", p)
		case early.Part(p).FLOPs > 0 && extra <= 0:
			m.problem("Prefill counted no operations of the %s: %v", p, prefill)
		}
		if left, want := score[p]-prefill[p], full.Part(p).FLOPs-early.Part(p).FLOPs; float64(left) != want {
			m.problem("Score did %d operations of the %s more than Prefill, want %.0f", left, p, want)
		}
	}
	return nil
}
