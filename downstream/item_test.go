package downstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// formOf parses a block of a suite.
func formOf(t *testing.T, block string) (*form, error) {
	t.Helper()
	p := defaults()
	if err := yaml.Unmarshal([]byte("file: docs.jsonl\n"+block), p); err != nil {
		t.Fatal(err)
	}
	return p.complete()
}

// itemOf makes the item of one document on line 1.
func itemOf(t *testing.T, block, line string) (*item, error) {
	t.Helper()
	f, err := formOf(t, block)
	if err != nil {
		t.Fatalf("%s: %v", block, err)
	}
	var it *item
	_, err = scan(strings.NewReader(line), "docs.jsonl", 0, 1, func(d *document) (err error) {
		it, err = f.item(d)
		return err
	})
	return it, err
}

func TestMultipleChoiceItems(t *testing.T) {
	const arc = "doc_to_text: \"Q: {{ question }}\\n\\nA: \"\ndoc_to_choice: choices.text\ndoc_to_target: key\nlabels: choices.label\n"
	const plain = "doc_to_text: q\ndoc_to_choice: ['{a}', '{b[1].x}', 'literal {']\ndoc_to_target: key\n"
	const wino = "doc_to_text: s\nblank: _\ndoc_to_choice: [one, two]\ndoc_to_target: key\n"
	for _, c := range []struct {
		block, line             string
		contexts, continuations []string
		gold                    []int
	}{
		{arc, `{"question": "W?", "choices": {"text": ["x", "yy"], "label": ["A", "B"]}, "key": "B"}`,
			[]string{"Q: W?\n\nA:", "Q: W?\n\nA:"}, []string{"  x", "  yy"}, []int{1}},
		{plain, `{"q": " W\u001c", "a": 1.50, "b": [0, {"x": true}], "key": 2}`,
			[]string{" W", " W", " W"}, []string{"\x1c 1.50", "\x1c True", "\x1c literal {"}, []int{2}},
		{plain, `{"q": "W", "a": "p", "b": [0, {"x": "q"}], "key": "q"}`, []string{"W", "W", "W"}, []string{" p", " q", " literal {"}, []int{1}},
		{plain, `{"q": "", "a": "2", "b": [0, {"x": "0"}], "key": "2"}`, []string{"", "", ""}, []string{" 2", " 0", " literal {"}, []int{0}},
		{plain, `{"q": "W", "a": "p", "b": [0, {"x": "q"}], "key": [1, "p", 2.0, true]}`, []string{"W", "W", "W"}, []string{" p", " q", " literal {"}, []int{1, 0, 2, 1}},
		{strings.Replace(plain, "target: key", "target: '{key}'", 1), `{"q": "", "a": "2", "b": [0, {"x": "0"}], "key": "2"}`, []string{"", "", ""}, []string{" 2", " 0", " literal {"}, []int{2}},
		{strings.Replace(plain, "target: key", "target: '{key}'", 1), `{"q": "", "a": "22", "b": [0, {"x": "0"}], "key": "22"}`, []string{"", "", ""}, []string{" 22", " 0", " literal {"}, []int{0}},
		{wino, `{"s": "The _  is _ here. ", "key": 0}`, []string{"The one", "The two"}, []string{" is _ here.", " is _ here."}, []int{0}},
		{wino + "target_delimiter: ''\ndescription: \"D: \"\n", `{"s": "_ is", "key": "two"}`, []string{"D: one", "D: two"}, []string{"is", "is"}, []int{1}},
	} {
		it, err := itemOf(t, c.block, c.line)
		if err != nil || !slices.Equal(it.contexts, c.contexts) || !slices.Equal(it.continuations, c.continuations) || !slices.Equal(it.gold, c.gold) {
			t.Errorf("%s: %+v, %v", c.line, it, err)
		}
	}
}

func TestOtherItems(t *testing.T) {
	const answer = "output_type: generate_until\ndoc_to_text: '{q} ='\ndescription: 'D '\ndoc_to_target: a\n"
	it, err := itemOf(t, answer, `{"q": 7, "a": ["x", 5]}`)
	if err != nil || it.prompt != "D 7 =" || !slices.Equal(it.targets, []string{"x", "5"}) {
		t.Errorf("%+v, %v", it, err)
	}
	it, err = itemOf(t, "output_type: loglikelihood_rolling\ndoc_to_target: '{title}: {page.0}'", `{"title": "T", "page": ["text"]}`)
	if err != nil || !slices.Equal(it.targets, []string{"T: text"}) {
		t.Errorf("%+v, %v", it, err)
	}
	if it, err = itemOf(t, strings.Replace(answer, "target: a", "target: my answer", 1), `{"q": 7, "my answer": "x"}`); err != nil || it.targets[0] != "x" {
		t.Errorf("a field whose name has a space: %+v, %v", it, err)
	}
}

// An error about a document names its line and what is known.
func TestItemErrors(t *testing.T) {
	const block = "doc_to_text: '{question}'\ndoc_to_choice: choices\ndoc_to_target: label\n"
	for _, c := range []struct{ block, line, want string }{
		{block, `{"qestion": "x", "choices": ["a", "b"], "label": 0}`, "no field \"question\"\n  hint: did you mean \"qestion\"? its fields: choices, label, qestion"},
		{block, `{"question": "x", "label": 0}`, "no field \"choices\"\n  hint: its fields: label, question"},
		{block, `{"question": ["x"], "choices": ["a", "b"], "label": 0}`, "the field question is a list; expected a string or a number"},
		{block, `{"question": null, "choices": ["a", "b"], "label": 0}`, "the field question is null"},
		{block, `{"question": "x", "choices": "ab", "label": 0}`, "doc_to_choice: the field choices is a string; expected a list"},
		{block, `{"question": "x", "choices": ["a", []], "label": 0}`, "doc_to_choice: value 1 of choices is a list"},
		{block, `{"question": "x", "choices": ["a"], "label": 0}`, "1 choices; expected 2 to 1000"},
		{block, `{"question": "x", "choices": ["a", ""], "label": 0}`, "choice 1 is empty"},
		{block, `{"question": "x", "choices": ["a", "b"], "label": 2}`, `the answer "2" is none of the 2 choices`},
		{block, `{"question": "x", "choices": ["a", "b"], "label": -1}`, `the answer "-1" is none`},
		{block, `{"question": "x", "choices": ["a", "b"], "label": 0.5}`, `the answer "0.5" is none`},
		{block, `{"question": "x", "choices": ["a", "b"], "label": "c"}`, "none of the 2 choices, and not an index from 0\n  hint: they are [\"a\" \"b\"]"},
		{block, `{"question": "x", "choices": ["a", "b"], "label": []}`, "the field label is an empty list"},
		{block, `{"question": "x", "choices": ["a", "b"], "label": {}}`, "the field label is an object"},
		{block, `{"question": "x", "choices": ["a", "b"], "label": [null]}`, "an answer is null"},
		{block + "labels: [A, B, C]", `{"question": "x", "choices": ["a", "b"], "label": "A"}`, "3 labels for 2 choices"},
		{block + "labels: [A, B]", `{"question": "x", "choices": ["a", "b"], "label": "0"}`, `the answer "0" is none of the 2 labels`},
		{block + "blank: ___", `{"question": "x _ y", "choices": ["a", "b"], "label": 0}`, `doc_to_text has no "___"`},
		{block + "blank: _", `{"question": "x _ ", "choices": ["a", "b"], "label": 0}`, `no text follows "_"`},
	} {
		_, err := itemOf(t, c.block, c.line)
		if err == nil || !strings.HasPrefix(err.Error(), "docs.jsonl:1: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.line, err, c.want)
		}
	}
}

// What lm-evaluation-harness has and this task does not is refused by its name.
func TestParamErrors(t *testing.T) {
	const choice = "doc_to_text: q\ndoc_to_choice: c\ndoc_to_target: a\n"
	const answer = "output_type: generate_until\ndoc_to_text: q\ndoc_to_target: a\n"
	for _, c := range []struct{ block, want string }{
		{"output_type: loglikelihood", `unknown type "loglikelihood"; known: generate_until, loglikelihood_rolling, multiple_choice`},
		{"output_type: generate_untill", `did you mean "generate_until"?`},
		{"doc_to_text: q", "doc_to_choice: missing; multiple_choice needs it"},
		{choice + "generation_kwargs: {until: x}", "generation_kwargs: multiple_choice does not use it"},
		{answer + "target_delimiter: ''", "target_delimiter: generate_until does not use it"},
		{"output_type: loglikelihood_rolling\ndoc_to_target: a\ndescription: x", "description: loglikelihood_rolling does not use it"},
		{strings.Replace(choice, "doc_to_text: q", "doc_to_text: '{{q|trim}}'", 1), `the expression "q|trim" is not supported`},
		{strings.Replace(choice, "doc_to_text: q", "doc_to_text: '{%- if q %}x{% endif %}'", 1), "jinja's if is not supported"},
		{strings.Replace(choice, "doc_to_text: q", "doc_to_text: 'x {{ q'", 1), "{{ without }}"},
		{strings.Replace(choice, "doc_to_choice: c", "doc_to_choice: '{{[a, b]}}'", 1), `the expression "[a, b]" is not supported`},
		{strings.Replace(choice, "doc_to_choice: c", "doc_to_choice: '{a} {b}'", 1), `"{a} {b}" is not a field`},
		{answer + "generation_kwargs: {do_sample: true}", "answers are generated greedily"},
		{answer + "generation_kwargs: {max_gen_toks: 0}", "max_gen_toks: 0, expected 1 to"},
		{answer + "filter_list: [{filter: [{function: regx}]}]", `the function "regx" is not supported; did you mean "regex"?`},
		{answer + "filter_list: [{filter: [{function: take_first_k}]}]", `the function "take_first_k" is not supported`},
		{answer + "filter_list: [{filter: [{function: regex, regex_pattern: '(?=x)'}]}]", "is not supported: lookaround, back references and conditions, here (?="},
		{answer + "filter_list: [{filter: [{function: regex, regex_pattern: '(a)(?<!x)'}]}]", "here (?<!"},
		{answer + "filter_list: [{filter: [{function: regex, regex_pattern: '(?P<n>a)(?P=n)'}]}]", "here (?P="},
		{answer + "filter_list: [{filter: [{function: regex, regex_pattern: '(a)\\1'}]}]", `here \1`},
		{answer + "filter_list: [{filter: [{function: regex, regex_pattern: '[\\W]'}]}]", `\W inside […]`},
		{answer + "filter_list: [{filter: [{function: lowercase, group_select: 1}]}]", "lowercase has no options"},
		{answer + "filter_list: [{filter: []}, {filter: []}]", "2 lists of filters"},
		{answer + "metric_list: [{metric: acc}]", `generate_until has no metric "acc" here`},
		{answer + "metric_list: [{metric: exact_match, aggregation: median}]", "exact_match is the mean of the documents"},
		{answer + "metric_list: [{metric: exact_match, higher_is_better: false}]", "higher is better"},
		{answer + "metric_list: [{metric: exact_match, regexes_to_ignore: ['(']}]", "regexes_to_ignore: the pattern"},
		{choice + "metric_list: [{metric: acc, ignore_case: true}]", "acc has no options"},
		{choice + "metric_list: [{metric: acc}, {metric: acc}]", "acc is listed twice"},
		{choice + "blank: _\nmetric_list: [{metric: acc_norm}]", `no metric "acc_norm" here`},
		{choice + "limit: -1", "limit: -1, expected 0 to"},
		{choice + "documents_per_case: 100000", "documents_per_case: 100000, expected 1 to 10000"},
	} {
		if _, err := formOf(t, c.block); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.block, err, c.want)
		}
	}
	for _, block := range []string{
		"doc_to_choice: {a: b}", "doc_to_choice: []", "doc_to_choice: [[a]]", "generation_kwargs: {until: {a: b}}",
	} {
		if err := yaml.Unmarshal([]byte(block), defaults()); err == nil {
			t.Errorf("%s is accepted", block)
		}
	}
}

// A file of lm-evaluation-harness's form is accepted as far as it is supported.
func TestHarnessForm(t *testing.T) {
	f, err := formOf(t, `
output_type: generate_until
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Question:", "</s>"], do_sample: false, temperature: 0.0}
filter_list:
  - name: strict-match
    filter:
      - {function: regex, regex_pattern: '#### (\-?[0-9\.\,]+)'}
      - {function: take_first}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: false, regexes_to_ignore: [",", "\\$", "(?s).*#### ", "\\.$"]}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.filter("so\n#### 1,234.\n"); got != "1,234." || !f.match.equal(got, []string{"no", "x #### $1234"}) {
		t.Errorf("filtered %q", got)
	}
	if got := fmt.Sprint(f.metrics); got != "[exact_match]" {
		t.Errorf("metrics %s", got)
	}
}

// TestEndOfText checks that $ in a filter matches what Python's does: the end, and a newline there.
func TestEndOfText(t *testing.T) {
	for _, c := range []struct{ pattern, answer, want string }{
		{`(\d+)\.?$`, "It is 42.\n", "42"},
		{`\d+$`, "1\n2\n", "2"},
		{`\d+$`, "2\n\n", "[invalid]"},
		{`\d+\$`, "2$ 3\n", "2$"},
		{`[$0-9]+$`, "$42\n", "$42"},
		{`(?m)\d+$`, "1\nb\n", "1"},
	} {
		extract, err := Filter{Pattern: &c.pattern}.regex()
		if err != nil {
			t.Fatal(err)
		}
		if got := extract(c.answer); got != c.want {
			t.Errorf("%s in %q: %q, want %q", c.pattern, c.answer, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]int{"": 1, "a": 1, "a b": 2, " a\n\tb ": 4, " ": 2, "a\u00a0b\u2003c": 3, "a\u200bb": 1} {
		if got := words(text); got != want {
			t.Errorf("%q has %d words, want %d", text, got, want)
		}
	}
}

// FuzzParams checks that any block of a suite is an error or complete.
func FuzzParams(f *testing.F) {
	for _, block := range []string{
		"{file: x, doc_to_text: q, doc_to_choice: [no, yes], doc_to_target: a, labels: '{l}'}",
		"{file: x, output_type: generate_until, doc_to_text: '{{q}} {x', doc_to_target: a, generation_kwargs: {until: x}, filter_list: [{filter: [{function: regex, regex_pattern: '(\\d)'}]}], metric_list: [{metric: exact_match, regexes_to_ignore: [',']}]}",
		"{file: x, output_type: loglikelihood_rolling, doc_to_target: page.0, max_length: 4Ki, documents_per_case: 3}",
	} {
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, block string) {
		p := defaults()
		if yaml.Unmarshal([]byte(block), p) != nil {
			return
		}
		form, err := p.complete()
		if err == nil && (p.File == "" || p.Name == "" || len(form.metrics) == 0 || p.Limit < 1) {
			t.Errorf("%q: %+v", block, p)
		}
	})
}
