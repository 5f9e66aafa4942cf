package openai

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/runners"
)

// answering returns a model of a server that answers requests for streams with the given media type
// and body. If models is not empty, it is the server's list of models.
func answering(t *testing.T, models, media, body string) (*Model, error) {
	var s *servertest.Server
	s = servertest.Start(t, servertest.Options{Handler: func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/models") && models != "" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, models)
			return true
		}
		if all := s.Requests(); all[len(all)-1].Body["stream"] == nil {
			return false
		}
		w.Header().Set("Content-Type", media)
		fmt.Fprint(w, body)
		return true
	}})
	server, err := Probe(t.Context(), quick(s.URL), nil)
	if err != nil {
		return nil, err
	}
	m := New(server)
	t.Cleanup(func() { m.Close() })
	return m, nil
}

// TestModelLists reads lists of models of several forms; in an unknown form, the list is empty.
func TestModelLists(t *testing.T) {
	for models, context := range map[string]int{
		`{"data": [{"id": "MODEL", "max_model_len": 900}]}`:                                900,
		`[{"id": "MODEL", "max_model_len": 900}]`:                                          900,
		`{"data": [{"id": "MODEL", "max_model_len": "900"}]}`:                              0,
		`{"data": [{"id": "MODEL", "max_model_len": 1e30}]}`:                               0,
		`{"data": [{"id": "MODEL", "max_model_len": -1}]}`:                                 0,
		`{"data": [{"id": "MODEL", "owned_by": null, "root": 7, "meta": []}]}`:             0,
		`{"data": [{"id": 3}, "other", {"id": "MODEL", "meta": {"n_ctx_train": 300}}, 7]}`: 300,
		`{"data": ["MODEL", "other"]}`:                                                     0,
		`{"models": [{"name": "MODEL"}]}`:                                                  0,
		`{"data": null}`:                                                                   0,
		`[]`:                                                                               0,
		`"MODEL"`:                                                                          0,
	} {
		m, err := answering(t, strings.ReplaceAll(models, "MODEL", servertest.Model), "", "")
		if err != nil || m.s.Context != context {
			t.Errorf("%s: %v, %+v", models, err, m)
		}
	}
	if _, err := answering(t, "[1", "", ""); kindOf(err) != "invalid answer" {
		t.Errorf("a list that is not JSON gave %v", err)
	}
}

// TestStreamForms reads streams in unusual forms, and refuses answers that are not streams.
func TestStreamForms(t *testing.T) {
	const (
		a      = `data: {"choices":[{"text":"a"}]}` + "\n\n"
		b      = `data: {"choices":[{"text":"b","finish_reason":"stop"}]}` + "\n\n"
		done   = "data: [DONE]\n\n"
		stream = "text/event-stream"
	)
	for name, c := range map[string]struct{ media, body, fails string }{
		"usual":                 {stream, a + b + done, ""},
		"media type":            {"Text/Event-Stream;charset=UTF-8", a + b + done, ""},
		"byte order mark":       {stream, "\uFEFF" + a + b + done, ""},
		"empty events":          {stream, "data:\n\n" + a + "data: \n\n\n" + b + done, ""},
		"ends after its finish": {stream, a + b, ""},
		"ends early":            {stream, a, "truncated"},
		"ends within an event":  {stream, a + b[:len(b)-1], "truncated"},
		"object error":          {stream, a + `data: {"object":"error","message":"died","code":500}` + "\n\n" + done, "error in the answer"},
		"message":               {stream, a + `data: {"message":"died"}` + "\n\n" + done, "error in the answer"},
		"ping":                  {stream, a + `data: {"type":"ping"}` + "\n\n" + b + done, ""},
		"JSON error":            {"application/json", `{"error":{"message":"died"}}`, "error in the answer"},
		"JSON":                  {"application/json", `{"choices":[{"text":"ab"}]}`, "invalid answer"},
		"text":                  {"text/plain", a + b + done, "invalid answer"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := answering(t, "", c.media, c.body)
			if err != nil {
				t.Fatal(err)
			}
			r, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2})
			if c.fails != "" {
				if kindOf(err) != c.fails || strings.Contains(c.body, "died") != strings.Contains(fmt.Sprint(err), "died") {
					t.Errorf("%v, want the kind %q", err, c.fails)
				}
			} else if err != nil || r.Text != "ab" || len(r.Chunks) != 2 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestEncodedAnswer refuses an answer in a content encoding, which no request asks for.
func TestEncodedAnswer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Handler: func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Encoding", "gzip")
		return false
	}})
	if _, err := Probe(t.Context(), quick(s.URL), nil); err == nil || !strings.Contains(err.Error(), "content encoding gzip") {
		t.Error(err)
	}
}

// TestMalformed checks that an error names the field of an answer, not a type of this package.
func TestMalformed(t *testing.T) {
	for text, want := range map[string]string{
		`{"choices":[{"index":"0"}]}`: "unexpected JSON string in the field choices.index",
		`[1]`:                         "unexpected JSON array",
	} {
		if _, err := newClient(Spec{}).parseAnswer([]byte(text)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestNullLogProbs checks that a null log-probability is read as missing, not as 0.
func TestNullLogProbs(t *testing.T) {
	for _, text := range []string{
		`{"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": [{"b": null}]}`,
		`{"content": [{"token": "a", "logprob": -1, "top_logprobs": [{"token": "b", "logprob": null}]}]}`,
	} {
		a, err := newClient(Spec{}).parseAnswer([]byte(`{"choices": [{"logprobs": ` + text + "}]}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Choices[0].Probs.last(); len(got) != 2 || *got[0].Value != -1 || got[1].Token != "b" || got[1].Value != nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
