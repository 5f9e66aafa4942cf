package needle

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
)

// recorder is the needle task, and records the cells that it plans.
type recorder struct {
	Task
	cells *[]*cell
}

func (rec recorder) Plan(pl *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	cases, err := rec.Task.Plan(pl, m, params)
	if err != nil {
		return nil, err
	}
	p := *params.(*Params)
	if err := p.complete(); err != nil {
		return nil, err
	}
	source, err := pl.Source(p.Haystack.Spec)
	if err != nil {
		return nil, err
	}
	templates, err := p.Template.choose()
	if err != nil {
		return nil, err
	}
	n := len(*rec.cells)
	for _, length := range p.Lengths {
		for _, needles := range p.Needles {
			for _, d := range p.Depths.list() {
				*rec.cells = append(*rec.cells, &cell{Params: &p, length: int(length), needles: int(needles), depth: d, seed: pl.Seed, templates: templates, source: source})
			}
		}
	}
	for i, c := range (*rec.cells)[n:] {
		if c.label() != cases[i].Label {
			return nil, pl.Errorf("the recorder's cell %q is the task's %q", c.label(), cases[i].Label)
		}
	}
	return cases, nil
}

// suiteCells returns the cells of the shipped suite.
func suiteCells(t *testing.T) []*cell {
	t.Helper()
	var cells []*cell
	s, err := suites.Load("needle", nil, []suites.Task{recorder{cells: &cells}})
	if err != nil {
		t.Fatal(err)
	}
	s.Models = s.Models[:1] // every model gets the same questions
	if _, err := suites.NewPlan(t.Context(), s, suites.Registry{Open: func(_ *suites.Suite, e suites.Entry) (*suites.Target, error) {
		m := fakeEntry()
		m.Name, m.Seconds = e.Name, func(runners.Work) float64 { return 1 }
		return m, nil
	}}); err != nil {
		t.Fatal(err)
	}
	if len(cells) == 0 {
		t.Fatal("the shipped suite has no cells")
	}
	return cells
}

// TestSuiteKeysAreHeldOutOfTraining checks that the keys of the shipped suite are in the split that
// each model's config declares as held out.
func TestSuiteKeysAreHeldOutOfTraining(t *testing.T) {
	configs, err := filepath.Glob("../runners/checkpoint/tiny/*/config.json")
	if err != nil || len(configs) == 0 {
		t.Fatalf("%d configs of trained models, %v", len(configs), err)
	}
	rule := regexp.MustCompile(`\bkeys with fnv1a32\(key\) % (\d+) == 0\b`)
	cells := suiteCells(t)
	for _, path := range configs {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Training struct {
				HeldOut string `json:"held_out"`
			}
		}
		if err := json.Unmarshal(data, &config); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found := rule.FindStringSubmatch(config.Training.HeldOut)
		if found == nil {
			t.Fatalf("%s: training.held_out %q names no rule for keys", path, config.Training.HeldOut)
		}
		modulus, err := strconv.ParseUint(found[1], 10, 32)
		if err != nil || modulus < 2 {
			t.Fatalf("%s: keys held out modulo %s", path, found[1])
		}
		for _, c := range cells {
			for i := range c.trials() {
				trial, err := c.trial(i)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range trial.facts {
					h := fnv.New32a()
					h.Write([]byte(f.key))
					if uint64(h.Sum32())%modulus != 0 {
						t.Errorf("%s: %s asks for the key %q, which training may have seen", path, c.label(), f.key)
					}
				}
			}
		}
	}
}

// TestSuiteHaystacksAreHeldOutOfTraining checks that no long line of the shipped suite's haystacks
// occurs in the prose of the training recipe.
func TestSuiteHaystacksAreHeldOutOfTraining(t *testing.T) {
	recipe, err := os.ReadFile("../tools/train/data.py")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^PROSE_TRAIN, PROSE_HELDOUT = \((\d+), (\d+) << 20\), `).FindSubmatch(recipe)
	if found == nil {
		t.Fatal("tools/train/data.py names no PROSE_TRAIN")
	}
	seed, err := strconv.ParseUint(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	mib, err := strconv.Atoi(string(found[2]))
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		mib = 2
	}
	trained := corpus.Prose(corpus.StreamTrain, seed, mib<<20)
	seen := map[string]bool{}
	longLines(trained, func(line []byte) { seen[string(line)] = true })
	n := 0
	for _, c := range suiteCells(t) {
		if c.source.Name() != "prose" {
			t.Errorf("%s reads %s, not the prose for tests", c.label(), c.source.Name())
		}
		for i := range c.haystacks() {
			h, err := c.source.Haystack(c.haystackSeed(i), c.length)
			if err != nil {
				t.Fatal(err)
			}
			longLines(h.Text, func(line []byte) {
				n++
				if seen[string(line)] {
					t.Errorf("%s: training has read %q", c.label(), line)
				}
			})
		}
	}
	if n < 100 || len(seen) < 100 {
		t.Errorf("%d long lines in the haystacks, %d in the prose of training: too few to compare", n, len(seen))
	}
}

// longLines calls f for each line of at least 80 bytes, which texts do not share by chance.
func longLines(text []byte, f func(line []byte)) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) >= 80 {
			f(line)
		}
	}
}
