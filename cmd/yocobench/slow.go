//go:build slowdown

package main

import (
	"context"
	"strconv"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// slowdown is the fraction by which a binary built with -tags slowdown is slower, such as 0.05. The
// linker sets it. tools/calibrate checks that yocobench ab detects such binaries.
var slowdown = "0"

// slowed slows a model down: after each operation it spins for a fraction of the operation's time.
func slowed(m runners.Instance, err error) (runners.Instance, error) {
	part, bad := strconv.ParseFloat(slowdown, 64)
	if bad != nil || !(part >= 0) {
		panic("slowdown is not a number: " + slowdown)
	}
	return slowModel{m, part}, err
}

type slowModel struct {
	runners.Instance
	part float64
}

func (m slowModel) spin(start time.Time) {
	took := time.Since(start)
	for end := start.Add(took + time.Duration(m.part*float64(took))); time.Now().Before(end); {
	}
}

func (m slowModel) Prefill(ctx context.Context, s runners.Sequence, tokens []int) error {
	defer m.spin(time.Now())
	return m.Instance.Prefill(ctx, s, tokens)
}

func (m slowModel) Step(ctx context.Context, ss []runners.Sequence, tokens []int, logits [][]float32) error {
	defer m.spin(time.Now())
	return m.Instance.Step(ctx, ss, tokens, logits)
}
