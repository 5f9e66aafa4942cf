package openai

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// quick is the spec of a server, with short waits.
func quick(url string) Spec {
	return Spec{URL: url, Model: servertest.Model, Backoff: time.Millisecond}
}

// open probes a server and returns its model. The byte tokenizer is that of all servers.
func open(t testing.TB, spec Spec, tok tokenizer.Tokenizer) *Model {
	t.Helper()
	s, err := Probe(t.Context(), spec, tok)
	if err != nil {
		t.Fatal(err)
	}
	m := New(s)
	t.Cleanup(func() { m.Close() })
	return m
}

// TestMethods checks that a method is used only if its log-probabilities are right.
func TestMethods(t *testing.T) {
	for name, c := range map[string]struct {
		o    servertest.Options
		want method
		why  string // part of NoScore
	}{
		"all":            {servertest.Options{PromptLogProbs: servertest.Correct, Echo: servertest.Correct, Forced: servertest.Correct}, byPrompt, ""},
		"echo":           {servertest.Options{Echo: servertest.Correct}, byEcho, ""},
		"echo of text":   {servertest.Options{Echo: servertest.Correct, NoIDs: true}, byEcho, ""},
		"forced":         {servertest.Options{Forced: servertest.Correct}, byForce, ""},
		"forced, biased": {servertest.Options{Forced: servertest.Shifted}, none, "forced decoding: the server reports"},
		"forced, no ids": {servertest.Options{Forced: servertest.Correct, NoIDs: true}, none, "forced decoding: the server does not take token ids"},
		"nothing":        {servertest.Options{}, none, "the server ignores prompt_logprobs; echo: the server ignores echo"},
		"ignored, echo":  {servertest.Options{Echo: servertest.Correct, Rejects: []string{"prompt_logprobs"}}, byEcho, ""},
		"no logprobs":    {servertest.Options{Echo: servertest.Correct, Rejects: []string{"logprobs"}}, none, "logprobs"},
		"both":           {servertest.Options{PromptLogProbs: servertest.Shifted, Echo: servertest.Correct}, byEcho, ""},
		"shifted":        {servertest.Options{PromptLogProbs: servertest.Shifted, Echo: servertest.Shifted}, none, "for a token of a prompt, and"},
		"short":          {servertest.Options{PromptLogProbs: servertest.Short, Echo: servertest.Short}, none, "tokens of a prompt of"},
		"short text":     {servertest.Options{NoIDs: true, Echo: servertest.Short}, none, "tokens of a prompt of"},
		"positive":       {servertest.Options{PromptLogProbs: servertest.Positive, Echo: servertest.Positive}, none, "a log-probability is"},
		"constant":       {servertest.Options{PromptLogProbs: servertest.Constant, Echo: servertest.Constant}, none, "for a token of a prompt"},
		"biased":         {servertest.Options{PromptLogProbs: servertest.Biased, Echo: servertest.Biased}, none, "for a token of a prompt"},
		"null":           {servertest.Options{PromptLogProbs: servertest.Null, Echo: servertest.Null}, none, "a log-probability is null"},
		"chat only":      {servertest.Options{NoCompletions: true}, none, "a chat has no log-probabilities"},
		"without usage":  {servertest.Options{NoUsage: true, Echo: servertest.Correct}, byEcho, ""},
		"short context":  {servertest.Options{Context: 100, Echo: servertest.Correct}, byEcho, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := servertest.Start(t, c.o)
			m := open(t, quick(s.URL), tokenizer.Bytes{})
			if m.s.method != c.want || (m.s.NoScore == "") != (c.want != none) || !strings.Contains(m.s.NoScore, c.why) {
				t.Fatalf("method %q, want %q (%s)", m.s.method, c.want, m.s.NoScore)
			}
			checkScores(t, m)
		})
	}
}

// TestNoise checks that a server may compute a prompt and a step by different arithmetic, and that
// a note states the difference.
func TestNoise(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Echo: servertest.Noisy})
	m := open(t, quick(s.URL), tokenizer.Bytes{})
	const text = "A text"
	if err := m.ScoreText(t.Context(), text, tokenizer.Bytes{}.Encode(text), func(runners.Piece) {}); err != nil {
		t.Fatal(err)
	}
	if notes, _ := m.EndCase(); m.s.method != byEcho || len(notes) == 0 || !strings.Contains(notes[0], "difference at most 0.2)") {
		t.Errorf("method %q, notes %q", m.s.method, notes)
	}
}

// checkScores compares the log-probabilities of a text and of continuations with the server's
// model.
func checkScores(t *testing.T, m *Model) {
	const text = "A text of some length."
	var sum float64
	n := 0
	err := m.ScoreText(t.Context(), text, tokenizer.Bytes{}.Encode(text), func(p runners.Piece) {
		n++
		if p.Pos != n || p.Bytes != 1 {
			t.Errorf("piece %d: %+v", n, p)
		}
		sum += float64(p.LogProb)
	})
	if m.s.method == none {
		if !errors.Is(err, runners.ErrUnsupported) || n > 0 {
			t.Errorf("scoring gave %v and %d pieces", err, n)
		}
	} else if want := servertest.LogProb(text[:1], text[1:]); err != nil || n != len(text)-1 || !(math.Abs(sum-want) < 1e-3) {
		t.Errorf("the text has log-probability %g (%v), want %g", sum, err, want)
	}
	continuations := []string{" yes", "", "no, never"}
	group := []runners.Prompt{{Text: "Is it", Turns: []runners.Turn{{Text: " so?", Continuations: continuations}}}}
	var got []float64
	_, err = m.Complete(t.Context(), group, 0, func(_ int, a []runners.Answer) { got = a[0].LogProbs })
	if m.s.method == none {
		if !errors.Is(err, runners.ErrUnsupported) {
			t.Errorf("continuations gave %v", err)
		}
		return
	}
	if err != nil || len(got) != len(continuations) {
		t.Fatalf("continuations: %v, %v", got, err)
	}
	for i, c := range continuations {
		if want := servertest.LogProb("Is it so?", c); !(math.Abs(got[i]-want) < 1e-3) {
			t.Errorf("%q has log-probability %g, want %g", c, got[i], want)
		}
	}
	notes, _ := m.EndCase()
	if len(notes) == 0 || !strings.Contains(notes[0], string(m.s.method)) {
		t.Errorf("notes %q", notes)
	}
}

// TestComplete checks the answers to a group of prompts with several turns.
func TestComplete(t *testing.T) {
	for name, o := range map[string]servertest.Options{
		"completions": {}, "no ids": {NoIDs: true}, "no usage": {NoUsage: true}, "chat": {NoCompletions: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Answer = func(prompt string) string {
				last := prompt[strings.LastIndex(prompt, "Q")+1:]
				return " " + last + last + "\nmore"
			}
			s := servertest.Start(t, o)
			m := open(t, quick(s.URL), tokenizer.Bytes{})
			before := len(s.Requests())
			var group []runners.Prompt
			for i := range 20 {
				group = append(group, runners.Prompt{Text: "The text. ", Turns: []runners.Turn{
					{Text: fmt.Sprintf("Q%d", i), MaxTokens: 20, Done: func(a string) bool { return strings.HasSuffix(a, "\n") }},
					{Text: fmt.Sprintf("Q%d", 100+i), MaxTokens: 4},
				}})
			}
			seen := 0
			_, err := m.Complete(t.Context(), group, 0, func(i int, a []runners.Answer) {
				seen++
				if len(a) != 2 || a[0].Text != fmt.Sprintf(" %d%d\n", i, i) || a[1].Text != fmt.Sprintf(" %d%d", 100+i, 100+i)[:4] {
					t.Errorf("prompt %d: %+v", i, a)
				}
				if n := len(fmt.Sprintf("The text. Q%d", i)); name != "chat" && a[0].Tokens != n {
					t.Errorf("prompt %d has %d tokens, want %d", i, a[0].Tokens, n)
				}
			})
			if err != nil || seen != len(group) {
				t.Fatalf("%d answers, %v", seen, err)
			}
			second := s.Requests()[before:]
			if len(second) != 2*len(group) {
				t.Errorf("%d requests", len(second))
			}
			for _, r := range second {
				if r.Body["temperature"] != 0.0 {
					t.Errorf("temperature %v", r.Body["temperature"])
				}
			}
		})
	}
}

// TestStream checks what is reported of a streamed answer.
func TestStream(t *testing.T) {
	for name, c := range map[string]struct {
		o                      servertest.Options
		chunks                 int
		prompt, output, cached int
	}{
		"completions":        {servertest.Options{}, 10, 8, 10, -1},
		"chunks of 4 tokens": {servertest.Options{ChunkTokens: 4}, 3, 8, 10, -1},
		"no usage":           {servertest.Options{NoUsage: true}, 10, -1, -1, -1},
		"cached":             {servertest.Options{Cached: 1}, 10, 8, 10, 1},
		"chat":               {servertest.Options{NoCompletions: true}, 10, 26, 10, -1},
		"reasoning":          {servertest.Options{NoCompletions: true, Thinks: 5}, 10, 26, 10, -1},
		"no stream_options":  {servertest.Options{Rejects: []string{"stream_options"}}, 10, -1, -1, -1},
		"vague":              {servertest.Options{Rejects: []string{"ignore_eos", "repeat_penalty"}, Vague: true}, 10, -1, -1, -1},
		"newer chat":         {servertest.Options{NoCompletions: true, Rejects: []string{"max_tokens"}}, 10, 26, 10, -1},
		"strict":             {servertest.Options{Rejects: []string{"ignore_eos", "min_tokens", "temperature", "repeat_penalty", "repetition_penalty"}}, 10, 8, 10, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := servertest.Start(t, c.o)
			m := open(t, quick(s.URL), nil)
			for range 2 { // the second request does not send what the server rejects
				r, err := m.Stream(t.Context(), runners.Request{Prompt: "A prompt", MaxTokens: 10, Exact: true})
				if err != nil {
					t.Fatal(err)
				}
				want := servertest.Greedy("A prompt", 10)
				if m.s.API == Chat {
					want = servertest.Greedy("<user>A prompt\n<assistant>", 10)
				}
				if r.Text != want || len(r.Chunks) != c.chunks || r.Finish != "length" {
					t.Errorf("text %q in %d chunks, want %q in %d (%s)", r.Text, len(r.Chunks), want, c.chunks, r.Finish)
				}
				if r.PromptTokens != c.prompt || r.OutputTokens != c.output || r.CachedTokens != c.cached || len(r.Retries) > 0 {
					t.Errorf("response %+v", r)
				}
				sum := 0
				for i, k := range r.Chunks {
					sum += k.Bytes
					if k.At <= 0 || i > 0 && k.At < r.Chunks[i-1].At {
						t.Errorf("times %+v", r.Chunks)
					}
				}
				if sum != len(want) {
					t.Errorf("chunks of %d bytes", sum)
				}
			}
			// Nothing is lost without the fields of penalties.
			n := len(slices.DeleteFunc(c.o.Rejects, func(f string) bool { return strings.HasPrefix(f, "repe") }))
			if n > 0 {
				switch {
				case c.o.Rejects[0] == "max_tokens":
					n = 0 // it has another name
				case c.o.Vague:
					n = 3 // stream_options, ignore_eos, min_tokens
				}
				if notes, _ := m.EndCase(); len(notes) != n || n > 0 && !strings.Contains(notes[0], "rejects the field") {
					t.Errorf("notes %q", notes)
				}
			}
		})
	}
}

// TestCanceled checks that the end of a context ends requests at once.
func TestCanceled(t *testing.T) {
	s := servertest.Start(t, servertest.Options{First: time.Minute})
	m := open(t, quick(s.URL), nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := m.Stream(ctx, runners.Request{Prompt: "x", MaxTokens: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestSystemAndThinking checks the messages of a chat, and the note on a model that thinks for
// longer than its answer may be.
func TestSystemAndThinking(t *testing.T) {
	s := servertest.Start(t, servertest.Options{NoCompletions: true, Thinks: 5})
	m := open(t, quick(s.URL), nil)
	group := []runners.Prompt{{System: "Be brief.", Text: "A text. ", Turns: []runners.Turn{{Text: "Q", MaxTokens: 5}}}}
	_, err := m.Complete(t.Context(), group, 0, func(_ int, a []runners.Answer) {
		if a[0].Text != "" {
			t.Errorf("answer %q", a[0].Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	all := s.Requests()
	if got := fmt.Sprint(all[len(all)-1].Body["messages"]); got != "[map[content:Be brief. role:system] map[content:A text. Q role:user]]" {
		t.Errorf("messages %s", got)
	}
	if notes, _ := m.EndCase(); len(notes) != 1 || !strings.Contains(notes[0], "1 answers are empty") {
		t.Errorf("notes %q", notes)
	}
	if notes, _ := m.EndCase(); len(notes) > 0 {
		t.Errorf("notes of the next case %q", notes)
	}
}

// TestRejectedAtTheSameTime checks that requests that are refused at the same time for the same
// field are all sent again, and that a request that is refused for its prompt is an error.
func TestRejectedAtTheSameTime(t *testing.T) {
	for _, vague := range []bool{false, true} {
		s := servertest.Start(t, servertest.Options{Rejects: []string{"ignore_eos"}, Vague: vague, NoIDs: true})
		m := open(t, quick(s.URL), nil)
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				r, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2, Exact: true})
				if err != nil || len(r.Chunks) != 2 {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		all.Wait()
		m.s.Tokens = true
		_, err := m.Stream(t.Context(), runners.Request{Tokens: []int{1}, MaxTokens: 2})
		if kindOf(err) != "HTTP 422" || !strings.Contains(err.Error(), "invalid prompt") {
			t.Errorf("an invalid prompt: %v", err)
		}
	}
}

// TestUncounted checks the length of a prompt that nobody counts.
func TestUncounted(t *testing.T) {
	for _, o := range []servertest.Options{{NoUsage: true}, {NoUsage: true, NoCompletions: true}} {
		m := open(t, quick(servertest.Start(t, o).URL), nil)
		group := []runners.Prompt{{Text: strings.Repeat("x", 390), Turns: []runners.Turn{{Text: "1234567890", MaxTokens: 4}, {Text: "x", MaxTokens: 4}}}}
		_, err := m.Complete(t.Context(), group, 0, func(_ int, a []runners.Answer) {
			if a[0].Tokens != 100 || a[1].Tokens < 101 || a[1].Tokens > 102 {
				t.Errorf("%d and %d tokens", a[0].Tokens, a[1].Tokens)
			}
		})
		if err != nil {
			t.Error(err)
		}
		if notes, _ := m.EndCase(); len(notes) != 1 || !strings.Contains(notes[0], "does not report the length") {
			t.Errorf("notes %q", notes)
		}
	}
}
