package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// scanner matches the patterns typical of pre-tokenizers: alternatives of sequences of character
// sets, each with a count, and a lookahead of one character. It finds the same matches as a
// backtracking engine, which tries alternatives in order and the longest count first. It uses table
// look-ups on UTF-8 and is about twenty times as fast as a general engine.
//
// A table maps each character to a bit set of the sets that contain it, so a pattern has at most 64
// sets.
type scanner struct {
	sets []*charset
	code []inst
	// alts are the pattern's alternatives, with the sets of their first characters.
	alts  []alternative
	ascii [utf8.RuneSelf]uint64
	// pages are the bits of all other characters, filled on first use.
	pages [(utf8.MaxRune + 1) >> 8]atomic.Pointer[[256]uint64]
}

type alternative struct {
	first uint64
	start int
}

type op uint8

const (
	opMatch op = iota
	opSet      // min to max characters of a set
	opAlt      // the first of alts that matches
	opNot      // the next character is not in a set
	opAhead    // the next character is in a set
	opEnd      // the end of the text
	opTail     // only characters of a set, at least one, up to the end of the text
)

type inst struct {
	op         op
	bit        uint64
	set        int
	min, max   int
	possessive bool
	next       int
	alts       []int
}

// maxRepeat represents a count without a limit.
const maxRepeat = math.MaxInt

// compileScanner compiles a pattern. The error is errNotSimple if a scanner does not support the
// pattern.
func compileScanner(pattern string) (*scanner, error) {
	c := &scanner{}
	p := &patternParser{setParser: setParser{s: pattern}, scanner: c}
	c.code = append(c.code, inst{op: opMatch})
	alts, err := p.alternatives(0, false, 0)
	if err != nil {
		return nil, err
	}
	if p.more() {
		return nil, errNotSimple{"an unbalanced )"}
	}
	for _, a := range alts {
		first, empty := c.first(a)
		if empty {
			return nil, errNotSimple{"a match of no characters"}
		}
		c.alts = append(c.alts, alternative{first, a})
	}
	for r := range c.ascii {
		c.ascii[r] = c.bits(rune(r))
	}
	return c, nil
}

// first returns the sets of the first character of a match of the code from pc on, and whether a
// match may be empty.
func (c *scanner) first(pc int) (sets uint64, empty bool) {
	for {
		i := &c.code[pc]
		switch i.op {
		case opMatch:
			return sets, true
		case opSet:
			sets |= i.bit
			if i.min > 0 {
				return sets, false
			}
		case opTail:
			return sets | i.bit, false
		case opAlt:
			for _, a := range i.alts {
				f, e := c.first(a)
				sets, empty = sets|f, empty || e
			}
			return sets, empty
		}
		pc = i.next
	}
}

// patternParser compiles a pattern from its end to its beginning, so that each instruction knows
// the next.
type patternParser struct {
	setParser
	scanner *scanner
}

// item is an element of a sequence that is not compiled yet.
type item struct {
	op       op
	set      *charset
	group    []([]item)
	min, max int
	possess  bool
}

// alternatives reads sequences separated by | up to the end or a closing parenthesis. It returns
// the start of the code of each, which continues at next.
func (p *patternParser) alternatives(next int, fold bool, depth int) ([]int, error) {
	seqs, err := p.sequences(fold, depth)
	if err != nil {
		return nil, err
	}
	return p.compile(seqs, next)
}

func (p *patternParser) sequences(fold bool, depth int) (seqs [][]item, err error) {
	if depth > 4 {
		return nil, errNotSimple{"nested groups"}
	}
	for {
		var seq []item
		for p.more() && p.s[p.at] != '|' && p.s[p.at] != ')' {
			i, err := p.item(fold, depth)
			if err != nil {
				return nil, err
			}
			seq = append(seq, i)
		}
		seqs = append(seqs, seq)
		if !p.accept("|") {
			return seqs, nil
		}
	}
}

func (p *patternParser) item(fold bool, depth int) (i item, err error) {
	i = item{op: opSet, min: 1, max: 1}
	switch {
	case p.accept("(?!"), p.accept("(?="):
		i.op = opNot
		if p.s[p.at-1] == '=' {
			i.op = opAhead
		}
		if i.set, err = p.set(fold); err == nil && !p.accept(")") {
			err = errNotSimple{"a lookahead of more than a character"}
		}
		return i, err
	case p.accept("(?i:"), p.accept("(?:"):
		fold = fold || p.s[p.at-2] == 'i'
		i.op = opAlt
		if i.group, err = p.sequences(fold, depth+1); err == nil && !p.accept(")") {
			err = errNotSimple{"an open ("}
		}
	case p.accept(`\z`):
		i.op = opEnd
		return i, nil
	default:
		i.set, err = p.set(fold)
	}
	if err != nil {
		return i, err
	}
	return i, p.count(&i)
}

// set reads a character, an escape or a bracketed set.
func (p *patternParser) set(fold bool) (*charset, error) {
	if !p.more() {
		return nil, errNotSimple{"an open ("}
	}
	c := &charset{}
	r := p.next()
	switch r {
	case '[':
		var err error
		if c, err = p.class(); err != nil {
			return nil, err
		}
	case '\\':
		var err error
		if r, err = p.escape(c); err != nil {
			return nil, err
		}
		if r >= 0 {
			c.ranges = []rune{r, r}
		}
	case '(', ')', '*', '+', '?', '{', '}', '^', '$', '.', '|':
		return nil, errNotSimple{string(r)}
	default:
		c.ranges = []rune{r, r}
	}
	if fold {
		c.fold()
	}
	return c, nil
}

// count reads a quantifier.
func (p *patternParser) count(i *item) error {
	switch {
	case p.accept("?"):
		i.min, i.max = 0, 1
	case p.accept("*"):
		i.min, i.max = 0, maxRepeat
	case p.accept("+"):
		i.min, i.max = 1, maxRepeat
	case p.accept("{"):
		end := strings.IndexByte(p.s[p.at:], '}')
		if end < 0 {
			return errNotSimple{"an open {"}
		}
		from, to, ranged := strings.Cut(p.s[p.at:p.at+end], ",")
		p.at += end + 1
		n, err := strconv.Atoi(from)
		m := n
		if ranged {
			var err2 error
			m, err2 = strconv.Atoi(to)
			err = errors.Join(err, err2)
		}
		if err != nil || n < 0 || m < n || m == 0 || m > 1<<16 {
			return errNotSimple{"a count"}
		}
		i.min, i.max = n, m
	default:
		return nil
	}
	if p.accept("+") {
		i.possess = true
	} else if p.accept("?") {
		return errNotSimple{"a lazy count"}
	}
	if i.op == opAlt && (i.max > 1 || i.possess) {
		return errNotSimple{"a repeated group"}
	}
	return nil
}

// compile appends the code of seqs and returns where each starts. All continue at next.
func (p *patternParser) compile(seqs [][]item, next int) (starts []int, err error) {
	c := p.scanner
	for _, seq := range seqs {
		at := next
		for k := len(seq) - 1; k >= 0; k-- {
			i := seq[k]
			code := inst{op: i.op, min: i.min, max: i.max, possessive: i.possess, next: at}
			switch i.op {
			case opAlt:
				if code.alts, err = p.compile(i.group, at); err != nil {
					return nil, err
				}
				if i.min == 0 {
					code.alts = append(code.alts, at)
				}
			case opSet, opNot, opAhead:
				if code.set, err = c.setIndex(i.set); err != nil {
					return nil, err
				}
				code.bit = 1 << code.set
				if e := &c.code[at]; e.op == opEnd && i.op == opSet && i.min == 1 && i.max == maxRepeat {
					code.op, code.next = opTail, e.next
				}
			}
			c.code = append(c.code, code)
			at = len(c.code) - 1
		}
		starts = append(starts, at)
	}
	return starts, nil
}

func (c *scanner) setIndex(s *charset) (int, error) {
	key := fmt.Sprint(*s)
	for i, t := range c.sets {
		if fmt.Sprint(*t) == key {
			return i, nil
		}
	}
	if len(c.sets) == 64 {
		return 0, errNotSimple{"more than 64 sets"}
	}
	c.sets = append(c.sets, s)
	return len(c.sets) - 1, nil
}

// bits returns the sets that contain a character.
func (c *scanner) bits(r rune) (b uint64) {
	for i, s := range c.sets {
		if s.has(r) {
			b |= 1 << i
		}
	}
	return b
}

// at returns the sets of the character at s[i:] and its length. A byte that is not valid UTF-8
// counts as U+FFFD.
func (c *scanner) at(s string, i int) (uint64, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return c.ascii[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	page := c.pages[r>>8].Load()
	if page == nil {
		page = new([256]uint64)
		for j := range page {
			page[j] = c.bits(r&^255 | rune(j))
		}
		c.pages[r>>8].Store(page)
	}
	return page[r&255], n
}

// scan is one search through a text.
type scan struct {
	*scanner
	s string
	// tails has, for the set of each opTail, the start of the run of its characters at the end of
	// the text. known marks the entries that have been computed.
	tails []int
	known uint64
	// left is the number of steps left. A hostile pattern uses them up.
	left int
}

// stepsPerByte bounds the work of a scan. The patterns of published vocabularies take less than 20.
const stepsPerByte = 256

var errSlow = errors.New("the pattern takes too many steps on this text")

// matches calls f with the matches in s, in order.
func (c *scanner) matches(s string, f func(from, to int)) error {
	m := scan{scanner: c, s: s, left: stepsPerByte * (len(s) + 256)}
	for at := 0; at < len(s); {
		bits, n := c.at(s, at)
		end := -1
		for i := range c.alts {
			if a := &c.alts[i]; a.first&bits != 0 {
				if end = m.match(a.start, at); end >= 0 {
					break
				}
			}
		}
		if m.left < 0 {
			return errSlow
		}
		if end < 0 {
			at += n
			continue
		}
		f(at, end)
		at = end
	}
	return nil
}

// match returns the end of the match of the code from pc on at s[at:], or -1.
func (m *scan) match(pc, at int) int {
	for {
		if m.left--; m.left < 0 {
			return -1
		}
		i := &m.code[pc]
		switch i.op {
		case opMatch:
			return at
		case opSet:
			start, n := at, 0
			for n < i.max && at < len(m.s) {
				bits, size := m.at(m.s, at)
				if bits&i.bit == 0 {
					break
				}
				at += size
				n++
			}
			m.left -= n / 4
			if n < i.min {
				return -1
			}
			if n > i.min && !i.possessive && m.code[i.next].op != opMatch {
				return m.backtrack(i, start, at, n)
			}
		case opAlt:
			for _, a := range i.alts {
				if end := m.match(a, at); end >= 0 {
					return end
				}
			}
			return -1
		case opNot, opAhead:
			follows := false
			if at < len(m.s) {
				bits, _ := m.at(m.s, at)
				follows = bits&i.bit != 0
			}
			if follows != (i.op == opAhead) {
				return -1
			}
		case opEnd:
			if at < len(m.s) {
				return -1
			}
		case opTail:
			if at >= len(m.s) || at < m.tail(i) {
				return -1
			}
			at = len(m.s)
		}
		pc = i.next
	}
}

// backtrack tries the rest of the code after n characters of a set, then after fewer.
func (m *scan) backtrack(i *inst, start, at, n int) int {
	for {
		if end := m.match(i.next, at); end >= 0 || n == i.min || m.left < 0 {
			return end
		}
		_, size := utf8.DecodeLastRuneInString(m.s[start:at])
		at -= size
		n--
	}
}

// tail returns the start of the run of a set's characters at the end of the text.
func (m *scan) tail(i *inst) int {
	if m.tails == nil {
		m.tails = make([]int, len(m.sets))
	}
	t := &m.tails[i.set]
	if m.known&i.bit == 0 {
		m.known |= i.bit
		*t = len(m.s)
		for *t > 0 {
			_, size := utf8.DecodeLastRuneInString(m.s[:*t])
			if bits, _ := m.at(m.s, *t-size); bits&i.bit == 0 {
				break
			}
			*t -= size
		}
	}
	return *t
}
