package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/openai"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

// servedProblem is an error of a server with a hint.
func servedProblem(e suites.Entry, err error) error {
	var failed *runners.RequestError
	if !errors.As(err, &failed) {
		return fmt.Errorf("model %s: %w", e.Name, err)
	}
	hint := ""
	switch failed.Kind {
	case "connection refused", "no such host":
		hint = "is the server running? start_timeout waits for one that is starting"
	case "HTTP 401", "HTTP 403":
		hint = "key_env names the environment variable that has the key of the server"
	case "proxy", "HTTP 407":
		hint = "HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment name the proxy"
	case "TLS":
		hint = "SSL_CERT_FILE names a file of the certificate authorities to trust"
	case "HTTP 404", "invalid answer":
		hint = "url is the base of the API, which most servers have at /v1, and model the name of the model there"
	}
	return &suites.Problem{Msg: fmt.Sprintf("model %s: %v", e.Name, err), Hint: hint}
}

// servedTarget resolves an entry with a url. It probes the server once per plan.
func servedTarget(d deviceOptions, s *suites.Suite, e suites.Entry) (*suites.Target, error) {
	if e.URL == "" {
		return nil, &suites.Problem{Msg: fmt.Sprintf("model %s: the openai runner needs the field url", e.Name),
			Hint: "for example: - {name: mine, url: 'http://127.0.0.1:8000/v1', model: NAME}"}
	}
	spec := openai.Spec{URL: e.URL, Model: e.Model, API: e.API, Concurrency: e.Concurrency, Rate: e.Rate, Attempts: e.Attempts,
		Start: time.Duration(e.StartTimeout), Request: time.Duration(e.RequestTimeout), Stall: time.Duration(e.StallTimeout)}
	if e.KeyEnv != "" {
		if spec.Key = strings.TrimSpace(os.Getenv(e.KeyEnv)); spec.Key == "" {
			return nil, &suites.Problem{Msg: fmt.Sprintf("model %s: the environment variable %s is empty or not set", e.Name, e.KeyEnv), Hint: "key_env names the variable that has the key of the server"}
		}
		if strings.ContainsFunc(spec.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, &suites.Problem{Msg: fmt.Sprintf("model %s: the value of the environment variable %s is not a key: it has white space or other characters that a key cannot have", e.Name, e.KeyEnv)}
		}
	}
	name := e.Model
	if filepath.IsAbs(name) { // records must not reveal folders of a machine
		name = filepath.Base(name)
	}
	t := &suites.Target{Name: e.Name, Label: firstOf(e.Label, name), Runner: "openai", Stated: "not stated"}
	t.Can = runners.Can(runners.Complete, runners.Stream, runners.Concurrent).
		Cannot(runners.Step, "a server does not give logits of all tokens").
		Cannot(runners.Memory, "a server does not report its memory").
		Cannot(runners.Fork, "a server has no sequences to copy").
		Cannot(runners.Costed, "its layers are not known: it is a served model")
	var tok tokenizer.Tokenizer
	if e.Tokenizer != "" {
		text, err := d.commandText(s, e.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("model %s: tokenizer: %w", e.Name, err)
		}
		text.reads(t)
		tok = text.tok
	}
	stop := d.waiting(fmt.Sprintf("model %s: waiting for its server", e.Name))
	server, err := d.server(fmt.Sprintf("%+v %v %q %q", e.Served, e.RequestTimeout, e.Model, e.Tokenizer), spec, tok)
	stop()
	if err != nil {
		return nil, servedProblem(e, err)
	}
	switch {
	case server.API == openai.Chat:
		t.Messages, t.MessageTokens = true, server.Shared
	case tok != nil && !server.Tokens:
		t.Chat, t.NoChat = nil, "the server does not take token ids, which a chat template needs (api: chat uses the template of the server)"
	}
	t.Identity = strings.Join(strings.Fields(fmt.Sprintf("served %s %s, %s%s", name, server.Reported, server.API, t.Identity)), " ")
	t.Device = strings.TrimSpace(server.Kind + " server at " + server.Host())
	t.Can = t.Can.Cannot(runners.Score, server.NoScore).Cannot(runners.Choose, server.NoScore)
	t.CountTokens, t.Context = server.Count, server.Context
	t.Load = func() (runners.Model, error) { return openai.New(server), nil }
	return t, nil
}

// server returns the description of a server, which is probed at most once. Equal servers have
// equal keys.
func (d deviceOptions) server(key string, spec openai.Spec, tok tokenizer.Tokenizer) (*openai.Server, error) {
	if s := d.found.servers[key]; s != nil {
		return s, nil
	}
	ctx := d.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	s, err := openai.Probe(ctx, spec, tok)
	if err == nil && d.found.servers != nil {
		d.found.servers[key] = s
	}
	return s, err
}
