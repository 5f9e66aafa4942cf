package nll

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// lawModel has a loss of 1 + 2/sqrt(pos) nats at every position, varied by a tenth between
// documents.
type lawModel struct {
	runners.Instance
	docs int
	// short omits the last position.
	short bool
}

type lawSequence struct{ runners.Sequence }

func (lawSequence) Close() error { return nil }

func (m *lawModel) Vocab() int { return 256 }
func (m *lawModel) NewSequence(int) (runners.Sequence, error) {
	m.docs++
	return lawSequence{}, nil
}
func (m *lawModel) Score(_ context.Context, _ runners.Sequence, tokens []int, emit func(int, float32)) error {
	for pos := range tokens {
		if pos == 0 || m.short && pos == len(tokens)-1 {
			continue
		}
		emit(pos, float32(-m.loss(pos, m.docs)))
	}
	return nil
}
func (m *lawModel) loss(pos, doc int) float64 {
	return (1 + 2/math.Sqrt(float64(pos))) * []float64{0.9, 1.1}[doc%2]
}

func bytesModel() *suites.Target {
	return suites.Local("m", runners.Shape{Name: "m", Arch: runners.Transformer, Dim: 8, Layers: 1, FFN: 8, Vocab: 256,
		Heads: 1, KVHeads: 1, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.Config())
}

// plan plans one case with the defaults modified by set.
func plan(t *testing.T, pl *suites.Planner, m *suites.Target, set func(*Params)) suites.Case {
	t.Helper()
	p := Task{}.Params().(*Params)
	p.Length, p.Documents, p.FitFrom = 2048, 6, 1
	if set != nil {
		set(p)
	}
	cases, err := Task{}.Plan(pl, m, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 1 {
		t.Fatalf("%d cases", len(cases))
	}
	return cases[0]
}

func runCase(t *testing.T, c suites.Case, m runners.Model) *result.Record {
	t.Helper()
	r := &result.Record{Label: c.Label, Params: c.Params}
	out, err := c.Run(t.Context(), m, func(float64) {})
	r.Fill(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := result.Encode(*r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (m *lawModel) mean(from, to int) float64 {
	sum := 0.0
	for pos := from; pos < to; pos++ {
		sum += m.loss(pos, 0)/2 + m.loss(pos, 1)/2
	}
	return sum / float64(to-from)
}

func series(t *testing.T, r *result.Record, name string) result.Series {
	t.Helper()
	for _, s := range r.Series {
		if s.Name == name {
			if len(s.X) != len(s.Y) || s.Lo != nil && (len(s.Lo) != len(s.Y) || len(s.Hi) != len(s.Y)) || s.N != nil && len(s.N) != len(s.Y) {
				t.Errorf("%s: columns of different lengths", name)
			}
			return s
		}
	}
	t.Fatalf("no series %s", name)
	return result.Series{}
}

func TestRun(t *testing.T) {
	m := &lawModel{}
	r := runCase(t, plan(t, &suites.Planner{Seed: 1}, bytesModel(), nil), m)
	near := func(what string, got, want, tol float64) {
		if !(math.Abs(got-want) <= tol) {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	nll := r.Metrics["nll"]
	near("nll", nll.Value, m.mean(1, 2048), 1e-6)
	near("bits_per_byte", r.Metrics["bits_per_byte"].Value, nll.Value/math.Ln2, 1e-9)
	if nll.Lo == nil || !(*nll.Lo < nll.Value && nll.Value < *nll.Hi) || nll.Method != "jackknife, Student's t" || len(nll.Samples) != 6 {
		t.Errorf("nll has the interval %v to %v (%s), %d samples", nll.Lo, nll.Hi, nll.Method, len(nll.Samples))
	}
	near("lowest bound", *nll.Lo/nll.Value, 0.93, 0.04)
	f := r.Metrics["ar_hit_fraction"].Value
	near("the two classes together", f*r.Metrics["nll_ar_hit"].Value+(1-f)*r.Metrics["nll_first_occur"].Value, nll.Value, 1e-9)
	near("alpha", r.Metrics["fit_alpha"].Value, 0.5, 0.02)
	near("c", r.Metrics["fit_c"].Value, 1, 0.02)
	near("a", r.Metrics["fit_a"].Value, 2, 0.03)

	b := series(t, r, "nll_bucket")
	near("bucket 4..7", b.Y[2], m.mean(4, 8), 1e-6)
	if b.N[2] != 4*6 || b.Lo == nil {
		t.Errorf("bucket 4..7 has %d tokens, band %v", b.N[2], b.Lo)
	}
	c := series(t, r, "nll_cumulative")
	if c.X[0] != 64 || c.X[len(c.X)-1] != 2048 {
		t.Errorf("lengths %v", c.X)
	}
	near("first 64 tokens", c.Y[0], m.mean(1, 64), 1e-6)
	for _, name := range []string{"bits_cumulative", "ar_hit_bucket", "first_occur_bucket", "nll_fit"} {
		series(t, r, name)
	}
}

// TestFewDocuments checks that one document gives a note instead of intervals, and that fewer
// documents than requested give a note with their names.
func TestFewDocuments(t *testing.T) {
	m := &lawModel{}
	r := runCase(t, plan(t, &suites.Planner{Seed: 1}, bytesModel(), func(p *Params) { p.Documents = 1 }), m)
	if r.Metrics["nll"].Lo != nil || series(t, r, "nll_bucket").Lo != nil || !strings.Contains(strings.Join(r.Notes, "\n"), "one text") {
		t.Errorf("one document: %+v, notes %q", r.Metrics["nll"], r.Notes)
	}
	dir := t.TempDir()
	for name, n := range map[string]int{"a.txt": 300, "b.txt": 200, "c.txt": 20} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("a line\n"), n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := func(p *Params) {
		p.Length = 1000
		p.Corpus = param.Corpus{Spec: corpus.Spec{Kind: corpus.KindFiles, Paths: []string{"*.txt"}}}
	}
	r = runCase(t, plan(t, &suites.Planner{Seed: 1, Dir: dir}, bytesModel(), files), m)
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "a.txt") || !strings.Contains(notes, "were requested") || strings.Contains(notes, "c.txt") {
		t.Errorf("notes %q", notes)
	}
	p := Task{}.Params().(*Params)
	files(p)
	p.Length = 1 << 20
	if _, err := (Task{}).Plan(&suites.Planner{Seed: 1, Dir: dir}, bytesModel(), p); err == nil {
		t.Error("a corpus without a document of that length was planned")
	}
}

// TestStretchesCountOnce checks that intervals and samples are over files instead of stretches.
func TestStretchesCountOnce(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("a line of "+name+"\n"), 300), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(paths ...string) *result.Record {
		return runCase(t, plan(t, &suites.Planner{Seed: 1, Dir: dir}, bytesModel(), func(p *Params) {
			p.Length, p.Documents = 1000, 8
			p.Corpus = param.Corpus{Spec: corpus.Spec{Kind: corpus.KindFiles, Paths: paths}}
		}), &lawModel{})
	}
	for _, c := range []struct {
		paths   []string
		samples int
		bounded bool
		note    string
	}{
		{[]string{"a.txt", "b.txt", "c.txt"}, 3, true, "8 documents from 3 texts, each of which counts once"},
		{[]string{"a.txt", "b.txt"}, 2, true, "8 documents from 2 texts"},
		{[]string{"a.txt"}, 4, false, "one text gives no intervals"},
	} {
		r := read(c.paths...)
		nll, notes := r.Metrics["nll"], strings.Join(r.Notes, "\n")
		if len(nll.Samples) != c.samples || nll.Lo != nil != c.bounded || !strings.Contains(notes, c.note) {
			t.Errorf("%v: %d samples, bounds %v, notes %q", c.paths, len(nll.Samples), nll.Lo, notes)
		}
	}
	if got := textsOf([]string{"a", "b", "a#2", "b#2", "a#3", "c#d"}); !slices.Equal(got, []int{0, 1, 0, 1, 0, 2}) {
		t.Errorf("texts %v", got)
	}
}

// TestBucketChangesArePaired checks that the interval of the change between buckets is paired by
// text: if all texts rise by the same amount, it is that amount, however much the texts differ.
func TestBucketChangesArePaired(t *testing.T) {
	s := newSpans(16, 1, []int{16})
	lt := &tallies{spans: s, texts: []int{0, 1, 2, 3}}
	for d := range 4 {
		one := newTally(s)
		for p := range s.pieces() {
			one.first[p].add(sum{1, 1, float64(10*d) + 0.5*float64(p)}, 1)
		}
		lt.docs = append(lt.docs, one)
	}
	lt.weigh(1)
	j := stats.Jackknife(lt.texts, lt.width(), lt.statistics)
	for i := range len(lt.buckets) - 1 {
		lo, hi, ok := j.Interval(lt.curve(5)+i, level)
		if !ok || math.Abs(lo-0.5) > 1e-9 || math.Abs(hi-0.5) > 1e-9 {
			t.Errorf("change %d: %g to %g (%v), want .5", i, lo, hi, ok)
		}
	}
	if lo, hi, ok := j.Interval(lt.curve(0)+1, level); !ok || hi-lo < 10 {
		t.Errorf("the bucket's own interval is %g to %g (%v)", lo, hi, ok)
	}
	r := runCase(t, plan(t, &suites.Planner{Seed: 1}, bytesModel(), nil), &lawModel{})
	b, c := series(t, r, "nll_bucket"), series(t, r, "nll_bucket_change")
	if len(c.Y) != len(b.Y)-1 || c.Lo == nil {
		t.Fatalf("%d changes of %d buckets, bounds %v", len(c.Y), len(b.Y), c.Lo)
	}
	for i := range c.Y {
		if c.X[i] != b.X[i+1] || math.Abs(c.Y[i]-(b.Y[i+1]-b.Y[i])) > 1e-12 || !(c.Lo[i] <= c.Y[i] && c.Y[i] <= c.Hi[i]) {
			t.Errorf("change %d at %g: %g (%g to %g), buckets %g and %g", i, c.X[i], c.Y[i], c.Lo[i], c.Hi[i], b.Y[i], b.Y[i+1])
		}
	}
}

// TestDeterministic checks that a case always gives the same record, and that a changed text file
// changes the parameters.
func TestDeterministic(t *testing.T) {
	var first []byte
	for range 2 {
		r := runCase(t, plan(t, &suites.Planner{Seed: 5}, bytesModel(), nil), &lawModel{})
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		} else if !bytes.Equal(first, b) {
			t.Error("two runs of one case differ")
		}
	}
	dir := t.TempDir()
	text := func(content string) any {
		if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(strings.Repeat(content, 999)), 0o644); err != nil {
			t.Fatal(err)
		}
		c := plan(t, &suites.Planner{Seed: 1, Dir: dir}, bytesModel(), func(p *Params) {
			p.Corpus = param.Corpus{Spec: corpus.Spec{Kind: corpus.KindFiles, Paths: []string{"a.txt"}}}
		})
		return c.Params["text"]
	}
	if text("one line\n") == text("two line\n") {
		t.Error("different text, same parameters")
	}
}

func TestUnsupported(t *testing.T) {
	computed := bytesModel()
	computed.Can = computed.Can.Cannot(runners.Score, "it only computes")
	idsOnly := *bytesModel().Config
	idsOnly.Tokenizer = ""
	for _, m := range []*suites.Target{computed, suites.Local("m", idsOnly), {Name: "nothing"}} {
		if plan(t, &suites.Planner{Seed: 1}, m, nil).Unsupported == "" {
			t.Errorf("%s, which can %v, is planned", m.Name, m.Can)
		}
	}
	_, err := plan(t, &suites.Planner{Seed: 1}, bytesModel(), nil).Run(t.Context(), &lawModel{short: true}, func(float64) {})
	if err == nil {
		t.Error("a model that omits a position was accepted")
	}
}

func TestParams(t *testing.T) {
	for name, set := range map[string]func(*Params){
		"length":     func(p *Params) { p.Length = 1 },
		"long":       func(p *Params) { p.Length = 1 << 40 },
		"documents":  func(p *Params) { p.Documents = 0 },
		"lengths":    func(p *Params) { p.Lengths = suites.Sizes{64, 4096} },
		"per_octave": func(p *Params) { p.PerOctave = 0 },
		"ar_ngram":   func(p *Params) { p.ARNgram = 65 },
		"models":     func(p *Params) { p.Models = param.Models{"["} },
	} {
		p := Task{}.Params().(*Params)
		p.Length = 2048
		set(p)
		if _, err := (Task{}).Plan(&suites.Planner{}, bytesModel(), p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	p := Task{}.Params().(*Params)
	p.Models = param.Models{"other-*"}
	if cases, err := (Task{}).Plan(&suites.Planner{}, bytesModel(), p); err != nil || len(cases) != 0 {
		t.Errorf("a model that is not listed: %d cases, %v", len(cases), err)
	}
}
