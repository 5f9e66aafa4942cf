package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const launchSuite = "name: Hostile-suite\nmodels: [tiny-yoco-gret]\ntasks:\n  - kv: {lengths: [256, 512, 1Ki]}\n"

// hostile are words that a script must pass on unchanged.
var hostile = []string{"a b", "it's", `say "hi"`, "$(touch pwned)", "`touch pwned`", "$HOME", "$$", "$(JOB_COMPLETION_INDEX)", "line\nEND_OF_SHARD\ntouch pwned\n", "tab\there", `back\slash`, "*", "{{.Suite}}", "é\u0085\ufeff", "--- # yaml", "&anchor !tag %TAG", ""}

// hostileFlags are flags of yocobench run with hostile values.
func hostileFlags() (flags []string) {
	for _, w := range hostile {
		flags = append(flags, "--set", w)
	}
	return flags
}

// launched returns what launch prints, in a new working directory with the suite in a hostile path.
func launched(t *testing.T, kind string, args ...string) (suite, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the scripts are for Unix")
	}
	t.Chdir(t.TempDir())
	suite = "the 'suite' $(touch pwned)\nEND_OF_SHARD.yaml"
	if err := os.WriteFile(suite, []byte(launchSuite), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), append([]string{"launch", kind, suite}, args...), &out, &errs); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return suite, out.String()
}

// writeProgram writes an executable shell script.
func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// recorder is a program that appends its arguments, each followed by a zero byte, and a newline to
// a file.
func recorder(t *testing.T, name string) (path, calls string) {
	path, calls = filepath.Join(t.TempDir(), name), filepath.Join(t.TempDir(), "calls")
	writeProgram(t, path, fmt.Sprintf("{ for a; do printf '%%s\\0' \"$a\"; done; printf '\\1'; } >>'%s'\n", calls))
	return path, calls
}

// callsIn reads what a recorder wrote.
func callsIn(t *testing.T, file string) (out [][]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for call := range strings.SplitSeq(strings.TrimSuffix(string(b), "\x01"), "\x01") {
		out = append(out, strings.Split(strings.TrimSuffix(call, "\x00"), "\x00"))
	}
	return out
}

func unharmed(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("pwned"); err == nil {
		t.Error("a name was executed")
	}
}

// TestSlurmScript runs the script with a stand-in for sbatch that runs the jobs at once.
func TestSlurmScript(t *testing.T) {
	program, calls := recorder(t, "yoco bench'$(touch pwned)")
	out := "the out's $(touch pwned) 100%"
	suite, script := launched(t, "slurm", append([]string{"--nodes", "3", "--out", out, "--program", program, "--option=--comment=it's $(touch pwned)", "--"}, hostileFlags()...)...)
	bin := t.TempDir()
	sbatches := filepath.Join(bin, "sbatches")
	writeProgram(t, filepath.Join(bin, "sbatch"), `for a; do printf '%s\0' "$a"; done >>'`+sbatches+`'; printf '\1' >>'`+sbatches+`'
cat >job; SLURM_ARRAY_TASK_ID=2 SLURM_JOB_ID=9 bash job; echo "17;cluster"`)
	cmd := exec.Command("bash")
	cmd.Stdin, cmd.Env = strings.NewReader(script), append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, script)
	}
	unharmed(t)
	got := callsIn(t, calls)
	shard := out + "/shard-2"
	want := slices.Concat([]string{"run", "--shard", "auto/3", "--out", shard}, hostileFlags(), []string{"--", suite})
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("the shard was run with\n%q, want\n%q", got[0], want)
	}
	if want := []string{"merge", "--out", out + "/merged", "--"}; len(got) != 3 || !reflect.DeepEqual(got[1][:4], want) {
		t.Errorf("merged with %q, want %q", got[1:], want)
	} else if want := []string{"merge", "--partial", "--out", out + "/partial-9", "--"}; !reflect.DeepEqual(got[2][:5], want) {
		t.Errorf("what there is was merged with %q, want %q", got[2], want)
	}
	for i, want := range [][]string{{"--array=1-3", "--requeue", "--exclusive", "--comment=it's $(touch pwned)", "--output=the out's $(touch pwned) 100%%/log-%a.txt"}, {"--dependency=afterany:17"}} {
		for _, w := range want {
			if got := callsIn(t, sbatches)[i]; !slices.Contains(got, w) {
				t.Errorf("sbatch %d got %q, want %q", i, got, w)
			}
		}
	}
	// A shard that has begun is resumed.
	if err := os.MkdirAll(shard, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shard, journalName), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("bash")
	cmd.Stdin, cmd.Env = strings.NewReader(script), append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got, want := callsIn(t, calls)[3], []string{"run", "--resume", shard}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// documents decodes a YAML stream.
func documents(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		out = append(out, doc)
	}
}

// at follows keys and indexes.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch k := p.(type) {
		case string:
			v = v.(map[string]any)[k]
		case int:
			v = v.([]any)[k]
		}
	}
	return v
}

// container returns the command line of a Job's container, expanded as Kubernetes does where no
// variable of the container is defined: $$ becomes $.
func container(t *testing.T, job map[string]any) (words []string) {
	t.Helper()
	c := at(t, job, "spec", "template", "spec", "containers", 0)
	for _, key := range []string{"command", "args"} {
		for _, w := range at(t, c, key).([]any) {
			words = append(words, strings.ReplaceAll(w.(string), "$$", "$"))
		}
	}
	return words
}

// TestKubernetesCommands runs the commands of the manifest's containers by hand, with a stand-in
// for yocobench.
func TestKubernetesCommands(t *testing.T) {
	program, calls := recorder(t, "yoco bench'$(touch pwned)")
	out := "/data/the out's $(touch pwned) $$"
	_, text := launched(t, "k8s", append([]string{"--nodes", "3", "--out", out, "--program", program, "--image", "i", "--claim", "c", "--"}, hostileFlags()...)...)
	docs := documents(t, text)
	if len(docs) != 3 || at(t, docs[0], "data", "suite.yaml") != launchSuite || at(t, docs[1], "spec", "completions") != 3 || at(t, docs[1], "spec", "completionMode") != "Indexed" {
		t.Fatalf("%d documents: %v", len(docs), docs)
	}
	words := container(t, docs[1])
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "JOB_COMPLETION_INDEX=1")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	unharmed(t)
	want := slices.Concat([]string{"run", "--shard", "auto/3", "--out", out + "/shard-2"}, hostileFlags(), []string{"--", "/suite/suite.yaml"})
	if got := callsIn(t, calls)[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("the shard was run with\n%q, want\n%q", got, want)
	}
}

// TestKubernetesJobsMeasure runs the commands of the manifest's containers by hand with the real
// program, on a folder in place of the volume: one shard is run twice, as after a lost pod.
func TestKubernetesJobsMeasure(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// TestMain makes the test binary the program if it has this name.
	program := filepath.Join(t.TempDir(), "yocobench")
	volume := t.TempDir()
	_, text := launched(t, "k8s", "--nodes", "2", "--out", "/data/a sweep", "--program", program, "--image", "i", "--claim", "c", "--", "--reports", "csv", "--quiet")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	docs := documents(t, text)
	suite := filepath.Join(volume, "suite.yaml")
	if err := os.WriteFile(suite, []byte(at(t, docs[0], "data", "suite.yaml").(string)), 0o600); err != nil {
		t.Fatal(err)
	}
	execute := func(words []string, index int) {
		t.Helper()
		for i, w := range words {
			if w == "/suite/suite.yaml" { // the mounted ConfigMap
				words[i] = suite
			} else if rest, ok := strings.CutPrefix(w, "/data/"); ok { // the mounted volume
				words[i] = filepath.Join(volume, rest)
			}
		}
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = append(os.Environ(), fmt.Sprint("JOB_COMPLETION_INDEX=", index))
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", words, err, text)
		}
	}
	for _, index := range []int{0, 1, 1} {
		execute(container(t, docs[1]), index)
	}
	execute(container(t, docs[2]), 0)
	j, err := readRun(volume + "/a sweep/merged")
	if err != nil || len(j.Records) != 3 || j.Last().Merged == nil || len(j.Runs) != 4 {
		t.Errorf("%v: %v", err, j)
	}
}

// schemaProblems returns the function that validates a manifest's document with the schema that
// Kubernetes publishes.
func schemaProblems(t *testing.T) func(doc map[string]any) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/k8s-1.33.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Definitions map[string]map[string]any }
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	kinds := map[any]string{
		"batch/v1 Job": "io.k8s.api.batch.v1.Job", "v1 ConfigMap": "io.k8s.api.core.v1.ConfigMap",
		"apps/v1 Deployment": "io.k8s.api.apps.v1.Deployment", "v1 Service": "io.k8s.api.core.v1.Service",
	}
	var validate func(s map[string]any, v any, path string) []string
	validate = func(s map[string]any, v any, path string) (out []string) {
		if ref, ok := s["$ref"].(string); ok {
			return validate(schema.Definitions[ref[strings.LastIndex(ref, "/")+1:]], v, path)
		}
		kind, ok := s["type"].(string)
		format, _ := s["format"].(string)
		if allowed, ok := s["enum"].([]any); ok && !slices.Contains(allowed, v) {
			out = append(out, fmt.Sprintf("%s: %v is none of %v", path, v, allowed))
		}
		switch x := v.(type) {
		case map[string]any:
			if ok && kind != "object" {
				return append(out, path+": a mapping, expected "+kind)
			}
			properties, _ := s["properties"].(map[string]any)
			rest, _ := s["additionalProperties"].(map[string]any)
			for k, item := range x {
				p, known := properties[k].(map[string]any)
				if !known {
					p, known = rest, rest != nil
				}
				if !known {
					out = append(out, path+"."+k+": unknown field")
					continue
				}
				out = append(out, validate(p, item, path+"."+k)...)
			}
			required, _ := s["required"].([]any)
			for _, r := range required {
				if _, ok := x[r.(string)]; !ok {
					out = append(out, path+"."+r.(string)+": missing")
				}
			}
		case []any:
			if kind != "array" {
				return append(out, path+": a list, expected "+kind)
			}
			for i, item := range x {
				out = append(out, validate(s["items"].(map[string]any), item, fmt.Sprint(path, ".", i))...)
			}
		case string:
			if kind != "string" {
				out = append(out, path+": a string, expected "+kind)
			}
		case int:
			if kind != "integer" && kind != "number" && format != "int-or-string" {
				out = append(out, path+": a number, expected "+kind)
			}
		case bool:
			if kind != "boolean" {
				out = append(out, path+": a boolean, expected "+kind)
			}
		default:
			out = append(out, fmt.Sprintf("%s: %T", path, v))
		}
		return out
	}
	return func(doc map[string]any) []string {
		kind, ok := kinds[fmt.Sprint(doc["apiVersion"], " ", doc["kind"])]
		if !ok {
			return []string{fmt.Sprint("unknown kind ", doc["kind"])}
		}
		return validate(schema.Definitions[kind], doc, doc["kind"].(string))
	}
}

// TestKubernetesManifestHasTheSchema validates manifests with the schema that Kubernetes publishes.
func TestKubernetesManifestHasTheSchema(t *testing.T) {
	problems := schemaProblems(t)
	_, full := launched(t, "k8s", "--nodes", "3", "--image", "registry/a:b", "--claim", "c", "--resource", "nvidia.com/gpu=1", "--resource", "memory=64Gi", "--", "--budget", "1h")
	_, plain := launched(t, "k8s", "--nodes", "3", "--image", "registry/a:b", "--claim", "c", "--share-nodes")
	for _, doc := range append(documents(t, full), documents(t, plain)...) {
		if out := problems(doc); len(out) > 0 {
			t.Errorf("%s", strings.Join(out, "\n"))
		}
	}
	wrong := documents(t, strings.Replace(full, "completionMode", "completionModus", 1))[1]
	if out := problems(wrong); !slices.Contains(out, "Job.spec.completionModus: unknown field") {
		t.Errorf("a wrong field is valid: %v", out)
	}
}

func TestLaunchRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bad.yaml", []byte("name: x\nmodels: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("template", []byte("{{.Nothing}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	k8s := []string{"k8s", "smoke", "--nodes", "2", "--image", "i", "--claim", "c"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"slurm", "--nodes", "2"}, "which suite?"},
		{[]string{"slurm", "smoke", "kv", "--nodes", "2"}, "Exactly one"},
		{[]string{"slurm", "smoke"}, "--nodes is 1 to 100000"},
		{[]string{"slurm", "nosuch", "--nodes", "2"}, "nosuch"},
		{[]string{"slurm", "bad.yaml", "--nodes", "2"}, "bad.yaml"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--out", `a\b`}, `cannot contain \`},
		{[]string{"slurm", "smoke", "--nodes", "2", "--out", "a\nb"}, "control characters"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--name", "A b"}, "--name"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "--out=x"}, "the jobs set --shard"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "-ox"}, "--out after --: the jobs set --shard"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "-qox"}, "--out after --: the jobs set --shard"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "--shard", "1/2"}, "--shard after --: the jobs set"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "--nosuch"}, "after --: unknown flag: --nosuch"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "--help"}, "after --: "},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "--threads", "x"}, "after --: invalid argument"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--", "--quiet", "kv"}, `"kv" after --: only flags of yocobench run`},
		{[]string{"slurm", "smoke", "--nodes", "2", "--program", "-x"}, `--program "-x": expected a path`},
		{[]string{"slurm", "smoke", "--nodes", "2", "--program", ""}, `--program "": expected a path`},
		{[]string{"slurm", "smoke", "--nodes", "2", "--option", "job.sh"}, `--option "job.sh": expected an option of sbatch`},
		{append(k8s, "--out", "sweep"), "--out sweep is not on the volume"},
		{append(k8s, "--out", "/data/../tmp"), "--out /data/../tmp is not on the volume"},
		{append(k8s, "--out", "/database/x"), "--out /database/x is not on the volume"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--template", "none"}, "--template"},
		{[]string{"slurm", "smoke", "--nodes", "2", "--template", "template"}, "Nothing"},
		{[]string{"k8s", "smoke", "--nodes", "2"}, "--image and --claim are needed"},
		{append(k8s, "--resource", "x"), "expected NAME=AMOUNT"},
		{append(k8s, "--wait", "1s"), "--wait is at least"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"launch"}, c.args...), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%q: exit code %d, %s; want %q", c.args, code, &errs, c.want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	for _, kind := range [][]string{{"slurm", "smoke", "--nodes", "2", "--submit"}, append(k8s, "--submit")} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"launch"}, kind...), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "is not installed here") {
			t.Errorf("%q: exit code %d, %s", kind, code, &errs)
		}
	}
}

// TestExamples compares the examples with what the commands in docs/cluster.md print.
func TestExamples(t *testing.T) {
	for file, args := range map[string][]string{
		"../../examples/slurm-sweep.sh": {"slurm", "needle", "--nodes", "16", "--out", "sweep", "--option=--time=02:00:00", "--", "--budget", "90m"},
		"../../examples/k8s-sweep.yaml": {"k8s", "needle", "--nodes", "16", "--image", "registry.example/yocobench:latest", "--claim", "sweep", "--resource", "cpu=16", "--", "--budget", "90m"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"launch"}, args...), &out, &errs); code != exitOK {
			t.Fatalf("%q: %s", args, &errs)
		}
		if *update {
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s differs from what is printed (rewrite it with -update, and read the diff):\n%s", file, &out)
		}
	}
}
