package downstream

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// form makes items of documents: the parsed templates of a task.
type form struct {
	*Params
	text, target template
	choiceField  path
	choices      []template
	labelField   path
	labels       []string
	filters      []func(string) string
	match        matcher
	metrics      []string
}

// form parses the templates, filters and metrics of the parameters.
func (p *Params) form() (f *form, err error) {
	f = &form{Params: p}
	for _, t := range []struct {
		name string
		text string
		into *template
	}{{"doc_to_text", p.Text, &f.text}, {"doc_to_target", p.Target, &f.target}} {
		if *t.into, err = parseTemplate(t.text, false); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if f.choiceField, err = fieldOf(p.Choice); err != nil {
		return nil, fmt.Errorf("doc_to_choice: %w", err)
	}
	for _, text := range p.Choice.List {
		t, err := parseTemplate(text, true)
		if err != nil {
			return nil, fmt.Errorf("doc_to_choice: %w", err)
		}
		f.choices = append(f.choices, t)
	}
	if f.labelField, err = fieldOf(p.Labels); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	f.labels = p.Labels.List
	if err := f.parseFilters(); err != nil {
		return nil, err
	}
	return f, f.parseMetrics()
}

// fieldOf returns the field of a list, which may be written {field}.
func fieldOf(t Texts) (path, error) {
	if t.Field == "" {
		return nil, nil
	}
	one, err := parseTemplate(t.Field, false)
	if err != nil {
		return nil, err
	}
	if p := one.only(); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%q is not a field; expected the name of a field with a list, or a list of texts", shorten(t.Field, 80))
}

// item is what a document asks.
type item struct {
	line int
	// prompt is the context of a multiple choice or the prompt of an answer.
	prompt string
	// choices are the texts of the choices, without the delimiter. contexts[i] and
	// continuations[i] are what the model reads and what is scored for choice i.
	choices, contexts, continuations []string
	// gold are the indexes of the correct choices.
	gold []int
	// targets are the correct answers of generate_until; of loglikelihood_rolling, the text.
	targets []string
}

// Limits of a document's choices.
const maxChoices = 1000

// item makes the item of a document.
func (f *form) item(d *document) (it *item, err error) {
	it = &item{line: d.line}
	switch f.OutputType {
	case rolling:
		text, err := f.target.render(d)
		it.targets = []string{text}
		return it, err
	case generateUntil:
		if it.prompt, err = f.text.render(d); err != nil {
			return nil, err
		}
		it.prompt = f.Description + it.prompt
		it.targets, err = f.answers(d)
		return it, err
	}
	if it.prompt, err = f.text.render(d); err != nil {
		return nil, err
	}
	if it.choices, err = f.list(d, "doc_to_choice", f.choiceField, f.choices); err != nil {
		return nil, err
	}
	if n := len(it.choices); n < 2 || n > maxChoices {
		return nil, d.errorf("", "%d choices; expected 2 to %d", n, maxChoices)
	}
	for i, c := range it.choices {
		if c == "" {
			return nil, d.errorf("", "choice %d is empty", i)
		}
	}
	if it.gold, err = f.gold(d, it.choices); err != nil {
		return nil, err
	}
	return it, f.place(d, it)
}

// place sets the contexts and continuations of a multiple choice. White space at the end of a
// context belongs to the continuation.
func (f *form) place(d *document, it *item) error {
	before, after, blank := it.prompt, "", f.Blank != ""
	if blank {
		var ok bool
		if before, after, ok = strings.Cut(it.prompt, f.Blank); !ok {
			return d.errorf("", "doc_to_text has no %q for the choices: %q", f.Blank, shorten(it.prompt, 80))
		}
		if after = strings.TrimFunc(after, isSpace); after == "" {
			return d.errorf("", "no text follows %q in doc_to_text", f.Blank)
		}
	}
	for _, c := range it.choices {
		context, continuation := f.Description+before, f.Delimiter+c
		if blank {
			context, continuation = context+c, f.Delimiter+after
		}
		kept := strings.TrimRightFunc(context, isSpace)
		it.contexts = append(it.contexts, kept)
		it.continuations = append(it.continuations, context[len(kept):]+continuation)
	}
	it.prompt = f.Description + it.prompt
	return nil
}

// isSpace reports whether Python's str.isspace is true of a character.
func isSpace(r rune) bool {
	return 0x1c <= r && r <= 0x1f || strings.ContainsRune(" \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000", r)
}

// list returns the texts of a list of templates, or of a field.
func (f *form) list(d *document, name string, field path, templates []template) (out []string, err error) {
	if field == nil {
		for _, t := range templates {
			text, err := t.render(d)
			if err != nil {
				return nil, err
			}
			out = append(out, text)
		}
		return out, nil
	}
	v, err := d.at(field)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, d.errorf("", "%s: the field %s is %s; expected a list", name, field, kindOf(v))
	}
	for i, x := range list {
		text, ok := scalar(x)
		if !ok {
			return nil, d.errorf("", "%s: value %d of %s is %s; expected a string", name, i, field, kindOf(x))
		}
		out = append(out, text)
	}
	return out, nil
}

// values returns the values of doc_to_target: those of a list, or one.
func (f *form) values(d *document) ([]any, error) {
	if p := f.target.only(); p != nil {
		v, err := d.at(p)
		if err != nil {
			return nil, err
		}
		if list, ok := v.([]any); ok {
			if len(list) == 0 {
				return nil, d.errorf("", "doc_to_target: the field %s is an empty list", p)
			}
			return list, nil
		}
		if _, ok := scalar(v); !ok {
			return nil, d.errorf("", "doc_to_target: the field %s is %s; expected a string, a number or a list of them", p, kindOf(v))
		}
		return []any{v}, nil
	}
	text, err := f.target.render(d)
	return []any{text}, err
}

// answers returns the correct answers of generate_until.
func (f *form) answers(d *document) (out []string, err error) {
	values, err := f.values(d)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		text, ok := scalar(v)
		if !ok {
			return nil, d.errorf("", "doc_to_target: an answer is %s; expected a string or a number", kindOf(v))
		}
		out = append(out, text)
	}
	return out, nil
}

// gold returns the indexes of the correct choices. Each value of doc_to_target is the label or the
// text of a choice, or its index.
func (f *form) gold(d *document, choices []string) (out []int, err error) {
	values, err := f.values(d)
	if err != nil {
		return nil, err
	}
	labels := f.labels
	if f.labelField != nil {
		if labels, err = f.list(d, "labels", f.labelField, nil); err != nil {
			return nil, err
		}
	}
	if f.Labels.given() && len(labels) != len(choices) {
		return nil, d.errorf("", "%d labels for %d choices", len(labels), len(choices))
	}
	for _, v := range values {
		text, ok := scalar(v)
		if !ok {
			return nil, d.errorf("", "doc_to_target: an answer is %s; expected a string or a number", kindOf(v))
		}
		i := -1
		switch x := v.(type) {
		case bool:
			i = map[bool]int{true: 1}[x]
		case string, json.Number:
			n, err := index(text)
			ok := err == nil && n >= 0 && n < len(choices)
			switch named := slices.Index(choices, text); {
			case f.Labels.given():
				i = slices.Index(labels, text)
			case named >= 0 && (!ok || f.target.named && isText(v)):
				i = named // as lm-evaluation-harness reads a field, and digits in braces as an index
			case ok:
				i = n
			}
		}
		if i < 0 || i >= len(choices) {
			what, known := "choices, and not an index from 0", choices
			if f.Labels.given() {
				what, known = "labels", labels
			}
			return nil, d.errorf(fmt.Sprintf("they are %s", shorten(fmt.Sprintf("%q", known), 300)), "the answer %q is none of the %d %s", shorten(text, 80), len(known), what)
		}
		out = append(out, i)
	}
	return out, nil
}

func isText(v any) bool { _, ok := v.(string); return ok }

// index parses an index, which may be written as a float: 1.0.
func index(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v != float64(int(v)) {
		return 0, fmt.Errorf("%q is not an index", s)
	}
	return int(v), nil
}
