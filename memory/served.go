package memory

import (
	"context"
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/serving/load"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// This file measures prefill and throughput of models that answer requests and cannot be stepped.
// Their latencies are those of package load: they include the network and the server's queue.

// served reports whether a target is measured by requests.
func served(m *suites.Target) bool { return m.Served() && m.Can.Missing(runners.Step) != "" }

// answers measures a case by requests.
type answers func(ctx context.Context, s runners.Streamer, r *result.Outcome, progress func(float64)) error

// serves returns the Run function of a case that f measures.
func serves(f answers) func(context.Context, runners.Model, func(float64)) (result.Outcome, error) {
	return func(ctx context.Context, m runners.Model, progress func(float64)) (r result.Outcome, err error) {
		s, err := runners.As[runners.Streamer](m, runners.Stream)
		if err == nil {
			err = f(ctx, s, &r, progress)
		}
		return r, err
	}
}

// unfit returns the reason for which a served model cannot have a prompt of n tokens and an answer,
// or "".
func unfit(m *suites.Target, n, answer int) string {
	if n < load.MinLength {
		return fmt.Sprintf("prompts of a served model have %d tokens or more, so that no two begin alike", load.MinLength)
	}
	return m.TooLong(n + answer)
}

// answer sends requests in a closed loop and sets the faults and notes of r, but no metrics.
func (s target) answer(ctx context.Context, m runners.Streamer, length, output int, p load.Plan, r *result.Outcome, progress func(float64)) (*load.Stats, error) {
	q := load.Questions{Length: length, Output: output, Tokenizer: s.tok, Seed: s.seed}
	st, notes, err := load.Measure(ctx, m, q, p, load.Limits{}, progress)
	if err == nil {
		r.Faults, r.Notes = st.Faults(), notes
	}
	return st, err
}

// answer measures the time to the first token, one request at a time.
func (c prefillCase) answer(ctx context.Context, m runners.Streamer, r *result.Outcome, progress func(float64)) error {
	st, err := c.target.answer(ctx, m, c.length, 1, load.Plan{Concurrency: 1, Warmup: c.warmup, Requests: c.samples}, r, progress)
	if err != nil {
		return err
	}
	tps := make([]float64, len(st.TTFT))
	for i, t := range st.TTFT {
		n := float64(c.length)
		if len(st.Prompt) == len(st.TTFT) {
			n = st.Prompt[i]
		}
		if !(t > 0) {
			return errNoTime
		}
		tps[i] = n / t
	}
	set(r, "ttft", "s", result.Lower, st.TTFT...)
	set(r, "tps", "tokens/s", result.Higher, tps...)
	return nil
}

// unanswered returns the reason for which a served model cannot run the case, or "".
func (c throughputCase) unanswered(m *suites.Target) string {
	switch {
	case c.memory > 0:
		return m.Can.Missing(runners.Costed)
	case c.steps > 0:
		return "the parameter steps times a part of the steps, which a served model cannot"
	case c.generate < 2:
		return "the time per token of a served model takes answers of 2 tokens or more"
	case c.batch > 1 && m.Can.Missing(runners.Concurrent) != "":
		return m.Can.Missing(runners.Concurrent)
	}
	return unfit(m, c.depth, c.generate)
}

// answer measures decoding with as many requests in flight as the batch has sequences.
func (c throughputCase) answer(ctx context.Context, m runners.Streamer, r *result.Outcome, progress func(float64)) error {
	p := load.Plan{Concurrency: c.batch, Requests: c.samples * c.batch}
	if c.warmup > 0 {
		p.Warmup = c.batch
	}
	st, err := c.target.answer(ctx, m, c.depth, c.generate, p, r, progress)
	if err != nil {
		return err
	}
	if len(st.TPOT) == 0 {
		return fmt.Errorf("every answer arrived in one chunk: the time per token is unknown")
	}
	speeds := make([]float64, len(st.TPOT))
	for i, t := range st.TPOT {
		if !(t > 0) {
			return errNoTime
		}
		speeds[i] = float64(c.batch) / t
	}
	set(r, "prefill", "s", result.Lower, st.TTFT...)
	set(r, "tpot", "s", result.Lower, st.TPOT...)
	set(r, "decode_tps", "tokens/s", result.Higher, speeds...)
	set(r, "e2e_tps", "tokens/s", result.Higher, st.OutputRate())
	r.Notes = append(r.Notes, "decode_tps is the batch over the time per token of a request; prefill is its time to the first token, in the presence of the others")
	return nil
}
