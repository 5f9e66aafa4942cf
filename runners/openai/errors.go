package openai

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// reusedClosed is the kind of an attempt on a connection that had been used before and was closed
// without a byte of an answer: servers close connections that are idle. It is repeated at once, on
// a new connection.
const reusedClosed = "reused connection closed"

// networkKind names an error of the network, and says whether another attempt may succeed.
func networkKind(err error) (kind string, again bool) {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var wait net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "proxy", true
	case strings.Contains(err.Error(), "server closed idle connection"): // net/http does not export it
		return reusedClosed, true
	case errors.As(err, &dns):
		return "no such host", dns.IsTemporary
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &record):
		return "TLS", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", true
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated", true
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "connection closed", true
	case errors.As(err, &wait) && wait.Timeout():
		return "timeout", true
	case strings.Contains(err.Error(), "malformed"), strings.Contains(err.Error(), "invalid"):
		return "invalid answer", true
	}
	return "connection failed", true
}

// exhausted reports whether an error says that this machine cannot open another connection. It is
// not one of the server, so requests that fail by it are no measurement.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// apiError is what a server says about an error. Servers differ in the layout.
type apiError struct {
	Message string
	Type    string
	Code    string
}

// text returns the message, or else the type or the code.
func (e apiError) text() string {
	for _, s := range []string{e.Message, e.Type, e.Code} {
		if s != "" {
			return s
		}
	}
	return "no message"
}

// clip removes the key from a server's text and shortens it for an error or a record.
func (c *client) clip(s string) string {
	const most = 300
	s = strings.Join(strings.Fields(strings.ToValidUTF8(c.hidden(s), "\uFFFD")), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// parseError reads the text of an error: {"error": {...}}, {"error": "..."}, {"message": ...},
// {"detail": ...}, or any text.
func (c *client) parseError(text []byte) apiError {
	var out apiError
	var outer map[string]json.RawMessage
	if json.Unmarshal(text, &outer) != nil {
		out.Message = c.clip(string(text))
		return out
	}
	inner := outer
	if raw := outer["error"]; raw != nil {
		inner = nil
		if json.Unmarshal(raw, &inner) != nil {
			out.Message = c.scalar(raw)
		}
	}
	for _, name := range []string{"message", "detail", "msg"} {
		if out.Message == "" {
			out.Message = c.scalar(inner[name])
		}
	}
	out.Type, out.Code = c.scalar(inner["type"]), c.scalar(inner["code"])
	return out
}

// scalar returns a string, or any other value as JSON.
func (c *client) scalar(raw json.RawMessage) string {
	var s string
	if raw == nil || string(raw) == "null" {
		return ""
	}
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return c.clip(s)
}

// refused is the failure of an answer with a status other than 200.
func (c *client) refused(r *http.Response) *failure {
	text, _ := io.ReadAll(io.LimitReader(r.Body, maxError)) // what has arrived is enough
	f := &failure{kind: fmt.Sprintf("HTTP %d", r.StatusCode), status: r.StatusCode, body: c.parseError([]byte(c.hidden(string(text))))}
	switch {
	case r.StatusCode/100 == 3:
		where := "another address"
		if u, err := url.Parse(r.Header.Get("Location")); err == nil && u.Host != "" {
			where = c.clip(u.Scheme + "://" + u.Host)
		}
		f.body.Message = "the server redirects to " + where + "; set the url to where the API is"
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		f.body.Message = "the server refuses the key: " + f.body.text()
	}
	f.err = fmt.Errorf("HTTP %d: %s", r.StatusCode, f.body.text())
	switch code := r.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusTooManyRequests,
		code >= 500 && code != http.StatusNotImplemented:
		f.again, f.wait = true, retryAfter(r.Header.Get("Retry-After"), time.Now())
	}
	return f
}

// retryAfter returns the wait of a Retry-After header: seconds or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 {
		return time.Duration(min(n, 1e6) * float64(time.Second))
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// tooLong reports whether a server refused a prompt because it exceeds the context.
func tooLong(f *failure) bool {
	if f.status != http.StatusBadRequest && f.status != http.StatusRequestEntityTooLarge && f.status != http.StatusUnprocessableEntity {
		return false
	}
	for _, code := range []string{f.body.Type, f.body.Code} {
		if code == "exceed_context_size_error" || code == "context_length_exceeded" {
			return true
		}
	}
	text := strings.ToLower(f.body.Message)
	for _, words := range []string{"context length", "context size", "context window", "max_model_len", "maximum model length"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// optional are the fields without which a request still has a meaning, and what is lost.
var optional = map[string]string{
	"stream_options": "answers in a stream do not report their tokens",
	"ignore_eos":     "an answer may end before its number of tokens",
	"min_tokens":     "an answer may end before its number of tokens",
	"cache_prompt":   "prompts may be cached",
	"temperature":    "decoding may not be greedy",
	// A server that does not know the fields has no penalty for repeated tokens.
	"repeat_penalty":     "",
	"repetition_penalty": "",
}

// invalid reports whether a server refused a request for its content, other than its length.
func (f *failure) invalid() bool {
	return (f.status == http.StatusBadRequest || f.status == http.StatusUnprocessableEntity) && !tooLong(f)
}

// reject learns from a failure that the server rejects optional fields that were sent. It reports
// whether the request should be sent again without them.
func (c *client) reject(sent fields, fail *failure) (found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.ToLower(fail.body.Message + " " + fail.body.Code)
	if _, ok := sent["max_tokens"]; ok && strings.Contains(text, "max_completion_tokens") {
		c.rejected["max_tokens"] = true
		return true
	}
	for name := range optional {
		if _, ok := sent[name]; ok && strings.Contains(text, name) {
			c.rejected[name], found = true, true
		}
	}
	return found
}

// plain returns the request without its optional fields. The temperature stays: a server that
// rejects it says so.
func (f fields) plain() fields {
	out := maps.Clone(f)
	maps.DeleteFunc(out, func(name string, _ any) bool {
		_, ok := optional[name]
		return ok && name != "temperature"
	})
	return out
}

// rejects learns that the server rejects one of the optional fields of a request, but not which.
func (c *client) rejects(f fields) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range f {
		if _, ok := f.plain()[name]; !ok {
			c.rejected[name] = true
		}
	}
}

// accepted returns the fields of a request without those that the server rejects.
func (c *client) accepted(f fields) fields {
	if f == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := fields{}
	for k, v := range f {
		switch {
		case !c.rejected[k]:
			out[k] = v
		case k == "max_tokens":
			out["max_completion_tokens"] = v
		}
	}
	return out
}

// kindOf returns the kind of an error of call.
func kindOf(err error) string {
	var r *runners.RequestError
	if errors.As(err, &r) {
		return r.Kind
	}
	return ""
}
