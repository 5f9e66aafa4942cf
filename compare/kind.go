package compare

// Chosen tells whether any pattern fits a task's metric, as metric or task.metric. No patterns fit all.
func Chosen(patterns []string, task, metric string) bool {
	return globs(patterns, metric, task+"."+metric)
}
