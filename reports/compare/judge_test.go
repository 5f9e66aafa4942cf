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
	base := side("base", m.journal())
	m.seed, m.speed = 2, 0.9
	slow := side("slow", m.journal())
	m.speed = 1
	same := side("same", m.journal())
	m.n = 3
	few := side("few", m.journal())
	for _, c := range []struct {
		gate        string
		fresh, base *Side
		want        Verdict
		line        string
	}{
		{"prefill.tps >= 0.95x baseline", same, base, Passed, "4 cases passed, the closest"},
		{"prefill.tps >= 0.95x baseline", slow, base, Regressed, "p<0.001"},
		{"prefill.ttft <= 1.05x baseline", slow, base, Regressed, "prefill 4Ki: 1.10x"},
		{"prefill.tps >= 1x baseline", same, base, Undecided, "samples on each side would decide"},
		{"prefill.tps >= 0.95x baseline", few, base, Passed, "n=3"},
		{"prefill.tps >= 0.95x baseline", few, few, Undecided, "about 4 samples on each side"},
		{"prefill.tps >= 0.95x baseline", same, nil, Unjudged, "needs a baseline"},
		{"prefill.ttft <= 250ms @ 4Ki", same, nil, Regressed, "tiny-transformer prefill 4Ki: 25"},
		{"yoco-gret.prefill.ttft <= 250ms @ 4Ki", same, nil, Passed, "50."},
		{"prefill.ttft <= 250ms", few, nil, Undecided, "about 6 samples would decide"},
		{"prefill.ttft <= 1GiB", same, nil, Broken, "ttft is in s, the gate in bytes"},
		{"yoco-gret.prefill.tps >= 4x transformer @ 16Ki", same, nil, Passed, "over tiny-transformer: "},
		{"prefill.tps >= 4x transformer @ 16Ki", same, nil, Passed, "over tiny-transformer: "},
		{"yoco-gret.prefill.tps >= 6x transformer", same, nil, Regressed, "over tiny-transformer: "},
		{"yoco-gret.prefill.tps >= 4x yoco-swa", same, nil, Broken, "no case of yoco-swa has the same parameters"},
		{"transformer.kv.total >= 5x tiny-yoco-*", same, nil, Passed, "5.00x"},
		{"kv.total <= 1x baseline", same, base, Passed, "4 cases passed"},
		{"kv.total <= 0.99x baseline", same, base, Regressed, "1.00x"},
		{"kv.total <= 20MiB @ 4Ki", same, nil, Passed, "20.00 MiB"},
		{"yoco-gret.needle.exact >= 0.8", same, nil, Passed, "1.000 (0.832 to 1.000), n=20"},
		{"needle.exact >= 0.8", same, nil, Undecided, "questions would decide"},
		{"pooled yoco-gret.needle.exact >= 90%", same, nil, Passed, "2 cases: 1.000 (0.912"},
		{"pooled needle.exact >= 0.8x baseline", same, base, Passed, "the closest tiny-transformer 2 cases: 1.00x"},
		{"pooled prefill.tps >= 1", same, nil, Broken, "right and wrong answers"},
		{"nll.nll <= 1.01x baseline", same, base, Passed, "1.00x"},
		{"nll.nll <= 1.2", same, nil, Passed, "n=12"},
		{"nll.nll <= 0.8", same, nil, Regressed, "n=12"},
		{"nll.bits_per_byte <= 1.6", same, nil, Passed, "1.41"},
		{"nll.bits_per_byte <= 1x baseline", same, base, Broken, "no ratio that could be tested"},
		{"nll.ppl <= 3", same, nil, Broken, "it has no metric ppl, but bits_per_byte, nll"},
		{"nll.nll <= 3 @ 1Ki", same, nil, Broken, "no case matches it"},
	} {
		j := Judge(gates(t, c.gate), c.fresh, c.base)
		text := strings.Join(j.Gates[0].Lines(), "\n")
		if j.Verdict != c.want || !strings.Contains(text, c.line) {
			t.Errorf("%s: %s, want %s with %q:\n%s", c.gate, j.Verdict, c.want, c.line, text)
		}
	}
}

func TestJudgeMissing(t *testing.T) {
	m := newMaker()
	base := m.journal()
	fresh := m.journal()
	fresh.Records[0].Status, fresh.Records[0].Reason, fresh.Records[0].Metrics = result.Failed, "panic", nil
	j := Judge(gates(t, "prefill.tps >= 0.5x baseline"), side("b", fresh), side("a", base))
	if j.Verdict != Broken || !strings.Contains(strings.Join(j.Gates[0].Lines(), "\n"), "failed: panic") {
		t.Errorf("%s %q", j.Verdict, j.Gates[0].Lines())
	}
	base.Records[0].Status, base.Records[0].Metrics = result.Failed, nil
	if j = Judge(gates(t, "prefill.tps >= 0.5x baseline"), side("b", fresh), side("a", base)); j.Verdict != Passed {
		t.Errorf("failed on both sides: %s", j.Verdict)
	}
	fresh.Records = fresh.Records[3:]
	if j = Judge(gates(t, "prefill.tps >= 0.5x baseline"), side("b", fresh), side("a", m.journal())); j.Verdict != Broken {
		t.Errorf("gone: %s", j.Verdict)
	}
	fresh.Runs[0].Filter = []string{"length=16Ki"}
	if j = Judge(gates(t, "prefill.tps >= 0.5x baseline"), side("b", fresh), side("a", m.journal())); j.Verdict != Passed {
		t.Errorf("filtered: %s", j.Verdict)
	}
	if j = Judge(gates(t, "throughput.tps >= 1"), side("b", fresh), nil); j.Verdict != Unjudged {
		t.Errorf("filtered away: %s", j.Verdict)
	}
}

// However many gates and cases are judged: a run in which nothing regressed beyond the limit is called regressed with
// probability (1-C)/2 at most.
func TestManyGatesErrNoMoreThanOne(t *testing.T) {
	const cases, tail = 20, 0.025
	runs := many(600)
	r := rand.New(rand.NewPCG(17, 17))
	g := gates(t, "prefill.tps >= 0.95x baseline", "prefill.ttft <= 1s")
	regressed, alone := 0, 0
	for range runs {
		runOf := func(speed float64) *Side {
			j := &result.Journal{}
			for i := range cases {
				j.Records = append(j.Records, record("prefill", string(rune('a'+i)), "yoco-gret", "prefill", nil, map[string]result.Metric{
					"tps":  metric("tokens/s", result.Higher, draw(r, noises["neighbour"], 8, speed)),
					"ttft": metric("s", result.Lower, draw(r, noises["even"], 8, 1))}))
			}
			return side("x", j)
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
	t.Logf("%.4f of runs were called regressed; without correction it would be more than %.2f", float64(regressed)/float64(runs), float64(alone)/float64(runs))
	if rate := float64(regressed) / float64(runs); rate > tail+margin(tail, runs) {
		t.Errorf("%.4f of runs were called regressed", rate)
	}
}

// Where the machine shifts from run to run by more than samples show, pooling runs does not make up certainty.
func TestShiftingMachine(t *testing.T) {
	const tail = 0.025
	runs := many(800)
	r := rand.New(rand.NewPCG(19, 19))
	regressed, single, naive := 0, 0, 0
	for range runs {
		runOf := func(repeats int) (*Side, []float64) {
			var js []*result.Journal
			var all []float64
			for range repeats {
				s := draw(r, noises["even"], 10, math.Exp(0.04*r.NormFloat64()))
				all = append(all, s...)
				js = append(js, &result.Journal{Records: []result.Record{record("prefill", "m", "yoco-gret", "prefill", nil,
					map[string]result.Metric{"tps": metric("tokens/s", result.Higher, s)})}})
			}
			return side("x", js...), all
		}
		base, a := runOf(6)
		fresh, b := runOf(6)
		if Judge(gates(t, "prefill.tps >= 1x baseline"), fresh, base).Verdict == Regressed {
			regressed++
		}
		if one, _ := runOf(1); Judge(gates(t, "prefill.tps >= 1x baseline"), one, base).Verdict == Regressed {
			single++
		}
		if ratioAgainst(b, a, 1, 0.95).below <= tail {
			naive++
		}
	}
	t.Logf("%.4f regressed, %.4f of single runs; with samples put together without a look at the runs, %.3f", float64(regressed)/float64(runs), float64(single)/float64(runs), float64(naive)/float64(runs))
	if rate := float64(max(regressed, single)) / float64(runs); rate > tail+margin(tail, runs) {
		t.Errorf("%.4f of equal programs were called regressed", rate)
	}
}

func TestConfidence(t *testing.T) {
	m := newMaker()
	m.n = 5
	base := side("a", m.journal())
	m.seed, m.speed = 2, 0.5
	fresh := side("b", m.journal())
	g := gates(t, "tiny-transformer.prefill.tps >= 0.9x baseline @ 4Ki")
	// 5 and 5 samples wholly apart: p = 1/252, below (1 - .95)/2 but not below (1 - .999)/2.
	for confidence, want := range map[float64]Verdict{gate.DefaultConfidence: Regressed, 0.999: Undecided} {
		g[0].Confidence = confidence
		if j := Judge(g, fresh, base); j.Verdict != want {
			t.Errorf("at %v: %s, want %s", confidence, j.Verdict, want)
		}
	}
}
