package ruler

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
)

const twoQuestions = `{"question": " Who? ", "answers": "Ann", "documents": ["A", "B"], "related": ["C", "A"]}

{"documents": ["D"]}
{"question": "When?", "answers": ["1900", " in 1900"], "documents": ["B"]}`

func TestOpenQA(t *testing.T) {
	v, err := openQA("x", []byte(twoQuestions))
	if err != nil {
		t.Fatal(err)
	}
	set := v.(*qaSet)
	if !slices.Equal(set.documents, []string{"A", "B", "C", "D"}) || len(set.questions) != 2 {
		t.Fatalf("%+v", set)
	}
	if q := set.questions[0]; q.text != "Who?" || !slices.Equal(q.answers, []string{"Ann"}) || !slices.Equal(q.needed, []int{0, 1}) || !slices.Equal(q.related, []int{2}) {
		t.Errorf("%+v", q)
	}
	if q := set.questions[1]; !slices.Equal(q.answers, []string{"1900", "in 1900"}) || !slices.Equal(q.needed, []int{1}) {
		t.Errorf("%+v", q)
	}
	if w, err := openQA("x", []byte("\ufeff"+strings.ReplaceAll(twoQuestions, "\n", "\r\n"))); err != nil || !reflect.DeepEqual(w, v) {
		t.Errorf("with a mark of the byte order: %+v, %v", w, err)
	}
	for text, want := range map[string]string{
		"":                     "x: no questions",
		`{"documents": ["A"]}`: "x: no questions",
		"\n[1]":                "x:2: not an object but JSON of type array",
		`{"question": "Q", "answers": ["a"], "documents": ["A"]} {}`: "x:1: text after the object",
		`{"question": "Q", "answers": ["a"], "documents": ["A"]}}`:   "x:1: text after the object",
		"null":     "x:1: null; expected an object",
		"{}\n\x00": "x:2: invalid character",
		"{\"question\": \"\xe9\", \"answers\": [\"a\"], \"documents\": [\"A\"]}": "x:1: the line is not UTF-8",
		`{"question": "Q", "answers": ["a"], "document": ["A"]}`:                 `x:1: unknown field "document"`,
		`{"question": "Q", "answers": [], "documents": ["A"]}`:                   "x:1: answers: expected",
		`{"question": "Q", "answers": ["a", " "], "documents": ["A"]}`:           "x:1: answers: expected",
		`{"question": "Q", "answers": 7, "documents": ["A"]}`:                    "x:1: answers: expected",
		`{"question": "Q", "answers": null, "documents": ["A"]}`:                 "x:1: answers: expected",
		`{"question": "Q", "documents": ["A"]}`:                                  "x:1: answers: expected",
		`{"question": " ", "answers": "a", "documents": ["A"]}`:                  "x:1: a question needs",
		`{"question": "Q", "answers": "a"}`:                                      "x:1: a question needs",
		`{"question": "Q", "answers": "a", "documents": [""]}`:                   "x:1: an empty document",
		`{"question": "Q", "answers": "a", "documents": ["A"], "related": 1}`:    "x:1: related: a value of type number",
		`{"question": "Q", "answers": "a", "documents": [["A"]]}`:                "x:1: documents: a value of type array",
		`{"question": "Q", "answers": "a", "documents": ["A", " "]}`:             "x:1: an empty document",
		`{"question": "Q", "answers": "a",`:                                      "x:1: the object does not end on this line",
	} {
		if _, err := openQA("x", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

// TestQAQuestions checks that all questions are asked before one is asked again, with their
// documents, and with related ones before others.
func TestQAQuestions(t *testing.T) {
	family := Family()
	k := &family.Kinds[len(family.Kinds)-1]
	s := settings(t, 1000, quality.WordingOwn)
	asked := map[string]int{}
	for i := range 80 {
		d := draw(t, k, s, i).(*qaDraft)
		asked[d.text]++
		x := sample(t, d, 2)
		for _, n := range append(slices.Clone(d.needed), d.related...) {
			if !strings.Contains(x.Prompt(), d.documents[n]) {
				t.Errorf("%q lacks the document %q", x.Prompt(), d.documents[n])
			}
		}
		all := sample(t, d, 1000)
		if strings.Count(all.Prompt(), "Document ") != 80 || len(all.Depths) != 1 {
			t.Errorf("%d documents, depths %v", strings.Count(all.Prompt(), "Document "), all.Depths)
		}
	}
	for q, n := range asked {
		if n != 2 || len(asked) != 40 {
			t.Errorf("%d questions, %q asked %d times", len(asked), q, n)
		}
	}
}

func FuzzOpenQA(f *testing.F) {
	f.Add([]byte(twoQuestions))
	f.Add([]byte(`{"question": "Q", "answers": {"a": 1}}`))
	family := Family()
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := openQA("x", data)
		if err != nil {
			return
		}
		s := &quality.Settings{Length: 100, Wording: quality.WordingOwn, Data: v}
		d, err := family.Kinds[len(family.Kinds)-1].Draw(rng.New("fuzz", 1), s)
		if err != nil {
			t.Fatal(err)
		}
		least, _ := d.Units()
		for _, n := range []int{least, least + 3} {
			if _, err := d.Make(n); err != nil {
				t.Fatal(err)
			}
		}
	})
}
