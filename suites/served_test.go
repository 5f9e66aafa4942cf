package suites

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// TestServedEntry checks the fields of a served model. Errors do not repeat an address, which may
// have a password.
func TestServedEntry(t *testing.T) {
	const local = "url: 'http://127.0.0.1:8000/v1', model: m"
	for fields, want := range map[string]string{
		local: "",
		"url: 'http://[::1]:8000/a/b/', model: m":    "",
		"url: 'HTTPS://host', model: m":              "",
		local + ", rate: 0.001":                      "",
		local + ", rate: 0":                          "",
		local + ", rate: 1e-4":                       "rate: expected 0.001 to 1e+06",
		local + ", rate: 1e-300":                     "rate: expected 0.001 to 1e+06",
		local + ", rate: -1":                         "rate: expected",
		local + ", rate: .nan":                       "rate: expected",
		local + ", rate: .inf":                       "rate: expected",
		local + ", attempts: 101":                    "attempts: expected 1 to 100",
		local + ", concurrency: 5000":                "concurrency: expected 1 to 4096",
		local + ", api: chats":                       "api: expected completions or chat",
		local + ", key_env: sk-123456789":            "key_env: expected the name",
		"url: 'http://127.0.0.1:8000/v1'":            "without the field model",
		"url: 'http://host:99999/v1', model: m":      "a port from 1 to 65535",
		"url: 'http://host:0/v1', model: m":          "a port from 1 to 65535",
		"url: 'http://host:http/v1', model: m":       "begins with http",
		"url: 'localhost:8000', model: m":            "begins with http",
		"url: 'ftp://host', model: m":                "begins with http",
		"url: 'http://[::1', model: m":               "begins with http",
		"url: 'http://me:pass@host:99999', model: m": "a port from 1 to 65535",
		"url: 'http://me:pass@host', model: m":       "an address with a user",
		"url: 'http://host/v1?key=pass', model: m":   "an address with a user",
		"url: 'http://host/v1#pass', model: m":       "an address with a user",
	} {
		text := fmt.Sprintf("name: s\nmodels:\n  - {name: mine, %s}\ntasks: [fake]\n", fields)
		_, err := Parse([]byte(text), "s.yaml", nil, []Task{fakeTask{}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "s.yaml:3: ") || strings.Contains(err.Error(), "pass@")) {
			t.Errorf("%s: %v, want %q", fields, err, want)
		}
	}
}

// TestTooLong checks what states the longest context of a model, and when a served one lacks it.
func TestTooLong(t *testing.T) {
	server := &Target{Context: 100, Can: runners.Can(runners.Stream)}
	command := &Target{Context: 100, Can: runners.Can(runners.Step)}
	if got := server.TooLong(101); got != "101 tokens; the server's context has 100" || server.TooLong(100) != "" || command.TooLong(101) != "" {
		t.Errorf("%q", got)
	}
	if unknown := (&Target{Can: runners.Can(runners.Stream)}); unknown.TooLong(1<<30) != "" {
		t.Error(unknown.TooLong(1 << 30))
	}
	for who, m := range map[string]*Target{"server": server, "command": command} {
		if got, what := m.contextOf(); got != who || what != "context" {
			t.Errorf("%s: %s, %s", who, got, what)
		}
	}
}
