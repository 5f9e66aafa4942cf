package llamacpp

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

var (
	//go:embed server.py
	server string
	//go:embed python_server.py
	pythonServer string
)

// Options are the settings of a server. It computes in float32 if the model is float32.
type Options struct {
	// Model is the path of a GGUF file. Alias is its name in the API, the path if empty.
	Model, Alias string
	// Context is the number of tokens of each slot. A slot answers one request at a time.
	Context, Slots int
	// Key is the API key that requests must carry, none if empty.
	Key string
	// Threads is the number of threads, 1 if 0. Threads of llama.cpp wait for each other actively,
	// so more than one are slow on a busy machine.
	Threads int
}

// Start starts llama.cpp's own server and returns its URL, without a path. The server ends with the
// test. It needs the Python that tools/llamaserver.sh prints.
func Start(t testing.TB, o Options) (url string) {
	t.Helper()
	return start(t, testenv.Download(t, "YOCOBENCH_LLAMASERVER", "tools/llamaserver.sh"), server, o)
}

// StartPython starts the server of llama-cpp-python, which has one slot. It needs the Python that
// tools/peers/llama_cpp_python.py prints. The build takes minutes, so CI does not run these tests.
func StartPython(t testing.TB, python string, o Options) (url string) {
	t.Helper()
	return start(t, python, pythonServer, o)
}

func start(t testing.TB, python, script string, o Options) string {
	t.Helper()
	o.Slots, o.Threads = max(o.Slots, 1), max(o.Threads, 1)
	settings, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", script, string(settings))
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		// The server also ends if the test process is killed: its standard input is closed then.
		_ = in.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		t.Fatalf("the server of llama.cpp did not start: %v\n%s", err, &log)
	}
	t.Cleanup(stop)
	return strings.TrimSpace(line)
}
