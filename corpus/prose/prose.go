// Package prose writes English-like text of any length about a world of its own: people, places and
// things with invented names, and facts about them that stay true from the first byte to the last.
// A fact is told, and later told again in other words; how much later is drawn log-uniformly up to
// the whole text so far, so that every octave of distance holds something that only a reader who
// remembers that far can predict. Sections have a theme, a place and a cast.
//
// Its parts: themes.go and words.go (the word lists), lexicon.go (their inflection), names.go
// (invented names), world.go and facts.go (what is true), sentences.go and template.go (the shapes
// of sentences), writer.go (filling them), paragraphs.go and prose.go (narrative, dialogue, lists,
// letters, registers; sections).
package prose

import (
	"slices"

	"github.com/yocobench/yocobench/corpus/rng"
)

// Version names the generator. It changes whenever the same random numbers would give other bytes.
const Version = "prose/1"

// Text returns exactly n bytes of generated ASCII text. A longer text of the same random numbers
// begins with the same bytes. The cut may fall inside a sentence. No invented name is reserved.
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

// section writes one section, or as much of it as fits before n: what is
// written before n does not depend on n.
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

// castPeople chooses who is in the section and where it takes place: some are
// new, most come back from anywhere in the document.
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
