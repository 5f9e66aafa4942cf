package compare

import "github.com/yocobench/yocobench/suites/result"

// KindOf tells what kind of number a record's metric is.
func KindOf(r *result.Record, m result.Metric) Kind { return kindOf(r, m) }
