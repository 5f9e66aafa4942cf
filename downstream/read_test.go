package downstream

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestScanErrors(t *testing.T) {
	long := `{"a": "` + strings.Repeat("x", maxLine) + `"}`
	for _, c := range []struct{ text, want string }{
		{"{\"a\": 1}\n[1]\n", "docs.jsonl:2: expected a JSON object, got a list"},
		{"\n\n{\"a\": 1\n}", "docs.jsonl:3: not JSON: the object does not end on this line"},
		{"{\"a\": 1} {\"a\": 2}", "docs.jsonl:1: text after the JSON object"},
		{"{\"a\": 1}\n{'a': 1}", "docs.jsonl:2: not JSON"},
		{"{\"a\": \"\xff\"}", "docs.jsonl:1: the line is not UTF-8"},
		{"{\"a\": 1}\n\n" + long, "docs.jsonl:3: the line is longer than 16 MiB"},
		{"null", "docs.jsonl:1: expected a JSON object, got null"},
		{strings.Repeat(`{"a":`, 20000), "docs.jsonl:1: not JSON"},
	} {
		_, err := scan(strings.NewReader(c.text), "docs.jsonl", 0, maxDocuments, func(*document) error { return nil })
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.40q: got %v, want %s", c.text, err, c.want)
		}
	}
}

func TestScan(t *testing.T) {
	const text = "\ufeff{\"n\": 1}\r\n\n  \n{\"n\": 2}\n{\"n\": 3.50}\nnot read\n"
	var got []string
	c, err := scan(strings.NewReader(text), "x", 1, 3, func(d *document) error {
		got = append(got, fmt.Sprint(d.line, " ", d.fields["n"]))
		return nil
	})
	if err != nil || fmt.Sprint(got) != "[4 2 5 3.50]" || c.documents != 4 {
		t.Errorf("%v, %+v, %v", got, c, err)
	}
	same, err := scan(strings.NewReader(text), "x", 0, 0, nil)
	if err != nil || same != c {
		t.Errorf("%+v, %v; want %+v", same, err, c)
	}
	if other, err := scan(strings.NewReader(text+" "), "x", 0, 0, nil); err != nil || other.hash == c.hash {
		t.Errorf("another file has the same hash: %+v, %v", other, err)
	}
}

// FuzzItem checks that any document and template give an error or a complete item.
func FuzzItem(f *testing.F) {
	f.Add([]byte(`{"q": "Which?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answer": "A"}`), "Q: {q} {{ choices.text[0] }}", "choices.text", "answer", "choices.label", "")
	f.Add([]byte(`{"q": "a _ b", "answer": 1}`), "q", "{%", "answer", "", "_")
	f.Add([]byte(`{"q": {"x": [1, true, null]}, "answer": [0, 1]}`), "{q.x.1}{ {{", "q.x", "answer", "", "")
	f.Fuzz(func(t *testing.T, line []byte, text, choice, target, labels, blank string) {
		for _, kind := range outputTypes {
			p := defaults()
			p.File, p.OutputType, p.Text, p.Target, p.Blank = "f", kind, text, target, blank
			if kind == multipleChoice {
				p.Choice, p.Labels = Texts{Field: choice}, Texts{Field: labels}
			}
			form, err := p.complete()
			if err != nil {
				continue
			}
			_, err = scan(bytes.NewReader(line), "f", 0, 4, func(d *document) error {
				it, err := form.item(d)
				if err != nil {
					return err
				}
				switch kind {
				case multipleChoice:
					n := len(it.choices)
					if n < 2 || len(it.contexts) != n || len(it.continuations) != n || len(it.gold) == 0 {
						t.Errorf("%+v", it)
					}
					for i := range n {
						if it.gold[0] < 0 || it.gold[0] >= n || it.continuations[i] == "" {
							t.Errorf("%+v", it)
						}
					}
				default:
					if len(it.targets) == 0 {
						t.Errorf("%+v", it)
					}
				}
				return nil
			})
			if err != nil && err.Error() == "" {
				t.Error("an error without a message")
			}
		}
	})
}

// FuzzCompile checks that patterns of Python compile or are refused.
func FuzzCompile(f *testing.F) {
	for _, p := range []string{`(-?[$0-9.,]{2,})|(-?[0-9]+)`, `[^]\w[]+\Z`, `(?P<x>\d)\s*\W`, `(?=x)`, `\`, `[\`, `é\é`, `#### (\-?[0-9\.\,]+)`} {
		f.Add(p, "the answer is 42")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 100 {
			return
		}
		x := Filter{Function: "regex", Pattern: &pattern, Group: -1}
		if extract, err := x.regex(); err == nil {
			extract(text)
		}
	})
}
