// Package memory holds the three tasks that ask what a context costs:
//
//	kv          in memory: bytes by part, as held and by arithmetic
//	prefill     in time to the first token
//	throughput  in decoding speed at a depth and batch, prefill counted or not
//
// The same code measures and computes. Time is read from runners.ClockOf(model)
// and bytes from model.Usage(): a device works and is watched, the analytic
// runner turns a clock of its own. For computed cases samples, steps and warm-up
// are dropped, since repetition would give the same number again.
package memory

import "github.com/yocobench/yocobench/suites"

// Tasks lists the package's tasks.
func Tasks() []suites.Task { return []suites.Task{KV{}, Prefill{}, Throughput{}} }
