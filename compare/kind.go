package compare

import "github.com/yocobench/yocobench/suites/match"

// Chosen reports whether any pattern matches a task's metric, as metric or task.metric. An empty
// list matches all.
func Chosen(patterns []string, task, metric string) bool {
	return match.Patterns(patterns).Match(metric, task+"."+metric)
}
