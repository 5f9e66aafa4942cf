package main

import (
	"strings"
	"testing"
)

// TestPortable checks that the stored command line reveals no folder of the machine, wherever it
// contains a path.
func TestPortable(t *testing.T) {
	for arg, want := range map[string]string{
		"/home/me/s.yaml":                        "s.yaml",
		"/home/my own/s.yaml":                    "s.yaml",
		"--out=/home/my own/out":                 "--out=out",
		"-o/home/me/out":                         "-oout",
		"runs/a/b":                               "runs/a/b",
		"-t2":                                    "-t2",
		"../a":                                   "../a",
		"--filter=model=a/b":                     "--filter=model=a/b",
		"models=[/home/me/ck, ck2]":              "models=[ck, ck2]",
		"models=[{name: q, model: /home/me/ck}]": "models=[{name: q, model: ck}]",
		`models=["/home/me/ck"]`:                 `models=["ck"]`,
		"tasks.nll.corpus=files:/home/me/book.tx": "tasks.nll.corpus=files:book.tx",
		"--set=models=[/home/me/模型甲]":             "--set=models=[模型甲]",
		"prefill.ttft <= 1.05x baseline":          "prefill.ttft <= 1.05x baseline",
	} {
		if got := portable([]string{arg})[0]; strings.Trim(got, "'") != want {
			t.Errorf("%s: got %s, want %s", arg, got, want)
		}
	}
}
