package prose

import (
	"strconv"
	"strings"
	"sync"
)

func itoa(n int) string { return strconv.Itoa(n) }

// tmpl is a compiled sentence shape: literal text and slots.
type tmpl []part

type part struct {
	lit    string
	slot   slot
	choice []tmpl // for slotChoice
}

type slot uint8

const (
	literal    slot = iota
	slotChoice      // one of several options, written [this|that]
	slotP           // a person in the section
	slotQ           // another person
	slotHe
	slotHis
	slotHim
	slotHim2 // pronoun of Q
	slotN    // noun, singular
	slotNs   // noun, plural
	slotA    // "a" + noun phrase
	slotThe  // "the" + noun phrase
	slotThes // "the" + plural noun phrase
	slotSome // a quantity of things
	slotNone
	slotAdj
	slotAv
	slotV // verb forms: base, past, participle, -ing
	slotVd
	slotVn
	slotVg
	slotW // verbs without object
	slotWd
	slotAbs
	slotPl
	slotAt
	slotT
	slotT2
	slotDur
	slotDate
	slotYear
	slotNum
	slotClock
	slotFeel
	slotCol
	slotTrade
	slotCl
	slotInv
	slotDay
	slotMonth
	slotS // parts of a fact
	slotO
	slotVal
	slotVal2
)

var slotNames = map[string]slot{
	"P": slotP, "Q": slotQ, "he": slotHe, "his": slotHis, "him": slotHim, "him2": slotHim2,
	"n": slotN, "ns": slotNs, "a": slotA, "the": slotThe, "thes": slotThes, "some": slotSome, "none": slotNone,
	"adj": slotAdj, "av": slotAv, "v": slotV, "vd": slotVd, "vn": slotVn, "vg": slotVg, "w": slotW, "wd": slotWd,
	"abs": slotAbs, "pl": slotPl, "at": slotAt, "t": slotT, "t2": slotT2, "dur": slotDur, "date": slotDate,
	"year": slotYear, "num": slotNum, "clock": slotClock, "feel": slotFeel, "col": slotCol, "trade": slotTrade,
	"cl": slotCl, "inv": slotInv, "day": slotDay, "month": slotMonth,
	"S": slotS, "O": slotO, "V": slotVal, "W": slotVal2,
}

// compile parses a shape: text, {slots}, and [one|or|another] choices, which contain text and
// slots. Shapes are constants of this package, so an invalid one is a programming error and panics.
func compile(s string) tmpl {
	var t tmpl
	for s != "" {
		if i := strings.IndexAny(s, "{["); i != 0 {
			lit := s
			if i > 0 {
				lit = s[:i]
			}
			t = append(t, part{lit: lit})
			s = s[len(lit):]
			continue
		}
		end := strings.IndexByte(s, s[0]+2) // } comes two after {, and ] two after [
		if end < 0 {
			panic("corpus: open bracket in shape near " + strconv.Quote(s))
		}
		inside := s[1:end]
		if s[0] == '[' {
			t = append(t, part{slot: slotChoice, choice: compileAll(strings.Split(inside, "|"))})
		} else if k, known := slotNames[inside]; known {
			t = append(t, part{slot: k})
		} else {
			panic("corpus: no such slot: " + strconv.Quote(inside))
		}
		s = s[end+1:]
	}
	return t
}

func compileAll(list []string) []tmpl {
	out := make([]tmpl, len(list))
	for i, s := range list {
		out[i] = compile(s)
	}
	return out
}

// shapes holds all compiled shapes and the kinds of facts.
type shapes struct {
	narrative, pronoun, speech, letter []tmpl
	person, place, thing, ship, book   []*factKind
}

var compiled = sync.OnceValue(func() *shapes {
	s := &shapes{
		compileAll(narrativeShapes), compileAll(pronounShapes), compileAll(speechShapes), compileAll(letterShapes),
		personFacts(), placeFacts(), thingFacts(), shipFacts(), bookFacts(),
	}
	for _, kinds := range [][]*factKind{s.person, s.place, s.thing, s.ship, s.book} {
		for _, k := range kinds {
			k.wordingsT, k.askT, k.answerT, k.entryT = compileAll(k.wordings), compile(k.ask), compile(k.answer), compile(k.entry)
		}
	}
	return s
})
