package suites

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

const good = `name: s
models: [a, {name: b, model: x}]
tasks:
  - fake: {lengths: [1Ki, 4Ki], trials: 3}
  - fake: {lengths: {from: 1, to: 8}}
`

func parse(text string, sets ...string) (*Suite, error) {
	return Parse([]byte(text), "s.yaml", sets, []Task{fakeTask{}})
}

func TestParse(t *testing.T) {
	s, err := parse(good)
	if err != nil {
		t.Fatal(err)
	}
	if s.Seed != 1 || s.Runner != "cpu" || len(s.Models) != 2 || s.Models[1].Name != "b" || s.Models[0].Model != "a" {
		t.Errorf("got %+v", s)
	}
	for i, want := range []Sizes{{1024, 4096}, {1, 2, 4, 8}} {
		p, err := s.blocks[i].params()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.(*fakeParams); !reflect.DeepEqual(got.Lengths, want) {
			t.Errorf("block %d: lengths %v, want %v", i, got.Lengths, want)
		}
	}
	if p, _ := s.blocks[1].params(); p.(*fakeParams).Trials != 5 {
		t.Error("a default was lost")
	}
}

// Every error names file and line and says what was expected.
func TestParseErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "s.yaml: the file is empty"},
		"no YAML":          {"name: [", "s.yaml:1: not YAML"},
		"list":             {"- a", "s.yaml:1: expected a mapping"},
		"two documents":    {good + "---\nname: x\n", "s.yaml:6: expected one YAML document"},
		"unknown field":    {strings.Replace(good, "models:", "modles:", 1), "s.yaml:2: unknown field \"modles\"\n  hint: did you mean \"models\"?"},
		"field twice":      {good + "name: t\n", "s.yaml:6: "},
		"no name":          {strings.Replace(good, "name: s", "name: ''", 1), "name: expected letters"},
		"path as name":     {strings.Replace(good, "name: s", "name: ../x", 1), "s.yaml:1: name: expected letters"},
		"no models":        {"name: s\ntasks: [fake]\n", "no models"},
		"model twice":      {"name: s\nmodels: [a, a]\ntasks: [fake]\n", "s.yaml:2: two models are called \"a\""},
		"model field":      {"name: s\nmodels:\n  - {model: a, sed: 3}\ntasks: [fake]\n", "s.yaml:3: unknown field \"sed\"\n  hint: did you mean \"seed\"?"},
		"model without":    {"name: s\nmodels:\n  - {name: a}\ntasks: [fake]\n", "s.yaml:3: a model without the field model"},
		"dtype":            {"name: s\nmodels:\n  - {model: a, kv: f64}\ntasks: [fake]\n", "unknown number type \"f64\""},
		"unknown task":     {"name: s\nmodels: [a]\ntasks: [fakr]\n", "s.yaml:3: unknown task \"fakr\"\n  hint: did you mean \"fake\"?"},
		"task list":        {"name: s\nmodels: [a]\ntasks:\n  - [fake]\n", "s.yaml:4: expected a task"},
		"tasks no list":    {"name: s\nmodels: [a]\ntasks: {fake: {}}\n", "s.yaml:3: expected a list"},
		"param":            {"name: s\nmodels: [a]\ntasks:\n  - fake:\n      trails: 3\n", "s.yaml:5: unknown field \"trails\"\n  hint: did you mean \"trials\"?"},
		"param type":       {"name: s\nmodels: [a]\ntasks:\n  - fake:\n      trials: many\n", "s.yaml:5: expected a whole number, got str `many`"},
		"param fraction":   {"name: s\nmodels: [a]\ntasks:\n  - fake: {trials: 1.5}\n", "s.yaml:4: expected a whole number"},
		"param bool":       {"name: s\nmodels: [a]\ntasks:\n  - fake: {share: 3}\n", "s.yaml:4: expected true or false"},
		"params list":      {"name: s\nmodels: [a]\ntasks:\n  - fake: [3]\n", "s.yaml:4: fake: expected a mapping of parameters"},
		"size":             {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: [1Kx]}\n", "s.yaml:4: \"1Kx\" is not a size"},
		"sizes fall":       {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: [2, 1]}\n", "s.yaml:4: sizes must rise"},
		"range field":      {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 1, too: 3}}\n", "s.yaml:4: unknown field \"too\""},
		"range backwards":  {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 3, to: 1}}\n", "a range needs"},
		"range of factor":  {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 1, to: 3, factor: 1}}\n", "factor"},
		"task's own check": {"name: s\nmodels: [a]\ntasks:\n  - fake: {trials: 0}\n", "s.yaml:4: fake: trials is 0, want at least 1"},
		"budget":           {good + "budget: soon\n", "s.yaml:6: \"soon\" is not a duration"},
		"unknown model":    {"name: s\nmodels:\n  - unknown\ntasks: [fake]\n", "s.yaml:3: unknown model"},
		"same case twice":  {"name: s\nmodels: [a]\ntasks: [fake, fake]\n", "two cases are the same"},
	} {
		s, err := parse(c.text)
		if err == nil {
			_, err = NewPlan(s, fakeWiring(fakeTask{}, map[string]int{}))
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %T is no *Problem", name, err)
		}
	}
}

func TestSet(t *testing.T) {
	s, err := parse(good, "seed=7", "tasks.fake.trials=9", "tasks.1.fake.lengths=[16]", "models.b.kv=bf16", "budget=3m")
	if err != nil {
		t.Fatal(err)
	}
	if s.Seed != 7 || s.Budget == 0 || s.Models[1].KV.String() != "bf16" {
		t.Errorf("got %+v", s)
	}
	for i := range s.blocks {
		p, err := s.blocks[i].params()
		if err != nil || p.(*fakeParams).Trials != 9 {
			t.Errorf("block %d: %v %+v", i, err, p)
		}
	}
	if !strings.Contains(s.Text, "trials: 9") {
		t.Errorf("the text lacks the setting:\n%s", s.Text)
	}
	again, err := Parse([]byte(s.Text), "again", nil, []Task{fakeTask{}})
	if err != nil || again.Text != s.Text {
		t.Errorf("%v: the text with settings does not read back as itself", err)
	}
	for set, want := range map[string]string{
		"seed":                  "expected path=value",
		"sede=1":                "--set sede=1: unknown field \"sede\"",
		"tasks.needle.trials=1": "nothing in the suite is called tasks.needle.trials",
		"tasks.fake.trails=1":   "--set tasks.fake.trails=1: unknown field \"trails\"",
		"tasks.fake.trials=x":   "--set tasks.fake.trials=x: expected a whole number",
		"seed=[":                "not YAML",
		"tasks.7.trials=1":      "nothing in the suite",
	} {
		s, err := parse(good, set)
		if err == nil {
			_, err = NewPlan(s, fakeWiring(fakeTask{}, map[string]int{}))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: got %v, want an error with %q", set, err, want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "7": 7, "64Ki": 65536, "1M": 1e6, "1.5Ki": 1536, "2GiB": 2 << 30, " 4K ": 4000, "64KB": 64000} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5", "0x10", "1e400", "NaN", "inf", "1_000", "9999999Ti", "Ki"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for _, s := range []Size{0, 1, 1000, 1024, 65536, 3 << 20, 1<<30 + 1024} {
		if got, err := ParseSize(s.String()); err != nil || got != s {
			t.Errorf("%d is written %q and read as %d, %v", int64(s), s, got, err)
		}
	}
}

func TestSuggest(t *testing.T) {
	for wrong, want := range map[string]string{"nedle": `did you mean "needle"?`, "zzzzzz": "known: needle, nll", "NLL": `did you mean "nll"?`} {
		if got := Suggest(wrong, []string{"nll", "needle"}); got != want {
			t.Errorf("%s: got %q, want %q", wrong, got, want)
		}
	}
}

func TestExplainNamesEveryField(t *testing.T) {
	var b strings.Builder
	if err := Explain(&b, []Task{fakeTask{}}, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  budget  ", "  lengths ", "TASK fake", "(default 5)", "(default [1, 2, 3])", "  prefill_chunk"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the explanation lacks %q:\n%s", want, b.String())
		}
	}
	for i, line := range strings.Split(b.String(), "\n") {
		if len(line) > 100 {
			t.Errorf("line %d has %d columns", i+1, len(line))
		}
	}
	if err := Explain(&b, []Task{fakeTask{}}, "fak"); err == nil {
		t.Error("an unknown task was explained")
	}
}

// FuzzParse: no input makes the parser panic, and what it accepts it can read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("name: s\nmodels: &m [a]\ntasks: [fake: {lengths: *m}]\n"))
	f.Add([]byte("name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 1, to: 1Ti, factor: 1.01}}\n"))
	names, _ := os.ReadDir(".")
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".yaml") {
			text, _ := os.ReadFile(n.Name())
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text, "f", nil, []Task{fakeTask{}})
		if err != nil {
			return
		}
		for _, b := range s.blocks {
			_, _ = b.params()
		}
		again, err := Parse([]byte(s.Text), "f", nil, []Task{fakeTask{}})
		if err != nil {
			t.Fatalf("its own text is refused: %v\n%s", err, s.Text)
		}
		if len(again.blocks) != len(s.blocks) || again.Name != s.Name {
			t.Fatalf("its own text reads differently:\n%s", s.Text)
		}
	})
}
