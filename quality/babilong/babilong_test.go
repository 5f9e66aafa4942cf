package babilong

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/kindtest"
)

func TestFamily(t *testing.T) {
	kindtest.Check(t, Family(), func(_ *quality.Kind, s *quality.Sample) string {
		return " the " + strings.ToUpper(s.References[0]) + "."
	})
}

// A reader of the facts, which shares no code with the simulation, finds the same answers.
func TestAnswers(t *testing.T) {
	for i, k := range Family().Kinds {
		for _, wording := range []string{quality.WordingOwn, Published} {
			settings := kindtest.Settings(t, 4<<10, wording)
			for seed := range uint64(150) {
				d, err := k.Draw(rng.New("test", seed), settings)
				if err != nil {
					t.Fatal(err)
				}
				s, err := d.Make(0) // only facts
				if err != nil {
					t.Fatal(err)
				}
				prompt := s.Prompt()
				begin, end := "\n\nText:\n", "\n\nQuestion: "
				if wording == Published {
					begin, end = "<context>\n", "\n</context>\nQuestion: "
				}
				_, rest, _ := strings.Cut(prompt, begin)
				facts, ask, ok := strings.Cut(rest, end)
				if !ok {
					t.Fatalf("%q", prompt)
				}
				if got := read(t, strings.SplitAfter(facts, ". "), ask); got != s.References[0] {
					t.Errorf("%s, %s, seed %d: %q, want %q: %s %s", k.Name, wording, seed, s.References[0], got, facts, ask)
				}
				if n := len(s.Distractors) + 1; k.Guess != 1/float64(n) && !(i == 4 && n == 5 && k.Guess == 1.0/3) {
					t.Errorf("%s: a guessing rate of %g with %d possible answers", k.Name, k.Guess, n)
				}
				if want := []int{1, 2, 3, 1, 1}[i]; len(s.Depths) < want {
					t.Errorf("%s: %d supporting facts", k.Name, len(s.Depths))
				}
			}
		}
	}
}

var (
	moved    = regexp.MustCompile(`^(\w+) (?:moved to|went to|travelled to|journeyed to|went back to) the (\w+)\. ?$`)
	took     = regexp.MustCompile(`^(\w+) (?:took|got|picked up|grabbed) the (\w+) there\. ?$`)
	put      = regexp.MustCompile(`^(\w+) (?:dropped|put down|discarded|left) the (\w+) there\. ?$`)
	giftFact = regexp.MustCompile(`^(\w+) (?:gave|handed|passed) the (\w+) to (\w+) there\. ?$`)
	is       = regexp.MustCompile(`^The (\w+) is (north|south|east|west) of the (\w+)\. ?$`)
)

// read answers a question about facts.
func read(t *testing.T, facts []string, ask string) string {
	t.Helper()
	place, holder := map[string]string{}, map[string]string{}
	history := map[string][]string{}
	was := func(o, p string) {
		if h := history[o]; len(h) == 0 || h[len(h)-1] != p {
			history[o] = append(h, p)
		}
	}
	var gifts [][]string
	relation := map[string]string{}
	back := map[string]string{"north": "south", "south": "north", "east": "west", "west": "east"}
	for _, f := range facts {
		if m := moved.FindStringSubmatch(f); m != nil {
			place[m[1]] = m[2]
			for o, p := range holder {
				if p == m[1] {
					was(o, m[2])
				}
			}
		} else if m := took.FindStringSubmatch(f); m != nil {
			if h := history[m[2]]; holder[m[2]] != "" || len(h) > 0 && h[len(h)-1] != place[m[1]] {
				t.Errorf("%q is impossible", f)
			}
			holder[m[2]] = m[1]
			was(m[2], place[m[1]])
		} else if m := put.FindStringSubmatch(f); m != nil {
			if holder[m[2]] != m[1] {
				t.Errorf("%q is impossible", f)
			}
			delete(holder, m[2])
		} else if m := giftFact.FindStringSubmatch(f); m != nil {
			if holder[m[2]] != m[1] || place[m[1]] != place[m[3]] {
				t.Errorf("%q is impossible", f)
			}
			holder[m[2]] = m[3]
			gifts = append(gifts, m[1:])
		} else if m := is.FindStringSubmatch(f); m != nil {
			relation[m[2]+" of "+m[3]] = m[1]
			relation[back[m[2]]+" of "+m[1]] = m[3]
		} else {
			t.Fatalf("fact %q", f)
		}
	}
	words := strings.FieldsFunc(ask, func(r rune) bool { return r == ' ' || r == '?' })
	one := func(of int, fits func(g []string) bool) string {
		var out []string
		for _, g := range gifts {
			if fits(g) {
				out = append(out, g[of])
			}
		}
		slices.Sort(out)
		if out = slices.Compact(out); len(out) != 1 {
			t.Errorf("%s %q: %q", ask, facts, out)
			return ""
		}
		return out[0]
	}
	switch {
	case strings.Contains(ask, " before the "): // Where was the O before the P?
		h := history[words[3]]
		return h[slices.Index(h, words[6])-1]
	case strings.HasPrefix(ask, "Where is the "):
		h := history[words[3]]
		return h[len(h)-1]
	case strings.HasPrefix(ask, "Where is "):
		return place[words[2]]
	case strings.HasPrefix(ask, "What is the "): // What is the P north of?
		return relation[back[words[4]]+" of "+words[3]]
	case strings.HasPrefix(ask, "What is "): // What is north of the P?
		return relation[words[2]+" of "+words[5]]
	case strings.HasPrefix(ask, "What did "): // What did A give to B?
		return one(1, func(g []string) bool { return g[0] == words[2] && g[2] == words[5] })
	case strings.HasPrefix(ask, "Who gave "): // Who gave the O to B?
		return one(0, func(g []string) bool { return g[1] == words[3] && g[2] == words[5] })
	}
	return one(2, func(g []string) bool { return g[0] == words[2] && g[1] == words[5] }) // Who did A give the O to?
}

// A haystack without sentences is an error.
func TestNoSentences(t *testing.T) {
	s := kindtest.Settings(t, 1024, quality.WordingOwn)
	s.Haystack = nothing{s.Haystack}
	if _, err := Family().Kinds[0].Draw(rng.New("test", 1), s); err == nil || !strings.Contains(err.Error(), "no sentences") {
		t.Errorf("%v", err)
	}
}

// nothing is a source of empty texts.
type nothing struct{ corpus.Source }

func (nothing) Haystack(uint64, int) (corpus.Haystack, error) { return corpus.Haystack{}, nil }
