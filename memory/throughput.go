package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// Throughput is the task "throughput": decoding at a depth, for a batch of sequences stepped
// together.
//
//	prefill     seconds of one Prefill of depth tokens
//	tpot        seconds of one Step of the whole batch, or of one Greedy if the model has it (noted)
//	decode_tps  batch / tpot, in tokens/s
//	e2e_tps     batch x generate / (batch x prefill + decode), in tokens/s:
//	            generated tokens over all time spent, prompts included, as the
//	            paper counts (arXiv 2405.05254). decode is the time of all
//	            generate steps; prompts are prefilled one after another
//	held        bytes held with all sequences of the batch
//	max_batch   the largest batch that fits into the memory, if requested
//
// limit_seconds, limit_tps and limit_fraction are those of a Step; see Prefill.
//
// Only the first sequence is prefilled; the others are forks of it. The median of the timed
// prefills counts for each sequence, and forking is not timed. The steps are timed in blocks of
// generate/samples; the mean of a block is a sample of tpot. Blocks follow each other, so the depth
// grows by generate in total.
//
// With the parameter steps, only that many steps in the middle of the generation are timed: in
// place of the steps before them, (generate-steps)/2 tokens are prefilled, untimed. Then decode is
// tpot x generate, as a note of the record states. The memory held is that of all generate steps.
//
// A model that answers requests and cannot be stepped gets requests with prompts of depth tokens
// for generate tokens, in a closed loop of batch requests: samples x batch of them after batch
// untimed ones, if there is a warm-up. prefill and tpot are then a request's ttft and tpot (package
// load), each a sample, and e2e_tps counts the output tokens of all requests over the time of the
// loop.
type Throughput struct{}

// ThroughputParams are the parameters of throughput.
type ThroughputParams struct {
	Models   param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern such as *-3b (default: all)"`
	Depths   suites.Sizes `yaml:"depths" doc:"context tokens before the first generated one"`
	Batches  suites.Sizes `yaml:"batches" doc:"batch sizes (default: 1, or none with max_batch)"`
	MaxBatch bool         `yaml:"max_batch" doc:"also find the largest batch that fits into memory"`
	Memory   suites.Size  `yaml:"memory" doc:"memory for max_batch: weights, caches and workspace (default: the suite's memory, or the device profile's)"`
	Prefills int          `yaml:"prefills" doc:"number of timed prefills"`
	Generate int          `yaml:"generate" doc:"generated tokens per sequence"`
	Steps    int          `yaml:"steps" doc:"number of timed steps, from the middle of the generation; the total time is extrapolated (default: all)"`
	Samples  int          `yaml:"samples" doc:"number of blocks of timed steps, one sample each; a gate needs 10 or more"`
	Warmup   int          `yaml:"warmup" doc:"untimed steps before the timed ones; if not 0, an untimed prefill precedes the timed ones too"`
}

// Name is "throughput".
func (Throughput) Name() string { return "throughput" }

// About returns a one-line description.
func (Throughput) About() string {
	return "decoded tokens/s at a depth and batch, with and without prefill, and the largest batch that fits"
}

// Params returns the defaults.
func (Throughput) Params() any {
	return &ThroughputParams{Depths: suites.Sizes{0, 4 << 10}, Prefills: 1, Generate: 64, Samples: 8, Warmup: 2}
}

// Plan makes a case for each depth and batch, and one for each depth's largest batch.
func (Throughput) Plan(p *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	a := *params.(*ThroughputParams)
	if ok, err := wanted(p, a.Models, m); !ok {
		return nil, err
	}
	if err := a.check(p); err != nil {
		return nil, err
	}
	batches := len(a.Batches)
	if a.MaxBatch {
		batches++
	}
	if err := p.Count(len(a.Depths), batches); err != nil {
		return nil, err
	}
	s := targetOf(p, m)
	if s.computed {
		a.Prefills, a.Steps, a.Samples, a.Warmup = 1, 0, 1, 0
	}
	memory, err := a.memory(p, m, s)
	if err != nil {
		return nil, err
	}
	var cases []suites.Case
	for _, d := range a.Depths {
		c := throughputCase{target: s, depth: int(d),
			prefills: a.Prefills, generate: a.Generate, steps: a.Steps, samples: a.Samples, warmup: a.Warmup}
		for _, b := range a.Batches {
			c.batch = int(b)
			cases = append(cases, c.plan(m))
		}
		if a.MaxBatch {
			c.memory = memory
			c.batch = largestBatch(s, c.capacity(), memory)
			cases = append(cases, c.plan(m))
		}
	}
	return cases, nil
}

// check reports the first problem and fills in the default batch.
func (a *ThroughputParams) check(p *suites.Planner) error {
	if err := checkSizes(p, "depths", a.Depths, 0); err != nil {
		return err
	}
	if err := checkCount(p, "prefills", a.Prefills, 1, maxSamples); err != nil {
		return err
	}
	if err := checkCount(p, "generate", a.Generate, 1, maxTokens); err != nil {
		return err
	}
	if err := checkCount(p, "steps", a.Steps, 0, a.Generate); err != nil {
		return err
	}
	if err := checkCount(p, "samples", a.Samples, 1, a.timed()); err != nil {
		return err
	}
	if err := checkCount(p, "warmup", a.Warmup, 0, maxSamples); err != nil {
		return err
	}
	if len(a.Batches) == 0 && !a.MaxBatch {
		a.Batches = suites.Sizes{1}
	}
	for _, b := range a.Batches {
		if b < 1 || b > maxBatch {
			return p.Errorf("batches: %d, expected 1 to %d", b, maxBatch)
		}
	}
	if a.Memory > 0 && !a.MaxBatch {
		return p.Errorf("memory is for max_batch, which is not asked for")
	}
	return nil
}

// timed is the number of steps that are timed.
func (a *ThroughputParams) timed() int {
	if a.Steps == 0 {
		return a.Generate
	}
	return a.Steps
}

// memory returns the budget of the largest batch.
func (a *ThroughputParams) memory(p *suites.Planner, m *suites.Target, s target) (int64, error) {
	switch {
	case !a.MaxBatch:
		return 0, nil
	case a.Memory > 0:
		return int64(a.Memory), nil
	case m.Options.MemoryBudget > 0:
		return m.Options.MemoryBudget, nil
	case s.computed && s.machine != nil:
		return s.machine.Memory, nil
	}
	return 0, p.Errorf("max_batch needs memory: how many bytes the batch may take")
}

// largestBatch computes the number of sequences, with a capacity of tokens each, that fit into
// memory.
func largestBatch(s target, tokens int, memory int64) int {
	return sort.Search(maxBatch, func(b int) bool { return s.bytes(tokens, b+1).Total() > memory })
}

type throughputCase struct {
	target
	depth, batch                        int
	memory                              int64 // the budget if batch is the largest one that fits; else 0
	prefills, generate, samples, warmup int
	steps                               int // number of timed steps; 0: all
}

func (c throughputCase) capacity() int { return c.depth + c.warmup + c.generate }

// timed returns the number of timed steps; skipped returns the number of steps before them that are
// replaced by a prefill.
func (c throughputCase) timed() int {
	if c.steps == 0 {
		return c.generate
	}
	return c.steps
}

func (c throughputCase) skipped() int { return (c.generate - c.timed()) / 2 }

func (c throughputCase) plan(m *suites.Target) suites.Case {
	params := c.params(map[string]any{"depth": c.depth, "batch": c.batch,
		"prefills": c.prefills, "generate": c.generate, "samples": c.samples, "warmup": c.warmup})
	if c.steps > 0 { // absent otherwise, so that ids of earlier journals remain valid
		params["steps"] = c.steps
	}
	label := fmt.Sprintf("throughput @ %s x %d", suites.Size(c.depth), c.batch)
	if c.memory > 0 {
		// The largest batch is a result, so cases of different models are grouped by the budget.
		params["batch"], params["memory"] = "max", c.memory
		label = fmt.Sprintf("throughput @ %s x max", suites.Size(c.depth))
	}
	prefills := float64(c.prefills)
	if c.warmup > 0 {
		prefills++
	}
	needs := []runners.Capability{runners.Step}
	if c.batch > 1 {
		needs = append(needs, runners.Fork)
	}
	if c.memory > 0 {
		needs = append(needs, runners.Costed)
	}
	out := suites.Case{
		Label:       label,
		Params:      params,
		Work:        slices.Concat(c.prefill(c.depth, 0, prefills), c.prefill(c.skipped(), c.depth, 1), c.middle(float64(c.warmup+c.timed()))),
		Bytes:       c.bytes(c.capacity(), c.batch).Total(),
		Least:       c.least(c.capacity(), c.batch),
		Unsupported: m.Can.Missing(needs...),
		Run:         runs(label, c.seed, c.run),
	}
	if served(m) {
		out.Unsupported, out.Run = c.unanswered(m), serves(c.answer)
	}
	return out
}

// middle returns the work of the step in the middle of the timed ones.
func (c throughputCase) middle(times float64) []suites.Phase {
	return c.step(c.depth+c.warmup+c.generate/2, c.batch, times)
}

func (c throughputCase) run(ctx context.Context, m runners.Stepper, r *result.Outcome, rng *rand.Rand, progress func(float64)) error {
	if c.batch == 0 {
		return fmt.Errorf("one sequence of %d tokens needs %d bytes with the weights, of %d there: %w",
			c.capacity(), c.bytes(c.capacity(), 1).Total(), c.memory, runners.ErrOutOfMemory)
	}
	d := &decoding{throughputCase: c, m: m, clock: runners.ClockOf(m), rng: rng}
	defer func() { d.held.close() }()
	d.meter, _ = m.(runners.Meter)
	if d.meter != nil {
		d.meter.ResetPeak()
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	progress(0.3)
	if err := d.skip(ctx); err != nil {
		return err
	}
	if err := d.fork(); err != nil {
		return err
	}
	if err := d.decode(ctx, progress); err != nil {
		return err
	}
	return d.report(r)
}
