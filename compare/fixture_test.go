package compare

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the tests with -update to create it", err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs from the output:\n%s", path, got)
	}
}

// twins are the two models of the fixtures.
var twins = []struct{ name, arch string }{{"tiny-yoco-gret", "yoco-gret"}, {"tiny-transformer", "transformer"}}

// maker creates synthetic journals. Every number comes from a formula or a seeded generator.
type maker struct {
	seed  uint64
	speed float64 // factor of speeds
	noise float64
	n     int     // samples
	right float64 // share of right answers of the Transformer
	env   func(*result.Env)
}

func newMaker() maker { return maker{seed: 1, speed: 1, noise: 0.02, n: 10, right: 0.9} }

func (m maker) journal() *result.Journal {
	env := result.Env{Version: "v0", OS: "linux", Arch: "amd64", CPU: "Synthetic CPU", Cores: 4, Threads: 4, Memory: 16 << 30, KernelTier: "avx2", GFLOPS: 100}
	if m.env != nil {
		m.env(&env)
	}
	j := &result.Journal{Runs: []result.Run{{Suite: "synthetic", Env: env}}}
	r := rand.New(rand.NewPCG(m.seed, 1))
	for _, t := range twins {
		slow := map[string]float64{"yoco-gret": 1, "transformer": 5}[t.arch]
		for _, length := range []float64{4096, 16384} {
			ttft, tps := []float64{}, []float64{}
			for range m.n {
				s := slow * length / 4096 * 0.05 / m.speed * (1 + m.noise*r.Float64())
				ttft, tps = append(ttft, s), append(tps, length/s)
			}
			j.Records = append(j.Records, record("prefill", t.name, t.arch, fmt.Sprintf("prefill %gKi", length/1024), map[string]any{"length": length, "samples": float64(m.n)},
				map[string]result.Metric{"ttft": metric("s", result.Lower, ttft), "tps": metric("tokens/s", result.Higher, tps)}))
			j.Records = append(j.Records, record("kv", t.name, t.arch, fmt.Sprintf("kv %gKi", length/1024), map[string]any{"length": length},
				map[string]result.Metric{"total": {Value: slow * length * 1024, Unit: "bytes", Better: result.Lower}, "total_computed": {Value: 1, Unit: "bytes", Better: result.None}}))
			j.Records = append(j.Records, m.needle(t.name, t.arch, length))
		}
		docs := []float64{}
		for i := range 12 {
			docs = append(docs, 0.9+0.02*float64(i)+0.002*r.Float64())
		}
		nll := metric("nats/token", result.Lower, docs)
		nll.Value = meanOf(docs).mean
		j.Records = append(j.Records, record("nll", t.name, t.arch, "nll 8Ki", map[string]any{"length": 8192.0},
			map[string]result.Metric{"nll": nll, "bits_per_byte": result.Metric{Value: nll.Value * 1.4, Unit: "bits/byte", Better: result.Lower}.Interval(nll.Value*1.3, nll.Value*1.5, 0.95, "bootstrap")}))
	}
	return j
}

// runs returns n journals of one side, each with different noise.
func (m maker) runs(n int) (out []*result.Journal) {
	first := m.seed
	for i := range n {
		m.seed = first + 1000*uint64(i)
		out = append(out, m.journal())
	}
	return out
}

func metric(unit string, better result.Better, samples []float64) result.Metric {
	m := result.Metric{Value: median(samples), Unit: unit, Better: better}
	if len(samples) > 1 {
		m.Samples = samples
	}
	return m
}

// needle returns a cell of 20 questions. YOCO answers all correctly, the Transformer a share
// m.right.
func (m maker) needle(model, arch string, length float64) result.Record {
	const trials = 20
	var scores []float64
	var asked []result.Trial
	for i := range trials {
		s := 1.0
		if arch == "transformer" && float64(i) >= m.right*trials {
			s = 0
		}
		scores = append(scores, s)
		asked = append(asked, result.Trial{Question: fmt.Sprintf("Which is number %d?", i), Expected: []string{fmt.Sprint(i)}, Exact: s})
	}
	x := result.Metric{Value: sum(scores) / trials, Unit: "fraction", Better: result.Higher, Samples: scores}
	lo, hi := wilsonOf(int(sum(scores)), trials)
	r := record("needle", model, arch, fmt.Sprintf("needle single %gKi @ 50%%", length/1024), map[string]any{"length": length, "depth": 0.5, "trials": float64(trials)},
		map[string]result.Metric{"exact": x.Interval(lo, hi, 0.95, "wilson")})
	r.Trials = asked
	return r
}

func record(task, model, arch, label string, params map[string]any, metrics map[string]result.Metric) result.Record {
	h := sha256.Sum256(fmt.Append(nil, task, model, label))
	return result.Record{Case: fmt.Sprintf("%x", h[:10]), Label: label, Task: task, Model: model, Arch: arch, Runner: "cpu", Source: result.Measured,
		Params: params, Metrics: metrics, Status: result.OK}
}

func side(name string, js ...*result.Journal) *Side { return NewSide(name, js, nil) }

// gates parses gates.
func gates(t *testing.T, texts ...string) (out []gate.Gate) {
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
