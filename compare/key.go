package compare

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yocobench/yocobench/suites/result"
)

// RunKey returns a hash that identifies a run: equal for copies of one run, different for different
// runs.
func RunKey(j *result.Journal) string {
	h := sha256.New()
	for _, run := range j.Runs {
		fmt.Fprintln(h, run.Start, run.SuiteHash, run.Env.CPU)
	}
	for i := range j.Records {
		r := &j.Records[i]
		fmt.Fprintln(h, r.Case, r.Start, r.Seconds)
	}
	return hex.EncodeToString(h.Sum(nil))
}
