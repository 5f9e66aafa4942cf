// Package memory contains the three tasks that measure the cost of a context:
//
//	kv          in memory: bytes by part, as held and by arithmetic
//	prefill     in time to the first token
//	throughput  in decoding speed at a depth and batch, prefill counted or not
//
// The same code measures and computes. Time comes from runners.ClockOf(model) and bytes from
// model.Usage(); the analytic runner advances a virtual clock. Computed cases skip warm-up and
// repeated samples and steps, because repetition would give the same numbers.
package memory

import "github.com/yocobench/yocobench/suites"

// Tasks lists the package's tasks.
func Tasks() []suites.Task { return []suites.Task{KV{}, Prefill{}, Throughput{}} }
