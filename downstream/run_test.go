package downstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/exec"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// plan plans a block on a file with the given contents.
func plan(t *testing.T, target *suites.Target, block, file string) ([]suites.Case, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docs.jsonl"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	p := Task{}.Params()
	if err := yaml.Unmarshal([]byte("file: docs.jsonl\n"+block), p); err != nil {
		t.Fatal(err)
	}
	return Task{}.Plan(&suites.Planner{Dir: dir}, target, p)
}

// runOne plans and runs a block that is one case.
func runOne(t *testing.T, target *suites.Target, m runners.Model, block, file string) (*result.Record, error) {
	t.Helper()
	cases, err := plan(t, target, block, file)
	if err != nil {
		return nil, err
	}
	if len(cases) != 1 {
		t.Fatalf("%d cases", len(cases))
	}
	if c, ok := m.(runners.Cased); ok {
		c.BeginCase(t.Context())
	}
	out, err := cases[0].Run(t.Context(), m, func(float64) {})
	r := &result.Record{Label: cases[0].Label, Params: cases[0].Params}
	r.Fill(out)
	if _, err := result.Encode(*r); err != nil {
		t.Fatal(err)
	}
	about := Task{}.Describe()
	for name, got := range r.Metrics {
		if want, ok := about.Metric(name); !ok || want.Unit != got.Unit || want.Better != got.Better {
			t.Errorf("metric %s of %s, %s is not declared so", name, got.Unit, got.Better)
		}
	}
	return r, err
}

const (
	choiceBlock = "doc_to_text: q\ndoc_to_choice: c\ndoc_to_target: a\n"
	answerBlock = "output_type: generate_until\ndoc_to_text: q\ndoc_to_target: a\n"
	textBlock   = "output_type: loglikelihood_rolling\ndoc_to_target: q\n"
)

// spy is a Completer that keeps its prompts and gives every continuation a log-probability.
type spy struct {
	runners.Model
	prompts []runners.Prompt
	logProb func(context, text string) float64
	answer  string
}

func (s *spy) Complete(_ context.Context, group []runners.Prompt, _ int, done func(int, []runners.Answer)) ([]string, error) {
	s.prompts = append(s.prompts, group...)
	for i, p := range slices.Backward(group) { // in any order
		a := runners.Answer{Text: s.answer}
		for _, c := range p.Turns[0].Continuations {
			if s.logProb != nil {
				a.LogProbs = append(a.LogProbs, s.logProb(p.Text, c))
			}
		}
		done(i, []runners.Answer{a})
	}
	return nil, nil
}

// textTarget takes text; its tokenizer is unknown.
func textTarget() *suites.Target {
	return &suites.Target{Name: "m", Can: runners.Can(runners.Complete, runners.Choose, runners.Score)}
}

// The first of equal choices is the answer. acc_norm divides by characters, acc_bytes by bytes, and
// neither counts the space before a choice.
func TestScores(t *testing.T) {
	lps := map[string]float64{" ab": -4, " äöü": -6.3, " xyz": -6, " long one": -16}
	s := &spy{logProb: func(_, text string) float64 { return lps[text] }}
	file := `{"q": "Q", "c": ["ab", "xyz"], "a": 1}` + "\n" + // acc: ab; acc_norm: -2 and -2, the first
		`{"q": "Q", "c": ["ab", "äöü", "xyz"], "a": 1}` + "\n" + // acc_norm: -2, -2.1, -2; acc_bytes: -2, -1.05, -2
		`{"q": "Q", "c": ["long one", "xyz"], "a": [0, 1]}` + "\n" +
		`{"q": "Q", "c": ["ab", "ab"], "a": 1}` + "\n"
	r, err := runOne(t, textTarget(), s, choiceBlock, file)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ acc, norm, bytes, logprob float64 }{
		{0, 0, 0, -6}, {0, 0, 1, -6.3}, {1, 1, 1, -6}, {0, 0, 0, -4},
	} {
		m := r.Metrics
		got := []float64{m["acc"].Samples[i], m["acc_norm"].Samples[i], m["acc_bytes"].Samples[i], m["logprob"].Samples[i]}
		if !slices.Equal(got, []float64{want.acc, want.norm, want.bytes, want.logprob}) {
			t.Errorf("document %d: %v, want %+v", i+1, got, want)
		}
	}
	if got := r.Metrics["guess"].Value; !(math.Abs(got-(1./2+1./3+1+1./2)/4) < 1e-9) {
		t.Errorf("guess %g", got)
	}
	if tr := r.Trials[1]; tr.Answer != "ab" || !slices.Equal(tr.Expected, []string{"äöü"}) || !slices.Equal(tr.Choices, []string{"ab", "äöü", "xyz"}) ||
		!slices.Equal(tr.LogProbs, []float64{-4, -6.3, -6}) || tr.Exact != 0 || tr.Question != "Q" {
		t.Errorf("%+v", tr)
	}
	if m := r.Metrics["acc"]; m.Value != 0.25 || m.Lo == nil || !(*m.Hi > 0.6) {
		t.Errorf("acc %+v", m)
	}
}

// A model without log-probabilities is unsupported, not wrong.
func TestWithoutLogProbs(t *testing.T) {
	_, err := runOne(t, textTarget(), &spy{}, choiceBlock, `{"q": "Q", "c": ["a", "b"], "a": 1}`)
	if !errors.Is(err, runners.ErrUnsupported) || !strings.Contains(err.Error(), "docs.jsonl:1") {
		t.Errorf("got %v", err)
	}
}

func TestAnswers(t *testing.T) {
	s := &spy{answer: " The Answer is 42.\n\nQuestion: more"}
	block := answerBlock + `generation_kwargs: {until: ["\n\n", "Question:"]}
filter_list: [{filter: [{function: regex, regex_pattern: '(\d+)|(zzz)'}]}]
`
	r, err := runOne(t, textTarget(), s, block, `{"q": "Q", "a": ["41", "42"]}`)
	if err != nil {
		t.Fatal(err)
	}
	if tr := r.Trials[0]; tr.Answer != " The Answer is 42." || tr.Extracted != "42" || r.Metrics["exact_match"].Value != 1 || !slices.Equal(tr.Expected, []string{"41", "42"}) {
		t.Errorf("%+v", tr)
	}
	turn := s.prompts[0].Turns[0]
	if turn.MaxTokens != 256 || turn.Done(" The") || !turn.Done("x\n\n") || !turn.Done("Question: ") {
		t.Errorf("%+v", turn)
	}
	if r, err = runOne(t, textTarget(), s, answerBlock, `{"q": "Q", "a": "The Answer is 42."}`); err != nil || r.Metrics["exact_match"].Value != 0 {
		t.Errorf("a leading space is not removed without a filter: %+v, %v", r, err)
	}
}

// merging is a byte tokenizer that merges pairs. Its tokens depend on what follows.
type merging struct {
	tokenizer.Bytes
	special tokenizer.Special
}

func (m merging) Special() tokenizer.Special { return m.special }

func (merging) Spans(text string) (ids, ends []int) {
	for at := 0; at < len(text); {
		n := 1
		if strings.HasPrefix(text[at:], "=4") || strings.HasPrefix(text[at:], " x") {
			n = 2
		}
		id := int(text[at])
		if n == 2 {
			id = 300 + id
		}
		at += n
		ids, ends = append(ids, id), append(ends, at)
	}
	return ids, ends
}

func (m merging) Encode(text string) []int { ids, _ := m.Spans(text); return ids }

func TestPairs(t *testing.T) {
	none := tokenizer.Special{BOS: -1, EOS: -1}
	bos := tokenizer.Special{BOS: 256, EOS: 257, AddBOS: true}
	eos := tokenizer.Special{BOS: -1, EOS: 257}
	for _, c := range []struct {
		special                         tokenizer.Special
		limit                           int
		context, text                   string
		wantContext, wantText, wantRead string
		scored                          int
	}{
		{none, 0, "ab", " x", "ab", " x", "[97 98]", 1},
		// As many tokens as the context alone has are not scored, although the last of them extends
		// beyond the context.
		{none, 0, "1=", "42", "1=4", "2", "[49 361]", 1},
		{bos, 0, "1=", "42", "1=4", "2", "[256 49 361]", 1},
		// Nothing would be left to score.
		{none, 0, "1=", "4", "1=", "4", "[49 61]", 1},
		{bos, 0, "", " x", "", " x", "[256]", 1},
		{eos, 0, "", " x", "", " x", "[257]", 1},
		{none, 0, "", " xy", " x", "y", "[332]", 1},
		{none, 0, "", "xyz", "x", "yz", "[120]", 2},
		// The model reads at most the limit, and the last scored token is not read.
		{none, 4, "abcdef", "xy", "def", "xy", "[100 101 102]", 2},
		{none, 7, "abcdef", "xy", "abcdef", "xy", "[97 98 99 100 101 102]", 2},
		{bos, 7, "abcdef", "xy", "abcdef", "xy", "[97 98 99 100 101 102]", 2},
	} {
		r := &run{bench: &bench{limit: c.limit}, tok: merging{special: c.special}}
		p, err := r.pair(&item{contexts: []string{c.context}, continuations: []string{c.text}, choices: []string{c.text}}, 0)
		if err != nil || p.context != c.wantContext || p.continuation != c.wantText || fmt.Sprint(p.read) != c.wantRead || p.scored != c.scored {
			t.Errorf("%q %q: %+v, %v; want %+v", c.context, c.text, p, err, c)
		}
	}
	r := &run{bench: &bench{limit: 2, source: source{name: "docs.jsonl"}}, tok: merging{special: none}}
	if _, err := r.pair(&item{line: 7, contexts: []string{"a"}, continuations: []string{"xyz"}, choices: []string{"xyz"}}, 0); err == nil || !strings.HasPrefix(err.Error(), "docs.jsonl:7: choice xyz is longer") {
		t.Errorf("got %v", err)
	}
}

// Choices of one context share a prompt; several contexts are several prompts. A prompt that is
// too long loses its beginning, which is noted.
func TestPrompts(t *testing.T) {
	cfg := runners.Shape{Name: "m", Arch: runners.Transformer, Dim: 8, Layers: 1, FFN: 8, Vocab: 256, Heads: 1, KVHeads: 1, HeadDim: 8,
		RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.Config()
	s := &spy{logProb: func(context, text string) float64 { return -float64(len(context) + len(text)) }}
	r, err := runOne(t, suites.Local("m", cfg), s, choiceBlock+"max_length: 6\n", `{"q": "abc ", "c": ["x", "yy", "zzzz"], "a": 0}`)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range s.prompts {
		got += fmt.Sprint(p.Tokens, p.Turns[0].Continuations, p.Turns[0].MaxTokens, ";")
	}
	if want := "[97 98 99] [  x   yy] 0;[99] [  zzzz] 0;"; got != want {
		t.Errorf("prompts %s, want %s", got, want)
	}
	if want := "1 prompts are longer than 6 tokens"; len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], want) {
		t.Errorf("notes %q", r.Notes)
	}
	s.prompts = nil
	if _, err = runOne(t, suites.Local("m", cfg), s, choiceBlock+"blank: _\n", `{"q": "a _ b", "c": ["x", "yy"], "a": 0}`); err != nil {
		t.Fatal(err)
	}
	if len(s.prompts) != 2 || s.prompts[1].Text != "a yy" || s.prompts[1].Turns[0].Continuations[0] != " b" {
		t.Errorf("prompts %+v", s.prompts)
	}
}

func TestPlanning(t *testing.T) {
	file := strings.Repeat(`{"q": "some text", "c": ["a", "b"], "a": 0}`+"\n", 25)
	cases, err := plan(t, textTarget(), choiceBlock+"documents_per_case: 10\nname: mine\n", file)
	if err != nil {
		t.Fatal(err)
	}
	labels := ""
	for _, c := range cases {
		labels += fmt.Sprint(c.Label, " ", c.Params["from"], " ", c.Params["documents"], "; ")
	}
	if want := "downstream mine 1-10 1 10; downstream mine 11-20 11 10; downstream mine 21-25 21 5; "; labels != want {
		t.Errorf("cases %s", labels)
	}
	if cases, err = plan(t, textTarget(), choiceBlock+"limit: 7\n", file); err != nil || len(cases) != 1 || cases[0].Params["documents"] != 7 || cases[0].Params["from"] != nil || cases[0].Label != "downstream docs" {
		t.Errorf("%+v, %v", cases, err)
	}
	none := &suites.Target{Name: "m", Can: runners.Can(runners.Step)}
	if cases, err = plan(t, none, choiceBlock, file); err != nil || cases[0].Unsupported != "it cannot compute the log-probabilities of given continuations" {
		t.Errorf("%+v, %v", cases, err)
	}
	if cases, err = plan(t, none, textBlock, file); err != nil || cases[0].Unsupported != "it cannot score texts" {
		t.Errorf("%+v, %v", cases, err)
	}
	short := textTarget()
	short.Context = 200
	if _, err = plan(t, short, answerBlock, file); err == nil || !strings.Contains(err.Error(), "max_gen_toks: 256 tokens leave no room for a prompt: the model m reads 199") {
		t.Errorf("got %v", err)
	}
	for file, want := range map[string]string{
		"\n": "docs.jsonl has no documents",
		`{"q": "x", "c": ["a", "b"], "a": 0}` + "\n" + `{"q": "x"}`: "docs.jsonl:2: no field \"c\"",
	} {
		if _, err := plan(t, textTarget(), choiceBlock, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A file that changes between planning and running is an error.
func TestFileChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "docs.jsonl")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"q": "x", "a": "y"}`)
	p := Task{}.Params()
	if err := yaml.Unmarshal([]byte("file: docs.jsonl\n"+answerBlock), p); err != nil {
		t.Fatal(err)
	}
	cases, err := Task{}.Plan(&suites.Planner{Dir: dir}, textTarget(), p)
	if err != nil {
		t.Fatal(err)
	}
	write(`{"q": "x", "a": "z"}`)
	if _, err := cases[0].Run(t.Context(), &spy{}, func(float64) {}); err == nil || !strings.Contains(err.Error(), "docs.jsonl has changed") {
		t.Errorf("got %v", err)
	}
}

// tiny is a model with random weights on the CPU.
func tiny(t *testing.T, arch runners.Arch) (*suites.Target, runners.Instance) {
	t.Helper()
	cfg := runners.Shape{Name: "small", Dim: 32, Layers: 4, FFN: 48, Vocab: 256, Heads: 4, KVHeads: 2, HeadDim: 8,
		RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(arch, 2, 24).Config()
	m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), runners.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return suites.Local("small", cfg), m
}

// The log-probabilities of choices and texts equal those of one pass over each text.
func TestOnCPU(t *testing.T) {
	for _, arch := range runners.Arches() {
		target, m := tiny(t, arch)
		logProb := func(context, text string) (sum float64) {
			s, err := m.NewSequence(len(context) + len(text))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = m.Score(t.Context(), s, tokenizer.Bytes{}.Encode(context+text), func(pos int, lp float32) {
				if pos >= len(context) {
					sum += float64(lp)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			return sum
		}
		file := `{"q": "Which one is it?", "c": ["first", "the second", "x"], "a": 0}` + "\n" + `{"q": "Which one was it?", "c": ["a", "b"], "a": 1}` + "\n"
		r, err := runOne(t, target, m, choiceBlock, file)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range []struct {
			q string
			c []string
		}{{"Which one is it?", []string{"first", "the second", "x"}}, {"Which one was it?", []string{"a", "b"}}} {
			for k, c := range doc.c {
				if got, want := r.Trials[i].LogProbs[k], logProb(doc.q, " "+c); !(math.Abs(got-want) <= 1e-4) {
					t.Errorf("%s: %s after %s: %g, want %g", arch, c, doc.q, got, want)
				}
			}
		}
		if r, err = runOne(t, target, m, textBlock, file); err != nil {
			t.Fatal(err)
		}
		want := logProb("W", "hich one is it?") + logProb("W", "hich one was it?")
		if got := r.Metrics["bits_per_byte"].Value; !(math.Abs(got+want/math.Ln2/33) <= 1e-5) || r.Metrics["bits_per_byte"].Lo == nil {
			t.Errorf("%s: %g bits per byte, want %g", arch, got, -want/math.Ln2/33)
		}
		if got := r.Metrics["word_perplexity"].Value; !(math.Abs(math.Log(got)+want/8) <= 1e-4) {
			t.Errorf("%s: word perplexity %g, want %g", arch, got, math.Exp(-want/8))
		}
		if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "the first token of each text") {
			t.Errorf("notes %q", r.Notes)
		}
	}
}

// TestPerplexityIntervals checks that intervals contain only possible values, also for texts that
// differ much, and that the intervals of one quantity in two units agree.
func TestPerplexityIntervals(t *testing.T) {
	var x texts
	for _, c := range []struct {
		logProb float64
		text    string
	}{{-64, "hello world this is a text"}, {0, ""}, {0, " "}, {-86, "é日本\n\n"}, {0, "a"}} {
		x.add(c.logProb, c.text)
	}
	m := x.metrics()
	for _, name := range []string{"word_perplexity", "byte_perplexity"} {
		if p := m[name]; p.Lo == nil || !(1 <= *p.Lo && *p.Lo < p.Value && p.Value < *p.Hi) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	bits, bytes := m["bits_per_byte"], m["byte_perplexity"]
	for _, c := range [][2]float64{{bits.Value, bytes.Value}, {*bits.Lo, *bytes.Lo}, {*bits.Hi, *bytes.Hi}} {
		if !(math.Abs(c[0]-math.Log2(c[1])) <= 1e-9) {
			t.Errorf("%g bits per byte are a perplexity of %g, got %g", c[0], math.Exp2(c[0]), c[1])
		}
	}
	var same texts
	same.add(-6, "a b c")
	same.add(-6, "a b c")
	if p := same.metrics()["word_perplexity"]; p.Lo == nil || !(math.Abs(*p.Lo-math.Exp(2)) <= 1e-9 && math.Abs(*p.Hi-math.Exp(2)) <= 1e-9) {
		t.Errorf("equal texts: %+v", p)
	}
}

// TestNothingToRead checks prompts and texts without a token that a model could read or score.
func TestNothingToRead(t *testing.T) {
	target, m := tiny(t, runners.Arches()[0])
	for _, c := range []struct{ block, file, want string }{
		{answerBlock + "generation_kwargs: {max_gen_toks: 2}\n", `{"q": "x", "a": "y"}` + "\n" + `{"q": "", "a": "y"}`, "docs.jsonl:2: doc_to_text is empty, and the model has no token that begins a text"},
		{textBlock, `{"q": ""}` + "\n" + `{"q": "a"}`, "docs.jsonl: no text has a token to score"},
	} {
		if r, err := runOne(t, target, m, c.block, c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v, %v; want %s", r, err, c.want)
		}
	}
}

// A model in a child process takes texts and has a tokenizer of its own.
func TestInChildProcess(t *testing.T) {
	python, err := osexec.LookPath("python3")
	if err != nil {
		testenv.Missing(t, "python3 is not installed")
	}
	spec := exec.Spec{Command: []string{python, "../runners/exec/testdata/bigram.py"}, Start: time.Minute, Request: time.Minute}
	h, err := exec.Probe(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	m := exec.New(spec, h, true)
	defer m.Close()
	target := &suites.Target{Name: "bigram", Can: h.Capabilities()}
	r, err := runOne(t, target, m, choiceBlock, `{"q": "x", "c": ["!", "a"], "a": 0}`+"\n"+`{"q": "", "c": ["!", "a"], "a": 0}`)
	if err != nil {
		t.Fatal(err)
	}
	// A byte is followed by the next one: ' ' by '!'.
	for i, tr := range r.Trials {
		if tr.Answer != "!" || len(tr.LogProbs) != 2 || !(tr.LogProbs[0] > tr.LogProbs[1]) {
			t.Errorf("document %d: %+v", i+1, tr)
		}
	}
	r, err = runOne(t, target, m, answerBlock+"generation_kwargs: {until: [f], max_gen_toks: 10}\n", `{"q": "a", "a": "bcde"}`)
	if err != nil || r.Metrics["exact_match"].Value != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	cases, err := plan(t, target, textBlock, `{"q": "abc"}`)
	if err != nil || !strings.Contains(cases[0].Unsupported, "no tokenizer in the suite") {
		t.Errorf("%+v, %v", cases, err)
	}
	target.Tokenizer, target.Can = tokenizer.Bytes{}, target.Can.Cannot(runners.Score, "")
	if r, err = runOne(t, target, exec.New(spec, h, false), textBlock, `{"q": "abcd"}`); err != nil || !(r.Metrics["byte_perplexity"].Value > 1) {
		t.Errorf("%+v, %v", r, err)
	}
}
