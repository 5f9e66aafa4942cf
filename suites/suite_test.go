package suites

import (
	"errors"
	"fmt"
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

// TestParseErrors checks that every error has file and line and says what was expected.
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
		"model twice":      {"name: s\nmodels: [a, a]\ntasks: [fake]\n", "s.yaml:2: two models are named \"a\""},
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
		"sizes fall":       {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: [2, 1]}\n", "s.yaml:4: sizes must increase"},
		"range field":      {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 1, too: 3}}\n", "s.yaml:4: unknown field \"too\""},
		"range backwards":  {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 3, to: 1}}\n", "a range needs"},
		"range of factor":  {"name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: {from: 1, to: 3, factor: 1}}\n", "factor"},
		"task's own check": {"name: s\nmodels: [a]\ntasks:\n  - fake: {trials: 0}\n", "s.yaml:4: fake: trials is 0, want at least 1"},
		"budget":           {good + "budget: soon\n", "s.yaml:6: \"soon\" is not a duration"},
		"unknown model":    {"name: s\nmodels:\n  - unknown\ntasks: [fake]\n", "s.yaml:3: unknown model"},
		"baseline":         {good + "baseline: c\n", "s.yaml:6: baseline: the suite has no model \"c\"\n  hint: "},
		"model's baseline": {"name: s\nmodels:\n  - a\n  - {model: big, baseline: bgi}\ntasks: [fake]\n", "s.yaml:4: baseline: the suite has no model \"bgi\"\n  hint: did you mean \"big\"?"},
		"task's model":     {"name: s\nmodels: [tiny]\ntasks:\n  - fake: {models: tniy}\n", "s.yaml:4: fake: models: \"tniy\" is not a model of the suite\n  hint: did you mean \"tiny\"?"},
		"one of them":      {"name: s\nmodels: [tiny, 模型]\ntasks:\n  - fake:\n      models: [tiny,\n        模]\n", "s.yaml:6: fake: models: \"模\" is not a model"},
		"task's pattern":   {"name: s\nmodels: [tiny]\ntasks:\n  - fake: {models: \"x*\"}\n", "s.yaml:4: fake: models: \"x*\" is not a model"},
		"same case twice":  {"name: s\nmodels: [a]\ntasks: [fake, fake]\n", "two cases are the same"},
	} {
		s, err := parse(c.text)
		if err == nil {
			_, err = NewPlan(t.Context(), s, fakeWiring(fakeTask{}, map[string]int{}))
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %T is not a *Problem", name, err)
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
		"tasks.needle.trials=1": "the suite has nothing at tasks.needle.trials",
		"tasks.fake.trails=1":   "--set tasks.fake.trails=1: unknown field \"trails\"",
		"tasks.fake.trials=x":   "--set tasks.fake.trials=x: expected a whole number",
		"seed=[":                "not YAML",
		"tasks.7.trials=1":      "the suite has nothing at",
	} {
		s, err := parse(good, set)
		if err == nil {
			_, err = NewPlan(t.Context(), s, fakeWiring(fakeTask{}, map[string]int{}))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: got %v, want an error with %q", set, err, want)
		}
	}
}

// TestSetOfModels checks settings of models whose names contain dots and other characters,
// including models given as plain strings.
func TestSetOfModels(t *testing.T) {
	const text = `name: s
models: [a-1.4b, {name: "=1+1", model: x}, {model: a-1.4b.v2}, "7"]
tasks: [fake]
`
	for set, at := range map[string]int{"models.a-1.4b.kv=bf16": 0, "models.=1+1.kv=bf16": 1, "models.a-1.4b.v2.kv=bf16": 2, "models.7.kv=bf16": 3, "models.1.kv=bf16": 1} {
		s, err := parse(text, set)
		if err != nil {
			t.Errorf("--set %s: %v", set, err)
			continue
		}
		for i, e := range s.Models {
			if got := e.KV != nil; got != (i == at) {
				t.Errorf("--set %s: model %d (%s) set: %v", set, i, e.Name, got)
			}
		}
		if again, err := parse(s.Text); err != nil || again.Text != s.Text {
			t.Errorf("--set %s: the text does not read back as itself: %v", set, err)
		}
	}
	if s, err := parse(text, "tasks.fake.trials=9"); err != nil || !strings.Contains(s.Text, "trials: 9") {
		t.Errorf("a task without parameters: %v", err)
	}
	if _, err := parse(text, "models.a-1.4.kv=bf16"); err == nil {
		t.Error("a part of a name was accepted")
	}
}

func TestBaselines(t *testing.T) {
	for text, want := range map[string]string{
		"models: [a, b]":                                                                             "map[]",
		"models: [a, b]\nbaseline: b":                                                                "map[a:b b:b]",
		"models: [{model: a, baseline: b}, b, c]":                                                    "map[a:b b:b]",
		"models: [a, {model: transformer}]":                                                          "map[a:transformer transformer:transformer]",
		"models: [a, {name: x, model: transformer}, y]":                                              "map[a:x x:x y:x]",
		"models: [{name: x, model: transformer}, {name: y, model: transformer}, a]":                  "map[]",
		"models: [{name: x, model: transformer}, {name: y, model: transformer}, a]\nbaseline: y":     "map[a:y x:y y:y]",
		"models: [{model: a, baseline: x}, {name: x, model: transformer, baseline: 模型}, 模型, \"=1\"]": "map[=1:x a:x x:模型 模型:模型]",
	} {
		s, err := parse("name: s\n" + text + "\ntasks: [fake]\n")
		if err != nil {
			t.Fatal(err)
		}
		w := fakeWiring(fakeTask{}, map[string]int{})
		resolve := w.Open
		w.Open = func(s *Suite, e Entry) (*Target, error) {
			r, err := resolve(s, e)
			r.Label = e.Model
			return r, err
		}
		p, err := NewPlan(t.Context(), s, w)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.Baselines()); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
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

// FuzzParse checks that the parser never panics, and that it can parse the text of every suite that
// it accepts.
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
			t.Fatalf("its own text is rejected: %v\n%s", err, s.Text)
		}
		if len(again.blocks) != len(s.blocks) || again.Name != s.Name {
			t.Fatalf("its own text reads differently:\n%s", s.Text)
		}
	})
}
