package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// Verify is Expecting with the expected tensors at their usual place.
func Verify(ctx context.Context, dir string, runner runners.Runner, o runners.Options) (Report, error) {
	return Expecting(ctx, dir, "", runner, o)
}

// Expecting computes every text of a fixture folder on a runner in every mode and reports the
// errors. Wrong numbers result in a Report that is not OK; an error means that something could not
// be computed at all.
//
// The expected tensors of a GGUF file or a folder of Hugging Face are in the file expect; those of
// other folders are in the folder, and expect is empty.
func Expecting(ctx context.Context, dir, expect string, runner runners.Runner, o runners.Options) (r Report, err error) {
	return verify(ctx, dir, expect, runner, o, longest)
}

// Limited is Verify with single steps over only the last steps tokens of each text. If steps is 0,
// it omits all modes that append a text token by token.
func Limited(ctx context.Context, dir string, runner runners.Runner, o runners.Options, steps int) (Report, error) {
	return verify(ctx, dir, "", runner, o, steps)
}

func verify(ctx context.Context, dir, expect string, runner runners.Runner, o runners.Options, steps int) (r Report, err error) {
	f, err := openFixture(dir, expect)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	m, err := runner.Load(f.config, f.weights, o)
	if err != nil {
		return Report{}, fmt.Errorf("%s: loading the model: %w", dir, err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	tier := o.Tier
	if tier == "" {
		tier = runner.Device().Tier
	}
	v := &verifier{
		ctx: ctx, model: m, texts: f.texts, longest: steps,
		report: Report{Dir: dir, Model: f.config.Name, Runner: runner.Name(), Tier: tier, Tolerance: f.tolerance(o)},
	}
	for _, t := range f.texts {
		for _, w := range []struct {
			name  string
			run   func(text) error
			steps bool
		}{
			{"inspect", v.inspect, false},
			{"score", v.score, false},
			{"prefill+score", v.prefillScore, false},
			{"prefill+step", v.prefillStep, false},
			{"steps", v.steps, true},
			{"fork", v.fork, true},
			{"truncate", v.truncate, true},
			{"greedy", v.greedy, true},
			{"early exit", v.earlyExit, false},
		} {
			if w.steps && steps == 0 {
				continue
			}
			if err := w.run(t); err != nil {
				return v.report, fmt.Errorf("%s: %s: %s: %w", dir, t.prefix, w.name, err)
			}
		}
	}
	if err := v.batch(); err != nil {
		return v.report, fmt.Errorf("%s: chunks+batch: %w", dir, err)
	}
	return v.report, nil
}

// verifier is one run of Verify.
type verifier struct {
	ctx   context.Context
	model runners.Instance
	texts []text
	// longest is the number of tokens at the end of a text that "steps" appends one by one.
	longest int
	report  Report
}

// meter starts a check. Finish using it before starting the next one.
func (v *verifier) meter(t text, tensor, mode string) meter {
	v.report.Checks = append(v.report.Checks, Check{Text: t.prefix, Tensor: tensor, Mode: mode})
	return meter{&v.report.Checks[len(v.report.Checks)-1]}
}

// sequence makes a sequence with room for room tokens, passes it to use, and closes it.
func (v *verifier) sequence(room int, use func(runners.Sequence) error) error {
	s, err := v.model.NewSequence(room)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}

// prefill appends ids, if there are any.
func (v *verifier) prefill(s runners.Sequence, ids []int) error {
	if len(ids) == 0 {
		return nil
	}
	n := s.Len()
	if err := v.model.Prefill(v.ctx, s, ids); err != nil {
		return err
	}
	return checkLen(s, n+len(ids))
}

// step appends one id to one sequence and returns the logits of the next token.
func (v *verifier) step(s runners.Sequence, id int) ([]float32, error) {
	logits := [][]float32{make([]float32, v.model.Config().Vocab)}
	n := s.Len()
	if err := v.model.Step(v.ctx, []runners.Sequence{s}, []int{id}, logits); err != nil {
		return nil, err
	}
	return logits[0], checkLen(s, n+1)
}

// follow steps through ids[from:to] and compares the logits of each step.
func (v *verifier) follow(s runners.Sequence, t text, want tensor, m meter, from, to int) error {
	for i := from; i < to; i++ {
		logits, err := v.step(s, t.ids[i])
		if err != nil {
			return err
		}
		m.values(i, logits, want.row(i))
	}
	return nil
}

// checkLen returns an error, not a problem, because a wrong length invalidates everything after it.
func checkLen(s runners.Sequence, want int) error {
	if s.Len() != want {
		return fmt.Errorf("the sequence reports a length of %d tokens, want %d", s.Len(), want)
	}
	return nil
}
