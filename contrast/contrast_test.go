package contrast

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/haystack"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

func testCell(t testing.TB, length, trials int) *cell {
	t.Helper()
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	p := defaults()
	p.Trials = param.Everywhere(trials)
	return newCell(p, length, 3, source, nil)
}

// In all conditions of a trial, the fact, the persons and the depths are the same, and the first
// three have the same text.
func TestConditionsDifferInOneThing(t *testing.T) {
	c := testCell(t, 2048, 90)
	name := regexp.MustCompile(` is (\w+)\.$`)
	used := map[int]int{}
	for i := range c.trials() {
		tr := c.trial(i)
		used[tr.fact]++
		first := tr.variants[0]
		for k, v := range tr.variants {
			if !slices.IsSortedFunc(v.facts, func(a, b haystack.Fact) int { return cmp.Compare(a.Depth, b.Depth) }) {
				t.Fatalf("trial %d: facts are not in the order of the text", i)
			}
			for j, f := range v.facts {
				if f.Depth != first.facts[j].Depth || name.FindStringSubmatch(f.Text)[1] != name.FindStringSubmatch(first.facts[j].Text)[1] {
					t.Errorf("trial %d, %s: fact %d is %+v, and %+v in the first condition", i, conditions[k], j, f, first.facts[j])
				}
				if (j == tr.asked) != (f.Text == first.facts[tr.asked].Text) {
					t.Errorf("trial %d, %s: fact %d is %q; the fact asked for is %q", i, conditions[k], j, f.Text, first.facts[tr.asked].Text)
				}
				if k < 3 && f != first.facts[j] {
					t.Errorf("trial %d: the text of %s differs from the first condition's", i, conditions[k])
				}
			}
			if asks := v.question == first.question; asks != (k == 0 || k >= 3) {
				t.Errorf("trial %d, %s: question %q", i, conditions[k], v.question)
			}
		}
		own := first.facts[tr.asked].Text
		for j := range first.facts {
			if j == tr.asked {
				continue
			}
			// Others are unrelated at first, then of the same wording, then near.
			unrelated, same, nearby := first.facts[j].Text, tr.variants[3].facts[j].Text, tr.variants[4].facts[j].Text
			if w := c.order[i%len(c.order)].of().Fact; strings.Contains(unrelated, strings.Fields(w)[0]+" "+strings.Fields(w)[1]) {
				t.Errorf("%q is of the same relation as %q", unrelated, own)
			}
			if shared(same, own) == nil && !strings.HasPrefix(same, own[:12]) {
				t.Errorf("%q has another wording than %q", same, own)
			}
			differ, suffix := 0, len(" Clara.")
			for x := range len(own) - suffix {
				if nearby[x] != own[x] {
					differ++
				}
			}
			if len(nearby) != len(own) || differ != 1 {
				t.Errorf("%q is not near %q", nearby, own)
			}
		}
	}
	if len(used) != len(c.order) || used[0] != 2 {
		t.Errorf("%d facts in %d trials, want all %d before one is used again", len(used), c.trials(), len(c.order))
	}
}

// The facts of different trials are in different parts of the text, which do not depend on its
// length.
func TestDepthsAreSpread(t *testing.T) {
	c, longer := testCell(t, 512, 20), testCell(t, 8192, 20)
	var parts []int
	for i := range c.trials() {
		tr := c.trial(i)
		parts = append(parts, int(20*tr.variants[0].facts[tr.asked].Depth))
		if a, b := tr, longer.trial(i); a.name != b.name || a.variants[2].question != b.variants[2].question || a.variants[0].facts[a.asked].Depth != b.variants[0].facts[b.asked].Depth {
			t.Errorf("trial %d differs between lengths", i)
		}
	}
	if slices.IsSorted(parts) {
		t.Error("depths are in the order of the trials")
	}
	slices.Sort(parts)
	if len(slices.Compact(parts)) != 20 {
		t.Errorf("facts are in the parts %v of the text", parts)
	}
}

// Prompts fill the context with room for the answer, on the same haystack.
func TestPromptsFillTheContext(t *testing.T) {
	for _, length := range []int{700, 2048, 9000} {
		c := testCell(t, length, 5)
		tok := tokenizer.Bytes{}
		for i := range c.trials() {
			tr := c.trial(i)
			h, err := c.fit(tok, i, tr)
			if err != nil {
				t.Fatal(err)
			}
			longest := 0
			for _, v := range tr.variants {
				p := c.prompt(tr, v, h, tok, true)
				if got := tok.Decode(p.Tokens); got != p.Text+p.Turns[0].Text {
					t.Fatalf("tokens of another text: %q", got[max(0, len(got)-200):])
				}
				longest = max(longest, len(p.Tokens)+p.Turns[0].MaxTokens)
			}
			if longest > length || longest < length-40 {
				t.Errorf("the longest prompt with its answer has %d tokens, want %d", longest, length)
			}
		}
	}
}

// reader is a model of known behaviour: it answers with the name in the first statement that, by
// means, answers the question.
type reader struct {
	// means reports whether a statement answers a question.
	means func(statement, question string) bool
	// mute: the model knows the answer, but begins it in another way.
	mute bool
	// silent: the model reports no log-probabilities.
	silent bool
}

func (*reader) Close() error { return nil }

var statements = regexp.MustCompile(`The one who ([^.?]*) is (\w+)\.`)

func (m *reader) Complete(_ context.Context, group []runners.Prompt, _ int, done func(int, []runners.Answer)) ([]string, error) {
	for i, p := range group {
		turn := p.Turns[0]
		_, asked, _ := strings.Cut(turn.Text, "Question: Who ")
		asked, _, _ = strings.Cut(asked, "?")
		name := "nobody"
		for _, s := range statements.FindAllStringSubmatch(p.Text, -1) {
			if m.means(s[1], asked) {
				name = s[2]
				break
			}
		}
		a := runners.Answer{Text: " " + name + ".", Tokens: len(p.Text)}
		if m.mute {
			a.Text = " a person"
		}
		for _, text := range turn.Continuations {
			lp := -3.0
			if text == " "+name {
				lp = -0.5
			}
			if !m.silent {
				a.LogProbs = append(a.LogProbs, lp)
			}
		}
		done(i, []runners.Answer{a})
	}
	return []string{"answered by a reader"}, nil
}

// equal requires the same words.
func equal(statement, question string) bool { return statement == question }

// careless takes a statement that differs in one letter for the right one.
func careless(statement, question string) bool {
	if len(statement) != len(question) {
		return false
	}
	n := 0
	for i := range statement {
		if statement[i] != question[i] {
			n++
		}
	}
	return n <= 1
}

// understands knows all facts.
func understands(statement, question string) bool {
	for _, r := range known().Relations {
		for _, k := range r.Keys {
			if statement == fill(r.Fact, k) {
				return question == statement || question == fill(r.Paraphrase, k) || question == fill(r.Association, k)
			}
		}
	}
	return false
}

// run measures a model.
func run(t *testing.T, m runners.Model, trials int) result.Outcome {
	t.Helper()
	c := testCell(t, 700, trials)
	last := 0.0
	out, err := c.run(t.Context(), &suites.Target{Name: "m", Can: runners.Can(runners.Complete)}, m, func(f float64) { last = f })
	if err != nil {
		t.Fatal(err)
	}
	if last != 1 || len(out.Trials) != trials*len(conditions) {
		t.Fatalf("progress %g, %d trials", last, len(out.Trials))
	}
	if slices.Sort(out.Notes); !slices.ContainsFunc(out.Notes, func(n string) bool { return n == "answered by a reader" }) || len(out.Notes) != 2 {
		t.Errorf("notes %q", out.Notes)
	}
	declared := Task{}.Describe()
	for name, x := range out.Metrics {
		if info, ok := declared.Metric(name); !ok || info.Unit != x.Unit || info.Better != x.Better {
			t.Errorf("metric %s: %+v, declared %+v", name, x, info)
		}
		if x.Lo != nil && !(*x.Lo <= x.Value && x.Value <= *x.Hi) {
			t.Errorf("metric %s: %g is outside %g to %g", name, x.Value, *x.Lo, *x.Hi)
		}
	}
	return out
}

// The differences between conditions show what a model does not understand.
func TestContrastFindsTheDifference(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    *reader
		want [5]float64 // by condition
	}{
		{"reads words", &reader{means: equal}, [5]float64{1, 0, 0, 1, 1}},
		{"understands", &reader{means: understands}, [5]float64{1, 1, 1, 1, 1}},
		{"reads nothing", &reader{means: func(string, string) bool { return false }}, [5]float64{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := run(t, tt.m, 20)
			for k, c := range conditions {
				if got := out.Metrics[c].Value; got != tt.want[k] {
					t.Errorf("%s: %g, want %g", c, got, tt.want[k])
				}
				if got := out.Metrics[c+ranked].Value; got != tt.want[k] {
					t.Errorf("%s: ranked first %g, want %g", c, got, tt.want[k])
				}
				if k == 0 {
					continue
				}
				d := out.Metrics[c+difference]
				want := tt.want[k] - tt.want[0]
				if d.Value != want || want != 0 && !(*d.Hi < 0) || want == 0 && !(*d.Lo <= 0 && *d.Hi >= 0) {
					t.Errorf("%s: difference %g (%g to %g), want %g", c, d.Value, *d.Lo, *d.Hi, want)
				}
			}
		})
	}
	// A model that reads keys without care errs among near ones.
	out := run(t, &reader{means: careless}, 40)
	if d := out.Metrics[near+difference]; !(d.Value < -0.5 && *d.Hi < -0.3) || out.Metrics[distractors+difference].Value != 0 {
		t.Errorf("near: difference %+v; distractors: %+v", d, out.Metrics[distractors+difference])
	}
}

// A model with access to the fact that does not use it: no answer is right, but the right name is
// ranked first.
func TestAccessApartFromUse(t *testing.T) {
	out := run(t, &reader{means: equal, mute: true}, 10)
	for k, c := range conditions {
		access := []float64{1, 0, 0, 1, 1}[k]
		wantMargin := 2.5 * access
		if out.Metrics[c].Value != 0 || out.Metrics[c+ranked].Value != access || !(math.Abs(out.Metrics[c+margin].Value-wantMargin) < 1e-9) {
			t.Errorf("%s: score %g, ranked first %g, margin %g", c, out.Metrics[c].Value, out.Metrics[c+ranked].Value, out.Metrics[c+margin].Value)
		}
	}
	if got := out.Metrics["guess"].Value; got != 0.2 {
		t.Errorf("a guess among five persons scores %g", got)
	}
	for i, tr := range out.Trials {
		if tr.Pair != i/5+1 || tr.Condition != conditions[i%5] || len(tr.Choices) != 5 || len(tr.LogProbs) != 5 || len(tr.Depths) != 5 || len(tr.Distractors) != 4 || !strings.Contains(tr.Facts[0], tr.Expected[0]) {
			b, _ := json.Marshal(tr)
			t.Fatalf("trial %d: %s", i, b)
		}
	}
	// Without log-probabilities, access is not reported.
	out = run(t, &reader{means: equal, silent: true}, 3)
	for name := range out.Metrics {
		if strings.Contains(name, ranked) || strings.Contains(name, margin) {
			t.Errorf("metric %s without log-probabilities", name)
		}
	}
	if out.Metrics[literal].Value != 1 {
		t.Error("literal questions are not answered")
	}
}

func TestRight(t *testing.T) {
	tr := &trial{name: "Clara", others: []string{"David"}}
	plain, chatting := testCell(t, 700, 1), testCell(t, 700, 1)
	chatting.chat = &param.Dialogue{}
	for _, tt := range []struct {
		answer      string
		plain, chat bool
	}{
		{"Clara.", true, true},
		{"Clara", true, true},
		{"Clarabelle", false, false},
		{"the baker Clara", false, true},
		{"David, not Clara", false, false},
		{"Clara, not David", true, true},
		{"Clarabelle and Clara", false, true},
		{"", false, false},
	} {
		if got := plain.right(tt.answer, tr); got != tt.plain {
			t.Errorf("%q is right: %v", tt.answer, got)
		}
		if got := chatting.right(tt.answer, tr); got != tt.chat {
			t.Errorf("%q is right in a chat: %v", tt.answer, got)
		}
	}
}

func TestParams(t *testing.T) {
	for want, change := range map[string]func(*Params){
		"":                                 func(*Params) {},
		"lengths: no sizes":                func(p *Params) { p.Lengths = nil },
		"expected at most 128Mi":           func(p *Params) { p.Lengths = suites.Sizes{1 << 40} },
		"trials: 0, expected 1":            func(p *Params) { p.Trials = param.Everywhere(0) },
		"trials: 20000, expected at most":  func(p *Params) { p.Trials = param.Everywhere(20000) },
		"distractors: 0, expected 1 to 9":  func(p *Params) { p.Distractors = 0 },
		"distractors: 10, expected 1 to 9": func(p *Params) { p.Distractors = 10 },
	} {
		p := defaults()
		change(p)
		if err := p.check(); want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Every architecture runs a planned case on the real path and reports access. No cache is left.
func TestOnCPU(t *testing.T) {
	for _, arch := range runners.Arches() {
		cfg := runners.Shape{Name: "small", Dim: 32, Layers: 4, FFN: 48, Vocab: 256, Heads: 4, KVHeads: 2, HeadDim: 8,
			RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(arch, 2, 24).Config()
		m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), runners.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := defaults()
		p.Lengths, p.Trials = suites.Sizes{700}, param.Everywhere(2)
		cases, err := Task{}.Plan(&suites.Planner{Seed: 7}, suites.Local("small", cfg), p)
		if err != nil {
			t.Fatal(err)
		}
		if c := cases[0]; len(cases) != 1 || c.Label != "contrast 700" || len(c.Work) == 0 || c.Bytes <= 0 || c.Least <= 0 {
			t.Errorf("planned %+v", cases)
		}
		out, err := cases[0].Run(t.Context(), m, func(float64) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range out.Trials {
			if tr.Tokens > 700 || tr.Tokens < 500 || tr.NoLogProb || !(tr.LogProb < 0) {
				t.Errorf("trial %+v", tr)
			}
		}
		if _, ok := out.Metrics[association+ranked+difference]; !ok {
			t.Error("access is not reported")
		}
		if u := m.Usage(); u.Cache() != 0 {
			t.Errorf("%s: %d bytes of caches left", arch, u.Cache())
		}
	}
	p := defaults()
	p.Lengths = suites.Sizes{256}
	cfg := runners.Shape{Name: "small", Dim: 8, Layers: 2, FFN: 8, Vocab: 256, Heads: 1, KVHeads: 1, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(runners.Transformer, 1, 24).Config()
	if _, err := (Task{}).Plan(&suites.Planner{}, suites.Local("small", cfg), p); err == nil || !strings.Contains(err.Error(), "256 tokens are too few") {
		t.Errorf("a length that is too short: %v", err)
	}
}
