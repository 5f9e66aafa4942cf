package downstream

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/runners/pretrained"
	"github.com/yocobench/yocobench/suites"
)

// recorded is testdata/lmeval.json: what lm-evaluation-harness computes for the documents in
// testdata with SmolLM2-135M-Instruct in float32 (tools/lmeval).
type recorded struct {
	Tasks []struct {
		Name, File string
		Block      map[string]any
		Metrics    map[string]float64
		Documents  []struct {
			LogProbs   []float64 `json:"logprobs"`
			Acc        float64   `json:"acc"`
			AccNorm    float64   `json:"acc_norm"`
			AccBytes   float64   `json:"acc_bytes"`
			Answer     string    `json:"answer"`
			Filtered   string    `json:"filtered"`
			ExactMatch float64   `json:"exact_match"`
			LogProb    float64   `json:"logprob"`
			Words      float64   `json:"words"`
			Bytes      float64   `json:"bytes"`
		}
	}
	Filters []struct {
		Pattern, Fallback, Text, Want string
		Group                         int
	}
	Matches []struct {
		Answer, Target string
		Options        map[string]any
		Want           bool
	}
}

func readRecorded(t *testing.T) (r recorded) {
	t.Helper()
	text, err := os.ReadFile("testdata/lmeval.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Filters and exact_match give what those of lm-evaluation-harness give.
func TestFiltersAgainstLMEval(t *testing.T) {
	r := readRecorded(t)
	for _, c := range r.Filters {
		x := Filter{Function: "regex", Pattern: &c.Pattern, Group: c.Group, Fallback: &c.Fallback}
		extract, err := x.regex()
		if err != nil {
			t.Errorf("%s: %v", c.Pattern, err)
		} else if got := extract(c.Text); got != c.Want {
			t.Errorf("%s, group %d of %q: %q, want %q", c.Pattern, c.Group, c.Text, got, c.Want)
		}
	}
	for _, c := range r.Matches {
		var o ExactMatch
		text, _ := yaml.Marshal(c.Options)
		if err := yaml.Unmarshal(text, &o); err != nil {
			t.Fatal(err)
		}
		m, err := newMatcher(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.equal(c.Answer, []string{c.Target}); got != c.Want {
			t.Errorf("%q and %q are equal with %+v: %v, want %v", c.Answer, c.Target, o, got, c.Want)
		}
	}
	if len(r.Filters) < 10 || len(r.Matches) < 8 {
		t.Errorf("%d filters and %d comparisons", len(r.Filters), len(r.Matches))
	}
}

// memory is a model that generates the answer to a prompt once: some tasks differ only in how they
// score answers.
type memory struct {
	runners.Instance
	runners.Completer
	known map[string][]runners.Answer
}

func (m *memory) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	key := func(p runners.Prompt) string { return fmt.Sprint(p.Text, p.Tokens, p.Turns[0].MaxTokens) }
	var asked []runners.Prompt
	var index []int
	for i, p := range group {
		if a, ok := m.known[key(p)]; ok {
			done(i, a)
		} else {
			asked, index = append(asked, p), append(index, i)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	return m.Completer.Complete(ctx, asked, room, func(k int, a []runners.Answer) {
		if asked[k].Turns[0].MaxTokens > 0 {
			m.known[key(asked[k])] = a
		}
		done(index[k], a)
	})
}

// nats is the largest difference of a log-probability. Both sides compute in float32, in another
// order.
const nats = 1e-3

// Log-probabilities, answers and metrics equal those of lm-evaluation-harness.
func TestAgainstLMEval(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes half a minute of CPU time")
	}
	path := testenv.SmolLM2(t)
	loaded, err := pretrained.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := checkpoint.OpenTokenizer(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := loaded.Config()
	m, err := cpu.New().Load(cfg, loaded, runners.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := loaded.Close(); err != nil {
		t.Fatal(err)
	}
	target := suites.Local("SmolLM2", cfg)
	target.Tokenizer = tok
	target.Can = runners.Can(runners.Complete, runners.Choose, runners.Score)

	completer, err := runners.CompleterOf(m, tok, true)
	if err != nil {
		t.Fatal(err)
	}
	once := &memory{Instance: m, Completer: completer, known: map[string][]runners.Answer{}}

	worst := 0.0
	near := func(got, want float64) bool {
		d := math.Abs(got - want)
		worst = max(worst, d)
		return d <= nats
	}
	for _, c := range readRecorded(t).Tasks {
		t.Run(c.Name, func(t *testing.T) {
			var block strings.Builder
			for name, v := range c.Block {
				text, err := json.Marshal(v) // which is YAML
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&block, "%s: %s\n", name, text)
			}
			file, err := os.ReadFile("testdata/" + c.File)
			if err != nil {
				t.Fatal(err)
			}
			r, err := runOne(t, target, once, block.String(), string(file))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Trials) != len(c.Documents) || len(c.Documents) == 0 {
				t.Fatalf("%d documents, want %d", len(r.Trials), len(c.Documents))
			}
			for i, want := range c.Documents {
				got := r.Trials[i]
				switch {
				case want.LogProbs != nil:
					for k, lp := range want.LogProbs {
						if !near(got.LogProbs[k], lp) {
							t.Errorf("document %d: log-probability %d is %.5f, want %.5f", i, k, got.LogProbs[k], lp)
						}
					}
					for name, score := range map[string]float64{"acc": want.Acc, "acc_norm": want.AccNorm, "acc_bytes": want.AccBytes} {
						if m, ok := r.Metrics[name]; ok && m.Samples[i] != score {
							t.Errorf("document %d: %s is %g, want %g (log-probabilities %v)", i, name, m.Samples[i], score, want.LogProbs)
						}
					}
				case want.Bytes > 0:
					if !near(got.LogProb/float64(got.Tokens), want.LogProb/float64(got.Tokens)) {
						t.Errorf("document %d: log-probability %.4f, want %.4f", i, got.LogProb, want.LogProb)
					}
				default:
					filtered := got.Answer
					if got.Extracted != "" {
						filtered = got.Extracted
					}
					if got.Answer != want.Answer || filtered != want.Filtered || got.Exact != want.ExactMatch {
						t.Errorf("document %d: answer %q, filtered %q, score %g; want %q, %q, %g", i, got.Answer, filtered, got.Exact, want.Answer, want.Filtered, want.ExactMatch)
					}
				}
			}
			for name, want := range c.Metrics {
				got, ok := r.Metrics[name]
				exact := slices.Contains([]string{"acc", "acc_norm", "acc_bytes", "exact_match"}, name)
				if !ok || exact && !(math.Abs(got.Value-want) <= 1e-9) || !(math.Abs(got.Value-want) <= 1e-3*want+1e-9) {
					t.Errorf("%s is %.8g, want %.8g", name, got.Value, want)
				}
			}
		})
	}
	t.Logf("the largest difference of a log-probability is %.2g nats", worst)
}
