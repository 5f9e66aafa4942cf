package needle

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

func fakeEntry() *suites.Target {
	return suites.Local("fake", fakeConfig(runners.YOCOGatedRetention))
}

func planCases(t *testing.T, set func(*Params)) []suites.Case {
	t.Helper()
	p := Task{}.Params().(*Params)
	p.Lengths, p.Trials = suites.Sizes{1024}, param.Everywhere(3)
	if set != nil {
		set(p)
	}
	cases, err := Task{}.Plan(&suites.Planner{Seed: 7}, fakeEntry(), p)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func runCase(t *testing.T, c suites.Case, m runners.Model) *result.Record {
	t.Helper()
	r := &result.Record{Label: c.Label, Params: c.Params}
	out, err := c.Run(t.Context(), m, func(float64) {})
	r.Fill(out)
	if err != nil {
		t.Fatalf("%s: %v", c.Label, err)
	}
	if _, err := result.Encode(*r); err != nil {
		t.Fatal(err)
	}
	if f, ok := m.(*fakeModel); ok && f.open != 0 {
		t.Errorf("%s: %d sequences left open", c.Label, f.open)
	}
	return r
}

// everyKind runs a test for each kind, at a length that has room for its facts.
func everyKind(t *testing.T, do func(t *testing.T, kind string, set func(*Params))) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			do(t, kind, func(p *Params) {
				p.Kind = kind
				p.Lengths = suites.Sizes{2048}
			})
		})
	}
}

// TestReaderFindsAll checks that a model that searches its context finds every fact: for every
// kind, wording, key shape and text, at every depth.
func TestReaderFindsAll(t *testing.T) {
	texts := map[string]param.Corpus{"prose": {Spec: corpus.Spec{Kind: corpus.KindProse}}, "lines": lines(t)}
	for name, text := range texts {
		everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
			for _, template := range append([]string{"all"}, templateNames()[3:]...) {
				cases := planCases(t, func(p *Params) {
					set(p)
					p.Template, p.Haystack, p.Trials, p.Depths = Wordings{template}, text, param.Everywhere(2), Depths{Mode: spread}
					if template == "all" {
						p.Trials, p.Keys, p.Depths = param.Everywhere(8), corpus.KeyMixed, Depths{}
					}
				})
				for _, c := range cases {
					r := runCase(t, c, &fakeModel{})
					if r.Metrics["exact"].Value != 1 || r.Metrics["contains"].Value != 1 {
						t.Errorf("%s, %s: exact %g, contains %g: %+v", name, c.Label, r.Metrics["exact"].Value, r.Metrics["contains"].Value, r.Trials)
					}
					if lp := r.Metrics["logprob"].Value; !(lp > -0.01 && lp <= 0) {
						t.Errorf("%s: log-probability %g of a sure answer", c.Label, lp)
					}
				}
			}
		})
	}
}

// lines returns a corpus of short lines without sentences.
func lines(t *testing.T) param.Corpus {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "\tx%c = f(y)\n", 'a'+i%26)
	}
	path := filepath.Join(t.TempDir(), "code.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return param.Corpus{Spec: corpus.Spec{Kind: corpus.KindFiles, Paths: []string{path}}}
}

// TestBlindFindsNothing checks that a blind model finds nothing, that its wrong answers are
// recorded, and the interval.
func TestBlindFindsNothing(t *testing.T) {
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		r := runCase(t, planCases(t, set)[0], &fakeModel{blind: true})
		e := r.Metrics["exact"]
		if e.Value != 0 || *e.Lo != 0 || !(*e.Hi > 0.5 && *e.Hi < 0.7) || e.Method != "wilson" || len(e.Samples) != 3 {
			t.Errorf("exact %+v", e)
		}
		for _, tr := range r.Trials {
			if len(tr.Answer) < 6 || tr.LogProb > -5 {
				t.Errorf("answer %q, log-probability %g", tr.Answer, tr.LogProb)
			}
		}
	})
}

// TestLengthsAndDepths checks that prompts with answers nearly fill the requested length without
// exceeding it, and that facts are near their depths.
func TestLengthsAndDepths(t *testing.T) {
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		cases := planCases(t, func(p *Params) {
			set(p)
			p.Lengths, p.Answer = suites.Sizes{1024, 4000, 16384}, 30
			if kind == Single || kind == MultiKey {
				p.Depths = Depths{At: evenly(5)}
			}
		})
		for _, c := range cases {
			length := c.Params["length"].(int)
			r := runCase(t, c, &fakeModel{})
			most := 0.0
			for _, tr := range r.Trials {
				most = max(most, float64(tr.Tokens+30))
				if tr.Tokens+30 > length {
					t.Errorf("%s: %d tokens with an answer of 30", c.Label, tr.Tokens)
				}
				if at, ok := c.Params["depth"].(float64); ok && math.Abs(tr.Depths[0]-at) > 400/float64(length) {
					t.Errorf("%s: the fact is at %g", c.Label, tr.Depths[0])
				}
				if !slices.IsSorted(tr.Depths[:len(tr.Facts)]) {
					t.Errorf("%s: depths %v", c.Label, tr.Depths)
				}
			}
			cut := 0.0
			if c.Params["depth"] == 1.0 {
				cut = 160 // a fact at the end follows the last complete sentence
			}
			// Earlier questions may not have used all of their answers' tokens.
			if unused := float64(24 * (len(strings.Split(r.Trials[0].Question, "\n")) - 1)); most < float64(length)-unused-20-cut {
				t.Errorf("%s: the longest trial takes %g tokens of %d", c.Label, most, length)
			}
		}
	})
}

func TestSpreadDepths(t *testing.T) {
	for _, kind := range []string{Single, Multi} {
		r := runCase(t, planCases(t, func(p *Params) {
			p.Kind, p.Trials, p.Lengths = kind, param.Everywhere(4), suites.Sizes{8192}
			p.Depths = Depths{Mode: spread}
		})[0], &fakeModel{})
		for i, tr := range r.Trials {
			for j, d := range tr.Depths {
				part := float64(j)
				if kind == Single {
					part = float64(i)
				}
				if d < part/4-0.001 || d > (part+1)/4+0.04 {
					t.Errorf("%s: fact %d of trial %d is at %g", kind, j, i, d)
				}
			}
		}
	}
}

// TestHaystacks checks the number of haystacks. By default each trial has its own haystack at short
// lengths. At longer ones the trials of a cell share a haystack, and their interval counts them as
// fewer.
func TestHaystacks(t *testing.T) {
	for _, c := range []struct{ length, asked, want int }{{1024, 0, 5}, {4096, 0, 5}, {4097, 0, 1}, {32768, 0, 1}, {1024, 1, 1}, {32768, 5, 5}, {1024, 2, 2}} {
		pc := planCases(t, func(p *Params) {
			p.Lengths, p.Haystacks, p.Trials = suites.Sizes{int64(c.length)}, c.asked, param.Everywhere(5)
		})[0]
		got, ok := pc.Params["haystacks"].(int)
		if !ok {
			got = 1
		}
		if got != c.want {
			t.Errorf("%d tokens, haystacks %d: %d, want %d", c.length, c.asked, got, c.want)
		}
	}
	trials := make([]result.Trial, 10)
	for i := range trials {
		trials[i] = result.Trial{Exact: 1, Depths: []float64{0}, Facts: []string{""}}
	}
	last := 1.0
	for _, haystacks := range []int{10, 5, 2, 1} {
		m := metrics(trials, haystacks)["exact"]
		if m.Method != "wilson" || m.Value != 1 || *m.Hi != 1 || !(*m.Lo < last) {
			t.Errorf("%d haystacks: %+v, want a lower bound below %g", haystacks, m, last)
		}
		last = *m.Lo
	}
}

func TestShareIsSame(t *testing.T) {
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		for _, blind := range []bool{false, true} {
			for _, arch := range runners.Arches() {
				record := func(share bool, m *fakeModel) (string, *fakeModel) {
					var all []result.Trial
					for _, c := range planCases(t, func(p *Params) {
						set(p)
						p.Lengths, p.Trials, p.Haystacks, p.Share, p.Template = suites.Sizes{1300}, param.Everywhere(5), 2, share, Wordings{"trained"}
						if kind == Single || kind == MultiKey {
							p.Depths = Depths{At: []float64{0.3, 1}}
						}
					}) {
						all = append(all, runCase(t, c, m).Trials...)
					}
					b, err := json.Marshal(all)
					if err != nil {
						t.Fatal(err)
					}
					return string(b), m
				}
				want, alone := record(false, &fakeModel{blind: blind, arch: arch})
				got, shared := record(true, &fakeModel{blind: blind, arch: arch})
				if got != want {
					t.Errorf("%s, blind %v: shared trials differ", arch, blind)
				}
				// Continuations that differ from the answer are scored on a fork.
				branches := count((blind || kind == MultiKey) && !fakeConfig(arch).CanTruncate())
				if most := 2 + branches; shared.most > most {
					t.Errorf("%s, blind %v: %d sequences at once, want at most %d", arch, blind, shared.most, most)
				}
				if alone.most > 1+branches || shared.computed >= alone.computed {
					t.Errorf("%s, blind %v: alone %d sequences, %d tokens; shared %d tokens", arch, blind, alone.most, alone.computed, shared.computed)
				}
				for _, forkErr := range []error{runners.ErrUnsupported, runners.ErrOutOfMemory} {
					if got, m := record(true, &fakeModel{blind: blind, arch: arch, forkErr: forkErr}); got != want || m.most > 1 {
						t.Errorf("%s, blind %v, %v: trials differ, or %d sequences at once", arch, blind, forkErr, m.most)
					}
				}
			}
		}
	})
	m := &fakeModel{forkErr: runners.ErrOutOfMemory}
	r := runCase(t, planCases(t, func(p *Params) { p.Depths, p.Haystacks = Depths{At: []float64{1}}, 1 })[0], m)
	if !strings.Contains(strings.Join(r.Notes, "\n"), "prefilled separately: out of memory") {
		t.Errorf("notes %q do not say that nothing was shared", r.Notes)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestDeterministic checks that the cells of a grid and their trials do not depend on the other
// cells of the suite or on the number of trials.
func TestDeterministic(t *testing.T) {
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		records := func(order func([]suites.Case), more func(*Params)) map[string]string {
			cases := planCases(t, func(p *Params) {
				set(p)
				p.Lengths = suites.Sizes{1500, 3000}
				if more != nil {
					more(p)
				}
			})
			order(cases)
			out := map[string]string{}
			for _, c := range cases {
				b, err := json.Marshal(runCase(t, c, &fakeModel{blind: true}))
				if err != nil {
					t.Fatal(err)
				}
				out[c.Label] = string(b)
			}
			return out
		}
		want := records(func([]suites.Case) {}, nil)
		again := records(slices.Reverse, nil)
		fewer := records(slices.Reverse, func(p *Params) { p.Lengths = suites.Sizes{3000} })
		for label, b := range want {
			if again[label] != b {
				t.Errorf("%s: two runs differ", label)
			}
			if f, ok := fewer[label]; ok && f != b {
				t.Errorf("%s: depends on the other cells", label)
			}
		}
		if len(want) != 2*len(fewer) {
			t.Errorf("%d cells, %d of one length", len(want), len(fewer))
		}
	})
	c := &cell{Params: defaults(), needles: 1, length: 1024, templates: Templates()[:1], seed: 1}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	a, _ := c.trial(2)
	more := *c.Params
	more.Trials = param.Everywhere(50)
	c.Params = &more
	b, _ := c.trial(2)
	if a.facts[0] != b.facts[0] {
		t.Errorf("trial 2 is %+v of 5 trials and %+v of 50", a, b)
	}
}

// TestTrialsDiffer checks that trials of a cell, cells of a grid, and seeds differ, and that keys
// are held out of training.
func TestTrialsDiffer(t *testing.T) {
	seen := map[string]string{}
	heads := map[string]string{}
	for _, seed := range []uint64{1, 2} {
		for _, length := range []int{1024, 2048} {
			for _, d := range []depth{{at: 0}, {at: 0.5}, {mode: spread}} {
				c := &cell{Params: defaults(), needles: 1, length: length, depth: d, seed: seed, templates: Templates()}
				if err := c.complete(); err != nil {
					t.Fatal(err)
				}
				at := fmt.Sprint(seed, length, d)
				if h := fmt.Sprint(c.haystackSeed(0)); heads[h] != "" {
					t.Errorf("the haystack of %s equals that of %s", at, heads[h])
				} else {
					heads[h] = at
				}
				for i := range 20 {
					tr, err := c.trial(i)
					if err != nil {
						t.Fatal(err)
					}
					f := tr.facts[0]
					if !corpus.KeyHeldOut(f.key) {
						t.Errorf("key %q may occur in training", f.key)
					}
					for _, what := range []string{f.key, f.value} {
						if seen[what] != "" {
							t.Errorf("%s of %s trial %d also occurs in %s", what, at, i, seen[what])
						}
						seen[what] = fmt.Sprintf("%s trial %d", at, i)
					}
				}
			}
		}
	}
}

// TestFactsDiffer checks that the values and keys of one trial differ from each other.
func TestFactsDiffer(t *testing.T) {
	for _, kind := range []string{Multi, MultiKey, MultiValue, MultiQuery} {
		p := defaults()
		p.Kind, p.Distractors, p.Digits = kind, 6, 2
		if err := p.complete(); err != nil {
			t.Fatal(err)
		}
		c := &cell{Params: p, needles: int(p.Needles[0]), length: 1024, depth: depth{mode: random}, templates: Templates()}
		for i := range 50 {
			tr, err := c.trial(i)
			if err != nil {
				t.Fatal(err)
			}
			keys, values := map[string]bool{}, map[string]bool{}
			for _, f := range tr.facts {
				values[f.value] = true
				keys[f.key] = true
			}
			wantKeys := len(tr.facts)
			if kind == MultiValue {
				wantKeys = 7
			}
			if len(values) != len(tr.facts) || len(keys) != wantKeys {
				t.Errorf("%s: %d facts with %d values and %d keys", kind, len(tr.facts), len(values), len(keys))
			}
		}
	}
}

func TestPlanErrors(t *testing.T) {
	for want, set := range map[string]func(*Params){
		"the minimum is":  func(p *Params) { p.Lengths = suites.Sizes{64} },
		"unknown kind":    func(p *Params) { p.Kind = "singel" },
		"did you mean":    func(p *Params) { p.Kind = "multikeys" },
		"trials: 0":       func(p *Params) { p.Trials = param.Everywhere(0) },
		"trials: -1":      func(p *Params) { p.Trials = param.Counts{{Length: 0, N: 3}, {Length: 8 << 10, N: -1}} },
		"trials: none at": func(p *Params) { p.Trials = param.Counts{{Length: 512, N: 3}}; p.Lengths = suites.Sizes{256, 1024} },
		"haystacks":       func(p *Params) { p.Haystacks = 4 },
		"haystacks: 3": func(p *Params) {
			p.Haystacks, p.Trials, p.Lengths = 3, param.Counts{{Length: 0, N: 4}, {Length: 2048, N: 2}}, suites.Sizes{1024, 4096}
		},
		"no sizes":         func(p *Params) { p.Lengths = nil },
		"at most 128Mi":    func(p *Params) { p.Lengths = suites.Sizes{1 << 40} },
		"shape":            func(p *Params) { p.Keys = "loud" },
		"needles":          func(p *Params) { p.Needles = suites.Sizes{2} },
		"use multikey":     func(p *Params) { p.Distractors = 2 },
		"digits":           func(p *Params) { p.Digits = 19 },
		"are too few for":  func(p *Params) { p.Kind, p.Needles, p.Digits = Multi, suites.Sizes{2, 8}, 1 },
		"several facts":    func(p *Params) { p.Kind, p.Depths = Multi, Depths{At: []float64{0.5}} },
		"malformed":        func(p *Params) { p.Models = param.Models{"["} },
		"unknown template": func(p *Params) { p.Template = Wordings{"nothing"} },
		"nothing matches":  func(p *Params) { p.Haystack.Spec = corpus.Spec{Kind: corpus.KindFiles, Paths: []string{"missing.txt"}} },
	} {
		p := Task{}.Params().(*Params)
		p.Trials = param.Everywhere(3)
		set(p)
		_, err := Task{}.Plan(&suites.Planner{Dir: t.TempDir()}, fakeEntry(), p)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestLeastLength checks that the minimum length in an error message is sufficient.
func TestLeastLength(t *testing.T) {
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		p := Task{}.Params().(*Params)
		p.Kind, p.Lengths = kind, suites.Sizes{10}
		_, err := Task{}.Plan(&suites.Planner{}, fakeEntry(), p)
		if err == nil {
			t.Fatal("10 tokens were enough")
		}
		var least int64
		if _, err := fmt.Sscan(err.Error()[strings.LastIndex(err.Error(), " ")+1:], &least); err != nil {
			t.Fatal(err)
		}
		cases := planCases(t, func(p *Params) {
			p.Kind, p.Trials, p.Lengths, p.Depths = kind, param.Everywhere(5), suites.Sizes{least + 40}, Depths{Mode: spread}
		})
		for _, c := range cases {
			if r := runCase(t, c, &fakeModel{}); r.Metrics["exact"].Value != 1 {
				t.Errorf("%s: exact %g", c.Label, r.Metrics["exact"].Value)
			}
		}
	})
}

func TestUnsupported(t *testing.T) {
	computed := fakeEntry()
	computed.Can = computed.Can.Cannot(runners.Complete, "it only computes")
	idsOnly := fakeConfig(runners.Transformer)
	idsOnly.Tokenizer = ""
	for _, m := range []*suites.Target{computed, suites.Local("fake", idsOnly), {Name: "nothing"}} {
		cases, err := Task{}.Plan(&suites.Planner{}, m, Task{}.Params())
		if err != nil {
			t.Fatal(err)
		}
		if cases[0].Unsupported == "" {
			t.Errorf("%s, which can %v, is planned", m.Name, m.Can)
		}
	}
	broken := errors.New("broken")
	if _, err := planCases(t, nil)[0].Run(t.Context(), &fakeModel{stepErr: broken}, func(float64) {}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestEstimate checks that the estimate counts shared work once and is near the actual work.
func TestEstimate(t *testing.T) {
	for _, share := range []bool{true, false} {
		for _, c := range planCases(t, func(p *Params) { p.Share, p.Lengths = share, suites.Sizes{8192} }) {
			m := &fakeModel{}
			runCase(t, c, m)
			want := 0.0
			for _, ph := range c.Work {
				want += ph.Work.Embed.Read / 4 / 8 * ph.Times // bytes of one embedding row: 8 float32
			}
			if got := float64(m.computed); math.Abs(got-want) > 0.1*8192 {
				t.Errorf("%s, share %v: computed %g tokens, estimated %g", c.Label, share, got, want)
			}
			if c.Bytes <= 0 {
				t.Errorf("%s: %d bytes", c.Label, c.Bytes)
			}
		}
	}
}

// TestAccess checks that a multikey cell, besides scoring the answer, ranks the right value among
// those of the distractors, and that other cells have no such metrics.
func TestAccess(t *testing.T) {
	everyKind(t, func(t *testing.T, kind string, set func(*Params)) {
		multikey := func(p *Params) {
			set(p)
			if kind == MultiKey {
				p.Distractors = maxWrong + 2
			}
		}
		r := runCase(t, planCases(t, multikey)[0], &fakeModel{})
		ranked, ok := r.Metrics["ranked"]
		margin, has := r.Metrics["margin"]
		if ok != (kind == MultiKey) || has != ok {
			t.Fatalf("ranked %v, margin %v", ok, has)
		}
		if !ok {
			return
		}
		if ranked.Value != 1 || !(margin.Value > 15) || len(ranked.Samples) != len(r.Trials) || !(*ranked.Lo < 1) {
			t.Errorf("a model that finds the fact: ranked %+v, margin %+v", ranked, margin)
		}
		for _, tr := range r.Trials {
			if len(tr.Choices) != 1+maxWrong || len(tr.LogProbs) != 1+maxWrong || tr.Choices[0] != tr.Expected[0] || tr.LogProbs[0] != tr.LogProb {
				t.Errorf("trial %+v", tr)
			}
			for _, wrong := range tr.Choices[1:] {
				if !slices.ContainsFunc(tr.Distractors, func(f string) bool { return strings.Contains(f, wrong) }) || wrong == tr.Expected[0] {
					t.Errorf("%s is not the value of a distractor: %q", wrong, tr.Distractors)
				}
			}
		}
		many := runCase(t, planCases(t, func(p *Params) { multikey(p); p.Trials = param.Everywhere(20) })[0], &fakeModel{blind: true})
		if got := many.Metrics["ranked"].Value; !(got < 0.6) {
			t.Errorf("a blind model ranks the right value first in %g of the trials", got)
		}
	})
}
