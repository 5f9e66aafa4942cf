package memory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// decoding is a running throughput case.
type decoding struct {
	throughputCase
	m     runners.Stepper
	meter runners.Meter // nil if the model does not report its memory
	clock runners.Clock
	rng   *rand.Rand
	held  sequences

	prefillTimes []float64 // seconds; empty at depth 0
	decodeTime   float64
	tpot         []float64 // mean of each block
	greedy       bool      // the tokens were chosen on the device
}

// begin makes the first sequence and times its prefills.
func (d *decoding) begin(ctx context.Context) error {
	s, err := d.m.NewSequence(d.capacity())
	if err != nil {
		return fmt.Errorf("sequence 1 of %d: %w", d.batch, err)
	}
	d.held = append(d.held, s)
	if d.depth == 0 {
		return nil
	}
	tokens := d.prompt(d.rng, d.m.Vocab(), d.depth)
	timed := func() (float64, error) {
		if err := s.Truncate(ctx, 0); err != nil {
			return 0, err
		}
		start := d.clock.Now()
		if err := d.m.Prefill(ctx, s, tokens); err != nil {
			return 0, err
		}
		return elapsed(start, d.clock.Now())
	}
	if d.warmup > 0 {
		if _, err := timed(); err != nil {
			return err
		}
	}
	for range d.prefills {
		seconds, err := timed()
		if err != nil {
			return err
		}
		d.prefillTimes = append(d.prefillTimes, seconds)
	}
	return nil
}

// skip replaces the steps before the timed ones by a prefill of their tokens, which fills the
// caches in the same way.
func (d *decoding) skip(ctx context.Context) error {
	if n := d.skipped(); n > 0 {
		return d.m.Prefill(ctx, d.held[0], d.prompt(d.rng, d.m.Vocab(), n))
	}
	return nil
}

// fork completes the batch with forks of the first sequence.
func (d *decoding) fork() error {
	for len(d.held) < d.batch {
		s, err := d.held[0].Fork()
		if err != nil {
			return fmt.Errorf("sequence %d of %d: %w", len(d.held)+1, d.batch, err)
		}
		d.held = append(d.held, s)
	}
	return nil
}

// decode steps the batch: warm-up, then the timed blocks.
func (d *decoding) decode(ctx context.Context, progress func(float64)) error {
	rows := d.logits(d.m.Vocab(), d.batch)
	greedy, onDevice := d.m.(runners.Greedy)
	d.greedy = onDevice
	step := func(tokens []int) error { return d.m.Step(ctx, d.held, tokens, rows) }
	if onDevice {
		step = func(tokens []int) error { return greedy.Greedy(ctx, d.held, tokens, tokens) }
	}
	steps := func(n int) (float64, error) {
		tokens := d.prompt(d.rng, d.m.Vocab(), d.batch)
		start := d.clock.Now()
		for range n {
			if err := step(tokens); err != nil {
				return 0, err
			}
		}
		seconds, err := elapsed(start, d.clock.Now())
		if onDevice {
			err = errors.Join(err, greedy.Logits(rows))
		}
		return seconds, errors.Join(err, runners.CheckFinite(rows...))
	}
	if d.warmup > 0 {
		if _, err := steps(d.warmup); err != nil {
			return err
		}
	}
	for i := range d.samples {
		n := (i+1)*d.timed()/d.samples - i*d.timed()/d.samples
		seconds, err := steps(n)
		if err != nil {
			return err
		}
		d.decodeTime += seconds
		d.tpot = append(d.tpot, seconds/float64(n))
		progress(0.3 + 0.7*float64(i+1)/float64(d.samples))
	}
	return nil
}

// report fills in the metrics.
func (d *decoding) report(r *result.Outcome) error {
	batch := float64(d.batch)
	speeds := make([]float64, len(d.tpot))
	for i, t := range d.tpot {
		speeds[i] = batch / t
	}
	prefill := 0.0
	if d.depth > 0 {
		prefill = median(d.prefillTimes)
		set(r, "prefill", "s", result.Lower, d.prefillTimes...)
	}
	set(r, "tpot", "s", result.Lower, d.tpot...)
	set(r, "decode_tps", "tokens/s", result.Higher, speeds...)
	decode := d.decodeTime
	if d.steps > 0 {
		decode = median(d.tpot) * float64(d.generate)
		r.Notes = append(r.Notes, fmt.Sprintf("derived: %d of %d steps were timed, those in the middle; e2e_tps counts decoding as tpot x %d", d.steps, d.generate, d.generate))
	}
	set(r, "e2e_tps", "tokens/s", result.Higher, batch*float64(d.generate)/(batch*prefill+decode))
	if d.memory > 0 {
		set(r, "max_batch", "sequences", result.Higher, batch)
	}
	var held runners.Usage
	if d.meter != nil {
		held = d.meter.Usage()
		set(r, "held", "bytes", result.Lower, float64(held.Total()))
	}
	d.limit(r, median(d.tpot), d.batch, works(d.middle(1))...)
	if d.greedy {
		r.Notes = append(r.Notes, "the most likely tokens are chosen on the device: the logits stay there")
	}
	if d.batch > 1 && d.depth > 0 {
		r.Notes = append(r.Notes, "e2e_tps counts a prefill for each sequence of the batch: one sequence was prefilled and timed, the others are its forks")
	}
	d.assumptions(r, true)
	return d.checkBudget(held, r)
}

// checkBudget compares the memory actually held by the largest batch with the budget.
func (d *decoding) checkBudget(held runners.Usage, r *result.Outcome) error {
	if d.memory == 0 {
		return nil
	}
	if fixed := held.Total() - held.Workspace; fixed > d.memory {
		return fmt.Errorf("%d sequences should fit into %d bytes, but weights and caches hold %d", d.batch, d.memory, fixed)
	}
	if held.Total() > d.memory {
		r.Notes = append(r.Notes, fmt.Sprintf("with the runner's workspace of %d bytes the batch holds %d bytes more than the budget",
			held.Workspace, held.Total()-d.memory))
	}
	return nil
}
