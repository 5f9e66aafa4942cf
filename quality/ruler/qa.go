package ruler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
)

// qaLine is a line of a data set.
type qaLine struct {
	Question string          `json:"question"`
	Answers  json.RawMessage `json:"answers"`
	// Documents contain the answer. Related are others of the same article or on the same subject.
	Documents []string `json:"documents"`
	Related   []string `json:"related"`
}

// qaSet is a data set.
type qaSet struct {
	documents []string
	questions []qaQuestion
}

// qaQuestion refers to documents by their numbers.
type qaQuestion struct {
	text    string
	answers []string
	needed  []int
	related []int
}

// openQA reads a data set: a JSON object in each line.
func openQA(name string, data []byte) (any, error) {
	set := &qaSet{}
	known := map[string]int{}
	number := func(list []string) (out []int) {
		for _, text := range list {
			n, ok := known[text]
			if !ok {
				n = len(set.documents)
				known[text] = n
				set.documents = append(set.documents, text)
			}
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return out
	}
	line := 0
	for text := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		line++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...))
		}
		if !utf8.Valid(text) {
			return nil, bad("the line is not UTF-8")
		}
		var l *qaLine
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err := d.Decode(&l)
		if err == nil && l == nil {
			err = errors.New("null")
		}
		if err != nil {
			return nil, bad("%s; expected an object with question, answers, documents and perhaps related", problem(err))
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, bad("text after the object; expected one object on each line")
		}
		if slices.ContainsFunc(slices.Concat(l.Documents, l.Related), func(s string) bool { return strings.TrimSpace(s) == "" }) {
			return nil, bad("an empty document")
		}
		q := qaQuestion{text: strings.TrimSpace(l.Question), needed: number(l.Documents)}
		for _, n := range number(l.Related) {
			if !slices.Contains(q.needed, n) {
				q.related = append(q.related, n)
			}
		}
		if q.text == "" && len(l.Answers) == 0 {
			continue // only documents
		}
		if q.answers = stringsOf(l.Answers); len(q.answers) == 0 {
			return nil, bad("answers: expected a text or a list of texts, not empty")
		}
		if q.text == "" || len(q.needed) == 0 {
			return nil, bad("a question needs question, answers and documents")
		}
		set.questions = append(set.questions, q)
	}
	if len(set.questions) == 0 {
		return nil, fmt.Errorf("%s: no questions", name)
	}
	return set, nil
}

// problem describes an error of encoding/json without the names of Go.
func problem(err error) string {
	t, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the object does not end on this line"
	case ok && t.Field == "":
		return "not an object but JSON of type " + t.Value
	case ok:
		return fmt.Sprintf("%s: a value of type %s", t.Field, t.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// stringsOf returns the texts of a JSON text or list; none if one of them is empty.
func stringsOf(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		list = []string{""}
		if json.Unmarshal(raw, &list[0]) != nil {
			return nil
		}
	}
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); list[i] == "" {
			return nil
		}
	}
	return list
}

// qaDraft is a sample of qa_1 or qa_2.
type qaDraft struct {
	*qaQuestion
	w         *wording
	documents []string
	// order are the numbers of documents in the order in which they are taken, and ranks those by
	// which they are sorted.
	order []int
	ranks []uint64
}

func drawQA(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
	set := s.Data.(*qaSet)
	// The questions follow one another in a random order.
	v, err := s.Shared("order", func() (any, error) { return permutation(rng.New("ruler/questions", s.Seed), len(set.questions)), nil })
	if err != nil {
		return nil, err
	}
	order := v.([]int)
	if s.Sample >= len(order) {
		s.Note(fmt.Sprintf("there are more samples than questions in the data set (%d): they are asked again, among other documents", len(order)))
	}
	q := &set.questions[order[s.Sample%len(order)]]
	d := &qaDraft{qaQuestion: q, w: wordings[s.Wording], documents: set.documents}
	d.order = slices.Clone(q.needed)
	for _, i := range permutation(r, len(q.related)) {
		d.order = append(d.order, q.related[i])
	}
	taken := make([]bool, len(set.documents))
	for _, n := range d.order {
		taken[n] = true
	}
	for _, n := range permutation(r, len(set.documents)) {
		if !taken[n] {
			d.order = append(d.order, n)
		}
	}
	d.ranks = randoms(r, len(d.order))
	return d, nil
}

func permutation(r *rng.Rand, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	r.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Units counts documents.
func (d *qaDraft) Units() (least, step int) { return len(d.needed), 1 }

func (d *qaDraft) Make(n int) (*quality.Sample, error) {
	n = min(n, len(d.order))
	at := permutationBy(d.ranks[:n])
	q := d.w.qa.fill("KEY", d.text)
	var b strings.Builder
	b.WriteString(q.before)
	s := &quality.Sample{Prefix: q.prefix, References: d.answers}
	var begins []int
	for i, k := range at {
		if i > 0 {
			b.WriteString("\n\n")
		}
		if k < len(d.needed) {
			begins = append(begins, b.Len()-len(q.before))
		}
		b.WriteString(strings.Replace(d.w.document, "N", strconv.Itoa(i+1), 1))
		b.WriteString(d.documents[d.order[k]])
	}
	for _, at := range begins {
		s.Depths = append(s.Depths, float64(at)/float64(b.Len()-len(q.before)))
	}
	b.WriteString(q.after)
	s.Base = b.String()
	return s, nil
}

// permutationBy returns 0 to len(ranks)-1 sorted by rank.
func permutationBy(ranks []uint64) []int {
	out := make([]int, len(ranks))
	for i := range out {
		out[i] = i
	}
	slices.SortFunc(out, func(a, b int) int {
		switch {
		case ranks[a] < ranks[b]:
			return -1
		case ranks[a] > ranks[b]:
			return 1
		}
		return a - b
	})
	return out
}
