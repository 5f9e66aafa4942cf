// Package cpu runs models on the processor: it implements runners.Ops with the
// kernels of kernels/cpu, on worker threads, and accounts for every
// byte that it holds.
//
//	runner.go   the Runner: which kernel tier, how many threads
//	ops.go      buffers, parts and counts; linear.go, rows.go, rope.go, kv.go, attend.go,
//	            flash.go, decode.go, retain.go and logprobs.go one operation each
//	chain.go    norms and products of many rows, one after the other on the rows of a worker
//	memory.go   the pool that counts memory by part and refuses what is over budget
//	workers.go  the worker threads
//	peaks.go    what this machine can do: the limits shown next to speeds
//
// Results do not depend on the number of threads, bit for bit.
package cpu

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/arch"
)

// Runner runs models on this machine's processor.
type Runner struct{}

// New returns the CPU runner.
func New() *Runner { return &Runner{} }

// Name is "cpu".
func (*Runner) Name() string { return "cpu" }

// Device describes the processor, with the kernel tier and threads that Load takes by default.
func (*Runner) Device() runners.Device {
	d, _ := Describe(runners.Options{})
	return d
}

// Describe describes the processor with the tier, threads and memory that Load
// takes with opts. A tier that cannot be used is an error that lists those that can.
func Describe(opts runners.Options) (runners.Device, error) {
	d := runners.Device{Kind: "cpu", Name: processorName(), Threads: opts.Threads, Memory: opts.MemoryBudget}
	if d.Name == "" {
		d.Name = runtime.GOARCH
	}
	if d.Threads <= 0 {
		d.Threads = defaultThreads()
	}
	if d.Memory <= 0 {
		d.Memory = machineMemory()
	}
	k, why, err := cpu.Choose(opts.Tier)
	if err != nil {
		return d, err
	}
	d.Tier, d.Why = k.Name, why
	return d, nil
}

// Load lays out the weights and makes the model. Weights and caches are held
// as float32 or bfloat16, as opts say; float16 is not held (stored float16 is
// converted). Where weights are bfloat16 and the tier has bfloat16 arithmetic,
// activations are rounded to bfloat16 for products with them, and queries and
// probabilities likewise for products with bfloat16 caches; all sums are
// float32. With float32 weights and caches everything is float32 in every tier.
func (*Runner) Load(cfg runners.Config, w runners.Weights, opts runners.Options) (runners.Instance, error) {
	o, err := open(opts)
	if err != nil {
		return nil, err
	}
	// Weights that do not fit are refused at once, not when they have filled the memory.
	if cfg.Validate() == nil {
		need := cfg.HeldBytes(0, 0, runners.Types{Weights: o.opts.Weights, KV: o.opts.KV}, 0).Weights
		if need > o.pool.account.Budget() {
			return nil, errors.Join(fmt.Errorf("load %s: %w: its weights are %s, and %s are allowed", cfg.Name, runners.ErrOutOfMemory, runners.FormatBytes(need), runners.FormatBytes(o.pool.account.Budget())), o.Close())
		}
	}
	return arch.New(cfg, w, o, opts) // closes o where it fails
}

func open(opts runners.Options) (*ops, error) {
	k, _, err := cpu.Choose(opts.Tier)
	if err != nil {
		return nil, err
	}
	return newOps(opts, k)
}

// TierStatus is a kernel tier and whether this machine has it.
type TierStatus struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	// Why says what the tier needs, or what of it is missing.
	Why string `json:"why"`
}

// Tiers lists all kernel tiers, the fastest first.
func Tiers() []TierStatus {
	var s []TierStatus
	for _, t := range cpu.Tiers() {
		why := "needs " + t.Needs
		switch {
		case !t.Available():
			why = "this machine lacks " + t.Missing
		case t.Needs == "":
			why = "runs everywhere"
		}
		s = append(s, TierStatus{t.Name, t.Available(), why})
	}
	return s
}

// Features names the processor's features that decide about tiers and that it has.
func Features() []string { return cpu.Features() }
