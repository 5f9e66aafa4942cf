package babilong

import (
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/corpus/rng"
)

// names are the people, places and objects of a world.
type names struct {
	people, givers, places, objects []string // givers are the people of qa5
}

var (
	ownNames = names{
		people: []string{"Clara", "Boris", "Nadia", "Felix"}, givers: []string{"Ingrid", "Oskar", "Nadia", "Boris"},
		places: []string{"attic", "cellar", "stable", "library", "orchard", "harbour"}, objects: []string{"lantern", "basket", "hammer"},
	}
	publishedNames = names{
		people: []string{"Mary", "John", "Daniel", "Sandra"}, givers: []string{"Bill", "Fred", "Jeff", "Mary"},
		places: []string{"bathroom", "bedroom", "garden", "hallway", "kitchen", "office"}, objects: []string{"apple", "football", "milk"},
	}
	moves = []string{"moved to", "went to", "travelled to", "journeyed to", "went back to"}
	takes = []string{"took", "got", "picked up", "grabbed"}
	drops = []string{"dropped", "put down", "discarded", "left"}
	gives = []string{"gave", "handed", "passed"}
)

// question is what is asked about a world.
type question struct {
	text, answer string
	// begin is the beginning of an answer. published is the beginning in the form that BABILong
	// asks for, empty if that form is one word.
	begin, published string
	// labels are the possible answers.
	labels []string
	// support are the facts that determine the answer.
	support []int
}

// world is a state of people, places and objects, and the facts that led to it.
type world struct {
	names
	r     *rng.Rand
	facts []string
	// at is the place of each person whose place is known, moved the fact that says so.
	at    map[string]string
	moved map[string]int
	// holder has who carries an object; put and taken have the facts of its last moves, visits the
	// places where it was.
	holder     map[string]string
	put, taken map[string]int
	visits     map[string][]visit
	given      []gift
}

// visit is a place where an object was, and the facts that say so.
type visit struct {
	place   string
	support []int
}

// gift is an event of giving.
type gift struct {
	from, object, to string
	fact             int
}

func newWorld(r *rng.Rand, n names) *world {
	return &world{
		names: n, r: r, at: map[string]string{}, moved: map[string]int{}, holder: map[string]string{}, put: map[string]int{}, taken: map[string]int{},
		visits: map[string][]visit{},
	}
}

// say adds a fact and returns its number.
func (w *world) say(format string, args ...any) int {
	w.facts = append(w.facts, fmt.Sprintf(format, args...))
	return len(w.facts) - 1
}

// move lets a person walk to a place.
func (w *world) move(person, place string) {
	fact := w.say("%s %s the %s.", person, rng.Pick(w.r, moves), place)
	w.at[person], w.moved[person] = place, fact
	for _, o := range w.objects {
		if w.holder[o] == person {
			w.visit(o, place, w.taken[o], fact)
		}
	}
}

// visit notes that an object came to a place.
func (w *world) visit(object, place string, support ...int) {
	if v := w.visits[object]; len(v) == 0 || v[len(v)-1].place != place {
		w.visits[object] = append(v, visit{place, support})
	}
}

// wander lets a random person walk to another place.
func (w *world) wander() {
	person := rng.Pick(w.r, w.people)
	for {
		if place := rng.Pick(w.r, w.places); place != w.at[person] {
			w.move(person, place)
			return
		}
	}
}

// take lets a random person pick up an object, if that is possible: one that nobody carries and
// that is here, or nobody knows where.
func (w *world) take() bool {
	person, object := rng.Pick(w.r, w.people), rng.Pick(w.r, w.objects)
	here, v := w.at[person], w.visits[object]
	if here == "" || w.holder[object] != "" || len(v) > 0 && v[len(v)-1].place != here {
		return false
	}
	fact := w.say("%s %s the %s there.", person, rng.Pick(w.r, takes), object)
	w.holder[object], w.taken[object] = person, fact
	w.visit(object, here, w.moved[person], fact)
	return true
}

// drop lets a random person put down an object, if that is possible.
func (w *world) drop() bool {
	object := rng.Pick(w.r, w.objects)
	person := w.holder[object]
	if person == "" {
		return false
	}
	w.put[object] = w.say("%s %s the %s there.", person, rng.Pick(w.r, drops), object)
	w.holder[object] = ""
	return true
}

// give lets a random person give an object to another one at the same place, if that is possible.
func (w *world) give() bool {
	object, to := rng.Pick(w.r, w.objects), rng.Pick(w.r, w.people)
	from := w.holder[object]
	if from == "" || from == to || w.at[from] != w.at[to] {
		return false
	}
	fact := w.say("%s %s the %s to %s there.", from, rng.Pick(w.r, gives), object, to)
	w.holder[object], w.taken[object] = to, fact
	w.given = append(w.given, gift{from, object, to, fact})
	return true
}

// story returns a question about a world of at most most facts. act lets something happen. After
// between least and most facts, ask has a question or not; if it has none until there are too many,
// the story begins again.
func (w *world) story(least, most int, act func(), ask func() (question, bool)) question {
	n := w.r.Range(min(least, most), most)
	for {
		*w = *newWorld(w.r, w.names)
		for len(w.facts) < most {
			act()
			if len(w.facts) >= n {
				if q, ok := ask(); ok {
					return q
				}
			}
		}
	}
}

// whereIs asks for the place of a person.
func whereIs(w *world, most int) question {
	for range 2 * w.r.Range(1, min(5, most/2)) {
		w.wander()
	}
	for {
		if p := rng.Pick(w.r, w.people); w.at[p] != "" {
			return question{
				text: "Where is " + p + "?", answer: w.at[p], labels: w.places, support: []int{w.moved[p]},
				begin: p + " is in the", published: "The most recent location of " + p + " is",
			}
		}
	}
}

// carry lets people walk, take and drop.
func (w *world) carry() {
	switch k := w.r.IntN(10); {
	case k < 3 && w.take():
	case k == 3 && w.drop():
	default:
		w.wander()
	}
}

// whereObject asks for the place of an object that a person took, and perhaps dropped.
func whereObject(w *world, most int) question {
	return w.story(5, min(16, most), w.carry, func() (question, bool) {
		o := rng.Pick(w.r, w.objects)
		v := w.visits[o]
		if len(v) == 0 {
			return question{}, false
		}
		last := v[len(v)-1]
		support := slices.Clone(last.support)
		if w.holder[o] == "" {
			support = append(support, w.put[o])
		}
		slices.Sort(support)
		begin := "The " + o + " is in the"
		return question{
			text: "Where is the " + o + "?", answer: last.place, labels: w.places, support: slices.Compact(support), begin: begin, published: begin,
		}, true
	})
}

// whereBefore asks where an object was before it was at a place, which it visited once.
func whereBefore(w *world, most int) question {
	return w.story(8, most, w.carry, func() (question, bool) {
		o := rng.Pick(w.r, w.objects)
		v := w.visits[o]
		if len(v) < 2 {
			return question{}, false
		}
		i := w.r.Range(1, len(v)-1)
		for k := range v {
			if k != i && v[k].place == v[i].place {
				return question{}, false
			}
		}
		support := slices.Concat(v[i-1].support, v[i].support)
		slices.Sort(support)
		begin := fmt.Sprintf("Before the %s the %s was in the", v[i].place, o)
		return question{
			text: fmt.Sprintf("Where was the %s before the %s?", o, v[i].place), answer: v[i-1].place, labels: w.places, support: slices.Compact(support),
			begin: begin, published: begin,
		}, true
	})
}

// direction asks for a neighbour of a place that has two, in different directions.
func direction(w *world, _ int) question {
	places := slices.Clone(w.places)
	w.r.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	directions := []string{"north", "east", "south", "west"}
	w.r.Shuffle(len(directions), func(i, j int) { directions[i], directions[j] = directions[j], directions[i] })
	opposite := map[string]string{"north": "south", "south": "north", "east": "west", "west": "east"}
	middle, asked := places[0], w.r.IntN(2)
	for i := range 2 {
		if w.r.Chance(50) {
			w.say("The %s is %s of the %s.", places[i+1], directions[i], middle)
		} else {
			w.say("The %s is %s of the %s.", middle, opposite[directions[i]], places[i+1])
		}
	}
	q := question{answer: places[asked+1], labels: w.places, support: []int{asked}}
	if w.r.Chance(50) {
		q.text, q.begin = fmt.Sprintf("What is the %s %s of?", middle, opposite[directions[asked]]), fmt.Sprintf("The %s is %s of the", middle, opposite[directions[asked]])
	} else {
		q.text, q.begin = fmt.Sprintf("What is %s of the %s?", directions[asked], middle), fmt.Sprintf("The place %s of the %s is the", directions[asked], middle)
	}
	return q
}

// gave asks for one part of an event of giving that the two others determine.
func gave(w *world, most int) question {
	act := func() {
		switch k := w.r.IntN(10); {
		case k < 4 && w.give():
		case k < 7 && w.take():
		case k < 9 && w.meet():
		default:
			w.wander()
		}
	}
	return w.story(6, min(16, most), act, func() (question, bool) {
		if len(w.given) == 0 {
			return question{}, false
		}
		return w.askGift(rng.Pick(w.r, w.given))
	})
}

// meet lets a random person walk to another one, if that is possible.
func (w *world) meet() bool {
	person, other := rng.Pick(w.r, w.people), rng.Pick(w.r, w.people)
	if w.at[other] == "" || w.at[person] == w.at[other] {
		return false
	}
	w.move(person, w.at[other])
	return true
}

// askGift asks about an event, unless another event makes the answer ambiguous.
func (w *world) askGift(e gift) (question, bool) {
	q := question{labels: slices.Concat(w.people, w.objects), support: []int{e.fact}}
	var same func(o gift) bool // o fits the question with another answer
	switch w.r.IntN(3) {
	case 0:
		q.text, q.answer, q.begin = fmt.Sprintf("What did %s give to %s?", e.from, e.to), e.object, fmt.Sprintf("%s gave %s the", e.from, e.to)
		same = func(o gift) bool { return o.from == e.from && o.to == e.to && o.object != e.object }
	case 1:
		q.text, q.answer, q.begin = fmt.Sprintf("Who gave the %s to %s?", e.object, e.to), e.from, fmt.Sprintf("The %s was given to %s by", e.object, e.to)
		same = func(o gift) bool { return o.object == e.object && o.to == e.to && o.from != e.from }
	default:
		q.text, q.answer, q.begin = fmt.Sprintf("Who did %s give the %s to?", e.from, e.object), e.to, fmt.Sprintf("%s gave the %s to", e.from, e.object)
		same = func(o gift) bool { return o.from == e.from && o.object == e.object && o.to != e.to }
	}
	return q, !slices.ContainsFunc(w.given, same)
}
