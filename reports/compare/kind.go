package compare

import "github.com/yocobench/yocobench/suites/result"

// KindOf tells what kind of number a record's metric is.
func KindOf(r *result.Record, m result.Metric) Kind { return kindOf(r, m) }

// Chosen tells whether any pattern fits a task's metric, as metric or task.metric. No patterns fit all.
func Chosen(patterns []string, task, metric string) bool {
	return globs(patterns, metric, task+"."+metric)
}
