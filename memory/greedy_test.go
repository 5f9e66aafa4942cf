package memory

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// chooser is a fake that chooses tokens on its device.
type chooser struct {
	*fake
	greedy int
	fed    [][]int
	logit  float32
}

func (c *chooser) Greedy(ctx context.Context, ss []runners.Sequence, tokens, out []int) error {
	c.greedy++
	c.fed = append(c.fed, slices.Clone(tokens))
	rows := make([][]float32, len(ss))
	for i := range rows {
		rows[i] = make([]float32, c.Config().Vocab)
	}
	err := c.Step(ctx, ss, tokens, rows)
	for i := range out {
		out[i] = c.greedy % c.Config().Vocab
	}
	return err
}

func (c *chooser) Logits(rows [][]float32) error {
	for _, r := range rows {
		r[len(r)-1] = c.logit
	}
	return nil
}

// If the device can choose tokens, throughput uses this, feeds the tokens back and adds a note. A
// logit that is not finite fails the case in this mode too.
func TestThroughputGreedy(t *testing.T) {
	for _, logit := range []float32{0, float32(math.NaN()), float32(math.Inf(1))} {
		m := tiny(runners.Transformer)
		c := plan(t, Throughput{}, m, &ThroughputParams{Depths: suites.Sizes{64}, Batches: suites.Sizes{2}, Prefills: 1, Generate: 6, Samples: 2, Warmup: 1})[0]
		f := &chooser{fake: loadFake(t, m, 1<<30), logit: logit}
		r := &result.Record{Label: c.Label, Params: c.Params}
		out, err := c.Run(t.Context(), f, func(float64) {})
		r.Fill(out)
		if logit != 0 {
			if !errors.Is(err, runners.ErrNotFinite) {
				t.Errorf("a logit of %g: %v", logit, err)
			}
			continue
		}
		if err != nil || f.greedy != 7 || f.steps != 7 {
			t.Fatalf("%d of %d steps were greedy: %v", f.greedy, f.steps, err)
		}
		if !slices.Equal(f.fed[2], []int{2, 2}) {
			t.Errorf("the tokens that were chosen are not fed back: %d", f.fed)
		}
		if !strings.Contains(strings.Join(r.Notes, "\n"), "chosen on the device") {
			t.Errorf("notes %q", r.Notes)
		}
	}
}
