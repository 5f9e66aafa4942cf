package suites

import (
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Process is the part of an Entry for a model in a child process.
type Process struct {
	Command        []string `yaml:"command" doc:"a model in a child process: a program and its arguments, which speaks the protocol of docs/protocol.md (instead of model). Its working directory is the suite's folder, its environment that of yocobench"`
	StartTimeout   Duration `yaml:"start_timeout" doc:"time from the start of a command to its hello (default 2m); of a server, the time to wait until it answers (default: no wait)"`
	RequestTimeout Duration `yaml:"request_timeout" doc:"time of any other answer of a command, or of a complete answer of a server (default 10m)"`
	IdleTimeout    Duration `yaml:"idle_timeout" doc:"time without a case after which a command is ended, so that it holds no memory; the next case starts it again (default 10m)"`
}

// RunnerIn returns the runner of the entry in s. A command has the runner exec, a model with a url
// the runner openai, unless the entry names another.
func (e *Entry) RunnerIn(s *Suite) string {
	switch {
	case e.Runner != "":
		return e.Runner
	case e.Command != nil:
		return "exec"
	case e.URL != "":
		return "openai"
	}
	return s.Runner
}

// process checks the entry of a model in a child process, and that no other has its fields.
func (e *Entry) process(n *yaml.Node) error {
	const hint = "for example: - {name: mine, command: [python3, model.py]}"
	if e.Command == nil && e.URL == "" {
		if !reflect.ValueOf(e.Process).IsZero() {
			return problemAt(n, hint, "timeouts belong to a model with a command or a url")
		}
		return nil
	}
	if e.Command == nil {
		return nil // served checks it
	}
	rest := e.Composed // a command may have label and tokenizer
	rest.Label, rest.Tokenizer = "", ""
	switch {
	case len(e.Command) == 0 || e.Command[0] == "":
		return problemAt(n, hint, "command: expected a program and its arguments")
	case strings.Contains(strings.Join(e.Command, ""), "\x00"):
		return problemAt(n, hint, "command: an argument contains a zero byte")
	case e.Name == "":
		return problemAt(n, hint, "a model with a command and without a name")
	case e.Model != "" || !reflect.ValueOf(rest).IsZero():
		return problemAt(n, "remove one of them", "a model with a command and with model, layers or sizes")
	case e.Weights != "" || e.Seed != 1 || e.DType != nil || e.KV != nil || e.Chunk != 0 || e.Logits != "" || e.Device != "":
		return problemAt(n, "give such settings as arguments of the command", "weights, seed, dtype, kv, prefill_chunk, logits and device do not apply to a model with a command")
	}
	return nil
}
