package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/yocobench/yocobench/internal/servertest"
)

// TestMain lets the scripts in testdata/script run this test binary as yocobench.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yocobench": main})
}

func TestScripts(t *testing.T) {
	cache, err := exec.Command("go", "env", "GOCACHE").Output() // for scripts that build
	if err != nil {
		t.Fatal(err)
	}
	trained, err := filepath.Abs("../../runners/checkpoint/tiny/tiny-yoco-gret")
	if err != nil {
		t.Fatal(err)
	}
	pth, err := filepath.Abs("../../runners/checkpoint/testdata/torch")
	if err != nil {
		t.Fatal(err)
	}
	const key = "sk-kL9zQ-secret"
	served := servertest.Start(t, servertest.Options{Key: key, Owner: "vllm", Context: 8192, Echo: servertest.Correct, Answer: findNumber(key)})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Condition: func(name string) (bool, error) {
			if name != "strace" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			// A container may forbid tracing.
			return exec.Command("strace", "-o", os.DevNull, "-e", "inject=fsync:error=EINVAL", "true").Run() == nil, nil
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("TRAINED", trained)
			e.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
			e.Setenv("CHECKPOINT", trained)
			e.Setenv("PTH", pth)
			e.Setenv("SERVED", served.URL)
			e.Setenv("SERVED_KEY", key)
			return nil
		},
	})
}

// findNumber returns a function that answers a needle task's questions correctly and then says the
// key, as no server should.
func findNumber(key string) func(string) string {
	question := regexp.MustCompile(`The secret number of (\w+) is $`)
	return func(prompt string) string {
		q := question.FindStringSubmatch(prompt)
		if q == nil {
			return ""
		}
		_, after, _ := strings.Cut(prompt, "The secret number of "+q[1]+" is ")
		number, _, _ := strings.Cut(after, ".")
		return number + key + "\n"
	}
}
