package reports

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// The fixtures are synthetic: every number comes from a formula below.

var (
	fixtureStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tiny         = []struct{ name, arch string }{{"tiny-yoco-gret", "yoco-gret"}, {"tiny-yoco-swa", "yoco-swa"}, {"tiny-transformer", "transformer"}}
	twins        = []struct{ name, arch string }{{"yoco-gret-3b", "yoco-gret"}, {"transformer-3b", "transformer"}}
)

// noise returns a number in -1..1 that depends only on its arguments.
func noise(parts ...any) float64 {
	h := sha256.Sum256(fmt.Append(nil, parts...))
	return float64(int(h[0])<<8|int(h[1]))/32767.5 - 1
}

func bounded(value, lo, hi float64, unit string, better result.Better, method string) result.Metric {
	return result.Metric{Value: value, Unit: unit, Better: better}.Interval(lo, hi, 0.95, method)
}

func record(task, model, arch, label string, params map[string]any) result.Record {
	h := sha256.Sum256(fmt.Append(nil, task, model, label, params))
	return result.Record{Type: "case", Schema: 1, Suite: "synthetic", SuiteHash: "5f0e1d2c3b4a59687786", Case: fmt.Sprintf("%x", h[:10]),
		Label: label, Task: task, Model: model, Arch: arch, Runner: "cpu", Device: "Synthetic CPU", Source: result.Measured,
		Params: params, Status: result.OK, Start: fixtureStart, Seconds: 1.5}
}

// fixture returns a journal with every task. depths, lengths and trials set the size of its needle
// grids.
func fixture(lengths []float64, depths []float64, trials int) *result.Journal {
	j := &result.Journal{Runs: []result.Run{{Type: "run", Schema: 1, Suite: "synthetic", Title: "numbers by formula, to test reports", SuiteHash: "5f0e1d2c3b4a59687786",
		Start: fixtureStart, Command: "yocobench run synthetic", Env: result.Env{Version: "v0.0.0-test", Commit: "0123abcd", Go: "go1.26", OS: "linux", Arch: "amd64",
			CPU: "Synthetic CPU", Cores: 4, Threads: 4, Memory: 16 * gi, KernelTier: "plain Go", Why: "synthetic", GFLOPS: 123.4, GBps: 20.5,
			Text: map[string]string{"prose": "generated, seed 1"}},
		References: fixtureReferences(), Baselines: map[string]string{"tiny-yoco-gret": "tiny-transformer", "tiny-yoco-swa": "tiny-transformer",
			"tiny-transformer": "tiny-transformer", "yoco-gret-3b": "transformer-3b", "transformer-3b": "transformer-3b"}}}}
	for _, m := range tiny {
		for _, l := range lengths {
			for _, d := range depths {
				j.Records = append(j.Records, needleRecord(m.name, m.arch, l, d, trials))
			}
		}
	}
	j.Records = append(j.Records, multiRecords()...)
	for _, corpus := range []string{"prose", "go"} {
		for _, m := range tiny {
			j.Records = append(j.Records, nllRecord(m.name, m.arch, corpus))
		}
	}
	j.Records = append(j.Records, scalingRecords()...)
	j.Records = append(j.Records, computedRecords()...)
	j.Runs[0].Cases = len(j.Records)
	return j
}

func fixtureReferences() (refs []result.Reference) {
	const source = "You Only Cache Once (arXiv 2405.05254), figures 7 to 10"
	lengths := []float64{32 * ki, 64 * ki, 128 * ki, 256 * ki, 512 * ki, mi}
	add := func(task, metric, model, over string, values ...float64) {
		for i, v := range values {
			refs = append(refs, result.Reference{Task: task, Metric: metric, Model: model, Over: over, Length: lengths[i], Value: v, Unit: "ratio", Source: source})
		}
	}
	add("kv", "total", "transformer-3b", "yoco-gret-3b", 1.95, 2.32, 3.01, 4.16, 6.39, 9.38)
	add("prefill", "ttft", "transformer-3b", "yoco-gret-3b", 2.87, 5.05, 8.36, 15.55, 30.3, 71.82)
	add("throughput", "e2e_tps", "yoco-gret-3b", "transformer-3b", 2.72, 2.57, 2.77, 4.37, 9.56)
	return append(refs,
		result.Reference{Task: "kv", Metric: "total", Model: "yoco-gret-3b", Length: mi, Value: 12.4, Unit: "GB", Source: source},
		result.Reference{Task: "prefill", Metric: "ttft", Model: "transformer-3b", Length: 512 * ki, Value: 180, Unit: "s", Source: source},
		result.Reference{Task: "prefill", Metric: "ttft", Model: "yoco-gret-3b", Length: 512 * ki, Value: 6, Unit: "s", Source: source, Note: "given as under 6 s"},
		result.Reference{Task: "throughput", Metric: "e2e_tps", Model: "transformer-3b", Length: 512 * ki, Value: 4.5, Unit: "tokens/s", Source: source},
		result.Reference{Task: "throughput", Metric: "e2e_tps", Model: "yoco-gret-3b", Length: 512 * ki, Value: 43.1, Unit: "tokens/s", Source: source},
	)
}

func needleRecord(model, arch string, length, depth float64, trials int) result.Record {
	r := record("needle", model, arch, fmt.Sprintf("needle single %s @ %s", units.Tokens(length), units.Percent(depth)),
		map[string]any{"kind": "single", "length": length, "depth": depth, "trials": float64(trials), "haystack": "prose", "template": "number"})
	switch {
	case arch == "transformer" && length >= 32*ki:
		r.Status, r.Reason = result.OOM, "out of memory: 2.1 GiB asked for, 1.8 GiB free"
		return r
	case arch == "yoco-swa" && length >= 32*ki && depth > 0.5:
		r.Status, r.Reason = result.Skipped, "over budget: 95 s estimated, 12 s left"
		return r
	}
	p := 1.0
	if arch == "yoco-swa" {
		p = 1 / (1 + math.Exp(3*(math.Log2(length)-13.2-3*math.Abs(depth-0.5))))
	} else if arch == "transformer" {
		p = 1 / (1 + math.Exp(2*(math.Log2(length)-14-math.Abs(depth-0.5))))
	}
	hits, logprob := 0, 0.0
	for i := range trials {
		want := fmt.Sprintf("%06d", int(500000+499999*noise(model, length, depth, i)))
		t := result.Trial{Facts: []string{"The magic number of Lisbon is " + want + "."}, Question: "What is the magic number of Lisbon?",
			Expected: []string{want}, Answer: want + ".\n", Tokens: int(length) - 3, Depths: []float64{depth}, Exact: 1, Contains: 1, LogProb: -0.01}
		if (noise("hit", model, length, depth, i)+1)/2 > p {
			t.Answer, t.Exact, t.Contains, t.LogProb = want[:3]+"999 <script>alert(1)</script> \x1b[31m|", 0, 0, -4.2
		} else {
			hits++
		}
		logprob += t.LogProb / float64(trials)
		r.Trials = append(r.Trials, t)
	}
	v := float64(hits) / float64(trials)
	lo, hi := wilson(float64(hits), trials)
	r.Metrics = map[string]result.Metric{
		"exact":      bounded(v, lo, hi, "fraction", result.Higher, "wilson"),
		"contains":   bounded(v, lo, hi, "fraction", result.Higher, "wilson"),
		"logprob":    {Value: logprob, Unit: "nats", Better: result.Higher},
		"tokens":     {Value: length - 3, Unit: "tokens", Better: result.None},
		"depth_real": {Value: depth, Unit: "fraction", Better: result.None},
	}
	return r
}

func multiRecords() (out []result.Record) {
	for _, n := range []float64{1, 2, 4, 8} {
		for _, m := range tiny {
			for _, l := range []float64{ki, 4 * ki, 16 * ki} {
				r := record("needle", m.name, m.arch, fmt.Sprintf("needle multi %s x%g", units.Tokens(l), n),
					map[string]any{"kind": "multi", "length": l, "depth": "spread", "trials": 10.0, "haystack": "prose", "template": "number", "needles": n})
				v := 1 / (1 + math.Exp(0.5*n+math.Log2(l/ki)-5+float64(len(m.arch))/5-noise(m.name, l, n)))
				lo, hi := wilson(v*10*n, int(10*n))
				r.Metrics = map[string]result.Metric{"exact": bounded(v, lo, hi, "fraction", result.Higher, "wilson")}
				out = append(out, r)
			}
		}
	}
	return out
}

func nllRecord(model, arch, corpus string) result.Record {
	r := record("nll", model, arch, "nll "+corpus+" 32Ki", map[string]any{"corpus": corpus, "length": 32.0 * ki, "documents": 16.0})
	a, alpha, c := 2.0, 0.21, 1.1
	if corpus == "go" {
		a, alpha, c = 2.6, 0.3, 0.7
	}
	switch arch {
	case "yoco-swa":
		c += 0.03
	case "transformer":
		c += 0.06
	}
	bucket := result.Series{Name: "nll_bucket", XUnit: "tokens", YUnit: "nats/token"}
	cumulative := result.Series{Name: "nll_cumulative", XUnit: "tokens", YUnit: "nats/token"}
	fit := result.Series{Name: "nll_fit", XUnit: "tokens", YUnit: "nats/token"}
	hit := result.Series{Name: "ar_hit_bucket", XUnit: "tokens", YUnit: "nats/token"}
	first := result.Series{Name: "first_occur_bucket", XUnit: "tokens", YUnit: "nats/token"}
	sum, last := 0.0, 0.0
	for e := 4.0; e <= 15; e += 0.5 {
		x := math.Round(math.Exp2(e))
		f := c + a*math.Pow(x, -alpha)
		y := f + 0.03*noise(model, corpus, e)
		band := 0.03 + 0.004*e*e/20
		for s, v := range map[*result.Series]float64{&bucket: y, &hit: y * 0.45, &first: y * 1.3} {
			s.X, s.Y, s.Lo, s.Hi, s.N = append(s.X, x), append(s.Y, v), append(s.Lo, v-band), append(s.Hi, v+band), append(s.N, int(x))
		}
		fit.X, fit.Y = append(fit.X, x), append(fit.Y, f)
		sum += y * (x - last)
		last = x
		if e == math.Trunc(e) && e >= 8 {
			v := sum / x
			cumulative.X, cumulative.Y = append(cumulative.X, x), append(cumulative.Y, v)
			cumulative.Lo, cumulative.Hi = append(cumulative.Lo, v-0.02), append(cumulative.Hi, v+0.02)
		}
	}
	r.Series = []result.Series{bucket, cumulative, fit, hit, first}
	v := sum / last
	r.Metrics = map[string]result.Metric{
		"nll":             bounded(v, v-0.02, v+0.02, "nats/token", result.Lower, "bootstrap"),
		"bits_per_byte":   bounded(v/math.Ln2, v/math.Ln2-0.03, v/math.Ln2+0.03, "bits/byte", result.Lower, "bootstrap"),
		"nll_ar_hit":      {Value: v * 0.45, Unit: "nats/token", Better: result.Lower},
		"nll_first_occur": {Value: v * 1.3, Unit: "nats/token", Better: result.Lower},
		"fit_a":           {Value: a, Unit: "nats/token", Better: result.None},
		"fit_alpha":       {Value: alpha, Unit: "", Better: result.None},
		"fit_c":           {Value: c, Unit: "nats/token", Better: result.None},
	}
	return r
}

func bytesMetric(v float64) result.Metric {
	return result.Metric{Value: v, Unit: "bytes", Better: result.Lower}
}

func scalingRecords() (out []result.Record) {
	for _, m := range tiny {
		layers, state, window := 6.0, 0.0, 0.0
		switch m.arch {
		case "yoco-gret":
			layers, state = 1, 96*ki
		case "yoco-swa":
			layers, window = 1, 384*ki
		}
		speed := map[string]float64{"yoco-gret": 1.2e4, "yoco-swa": 1.4e4, "transformer": 7e3}[m.arch]
		for e := 8.0; e <= 16; e++ {
			l := math.Exp2(e)
			r := record("kv", m.name, m.arch, "kv "+units.Tokens(l), map[string]any{"length": l, "kv": "f32"})
			kv := layers * l * 512
			r.Metrics = map[string]result.Metric{"weights": bytesMetric(4.1 * mi), "global_kv": bytesMetric(kv), "window_kv": bytesMetric(window), "state": bytesMetric(state),
				"workspace": bytesMetric(640 * ki), "total": bytesMetric(4.1*mi + kv + window + state + 640*ki)}
			for _, p := range []string{"weights", "global_kv", "window_kv", "state", "workspace", "total"} {
				r.Metrics[p+"_computed"] = r.Metrics[p]
			}
			if m.arch == "transformer" && e > 15 {
				r.Metrics, r.Status, r.Reason = nil, result.OOM, "memory budget of 200 MiB reached"
			}
			out = append(out, r)

			p := record("prefill", m.name, m.arch, "prefill "+units.Tokens(l), map[string]any{"length": l})
			t := l / speed * (1 + 0.02*noise(m.name, l))
			if m.arch == "transformer" {
				t *= 1 + l/16384
			}
			samples := []float64{t * 0.98, t, t * 1.03}
			p.Metrics = map[string]result.Metric{"ttft": {Value: t, Unit: "s", Better: result.Lower, Samples: samples},
				"tps":            {Value: l / t, Unit: "tokens/s", Better: result.Higher, Samples: []float64{l / t / 1.03, l / t, l / t / 0.98}},
				"limit_tps":      {Value: l / t / (0.4 + 0.05*noise(l)), Unit: "tokens/s"},
				"limit_fraction": {Value: 0.4 + 0.05*noise(l), Unit: "fraction", Better: result.Higher}}
			out = append(out, p)
		}
		for _, batch := range []float64{1, 4, 8} {
			for _, d := range []float64{0, ki, 4 * ki, 16 * ki, 64 * ki} {
				r := record("throughput", m.name, m.arch, fmt.Sprintf("throughput %s x%g", units.Tokens(d), batch), map[string]any{"depth": d, "batch": batch, "generate": 64.0})
				v := 900 * math.Sqrt(batch) / (1 + d*layers/30000) * (1 + 0.03*noise(m.name, d, batch))
				r.Metrics = map[string]result.Metric{"decode_tps": {Value: v, Unit: "tokens/s", Better: result.Higher, Samples: []float64{v * 0.97, v, v * 1.01}},
					"tpot": {Value: batch / v, Unit: "s", Better: result.Lower}, "e2e_tps": {Value: v / (1 + d*layers/8000), Unit: "tokens/s", Better: result.Higher}}
				if m.arch == "transformer" && d*batch > 256*ki {
					r.Metrics, r.Status, r.Reason = nil, result.OOM, "memory budget of 200 MiB reached"
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// computedRecords imitates the paper suite: a 3B YOCO and the Transformer of the same size on an
// H100.
func computedRecords() (out []result.Record) {
	for _, m := range twins {
		perToken, perTokenPrefill := 106496.0, 1.0
		if m.arch == "yoco-gret" {
			perToken = 4096
		}
		for e := 15.0; e <= 20; e++ {
			l := math.Exp2(e)
			add := func(task string, params map[string]any, metrics map[string]result.Metric) {
				r := record(task, m.name, m.arch, task+" "+units.Tokens(l), params)
				r.Runner, r.Device, r.Source, r.Metrics = "analytic", "H100-80GB SXM", result.Computed, metrics
				r.Notes = []string{"Computed from the configuration and the device's limits; KV and weights in bfloat16, 8 KV heads, efficiency 1."}
				out = append(out, r)
			}
			add("kv", map[string]any{"length": l, "kv": "bf16"}, map[string]result.Metric{"weights": bytesMetric(6.3e9), "global_kv": bytesMetric(perToken * l),
				"state": bytesMetric(10e6), "total": bytesMetric(6.31e9 + perToken*l)})
			t := perTokenPrefill * l * 5e-6
			if m.arch == "transformer" {
				t = l*2.4e-5 + l*l*2.2e-10
			}
			add("prefill", map[string]any{"length": l}, map[string]result.Metric{"ttft": {Value: t, Unit: "s", Better: result.Lower}, "tps": {Value: l / t, Unit: "tokens/s", Better: result.Higher}})
			v := 3.35e12 / (6.3e9 + perToken*l)
			add("throughput", map[string]any{"depth": l, "batch": 1.0, "generate": 256.0}, map[string]result.Metric{
				"decode_tps": {Value: v, Unit: "tokens/s", Better: result.Higher}, "e2e_tps": {Value: 256 / (256/v + t), Unit: "tokens/s", Better: result.Higher}})
		}
	}
	return out
}

// small returns the journal of the golden files, big one to look at.
func small() *result.Journal {
	j := fixture([]float64{256, 4 * ki, 32 * ki}, []float64{0, 1}, 2)
	// A few points of each curve are enough for golden files.
	j.Records = slices.DeleteFunc(j.Records, func(r result.Record) bool {
		x, ok := number(&r, "length")
		if !ok {
			x, _ = number(&r, "depth")
		}
		e := math.Log2(x)
		batch, _ := number(&r, "batch")
		needles, _ := number(&r, "needles")
		return r.Source == result.Measured && slices.Contains([]string{"kv", "prefill"}, r.Task) && math.Mod(e, 4) != 0 || batch > 1 || needles > 1 ||
			r.Source == result.Computed && math.Mod(e, 2) != 0 || r.Task == "nll" && (word(&r, "corpus") == "go" || r.Arch == "yoco-swa") ||
			r.Arch == "yoco-swa" && r.Task != "needle"
	})
	j.Runs[0].Cases = len(j.Records) + 1
	return j
}

func big() *result.Journal {
	return fixture([]float64{256, 512, ki, 2 * ki, 4 * ki, 8 * ki, 16 * ki, 32 * ki}, []float64{0, 0.25, 0.5, 0.75, 1}, 10)
}

// lines returns the text of a journal.
func lines(t testing.TB, j *result.Journal) []byte {
	t.Helper()
	var buf bytes.Buffer
	add := func(v any) {
		b, err := result.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		buf.Write(b)
	}
	for _, r := range j.Runs {
		add(r)
	}
	for _, r := range j.Records {
		if r.Case == "" {
			r.Case = "none"
		}
		add(r)
	}
	return buf.Bytes()
}

// reread encodes and decodes a journal, as for reports.
func reread(t testing.TB, j *result.Journal) *result.Journal {
	t.Helper()
	out, err := result.Read(bytes.NewReader(lines(t, j)), "fixture")
	if err != nil {
		t.Fatal(err)
	}
	out.Notice = cmp.Or(j.Notice, out.Notice)
	return out
}

// wilson computes the bounds exactly as in the stored journal of the golden files.
func wilson(k float64, n int) (lo, hi float64) {
	const z = 1.959963984540054
	nn := float64(n)
	p := min(max(k/nn, 0), 1)
	mid := p + z*z/(2*nn)
	half := z * math.Sqrt(p*(1-p)/nn+z*z/(4*nn*nn))
	d := 1 + z*z/nn
	return max((mid-half)/d, 0), min((mid+half)/d, 1)
}

const (
	ki = 1 << 10
	mi = 1 << 20
	gi = 1 << 30
)
