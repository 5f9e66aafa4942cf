package prose

import (
	"sort"
	"strconv"

	"github.com/yocobench/yocobench/corpus/rng"
)

// A world holds the people, places and things of one document, the facts about them, and the
// position in the text at which each was last stated.

type entityKind uint8

const (
	person entityKind = iota
	place
	thing
	ship
	book
)

type entity struct {
	kind   entityKind
	name   string // full name
	given  string // people only
	family string
	she    bool
	what   string // kind of a place, material of a thing
	shared bool   // another person has the same family name
	last   int    // byte offset of the last mention, or -1
	facts  []int
}

type fact struct {
	kind    *factKind
	subject int    // index into world.entities
	other   int    // a second entity, or -1
	v, w    string // the values
	last    int    // byte offset of the last statement, or -1
}

type world struct {
	r        *rng.Rand
	x        *lexicon
	sh       *shapes
	names    *namer
	year     int // the present year in the document
	entities []entity
	facts    []fact
	people   []int
	places   []int
	things   []int
	unstated []int
	songs    []string // always repeated verbatim
	// The log of statements, by position in the text.
	statedAt   []int
	statedFact []int
}

func newWorld(r *rng.Rand, reserved func(string) bool) *world {
	return &world{r: r, x: words(), sh: compiled(), names: newNamer(r, reserved), year: r.Range(1650, 1980)}
}

func (w *world) add(e entity) int {
	e.last = -1
	w.entities = append(w.entities, e)
	return len(w.entities) - 1
}

// addFact records a fact, to be stated later.
func (w *world) addFact(kind *factKind, subject, other int, v, v2 string) int {
	w.facts = append(w.facts, fact{kind: kind, subject: subject, other: other, v: v, w: v2, last: -1})
	w.unstated = append(w.unstated, len(w.facts)-1)
	w.entities[subject].facts = append(w.entities[subject].facts, len(w.facts)-1)
	return len(w.facts) - 1
}

// stated records that the text states fact f at position at.
func (w *world) stated(f, at int) {
	w.facts[f].last = at
	w.statedAt = append(w.statedAt, at)
	w.statedFact = append(w.statedFact, f)
}

// tooNear is the distance in bytes below which no fact is restated.
const tooNear = 500

// recall returns a fact last stated about d bytes before at, or -1 if it finds none. d is
// log-uniform between tooNear and at, so that octaves of distance are equally likely.
func (w *world) recall(at int) int {
	if len(w.statedAt) == 0 || at < 2*tooNear {
		return -1
	}
	want := at - w.r.LogRange(tooNear, at)
	i := min(sort.SearchInts(w.statedAt, want), len(w.statedAt)-1)
	// Skip facts that were restated since: for those, this position is not the last statement.
	for d := range 400 {
		for _, j := range [2]int{i - d, i + d} {
			if j < 0 || j >= len(w.statedAt) || at-w.statedAt[j] < tooNear {
				continue
			}
			if f := w.statedFact[j]; w.facts[f].last == w.statedAt[j] {
				return f
			}
		}
	}
	return -1
}

// next returns one of the latest facts not stated yet, or -1.
func (w *world) next() int {
	n := len(w.unstated)
	if n == 0 {
		return -1
	}
	i := n - 1 - w.r.IntN(min(n, 12))
	f := w.unstated[i]
	w.unstated = append(w.unstated[:i], w.unstated[i+1:]...)
	return f
}

func (w *world) number(lo, hi int) string { return strconv.Itoa(w.r.Range(lo, hi)) }

// somePlace returns a known place, or with a probability of newPercent a new one.
func (w *world) somePlace(newPercent int) int {
	if len(w.places) == 0 || w.r.Chance(newPercent) {
		return w.newPlace()
	}
	// Log-uniform over recency: recent places are the most likely.
	return w.places[len(w.places)-w.r.LogRange(1, len(w.places))]
}

func (w *world) somePerson() int {
	if len(w.people) == 0 {
		return w.newPerson()
	}
	return w.people[len(w.people)-w.r.LogRange(1, len(w.people))]
}

func (w *world) newPlace() int {
	e := w.add(entity{kind: place, name: w.names.place(), what: rng.Pick(w.r, w.x.placeKinds)})
	w.places = append(w.places, e)
	w.makeFacts(w.sh.place, e, w.r.Range(3, 6))
	return e
}

func (w *world) newPerson() int {
	she := w.r.Chance(50)
	p := entity{kind: person, she: she, given: w.names.given(she)}
	if len(w.people) > 0 && w.r.Chance(25) {
		relative := w.somePerson()
		p.family, p.shared = w.entities[relative].family, true
		w.entities[relative].shared = true
	} else {
		p.family = w.names.family()
	}
	p.name = p.given + " " + p.family
	e := w.add(p)
	w.people = append(w.people, e)
	w.makeFacts(w.sh.person, e, w.r.Range(5, 10))
	return e
}

func (w *world) newThing() int {
	var e int
	switch w.r.IntN(4) {
	case 0:
		e = w.add(entity{kind: ship, name: "the " + title(rng.Pick(w.r, w.x.adjs)) + " " + title(w.themeNoun().one)})
		w.makeFacts(w.sh.ship, e, 4)
	case 1:
		e = w.add(entity{kind: book, name: bookTitle(w)})
		w.makeFacts(w.sh.book, e, 4)
	default:
		e = w.add(entity{kind: thing, name: w.names.thing()})
		w.makeFacts(w.sh.thing, e, w.r.Range(3, 5))
	}
	w.things = append(w.things, e)
	return e
}

func bookTitle(w *world) string {
	n := title(w.themeNoun().one)
	switch w.r.IntN(5) {
	case 0:
		return "A Short History of " + title(w.themeNoun().many)
	case 1:
		return "The " + title(rng.Pick(w.r, w.x.adjs)) + " " + n
	case 2:
		return "The " + n + " and the " + title(w.themeNoun().one)
	case 3:
		return "On " + title(w.themeNoun().many) + " and " + title(rng.Pick(w.r, w.x.abstract))
	}
	return "The " + n + " of " + w.entities[w.somePlace(20)].name
}

// themeNoun draws a noun of any theme.
func (w *world) themeNoun() noun { return rng.Pick(w.r, rng.Pick(w.r, w.x.themes).nouns) }

// makeFacts adds n facts of different kinds about entity e.
func (w *world) makeFacts(kinds []*factKind, e, n int) {
	order := make([]int, len(kinds))
	for i := range order {
		order[i] = i
	}
	w.r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, k := range order[:min(n, len(order))] {
		kinds[k].make(w, kinds[k], e)
	}
}
