package needle

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
)

func decode(text string) (*Params, error) {
	p := defaults()
	err := yaml.Unmarshal([]byte(text), p)
	return p, err
}

func TestParamsYAML(t *testing.T) {
	for text, check := range map[string]func(*Params) bool{
		"depths: [0, 0.25, 1]": func(p *Params) bool { return slices.Equal(p.Depths.At, []float64{0, 0.25, 1}) },
		"depths: {count: 3}":   func(p *Params) bool { return slices.Equal(p.Depths.At, []float64{0, 0.5, 1}) },
		"depths: {count: 1}":   func(p *Params) bool { return slices.Equal(p.Depths.At, []float64{0.5}) },
		"depths: 0.75":         func(p *Params) bool { return slices.Equal(p.Depths.At, []float64{0.75}) },
		"trials: 4":            func(p *Params) bool { return p.Trials.At(1) == 4 && p.Trials.String() == "4" },
		"trials: {8Ki: 2, 256: 4, 128Ki: 1}": func(p *Params) bool {
			return p.Trials.At(255) == 0 && p.Trials.At(256) == 4 && p.Trials.At(8191) == 4 && p.Trials.At(8192) == 2 && p.Trials.At(1<<30) == 1 &&
				p.Trials.String() == "{256: 4, 8Ki: 2, 128Ki: 1}"
		},
		"depths: spread":                             func(p *Params) bool { return p.Depths.Mode == spread && p.Depths.At == nil },
		"{depths: random, trials: 9}":                func(p *Params) bool { return p.Depths.Mode == random && p.Trials.At(1) == 9 },
		"template: locker":                           func(p *Params) bool { return slices.Equal(p.Template, Wordings{"locker"}) },
		"template: [held-out, colon]":                func(p *Params) bool { ts, _ := p.Template.choose(); return len(ts) == 13 && ts[0].Name == "colon" },
		"haystack: go":                               func(p *Params) bool { return p.Haystack.Kind == corpus.KindGo },
		"haystack: {files: [a, 'b/*.txt']}":          func(p *Params) bool { return slices.Equal(p.Haystack.Paths, []string{"a", "b/*.txt"}) },
		"{kind: multi, lengths: [1Ki], keys: mixed}": func(p *Params) bool { return p.Kind == Multi && p.Lengths[0] == 1024 && p.Keys == corpus.KeyMixed },
	} {
		p, err := decode(text)
		if err != nil || !check(p) {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		"depths: [0, 1.5]":             "1.5 is not a fraction",
		"depths: [.nan]":               "not a fraction",
		"depths: [1, 0]":               "must increase",
		"depths: deep":                 `"deep" is not a depth`,
		"depths: []":                   "not a list of numbers",
		"depths: {n: 3}":               "count",
		"depths: {count: 0}":           "count",
		"depths: {count: 3, count: 4}": "count",
		"trials: many":                 `"many" is not a number`,
		"trials: 2.5":                  "is not a number",
		"trials: [4, 2]":               "by length such as",
		"trials: {}":                   "no lengths",
		"trials: {short: 2}":           `"short" is no length`,
		"trials: {256: two}":           "the value of 256 is not a number",
		"trials: {1Ki: 2, 1024: 3}":    "1Ki is there twice",
		"template: loker":              `unknown template "loker"`,
		"template: {a: b}":             "expected a name",
		"haystack: poems":              `unknown corpus "poems"`,
		"haystack: {files: []}":        "expected a list",
		"haystack: {folder: x}":        "other fields than files",
		"haystack: [go]":               "not a text",
	} {
		_, err := decode(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %q, got %v", text, want, err)
		}
	}
}

// TestParamsInSuite checks that errors in a suite have a line number.
func TestParamsInSuite(t *testing.T) {
	text := "name: x\nmodels: [m]\ntasks:\n  - needle:\n      trials: 2\n      template: loker\n"
	s, err := suites.Parse([]byte(text), "x.yaml", nil, []suites.Task{Task{}})
	if err == nil {
		_, err = suites.NewPlan(t.Context(), s, suites.Registry{Open: func(*suites.Suite, suites.Entry) (*suites.Target, error) {
			return fakeEntry(), nil
		}})
	}
	if err == nil || !strings.Contains(err.Error(), "x.yaml:6") || !strings.Contains(err.Error(), `did you mean "locker"?`) {
		t.Errorf("got %v", err)
	}
}

func TestTemplates(t *testing.T) {
	names := map[string]bool{}
	heldOut := 0
	for _, tm := range Templates() {
		if tm.Name == "" || names[tm.Name] {
			t.Errorf("name %q is empty or repeated", tm.Name)
		}
		names[tm.Name] = true
		if !tm.Train {
			heldOut++
		}
		fact, ask, all := tm.Fact("KEY", "VALUE"), tm.Ask("KEY"), tm.AskAll("KEY", "OTHER")
		if !strings.Contains(fact, "KEY") || !strings.Contains(fact, "VALUE") || strings.Contains(fact+ask+all, "{") {
			t.Errorf("%s: %q, %q, %q", tm.Name, fact, ask, all)
		}
		for _, a := range []string{ask, all} {
			if end := a[len(a)-1:]; !strings.Contains(" =>", end) || !strings.Contains(a, "KEY") || strings.Contains(a, "VALUE") {
				t.Errorf("%s: question %q", tm.Name, a)
			}
		}
		if !strings.Contains(all, "KEY, OTHER") {
			t.Errorf("%s: a question for two keys is %q", tm.Name, all)
		}
	}
	if heldOut < 3 {
		t.Errorf("%d templates are held out of training, want 3 or more", heldOut)
	}
	if a, b := wordingHash(Templates()[:1]), wordingHash(Templates()[1:2]); a == b || len(a) != 8 {
		t.Errorf("hashes %q and %q", a, b)
	}
}

func FuzzParams(f *testing.F) {
	f.Add("depths: {count: 3}\ntemplate: all\nhaystack: {files: [a]}")
	f.Add("trials:")
	f.Add("trials: {256: 4, 8Ki: 2}\nlengths: [1Ki, 16Ki]")
	f.Add("kind: multi\nneedles: 8\ndepths: spread\nlengths: {from: 1, to: 1Mi}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := decode(text)
		if err != nil {
			return
		}
		if err := p.complete(); err != nil {
			return
		}
		if _, err := p.Template.choose(); err != nil && len(p.Template) > 0 {
			t.Errorf("%q: %v", text, err)
		}
		for _, d := range p.Depths.list() {
			if s := d.String(); s == "" || !(d.at >= 0 && d.at <= 1) {
				t.Errorf("%q: depth %+v", text, d)
			}
		}
		needles := int(p.Needles[0])
		if needles+p.Distractors > 64 || p.Digits < 3 {
			return
		}
		c := &cell{Params: p, needles: needles, length: int(p.Lengths[0]), depth: p.Depths.list()[0], templates: Templates()}
		tr, err := c.trial(0)
		if err != nil || len(tr.facts) != needles+p.Distractors {
			t.Errorf("%q: %v, %v", text, tr, err)
		}
	})
}

func TestScores(t *testing.T) {
	one, three := question{values: []string{"123456"}}, question{values: []string{"11", "22", "33"}}
	for _, c := range []struct {
		answer          string
		q               question
		exact, contains float64
	}{
		{"123456", one, 1, 1},
		{" 123456. And so on", one, 1, 1},
		{"the number is 123456", one, 0, 1},
		{"12345", one, 0, 0},
		{"", one, 0, 0},
		{"11, 22, 33", three, 1, 1},
		{"11,22,33", three, 1, 1},
		{"11, 33, 22", three, 1. / 3, 1},
		{"22, 33", three, 0, 2. / 3},
		{"11", three, 1. / 3, 1. / 3},
		{"112233", three, 0, 1},
		{"11, 22, 334", three, 2. / 3, 1},
		{"1234567", one, 0, 1},
		{"123456\u0667", one, 0, 1},
		{"99123456", one, 0, 1},
		{"123,456", one, 0, 0},
		{"\t123456", one, 0, 1},
	} {
		if e, in := exact(c.answer, c.q), contains(c.answer, c.q); e != c.exact || in != c.contains {
			t.Errorf("%q for %v: exact %g, contains %g; want %g, %g", c.answer, c.q.values, e, in, c.exact, c.contains)
		}
	}
}

// TestAnswersEnd checks that an answer ends at the end of its line or, once it has the correct
// value, one token later: that token shows whether the number is longer.
func TestAnswersEnd(t *testing.T) {
	tok, err := tokenizer.New("bytes")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value, answer string
		ended         bool
	}{
		{"1", "1", false}, {"1", "12", true}, {"1", " 1.", true}, {"123456", "123456", false}, {"123456", "1234567", true},
		{"123456", "the number", false}, {"123456", "x\n", true},
	} {
		if got := ended(question{values: []string{c.value}})(c.answer); got != c.ended {
			t.Errorf("%q for %s: ended %v", c.answer, c.value, got)
		}
	}
	if n := (&cell{Params: &Params{Answer: 2}}).most(tok, question{values: []string{"123456"}}); n != 7 {
		t.Errorf("an answer of 6 digits may take %d tokens, want one more", n)
	}
}

func TestLabels(t *testing.T) {
	for want, set := range map[string]func(*Params){
		"needle single 8Ki @ 33.3%":             func(p *Params) { p.Depths = Depths{At: []float64{1. / 3}} },
		"needle multi x4 8Ki @ spread":          func(p *Params) { p.Kind = Multi },
		"needle multikey +3 8Ki @ 50%":          func(p *Params) { p.Kind, p.Depths = MultiKey, Depths{At: []float64{0.5}} },
		"needle single 8Ki @ random [held-out]": func(p *Params) { p.Depths, p.Template = Depths{Mode: random}, Wordings{"held-out"} },
	} {
		cases := planCases(t, func(p *Params) {
			p.Lengths = suites.Sizes{8192}
			set(p)
		})
		if len(cases) != 1 || cases[0].Label != want {
			t.Errorf("got %q, want %q", cases[0].Label, want)
		}
		for name, v := range cases[0].Params {
			switch v.(type) {
			case string, int, float64, bool:
			default:
				t.Errorf("%s: parameter %s is a %s", want, name, fmt.Sprintf("%T", v))
			}
		}
	}
}

// TestNeedlesList checks that a list of numbers of needles gives a case for each.
func TestNeedlesList(t *testing.T) {
	p, err := decode("{kind: multi, needles: [1, 2, 8], lengths: 2Ki, trials: 1}")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := Task{}.Plan(&suites.Planner{}, fakeEntry(), p)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{1, 2, 8} {
		r := runCase(t, cases[i], &fakeModel{})
		if len(r.Trials[0].Facts) != n || r.Params["needles"] != n || r.Metrics["exact"].Value != 1 {
			t.Errorf("%s: %d facts, exact %g", r.Label, len(r.Trials[0].Facts), r.Metrics["exact"].Value)
		}
	}
}
