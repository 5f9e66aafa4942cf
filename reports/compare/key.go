package compare

import (
	"fmt"

	"github.com/yocobench/yocobench/suites/result"
)

// RunKey tells runs apart, wherever they lie: two copies of one run have the same.
func RunKey(j *result.Journal) string {
	key := ""
	for _, h := range j.Runs {
		key += fmt.Sprintln(h.Start, h.SuiteHash, h.Env.CPU)
	}
	for _, r := range j.Records {
		key += fmt.Sprintln(r.Case, r.Start, r.Seconds)
	}
	return key
}
