package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// served runs tasks on a served model, whose entry has the given fields, and returns its records.
func served(t *testing.T, url, fields, tasks string) []result.Record {
	t.Helper()
	dir := t.TempDir()
	suite, out := filepath.Join(dir, "suite.yaml"), filepath.Join(dir, "run")
	text := fmt.Sprintf("name: served\nmodels:\n  - {name: mine, url: %q, model: %s%s}\ntasks:\n%s", url, servertest.Model, fields, tasks)
	if err := os.WriteFile(suite, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	run(t.Context(), []string{"run", suite, "--out", out, "--reports", "csv", "--quiet"}, &stdout, &stderr)
	j, err := result.ReadFile(filepath.Join(out, journalName))
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	return j.Records
}

var fact = regexp.MustCompile(`The secret number of (\w+) is (\d+)\.`)

// sentence answers a question of the needle task in a sentence.
func sentence(prompt string) string {
	asked := prompt[strings.LastIndex(strings.TrimSpace(prompt), "\n")+1:]
	for _, m := range fact.FindAllStringSubmatch(prompt, -1) {
		if strings.Contains(asked, m[1]) {
			return "Sure! The secret number of " + m[1] + " is " + m[2] + "."
		}
	}
	return "It does not say."
}

// A server that has only chats answers in sentences, and is scored so whatever the suite says.
func TestServedChat(t *testing.T) {
	s := servertest.Start(t, servertest.Options{NoCompletions: true, Answer: sentence})
	for _, fields := range []string{"", ", tokenizer: bytes", ", api: chat"} {
		for _, chat := range []string{"", ", chat: true", ", kind: multikey"} {
			for _, r := range served(t, s.URL, fields, "  - needle: {lengths: [1Ki], depths: [0.5], trials: 2"+chat+"}\n") {
				if r.Status != result.OK || r.Metrics["exact"].Value != 1 || r.Params["chat"] != "server" || len(r.Notes) == 0 ||
					// The server's tokens are bytes, which is measured if it is not known.
					!(r.Trials[0].Tokens > 900 && r.Trials[0].Tokens <= 1024) {
					t.Errorf("%q %q: %s %s, exact %g, params %v, notes %q: %+v", fields, chat, r.Status, r.Reason, r.Metrics["exact"].Value, r.Params, r.Notes, r.Trials)
				}
			}
		}
	}
	for _, r := range served(t, s.URL, "", "  - needle: {lengths: [1Ki], depths: [0.5], trials: 1, chat: {system: Be short.}}\n") {
		if r.Status != result.OK || r.Params["system"] != "Be short." || !strings.Contains(s.Said(), "content:Be short. role:system") {
			t.Errorf("a system message: %s %s", r.Status, r.Reason)
		}
	}
}

// A chat template needs tokens: its text alone, without special tokens, is another prompt.
func TestServedChatTemplateNeedsTokens(t *testing.T) {
	s := servertest.Start(t, servertest.Options{NoIDs: true, Answer: sentence})
	for _, r := range served(t, s.URL, ", tokenizer: bytes", "  - needle: {lengths: [1Ki], depths: [0.5], trials: 1, chat: true}\n") {
		if r.Status != result.Unsupported || !strings.Contains(r.Reason, "does not take token ids") {
			t.Errorf("%s %s", r.Status, r.Reason)
		}
	}
}

// TestServedProblems checks errors of servers and their hints.
func TestServedProblems(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Key: "k"})
	open := servertest.Start(t, servertest.Options{})
	text := servertest.Start(t, servertest.Options{Handler: func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, "<!DOCTYPE html>")
		return true
	}})
	for name, c := range map[string]struct{ url, model, want, hint string }{
		"key":      {s.URL, servertest.Model, "HTTP 401", "key_env names"},
		"path":     {open.URL + "/v2", servertest.Model, "HTTP 404", "at /v1"},
		"model":    {open.URL, "another", "lists the models " + servertest.Model, "the name of the model"},
		"web page": {text.URL, servertest.Model, "text/html", "at /v1"},
		"down":     {"http://127.0.0.1:1/v1", servertest.Model, "connection refused", "start_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			suite := filepath.Join(t.TempDir(), "suite.yaml")
			text := fmt.Sprintf("name: served\nmodels:\n  - {name: mine, url: %q, model: %s, attempts: 1}\ntasks: [needle]\n", c.url, c.model)
			if err := os.WriteFile(suite, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"run", suite, "--dry-run"}, &stdout, &stderr)
			if got := stderr.String(); code != exitUsage || !strings.Contains(got, "suite.yaml:3: model mine: ") || !strings.Contains(got, c.want) || !strings.Contains(got, "hint: ") || !strings.Contains(got, c.hint) {
				t.Errorf("exit code %d: %s", code, got)
			}
		})
	}
}

// TestServedWaits checks that a plan that waits for a server says so.
func TestServedWaits(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Millisecond
	said := make(chan string, 1)
	s := servertest.Start(t, servertest.Options{Handler: func(http.ResponseWriter, *http.Request) bool {
		select {
		case text := <-said:
			said <- text
		case <-time.After(time.Minute):
		}
		return false
	}})
	d := deviceOptions{ctx: t.Context(), say: func(text string) { said <- text }}
	e := suites.Entry{Name: "mine", Model: servertest.Model, Served: suites.Served{URL: s.URL}}
	if _, err := servedTarget(d, &suites.Suite{}, e); err != nil {
		t.Fatal(err)
	}
	if text := <-said; text != "model mine: waiting for its server" {
		t.Errorf("said %q", text)
	}
}

// TestServedLog checks that what a server sends without a request is not printed: it may have a
// key.
func TestServedLog(t *testing.T) {
	const key = "sk-Zq81-not-for-others"
	s := servertest.Start(t, servertest.Options{Handler: func(w http.ResponseWriter, r *http.Request) bool {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		defer c.Close()
		body := fmt.Sprintf(`{"data": [{"id": %q}], "choices": [{"text": "x"}]}`, servertest.Model)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sBearer %s\r\n", len(body), body, key)
		return true
	}})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Cmd{Path: self, Args: []string{"yocobench", "run", "needle", "--model", servertest.Model, "--url", s.URL, "--key-env", "TOY_KEY", "--dry-run"},
		Env: append(os.Environ(), "TOY_KEY="+key)}
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), key) || strings.Contains(string(out), "Unsolicited") {
		t.Errorf("%v: %s", err, out)
	}
}

// Multiple choice on a served model has the answers of the server's model, by whichever method the
// server reports log-probabilities, and is unsupported without one.
func TestServedMultipleChoice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "choices.jsonl")
	var text strings.Builder
	for i, question := range []string{"Is it day?", "Are we there?", "Who comes?", "What now?"} {
		choices, best := []string{"yes", "no, not now", "it may be"}, 0
		for k, c := range choices {
			if servertest.LogProb(question, " "+c) > servertest.LogProb(question, " "+choices[best]) {
				best = k
			}
		}
		if i == 0 {
			best = (best + 1) % len(choices) // one answer of four is wrong
		}
		fmt.Fprintf(&text, `{"q": %q, "choices": ["yes", "no, not now", "it may be"], "label": %d}`+"\n", question, best)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]servertest.Options{
		"prompt_logprobs": {PromptLogProbs: servertest.Correct}, "echo": {Echo: servertest.Correct, NoIDs: true},
		"forced decoding": {Forced: servertest.Correct}, "": {Echo: servertest.Shifted},
	} {
		s := servertest.Start(t, o)
		task := fmt.Sprintf("  - downstream: {name: c, file: %q, doc_to_text: q, doc_to_choice: choices, doc_to_target: label}\n", file)
		for _, r := range served(t, s.URL, ", tokenizer: bytes", task) {
			switch {
			case name == "":
				if r.Status != result.Unsupported || !strings.Contains(r.Reason, "for a token of a prompt, and") {
					t.Errorf("shifted: %s %s", r.Status, r.Reason)
				}
			case r.Status != result.OK || r.Metrics["acc"].Value != 0.75 || !strings.Contains(strings.Join(r.Notes, "\n"), "log-probabilities by "+name):
				t.Errorf("%s: %s %s, accuracy %g, notes %q", name, r.Status, r.Reason, r.Metrics["acc"].Value, r.Notes)
			}
		}
	}
}
