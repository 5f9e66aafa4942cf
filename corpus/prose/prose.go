// Package prose generates English-like text of any length about an invented world: people, places
// and things with invented names, and facts about them that stay true throughout the text. Facts
// are stated and later restated in other words. The distance is drawn log-uniformly, up to the
// whole text so far. So at every octave of distance there is information that only a model that
// remembers that far can predict. Sections have a theme, a place and a cast.
//
// Files: themes.go and words.go (word lists), lexicon.go (inflection), names.go (invented names),
// world.go and facts.go (the world's facts), sentences.go and template.go (sentence shapes),
// writer.go (filling shapes), paragraphs.go and prose.go (narrative, dialogue, lists, letters,
// registers; sections).
package prose

import (
	"slices"

	"github.com/yocobench/yocobench/corpus/rng"
)

// Version is the version of the generator. It changes whenever the same random numbers would give
// different text.
const Version = "prose/1"

// Text returns exactly n bytes of generated ASCII text. A longer text from the same random numbers
// has it as a prefix. The text may end inside a sentence. reserved must report the names that the
// text must not use.
func Text(r *rng.Rand, reserved func(name string) bool, n int) []byte {
	if n <= 0 {
		return nil
	}
	g := newWriter(r, reserved)
	g.b = make([]byte, 0, n+4096)
	for len(g.b) < n {
		g.section(n)
	}
	return g.b[:n:n]
}

func newWriter(r *rng.Rand, reserved func(string) bool) *writer {
	g := &writer{r: r, x: words(), sh: compiled(), w: newWorld(r, reserved), p: 0, q: -1, before: -1}
	for i := range g.styles {
		g.styles[i] = r.Range(50, 150)
	}
	return g
}

// section writes one section, and stops once the text has n bytes. The text before n does not
// depend on n.
func (g *writer) section(n int) {
	r := g.r
	g.theme = &g.x.themes[r.IntN(len(g.x.themes))]
	g.nouns, g.verbs, g.adjs = g.nouns[:0], g.verbs[:0], g.adjs[:0]
	for range r.Range(10, 22) {
		g.nouns = append(g.nouns, rng.Pick(r, g.theme.nouns))
	}
	for range r.Range(6, 11) {
		g.verbs = append(g.verbs, rng.Pick(r, g.theme.verbs))
		g.adjs = append(g.adjs, rng.Pick(r, g.theme.adjs))
	}
	g.castPeople()
	end := len(g.b) + r.LogRange(1200, 14000)
	g.heading()
	for len(g.b) < end && len(g.b) < n {
		g.paragraph()
	}
}

// castPeople chooses the people and the place of the section. Some people are new, most return from
// anywhere in the document.
func (g *writer) castPeople() {
	g.cast = g.cast[:0]
	for range g.r.Range(2, 4) {
		e := -1
		if g.r.Chance(60) {
			if f := g.w.recall(len(g.b)); f >= 0 {
				e = g.w.facts[f].subject
			}
		}
		if e < 0 || g.w.entities[e].kind != person {
			e = g.w.newPerson()
		}
		if slices.Contains(g.cast, e) {
			continue
		}
		g.cast = append(g.cast, e)
	}
	g.where = g.w.somePlace(35)
	g.p, g.before = g.cast[0], -1
}

func (g *writer) heading() {
	r := g.r
	g.heads++
	if g.heads > 1 && r.Chance(30) {
		return
	}
	switch r.IntN(5) {
	case 0:
		g.str("Chapter " + itoa(g.heads) + "\n\n")
	case 1:
		g.str("Chapter " + itoa(g.heads) + ": The " + title(g.adj()) + " " + title(g.noun().one) + "\n\n")
	case 2:
		g.str("The " + title(g.noun().one) + " of " + g.w.entities[g.where].name + "\n\n")
	case 3:
		g.str("# Of " + title(g.noun().many) + " and " + title(g.noun().many) + "\n\n")
	default:
		g.str(g.w.entities[g.where].name + ", " + itoa(g.w.year-r.IntN(20)) + "\n\n")
	}
}
