package ruler

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// qwen3 returns the tokenizer of Qwen 3, with which testdata/original.jsonl.gz was made.
func qwen3(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Download(t, "YOCOBENCH_TOKENIZERS", "tools/tokenizers.sh"), "hf_qwen3", "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.ParseHF("qwen3", b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// silent answers nothing.
type silent struct {
	prompts [][]int
	texts   []string
}

func (*silent) Close() error { return nil }

func (m *silent) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	for i, p := range group {
		m.prompts, m.texts = append(m.prompts, p.Tokens), append(m.texts, p.Text+p.Turns[0].Text)
		done(i, []runners.Answer{{Tokens: len(p.Tokens)}})
	}
	return nil, ctx.Err()
}

// cases plans RULER for a tokenizer.
func cases(t testing.TB, tok tokenizer.Tokenizer, set func(*quality.Params)) ([]suites.Case, *silent) {
	t.Helper()
	m := &silent{}
	task := quality.NewTask(Family())
	p := task.Params().(*quality.Params)
	set(p)
	out, err := task.Plan(&suites.Planner{Seed: 1}, &suites.Target{
		Name: "m", Identity: "x", Runner: "test", Tokenizer: tok, Can: runners.Can(runners.Complete),
		Load: func() (runners.Model, error) { return m, nil },
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

func measure(t testing.TB, c suites.Case, m *silent) result.Outcome {
	t.Helper()
	m.prompts, m.texts = nil, nil
	if c.Unsupported != "" {
		t.Fatalf("%s: %s", c.Label, c.Unsupported)
	}
	out, err := c.Run(t.Context(), m, func(float64) {})
	if err != nil {
		t.Fatalf("%s: %v", c.Label, err)
	}
	return out
}

// TestLengths checks that prompts fill their length, in tokens of the real tokenizer.
func TestLengths(t *testing.T) {
	tok := qwen3(t)
	all, m := cases(t, tok, func(p *quality.Params) {
		p.Lengths, p.Samples = suites.Sizes{1 << 10, 5000}, param.Everywhere(6)
	})
	for _, c := range all {
		out := measure(t, c, m)
		limit := map[string]int{"vt": 30, "cwe": 120, "fwe": 50}[c.Params["kind"].(string)]
		if limit == 0 {
			limit = 128
		}
		for i, p := range m.prompts {
			// A unit of filler has at most 100 tokens.
			if n, length := len(p)+limit, c.Params["length"].(int); n > length || n < length-100 {
				t.Errorf("%s: sample %d has %d tokens of %d", c.Label, i, n, length)
			}
			if text := tok.Decode(p); !strings.HasSuffix(text, "is") && !strings.HasSuffix(text, "are") && !strings.HasSuffix(text, "are:") {
				t.Errorf("%s: the prompt ends with %q", c.Label, text[len(text)-40:])
			}
		}
		if out.Metrics["repeat"].Value != 1 || len(out.Notes) > 0 {
			t.Errorf("%s: %+v, notes %q", c.Label, out.Metrics["repeat"], out.Notes)
		}
	}
}

// TestHaystacks hides needles in texts of other kinds: without spaces, without sentences, too
// short.
func TestHaystacks(t *testing.T) {
	for name, text := range map[string]string{
		"Chinese": strings.Repeat("他们在早上去了市场。那里有很多人在买水果和蔬菜。", 3000), "one word": strings.Repeat("x", 1<<18),
		"code": strings.Repeat("func f(x int) int {\n\treturn x + 1\n}\n\n", 4000), "short": "One line.\n", "emoji": strings.Repeat("👩‍👩‍👧 ", 20000),
	} {
		path := filepath.Join(t.TempDir(), "text.txt")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, nil} { // nil: an estimate
			all, m := cases(t, tok, func(p *quality.Params) {
				p.Lengths, p.Samples, p.Kinds = suites.Sizes{3 << 10}, param.Everywhere(4), quality.Kinds{"niah_single_2", "niah_multivalue"}
				p.Haystack.Spec = corpus.Spec{Kind: corpus.KindFiles, Paths: []string{path}}
			})
			for _, c := range all {
				out := measure(t, c, m)
				if out.Metrics["repeat"].Value != 1 {
					t.Errorf("%s: %s: repeat %g", name, c.Label, out.Metrics["repeat"].Value)
				}
				for _, p := range m.texts {
					if n := len(p); !utf8.ValidString(p) || tok != nil && (n > 3<<10-128 || n < 3<<10-128-110) || strings.Count(p, "The secret number of") < len(out.Trials[0].Expected) {
						t.Errorf("%s: %s: a prompt of %d bytes: %q", name, c.Label, n, p[:100])
					}
				}
				if notes := strings.Join(out.Notes, "\n"); (name == "short") != strings.Contains(notes, "it is repeated") {
					t.Errorf("%s: %s: notes %q", name, c.Label, notes)
				}
			}
		}
	}
}

// BenchmarkPrompts makes 500 prompts of 128 Ki tokens of each kind.
func BenchmarkPrompts(b *testing.B) {
	tok := qwen3(b)
	all, m := cases(b, tok, func(p *quality.Params) {
		p.Lengths, p.Samples = suites.Sizes{128 << 10}, param.Everywhere(500)
	})
	for _, c := range all {
		b.Run(c.Params["kind"].(string), func(b *testing.B) {
			for b.Loop() {
				measure(b, c, m)
			}
		})
	}
}
