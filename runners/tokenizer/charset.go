package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// charset is a set of characters of a pattern, such as [^\r\n\p{L}].
type charset struct {
	not      bool
	ranges   []rune // pairs of first and last
	tables   []*unicode.RangeTable
	excluded []*unicode.RangeTable // \P{...} and \S: all but these
	minus    *charset
}

func (c *charset) has(r rune) bool {
	in := false
	for i := 0; i < len(c.ranges) && !in; i += 2 {
		in = r >= c.ranges[i] && r <= c.ranges[i+1]
	}
	in = in || len(c.tables) > 0 && unicode.In(r, c.tables...)
	for i := 0; i < len(c.excluded) && !in; i++ {
		in = !unicode.Is(c.excluded[i], r)
	}
	return in != c.not && (c.minus == nil || !c.minus.has(r))
}

// fold adds the characters that differ only in case from those of the set.
func (c *charset) fold() {
	for i, n := 0, len(c.ranges); i < n; i += 2 {
		if c.ranges[i] != c.ranges[i+1] {
			continue // no published pattern has a range under (?i)
		}
		r := c.ranges[i]
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			c.ranges = append(c.ranges, f, f)
		}
	}
}

// errNotSimple is the error of a pattern that a scanner does not support.
type errNotSimple struct{ what string }

func (e errNotSimple) Error() string { return "not supported by the scanner: " + e.what }

// setParser reads the parts of a pattern that match one character.
type setParser struct {
	s  string
	at int
}

func (p *setParser) more() bool { return p.at < len(p.s) }

func (p *setParser) next() rune {
	r, n := utf8.DecodeRuneInString(p.s[p.at:])
	p.at += n
	return r
}

func (p *setParser) accept(s string) bool {
	if strings.HasPrefix(p.s[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// escape reads the escape after a backslash into c. It returns the character if it is a single one,
// else -1.
func (p *setParser) escape(c *charset) (rune, error) {
	if !p.more() {
		return 0, errNotSimple{"a backslash at the end"}
	}
	switch r := p.next(); r {
	case 'r':
		return '\r', nil
	case 'n':
		return '\n', nil
	case 't':
		return '\t', nil
	case 's':
		c.tables = append(c.tables, unicode.White_Space)
	case 'S':
		c.excluded = append(c.excluded, unicode.White_Space)
	case 'd':
		c.tables = append(c.tables, unicode.Nd)
	case 'p', 'P':
		name := ""
		if p.accept("{") {
			end := strings.IndexByte(p.s[p.at:], '}')
			if end < 0 {
				return 0, errNotSimple{"an open \\p{"}
			}
			name = p.s[p.at : p.at+end]
			p.at += end + 1
		} else if p.more() {
			name = string(p.next())
		}
		t := unicode.Categories[name]
		if t == nil {
			t = unicode.Scripts[name]
		}
		if t == nil {
			return 0, errNotSimple{fmt.Sprintf("\\p{%s}", name)}
		}
		if r == 'p' {
			c.tables = append(c.tables, t)
		} else {
			c.excluded = append(c.excluded, t)
		}
	default:
		if r < '!' || r > '~' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return 0, errNotSimple{fmt.Sprintf("\\%c", r)}
		}
		return r, nil
	}
	return -1, nil
}

// class reads a bracketed set whose first bracket has been read.
func (p *setParser) class() (*charset, error) {
	c := &charset{not: p.accept("^")}
	for first := true; ; first = false {
		switch {
		case !p.more():
			return nil, errNotSimple{"an open ["}
		case p.accept("]"):
			if first {
				return nil, errNotSimple{"[]"}
			}
			return c, nil
		case p.accept("-["):
			minus, err := p.class()
			if err != nil || !p.accept("]") {
				return nil, errNotSimple{"a set within a set"}
			}
			c.minus = minus
			return c, nil
		}
		from, err := p.member(c)
		if err != nil {
			return nil, err
		}
		if from < 0 {
			continue
		}
		to := from
		if strings.HasPrefix(p.s[p.at:], "-") && !strings.HasPrefix(p.s[p.at:], "-]") && !strings.HasPrefix(p.s[p.at:], "-[") {
			p.at++
			if to, err = p.member(c); err != nil || to < from {
				return nil, errNotSimple{"a range"}
			}
		}
		c.ranges = append(c.ranges, from, to)
	}
}

// member reads a character of a set, or -1 for an escape that is a set.
func (p *setParser) member(c *charset) (rune, error) {
	if !p.more() {
		return 0, errNotSimple{"an open ["}
	}
	switch r := p.next(); {
	case r == '\\':
		return p.escape(c)
	case r == '[' || r == '&' && strings.HasPrefix(p.s[p.at:], "&"):
		return 0, errNotSimple{"a set within a set"}
	default:
		return r, nil
	}
}
