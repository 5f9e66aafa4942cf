package memory

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// maxTokens bounds a length. A prompt takes 8 bytes per token.
const maxTokens = 1 << 27

// target has the properties of a model that its cases need.
type target struct {
	// cfg is nil if the layers are unknown; then nothing is computed.
	cfg      *runners.Config
	types    runners.Types
	chunk    int
	computed bool
	// machine is the machine on which the model runs or for which it is computed; nil if unknown.
	machine *runners.Profile
	// tok and seed make the prompts of a served model; tok is nil if its tokenizer is unknown.
	tok  tokenizer.Tokenizer
	seed uint64
	// dtype and kv name the number types in records.
	dtype, kv string
}

func targetOf(p *suites.Planner, m *suites.Target) target {
	s := target{
		cfg:      m.Config,
		types:    m.Types(actType(m)),
		chunk:    m.Options.PrefillChunk,
		computed: m.Computed,
		machine:  p.Machine,
		tok:      m.Tokenizer,
		seed:     p.Seed,
	}
	s.dtype, s.kv = m.TypeNames()
	if s.cfg == nil && m.Stated == "" {
		s.dtype = "as stored"
	}
	if m.Machine != nil {
		s.machine = m.Machine
	}
	if m.Computed {
		if profile, err := runners.FindProfile(m.Device); err == nil {
			s.machine = &profile
		}
	}
	return s
}

// actType returns the type of activations. Those of the cpu runner are float32 for all types of
// weights.
func actType(m *suites.Target) runners.DType {
	if m.Computed {
		return m.Options.Weights
	}
	return runners.F32
}

// bytes computes the memory held with batch sequences of a capacity of tokens each.
func (s target) bytes(tokens, batch int) runners.Usage {
	if s.cfg == nil {
		return runners.Usage{}
	}
	return s.cfg.RunBytes(tokens, batch, s.chunk, s.types)
}

// least returns the minimum memory of a measured case; 0 for a computed one, which holds nothing.
func (s target) least(tokens, batch int) int64 {
	if s.computed || s.cfg == nil {
		return 0
	}
	return s.cfg.LeastBytes(tokens, batch, s.types)
}

// assumptions adds a note on the assumptions of computed numbers. Measured ones have none.
func (s target) assumptions(r *result.Outcome, timed bool) {
	if !s.computed {
		return
	}
	if s.cfg == nil {
		note := fmt.Sprintf("computed: %s keys and values, weights as the config stores them, without a workspace", s.types.KV)
		r.Notes = append(r.Notes, note+s.limits(timed))
		return
	}
	note := fmt.Sprintf("computed: %s weights, %s keys and values", s.types.Weights, s.types.KV)
	for _, l := range slices.Backward(s.cfg.Layers) {
		if l.Mixer.Kind == runners.Attention {
			note += fmt.Sprintf(" in %d heads for %d query heads", l.Mixer.KVHeads, l.Mixer.Heads)
			break
		}
	}
	if s.bytes(1, 1).State > 0 {
		note += ", f32 retention state"
	}
	r.Notes = append(r.Notes, note+s.limits(timed))
}

// limits describes the fractions of a device's limits that computed times assume.
func (s target) limits(timed bool) string {
	m := s.machine
	if !timed || m == nil {
		return ""
	}
	return fmt.Sprintf("; %s at %s of %s TFLOP/s and %s of %s TB/s (%s)", m.Name,
		short(m.Efficiency.Compute), short(m.PeakOf(s.types.Weights)/1e12),
		short(m.Efficiency.Bandwidth), short(m.Bandwidth/1e12), m.Efficiency.Source)
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

// limit records, next to the measured time of some tokens, what the machine's peaks would allow for
// the same work, phase after phase. A computed time already is such a limit, at the efficiency in
// its note.
func (s target) limit(r *result.Outcome, seconds float64, tokens int, phases ...runners.Work) {
	if s.computed || s.machine == nil || s.cfg == nil {
		return
	}
	limit := 0.0
	for _, w := range phases {
		limit += s.machine.LimitSeconds(w, s.types.Weights)
	}
	set(r, "limit_seconds", "s", result.None, limit)
	set(r, "limit_tps", "tokens/s", result.None, float64(tokens)/limit)
	set(r, "limit_fraction", "fraction", result.Higher, limit/seconds)
	if limit > seconds {
		r.Notes = append(r.Notes, "faster than the limit: data stays in caches, the kernels are faster than those that measured the peaks, or the peaks were measured while the machine was busy")
	}
}

// params adds the number types to a case's parameters.
func (s target) params(ps map[string]any) map[string]any {
	ps["dtype"], ps["kv"] = s.dtype, s.kv
	return ps
}

// wanted reports whether a task selects a model.
func wanted(p *suites.Planner, models param.Models, m *suites.Target) (bool, error) {
	ok, err := models.Match(m.Name)
	if err != nil {
		return false, p.Errorf("%v", err)
	}
	return ok, nil
}

// set records a metric: the median of its samples.
func set(r *result.Outcome, name, unit string, better result.Better, samples ...float64) {
	if r.Metrics == nil {
		r.Metrics = map[string]result.Metric{}
	}
	m := result.Metric{Value: median(samples), Unit: unit, Better: better}
	if len(samples) > 1 {
		m.Samples = samples
	}
	r.Metrics[name] = m
}

// median returns the middle of the samples, or the mean of the two in the middle. There must be at
// least one.
func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// elapsed returns the time between two readings of a clock. It is an error if the clock did not
// advance, because speeds would be infinite.
func elapsed(from, to time.Duration) (float64, error) {
	s := (to - from).Seconds()
	if !(s > 0) {
		return 0, fmt.Errorf("%w (%v to %v)", errNoTime, from, to)
	}
	return s, nil
}

// errNoTime reports a measured time of zero.
var errNoTime = errors.New("the clock did not advance: the speed is unknown")

// random returns the random numbers of a case, from the suite's seed and the case's label.
func random(seed uint64, label string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(label))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// measure measures a case on a Stepper, with the case's random numbers, and records the results in
// r.
type measure func(ctx context.Context, m runners.Stepper, r *result.Outcome, rng *rand.Rand, progress func(float64)) error

// runs makes a case's Run function from its measure.
func runs(label string, seed uint64, f measure) func(context.Context, runners.Model, func(float64)) (result.Outcome, error) {
	return func(ctx context.Context, m runners.Model, progress func(float64)) (r result.Outcome, err error) {
		s, err := runners.As[runners.Stepper](m, runners.Step)
		if err == nil {
			err = f(ctx, s, &r, random(seed, label), progress)
		}
		return r, err
	}
}

// prefill and step return the work of a prefill and of a step as phases; none if the layers are
// unknown.
func (s target) prefill(n, depth int, times float64) []suites.Phase {
	if s.cfg == nil {
		return nil
	}
	return []suites.Phase{{Work: s.cfg.PrefillWork(n, depth, s.types), Times: times}}
}

func (s target) step(depth, batch int, times float64) []suites.Phase {
	if s.cfg == nil {
		return nil
	}
	return []suites.Phase{{Work: s.cfg.StepWork(depth, batch, s.types), Times: times}}
}

// works returns the work of each phase.
func works(phases ...[]suites.Phase) (out []runners.Work) {
	for _, p := range slices.Concat(phases...) {
		out = append(out, p.Work)
	}
	return out
}

// prompt returns n pseudo-random tokens. The values do not matter to a computed model.
func (s target) prompt(rng *rand.Rand, vocab, n int) []int {
	tokens := make([]int, n)
	if s.computed {
		return tokens
	}
	for i := range tokens {
		tokens[i] = rng.IntN(vocab)
	}
	return tokens
}

// logits allocates the rows that a Step writes. A computed model writes none.
func (s target) logits(vocab, batch int) [][]float32 {
	rows := make([][]float32, batch)
	for i := range rows {
		if !s.computed {
			rows[i] = make([]float32, vocab)
		}
	}
	return rows
}

// sequences are open sequences that are closed together.
type sequences []runners.Sequence

func (ss sequences) close() {
	for _, s := range ss {
		_ = s.Close() // the results do not depend on it
	}
}

// checkSizes reports the first problem of a list of token counts.
func checkSizes(p *suites.Planner, name string, sizes suites.Sizes, least int64) error {
	if len(sizes) == 0 {
		return p.Errorf("%s: no sizes", name)
	}
	for _, n := range sizes {
		if n < least || n > maxTokens {
			return p.Errorf("%s: %d, expected %d to %s", name, n, least, suites.Size(maxTokens))
		}
	}
	return nil
}

// checkCount reports a count outside its bounds.
func checkCount(p *suites.Planner, name string, n, least, most int) error {
	if n < least || n > most {
		return p.Errorf("%s: %d, expected %d to %d", name, n, least, most)
	}
	return nil
}

// Bounds of counts in params, which detect typing errors.
const (
	maxBatch   = 1 << 20
	maxSamples = 1 << 16
)
