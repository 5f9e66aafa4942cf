package ab

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

func testGates(t testing.TB, texts ...string) (out []gate.Gate) {
	t.Helper()
	for _, text := range texts {
		g, err := gate.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func planned(task, model, arch, label string, length float64) result.Record {
	return result.Record{Case: fmt.Sprint(task, model, label), Task: task, Model: model, Arch: arch, Label: label, Params: map[string]any{"length": length}}
}

// TestChoose checks that only cases that gates refer to are measured, and on one side only if no
// gate needs the other.
func TestChoose(t *testing.T) {
	candidate := []result.Record{
		planned("prefill", "a", "yoco-gret", "prefill 64", 64),
		planned("prefill", "b", "transformer", "prefill 64", 64),
		planned("prefill", "a", "yoco-gret", "prefill 1Ki", 1024),
		planned("prefill", "b", "transformer", "prefill 1Ki", 1024),
		planned("kv", "a", "yoco-gret", "kv", 64),
	}
	base := append([]result.Record{planned("prefill", "gone", "yoco-swa", "prefill 1Ki", 1024)}, candidate...)
	tr := &Experiment{Gates: testGates(t, "a.prefill.ttft <= 1x baseline @ 64", "yoco-gret.prefill.tps >= 1x transformer @ 1Ki", "gone.prefill.ttft <= 1x baseline")}
	if err := tr.choose(base, candidate); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range tr.cases {
		got = append(got, fmt.Sprint(c.place, c.metrics))
	}
	want := []string{"[1 0] [ttft]", "[-1 2] [tps]", "[-1 3] [tps]", "[0 -1] []"}
	if !slices.Equal(got, want) {
		t.Errorf("chosen: %q, want %q", got, want)
	}
	if err := (&Experiment{Gates: testGates(t, "nll.nll <= 1")}).choose(base, candidate); err == nil || !strings.Contains(err.Error(), "no gate matches a case of the suite") {
		t.Errorf("no case: %v", err)
	}
}

// TestNamesOf checks that cases of the same name are numbered.
func TestNamesOf(t *testing.T) {
	a, b := planned("prefill", "a", "", "prefill 64", 64), planned("prefill", "b", "", "prefill 64", 64)
	if got := namesOf([]result.Record{a, b, a}); got[0] == got[1] || got[0] == got[2] || got[2] != "prefill a: prefill 64 #2" {
		t.Errorf("%q", got)
	}
}

// TestOrder checks that each block starts with the side the coin selects, and that on average both
// sides run equally early in each block and round.
func TestOrder(t *testing.T) {
	for first := range 2 {
		sum := [2]int{}
		for block := range blocksPerRound {
			o := order(first, block)
			for turn, side := range o {
				sum[side] += turn
			}
			if o[0] != o[3] || o[1] != o[2] || o[0] == o[1] {
				t.Errorf("block %d: %v", block, o)
			}
		}
		if o := order(first, 0); o[0] != first || sum[0] != sum[1] {
			t.Errorf("first %d: %v, turns add up to %v", first, o, sum)
		}
	}
}

func TestMerged(t *testing.T) {
	sample := func(tps float64, samples ...float64) *result.Record {
		return &result.Record{Status: result.OK, Seconds: 2, Metrics: map[string]result.Metric{
			"ttft": {Value: samples[0], Unit: "s", Samples: samples}, "tps": {Value: tps, Unit: "tokens/s"}, "held": {Value: 7, Unit: "bytes"}}}
	}
	r := merged(workerReady{}.tasks(), []*result.Record{sample(10, 1, 2), sample(30, 3, 4)})
	if got := fmt.Sprint(r.Metrics["ttft"].Samples, r.Metrics["ttft"].Value, r.Metrics["tps"].Samples, r.Metrics["held"].Samples, r.Seconds); got != "[1 2 3 4] 2.5 [10 30] [] 4" {
		t.Errorf("got %s", got)
	}
	bad := sample(1, 1)
	bad.Status, bad.Reason = result.Failed, "no"
	if r := merged(workerReady{}.tasks(), []*result.Record{sample(1, 1), bad}); r.Status != result.Failed || r.Reason != "no" {
		t.Errorf("%+v", r)
	}
}

// FuzzWorkerAnswers checks that no answer of a worker makes an experiment panic or decide a gate
// without data.
func FuzzWorkerAnswers(f *testing.F) {
	ready, err := json.Marshal(workerReady{Protocol: workerProtocol, Cases: []result.Record{planned("prefill", "a", "yoco-gret", "prefill 64", 64)}})
	if err != nil {
		f.Fatal(err)
	}
	r := planned("prefill", "a", "yoco-gret", "prefill 64", 64)
	r.Status, r.Metrics = result.OK, map[string]result.Metric{"ttft": {Value: 1, Unit: "s", Better: result.Lower, Samples: []float64{1, 2}}}
	record, err := json.Marshal(workerRecord{r})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(ready), string(record))
	f.Add(string(ready), strings.Replace(string(record), "[1,2]", "[0,-1]", 1))
	f.Add(string(ready), strings.Replace(string(record), `"unit":"s"`, `"unit":"bytes"`, 1))
	f.Add(string(ready), `{"record":{"status":"ok"}}`)
	f.Add(`{"protocol":1,"cases":[{}]}`, `{}`)
	f.Add(`{"error":"no"}`, `[]`)
	gates := testGates(f, "prefill.ttft <= 1.02x baseline", "prefill.ttft <= 1s", "yoco-gret.prefill.ttft <= 1x transformer")
	f.Fuzz(func(t *testing.T, ready, answer string) {
		p := &process{from: json.NewDecoder(strings.NewReader(ready + "\n" + answer + "\n"))}
		var w workerRecord
		if p.from.Decode(&p.ready) != nil || p.from.Decode(&w) != nil {
			return
		}
		tr := &Experiment{Suite: &suites.Suite{Name: "s"}, Gates: gates, dir: t.TempDir()}
		if tr.choose(p.ready.Cases, p.ready.Cases) != nil {
			return
		}
		samples := [2][][]*result.Record{}
		for i := range samples {
			for range tr.cases {
				samples[i] = append(samples[i], []*result.Record{&w.Record, &w.Record})
			}
		}
		sides := [2]*process{{name: "base", ready: p.ready}, {name: "new", ready: p.ready}}
		if tr.keep(sides, samples, 0) != nil {
			return
		}
		tr.judge()
		for _, g := range tr.verdicts.Gates {
			for _, c := range g.Cases {
				if c.Rounds && c.Value != nil && math.IsNaN(*c.Value) {
					t.Errorf("a change that is not finite: %+v", c)
				}
				if c.Rounds && (c.Verdict == compare.Passed || c.Verdict == compare.Regressed) {
					t.Errorf("%s after one round", c.Verdict)
				}
			}
		}
	})
}
