// Package testenv skips or fails tests whose requirements this machine lacks.
package testenv

import (
	"os"
	"testing"
)

// noSkip is the environment variable that is set to 1 if every test must run, as in CI.
const noSkip = "YOCOBENCH_NO_SKIP"

// Missing skips a test that the machine cannot run, or fails it if YOCOBENCH_NO_SKIP is 1. The
// message names what is missing and, if possible, how to get it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(noSkip) == "1" {
		t.Fatalf(format+", and "+noSkip+"=1", args...)
	}
	t.Skipf(format, args...)
}
