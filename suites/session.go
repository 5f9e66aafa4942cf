package suites

import (
	"context"

	"github.com/yocobench/yocobench/suites/result"
)

// Session runs cases of a plan on request, any number of times, and keeps their models loaded in
// between.
type Session struct{ r *run }

// NewSession returns a session, which has no budget and no journal.
func (p *Plan) NewSession() *Session {
	free := *p.Suite
	free.Budget = 0
	plan := *p
	plan.Suite = &free
	return &Session{&run{plan: &plan, obs: unobserved{}, start: p.now(), backlog: newBacklog(nil), loaded: map[*Target]*loaded{}}}
}

// Run runs a case and returns its record. A failed case has a record too; the only error is that of
// ctx.
func (s *Session) Run(ctx context.Context, c *PlannedCase) (*result.Record, error) {
	rec, err := s.r.one(ctx, c)
	if rec != nil {
		err = nil
	}
	return rec, err
}

// Close closes the models.
func (s *Session) Close() { s.r.unload() }

// unobserved is an Observer that does nothing.
type unobserved struct{}

func (unobserved) Begin(int, float64)           {}
func (unobserved) Case(*PlannedCase)            {}
func (unobserved) Fraction(float64)             {}
func (unobserved) Done(*result.Record, float64) {}
