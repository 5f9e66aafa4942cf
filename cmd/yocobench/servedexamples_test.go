package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// programPath makes this test binary the program (TestMain) and returns its path.
func programPath(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "yocobench")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// retrieved checks the results of a run on a server that answers right.
func retrieved(t *testing.T, run string, cases int) {
	t.Helper()
	j, err := result.ReadFile(filepath.Join(run, journalName))
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Records) != cases {
		t.Errorf("%d records, want %d", len(j.Records), cases)
	}
	for _, r := range j.Records {
		if r.Status != result.OK || !r.Served || r.Task == "needle" && r.Metrics["exact"].Value != 1 {
			t.Errorf("%s: %s %s, exact %v", r.Label, r.Status, r.Reason, r.Metrics["exact"])
		}
	}
}

// answers is a server with the answers to needle.
func answers(t *testing.T) *servertest.Server {
	return servertest.Start(t, servertest.Options{Answer: func(prompt string) string {
		_, number, ok := strings.Cut(sentence(prompt), " is ")
		if !ok {
			return "a prompt of the task serving"
		}
		return number
	}})
}

// TestKubernetesServedExample validates the manifest and runs the command of its Job by hand, with
// another server: first, and as after a lost pod.
func TestKubernetesServedExample(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for Unix")
	}
	b, err := os.ReadFile("../../examples/k8s-served.yaml")
	if err != nil {
		t.Fatal(err)
	}
	docs, problems := documents(t, string(b)), schemaProblems(t)
	var kinds []string
	for _, doc := range docs {
		kinds = append(kinds, doc["kind"].(string))
		for _, p := range problems(doc) {
			t.Error(p)
		}
	}
	if want := []string{"Deployment", "Service", "ConfigMap", "Job"}; !slices.Equal(kinds, want) {
		t.Fatalf("kinds %v, want %v", kinds, want)
	}
	server, service, job := docs[0], docs[1], docs[3]
	text := at(t, docs[2], "data", "suite.yaml").(string)
	// The parts belong together: the service selects the server's pods, the suite names the service
	// and the model, and both containers have the key of one secret.
	labels := at(t, server, "spec", "template", "metadata", "labels", "app")
	model := strings.TrimPrefix(at(t, server, "spec", "template", "spec", "containers", 0, "args", 0).(string), "--model=")
	secret := at(t, server, "spec", "template", "spec", "containers", 0, "env", 0, "valueFrom", "secretKeyRef")
	url := fmt.Sprintf("http://%v:%v/v1", at(t, service, "metadata", "name"), at(t, service, "spec", "ports", 0, "port"))
	key := at(t, job, "spec", "template", "spec", "containers", 0, "env", 0)
	if labels != at(t, service, "spec", "selector", "app") || labels != at(t, server, "spec", "selector", "matchLabels", "app") ||
		fmt.Sprint(secret) != fmt.Sprint(at(t, key, "valueFrom", "secretKeyRef")) {
		t.Error("selectors or secrets differ")
	}
	for _, want := range []string{"url: " + url + "\n", "model: " + model + "\n", "key_env: " + at(t, key, "name").(string) + "\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the suite has no %q", want)
		}
	}
	if _, err := suites.Parse([]byte(text), "suite.yaml", nil, tasks()); err != nil {
		t.Error(err)
	}

	dir := t.TempDir()
	suite, out := filepath.Join(dir, "suite.yaml"), filepath.Join(dir, "served")
	text = strings.NewReplacer(url, answers(t).URL, model, servertest.Model, "/models/Qwen3-8B/tokenizer.json", "bytes", "[1Ki, 4Ki, 16Ki]", "[512, 1Ki]", "[4Ki]", "[256]", "requests: 100", "requests: 8").Replace(text)
	if err := os.WriteFile(suite, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	words := container(t, job)
	for i, w := range words {
		words[i] = strings.NewReplacer("/suite/suite.yaml", suite, "/data/served", out).Replace(w)
		if w == "yocobench" {
			words[i] = programPath(t)
		}
	}
	for range 2 {
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = append(os.Environ(), "SERVED_KEY=k")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	retrieved(t, out, 12)
}

// slurmServed starts the script of the Slurm example with a stand-in for vllm, a shell script.
func slurmServed(t *testing.T, out, url, vllm string, args ...string) *exec.Cmd {
	t.Helper()
	bin := t.TempDir()
	writeProgram(t, filepath.Join(bin, "vllm"), vllm)
	if err := os.Symlink(programPath(t), filepath.Join(bin, "yocobench")); err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSuffix(url[strings.LastIndex(url, ":")+1:], "/v1")
	cmd := exec.Command("bash", append([]string{"../../examples/slurm-served.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "MODEL="+servertest.Model, "TOKENIZER=bytes", "PORT="+port, "OUT="+out)
	return cmd
}

// TestSlurmServedExample runs the script: to its end, again, with a server that ends, and with the
// signal before the time limit.
func TestSlurmServedExample(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the script is for Unix")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		testenv.Missing(t, "no bash: %v", err)
	}
	url := answers(t).URL
	out := filepath.Join(t.TempDir(), "the served")
	short := []string{"--set", "tasks.needle.lengths=[512, 1Ki]", "--set", "tasks.serving.lengths=[256]", "--set", "tasks.serving.requests=8", "--reports", "csv"}
	ended := filepath.Join(t.TempDir(), "ended")
	stays := fmt.Sprintf("trap 'echo $1 >>%s; exit' TERM\necho \"$VLLM_API_KEY\" >%s.key\nwhile :; do sleep 0.1; done\n", ended, ended)
	for range 2 {
		if text, err := slurmServed(t, out, url, stays, short...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	retrieved(t, filepath.Join(out, "run"), 12)
	waitFor(t, "both servers to end", func() bool {
		b, _ := os.ReadFile(ended)
		return string(b) == "serve\nserve\n"
	})
	if b, err := os.ReadFile(ended + ".key"); err != nil || len(strings.TrimSpace(string(b))) != 32 {
		t.Errorf("the key of the server is %q (%v)", b, err)
	}

	// Nothing listens at this port. The wait for the server ends with it.
	out = filepath.Join(t.TempDir(), "served")
	text, err := slurmServed(t, out, "http://127.0.0.1:1/v1", "echo no GPU >&2; exit 1", short...).CombinedOutput()
	if log, _ := os.ReadFile(out + "/server.log"); err == nil || !strings.Contains(string(text), "the server ended") || string(log) != "no GPU\n" {
		t.Errorf("a server that ends: %v\n%s\nlog: %s", err, text, log)
	}

	slow := servertest.Start(t, servertest.Options{Handler: func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(100 * time.Millisecond)
		return false
	}})
	out = filepath.Join(t.TempDir(), "served")
	cmd := slurmServed(t, out, slow.URL, stays, append(short, "--set", "tasks.needle.trials=100")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a case", func() bool {
		b, _ := os.ReadFile(filepath.Join(out, "run", journalName))
		return strings.Contains(string(b), `"type":"case"`)
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("after SIGTERM: %v", err)
	}
	j, err := readRun(filepath.Join(out, "run"))
	if err != nil || len(j.Records) == 0 || len(j.Records) == 12 {
		t.Errorf("after SIGTERM: %d records, %v", len(j.Records), err)
	}
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
