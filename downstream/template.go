package downstream

import (
	"fmt"
	"regexp"
	"strings"
)

// template is a text with fields of a document. A field is written {name} or {{name}}, as in
// lm-evaluation-harness's task files; parts of a field are {choices.text} and {choices.text.0} or
// {choices[0]}. A text without fields is the name of one field, unless it is literal.
type template struct {
	text  string // as written
	parts []part
	// named is true if the text is the name of a field, without braces.
	named bool
}

// part is a literal text, or a field if its path is not nil.
type part struct {
	text  string
	field path
}

var (
	fieldName  = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_-]*(\.[\p{L}\p{N}_-]+|\[[0-9]+\])*$`)
	shortField = regexp.MustCompile(`^\{[ \t]*([\p{L}_][\p{L}\p{N}_-]*(?:\.[\p{L}\p{N}_-]+|\[[0-9]+\])*)[ \t]*\}`)
	jinjaWord  = regexp.MustCompile(`^[ \t]*([\p{L}_]+)`)
)

// parsePath parses the name of a field.
func parsePath(s string) (path, bool) {
	if !fieldName.MatchString(s) {
		return nil, false
	}
	s = strings.NewReplacer("[", ".", "]", "").Replace(s)
	return strings.Split(s, "."), true
}

// parseTemplate parses a template. If literal is false, a text without fields is a field's name.
func parseTemplate(s string, literal bool) (template, error) {
	t := template{text: s}
	var plain strings.Builder
	field := func(p path) {
		if plain.Len() > 0 {
			t.parts = append(t.parts, part{text: plain.String()})
			plain.Reset()
		}
		t.parts = append(t.parts, part{field: p})
	}
	fields := false
	for rest := s; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "{%"), strings.HasPrefix(rest, "{#"):
			word := "a comment"
			if m := jinjaWord.FindStringSubmatch(strings.TrimPrefix(rest[2:], "-")); m != nil && rest[1] == '%' {
				word = m[1]
			}
			return t, fmt.Errorf("jinja's %s is not supported; a template has fields only, such as {question}: write other texts into the file", word)
		case strings.HasPrefix(rest, "{{"):
			inner, after, ok := strings.Cut(rest[2:], "}}")
			if !ok {
				return t, fmt.Errorf("{{ without }}: %q", shorten(rest, 40))
			}
			name := strings.TrimSpace(inner)
			p, ok := parsePath(strings.TrimPrefix(name, "doc."))
			if !ok {
				return t, fmt.Errorf("the expression %q is not supported; a template has fields only, such as {question}: write other texts into the file", shorten(name, 80))
			}
			field(p)
			rest, fields = after, true
		case rest[0] == '{':
			if m := shortField.FindStringSubmatch(rest); m != nil {
				p, _ := parsePath(m[1])
				field(p)
				rest, fields = rest[len(m[0]):], true
				break
			}
			fallthrough
		default:
			next := strings.IndexByte(rest[1:], '{') + 1
			if next == 0 {
				next = len(rest)
			}
			plain.WriteString(rest[:next])
			rest = rest[next:]
		}
	}
	if !fields && !literal && s != "" {
		t.named = true
		if p, ok := parsePath(s); ok {
			t.parts = []part{{field: p}}
		} else {
			t.parts = []part{{field: path{s}}}
		}
		return t, nil
	}
	if plain.Len() > 0 {
		t.parts = append(t.parts, part{text: plain.String()})
	}
	return t, nil
}

// only returns the field of a template that consists of one, or nil.
func (t template) only() path {
	if len(t.parts) == 1 {
		return t.parts[0].field
	}
	return nil
}

// render fills in the fields of a document.
func (t template) render(d *document) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.field == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := d.at(p.field)
		if err != nil {
			return "", err
		}
		s, ok := scalar(v)
		if !ok {
			return "", d.errorf("", "the field %s is %s; expected a string or a number", p.field, kindOf(v))
		}
		b.WriteString(s)
		if b.Len() > maxRendered {
			return "", d.errorf("", "a text of more than %d MiB", maxRendered>>20)
		}
	}
	return b.String(), nil
}

// maxRendered limits a rendered text, because a template may repeat a field.
const maxRendered = 2 * maxLine

// shorten shortens a text to about n bytes: its beginning and, after …, the last third.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	head, tail := n-n/3, len(s)-n/3
	for head > 0 && s[head]&0xc0 == 0x80 {
		head--
	}
	for tail < len(s) && s[tail]&0xc0 == 0x80 {
		tail++
	}
	return s[:head] + "…" + s[tail:]
}
