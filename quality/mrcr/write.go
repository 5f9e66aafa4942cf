package mrcr

import (
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
)

// form is a kind of writing.
type form struct {
	name string
	// A writing has a sentence or line of open, some of body in random order, and one of end.
	open, body, end []string
	// verse is true if each has a line of its own.
	verse bool
}

// write returns a writing about a topic. It has at most most bytes, unless that is too few for a
// sentence of each of open, body and end.
func (f *form) write(r *rng.Rand, topic string, most int) string {
	text, end := fill(r, rng.Pick(r, f.open), topic), fill(r, rng.Pick(r, f.end), topic)
	separator := " "
	if f.verse {
		separator = "\n"
	}
	var order []string
	for lines := 1; ; lines++ {
		if len(order) == 0 {
			order = append(order, f.body...)
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		line := separator + fill(r, order[0], topic)
		if f.verse && lines%4 == 0 { // a stanza has four lines
			line = separator + line
		}
		if lines > 1 && len(text)+len(line)+len(separator)+len(end) > most {
			return text + separator + end
		}
		text, order = text+line, order[1:]
	}
}

// fill replaces the slots of a line with random words, and capitalizes its sentences.
func fill(r *rng.Rand, sentence, topic string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(sentence, "{")
		b.WriteString(before)
		if !ok {
			break
		}
		slot, after, _ := strings.Cut(rest, "}")
		word := topic
		if slot != "t" {
			word = rng.Pick(r, slots[slot])
		}
		text := b.String()
		switch {
		case text == "" || strings.HasSuffix(text, ". "):
			word = strings.ToUpper(word[:1]) + word[1:]
		case (text == "a " || text == "A " || strings.HasSuffix(text, " a ")) && strings.Contains("aeiou", word[:1]):
			b.Reset()
			b.WriteString(text[:len(text)-1] + "n ")
		}
		b.WriteString(word)
		sentence = after
	}
	text := b.String()
	return strings.ToUpper(text[:1]) + text[1:]
}

func list(words string) []string { return strings.Split(words, ", ") }

// slots are the words of sentences: adjectives, nouns, places, times, people, verbs with and
// without an object, numbers, days and towns.
var slots = map[string][]string{
	"a": list("quiet, bright, old, patient, hungry, gentle, restless, pale, proud, lonely, curious, golden, stubborn, tired, clever, wild, slow, grey, cheerful, forgotten, cautious, noisy, humble, strange, plain"),
	"n": list("river, lantern, stone, promise, window, kettle, song, ladder, garden, letter, shadow, market, bell, wheel, bridge, blanket, harbour, orchard, winter, mirror, ribbon, candle, basket, story, fence, map, drum, feather"),
	"p": list("by the river, under the bridge, behind the mill, on the hill, near the old wall, in the market, at the edge of the wood, beside the road, across the valley, in the upper field, along the shore, outside the gate, among the reeds, below the tower"),
	"w": list("in the morning, at dusk, before the rain, in late autumn, after supper, every spring, on cold nights, at the first bell, when the wind turns, in the dry months, at noon, between two storms"),
	"o": list("my aunt, the miller, a traveller, the teacher, an old sailor, the baker, our neighbour, the doctor, a child, the ferryman, the gardener, the clerk, a stranger, the watchman"),
	"v": list("find, follow, remember, count, praise, feed, draw, carry, hide, watch, greet, fear, trust, miss, measure, describe"),
	"s": list("wait, sing, sleep, wander, whisper, hurry, return, vanish, listen, dance, rest, gather, argue, rise"),
	"k": list("two, three, five, six, seven, nine, eleven, twelve, twenty, forty"),
	"d": list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
	"c": list("Ashford, Millbrook, Port Ellery, Stonegate, Lower Wick, Harlow Bay, Fernley, Oakham"),
}

// topics are what writings are about.
var topics = list("tapirs, rocks, clouds, lighthouses, beetles, teapots, glaciers, violins, pigeons, umbrellas, volcanoes, mushrooms, trains, otters, clocks, deserts, kites, libraries, whales, buttons, bridges, onions, comets, foxes, staircases, turtles, pianos, gardens, islands, sparrows, mirrors, tunnels, bees, caves, puppets, rivers, chairs, moths, windmills, dreams")

// prose are sentences that most forms share.
var prose = []string{
	"{o} keeps {k} {t} {p}, next to a {a} {n}.", "Nobody {p} had seen such {a} {t} before.", "{w} the {t} {s} {p}.",
	"It is said that {t} {s} {w} and that only {o} can {v} them.", "A {n} without {t} is like a {n} without a {a} {n}.",
	"What {t} want is a {n} and not a {a} {n}.", "{o} and {o} could not agree about the {a} {t} {p}.", "{k} {a} {t} may {s} while {o} looks for the {n}.",
	"To {v} {t} one needs a {n} and a {a} {n}.", "There are {t} that {s} {p} and {t} that {v} the {n}.", "{w} {o} came to {v} the {t} and left with a {a} {n}.",
	"The {a} {t} {p} are older than the {n} of {c}.", "Even {o} will {v} {a} {t} {w}.",
}

// forms are the kinds of writings.
var forms = []*form{
	{
		name: "poem", verse: true, open: []string{"O {a} {t} {p},", "{a} {t}, {a} {t},", "I sing of {t} that {s} {p},"},
		body: []string{
			"{w} you {s} and {s},", "your {n} is {a}, your {n} is {a},", "and {o} can hear the {a} {n}", "no {n} so {a}, no {n} so {a},", "{p} the {a} {t} {s},",
			"the {n} will {v} what the {n} forgot,", "they {s} {w}, they {s} {p},", "{k} {a} {t} and a single {n},", "a {n} of {t} {w},", "and who will {v} the {a} {t}?",
		},
		end: []string{"{w} all {t} {s}.", "so {s}, {a} {t}, so {s}.", "and the {n} is {a} again."},
	},
	{
		name: "riddle", verse: true, open: []string{"We are {a}, yet {o} fears us.", "{k} of us {s} {p}.", "Look for us {p}, {w}."},
		body: []string{
			"We {s} but never {s}.", "A {n} is our {n}.", "{o} will {v} us {w}.", "We {v} the {n} and the {n}.", "Without us the {n} is {a}.", "We are {a} like a {a} {n}.",
			"{w} we {s} {p}.", "No {n} can {v} us.", "We have a {n} but no {n}.",
		},
		end: []string{"What are we? We are {t}.", "Who are we? The answer is {t}."},
	},
	{
		name: "letter", body: prose,
		open: []string{"Dear friend, you ask about the {t} {p}.", "Dear cousin, thank you for the {a} {n}.", "Dear sir, I write about the {t} of {c}."},
		end:  []string{"Yours ever, from {c}.", "Write soon. With a {a} heart, your friend in {c}.", "Please {v} them for me. Yours truly."},
	},
	{
		name: "diary entry", body: prose,
		open: []string{"{d}. Today I went to {v} the {t}.", "{d} evening. No {t} {p}.", "{d}. {o} spoke of {t} again."},
		end:  []string{"Tomorrow I will {v} the {n}.", "And so to bed.", "I must {v} all this."},
	},
	{
		name: "news article", body: prose,
		open: []string{"{c}, {d}. {k} {t} were seen {p}.", "{c}, {d}. The town council will {v} its {t}.", "{c}, {d}. A dispute about {t} divides the town."},
		end:  []string{"The council meets on {d}.", "{o} declined to comment.", "More {t} are expected {w}."},
	},
	{
		name: "speech", body: prose,
		open: []string{"Citizens of {c}, let us speak of {t}.", "My friends, {t} are {a}.", "I speak {w} for the {t}."},
		end:  []string{"Long live the {t} of {c}!", "I thank you.", "Let us {v} them together."},
	},
	{
		name: "product review", body: prose, open: []string{"I bought {k} {t} {w}.", "These {t} are {a}.", "{o} gave me {t}."},
		end: []string{"{k} stars out of ten.", "I would buy {t} again.", "I want my {n} back."},
	},
	{
		name: "short story", body: prose,
		open: []string{"Once {o} of {c} wished to {v} {t}.", "{w} there was a {n} full of {t}.", "Long ago the {t} could {s}."},
		end:  []string{"And the {t} {s} there still.", "Nobody in {c} spoke of it again.", "That is how the {n} became {a}."},
	},
}
