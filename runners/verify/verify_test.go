package verify

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
)

const golden = "../../testdata/golden"

// folders lists the fixtures.
func folders(t *testing.T) []string {
	t.Helper()
	configs, err := filepath.Glob(filepath.Join(golden, "*", "config.json"))
	if err != nil || len(configs) < 15 {
		t.Fatalf("%d fixtures in %s, want the 4 of the reference and 11 extras (%v)", len(configs), golden, err)
	}
	var dirs []string
	for _, c := range configs {
		dirs = append(dirs, filepath.Dir(c))
	}
	return dirs
}

// TestGolden runs every fixture in every mode, with chunk sizes that divide no text and with
// bfloat16 weights but float32 caches. TestGolden of runners/cpu runs the other types, with the
// default chunk, on every kernel tier and with several threads.
func TestGolden(t *testing.T) {
	options := map[string]runners.Options{
		"chunk 37":     {Threads: 1, PrefillChunk: 37},
		"chunk 300":    {Threads: 1, PrefillChunk: 300},
		"bf16 weights": {Threads: 1, Weights: runners.BF16},
	}
	for _, dir := range folders(t) {
		for name, o := range options {
			t.Run(filepath.Base(dir)+"/"+name, func(t *testing.T) {
				r, err := Verify(t.Context(), dir, cpu.New(), o)
				if err != nil {
					t.Fatal(err)
				}
				if !r.OK() {
					t.Errorf("\n%s", r)
				} else if testing.Verbose() {
					t.Logf("\n%s", r)
				}
			})
		}
	}
}

// The trained models' folders have the same format if training has written expectations.
func TestTrained(t *testing.T) {
	dirs, err := filepath.Glob("../checkpoint/tiny/*/expect.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, expect := range dirs {
		dir := filepath.Dir(expect)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			r, err := Verify(t.Context(), dir, cpu.New(), runners.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK() {
				t.Errorf("\n%s", r)
			}
		})
	}
}

// faulty is a runner whose models have a fault.
type faulty struct {
	runners.Runner
	fault func(runners.Instance) runners.Instance
}

func (f faulty) Load(c runners.Config, w runners.Weights, o runners.Options) (runners.Instance, error) {
	m, err := f.Runner.Load(c, w, o)
	if err != nil {
		return nil, err
	}
	return f.fault(m), nil
}

// wrong is a model that changes results.
type wrong struct {
	runners.Instance
	logits  func(s runners.Sequence, row []float32)
	logprob func(pos int, lp float32, emit func(int, float32))
	inspect func(name string, shape []int, data []float32, emit func(string, []int, []float32))
}

func (w wrong) Step(ctx context.Context, ss []runners.Sequence, tokens []int, logits [][]float32) error {
	err := w.Instance.Step(ctx, ss, tokens, logits)
	if w.logits != nil {
		for i, s := range ss {
			w.logits(s, logits[i])
		}
	}
	return err
}

func (w wrong) Score(ctx context.Context, s runners.Sequence, tokens []int, emit func(int, float32)) error {
	if w.logprob == nil {
		return w.Instance.Score(ctx, s, tokens, emit)
	}
	return w.Instance.Score(ctx, s, tokens, func(pos int, lp float32) { w.logprob(pos, lp, emit) })
}

func (w wrong) Inspect(ctx context.Context, s runners.Sequence, tokens []int, emit func(string, []int, []float32)) error {
	return w.Instance.(runners.Inspector).Inspect(ctx, s, tokens, func(name string, shape []int, data []float32) {
		if w.inspect == nil {
			emit(name, shape, data)
			return
		}
		w.inspect(name, shape, data, emit)
	})
}

// noForks is a model whose Fork returns the sequence itself.
type noForks struct{ runners.Instance }

type shared struct {
	runners.Sequence
	forked bool
}

func (m noForks) NewSequence(n int) (runners.Sequence, error) {
	s, err := m.Instance.NewSequence(n)
	return &shared{Sequence: s}, err
}
func (s *shared) Fork() (runners.Sequence, error) { return &shared{s.Sequence, true}, nil }
func (s *shared) Close() error {
	if s.forked {
		return nil
	}
	return s.Sequence.Close()
}
func inner(s runners.Sequence) runners.Sequence { return s.(*shared).Sequence }

func (m noForks) Prefill(ctx context.Context, s runners.Sequence, tokens []int) error {
	return m.Instance.Prefill(ctx, inner(s), tokens)
}
func (m noForks) Score(ctx context.Context, s runners.Sequence, tokens []int, emit func(int, float32)) error {
	return m.Instance.Score(ctx, inner(s), tokens, emit)
}
func (m noForks) Step(ctx context.Context, ss []runners.Sequence, tokens []int, logits [][]float32) error {
	var in []runners.Sequence
	for _, s := range ss {
		in = append(in, inner(s))
	}
	return m.Instance.Step(ctx, in, tokens, logits)
}

// overfull is a model whose Prefill computes all layers.
type overfull struct{ runners.Instance }

func (m overfull) Prefill(ctx context.Context, s runners.Sequence, tokens []int) error {
	return m.Instance.Score(ctx, s, tokens, func(int, float32) {})
}
func (m overfull) Counts() runners.Counts { return m.Instance.(runners.Counter).Counts() }
func (m overfull) ResetCounts()           { m.Instance.(runners.Counter).ResetCounts() }

// A report detects each fault and attributes it to the modes that have it.
func TestFaultsAreDetected(t *testing.T) {
	nan := float32(math.NaN())
	for name, tt := range map[string]struct {
		fault func(runners.Instance) runners.Instance
		modes string // of the failed checks
		text  string
	}{
		"a NaN logit": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, logits: func(s runners.Sequence, row []float32) {
				if s.Len() == 20 {
					row[3] = nan
				}
			}}
		}, "steps", "NaN"},
		"all logits NaN": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, logits: func(_ runners.Sequence, row []float32) {
				for i := range row {
					row[i] = nan
				}
			}}
		}, "chunks+batch fork greedy prefill+step steps truncate", "greedy id 0 is 0, want"},
		"a small error": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, logits: func(s runners.Sequence, row []float32) {
				if s.Len() == 10 {
					row[0] += 3e-4
				}
			}}
		}, "steps", "position 9, 0"},
		"another greedy id": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, logits: func(s runners.Sequence, row []float32) {
				if s.Len() == 80 {
					row[1] = 100
				}
			}}
		}, "greedy steps", "greedy id 3 is 1, want"},
		"a position twice": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, logprob: func(pos int, lp float32, emit func(int, float32)) {
				emit(pos, lp)
				if pos == 60 {
					emit(pos, lp)
				}
			}}
		}, "prefill+score score", "got position 60, want 61"},
		"a position missing": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, logprob: func(pos int, lp float32, emit func(int, float32)) {
				if pos != 76 {
					emit(pos, lp)
				}
			}}
		}, "prefill+score score", "positions 76 to 76 are missing"},
		"a NaN inside": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, inspect: func(name string, shape []int, data []float32, emit func(string, []int, []float32)) {
				if name == "khat" {
					data[5] = nan
				}
				emit(name, shape, data)
			}}
		}, "inspect", "NaN"},
		"a tensor missing": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, inspect: func(name string, shape []int, data []float32, emit func(string, []int, []float32)) {
				if name != "gret_state.1" {
					emit(name, shape, data)
				}
			}}
		}, "inspect", "t77.gret_state.1: the model did not emit it"},
		"another shape": {func(m runners.Instance) runners.Instance {
			return wrong{Instance: m, inspect: func(name string, shape []int, data []float32, emit func(string, []int, []float32)) {
				if name == "vhat" {
					shape = []int{shape[0], shape[1] * shape[2]}
				}
				emit(name, shape, data)
			}}
		}, "inspect", "t77: has shape [77 32], want [77 2 16]"},
		"forks that share":   {func(m runners.Instance) runners.Instance { return noForks{m} }, "fork", ""},
		"no early exit":      {func(m runners.Instance) runners.Instance { return overfull{m} }, "early exit", "Prefill computed the cross-decoder"},
		"nothing to inspect": {func(m runners.Instance) runners.Instance { return struct{ runners.Instance }{m} }, "", "not checked: this runner"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Verify(t.Context(), filepath.Join(golden, "yoco_gret_A"), faulty{cpu.New(), tt.fault}, runners.Options{Threads: 1})
			if err != nil {
				t.Skip(err) // faults that end in an error are tested below
			}
			modes := map[string]bool{}
			for _, c := range r.Failed() {
				modes[c.Mode] = true
			}
			got := strings.Join(sorted(modes), " ")
			if got != tt.modes || r.OK() != (tt.modes == "") {
				t.Errorf("failed modes %q, want %q\n%s", got, tt.modes, r)
			}
			if !strings.Contains(r.String(), tt.text) {
				t.Errorf("the report does not contain %q:\n%s", tt.text, r)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Verify(t.Context(), dir, cpu.New(), runners.Options{}); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, f := range []string{"config.json", "weights.safetensors", "expect.safetensors"} {
		b, err := os.ReadFile(filepath.Join(golden, "extra_swa_window_one", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ tokens, want string }{
		{`[]`, "tokens.json: json:"},
		{`{}`, "tokens.json: no text"},
		{`{"t2": []}`, "t2 has no ids"},
		{`{"t2": [1, 99]}`, "t2: token 1 is 99, outside the vocabulary of 23"},
		{`{"t3": [1, 2, 3]}`, `no tensor "t3.`},
		{`{"t2": [1, 2, 3]}`, "has shape [2 23], want [3 23] for 3 ids"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "tokens.json"), []byte(tt.tokens), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), dir, cpu.New(), runners.Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("tokens.json of %s: %v, want %s", tt.tokens, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, filepath.Join(golden, "yoco_swa_A"), cpu.New(), runners.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Verify(t.Context(), filepath.Join(golden, "yoco_swa_A"), cpu.New(), runners.Options{MemoryBudget: 1000}); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("a budget of 1000 bytes: %v", err)
	}
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
