package openai

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
)

// readText reads a streamed answer from a text.
func readText(text []byte) (runners.Response, error) {
	var out runners.Response
	x := &exchange{c: newClient(Spec{}), most: maxBody, stall: func(time.Duration) {}, resp: &http.Response{Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text))}}
	err := readStream(x, &out)
	return out, err
}

func TestEvents(t *testing.T) {
	for text, want := range map[string]string{
		"data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n":                                           "a",
		"data:{\"choices\":[{\"text\":\"a\"}]}\r\n\r\n: keep alive\r\n\r\ndata:[DONE]\r\n\r\n":                 "a",
		"event: message\nid: 7\nretry: 10\ndata: {\"choices\":\ndata: [{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n": "a",
		"\n\n\ndata: {\"choices\":[{\"text\":\"a\",\"index\":1},{\"text\":\"b\"}]}\n\ndata: [DONE]\n\nrest":    "b",
		"data: {\"choices\":[{\"delta\":{\"reasoning\":\"a\"}}]}\n\ndata: [DONE]\n\n":                          "a",
	} {
		if got, err := readText([]byte(text)); err != nil || got.Text != want || len(got.Chunks) != 1 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                                     "without the event [DONE]",
		"data: {\"choices\":[]}\n\n":           "without the event [DONE]",
		"data: [DONE]":                         "unexpected EOF",
		"data: [DONE]\n":                       "unexpected EOF",
		"{\"choices\":[]}\n\ndata: [DONE]\n\n": "the stream has the line",
		"data: {\"choices\":\n\n":              "invalid answer",
		"data: {\"error\":{\"message\":\"dead\"}}\n\n":                  "dead",
		"error: {\"message\":\"dead\"}\n\n":                             "dead",
		"data: " + strings.Repeat("x", maxLine) + "\n\n":                "more than 1048576 bytes",
		strings.Repeat("data: "+strings.Repeat("x", maxLine/3)+"\n", 4): "more than 1048576 bytes",
		strings.Repeat("data: {}\n\n", maxEvents+1):                     "more than 1048576 events",
	} {
		if _, err := readText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// TestBodyLimit checks that an answer without an end is given up, with and without a stream.
func TestBodyLimit(t *testing.T) {
	c := newClient(Spec{})
	endless := func() *exchange {
		return &exchange{c: c, most: 1 << 20, stall: func(time.Duration) {}, resp: &http.Response{Header: http.Header{}, Body: io.NopCloser(endless(":  \n"))}}
	}
	var out runners.Response
	if err := readStream(endless(), &out); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Error(err)
	}
	if _, err := readJSON(endless()); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Error(err)
	}
}

// endless repeats a text.
type endless string

func (e endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// TestContentOfParts checks the message of a server that returns a list of parts.
func TestContentOfParts(t *testing.T) {
	a, err := newClient(Spec{}).parseAnswer([]byte(`{"choices":[{"message":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"Ye"},{"type":"text","text":"s"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if said, _ := a.Choices[0].text(); said != "Yes" {
		t.Errorf("%q", said)
	}
}

// FuzzStream checks that no stream makes the reader panic, and that one that it accepts ends with
// [DONE] and has times in order.
func FuzzStream(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"role\":\"x\",\"content\":null}}],\"usage\":{\"prompt_tokens\":-1}}\r\n\r\ndata: [DONE]\n\n"))
	f.Add([]byte("\uFEFFdata:\n\ndata: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}],\"usage\":[]}\n\n"))
	f.Add([]byte(": x\nevent: y\nerror: {}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := readText(text)
		if err == nil && r.Finish == "" && !bytes.Contains(text, []byte("[DONE]")) {
			t.Error("accepted without an end")
		}
		bytes := 0
		for i, c := range r.Chunks {
			if bytes += c.Bytes; i > 0 && c.At < r.Chunks[i-1].At {
				t.Error("times are not in order")
			}
		}
		if bytes > len(r.Text) || r.PromptTokens < -1 || r.OutputTokens < -1 || r.CachedTokens < -1 {
			t.Errorf("%+v", r)
		}
	})
}

// FuzzAnswer checks that no answer makes the client panic, and that log-probabilities that it
// accepts are possible.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"choices":[{"text":"a","logprobs":{"tokens":["a","b"],"token_logprobs":[null,-1],"top_logprobs":[{"b":-1}]}}],"usage":{"completion_tokens":1}}`))
	f.Add([]byte(`{"choices":[{"prompt_logprobs":[null,{"97":{"logprob":-0.5}}],"logprobs":{"content":[{"token":"a","id":1,"logprob":-2,"top_logprobs":[{}]}]}}]}`))
	f.Add([]byte(`{"error":{"message":{"a":[1]},"code":5}}`))
	c := newClient(Spec{})
	f.Fuzz(func(t *testing.T, text []byte) {
		c.parseError(text)
		a, err := c.parseAnswer(text)
		if err != nil {
			return
		}
		one, err := a.only()
		if err != nil {
			return
		}
		one.text()
		for _, p := range one.Probs.last() {
			if v, err := valid(p.Value); err == nil && !(v <= 0) {
				t.Errorf("log-probability %g", v)
			}
		}
		for _, how := range []method{byPrompt, byEcho} {
			if values, err := one.promptValues(how, []int{97, 98}, a.Usage.v); err == nil {
				for _, v := range values {
					if v, err := valid(v); err == nil && !(v <= 0) {
						t.Errorf("%s: log-probability %g", how, v)
					}
				}
			}
		}
	})
}

// FuzzModels checks that no list of models makes the client panic, and that each has a name.
func FuzzModels(f *testing.F) {
	f.Add([]byte(`{"data": [{"id": "a", "max_model_len": 5, "meta": {"n_params": 1e3}}, 7]}`))
	f.Add([]byte(`[{"id": "a", "meta": []}, null, "b"]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range parseModels(text) {
			if m.ID.v == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
