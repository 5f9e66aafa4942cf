package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

func TestJudge(t *testing.T) {
	m := newMaker()
	base := side("base", m.runs(6)...)
	m.seed, m.speed = 2, 0.9
	slow := side("slow", m.runs(6)...)
	m.speed = 1
	same := side("same", m.runs(6)...)
	few := side("few", m.runs(3)...)
	one := side("one", m.journal())
	m.speed = 0.5
	half := side("half", m.journal())
	m.speed, m.n = 1, 3
	short := side("short", m.journal())
	for _, c := range []struct {
		gate            string
		candidate, base *Side
		want            Verdict
		line            string
	}{
		{"prefill.tps >= 0.95x baseline", same, base, Passed, "4 cases passed, the closest"},
		{"prefill.tps >= 0.95x baseline", slow, base, Regressed, "n=6 runs, p=0.001"},
		{"prefill.ttft <= 1.05x baseline", slow, base, Regressed, "prefill 4Ki: 1.11x"},
		{"prefill.tps >= 1x baseline", same, base, Undecided, "runs on each side would decide"},
		{"prefill.tps >= 0.95x baseline", few, base, Passed, "n=3 runs"},
		{"prefill.tps >= 0.95x baseline", few, few, Undecided, "about 4 runs on each side"},
		// One run on a side never supports a verdict.
		{"prefill.tps >= 0.95x baseline", one, base, Undecided, "n=1 run; about 4 runs on each side would decide"},
		{"prefill.tps >= 0.95x baseline", half, base, Undecided, "n=1 run; about 4 runs on each side would decide"},
		{"prefill.ttft <= 1.05x baseline", half, one, Undecided, "n=1 run; about 4 runs on each side would decide"},
		{"prefill.tps >= 0.1x baseline", base, one, Undecided, "n=1 run; about 4 runs on each side would decide"},
		{"kv.total <= 1x baseline", one, base, Passed, "4 cases passed"},
		{"pooled needle.exact >= 0.8x baseline", one, base, Passed, "2 cases: 1.00x"},
		{"nll.nll <= 1.01x baseline", one, base, Passed, "1.00x"},
		{"prefill.tps >= 0.95x baseline", same, nil, Unjudged, "needs a baseline"},
		{"prefill.ttft <= 250ms @ 4Ki", same, nil, Regressed, "tiny-transformer prefill 4Ki: 25"},
		{"yoco-gret.prefill.ttft <= 250ms @ 4Ki", same, nil, Passed, "50."},
		{"prefill.ttft <= 250ms", short, nil, Undecided, "about 6 samples would decide"},
		{"prefill.ttft <= 1GiB", same, nil, Broken, "ttft is in s, the gate in bytes"},
		{"yoco-gret.prefill.tps >= 4x transformer @ 16Ki", same, nil, Passed, "over tiny-transformer: "},
		{"prefill.tps >= 4x transformer @ 16Ki", same, nil, Passed, "over tiny-transformer: "},
		{"yoco-gret.prefill.tps >= 6x transformer @ 16Ki", same, nil, Regressed, "n=6 runs"},
		{"yoco-gret.prefill.tps >= 6x transformer", same, nil, Undecided, "not after correction for 2 claims; about 7 runs would decide"},
		{"yoco-gret.prefill.tps >= 6x transformer", one, nil, Regressed, "over tiny-transformer: "},
		{"yoco-gret.prefill.tps >= 4x transformer @ 16Ki", one, nil, Passed, "n=10"},
		{"yoco-gret.prefill.tps >= 4.95x transformer @ 16Ki", one, nil, Undecided, "about 6 runs would decide"},
		{"yoco-gret.prefill.tps >= 4x transformer @ 16Ki", short, nil, Undecided, "about 4 samples would decide"},
		{"yoco-gret.prefill.tps >= 4x yoco-swa", same, nil, Broken, "no case of yoco-swa has the same parameters"},
		{"transformer.kv.total >= 5x tiny-yoco-*", same, nil, Passed, "5.00x"},
		{"kv.total <= 1x baseline", same, base, Passed, "4 cases passed"},
		{"kv.total <= 0.99x baseline", same, base, Regressed, "1.00x"},
		{"kv.total <= 20MiB @ 4Ki", same, nil, Passed, "20.00 MiB"},
		{"yoco-gret.needle.exact >= 0.8", same, nil, Passed, "1.000 (0.832 to 1.000), n=20"},
		{"needle.exact >= 0.8", same, nil, Undecided, "questions would decide"},
		{"pooled yoco-gret.needle.exact >= 90%", same, nil, Passed, "2 cases: 1.000 (0.912"},
		{"pooled needle.exact >= 0.8x baseline", same, base, Passed, "the closest tiny-transformer 2 cases: 1.00x"},
		{"pooled prefill.tps >= 1", same, nil, Broken, "correct and wrong answers"},
		{"nll.nll <= 1.01x baseline", same, base, Passed, "1.00x"},
		{"nll.nll <= 1.2", same, nil, Passed, "n=12"},
		{"nll.nll <= 0.8", same, nil, Regressed, "n=12"},
		{"nll.bits_per_byte <= 1.6", same, nil, Passed, "1.41"},
		{"nll.bits_per_byte <= 1x baseline", same, base, Broken, "no testable ratio"},
		{"nll.ppl <= 3", same, nil, Broken, "it has no metric ppl, but bits_per_byte, nll"},
		{"nll.nll <= 3 @ 1Ki", same, nil, Broken, "no case matches it"},
	} {
		j := Judge(gates(t, c.gate), c.candidate, c.base)
		text := strings.Join(j.Gates[0].Lines(), "\n")
		if j.Verdict != c.want || !strings.Contains(text, c.line) {
			t.Errorf("%s: %s, want %s with %q:\n%s", c.gate, j.Verdict, c.want, c.line, text)
		}
	}
}

func TestJudgeMissing(t *testing.T) {
	m := newMaker()
	base := m.journal()
	candidate := m.journal()
	candidate.Records[1].Status, candidate.Records[1].Reason, candidate.Records[1].Metrics = result.Failed, "panic", nil
	j := Judge(gates(t, "kv.total <= 2x baseline"), side("b", candidate), side("a", base))
	if j.Verdict != Broken || !strings.Contains(strings.Join(j.Gates[0].Lines(), "\n"), "failed: panic") {
		t.Errorf("%s %q", j.Verdict, j.Gates[0].Lines())
	}
	base.Records[1].Status, base.Records[1].Metrics = result.Failed, nil
	if j = Judge(gates(t, "kv.total <= 2x baseline"), side("b", candidate), side("a", base)); j.Verdict != Passed {
		t.Errorf("failed on both sides: %s", j.Verdict)
	}
	candidate.Records = candidate.Records[3:]
	if j = Judge(gates(t, "kv.total <= 2x baseline"), side("b", candidate), side("a", m.journal())); j.Verdict != Broken {
		t.Errorf("gone: %s", j.Verdict)
	}
	candidate.Runs[0].Filter = []string{"length=16Ki"}
	if j = Judge(gates(t, "kv.total <= 2x baseline"), side("b", candidate), side("a", m.journal())); j.Verdict != Passed {
		t.Errorf("filtered: %s", j.Verdict)
	}
	if j = Judge(gates(t, "throughput.tps >= 1"), side("b", candidate), nil); j.Verdict != Unjudged {
		t.Errorf("filtered away: %s", j.Verdict)
	}
}

// TestManyGatesErrorRate checks that, however many gates and cases are judged, a run without a
// regression is reported as regressed with probability at most (1-C)/2.
func TestManyGatesErrorRate(t *testing.T) {
	const cases, tail = 20, 0.025
	runs := many(600)
	r := rand.New(rand.NewPCG(17, 17))
	g := gates(t, "prefill.tps >= 0.95x baseline", "prefill.ttft <= 1s")
	regressed, alone := 0, 0
	for range runs {
		runOf := func(speed float64) *Side {
			var js []*result.Journal
			for range 8 {
				j := &result.Journal{}
				for i := range cases {
					j.Records = append(j.Records, record("prefill", string(rune('a'+i)), "yoco-gret", "prefill", nil, map[string]result.Metric{
						"tps":  metric("tokens/s", result.Higher, draw(r, noises["neighbour"], 1, speed)),
						"ttft": metric("s", result.Lower, draw(r, noises["even"], 1, 1))}))
				}
				js = append(js, j)
			}
			return side("x", js...)
		}
		j := Judge(g, runOf(0.95), runOf(1))
		if j.Claims != 2*cases {
			t.Fatalf("%d claims", j.Claims)
		}
		if j.Verdict == Regressed {
			regressed++
		}
		for _, c := range j.Gates[0].Cases {
			if *c.P <= tail {
				alone++
				break
			}
		}
	}
	t.Logf("%.4f of runs were reported as regressed; without correction it would be more than %.2f", float64(regressed)/float64(runs), float64(alone)/float64(runs))
	if rate := float64(regressed) / float64(runs); rate > tail+margin(tail, runs) {
		t.Errorf("%.4f of runs were reported as regressed", rate)
	}
}

// shifts simulates machines that vary from run to run. Each function returns the state of the next
// run: a factor of its times.
var shifts = map[string]func(*rand.Rand) func() float64{
	"shifts": func(r *rand.Rand) func() float64 {
		return func() float64 { return math.Exp(0.04 * r.NormFloat64()) }
	},
	"tails": func(r *rand.Rand) func() float64 {
		return func() float64 { return noises["cauchy"](r) * noises["pareto"](r) }
	},
	// The machine drifts from run to run, and other load lasts for some of the runs.
	"drift": func(r *rand.Rand) func() float64 {
		run, busy := 0.0, 0.0
		return func() float64 {
			if run++; r.Float64() < 0.3 {
				busy = 0.5 * r.Float64() * r.Float64()
			}
			return math.Exp(0.02*run + busy + 0.01*r.NormFloat64())
		}
	},
}

// TestRunsErrorRate compares equal programs on a machine that varies from run to run. For any
// number of runs, a gate at the limit must regress or pass with probability at most (1-C)/2 each,
// and a comparison must find a difference with probability at most alpha. A single run on a side
// must decide nothing. If samples within runs counted as independent, most pairs of single runs
// would differ.
func TestRunsErrorRate(t *testing.T) {
	const tail, samples = 0.025, 12
	runs := many(500)
	for name, machine := range shifts {
		for _, sides := range [][2]int{{1, 1}, {1, 40}, {2, 8}, {3, 3}, {4, 4}, {6, 6}} {
			r := rand.New(rand.NewPCG(19, uint64(sides[0]+100*sides[1])))
			var regressed, passed, differs, naive int
			for range runs {
				state := machine(r)
				var js [2][]*result.Journal
				var all [2][]float64
				for _, k := range order(r, sides) {
					s := draw(r, noises["even"], samples, state())
					all[k] = append(all[k], s...)
					js[k] = append(js[k], &result.Journal{Records: []result.Record{record("prefill", "m", "yoco-gret", "prefill", nil,
						map[string]result.Metric{"ttft": metric("s", result.Lower, s)})}})
				}
				candidate, base := side("new", js[0]...), side("base", js[1]...)
				switch Judge(gates(t, "prefill.ttft <= 1x baseline"), candidate, base).Verdict {
				case Regressed:
					regressed++
				case Passed:
					passed++
				}
				if Compare(base, candidate, Options{}).Count(Unknown) == 0 {
					differs++
				}
				if ratioAgainst(all[0], all[1], 1, 0.95).above <= tail {
					naive++
				}
			}
			share := func(n int) float64 { return float64(n) / float64(runs) }
			t.Logf("%-6s %d and %2d runs: %.4f regressed, %.4f passed, %.4f differ; by samples %.3f would regress", name, sides[0], sides[1], share(regressed), share(passed), share(differs), share(naive))
			if most := tail + margin(tail, runs); !(share(max(regressed, passed)) <= most) || !(share(differs) <= 2*tail+margin(2*tail, runs)) {
				t.Errorf("%s, %d and %d runs: %d regressed, %d passed, %d differ of %d", name, sides[0], sides[1], regressed, passed, differs, runs)
			}
			if sides[0] == 1 && regressed+passed+differs > 0 {
				t.Errorf("%s: single runs gave %d verdicts", name, regressed+passed+differs)
			}
			if sides == [2]int{1, 1} && !(share(naive) > 0.2) {
				t.Errorf("%s: by samples only %.3f regress, so the simulation does not exercise the problem", name, share(naive))
			}
		}
	}
}

// order returns the sequence of sides. Equal numbers of runs alternate, with a coin deciding the
// order of each pair; otherwise the runs are shuffled.
func order(r *rand.Rand, sides [2]int) (out []int) {
	if sides[0] != sides[1] {
		out = make([]int, sides[0]+sides[1])
		for i := range sides[1] {
			out[i] = 1
		}
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	}
	for range sides[0] {
		first := r.IntN(2)
		out = append(out, first, 1-first)
	}
	return out
}

// TestRunsCatchSlowdowns checks that six runs of each side detect a slowdown of a fifth on a
// machine that varies by 4 %.
func TestRunsCatchSlowdowns(t *testing.T) {
	const runs = 300
	r := rand.New(rand.NewPCG(3, 4))
	shift := func(r *rand.Rand) float64 { return math.Exp(0.04 * r.NormFloat64()) }
	caught := 0
	for range runs {
		x, y := draw(r, shift, 6, 1.2), draw(r, shift, 6, 1)
		if runsAgainst(x, y, 1.03, 0.95).above <= 0.025 {
			caught++
		}
	}
	t.Logf("caught %d of %d", caught, runs)
	if caught < 280 {
		t.Errorf("caught %d of %d", caught, runs)
	}
}

// TestInsideRunsErrorRate compares two equal models within the same runs. From six runs on, the
// error rate of a ratio must match the confidence, however much stretches of a run vary. Fewer runs
// have no guaranteed rate; requiring fully separated samples errs less often than a rank test.
func TestInsideRunsErrorRate(t *testing.T) {
	const tail, samples = 0.025, 12
	runs := many(600)
	for name, machine := range shifts {
		for _, n := range []int{1, 3, 6, 9} {
			r := rand.New(rand.NewPCG(31, uint64(n)))
			var above, below, naive int
			for range runs {
				var js []*result.Journal
				var all [2][]float64
				for range n {
					state := machine(r)
					j := &result.Journal{}
					first := r.IntN(2) // the model that is measured first
					for _, k := range []int{first, 1 - first} {
						at := state()
						s := draw(r, func(r *rand.Rand) float64 { return math.Exp(0.1 * r.NormFloat64()) }, samples, at)
						all[k] = append(all[k], s...)
						j.Records = append(j.Records, record("prefill", []string{"one", "two"}[k], "yoco-gret", "prefill", nil,
							map[string]result.Metric{"ttft": metric("s", result.Lower, s)}))
					}
					js = append(js, j)
				}
				c := Judge(gates(t, "one.prefill.ttft <= 1x two"), side("run", js...), nil).Gates[0].Cases[0]
				if c.e.above <= tail {
					above++
				}
				if c.e.below <= tail {
					below++
				}
				if e := ratioAgainst(all[0], all[1], 1, 0.95); min(e.above, e.below) <= tail {
					naive++
				}
			}
			share := func(n int) float64 { return float64(n) / float64(runs) }
			t.Logf("%-6s %d runs: %.4f above, %.4f below; by samples %.3f", name, n, share(above), share(below), share(naive))
			most := tail + margin(tail, runs)
			if n < 6 {
				most = share(naive) / 2
			}
			if !(share(max(above, below)) <= most) {
				t.Errorf("%s, %d runs: %d above and %d below of %d", name, n, above, below, runs)
			}
		}
	}
}

func TestConfidence(t *testing.T) {
	m := newMaker()
	base := side("a", m.runs(5)...)
	m.seed, m.speed = 2, 0.5
	candidate := side("b", m.runs(5)...)
	g := gates(t, "tiny-transformer.prefill.tps >= 0.9x baseline @ 4Ki")
	// Two sides of 5 fully separated runs: p = 1/252, below (1 - .95)/2 but not below (1 - .999)/2.
	for confidence, want := range map[float64]Verdict{gate.DefaultConfidence: Regressed, 0.999: Undecided} {
		g[0].Confidence = confidence
		if j := Judge(g, candidate, base); j.Verdict != want {
			t.Errorf("at %v: %s, want %s", confidence, j.Verdict, want)
		}
	}
}

// TestJudgeByTheInterval checks gates on metrics whose intervals their task computes: differences
// of paired scores, and estimates.
func TestJudgeByTheInterval(t *testing.T) {
	diff := func(lo, hi float64, samples ...float64) result.Metric {
		return result.Metric{Value: meanOf(samples).mean, Unit: "fraction", Better: result.Higher, Samples: samples}.Interval(lo, hi, 0.95, "newcombe")
	}
	tokens := func(value, hi float64) result.Metric {
		return result.Metric{Value: value, Unit: "tokens", Better: result.Higher}.Interval(value, hi, 0.95, "bets")
	}
	tasks := result.Tasks{{Name: "t", Metrics: []result.MetricInfo{
		{Name: "diff", Unit: "fraction", Better: result.Higher, Kind: result.Mean}, {Name: "bound", Unit: "tokens", Better: result.Higher, Kind: result.Estimate}}}}
	for _, c := range []struct {
		m    result.Metric
		gate string
		want Verdict
	}{
		// Six equal differences are no proof, although Student's interval has no width.
		{diff(-0.39, 0.39, 0, 0, 0, 0, 0, 0), "t.diff >= -20%", Undecided},
		{diff(-0.39, 0.39, 0, 0, 0, 0, 0, 0), "t.diff >= 20%", Undecided},
		{diff(-0.39, 0.39, 0, 0, 0, 0, 0, 0), "t.diff >= -40%", Passed},
		{diff(-0.39, 0.39, 0, 0, 0, 0, 0, 0), "t.diff <= -40%", Regressed},
		// Student's interval is wider here.
		{diff(-0.3, 0.1, 0, -1, 0, 0, 0, 0), "t.diff >= -40%", Undecided},
		// An estimate with its own interval; a bound at the limit meets the gate.
		{tokens(512, 1024), "t.bound >= 512", Passed},
		{tokens(512, 1024), "t.bound >= 1024", Undecided},
		{tokens(512, 1024), "t.bound >= 2048", Regressed},
		{tokens(512, 1024), "t.bound <= 1024", Passed},
		{tokens(512, 1024), "t.bound <= 512", Undecided},
		{tokens(512, 1024), "t.bound <= 256", Regressed},
		{tokens(0, 0), "t.bound >= 512", Regressed},
	} {
		name := strings.Split(strings.Fields(c.gate)[0], ".")[1]
		r := record("t", "m", "transformer", "t", map[string]any{}, map[string]result.Metric{name: c.m})
		j := Judge(gates(t, c.gate), side("a", &result.Journal{Runs: []result.Run{{Tasks: tasks}}, Records: []result.Record{r}}), nil)
		if j.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %s", c.gate, j.Verdict, c.want, strings.Join(j.Gates[0].Lines(), "\n"))
		}
	}
}
