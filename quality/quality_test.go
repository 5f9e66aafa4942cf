package quality

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// tokenizers are the kinds of tokenizers: with spans, with pieces, without either, and an estimate.
var tokenizers = map[string]tokenizer.Tokenizer{"bytes": tokenizer.Bytes{}, "pieces": syllables{}, "whole": syllables{whole: true}, "estimate": tokenizer.Estimate{}}

// TestFit compares each sample with those of all other numbers of units.
func TestFit(t *testing.T) {
	for name, tok := range tokenizers {
		for i := range fakeFamily.Kinds[:3] {
			k := &fakeFamily.Kinds[i]
			for _, length := range []int{150, 151, 333, 1000} {
				settings := &Settings{Length: length, Wording: WordingOwn, Seed: 7}
				room := length - k.Answer(length)
				f := newFitter(tok, nil, room)
				for sample := range 5 {
					d, err := k.Draw(rng.New("fit", uint64(sample)), settings)
					if err != nil {
						t.Fatal(err)
					}
					got, err := f.fit(d)
					if err != nil {
						t.Fatalf("%s %s %d: %v", name, k.Name, length, err)
					}
					if n := len(tok.Encode(got.Prompt() + got.Prefix)); n != got.tokens || n != len(f.prompt(got.Sample, true)) || n > room {
						t.Fatalf("%s %s %d: %d tokens, counted %d, %d of the prompt, room for %d", name, k.Name, length, n, got.tokens, len(f.prompt(got.Sample, true)), room)
					}
					if n, m := len(tok.Encode(got.Prompt())), len(f.prompt(got.Sample, false)); n != m {
						t.Fatalf("%s %s %d: %d tokens without the prefix, want %d", name, k.Name, length, m, n)
					}
					least, step := d.Units()
					next, err := d.Make(got.units + step)
					if err != nil {
						t.Fatal(err)
					}
					if n := len(tok.Encode(next.Prompt() + next.Prefix)); n <= room && n > got.tokens {
						t.Errorf("%s %s %d: %d units have %d tokens, but %d fit too: %d tokens of %d", name, k.Name, length, got.units, got.tokens, got.units+step, n, room)
					}
					if (got.units-least)%step != 0 {
						t.Errorf("%s %s: %d units, not in steps", name, k.Name, got.units)
					}
				}
			}
		}
	}
	d, _ := fakeFamily.Kinds[1].Draw(rng.New("fit", 1), &Settings{Length: 100})
	if _, err := newFitter(tokenizer.Bytes{}, nil, 40).fit(d); !errors.Is(err, errTooShort) {
		t.Errorf("40 bytes: %v", err)
	}
}

// TestFewTokenizations counts how often a text that samples share is tokenized.
func TestFewTokenizations(t *testing.T) {
	tok := &counting{}
	k := &fakeFamily.Kinds[0]
	settings := &Settings{Length: 20000, Seed: 7}
	f := newFitter(tok, nil, 20000-k.Answer(20000))
	text := 0
	for i := range 20 {
		d, err := k.Draw(rng.New("fit", uint64(i)), settings)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.fit(d)
		if err != nil {
			t.Fatal(err)
		}
		text = len(s.Base)
	}
	if tok.bytes > 2*text {
		t.Errorf("%d bytes were tokenized of a text of %d", tok.bytes, text)
	}
}

type counting struct {
	syllables
	bytes int
}

func (c *counting) Encode(text string) []int {
	c.bytes += len(text)
	return c.syllables.Encode(text)
}

func TestRun(t *testing.T) {
	for name, tok := range tokenizers {
		if name == "estimate" {
			tok = nil // a target without a tokenizer
		}
		m := &fakeModel{}
		rs := records(t, "{lengths: [200, 400], samples: {200: 70, 400: 3}, kinds: [shared, sep*]}", target(m, tok))
		if len(rs) != 4 {
			t.Fatalf("%s: %d records", name, len(rs))
		}
		for _, r := range rs {
			n := 70
			if r.Params["length"] == 400.0 {
				n = 3
			}
			score := r.Metrics["score"]
			if r.Status != result.OK || score.Value != 1 || len(score.Samples) != n || len(r.Trials) != n || score.Lo == nil || *score.Lo >= 1 {
				t.Fatalf("%s: %s: %s %s %+v", name, r.Label, r.Status, r.Reason, score)
			}
			if r.Metrics["repeat"].Value != 1 || r.Metrics["tokens"].Value < 0.8*(r.Params["length"].(float64)-12) {
				t.Errorf("%s: %s: %+v", name, r.Label, r.Metrics)
			}
			if want := map[string]float64{"shared": 0.125}[r.Params["kind"].(string)]; r.Metrics["guess"].Value != want {
				t.Errorf("guess %g of %v", r.Metrics["guess"].Value, r.Params["kind"])
			}
			for _, tr := range r.Trials {
				if tr.Score == nil || *tr.Score != 1 || tr.Question != "What is the password?" || len(tr.Expected) != 1 || !strings.Contains(tr.Answer, tr.Expected[0]) {
					t.Errorf("%s: %+v", name, tr)
				}
			}
			if b, _ := json.Marshal(r.Trials[0]); strings.Contains(string(b), "exact") || strings.Contains(string(b), "logprob") || strings.Contains(string(b), "facts") {
				t.Errorf("trial %s", b)
			}
			if estimated := strings.Contains(strings.Join(r.Notes, "\n"), "the tokenizer is unknown"); estimated != (tok == nil) {
				t.Errorf("%s: notes %q", name, r.Notes)
			}
		}
		if m.groups[0] != 64 || m.groups[1] != 6 {
			t.Errorf("groups of %v prompts, expected at most 64", m.groups)
		}
	}
}

// TestAnswerPrefix checks that samples differ only in the prefix, and that it is recorded.
func TestAnswerPrefix(t *testing.T) {
	const block = "{lengths: [300], samples: 4, kinds: separate, answer_prefix: "
	with, without := records(t, block+"true}", target(&fakeModel{}, syllables{}))[0], records(t, block+"false}", target(&fakeModel{}, syllables{}))[0]
	if with.Params["answer_prefix"] != true || without.Params["answer_prefix"] != false || with.Case == without.Case {
		t.Errorf("params %v and %v", with.Params, without.Params)
	}
	if with.Metrics["score"].Value != 1 || without.Metrics["score"].Value != 0 {
		t.Errorf("scores %g and %g", with.Metrics["score"].Value, without.Metrics["score"].Value)
	}
	prefix := len(syllables{}.Encode(" The password is"))
	for i, tr := range without.Trials {
		if tr.Expected[0] != with.Trials[i].Expected[0] || tr.Tokens+prefix != with.Trials[i].Tokens {
			t.Errorf("sample %d: %+v and %+v", i, tr, with.Trials[i])
		}
	}
}

// TestMoreSamples checks that the first samples do not depend on the number of samples.
func TestMoreSamples(t *testing.T) {
	few := records(t, "{lengths: [300], samples: 3}", target(&fakeModel{}, syllables{}))
	many := records(t, "{lengths: [300], samples: 9, kinds: [shared, separate, finite]}", target(&fakeModel{}, syllables{}))
	for i := range few {
		for k, tr := range few[i].Trials {
			if o := many[i].Trials[k]; o.Expected[0] != tr.Expected[0] || o.Tokens != tr.Tokens {
				t.Errorf("%s: sample %d is %+v of 3, %+v of 9", few[i].Label, k, tr, o)
			}
		}
	}
}

func TestTooShort(t *testing.T) {
	m := target(&fakeModel{}, tokenizer.Bytes{})
	p, err := plan(t, "{lengths: [60, 400], samples: 1, kinds: shared}", m)
	if err != nil {
		t.Fatal(err)
	}
	if why := p.Cases[0].Unsupported; !strings.Contains(why, "the length is too short: the shortest question of shared has") {
		t.Errorf("unsupported: %q", why)
	}
	if p.Cases[1].Unsupported != "" {
		t.Errorf("unsupported: %q", p.Cases[1].Unsupported)
	}
	if _, err := plan(t, "{lengths: [60], samples: 1}", m); err == nil || !strings.Contains(err.Error(), "x.yaml:4") || !strings.Contains(err.Error(), "all are too short for m") {
		t.Errorf("error %v", err)
	}
}

func TestData(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.txt"), filepath.Join(dir, "bad.txt")
	for path, text := range map[string]string{good: "password 4711\n", bad: "password 1\nnothing\n"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m := target(&fakeModel{}, syllables{})
	rs := records(t, "{lengths: [300], samples: 2, data: "+good+"}", m)
	if len(rs) != 4 || rs[3].Params["kind"] != "lines" || rs[3].Metrics["score"].Value != 1 || rs[3].Trials[0].Expected[0] != "4711" || rs[3].Params["data"] == nil || rs[0].Params["data"] != nil {
		t.Errorf("records %+v", rs)
	}
	for block, want := range map[string]string{
		"{kinds: lines}":                          "lines needs a data set",
		"{kinds: 'l*'}":                           "need a data set",
		"{data: nowhere.txt}":                     "nowhere.txt: no such file",
		"{data: " + bad + "}":                     "bad.txt:2: expected a password",
		"{data: {lines: " + dir + "}}":            "data: " + filepath.Base(dir) + " is a folder",
		"{data: " + os.DevNull + "}":              "is not a regular file",
		"{data: {line: x}}":                       `unknown kind "line"`,
		"{data: {shared: x}}":                     "kind shared uses no data",
		"{data: [x]}":                             "expected a path, or paths",
		"{kinds: shard}":                          `no kind "shard"`,
		"{kinds: []}":                             "kinds: expected a name",
		"{kinds: '['}":                            "kinds:",
		"{wording: olt}":                          `unknown name "olt"`,
		"{samples: 0}":                            "samples: 0, expected",
		"{samples: {1Ki: 3}, lengths: [512]}":     "samples: none at length 512",
		"{lengths: []}":                           "an empty list",
		"{lengths: [1]}":                          "lengths: 1, expected at least 16",
		"{lengths: [1, 1Ki]}":                     "lengths: 1, expected at least 16",
		"{lengths: [16]}":                         "lengths: all are too short for m: the shortest question of",
		"{lengths: [1Ki, 1Ti]}":                   "lengths: 1Ti, expected at least 16 and at most 128Mi",
		"{answer_prefix: perhaps}":                "expected true or false",
		"{chat: {sytem: x}}":                      "chat: expected",
		"{haystack: 7}":                           "unknown corpus",
		"{haystack: {files: [/no/such/file.tx]}}": "nothing matches",
	} {
		if _, err := plan(t, block, m); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.yaml:4") {
			t.Errorf("%s: error %v, want %q with its line", block, err, want)
		}
	}
}

// TestSampleTooShort checks that a sample which needs more tokens than the first one makes its case
// unsupported.
func TestSampleTooShort(t *testing.T) {
	family := fakeFamily
	family.Kinds = []Kind{{Name: "uneven", Answer: fakeAnswer, Score: fakeScore, Draw: func(r *rng.Rand, s *Settings) (Draft, error) {
		return &fakeDraft{password: strings.Repeat("7", 4+200*s.Sample), filler: fakeWords(r, 400), at: 3, most: 400}, nil
	}}}
	task := NewTask(family)
	p := task.Params().(*Params)
	p.Lengths, p.Samples = suites.Sizes{400}, param.Everywhere(5)
	cases, err := task.Plan(&suites.Planner{}, target(&fakeModel{}, tokenizer.Bytes{}), p)
	if err != nil || cases[0].Unsupported != "" {
		t.Fatalf("planned as %+v: %v", cases, err)
	}
	_, err = cases[0].Run(t.Context(), &fakeModel{}, func(float64) {})
	if !errors.Is(err, runners.ErrUnsupported) || !strings.Contains(err.Error(), "uneven, sample 2") {
		t.Errorf("error %v", err)
	}
}
