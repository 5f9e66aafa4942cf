package needle

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// served is a model that takes and returns text. It answers the prompts of a group concurrently in
// any order, gives no log-probabilities and cannot be stepped.
type served struct {
	mu     sync.Mutex
	groups []int
}

func (*served) Close() error { return nil }

func (s *served) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	s.mu.Lock()
	s.groups = append(s.groups, len(group))
	s.mu.Unlock()
	answers := make([][]runners.Answer, len(group))
	var wg sync.WaitGroup
	for i, p := range group {
		wg.Go(func() {
			text := p.Text
			for _, t := range p.Turns {
				text += t.Text
				a := runners.Answer{Tokens: len(text) / 3}
				for len(a.Text) < t.MaxTokens && !t.Done(a.Text) {
					a.Text += string(lookUp(text + a.Text))
				}
				answers[i], text = append(answers[i], a), text+a.Text+"\n"
			}
		})
	}
	wg.Wait()
	for i := len(group) - 1; i >= 0; i-- {
		done(i, answers[i])
	}
	return []string{"by a server"}, ctx.Err()
}

// TestTargetOfTexts checks that a target that can only complete prompts is planned and run, in
// groups.
func TestTargetOfTexts(t *testing.T) {
	text := "name: x\nmodels: [m]\ntasks:\n  - needle: {kind: multi, needles: 2, lengths: [1Ki], depths: spread, trials: 4, haystacks: 2}\n"
	s, err := suites.Parse([]byte(text), "x.yaml", nil, []suites.Task{Task{}})
	if err != nil {
		t.Fatal(err)
	}
	m := &served{}
	plan, err := suites.NewPlan(t.Context(), s, suites.Registry{Tasks: []suites.Task{Task{}}, Open: func(*suites.Suite, suites.Entry) (*suites.Target, error) {
		return &suites.Target{
			Name: "m", Label: "served", Identity: "x", Runner: "test", Can: runners.Can(runners.Complete, runners.Concurrent),
			Load: func() (runners.Model, error) { return m, nil },
		}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if c := plan.Cases[0]; c.Unsupported != "" || c.Seconds != 0 || c.Bytes != 0 {
		t.Errorf("planned as %+v", c)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	w, err := result.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Run(t.Context(), w, nil, silent{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := result.ReadFile(path)
	if err != nil || len(j.Records) != 1 {
		b, _ := os.ReadFile(path)
		t.Fatalf("%v: %s", err, b)
	}
	r := j.Records[0]
	if r.Status != result.OK || r.Metrics["exact"].Value != 1 || r.Arch != "served" || len(r.Trials) != 4 {
		b, _ := json.Marshal(r)
		t.Errorf("record %s", b)
	}
	if _, ok := r.Metrics["logprob"]; ok {
		t.Error("a log-probability from a model that gives none")
	}
	for _, tr := range r.Trials {
		if len(tr.Expected) != 2 || !tr.NoLogProb || tr.Tokens < 800 {
			t.Errorf("trial %+v", tr)
		}
	}
	notes := strings.Join(r.Notes, "\n")
	if !strings.Contains(notes, "by a server") || !strings.Contains(notes, "4 bytes a token") {
		t.Errorf("notes %q", notes)
	}
	if len(m.groups) != 2 || m.groups[0] != 2 {
		t.Errorf("groups of %v prompts, want two of 2", m.groups)
	}
}

// silent is an Observer that does nothing.
type silent struct{}

func (silent) Begin(int, float64)           {}
func (silent) Case(*suites.PlannedCase)     {}
func (silent) Fraction(float64)             {}
func (silent) Done(*result.Record, float64) {}
