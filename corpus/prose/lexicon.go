package prose

import (
	"slices"
	"strings"
	"sync"
)

type noun struct{ one, many string }

type verb struct{ base, past, done, ing string }

// theme is a themeWords with inflected words.
type theme struct {
	name  string
	nouns []noun
	verbs []verb
	adjs  []string
}

// lexicon holds all word lists in the form that sentences use.
type lexicon struct {
	themes                                                     []theme
	nouns                                                      []noun
	verbs, plain                                               []verb
	abstract, adjs, advs, colours, trades, pets, dishes, foods []string
	placeKinds, landmarks, belongings, instruments, ills       []string
	months, days, numbers, feelings, says, units               []string
}

var words = sync.OnceValue(func() *lexicon {
	x := &lexicon{
		nouns: parseNouns(commonNouns), verbs: parseVerbs(commonVerbs), plain: parseVerbs(plainVerbs),
		abstract: strings.Fields(abstractNouns), adjs: strings.Fields(commonAdjectives), advs: strings.Fields(adverbs),
		colours: strings.Fields(colourNames), trades: strings.Fields(tradeNames), pets: strings.Fields(petNames),
		dishes: strings.Fields(dishNames), foods: strings.Fields(foodNames), placeKinds: fieldsSpaced(placeKinds), landmarks: strings.Fields(landmarks),
		belongings: strings.Fields(belongingNames), instruments: strings.Fields(instruments), ills: strings.Fields(illnesses),
		months: strings.Fields(monthNames), days: strings.Fields(dayNames), numbers: strings.Fields(numberWords),
		feelings: strings.Fields(feelings), says: strings.Fields(saySet), units: strings.Fields(units),
	}
	for _, t := range themeLists {
		x.themes = append(x.themes, theme{t.name, parseNouns(t.nouns), parseVerbs(t.verbs), strings.Fields(t.adjectives)})
	}
	return x
})

// fieldsSpaced splits a list in which hyphens represent spaces.
func fieldsSpaced(s string) []string {
	f := strings.Fields(s)
	for i := range f {
		f[i] = strings.ReplaceAll(f[i], "-", " ")
	}
	return f
}

func parseNouns(list string) []noun {
	var out []noun
	for _, w := range strings.Fields(list) {
		one, many, irregular := strings.Cut(w, "/")
		if !irregular {
			many = plural(one)
		}
		out = append(out, noun{one, many})
	}
	return out
}

func parseVerbs(list string) []verb {
	var out []verb
	for _, w := range strings.Fields(list) {
		forms := strings.Split(w, "/")
		base, _, _ := strings.Cut(forms[0], "+")
		v := verb{base: base}
		doubled := strings.HasSuffix(forms[0], "+")
		v.ing = present(base, doubled)
		switch len(forms) {
		case 1:
			v.past = past(base, doubled)
			v.done = v.past
		case 2:
			v.past, v.done = forms[1], forms[1]
		default:
			v.past, v.done = forms[1], forms[2]
		}
		out = append(out, v)
	}
	return out
}

func isVowel(c byte) bool { return strings.IndexByte("aeiou", c) >= 0 }

// plural follows the spelling rules for regular nouns.
func plural(w string) string {
	n := len(w)
	switch {
	case strings.HasSuffix(w, "s"), strings.HasSuffix(w, "x"), strings.HasSuffix(w, "z"),
		strings.HasSuffix(w, "ch"), strings.HasSuffix(w, "sh"):
		return w + "es"
	case strings.HasSuffix(w, "man"):
		return w[:n-3] + "men"
	case w[n-1] == 'y' && n > 1 && !isVowel(w[n-2]):
		return w[:n-1] + "ies"
	}
	return w + "s"
}

// past follows the spelling rules for regular verbs; doubled repeats the last letter.
func past(w string, doubled bool) string {
	n := len(w)
	switch {
	case doubled:
		return w + w[n-1:] + "ed"
	case w[n-1] == 'e':
		return w + "d"
	case w[n-1] == 'y' && !isVowel(w[n-2]):
		return w[:n-1] + "ied"
	}
	return w + "ed"
}

// present returns the -ing form.
func present(w string, doubled bool) string {
	n := len(w)
	switch {
	case doubled:
		return w + w[n-1:] + "ing"
	case strings.HasSuffix(w, "ie"):
		return w[:n-2] + "ying"
	case w[n-1] == 'e' && !strings.HasSuffix(w, "ee") && !strings.HasSuffix(w, "oe") && !strings.HasSuffix(w, "ye"):
		return w[:n-1] + "ing"
	}
	return w + "ing"
}

// article returns "a" or "an" for the word that follows.
func article(w string) string {
	if w == "" {
		return "a"
	}
	if isVowel(w[0]) && !strings.HasPrefix(w, "one") && !strings.HasPrefix(w, "uni") && !strings.HasPrefix(w, "use") ||
		strings.HasPrefix(w, "honest") || strings.HasPrefix(w, "heir") || strings.HasPrefix(w, "hour") {
		return "an"
	}
	return "a"
}

// Words returns the common nouns (singular), adjectives and verbs (base form) of the lexicon, each
// a sorted list of different words of small letters only.
func Words() (nouns, adjectives, verbs []string) {
	x := words()
	lists := [][]string{x.abstract, x.trades, x.pets, x.dishes, x.foods, x.placeKinds, x.landmarks, x.belongings, x.instruments, x.ills, x.units}
	for _, list := range lists {
		nouns = append(nouns, list...)
	}
	adjectives = slices.Concat(x.adjs, x.colours)
	themes := append(slices.Clone(x.themes), theme{nouns: x.nouns, verbs: slices.Concat(x.verbs, x.plain)})
	for _, t := range themes {
		for _, n := range t.nouns {
			nouns = append(nouns, n.one)
		}
		for _, v := range t.verbs {
			verbs = append(verbs, v.base)
		}
		adjectives = append(adjectives, t.adjs...)
	}
	return plainWords(nouns), plainWords(adjectives), plainWords(verbs)
}

// plainWords sorts a list and removes repeated words and those with other characters than small
// letters.
func plainWords(list []string) []string {
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(w string) bool {
		return strings.ContainsFunc(w, func(r rune) bool { return r < 'a' || r > 'z' })
	})
}
