package prose

import "github.com/yocobench/yocobench/corpus/rng"

// writer fills shapes with words. It holds the text and the state of the section.
type writer struct {
	r  *rng.Rand
	x  *lexicon
	sh *shapes
	w  *world
	b  []byte

	// The current section: its theme, place and cast.
	theme  *theme
	nouns  []noun // the preferred words of the section
	verbs  []verb
	adjs   []string
	cast   []int
	where  int
	p, q   int   // the people that {P} and {Q} last referred to
	f      *fact // the fact being stated
	before int   // the subject of the previous sentence, or -1
	begin  int   // start of the current sentence
	depth  int   // nesting of {cl}
	heads  int   // number of headings so far
	styles [paragraphKinds]int
}

// str appends s. It changes a preceding "a" to "an" if s requires it.
func (g *writer) str(s string) {
	if n := len(g.b); n >= 3 && g.b[n-1] == ' ' && g.b[n-2] == 'a' && (g.b[n-3] == ' ' || g.b[n-3] == '"' || n-2 == g.begin) && article(s) == "an" {
		g.b = append(g.b[:n-1], 'n', ' ')
	}
	g.b = append(g.b, s...)
}

// sentence writes a shape and capitalises it.
func (g *writer) sentence(t tmpl) {
	g.begin = len(g.b)
	from := g.begin
	g.fill(t)
	g.capital(from)
}

// capital capitalises the first letter at or after from, skipping an opening quote.
func (g *writer) capital(from int) {
	for i := from; i < len(g.b) && i < from+2; i++ {
		if c := g.b[i]; c >= 'a' && c <= 'z' {
			g.b[i] = c - 'a' + 'A'
			return
		} else if c != '"' {
			return
		}
	}
}

func (g *writer) fill(t tmpl) {
	g.q = -1
	g.parts(t)
}

func (g *writer) parts(t tmpl) {
	for _, p := range t {
		switch p.slot {
		case literal:
			g.str(p.lit)
		case slotChoice:
			g.parts(rng.Pick(g.r, p.choice))
		default:
			g.slot(p.slot)
		}
	}
}

func (g *writer) noun() noun {
	if g.r.Chance(32) {
		return rng.Pick(g.r, g.nouns)
	}
	if g.r.Chance(45) {
		return rng.Pick(g.r, g.theme.nouns)
	}
	if g.r.Chance(40) {
		return g.w.themeNoun()
	}
	return rng.Pick(g.r, g.x.nouns)
}

func (g *writer) verb() verb {
	if g.r.Chance(25) {
		return rng.Pick(g.r, g.verbs)
	}
	if g.r.Chance(40) {
		return rng.Pick(g.r, g.theme.verbs)
	}
	return rng.Pick(g.r, g.x.verbs)
}

func (g *writer) adj() string {
	if g.r.Chance(20) {
		return rng.Pick(g.r, g.adjs)
	}
	if g.r.Chance(35) {
		return rng.Pick(g.r, g.theme.adjs)
	}
	return rng.Pick(g.r, g.x.adjs)
}

func (g *writer) slot(k slot) {
	r, x := g.r, g.x
	switch k {
	case slotP:
		g.p = rng.Pick(r, g.cast)
		g.person(g.p)
	case slotQ:
		g.q = rng.Pick(r, g.cast)
		for i := 0; g.q == g.p && i < 4; i++ {
			g.q = rng.Pick(r, g.cast)
		}
		g.person(g.q)
	case slotHe, slotHis, slotHim:
		g.pronoun(k, g.p)
	case slotHim2:
		g.pronoun(slotHim, g.q)
	case slotN:
		g.str(g.noun().one)
	case slotNs:
		g.str(g.noun().many)
	case slotA:
		g.nounPhrase(false)
	case slotThe:
		g.nounPhrase(true)
	case slotThes:
		g.str("the ")
		if r.Chance(35) {
			g.str(g.adj())
			g.str(" ")
		}
		g.str(g.noun().many)
	case slotSome:
		g.quantity()
	case slotNone:
		g.str(rng.Pick(r, []string{"none", "a few", "all of them", "only one", "two at once"}))
	case slotAdj:
		g.str(g.adj())
	case slotAv:
		g.str(rng.Pick(r, x.advs))
	case slotV:
		g.str(g.verb().base)
	case slotVd:
		g.str(g.verb().past)
	case slotVn:
		g.str(g.verb().done)
	case slotVg:
		g.str(g.verb().ing)
	case slotW:
		g.str(rng.Pick(r, x.plain).base)
	case slotWd:
		g.str(rng.Pick(r, x.plain).past)
	case slotAbs:
		g.str(rng.Pick(r, x.abstract))
	case slotPl:
		if r.Chance(60) {
			g.entity(g.where)
		} else {
			g.entity(g.w.somePlace(3))
		}
	case slotAt:
		g.str(rng.Pick(r, atWords))
		g.str(" the ")
		if r.Chance(25) {
			g.str(g.adj())
			g.str(" ")
		}
		g.str(g.noun().one)
	case slotT:
		g.str(rng.Pick(r, timeWords))
	case slotT2:
		g.str(rng.Pick(r, laterWords))
	case slotDur:
		g.str(rng.Pick(r, x.numbers))
		g.str(rng.Pick(r, []string{" days", " hours", " weeks", " minutes", " months", " years", " evenings"}))
	case slotDate:
		g.date()
	case slotYear:
		g.str(itoa(g.w.year - r.IntN(40)))
	case slotNum:
		g.str(itoa(r.LogRange(2, 4000)))
	case slotClock:
		g.str(itoa(r.Range(1, 12)))
		g.str(":")
		m := r.IntN(60)
		g.b = append(g.b, byte('0'+m/10), byte('0'+m%10))
	case slotFeel:
		g.str(rng.Pick(r, x.feelings))
	case slotCol:
		g.str(rng.Pick(r, x.colours))
	case slotTrade:
		g.str(rng.Pick(r, x.trades))
	case slotCl:
		g.clause()
	case slotInv:
		g.invented()
	case slotDay:
		g.str(rng.Pick(r, x.days))
	case slotMonth:
		g.str(rng.Pick(r, x.months))
	case slotS:
		if len(g.b) == g.begin && g.f.subject == g.before && g.w.entities[g.before].kind == person && g.r.Chance(45) {
			g.pronoun(slotHe, g.before)
		} else {
			g.entity(g.f.subject)
		}
	case slotO:
		g.entity(g.f.other)
	case slotVal:
		if v := g.f.v; len(g.b) > 0 && g.b[len(g.b)-1] == '"' {
			g.str(title(v))
		} else {
			g.str(v)
		}
	case slotVal2:
		g.str(g.f.w)
	}
}

func (g *writer) pronoun(k slot, e int) {
	if e < 0 {
		e = g.cast[0]
	}
	she := g.w.entities[e].she
	switch {
	case k == slotHe && she:
		g.str("she")
	case k == slotHe:
		g.str("he")
	case k == slotHis && !she:
		g.str("his")
	case k == slotHim && !she:
		g.str("him")
	default:
		g.str("her")
	}
}

// entity writes the name of e. For people, the form of the name depends on the distance since the
// last mention.
func (g *writer) entity(e int) {
	n := &g.w.entities[e]
	if n.kind == person {
		far := n.last < 0 || len(g.b)-n.last > 1200
		switch {
		case far || g.r.Chance(25):
			g.str(n.name)
		case !n.shared && g.r.Chance(20):
			g.str(n.family)
		default:
			g.str(n.given)
		}
	} else {
		g.str(n.name)
	}
	g.w.entities[e].last = len(g.b)
}

// person writes the name of a cast member, sometimes with a known fact.
func (g *writer) person(e int) {
	g.entity(e)
	if !g.r.Chance(9) || g.depth > 0 {
		return
	}
	// An apposition restates a fact.
	for _, i := range g.w.entities[e].facts {
		f := &g.w.facts[i]
		if f.last < 0 || len(g.b)-f.last < tooNear {
			continue
		}
		switch f.kind {
		case g.sh.person[0]:
			g.str(" of ")
			g.entity(f.other)
		case g.sh.person[1]:
			g.str(" the ")
			g.str(f.v)
		default:
			continue
		}
		g.w.stated(i, len(g.b))
		return
	}
}

func (g *writer) invented() {
	for range 6 {
		if len(g.w.things) == 0 || g.r.Chance(4) {
			g.w.newThing()
		}
		e := g.w.things[len(g.w.things)-g.r.LogRange(1, len(g.w.things))]
		if g.w.entities[e].kind == thing {
			g.entity(e)
			return
		}
	}
	g.str(g.noun().one)
}
