package ruler

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/quality"
)

// original is a prompt of NVIDIA/RULER's generator (tools/fixtures/ruler.py).
type original struct {
	Kind    string
	Length  int
	Tokens  int // of the prompt with the prefix
	Prompt  string
	Prefix  string
	Outputs []string
}

func originals(t *testing.T) (out []original) {
	t.Helper()
	f, err := os.Open("testdata/original.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o original
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	if lines.Err() != nil || len(out) != 39 {
		t.Fatalf("%d prompts: %v", len(out), lines.Err())
	}
	return out
}

// The parts of prompts that are drawn.
var (
	needlePart = regexp.MustCompile(`One of the special magic (numbers|uuids) for [^:]+? is: [0-9a-f-]+\.`)
	queryPart  = regexp.MustCompile(`for [^?\n]+ mentioned in`)
	namePart   = regexp.MustCompile(`\b([A-Z]{3}|[A-Z]{5})\b`)
	valuePart  = regexp.MustCompile(`\b[0-9]{5}\b`)
	wordPart   = regexp.MustCompile(`([0-9]+)\. [^0-9\n]+`)
)

// shape returns a prompt without what is drawn: its texts in order, and the number of units of
// filler. Lines of filler, which are in random order, are sorted.
func shape(kind, prompt string) (texts []string, units int) {
	switch kind {
	case "niah_single_1", "niah_multikey_2", "niah_multikey_3":
		prompt = queryPart.ReplaceAllString(needlePart.ReplaceAllString(prompt, "One of the special magic $1 for K is: V."), "for K mentioned in")
		texts = strings.Split(prompt, "\n")
		slices.Sort(texts[1 : len(texts)-1])
		return texts, len(texts) - 3
	case "vt":
		prompt = valuePart.ReplaceAllString(namePart.ReplaceAllString(prompt, "X"), "N")
		example, question, _ := strings.Cut(prompt, "\n\nMemorize")
		for _, part := range []string{example, question} {
			lines := strings.Split(part, "\n")
			slices.Sort(lines[2 : len(lines)-1])
			texts = append(texts, lines...)
		}
		return texts, strings.Count(question, wordings[WordingRULER].noise)
	case "cwe":
		return strings.Split(wordPart.ReplaceAllString(prompt, "$1. W"), "\n"), 0
	case "fwe":
		before, rest, _ := strings.Cut(prompt, "coded words. ")
		list, after, _ := strings.Cut(rest, "\n")
		return []string{before, fmt.Sprint(frequencies(strings.Fields(list))), after}, 0
	case "qa_1", "qa_2":
		parts := strings.Split(prompt, "\n\n")
		last := len(parts) - 1
		parts[last], _, _ = strings.Cut(parts[last], ":")
		for i := 2; i < last-1; i++ {
			parts[i], _, _ = strings.Cut(parts[i], "\n")
		}
		return parts, last - 3
	}
	// Needles in running text: the number of needles and of other words.
	before, rest, _ := strings.Cut(prompt, "\n")
	text, after, _ := strings.Cut(rest, "\n")
	needles := needlePart.FindAllString(text, -1)
	for i := range needles {
		needles[i] = needlePart.ReplaceAllString(needles[i], "One of the special magic $1 for K is: V.")
	}
	if strings.Contains(text, "  ") {
		texts = append(texts, "two spaces")
	}
	units = len(strings.Fields(needlePart.ReplaceAllString(text, "")))
	return append(texts, before, fmt.Sprint(needles), queryPart.ReplaceAllString(after, "for K mentioned in")), units
}

// frequencies returns how often the words of a list occur, in falling order.
func frequencies(words []string) []int {
	n := map[string]int{}
	for _, w := range words {
		n[w]++
	}
	var out []int
	for _, x := range n {
		out = append(out, x)
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// fixed is the text in which the original's needles were hidden.
type fixed struct{ corpus.Source }

func (fixed) Haystack(_ uint64, n int) (corpus.Haystack, error) {
	return corpus.Haystack{Text: corpus.Prose(corpus.StreamTrain, 1, n)}, nil
}

// contents gives a draft the keys, values, words and documents of an original prompt, and returns
// the number of units of its filler.
func contents(t *testing.T, d quality.Draft, o original) int {
	t.Helper()
	_, units := shape(o.Kind, o.Prompt)
	switch d := d.(type) {
	case *niahDraft:
		var all []needle
		for _, m := range regexp.MustCompile(`magic (?:numbers|uuids) for ([^:]+?) is: ([0-9a-f-]+)\.`).FindAllStringSubmatch(o.Prompt, -1) {
			all = append(all, needle{m[1], m[2]})
		}
		d.query = regexp.MustCompile(` for ([^?\n]+) mentioned in`).FindStringSubmatch(o.Prompt)[1]
		if d.haystack == others {
			i := slices.IndexFunc(all, func(n needle) bool { return n.key == d.query })
			d.needles, all = all[i:i+1:i+1], slices.Delete(slices.Clone(all), i, i+1)
			d.written.WriteString(d.w.one.fill("TYPE", d.typ).before)
			d.ends = []int{d.written.Len()}
			for _, n := range all {
				d.written.WriteString(d.sentence(n) + "\n")
				d.ends = append(d.ends, d.written.Len())
			}
			break
		}
		if len(all) != len(d.needles) {
			t.Fatalf("%s: %d needles, the original has %d", o.Kind, len(d.needles), len(all))
		}
		d.needles = all
		if d.haystack == essay {
			d.window.from, d.window.word = 0, 0
		}
	case *vtDraft:
		for i, m := range regexp.MustCompile(`VAR ([A-Z]{5}) = (VAR )?([A-Z0-9]{5})`).FindAllStringSubmatch(o.Prompt, -1) {
			d.vars[i] = m[1]
			if i == 0 {
				d.value = m[3]
			}
		}
		values := regexp.MustCompile(`value ([0-9]+)`).FindAllStringSubmatch(o.Prompt, -1)
		c := chain{value: values[0][1]}
		for _, m := range regexp.MustCompile(`VAR ([A-Z]{3}) =`).FindAllStringSubmatch(o.Prompt, -1) {
			c.vars = append(c.vars, m[1])
		}
		d.example = d.shown(c, d.random)
	case *cweDraft:
		lists := regexp.MustCompile(`1\. .*`).FindAllString(o.Prompt, -1)
		examples := counts{10, 3}
		if o.Length < short {
			examples = counts{3, 1}
		}
		example := &cweDraft{w: d.w, counts: examples, words: byFrequency(listed(lists[0]))}
		// The common words are in the order of the answer.
		copy(example.words, listed(regexp.MustCompile(`list are: (1\. .*)`).FindStringSubmatch(o.Prompt)[1]))
		text, answer := example.list(len(example.words))
		d.example = d.w.cwe.before + text + d.w.cwe.after + d.w.cwe.prefix + " " + numbered(answer) + "\n"
		d.words = byFrequency(listed(lists[len(lists)-1]))
		units = len(d.words)
	case *fweDraft:
		_, list, _ := strings.Cut(o.Prompt, "coded words. ")
		list, _, _ = strings.Cut(list, "\n")
		words := strings.Fields(list)
		copy(d.vocabulary, byFrequency(words))
		for units = 100; len(strings.Fields(sample(t, d, units).Base)) < len(strings.Fields(o.Prompt)); units++ {
		}
	case *qaDraft:
		parts := strings.Split(o.Prompt, "\n\n")
		d.order, d.needed, d.documents = nil, []int{0}, nil
		for _, part := range parts[2 : len(parts)-2] {
			_, document, _ := strings.Cut(part, "\n")
			d.order = append(d.order, len(d.documents))
			d.documents = append(d.documents, document)
		}
		d.ranks = d.ranks[:len(d.order)]
		_, d.text, _ = strings.Cut(parts[len(parts)-1], ": ")
	}
	return units
}

// listed returns the words of a numbered list.
func listed(list string) (words []string) {
	for _, w := range wordPart.FindAllString(list, -1) {
		_, w, _ = strings.Cut(strings.TrimSpace(w), ". ")
		words = append(words, w)
	}
	return words
}

// byFrequency returns the different words of a list, the most frequent first.
func byFrequency(words []string) (out []string) {
	n := map[string]int{}
	for _, w := range words {
		if n[w]++; n[w] == 1 {
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return n[b] - n[a] })
	return out
}

// TestOriginal compares the published wording with prompts of the original that have the same
// filler, needles, words and documents. Prompts are equal except for the order of what is drawn:
// they have the same texts, lines and words, and within 1 % as many tokens.
func TestOriginal(t *testing.T) {
	tok := qwen3(t)
	family := Family()
	for i, o := range originals(t) {
		k := &family.Kinds[slices.Index(kindNames(family), o.Kind)]
		if n := len(tok.Encode(o.Prompt + o.Prefix)); n != o.Tokens {
			t.Fatalf("%s: %d tokens, the original counted %d", o.Kind, n, o.Tokens)
		}
		s := settings(t, o.Length, WordingRULER)
		s.Haystack = fixed{s.Haystack}
		d := draw(t, k, s, i)
		x := sample(t, d, contents(t, d, o))
		got, _ := shape(o.Kind, x.Prompt())
		want, _ := shape(o.Kind, o.Prompt)
		for j := range max(len(got), len(want)) {
			if a, b := at(got, j), at(want, j); a != b {
				t.Errorf("%s %d, part %d of %d and %d:\n%.300q\nthe original has\n%.300q", o.Kind, o.Length, j, len(got), len(want), a, b)
				break
			}
		}
		if a, b := x.Prefix, o.Prefix; a != b {
			t.Errorf("%s: prefix %q, the original has %q", o.Kind, a, b)
		}
		a, b := strings.Fields(x.Prompt()), strings.Fields(o.Prompt)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%s %d: %d words, the original has %d; some differ", o.Kind, o.Length, len(a), len(b))
		}
		n := len(tok.Encode(x.Prompt() + x.Prefix))
		if off := float64(n)/float64(o.Tokens) - 1; !(math.Abs(off) <= 0.01) {
			t.Errorf("%s %d: %d tokens, the original has %d: %+.2f %%", o.Kind, o.Length, n, o.Tokens, 100*off)
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

func kindNames(f quality.Family) (out []string) {
	for _, k := range f.Kinds {
		out = append(out, k.Name)
	}
	return out
}
