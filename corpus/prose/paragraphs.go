package prose

import "github.com/yocobench/yocobench/corpus/rng"

// The kinds of paragraphs. Each document prefers some of them.
const (
	narrative = iota
	dialogue
	inventory
	register
	letter
	summary
	glossary
	verse
	paragraphKinds
)

// paragraphWeights are percentages, before the document's preference is applied.
var paragraphWeights = [paragraphKinds]int{56, 14, 6, 7, 7, 7, 2, 2}

func (g *writer) paragraph() {
	g.before = -1
	total := 0
	for i, w := range paragraphWeights {
		total += w * g.styles[i]
	}
	k := g.r.IntN(total)
	kind := 0
	for k >= paragraphWeights[kind]*g.styles[kind] {
		k -= paragraphWeights[kind] * g.styles[kind]
		kind++
	}
	switch kind {
	case narrative:
		g.narrative()
	case dialogue:
		g.dialogue()
	case inventory:
		g.inventory()
	case register:
		g.register()
	case letter:
		g.letter()
	case summary:
		g.summary()
	case glossary:
		g.glossary()
	case verse:
		g.verse()
	}
	g.str("\n\n")
}

// factNow chooses the fact to state, a new or a known one.
func (g *writer) factNow(newPercent int) int {
	if !g.r.Chance(newPercent) {
		if f := g.w.recall(len(g.b)); f >= 0 {
			return f
		}
	}
	for {
		if f := g.w.next(); f >= 0 {
			return f
		}
		g.w.newPerson()
	}
}

// about selects fact i for the slots of a wording.
func (g *writer) about(i int) {
	g.f = &g.w.facts[i]
	g.p = g.f.subject
}

// state writes fact i in one of its wordings, sometimes joined with a second fact.
func (g *writer) state(i, newPercent int) {
	g.about(i)
	g.sentence(rng.Pick(g.r, g.f.kind.wordingsT))
	g.w.stated(i, len(g.b))
	g.before = g.w.facts[i].subject
	if g.r.Chance(88) || g.b[len(g.b)-1] != '.' {
		return
	}
	g.b = g.b[:len(g.b)-1]
	g.str(rng.Pick(g.r, joints))
	j := g.factNow(newPercent)
	g.about(j)
	g.begin = -1
	g.fill(rng.Pick(g.r, g.f.kind.wordingsT))
	g.w.stated(j, len(g.b))
	g.before = -1
}

// space separates sentences.
func (g *writer) space() {
	if n := len(g.b); n > 0 && g.b[n-1] != '\n' && g.b[n-1] != ' ' {
		g.str(" ")
	}
}

func (g *writer) narrative() {
	for range g.r.Range(3, 8) {
		g.space()
		switch {
		case g.r.Chance(46):
			g.state(g.factNow(36), 36)
		case g.before >= 0 && g.w.entities[g.before].kind == person && g.r.Chance(40):
			g.p = g.before
			g.sentence(rng.Pick(g.r, g.sh.pronoun))
		default:
			g.story()
		}
	}
}

// story writes a narrative sentence about a cast member.
func (g *writer) story() {
	g.p = -1
	from := len(g.b)
	if g.r.Chance(9) {
		g.str(rng.Pick(g.r, openers))
	}
	g.fill(rng.Pick(g.r, g.sh.narrative))
	g.capital(from)
	g.before = g.p
	if g.q >= 0 {
		g.before = -1 // a pronoun would be ambiguous
	}
}

// dialogue writes alternating speech of two people.
func (g *writer) dialogue() {
	a := rng.Pick(g.r, g.cast)
	b := g.someoneBut(a)
	for i := range g.r.Range(3, 8) {
		if i > 0 {
			g.str("\n\n")
		}
		if g.r.Chance(45) {
			g.questionAnswer(a, b)
		} else {
			g.quote(rng.Pick(g.r, g.sh.speech), a)
		}
		a, b = b, a
	}
}

// someoneBut returns a cast member, or another known person, other than e.
func (g *writer) someoneBut(e int) int {
	for range 8 {
		if o := rng.Pick(g.r, g.cast); o != e {
			return o
		}
	}
	for {
		if o := g.w.somePerson(); o != e {
			return o
		}
		if len(g.w.people) < 2 {
			return g.w.newPerson()
		}
	}
}

// quote writes direct speech of e: one sentence, or two with the name between them.
func (g *writer) quote(t tmpl, e int) {
	g.p = e
	g.str(`"`)
	if g.spoken(t) {
		g.str(`" asked `)
		g.entity(e)
		g.str(".")
		return
	}
	g.str(`," `)
	g.speaker(e)
	g.str(".")
	if g.r.Chance(35) {
		g.str(` "`)
		g.p = e
		if !g.spoken(rng.Pick(g.r, g.sh.speech)) {
			g.str(".")
		}
		g.str(`"`)
	}
}

// spoken writes a shape and reports whether it was a question.
func (g *writer) spoken(t tmpl) bool {
	g.sentence(t)
	return g.b[len(g.b)-1] == '?'
}

func (g *writer) speaker(e int) {
	if g.r.Chance(50) {
		g.str(rng.Pick(g.r, g.x.says))
		g.str(" ")
		g.entity(e)
	} else {
		g.entity(e)
		g.str(" ")
		g.str(rng.Pick(g.r, g.x.says))
	}
}

// questionAnswer writes a question of a about a fact and the answer of b.
func (g *writer) questionAnswer(a, b int) {
	i := g.factNow(12)
	if s := g.w.facts[i].subject; s == a || s == b {
		// People do not refer to themselves by name.
		o := g.someoneBut(s)
		if s == a {
			a = o
		}
		if s == b {
			b = o
		}
		if a == b {
			g.state(i, 0)
			return
		}
	}
	g.before = -1
	g.about(i)
	g.str(`"`)
	g.sentence(g.f.kind.askT)
	g.str(`?" asked `)
	g.entity(a)
	g.str(".\n\n\"")
	if g.r.Chance(25) {
		g.str(rng.Pick(g.r, []string{"Why, ", "Well, ", "Everyone knows: ", "As I told you, ", "If I remember rightly, "}))
		g.begin = -1
		g.fill(g.f.kind.answerT)
	} else {
		g.sentence(g.f.kind.answerT)
	}
	g.str(`," `)
	g.speaker(b)
	g.str(".")
	g.w.stated(i, len(g.b))
}

func (g *writer) inventory() {
	switch g.r.IntN(3) {
	case 0:
		g.str("Sold at ")
		g.entity(g.where)
		g.str(" on ")
		g.date()
	case 1:
		g.str("In the ")
		g.str(g.noun().one)
		g.str(" of ")
		g.entity(rng.Pick(g.r, g.cast))
		g.str(" were found")
	default:
		g.str("List of ")
		g.date()
	}
	g.str(":\n")
	for i := range g.r.Range(3, 7) {
		if i > 0 {
			g.str("\n")
		}
		g.str("- ")
		g.str(itoa(g.r.LogRange(2, 900)))
		g.str(" ")
		if g.r.Chance(60) {
			g.str(g.adj())
			g.str(" ")
		}
		g.str(g.noun().many)
		if g.r.Chance(50) {
			g.str(", ")
			g.str(itoa(g.r.LogRange(1, 99)))
			g.str(rng.Pick(g.r, []string{" shillings each", " crowns the lot", " pence apiece", " marks", " bad ones among them"}))
		}
	}
}

func (g *writer) register() {
	g.str(rng.Pick(g.r, []string{"From the register", "The clerk's book says", "Entries of that year", "Names and facts", "Noted in the margin", "The record"}))
	g.str(":\n")
	for i := range g.r.Range(3, 8) {
		if i > 0 {
			g.str("\n")
		}
		f := g.factNow(40)
		g.about(f)
		g.before = -1 // entries are independent: use names, not pronouns
		g.sentence(g.f.kind.entryT)
		g.str(".")
		g.w.stated(f, len(g.b))
	}
}

func (g *writer) letter() {
	g.date()
	g.str(". ")
	g.p = rng.Pick(g.r, g.cast)
	g.sentence(rng.Pick(g.r, g.sh.letter))
	for range g.r.Range(2, 5) {
		g.space()
		switch {
		case g.r.Chance(45):
			g.state(g.factNow(30), 30)
		case g.r.Chance(50):
			g.p = rng.Pick(g.r, g.cast)
			if !g.spoken(rng.Pick(g.r, g.sh.speech)) {
				g.str(".")
			}
		default:
			g.p = rng.Pick(g.r, g.cast)
			g.sentence(rng.Pick(g.r, g.sh.letter))
		}
	}
}

// summary restates facts from the whole document.
func (g *writer) summary() {
	g.str(rng.Pick(g.r, []string{"It is worth repeating what was said before.", "Remember what is known so far.", "So much was certain.", "Let us go over it again.", "These things were still true.", "Nothing of this had changed."}))
	for range g.r.Range(3, 7) {
		g.space()
		g.state(g.factNow(0), 0)
	}
}

func (g *writer) glossary() {
	g.w.newThing()
	for range g.r.Range(2, 4) {
		f := g.w.next()
		if f < 0 {
			break
		}
		g.space()
		g.state(f, 50)
	}
	g.space()
	g.story()
}

// verse writes a new or known song, always verbatim.
func (g *writer) verse() {
	w := g.w
	if len(w.songs) == 0 || g.r.Chance(35) {
		w.songs = append(w.songs, g.song())
	}
	s := w.songs[len(w.songs)-g.r.LogRange(1, len(w.songs))]
	g.str(rng.Pick(g.r, []string{"They sang the old song:", "On the wall somebody had written:", "The children knew the rhyme by heart:", "The song went like this:"}))
	g.str("\n")
	g.str(s)
}

// song returns four lines.
func (g *writer) song() string {
	r, x := g.r, g.x
	s := ""
	for i := range 4 {
		n, m := g.noun(), g.noun()
		switch r.IntN(4) {
		case 0:
			s += "Oh, " + g.verb().base + " the " + n.one + " and " + g.verb().base + " the " + m.one
		case 1:
			s += "The " + n.one + " is " + g.adj() + ", the " + m.one + " " + g.adj()
		case 2:
			s += title(rng.Pick(r, x.numbers)) + " " + g.adj() + " " + n.many + " " + rng.Pick(r, atWords) + " the " + m.one
		default:
			s += "And " + rng.Pick(r, x.abstract) + " " + rng.Pick(r, x.advs) + " " + rng.Pick(r, x.plain).past
		}
		s += rng.Pick(r, []string{",", ",", ";", ""})
		if i < 3 {
			s += "\n"
		}
	}
	return s
}
