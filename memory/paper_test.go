package memory

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/analytic"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// computed resolves a suite's entry to a preset, or to a small model of the name's architecture, on
// the analytic runner.
func computed(s *suites.Suite, e suites.Entry) (*suites.Target, error) {
	cfg, err := runners.Preset(e.Model)
	if a, ok := strings.CutPrefix(e.Model, "tiny-"); ok {
		cfg, err = *tiny(runners.Arch(a)).Config, nil
	}
	if err != nil {
		return nil, err
	}
	device := s.Device
	if device == "" {
		device = "rtx-4090"
	}
	profile, err := runners.FindProfile(device)
	if err != nil {
		return nil, err
	}
	r, err := analytic.New(profile)
	if err != nil {
		return nil, err
	}
	o := runners.Options{Weights: runners.BF16, KV: runners.BF16, MemoryBudget: int64(s.Memory)}
	t := suites.Local(e.Name, cfg)
	t.Options, t.Runner, t.Device, t.Computed = o, r.Name(), profile.Name, true
	t.Load = func() (runners.Model, error) { return r.Load(cfg, nil, o) }
	return t, nil
}

// runSuite runs all cases of a shipped suite on the analytic runner.
func runSuite(t *testing.T, name string, sets ...string) (*suites.Suite, []*result.Record) {
	t.Helper()
	s, err := suites.Load(name, sets, Tasks())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suites.NewPlan(t.Context(), s, suites.Registry{Tasks: Tasks(), Open: computed})
	if err != nil {
		t.Fatal(err)
	}
	var records []*result.Record
	for _, c := range plan.Cases {
		m, err := c.Model.Load()
		if err != nil {
			t.Fatalf("%s: %v", c.Model.Name, err)
		}
		r := &result.Record{Label: c.Label, Task: c.Task, Model: c.Model.Name, Params: c.Params, Source: result.Computed}
		out, err := c.Run(context.Background(), m, func(float64) {})
		r.Fill(out)
		if err != nil {
			t.Fatalf("%s, %s: %v", c.Model.Name, c.Label, err)
		}
		r.Case = c.ID
		if _, err := result.Encode(*r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return s, records
}

// figure returns a metric, or its ratio to another model's, in all records of a length (0: the
// first).
func figure(records []*result.Record, task, metric, model, over string, length float64) (float64, bool) {
	value := func(model string) (float64, bool) {
		for _, r := range records {
			at := r.Params["length"]
			if task == "throughput" {
				at = r.Params["depth"]
			}
			if m, ok := r.Metrics[metric]; ok && r.Task == task && r.Model == model && (length == 0 || fmt.Sprint(at) == fmt.Sprint(int64(length))) {
				return m.Value, true
			}
		}
		return 0, false
	}
	v, ok := value(model)
	if over == "" || !ok {
		return v, ok
	}
	o, ok := value(over)
	return v / o, ok
}

// TestPaper runs suites/paper.yaml, checks that every published figure has a computed one, and
// compares those that can be computed exactly.
func TestPaper(t *testing.T) {
	start := time.Now()
	s, records := runSuite(t, "paper")
	if d := time.Since(start); d > time.Minute {
		t.Errorf("the suite took %v", d)
	}
	for _, ref := range s.References {
		got, ok := figure(records, ref.Task, ref.Metric, ref.Model, ref.Over, float64(ref.Length))
		if !ok {
			t.Errorf("no record beside the reference %+v", ref)
			continue
		}
		want := ref.Value
		if ref.Unit == "GB" {
			want *= 1e9
		}
		t.Logf("%-10s %-15s %-15s %-15s %6s  computed %9.4g  published %8.4g  %+5.1f %%", ref.Task, ref.Metric, ref.Model, ref.Over,
			suites.Size(ref.Length), got, want, 100*(got/want-1))
	}
	const ki = 1024
	for _, tt := range []struct {
		task, metric, model, over string
		length, published, within float64
	}{
		{"kv", "bytes_per_token", "transformer-65b", "yoco-gret-65b", 0, 80, 0},
		{"kv", "total", "yoco-gret-3b", "", 1024 * ki, 12.4e9, .005},
		{"prefill", "ttft", "transformer-3b", "", 512 * ki, 180, .02},
		{"prefill", "ttft", "yoco-gret-3b", "", 512 * ki, 6, .12},
		{"prefill", "ttft", "transformer-3b", "yoco-gret-3b", 512 * ki, 30.3, .12},
		{"throughput", "e2e_tps", "transformer-3b", "", 512 * ki, 4.5, .06},
		{"throughput", "e2e_tps", "yoco-gret-3b", "", 512 * ki, 43.1, .06},
		{"throughput", "e2e_tps", "yoco-gret-3b", "transformer-3b", 512 * ki, 9.56, .06},
	} {
		got, _ := figure(records, tt.task, tt.metric, tt.model, tt.over, tt.length)
		if !(math.Abs(got/tt.published-1) <= tt.within) {
			t.Errorf("%s of %s / %s at %g: %.4g, published %g", tt.metric, tt.model, tt.over, tt.length, got, tt.published)
		}
	}
	if got, _ := figure(records, "kv", "total", "transformer-3b", "", 1024*ki); !(got > 100e9) {
		t.Errorf("the Transformer holds %g bytes at 1Mi, published over 100 GB", got)
	}
}

// TestShippedSuites: the other suites of these tasks parse, and each of their cases runs.
func TestShippedSuites(t *testing.T) {
	for name, want := range map[string]int{"kv": 3 * 7, "prefill": 3 * 4, "throughput": 3 * 8} {
		if _, records := runSuite(t, name); len(records) != want {
			t.Errorf("%s has %d cases, want %d", name, len(records), want)
		}
	}
}
