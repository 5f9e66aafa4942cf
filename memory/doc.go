// Package memory implements the three tasks that measure the cost of a context:
//
//	kv          memory: bytes by part, held and computed
//	prefill     time to the first token
//	throughput  decoding speed at a depth and batch, with and without prefill
//
// The same code measures and computes. It reads time from runners.ClockOf(model) and bytes from
// model.Usage(); the analytic runner advances a virtual clock. Computed cases have no repetitions,
// steps or warm-up, because they would give the same numbers.
package memory

import "github.com/yocobench/yocobench/suites"

// Tasks lists the package's tasks.
func Tasks() []suites.Task { return []suites.Task{KV{}, Prefill{}, Throughput{}} }
