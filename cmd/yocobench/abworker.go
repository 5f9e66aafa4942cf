package main

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/ab"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

func newWorker() *cobra.Command {
	return &cobra.Command{
		Use:    "ab-worker",
		Short:  "One side of yocobench ab: run the cases requested on standard input",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ab.Work(c.Context(), c.InOrStdin(), raw(c.OutOrStdout()), func(j ab.Job) (*suites.Plan, result.Env, error) {
				return planJob(c.Context(), j)
			})
		},
	}
}

// planJob plans a worker's job and describes the environment that it runs in.
func planJob(ctx context.Context, j ab.Job) (plan *suites.Plan, env result.Env, err error) {
	s, err := suites.Parse([]byte(j.Suite), j.File, nil, tasks())
	if err != nil {
		return nil, env, err
	}
	s.Dir = j.Dir
	d := deviceOptions{threads: j.Threads, tier: j.Tier}
	dev, err := cpu.Describe(runners.Options{Threads: d.threads, Tier: d.cpuTier()})
	if err != nil {
		return nil, env, err
	}
	if plan, err = suites.NewPlan(ctx, s, wiring(ctx, d, nil)); err != nil {
		return nil, env, err
	}
	v, commit := buildVersion()
	return plan, result.Env{
		Version: v, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPU: dev.Name, Cores: runtime.NumCPU(), Threads: dev.Threads, Memory: dev.Memory, KernelTier: dev.Tier, Why: dev.Why,
	}, nil
}
