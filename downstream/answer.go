package downstream

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/suites"
)

var filterFunctions = []string{"regex", "remove_whitespace", "lowercase", "uppercase", "take_first"}

// parseFilters compiles the filters of an answer.
func (f *form) parseFilters() error {
	if len(f.Filters) > 1 {
		return fmt.Errorf("filter_list: %d lists of filters; write a block of the task for each", len(f.Filters))
	}
	for _, p := range f.Filters {
		for _, x := range p.Filter {
			if x.Function != "regex" && (x.Pattern != nil || x.Group != 0 || x.Fallback != nil) {
				return fmt.Errorf("filter_list: %s has no options", x.Function)
			}
			switch x.Function {
			case "regex":
				extract, err := x.regex()
				if err != nil {
					return fmt.Errorf("filter_list: %w", err)
				}
				f.filters = append(f.filters, extract)
			case "remove_whitespace":
				f.filters = append(f.filters, func(s string) string { return strings.TrimFunc(s, isSpace) })
			case "lowercase":
				f.filters = append(f.filters, strings.ToLower)
			case "uppercase":
				f.filters = append(f.filters, strings.ToUpper)
			case "take_first": // there is one answer
			default:
				return fmt.Errorf("filter_list: the function %q is not supported; %s", x.Function, suites.Suggest(x.Function, slices.Clone(filterFunctions)))
			}
		}
	}
	return nil
}

// filterNames describes the filters for records.
func (p *Params) filterNames() (out []string) {
	for _, l := range p.Filters {
		for _, x := range l.Filter {
			name := x.Function
			if x.Function == "regex" {
				name = fmt.Sprintf("regex %s %d %s", *orDefault(x.Pattern, defaultPattern), x.Group, *orDefault(x.Fallback, defaultFallback))
			}
			out = append(out, name)
		}
	}
	return out
}

func orDefault(s *string, otherwise string) *string {
	if s == nil {
		return &otherwise
	}
	return s
}

// regex returns the filter that extracts a match of a pattern, as Python's re.findall returns
// matches: the whole match, or its group, or the first group of several that is not empty.
func (x Filter) regex() (func(string) string, error) {
	// The match is trimmed, so it may contain the newline before the end.
	re, err := compile(*orDefault(x.Pattern, defaultPattern), `(?:\n?\z)`)
	if err != nil {
		return nil, err
	}
	fallback := *orDefault(x.Fallback, defaultFallback)
	return func(answer string) string {
		all := re.FindAllStringSubmatch(answer, -1)
		i := x.Group
		if i < 0 {
			i += len(all)
		}
		if i < 0 || i >= len(all) {
			return fallback
		}
		groups := all[i]
		if len(groups) > 1 {
			groups = groups[1:]
		}
		if len(groups) > 1 {
			n := slices.IndexFunc(groups, func(s string) bool { return s != "" })
			if n < 0 {
				return fallback
			}
			groups = groups[n:]
		}
		return strings.TrimFunc(groups[0], isSpace)
	}, nil
}

// Go's classes \d, \s and \w are of ASCII; Python's are of Unicode.
var classes = map[byte]string{
	'd': `\p{Nd}`, 's': `\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`, 'w': `\p{L}\p{N}_`,
}

// multiline matches the flag with which $ matches before every newline.
var multiline = regexp.MustCompile(`\(\?[a-zA-Z]*m`)

// unsupported matches what Go's patterns lack.
var unsupported = regexp.MustCompile(`\(\?<?[=!]|\(\?P=|\(\?\(|\\[1-9]`)

// compile compiles a pattern of Python for Go, whose patterns take linear time. What Go lacks is an
// error: lookaround and back references. end replaces $, which in Python also matches before a
// newline at the end.
func compile(pattern, end string) (*regexp.Regexp, error) {
	if multiline.MatchString(pattern) {
		end = "$"
	}
	var b strings.Builder
	inside := false // a character class
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			switch e := pattern[i]; {
			case classes[e] != "" && inside:
				b.WriteString(classes[e])
			case classes[e] != "":
				b.WriteString("[" + classes[e] + "]")
			case e == 'D' && inside:
				b.WriteString(`\P{Nd}`)
			case classes[e|0x20] != "" && e < 'a' && inside:
				return nil, fmt.Errorf("the pattern %q is not supported: \\%c inside […]", shorten(pattern, 80), e)
			case classes[e|0x20] != "" && e < 'a':
				b.WriteString("[^" + classes[e|0x20] + "]")
			case e == 'Z':
				b.WriteString(`\z`)
			case e >= utf8.RuneSelf:
				b.WriteByte(e) // an escape without a meaning
			default:
				b.WriteString(pattern[i-1 : i+1])
			}
			continue
		case c == '[' && !inside:
			inside = true
			if strings.HasPrefix(pattern[i:], "[^]") || strings.HasPrefix(pattern[i:], "[]") { // a literal ]
				n := strings.IndexByte(pattern[i:], ']')
				b.WriteString(pattern[i:i+n] + `\]`)
				i += n
				continue
			}
		case c == '$' && !inside:
			b.WriteString(end)
			continue
		case c == '[':
			b.WriteByte('\\')
		case c == ']':
			inside = false
		}
		b.WriteByte(c)
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		if part := unsupported.FindString(pattern); part != "" {
			why = "lookaround, back references and conditions, here " + part
		}
		return nil, fmt.Errorf("the pattern %q is not supported: %s", shorten(pattern, 80), why)
	}
	return re, nil
}

// matcher compares answers as the metric exact_match does.
type matcher struct {
	ExactMatch
	regexes []*regexp.Regexp
}

func newMatcher(o ExactMatch) (m matcher, err error) {
	m.ExactMatch = o
	for _, r := range o.Regexes {
		re, err := compile(r, "$")
		if err != nil {
			return m, fmt.Errorf("regexes_to_ignore: %w", err)
		}
		m.regexes = append(m.regexes, re)
	}
	return m, nil
}

// asciiPunctuation are Python's string.punctuation.
const asciiPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

func (m matcher) normalize(s string) string {
	for _, re := range m.regexes {
		s = re.ReplaceAllString(s, "")
	}
	if m.Case {
		s = strings.ToLower(s)
	}
	without := func(set string) {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(set, r) {
				return -1
			}
			return r
		}, s)
	}
	if m.Punctuation {
		without(asciiPunctuation)
	}
	if m.Numbers {
		without("0123456789")
	}
	return s
}

// equal reports whether an answer is one of the correct ones.
func (m matcher) equal(answer string, targets []string) bool {
	answer = m.normalize(answer)
	return slices.ContainsFunc(targets, func(t string) bool { return m.normalize(t) == answer })
}

// optionNames describes the options of exact_match for records.
func (p *Params) optionNames() (out []string) {
	for _, m := range p.Metrics {
		for _, o := range []struct {
			name string
			on   bool
		}{{"ignore_case", m.Case}, {"ignore_punctuation", m.Punctuation}, {"ignore_numbers", m.Numbers}} {
			if o.on {
				out = append(out, o.name)
			}
		}
		for _, r := range m.Regexes {
			out = append(out, "regexes_to_ignore "+r)
		}
	}
	return out
}

// cut returns the answer before the first text that ends it.
func cut(answer string, until []string) string {
	for _, stop := range until {
		if stop != "" {
			answer, _, _ = strings.Cut(answer, stop)
		}
	}
	return answer
}

// ended reports whether an answer contains a text that ends it.
func ended(answer string, until []string) bool {
	return slices.ContainsFunc(until, func(stop string) bool { return stop != "" && strings.Contains(answer, stop) })
}

// filter applies the filters to an answer.
func (f *form) filter(answer string) string {
	for _, x := range f.filters {
		answer = x(answer)
	}
	return answer
}
