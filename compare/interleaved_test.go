package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestSignedRanksAgreesWithCounting enumerates all 2^n outcomes of the coins.
func TestSignedRanksAgreesWithCounting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 5, 9, 11} {
		for _, shift := range []float64{-1, 0, 0.4} {
			x := make([]float64, n)
			for i := range x {
				x[i] = r.NormFloat64() + shift
			}
			limit := 0.1
			sum := func(signs int) (s int) {
				ranks := slices.Clone(x)
				slices.SortFunc(ranks, func(a, b float64) int {
					return map[bool]int{true: 1, false: -1}[math.Abs(a-limit) > math.Abs(b-limit)]
				})
				for i, v := range ranks {
					if (v > limit) != (signs>>i&1 == 1) {
						s += i + 1
					}
				}
				return s
			}
			seen, above, below := sum(0), 0, 0
			for signs := range 1 << n {
				if sum(signs) >= seen {
					above++
				}
				if sum(signs) <= seen {
					below++
				}
			}
			all := float64(int(1) << n)
			e := signedRanks(x, limit, 0.95)
			if math.Abs(e.above-float64(above)/all) > 1e-12 || math.Abs(e.below-float64(below)/all) > 1e-12 {
				t.Errorf("n=%d, shift %v: p %v and %v, want %v and %v", n, shift, e.above, e.below, float64(above)/all, float64(below)/all)
			}
			if (e.lo > limit) != (e.above <= 0.025) || (e.hi < limit) != (e.below <= 0.025) || !(e.lo <= e.estimate && e.estimate <= e.hi) {
				t.Errorf("n=%d, shift %v: %v (%v to %v), p %v and %v", n, shift, e.estimate, e.lo, e.hi, e.above, e.below)
			}
		}
	}
	// Values equal to the limit support neither claim.
	if e := signedRanks(make([]float64, 20), 0, 0.95); e.above != 1 || e.below != 1 || e.lo != 0 || e.hi != 0 {
		t.Errorf("20 zeros: %+v", e)
	}
}

// machine returns the log values of two processes in one round. The first value belongs to the
// process that started first.
type machine func(r *rand.Rand) (first, second float64)

// machines simulates the noise of rounds. Each machine keeps its state between rounds.
var machines = map[string]func() machine{
	"even": func() machine {
		return func(r *rand.Rand) (float64, float64) { return 0.01 * r.NormFloat64(), 0.01 * r.NormFloat64() }
	},
	"pareto": func() machine {
		noise := func(r *rand.Rand) float64 { return 0.01 * (math.Pow(r.Float64(), -1/0.9) - 1) }
		return func(r *rand.Rand) (float64, float64) { return noise(r), noise(r) }
	},
	// The first process is always slower, and bursts of other load last for many rounds and mostly
	// affect one of the two.
	"bursts": func() machine {
		busy := 0
		return func(r *rand.Rand) (float64, float64) {
			if busy--; busy < -20 && r.Float64() < 0.2 {
				busy = 1 + r.IntN(20)
			}
			a, b := 0.03+0.004*r.NormFloat64(), 0.004*r.NormFloat64()
			if busy > 0 {
				a += 0.1 * r.Float64() * r.Float64()
				b += 0.02 * r.Float64()
			}
			return a, b
		}
	},
}

// rounds draws n log ratios new/base of programs with this ratio.
func (m machine) rounds(r *rand.Rand, n int, ratio float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		a, b := m(r)
		if x[i] = a - b; r.IntN(2) == 0 {
			x[i] = -x[i]
		}
		x[i] += math.Log(ratio)
	}
	return x
}

// trialOf tests claims at every interim analysis, as yocobench ab does, until each is decided. It
// returns the worst verdict and the number of rounds.
func trialOf(t *testing.T, limit string, claims [][]float64) (Verdict, int) {
	t.Helper()
	g := gates(t, limit)[0]
	e := make([]evidence, len(claims))
	for i := range e {
		e[i] = evidence{above: 1, below: 1}
	}
	v := Undecided
	for _, n := range interimAnalyses {
		j := &Judgement{Gates: []GateVerdict{{Gate: g}}}
		for i, x := range claims {
			above, below := signedRankP(x[:n], math.Log(g.Value))
			e[i].above, e[i].below = min(e[i].above, above*float64(len(interimAnalyses))), min(e[i].below, below*float64(len(interimAnalyses)))
			j.Gates[0].Cases = append(j.Gates[0].Cases, CaseVerdict{e: e[i]})
		}
		j.decide()
		v = Unjudged
		for _, c := range j.Gates[0].Cases {
			v = worse(v, c.Verdict)
		}
		if v != Undecided {
			return v, n
		}
	}
	return v, MaxRounds()
}

// TestInterleavedErrorRate tests six claims at every interim analysis. Programs at the limit must
// be reported as regressed with probability at most (1-C)/2 under any noise, and equal programs
// hardly ever.
func TestInterleavedErrorRate(t *testing.T) {
	const tail, claims = 0.025, 6
	runs := many(1500)
	for name, make := range machines {
		r := rand.New(rand.NewPCG(5, 8))
		var atLimit, equal, passed, naive int
		for range runs {
			draw := func(ratio float64) (all [][]float64) {
				for range claims {
					all = append(all, make().rounds(r, MaxRounds(), ratio))
				}
				return all
			}
			x := draw(1.025)
			if v, _ := trialOf(t, "prefill.ttft <= 1.025x baseline", x); v == Regressed {
				atLimit++
			}
			for _, n := range interimAnalyses {
				if above, _ := signedRankP(x[0][:n], math.Log(1.025)); above <= tail {
					naive++
					break
				}
			}
			one := [][]float64{make().rounds(r, MaxRounds(), 1.025)}
			if v, _ := trialOf(t, "prefill.ttft <= 1.025x baseline", one); v == Passed {
				passed++
			}
			if v, _ := trialOf(t, "prefill.ttft <= 1.025x baseline", draw(1)); v == Regressed {
				equal++
			}
		}
		share := func(n int) float64 { return float64(n) / float64(runs) }
		t.Logf("%-7s at the limit %.4f regressed, %.4f passed; equal programs %.4f regressed; testing after every round %.4f", name, share(atLimit), share(passed), share(equal), share(naive))
		if most := tail + margin(tail, runs); share(atLimit) > most || share(passed) > most || share(equal) > most {
			t.Errorf("%s: too many false verdicts", name)
		}
		if share(naive) < 0.05 {
			t.Errorf("%s: testing after every round errs in only %.4f, so the simulation does not exercise the problem", name, share(naive))
		}
	}
}

// TestSequentialIsMonotonic checks that a verdict stays once reached, that more rounds never widen
// the interval, and that there is no verdict before the first interim analysis.
func TestSequentialIsMonotonic(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for range 5 {
		x := machines["bursts"]().rounds(r, 50, 1.03)
		last := sequential(x[:interimAnalyses[0]-1], 0, 0.95, signedRanks)
		if last.above != 1 || last.below != 1 || !math.IsInf(last.hi, 1) || last.need != interimAnalyses[0] {
			t.Fatalf("before the first interim analysis: %+v", last)
		}
		for n := interimAnalyses[0]; n <= len(x); n++ {
			e := sequential(x[:n], 0, 0.95, signedRanks)
			if e.above > last.above || e.below > last.below || e.lo < last.lo || e.hi > last.hi {
				t.Fatalf("%d rounds: %+v after %+v", n, e, last)
			}
			if !IsInterimAnalysis(n) && (e.above != last.above || e.lo != last.lo) {
				t.Fatalf("%d rounds: tested outside the schedule", n)
			}
			last = e
		}
		// Combine the analyses as the simulations do.
		for n, above := 0, 1.0; n < 10; n++ {
			if p, _ := signedRankP(x[:min(interimAnalyses[n], len(x))], 0); interimAnalyses[n] <= len(x) {
				above = min(above, p*float64(len(interimAnalyses)))
			}
			if n == 9 && math.Abs(above-last.above) > 1e-12 {
				t.Fatalf("p %v, from its analyses %v", last.above, above)
			}
		}
	}
}

func TestBestDecile(t *testing.T) {
	times := []float64{9, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	if got := bestDecile(times, result.Lower); got != 1.5 {
		t.Errorf("times: %v, want the mean of 1 and 2", got)
	}
	if got := bestDecile(times, result.Higher); got != 19.5 {
		t.Errorf("speeds: %v, want the mean of 19 and 20", got)
	}
	if got := bestDecile([]float64{3, 2}, result.Lower); got != 2 {
		t.Errorf("two times: %v", got)
	}
}

// journalsOfRounds returns the journals of one side, one per round.
func journalsOfRounds(seed uint64, rounds int, speed float64) (out []*result.Journal) {
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range rounds {
		m := newMaker()
		m.seed, m.speed, m.n, m.noise = seed*1000+uint64(i), speed*math.Exp(0.005*r.NormFloat64()), 20, 0.01
		out = append(out, m.journal())
	}
	return out
}

func TestJudgeInterleaved(t *testing.T) {
	base := journalsOfRounds(1, 15, 1)
	for _, c := range []struct {
		gate  string
		speed float64
		n     int
		want  Verdict
		line  string
	}{
		{"prefill.tps >= 0.97x baseline", 1, 15, Passed, "4 cases passed"},
		{"prefill.ttft <= 1.03x baseline", 0.9, 15, Regressed, "n=15 rounds, p<0.001"},
		{"prefill.tps >= 0.97x baseline", 0.9, 9, Undecided, "about 10 rounds would decide"},
		{"prefill.tps >= 1x baseline", 1, 15, Undecided, "too close to the limit to decide"},
		{"yoco-gret.prefill.tps >= 4x transformer @ 16Ki", 1, 15, Passed, "over tiny-transformer: "},
		{"yoco-gret.prefill.tps >= 6x transformer @ 16Ki", 1, 15, Regressed, "n=15 rounds"},
		{"yoco-gret.prefill.ttft <= 60ms @ 4Ki", 1, 15, Passed, "n=15 rounds"},
		{"transformer.prefill.ttft <= 60ms @ 4Ki", 1, 15, Regressed, "n=15 rounds"},
		{"yoco-gret.needle.exact >= 0.8", 1, 15, Passed, "n=20"},
		{"kv.total <= 1x baseline", 1, 15, Passed, "4 cases passed"},
	} {
		j := Judge(gates(t, c.gate), NewInterleaved("new", journalsOfRounds(2, c.n, c.speed)), NewInterleaved("base", base[:c.n]))
		text := strings.Join(j.Gates[0].Lines(), "\n")
		if j.Verdict != c.want || !strings.Contains(text, c.line) {
			t.Errorf("%s at %v: %s, want %s with %q:\n%s", c.gate, c.speed, j.Verdict, c.want, c.line, text)
		}
		if want := c.want == Undecided; (len(j.Open()) > 0) != want {
			t.Errorf("%s: %d cases are open", c.gate, len(j.Open()))
		}
		for _, k := range j.Gates[0].Cases {
			if k.Rounds && len(k.Figures) != c.n {
				t.Errorf("%s: %d figures of %d rounds", c.gate, len(k.Figures), c.n)
			}
		}
	}
}

func TestInterleavedReports(t *testing.T) {
	j := Judge(gates(t, "prefill.ttft <= 1.03x baseline @ 4Ki", "prefill.tps >= 1x baseline @ 16Ki", "pooled needle.exact >= 0.8", "kv.total <= 1x baseline @ 4Ki", "nll.bits_per_byte <= 1x baseline", "yoco-gret.prefill.ttft <= 60ms @ 4Ki"),
		NewInterleaved("new", journalsOfRounds(2, 15, 0.9)), NewInterleaved("base", journalsOfRounds(1, 15, 1)))
	m := &Interleaved{Base: "v1|0", New: "this program", Rounds: 15, Seconds: 21.7, Gates: j}
	for range 15 {
		m.First = append(m.First, "base")
	}
	var b strings.Builder
	if err := m.Text(&b, 100); err != nil {
		t.Fatal(err)
	}
	golden(t, "interleaved.txt", []byte(b.String()))
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(line)); n > 101 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	b.Reset()
	if err := m.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "interleaved.md", []byte(b.String()))
	b.Reset()
	if err := m.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Interleaved
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back.Gates.Verdict != Regressed || len(back.Gates.Gates[0].Cases[0].Figures) != 15 {
		t.Errorf("%v: read back as %s", err, fmt.Sprint(back))
	}
}
