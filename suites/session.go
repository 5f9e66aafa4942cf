package suites

import (
	"context"

	"github.com/yocobench/yocobench/suites/result"
)

// Session runs cases of a plan one at a time, as often as it is asked, and keeps their models
// loaded in between.
type Session struct{ r *run }

// NewSession makes a session. It knows no budget, and appends to no journal.
func (p *Plan) NewSession() *Session {
	free := *p.Suite
	free.Budget = 0
	plan := *p
	plan.Suite = &free
	return &Session{&run{plan: &plan, obs: unobserved{}, start: p.now(), backlog: newBacklog(nil), loaded: map[*Target]*loaded{}}}
}

// Run runs a case and returns its record. An error is ctx's: a case that fails is a record.
func (s *Session) Run(ctx context.Context, c *PlannedCase) (*result.Record, error) {
	rec, err := s.r.one(ctx, c)
	if rec != nil {
		err = nil
	}
	return rec, err
}

// Close closes the models.
func (s *Session) Close() { s.r.unload() }

// unobserved is an Observer that looks away.
type unobserved struct{}

func (unobserved) Begin(int, float64)           {}
func (unobserved) Case(*PlannedCase)            {}
func (unobserved) Fraction(float64)             {}
func (unobserved) Done(*result.Record, float64) {}
