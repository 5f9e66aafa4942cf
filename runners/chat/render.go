package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// Date is the date given to templates, so that prompts do not change from day to day. It is the
// default of Llama 3's template.
var Date = time.Date(2024, time.July, 26, 0, 0, 0, 0, time.UTC)

// The placeholders of the messages. Each contains characters that a template might escape, split or
// replace, and white space inside but not at its ends.
const (
	userMark   = "The user's “message”: <a href=\"b\">c & d</a>  {{ e }} {% f %} \\n\n\n\té Straße 1.5\nends."
	systemMark = "The system's “message”: <i>g & h</i>  {{ j }} \\t\n\n\tñ \"ends\"."
)

// Padding around the user's placeholder shows whether a template removes white space.
const (
	padLeft  = "\n  "
	padRight = "  \n"
)

// split renders a template and finds the text around the message.
func split(j job) (*Template, error) {
	t, err := jinja.Compile(source(j.Template))
	if err != nil {
		return nil, err
	}
	// Most templates take a message as text. Those of models that also read images take a list of
	// parts.
	out, err := renderAs(t, j, func(text string) jinja.Value { return jinja.NewString(text) })
	if err != nil {
		parts := func(text string) jinja.Value {
			return jinja.FromGoValue([]any{map[string]any{"type": "text", "text": text, "unused": unusedMark}})
		}
		if o, e := renderAs(t, j, parts); e == nil {
			return o, nil
		}
	}
	return out, err
}

// source prepares the text of a template as Python's jinja2 does: line ends become \n, and one at
// the end is removed. The jinja package does neither.
func source(template string) string {
	template = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(template)
	return strings.TrimSuffix(template, "\n")
}

// unusedMark is an extra field in the parts of a message. It appears in the output of a template
// that prints the list itself.
const unusedMark = "an unused field"

// renderAs does the work of split for one form of a message's content.
func renderAs(t *jinja.Template, j job, content func(string) jinja.Value) (*Template, error) {
	out := &Template{}
	text, err := render(t, j, userMark, content, &out.UsesDate)
	if err != nil {
		return nil, err
	}
	prefix, suffix, err := cut(text, userMark, "user")
	if err != nil {
		return nil, err
	}
	padded, err := render(t, j, padLeft+userMark+padRight, content, &out.UsesDate)
	if err != nil {
		return nil, err
	}
	found := false
	for _, left := range []string{padLeft, ""} {
		for _, right := range []string{padRight, ""} {
			if !found && padded == prefix+left+userMark+right+suffix {
				found, out.TrimLeft, out.TrimRight = true, left == "", right == ""
			}
		}
	}
	if !found {
		return nil, errors.New("what it renders depends on white space around the user's message")
	}
	if j.System == "" {
		out.Prefix, out.Suffix = markup(prefix), markup(suffix)
		return out, nil
	}
	before, after, err := cut(prefix+suffix, systemMark, "system")
	if err != nil {
		return nil, err
	}
	system := Part{Text: j.System, Plain: true}
	switch n := len(before) + len(systemMark); {
	case n <= len(prefix):
		out.Prefix = append(append(markup(before), system), markup(prefix[n:])...)
		out.Suffix = markup(suffix)
	case len(before) >= len(prefix):
		out.Prefix = markup(prefix)
		out.Suffix = append(append(markup(suffix[:len(before)-len(prefix)]), system), markup(after)...)
	default:
		return nil, errors.New("it mixes the system message with the user's")
	}
	return out, nil
}

// markup returns a text of the template as parts.
func markup(text string) []Part {
	if text == "" {
		return nil
	}
	return []Part{{Text: text}}
}

// cut returns the text before and after a placeholder.
func cut(text, mark, of string) (before, after string, err error) {
	switch n := strings.Count(text, mark); n {
	case 1:
		before, after, _ = strings.Cut(text, mark)
		return before, after, nil
	case 0:
		return "", "", fmt.Errorf("it leaves out or changes the %s message", of)
	default:
		return "", "", fmt.Errorf("it repeats the %s message %d times", of, n)
	}
}

// render renders a conversation of a system message, unless the job has none, and a user's.
func render(t *jinja.Template, j job, user string, content func(string) jinja.Value, usesDate *bool) (string, error) {
	message := func(role, text string) jinja.Value {
		m := jinja.NewDict()
		m.AsDict().Set("role", jinja.NewString(role))
		m.AsDict().Set("content", content(text))
		return m
	}
	var messages []jinja.Value
	if j.System != "" {
		messages = append(messages, message("system", systemMark))
	}
	messages = append(messages, message("user", user))
	text, err := t.RenderValues(map[string]jinja.Value{
		"messages": jinja.NewList(messages), "bos_token": jinja.NewString(j.BOS), "eos_token": jinja.NewString(j.EOS),
		"add_generation_prompt": jinja.NewBool(true), "tools": jinja.None(), "documents": jinja.None(), "enable_thinking": jinja.NewBool(false),
		"raise_exception": jinja.NewCallable("raise_exception", func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
			return jinja.Undefined(), fmt.Errorf("it refuses the messages: %s", words(args))
		}),
		"strftime_now": jinja.NewCallable("strftime_now", func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
			*usesDate = true
			s, err := strftime(words(args))
			return jinja.NewString(s), err
		}),
	})
	switch {
	case err != nil:
	case len(text) > maxText:
		err = fmt.Errorf("it renders %d bytes, want at most %d", len(text), maxText)
	case strings.Contains(text, unusedMark):
		err = errors.New("it prints a list of parts")
	}
	return text, err
}

// words returns the first argument of a call, a string.
func words(args []jinja.Value) string {
	if len(args) == 0 || !args[0].IsString() {
		return ""
	}
	return args[0].AsString()
}

// directives maps the directives of Python's strftime to Go layouts.
var directives = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'B': "January", 'b': "Jan", 'A': "Monday", 'a': "Mon", 'H': "15", 'I': "03",
	'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'F': "2006-01-02", 'T': "15:04:05", 'Z': "MST", 'z': "-0700",
}

// strftime formats Date with a format of Python's strftime.
func strftime(form string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(form); i++ {
		if form[i] != '%' {
			b.WriteByte(form[i])
			continue
		}
		i++
		plain := i < len(form) && form[i] == '-' // without a leading zero
		if plain {
			i++
		}
		if i < len(form) && form[i] == '%' {
			b.WriteByte('%')
			continue
		}
		layout, ok := "", false
		if i < len(form) {
			layout, ok = directives[form[i]]
		}
		if !ok {
			return "", fmt.Errorf("strftime_now(%.40q): a directive that is not supported", form)
		}
		s := Date.Format(layout)
		if plain {
			s = strings.TrimLeft(s, "0 ")
		}
		b.WriteString(s)
	}
	return b.String(), nil
}
