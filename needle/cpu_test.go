package needle

import (
	"math"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// smallConfig returns the config of a fast model.
func smallConfig(arch runners.Arch) runners.Config {
	return runners.Shape{Name: "small", Dim: 32, Layers: 4, FFN: 48, Vocab: 256, Heads: 4, KVHeads: 2, HeadDim: 8,
		RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(arch, 2, 24).Config()
}

// TestShareOnCPU checks on the CPU runner that trials that share a prefix by forks give the same
// results as separate trials, up to rounding, because chunks of other sizes sum in a different
// order.
func TestShareOnCPU(t *testing.T) {
	for _, arch := range runners.Arches() {
		cfg := smallConfig(arch)
		m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), runners.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			trials := func(share bool) (all []result.Trial) {
				p := Task{}.Params().(*Params)
				p.Kind, p.Lengths, p.Trials, p.Share = kind, suites.Sizes{700}, param.Everywhere(3), share
				if kind == Single || kind == MultiKey {
					p.Depths = Depths{At: evenly(3)}
				}
				cases, err := Task{}.Plan(&suites.Planner{Seed: 7}, suites.Local("small", cfg), p)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range cases {
					all = append(all, runCase(t, c, m).Trials...)
				}
				return all
			}
			shared, alone := trials(true), trials(false)
			for i := range alone {
				if shared[i].Answer != alone[i].Answer || shared[i].Tokens != alone[i].Tokens {
					t.Errorf("%s %s trial %d: shared %q, alone %q", arch, kind, i, shared[i].Answer, alone[i].Answer)
				}
				if math.Abs(shared[i].LogProb-alone[i].LogProb) > 1e-3 {
					t.Errorf("%s %s trial %d: log-probability shared %g, alone %g", arch, kind, i, shared[i].LogProb, alone[i].LogProb)
				}
			}
		}
		if u := m.Usage(); u.Cache() != 0 {
			t.Errorf("%s: %d bytes of caches left", arch, u.Cache())
		}
		m.Close()
	}
}

// TestBudgetOfOneSequence checks that, with a memory budget for one sequence but not two, the
// answers are the same and a note says that nothing was shared.
func TestBudgetOfOneSequence(t *testing.T) {
	cfg := smallConfig(runners.Transformer)
	var want string
	for _, sequences := range []int{4, 1} {
		load := runners.Options{Threads: 1}
		if sequences == 1 {
			m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), load)
			if err != nil {
				t.Fatal(err)
			}
			// The weights, the workspace after a first case, and one and a half sequences.
			s, err := m.NewSequence(1000)
			if err == nil {
				err = m.Prefill(t.Context(), s, make([]int, 999))
			}
			if err == nil {
				err = m.Step(t.Context(), []runners.Sequence{s}, []int{0}, [][]float32{make([]float32, 256)})
			}
			if err != nil {
				t.Fatal(err)
			}
			u := m.Usage()
			load.MemoryBudget = u.Total() + u.Cache()/2
			s.Close()
			m.Close()
		}
		m, err := cpu.New().Load(cfg, checkpoint.Random(cfg, 1, runners.F32), load)
		if err != nil {
			t.Fatal(err)
		}
		p := Task{}.Params().(*Params)
		p.Lengths, p.Depths, p.Haystacks = suites.Sizes{1000}, Depths{At: []float64{0.9}}, 1
		cases, err := Task{}.Plan(&suites.Planner{Seed: 7}, suites.Local("small", cfg), p)
		if err != nil {
			t.Fatal(err)
		}
		r := runCase(t, cases[0], m)
		answers := ""
		for _, tr := range r.Trials {
			answers += tr.Answer + "|"
		}
		if sequences == 4 {
			want = answers
		} else if answers != want || !strings.Contains(strings.Join(r.Notes, "\n"), "prefilled separately") {
			t.Errorf("answers %q, want %q; notes %q", answers, want, r.Notes)
		}
		m.Close()
	}
}
