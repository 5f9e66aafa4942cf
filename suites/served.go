package suites

import (
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Served is the part of an Entry for a model behind an OpenAI-compatible HTTP endpoint.
type Served struct {
	URL          string   `yaml:"url" doc:"a served model: the base of an OpenAI-compatible API, such as http://127.0.0.1:8000/v1, without user, password or query. Also give model and, if there is one, tokenizer: a file or folder"`
	KeyEnv       string   `yaml:"key_env" doc:"environment variable with the key of a served model, such as OPENAI_API_KEY (default: no key)"`
	API          string   `yaml:"api" doc:"completions or chat (default: completions if the server has them)"`
	Concurrency  int      `yaml:"concurrency" doc:"requests of a served model that run at the same time in tasks that measure no times (default 8)"`
	Rate         float64  `yaml:"rate" doc:"maximum number of requests per second to a served model (default: no limit)"`
	Attempts     int      `yaml:"attempts" doc:"maximum number of attempts of a request that a server refuses or drops (default 5)"`
	StallTimeout Duration `yaml:"stall_timeout" doc:"time between two parts of a streamed answer after which it has failed (default 1m)"`
}

// variableForm is the form of the name of an environment variable. It is narrow so that a key that
// is given instead of a name is refused.
var variableForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// Limits of a served model's settings.
const (
	maxConcurrency = 4096
	maxAttempts    = 100
	minRate        = 1e-3
	maxRate        = 1e6
)

// served checks the entry of a served model, and that no other has its fields. Errors do not
// contain a value that may be a secret.
func (e *Entry) served(n *yaml.Node) error {
	const hint = "for example: - {name: mine, url: 'http://127.0.0.1:8000/v1', model: NAME}"
	if e.URL == "" {
		if !reflect.ValueOf(e.Served).IsZero() {
			return problemAt(n, hint, "key_env, api, concurrency, rate, attempts and stall_timeout belong to a model with a url")
		}
		return nil
	}
	u, err := url.Parse(e.URL)
	rest := e.Composed // label and tokenizer are for served models too
	rest.Label, rest.Tokenizer = "", ""
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return secretAt(n, hint, "url: expected an address that begins with http:// or https://")
	case !validPort(u):
		return secretAt(n, hint, "url: expected a port from 1 to 65535")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(e.URL, "?#@"):
		return secretAt(n, "key_env names the environment variable that has the key", "url: an address with a user, a password, a query or a fragment; the suite is stored with the results")
	case e.Model == "":
		return problemAt(n, hint, "a model with a url and without the field model, its name in requests")
	case e.Command != nil || !reflect.ValueOf(rest).IsZero():
		return problemAt(n, "remove one of them", "a model with a url and with command, layers or sizes")
	case e.Weights != "" || e.Seed != 1 || e.DType != nil || e.KV != nil || e.Chunk != 0 || e.Logits != "" || e.Device != "":
		return problemAt(n, "remove them", "weights, seed, dtype, kv, prefill_chunk, logits and device do not apply to a model with a url")
	case e.IdleTimeout != 0:
		return problemAt(n, "a served model has start_timeout, request_timeout and stall_timeout", "idle_timeout belongs to a model with a command")
	case e.KeyEnv != "" && !variableForm.MatchString(e.KeyEnv):
		return secretAt(n, "for example: key_env: OPENAI_API_KEY", "key_env: expected the name of an environment variable in capitals; a key must not be in a suite")
	case e.API != "" && e.API != "completions" && e.API != "chat":
		return problemAt(n, "", "api: expected completions or chat, got %q", e.API)
	case e.Concurrency < 0 || e.Concurrency > maxConcurrency:
		return problemAt(n, "", "concurrency: expected 1 to %d, got %d", maxConcurrency, e.Concurrency)
	case e.Attempts < 0 || e.Attempts > maxAttempts:
		return problemAt(n, "", "attempts: expected 1 to %d, got %d", maxAttempts, e.Attempts)
	case e.Rate != 0 && !(e.Rate >= minRate && e.Rate <= maxRate):
		return problemAt(n, "", "rate: expected %g to %g requests per second, got %g", minRate, maxRate, e.Rate)
	}
	return nil
}

// validPort reports whether the port of an address exists, if there is one.
func validPort(u *url.URL) bool {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && n > 0
}

// secretAt is problemAt for a value that may be a secret.
func secretAt(n *yaml.Node, hint, format string, args ...any) *Problem {
	p := problemAt(n, hint, format, args...)
	p.secret = true
	return p
}
