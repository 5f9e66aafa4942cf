package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/internal/testenv"
)

// action is the part of action.yml that a shell can run.
type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Steps []struct {
			Name, Run, Shell string
			Env              map[string]string
		}
	}
}

var expression = regexp.MustCompile(`\$\{\{ *([a-z._-]+) *\}\}`)

// actionRun runs the steps of action.yml as GitHub's runner does.
type actionRun struct {
	t      *testing.T
	dir    string
	values map[string]string // values of expressions
}

// run runs the steps up to the first that fails. It returns the exit code, the output and the job's
// summary.
func (r *actionRun) run(a action, inputs map[string]string) (code int, output, summary string) {
	r.t.Helper()
	for name, in := range a.Inputs {
		r.values["inputs."+name] = in.Default
	}
	for name, v := range inputs {
		if _, ok := a.Inputs[name]; !ok {
			r.t.Fatalf("the action has no input %s", name)
		}
		r.values["inputs."+name] = v
	}
	files := map[string]string{"GITHUB_STEP_SUMMARY": filepath.Join(r.dir, "summary"), "GITHUB_OUTPUT": filepath.Join(r.dir, "output"), "RUNNER_TEMP": r.dir}
	for _, name := range []string{"summary", "output", r.values["inputs.out"]} {
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	var out bytes.Buffer
	for _, s := range a.Runs.Steps {
		if s.Run == "" || strings.HasPrefix(s.Name, "Build") && r.values["inputs.binary"] != "" {
			continue
		}
		c := exec.Command(s.Shell, "--noprofile", "--norc", "-eo", "pipefail", "-c", s.Run)
		c.Dir, c.Stdout, c.Stderr, c.Env = r.dir, &out, &out, os.Environ()
		for k, v := range files {
			c.Env = append(c.Env, k+"="+v)
		}
		for k, v := range s.Env {
			c.Env = append(c.Env, k+"="+expression.ReplaceAllStringFunc(v, func(e string) string {
				value, ok := r.values[expression.FindStringSubmatch(e)[1]]
				if !ok {
					r.t.Fatalf("step %s: unknown expression %s", s.Name, e)
				}
				return value
			}))
		}
		err := c.Run()
		if text, err := os.ReadFile(files["GITHUB_OUTPUT"]); err == nil {
			r.values["steps.measure.outputs.verdict"] = strings.TrimPrefix(strings.TrimSpace(string(text)), "verdict=")
		}
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			code = failed.ExitCode()
			break
		} else if err != nil {
			r.t.Fatal(err)
		}
	}
	text, err := os.ReadFile(files["GITHUB_STEP_SUMMARY"])
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return code, out.String(), string(text)
}

func TestAction(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and runs suites")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		testenv.Missing(t, "needs bash to run the action's steps")
	}
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &actionRun{t, t.TempDir(), map[string]string{"github.action_path": root}}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const memory = "name: memory\nmodels: [tiny-yoco-gret]\ntasks:\n  - kv: {lengths: [1Ki], fill: false}\n"
	write("plain.yaml", memory)
	write("gated.yaml", memory+"gates: [kv.total <= 1x baseline]\n")
	write("open.yaml", "name: open\nmodels: [tiny-yoco-gret]\ntasks:\n  - prefill: {lengths: [64], samples: 2}\ngates: [prefill.ttft <= 1x baseline]\n")

	// Use the inputs of the example. Remove only the suite's budget: this machine may exceed it
	// while other tests run.
	if a.Inputs["suite"].Default != "needle-quick" {
		t.Errorf("default suite %q", a.Inputs["suite"].Default)
	}
	quick, err := os.ReadFile("../../suites/needle-quick.yaml")
	if err != nil {
		t.Fatal(err)
	}
	patient := regexp.MustCompile(`(?m)^budget: .*$`).ReplaceAllString(string(quick), "budget: 10m")
	if patient == string(quick) {
		t.Fatal("needle-quick has no budget")
	}
	write("patient.yaml", patient)
	code, out, summary := r.run(a, map[string]string{"suite": "patient.yaml", "base": "", "gates": "needle.exact >= 10% @ 256\n\nneedle.contains >= 1%\n"})
	if code != 0 || !strings.Contains(out, "yocobench: passed") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for _, want := range []string{"## Gates: passed", "pooled needle.exact &gt;= 80%", "needle.exact &gt;= 10% @ 256", "# yocobench needle-quick", "| **pooled** |"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary)
		}
	}
	if strings.Contains(summary, "![") {
		t.Errorf("the summary refers to pictures that it cannot contain:\n%s", summary)
	}
	for _, name := range []string{"run/needle.png", "run/report.html", "junit.xml", "gobench.txt", "github-action-benchmark/bigger.json"} {
		if info, err := os.Stat(filepath.Join(r.dir, "yocobench-results", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}

	binary := filepath.Join(r.dir, "yocobench", "yocobench")
	for _, c := range []struct {
		inputs map[string]string
		code   int
		output string
	}{
		{map[string]string{"suite": "plain.yaml"}, 0, "yocobench: passed"},
		{map[string]string{"suite": "plain.yaml", "gates": "kv.total <= 1B"}, 3, "::error::yocobench: a gate regressed"},
		{map[string]string{"suite": "plain.yaml", "gates": "kv.peak <= 1GB"}, 1, "::error::yocobench: a case failed, or a gate lacks its data"},
		{map[string]string{"suite": "none.yaml"}, 1, "cannot read the suite none.yaml"},
		{map[string]string{"suite": "", "base": binary, "ab-suite": "gated.yaml"}, 0, "yocobench: passed"},
		{map[string]string{"suite": "plain.yaml", "base": "no-such-ref", "ab-suite": "gated.yaml"}, 1, "no such binary, checkout or git ref"},
		{map[string]string{"suite": "", "base": binary, "ab-suite": "open.yaml", "budget": "1ms"}, 0, "::warning::yocobench: a gate is undecided"},
		{map[string]string{"suite": "", "base": binary, "ab-suite": "open.yaml", "budget": "1ms", "undecided": "fail"}, 4, "::error::yocobench: a gate is undecided"},
		{map[string]string{"suite": "plain.yaml", "gates": "kv.total <= 1B", "base": binary, "ab-suite": "open.yaml", "budget": "1ms"}, 3, "::error::yocobench: a gate regressed"},
	} {
		c.inputs["binary"] = binary
		code, out, summary := r.run(a, c.inputs)
		if code != c.code || !strings.Contains(out, c.output) {
			t.Errorf("%v: exit code %d, want %d with %q\n%s", c.inputs, code, c.code, c.output, out)
		}
		if c.inputs["base"] == binary && !strings.Contains(summary, "## A/B gates: ") {
			t.Errorf("%v: no verdicts in the summary:\n%s", c.inputs, summary)
		}
	}
}
