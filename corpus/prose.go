package corpus

import "slices"

// ProseVersion names the generator. It changes whenever the same seed would
// give other bytes, and is part of the fingerprint of generated text.
const ProseVersion = "prose/1"

// The streams of generated text. Each has seeds of its own (NewRand).
const (
	StreamTrain = "train" // for training recipes only
	StreamTest  = "test"  // what tasks read
)

// Prose returns exactly n bytes of generated ASCII text. A longer text of the
// same stream and seed begins with the same bytes. The cut may fall inside a
// sentence: CutAtBoundary ends it at one.
func Prose(stream string, seed uint64, n int) []byte {
	if n <= 0 {
		return nil
	}
	g := newWriter(NewRand(ProseVersion+"/"+stream, seed))
	g.b = make([]byte, 0, n+4096)
	for len(g.b) < n {
		g.section(n)
	}
	return g.b[:n:n]
}

func newWriter(r *Rand) *writer {
	g := &writer{r: r, x: words(), sh: compiled(), w: newWorld(r), p: 0, q: -1, before: -1}
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
		g.nouns = append(g.nouns, pick(r, g.theme.nouns))
	}
	for range r.Range(6, 11) {
		g.verbs = append(g.verbs, pick(r, g.theme.verbs))
		g.adjs = append(g.adjs, pick(r, g.theme.adjs))
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
