package prose

import (
	"hash/fnv"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
)

// reserved is a rule like the one for needle keys.
func reserved(name string) bool {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()%8 == 0
}

// TestRemembers checks the distances at which facts are restated: every octave from 1 KiB to half
// the text must have enough of them.
func TestRemembers(t *testing.T) {
	g := newWriter(rng.New(Version+"/test", 9), reserved)
	for len(g.b) < 1<<20 {
		g.section(1 << 20)
	}
	last := make(map[int]int)
	octaves := make([]int, 21)
	first := 0
	for i, f := range g.w.statedFact {
		at := g.w.statedAt[i]
		if before, known := last[f]; known {
			o := 0
			for d := at - before; d > 1; d /= 2 {
				o++
			}
			octaves[o]++
		} else {
			first++
		}
		last[f] = at
	}
	t.Logf("%d statements of facts, %d for the first time; restatements by log2 of the distance: %v", len(g.w.statedFact), first, octaves)
	for o := 10; o < 19; o++ {
		if octaves[o] < 60 {
			t.Errorf("only %d restatements at distances from 2^%d bytes", octaves[o], o)
		}
	}
}

// TestReserved checks that no text contains a reserved name.
func TestReserved(t *testing.T) {
	g := newWriter(rng.New(Version+"/test", 2), reserved)
	for len(g.b) < 300_000 {
		g.section(300_000)
	}
	for name := range g.w.names.used {
		if reserved(name) || reserved(title(name)) {
			t.Errorf("the name %q is reserved", name)
		}
	}
}

func TestShapesCompile(t *testing.T) {
	compiled() // panics if a shape is invalid
	for _, bad := range []string{"{nosuch}", "[a|b", "{n"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q compiled", bad)
				}
			}()
			compile(bad)
		}()
	}
}

func TestInflection(t *testing.T) {
	for _, c := range []struct{ have, want string }{
		{plural("box"), "boxes"}, {plural("lily"), "lilies"}, {plural("key"), "keys"}, {plural("foreman"), "foremen"},
		{past("stop", true), "stopped"}, {past("carry", false), "carried"}, {past("bake", false), "baked"},
		{present("knit", true), "knitting"}, {present("dye", false), "dyeing"}, {present("tie", false), "tying"},
		{article("owl"), "an"}, {article("union"), "a"}, {article("honest"), "an"}, {article("boat"), "a"},
	} {
		if c.have != c.want {
			t.Errorf("have %q, want %q", c.have, c.want)
		}
	}
	x := words()
	for _, th := range x.themes {
		if len(th.nouns) < 25 || len(th.verbs) < 12 || len(th.adjs) < 12 {
			t.Errorf("theme %q is thin: %d nouns, %d verbs, %d adjectives", th.name, len(th.nouns), len(th.verbs), len(th.adjs))
		}
	}
}

// TestNames checks that a document never runs out of names, even if its syllables make only a few
// names of the usual length.
func TestNames(t *testing.T) {
	m := newNamer(rng.New("names", 1), reserved)
	m.t = syllables{onsets: []string{"b", "tr"}, nuclei: []string{"a"}, codas: []string{"m", "st"}}
	seen := map[string]bool{}
	for i := range 400 {
		name := m.given(i%2 == 0)
		if seen[name] || reserved(name) {
			t.Fatalf("name %d: %s", i, name)
		}
		seen[name] = true
	}
}
