package ruler

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
)

// common is the number of common words of cwe.
const common = 10

// counts are how often common and other words occur in a list of cwe.
type counts struct{ common, other int }

// cweDraft is a sample of cwe.
type cweDraft struct {
	w       *wording
	names   *names
	counts  counts
	words   []string // the common ones first
	next    int      // of pool
	pool    []string
	shuffle uint64
	example string
}

func drawCWE(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
	list, examples, exampleWords := counts{30, 3}, counts{10, 3}, 40
	if s.Length < short {
		list, examples, exampleWords = counts{6, 1}, counts{3, 1}, 20
	}
	example := newWordList(r, wordings[s.Wording], examples)
	text, answer := example.list(exampleWords)
	q := example.w.cwe
	d := newWordList(r, example.w, list)
	d.example = q.before + text + q.after + q.prefix + " " + numbered(answer) + "\n"
	return d, nil
}

func newWordList(r *rng.Rand, w *wording, c counts) *cweDraft {
	d := &cweDraft{w: w, counts: c, names: newNames(rng.New("ruler/words", r.Uint64())), pool: slices.Clone(words().all), shuffle: r.Uint64()}
	r.Shuffle(len(d.pool), func(i, j int) { d.pool[i], d.pool[j] = d.pool[j], d.pool[i] })
	for len(d.words) < common {
		word := d.pool[d.next]
		d.next++
		// No word contains another, so an answer with one does not count as having both.
		if !slices.ContainsFunc(d.words, func(o string) bool { return strings.Contains(o, word) || strings.Contains(word, o) }) {
			d.words = append(d.words, word)
		}
	}
	return d
}

// list returns a list of n different words, and the common ones. Lists with more words than the
// lexicon has also have pairs of words.
func (d *cweDraft) list(n int) (text string, answer []string) {
	for len(d.words) < n {
		if d.next < len(d.pool) {
			d.words = append(d.words, d.pool[d.next])
			d.next++
		} else {
			d.words = append(d.words, d.names.pair())
		}
	}
	var all []string
	for i, w := range d.words[:n] {
		times := d.counts.other
		if i < common {
			times = d.counts.common
		}
		for range times {
			all = append(all, w)
		}
	}
	r := rng.New("ruler/shuffle", d.shuffle)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return numbered(all), d.words[:common]
}

// numbered returns a numbered list: "1. one 2. two".
func numbered(list []string) string {
	var b []byte
	for i, w := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(i+1), 10)
		b = append(b, ". "...)
		b = append(b, w...)
	}
	return string(b)
}

// Units counts different words.
func (d *cweDraft) Units() (least, step int) { return 2 * common, 1 }

func (d *cweDraft) Make(n int) (*quality.Sample, error) {
	text, answer := d.list(n)
	q := d.w.cwe
	return &quality.Sample{Base: d.example + q.before + text + q.after, Prefix: q.prefix, References: answer}, nil
}

// fweDraft is a sample of fwe.
type fweDraft struct {
	w          *wording
	vocabulary []string // by falling frequency
	shuffle    uint64
}

// letters is the number of letters of a coded word.
const letters = 6

func drawFWE(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
	const answer, perWord = 50, 50
	d := &fweDraft{w: wordings[s.Wording], vocabulary: []string{"..."}, shuffle: r.Uint64()}
	names := newNames(r)
	for range max((s.Length-answer)/perWord, 5) - 1 {
		d.vocabulary = append(d.vocabulary, names.next(func() string { return randomWord(r, 'a', letters) }))
	}
	return d, nil
}

// Units counts words. With 100, the fourth word is more frequent than the fifth.
func (d *fweDraft) Units() (least, step int) { return 100, 1 }

func (d *fweDraft) Make(n int) (*quality.Sample, error) {
	const zeta2 = math.Pi * math.Pi / 6 // the sum of the frequencies of all ranks
	var all []string
	for i, w := range d.vocabulary {
		rank := float64(i + 1)
		for range int(float64(n) / (rank * rank) / zeta2) {
			all = append(all, w)
		}
	}
	r := rng.New("ruler/shuffle", d.shuffle)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	q := d.w.fwe
	return &quality.Sample{Base: q.before + strings.Join(all, " ") + q.after, Prefix: q.prefix, References: d.vocabulary[1:4]}, nil
}
