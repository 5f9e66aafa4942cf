// Package gate parses and formats gates: conditions on a run's metrics that pass, regress or are
// undecided. Package compare evaluates them.
//
//	gate    = ["pooled"] [models "."] task "." metric (">=" | "<=") limit ["@" where]
//	limit   = number [unit]            a fixed bound:       prefill.ttft <= 250ms
//	        | number "x" "baseline"    against older runs:  throughput.decode_tps >= 0.95x baseline
//	        | number "x" models        within one run:      yoco-gret.prefill.tps >= 4x transformer
//	where   = condition {"," condition}
//	condition = size                   the context: param length, or depth where a task has no length
//	        | key ("=" | "!=" | "<=" | ">=" | "<" | ">") value
//	unit    = s ms us ns min | B KB MB GB TB KiB MiB GiB TiB | tokens/s | fraction % | Ki Mi Gi
//
// models is the name of a model, a pattern such as tiny-yoco-*, or an architecture. A key is model,
// arch, runner, label or a parameter of the case; values of = and != may be patterns. A number
// without a unit is in the metric's unit. Conditions are those of package match. "pooled" evaluates
// all matching cases of a model as one by pooling their questions, which only metrics of right and
// wrong answers allow.
package gate
