package score

import (
	"slices"
	"strings"
	"unicode"
)

// MatchAll is RULER's string_match_all: the share of the references that the answer contains,
// ignoring case.
func MatchAll(answer string, references []string) float64 {
	if len(references) == 0 {
		return 0
	}
	answer, hits := printable(answer), 0
	for _, r := range references {
		if strings.Contains(answer, lower(r)) {
			hits++
		}
	}
	return float64(hits) / float64(len(references))
}

// MatchAny is RULER's string_match_part: 1 if the answer contains one of the references, ignoring
// case.
func MatchAny(answer string, references []string) float64 {
	answer = printable(answer)
	for _, r := range references {
		if strings.Contains(answer, lower(r)) {
			return 1
		}
	}
	return 0
}

// printable prepares an answer as RULER does: control characters become newlines, and white space
// around it is removed. It is in small letters.
func printable(answer string) string {
	answer = strings.Map(func(r rune) rune {
		if r < 0x20 {
			return '\n'
		}
		return r
	}, strings.TrimFunc(answer, space))
	return lower(strings.TrimFunc(answer, space))
}

// lower is Python's str.lower.
func lower(s string) string {
	if strings.ContainsAny(s, "\u0130\u03a3") {
		s = strings.ReplaceAll(finalSigma(s), "\u0130", "i\u0307")
	}
	return strings.ToLower(s)
}

// finalSigma replaces each capital sigma that ends a word by the small letter's form for that. A
// word's letters may have other characters between and after them that Unicode ignores for case.
func finalSigma(s string) string {
	runes := []rune(s)
	ends := make([]bool, len(runes)) // no cased letter follows
	follows := false
	for i, r := range slices.Backward(runes) {
		ends[i] = !follows
		if !caseIgnorable(r) {
			follows = cased(r)
		}
	}
	precedes := false
	for i, r := range runes {
		if r == '\u03a3' && precedes && ends[i] {
			runes[i] = '\u03c2'
		}
		if !caseIgnorable(r) {
			precedes = cased(r)
		}
	}
	return string(runes)
}

// cased is Unicode's property Cased.
func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable is Unicode's property Case_Ignorable.
func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) || strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}
