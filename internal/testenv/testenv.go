// Package testenv decides what becomes of a test on a machine that lacks what the test needs.
package testenv

import (
	"os"
	"testing"
)

// noSkip is the environment variable that is 1 where every test must run, as in CI.
const noSkip = "YOCOBENCH_NO_SKIP"

// Missing skips a test that the machine cannot run; where YOCOBENCH_NO_SKIP is 1, the test fails.
// The text says what is missing and, where it can be had, how to get it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(noSkip) == "1" {
		t.Fatalf(format+", and "+noSkip+"=1", args...)
	}
	t.Skipf(format, args...)
}
