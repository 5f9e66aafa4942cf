package quality

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// The fake family asks for a password between filler words.
var fakeFamily = Family{
	Name: "fake", Title: "Fake", About: "passwords", Lead: "Passwords.", Wordings: []string{"old"},
	Kinds: []Kind{
		{Name: "shared", Answer: fakeAnswer, Guess: 0.125, Draw: drawFake(true), Score: fakeScore, Done: fakeDone, Prose: true},
		{Name: "separate", Answer: fakeAnswer, Draw: drawFake(false), Score: fakeScore},
		{Name: "finite", Answer: fakeAnswer, Draw: drawFinite, Score: fakeScore},
		{Name: "lines", Answer: fakeAnswer, Draw: drawLines, Score: fakeScore, Open: func(name string, data []byte) (any, error) {
			for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
				if !strings.HasPrefix(line, "password") {
					return nil, fmt.Errorf("%s:%d: expected a password", name, i+1)
				}
			}
			return string(data), nil
		}},
	},
}

func fakeAnswer(length int) int { return 12 }

func fakeScore(answer string, s *Sample) float64 {
	if strings.Contains(answer, s.References[0]) {
		return 1
	}
	return 0
}

func fakeDone(answer string, s *Sample) bool { return fakeScore(answer, s) == 1 }

type fakeDraft struct {
	shared, password string
	filler           []string
	at, most         int
}

func (d *fakeDraft) Units() (int, int) { return 4, 3 }

func (d *fakeDraft) Make(n int) (*Sample, error) {
	n = min(n, d.most)
	fact := "The password is " + d.password + ". "
	question := "\nWhat is the password?"
	s := &Sample{Prefix: " The password is", References: []string{d.password}, Depths: []float64{0.5}}
	if d.shared != "" {
		ends := len(strings.Join(strings.Fields(d.shared)[:n], " "))
		middle := strings.IndexByte(d.shared, ' ') + 1
		s.Base = d.shared
		s.Edits = []tokenizer.Edit{{With: "Remember the password. "}, {From: middle, To: middle, With: fact}, {From: ends, To: len(d.shared), With: question}}
		return s, nil
	}
	k := min(d.at, n)
	s.Base = strings.Join(d.filler[:k], " ") + " " + fact + strings.Join(d.filler[k:n], " ") + question
	return s, nil
}

func fakeWords(r *rng.Rand, n int) (out []string) {
	for range n {
		out = append(out, strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(7)))
	}
	return out
}

func drawFake(shared bool) func(r *rng.Rand, s *Settings) (Draft, error) {
	return func(r *rng.Rand, s *Settings) (Draft, error) {
		d := &fakeDraft{password: fmt.Sprint(r.Range(1000, 9999)), most: 1 << 20}
		if !shared {
			d.filler, d.at = fakeWords(r, 3*s.Length), r.Range(1, 4)
			return d, nil
		}
		v, err := s.Shared("text", func() (any, error) {
			return strings.Join(fakeWords(rng.New("text", s.Seed), 3*s.Length), " "), nil
		})
		d.shared, _ = v.(string)
		return d, err
	}
}

func drawFinite(r *rng.Rand, s *Settings) (Draft, error) {
	return &fakeDraft{password: fmt.Sprint(r.Range(1000, 9999)), filler: fakeWords(r, 100), at: 3, most: 37}, nil
}

func drawLines(r *rng.Rand, s *Settings) (Draft, error) {
	d := &fakeDraft{password: strings.Fields(s.Data.(string))[1], filler: fakeWords(r, 3*s.Length), at: 3, most: 1 << 20}
	return d, nil
}

// fakeModel completes prompts with the password, or with nothing if it is not asked.
type fakeModel struct{ groups []int }

func (*fakeModel) Close() error { return nil }

func (m *fakeModel) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	m.groups = append(m.groups, len(group))
	for i, p := range group {
		text := p.Text + p.Turns[0].Text
		a := runners.Answer{Tokens: len(tokenizer.Estimate{}.Encode(text))}
		if p.Tokens != nil {
			a.Tokens = len(p.Tokens)
		}
		if strings.HasSuffix(text, "The password is") {
			_, rest, _ := strings.Cut(p.Text, "The password is ")
			a.Text, _, _ = strings.Cut(" "+rest, ".")
			if t := p.Turns[0]; t.Done != nil && !t.Done(a.Text) {
				return nil, fmt.Errorf("%q does not end an answer", a.Text)
			}
		}
		if a.Tokens+p.Turns[0].MaxTokens > room {
			return nil, fmt.Errorf("a prompt of %d tokens", a.Tokens)
		}
		done(i, []runners.Answer{a})
	}
	return nil, ctx.Err()
}

// syllables is a tokenizer whose tokens have up to three letters, preceded by spaces. Its decoder
// gives no pieces if whole is set, as if it normalized texts.
type syllables struct{ whole bool }

func (syllables) Name() string { return "syllables" }
func (syllables) Vocab() int   { return 1 << 30 }

func (syllables) Encode(text string) (ids []int) {
	for from := 0; from < len(text); {
		n := from
		for n < len(text) && text[n] == ' ' {
			n++
		}
		for n < len(text) && text[n] > ' ' && n-from < 4 {
			n++
		}
		n = max(n, from+1)
		id := 0
		for _, c := range []byte(text[from:min(n, from+4)]) {
			id = id<<7 | int(c&0x7f)
		}
		ids, from = append(ids, id), n
	}
	return ids
}

func (s syllables) Decode(ids []int) string {
	var b []byte
	for _, id := range ids {
		for shift := 21; shift >= 0; shift -= 7 {
			if c := byte(id >> shift & 0x7f); c != 0 {
				b = append(b, c)
			}
		}
	}
	if s.whole {
		return strings.ToUpper(string(b))
	}
	return string(b)
}

// target returns a target that completes texts with m.
func target(m runners.Model, tok tokenizer.Tokenizer) *suites.Target {
	return &suites.Target{
		Name: "m", Label: "served", Identity: "x", Runner: "test", Tokenizer: tok, Can: runners.Can(runners.Complete),
		Load: func() (runners.Model, error) { return m, nil },
	}
}

// plan plans a suite with one block of the fake family.
func plan(t *testing.T, block string, m *suites.Target) (*suites.Plan, error) {
	t.Helper()
	task := NewTask(fakeFamily)
	s, err := suites.Parse([]byte("name: x\nmodels: [m]\ntasks:\n  - fake: "+block+"\n"), "x.yaml", nil, []suites.Task{task})
	if err != nil {
		return nil, err
	}
	return suites.NewPlan(t.Context(), s, suites.Registry{Tasks: []suites.Task{task}, Open: func(*suites.Suite, suites.Entry) (*suites.Target, error) { return m, nil }})
}

// records plans and runs a block.
func records(t *testing.T, block string, m *suites.Target) []result.Record {
	t.Helper()
	p, err := plan(t, block, m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	w, err := result.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context(), w, nil, silent{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := result.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return j.Records
}

// silent is an Observer that does nothing.
type silent struct{}

func (silent) Begin(int, float64)           {}
func (silent) Case(*suites.PlannedCase)     {}
func (silent) Fraction(float64)             {}
func (silent) Done(*result.Record, float64) {}
