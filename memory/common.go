package memory

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// maxTokens bounds a length: its prompt is held as 8 bytes a token.
const maxTokens = 1 << 27

// subject is a model as its cases see it.
type subject struct {
	// cfg is nil where the layers are not known: then nothing is computed.
	cfg      *runners.Config
	types    runners.Types
	chunk    int
	computed bool
	// machine is what the model runs on or is computed for; nil where nothing is known of it.
	machine *runners.Profile
}

func subjectOf(p *suites.Planner, m *suites.Target) subject {
	s := subject{
		cfg:      m.Config,
		types:    m.Types(actType(m)),
		chunk:    m.Options.PrefillChunk,
		computed: m.Computed,
		machine:  p.Machine,
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

// actType is the type of activations: the cpu runner's are float32 whatever the weights are.
func actType(m *suites.Target) runners.DType {
	if m.Computed {
		return m.Options.Weights
	}
	return runners.F32
}

// bytes is the memory held with batch sequences of room for tokens each, by arithmetic.
func (s subject) bytes(tokens, batch int) runners.Usage {
	if s.cfg == nil {
		return runners.Usage{}
	}
	return s.cfg.RunBytes(tokens, batch, s.chunk, s.types)
}

// least is the memory that a measured case holds for certain; 0 for a computed one, which holds
// nothing.
func (s subject) least(tokens, batch int) int64 {
	if s.computed || s.cfg == nil {
		return 0
	}
	return s.cfg.LeastBytes(tokens, batch, s.types)
}

// assumptions says what computed numbers assume; measured ones need no such note.
func (s subject) assumptions(r *result.Outcome, timed bool) {
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

// limits says which fractions of a device's limits computed times assume.
func (s subject) limits(timed bool) string {
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
// the same work, phase after phase. A computed time is such a limit already, at the efficiency that
// its note names.
func (s subject) limit(r *result.Outcome, seconds float64, tokens int, phases ...runners.Work) {
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

// params adds the number types, which every record names, to a case's parameters.
func (s subject) params(ps map[string]any) map[string]any {
	ps["dtype"], ps["kv"] = s.types.Weights.String(), s.types.KV.String()
	if s.cfg == nil {
		ps["dtype"] = "as stored"
	}
	return ps
}

// wanted reports whether a task takes a model.
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

// median is the middle of the samples, or the mean of the two in the middle. It needs at least one.
func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// elapsed is the time between two readings of a clock. A clock that stood still would make speeds
// infinite.
func elapsed(from, to time.Duration) (float64, error) {
	s := (to - from).Seconds()
	if !(s > 0) {
		return 0, fmt.Errorf("the clock did not advance (%v to %v): the speed is unknown", from, to)
	}
	return s, nil
}

// random gives a case its own random numbers, from the suite's seed and the case's label.
func random(seed uint64, label string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(label))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// measure is how a case measures: on a model that is stepped, with random numbers of its own, into
// r.
type measure func(ctx context.Context, m runners.Stepper, r *result.Outcome, rng *rand.Rand, progress func(float64)) error

// runs makes a case's Run of its measure.
func runs(label string, seed uint64, f measure) func(context.Context, runners.Model, func(float64)) (result.Outcome, error) {
	return func(ctx context.Context, m runners.Model, progress func(float64)) (r result.Outcome, err error) {
		s, err := runners.As[runners.Stepper](m, runners.Step)
		if err == nil {
			err = f(ctx, s, &r, random(seed, label), progress)
		}
		return r, err
	}
}

// prefill and step are the work of each in a case, as phases; none where the layers are not known.
func (s subject) prefill(n, depth int, times float64) []suites.Phase {
	if s.cfg == nil {
		return nil
	}
	return []suites.Phase{{Work: s.cfg.PrefillWork(n, depth, s.types), Times: times}}
}

func (s subject) step(depth, batch int, times float64) []suites.Phase {
	if s.cfg == nil {
		return nil
	}
	return []suites.Phase{{Work: s.cfg.StepWork(depth, batch, s.types), Times: times}}
}

// works are the works of phases.
func works(phases ...[]suites.Phase) (out []runners.Work) {
	for _, p := range slices.Concat(phases...) {
		out = append(out, p.Work)
	}
	return out
}

// prompt makes n pseudo-random tokens. What a computed model is given does not matter.
func (s subject) prompt(rng *rand.Rand, vocab, n int) []int {
	tokens := make([]int, n)
	if s.computed {
		return tokens
	}
	for i := range tokens {
		tokens[i] = rng.IntN(vocab)
	}
	return tokens
}

// logits makes the rows that a Step writes. A computed one has nothing to write.
func (s subject) logits(vocab, batch int) [][]float32 {
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
		_ = s.Close() // what was measured does not depend on it
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

// Bounds of counts in params, against slips of the pen.
const (
	maxBatch   = 1 << 20
	maxSamples = 1 << 16
)
