// Package cpu runs models on the CPU: it implements runners.Ops with the kernels of kernels/cpu on
// worker threads, and accounts for all memory that it holds.
//
//	runner.go   the Runner: choice of kernel tier and threads
//	ops.go      buffers, parts and counts; linear.go, rows.go, rope.go, kv.go, attend.go,
//	            flash.go, decode.go, retain.go and logprobs.go have one operation each
//	chain.go    fused norms and products of many rows
//	memory.go   the pool that counts memory by part and enforces the budget
//	workers.go  the worker threads
//	peaks.go    the machine's peak rates, shown as limits next to speeds
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

// Runner runs models on this machine's CPU.
type Runner struct{}

// New returns the CPU runner.
func New() *Runner { return &Runner{} }

// Name is "cpu".
func (*Runner) Name() string { return "cpu" }

// Device describes the CPU, with the default kernel tier and threads of Load.
func (*Runner) Device() runners.Device {
	d, _ := Describe(runners.Options{})
	return d
}

// Describe describes the CPU with the tier, threads and memory that Load uses for opts. If the tier
// cannot be used, the error lists those that can.
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

// Load lays out the weights and makes the model. Weights and caches are stored as float32 or
// bfloat16, as set in opts; float16 is not supported as a type in memory (stored float16 weights
// are converted). If weights are bfloat16 and the tier has bfloat16 arithmetic, activations are
// rounded to bfloat16 for products with them, and queries and probabilities for products with
// bfloat16 caches; all sums are float32. With float32 weights and caches everything is float32 in
// every tier.
func (*Runner) Load(cfg runners.Config, w runners.Weights, opts runners.Options) (runners.Instance, error) {
	o, err := open(opts)
	if err != nil {
		return nil, err
	}
	// Reject weights that do not fit before reading them into memory.
	if cfg.Validate() == nil {
		need := cfg.HeldBytes(0, 0, runners.Types{Weights: o.opts.Weights, KV: o.opts.KV}, 0).Weights
		if opts.Weights == runners.Stored {
			if need, _, err = o.storedBytes(cfg, w); err != nil {
				return nil, errors.Join(fmt.Errorf("load %s: %w", cfg.Name, err), o.Close())
			}
		}
		if need > o.pool.account.Budget() {
			return nil, errors.Join(fmt.Errorf("load %s: %w: its weights are %s, and %s are allowed", cfg.Name, runners.ErrOutOfMemory, runners.FormatBytes(need), runners.FormatBytes(o.pool.account.Budget())), o.Close())
		}
	}
	return arch.New(cfg, w, o, opts) // closes o on an error
}

func open(opts runners.Options) (*ops, error) {
	k, _, err := cpu.Choose(opts.Tier)
	if err != nil {
		return nil, err
	}
	return newOps(opts, k)
}

// TierStatus describes a kernel tier and whether this machine supports it.
type TierStatus struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	// Why says what the tier requires, or which part of that is missing.
	Why string `json:"why"`
}

// Tiers lists all kernel tiers, fastest first.
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

// Features lists the processor features that tiers require and this processor has.
func Features() []string { return cpu.Features() }
