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

// Download returns the path in an environment variable of a test's published file or folder. Where
// it is not set, Missing ends the test and names the script that downloads it and prints the path.
func Download(t testing.TB, variable, script string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		Missing(t, "%s is not set to the path that %s prints", variable, script)
	}
	return path
}

// SmolLM2 returns the path of SmolLM2-135M-Instruct's GGUF file.
func SmolLM2(t testing.TB) string {
	t.Helper()
	return Download(t, "YOCOBENCH_SMOLLM2", "tools/smollm2.sh")
}
