package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/suites/result"
)

// A run measures a served model and a local one under load: by requests of the served model, and
// one request after another of the local one. Reports keep them apart.
func TestServing(t *testing.T) {
	s := servertest.Start(t, servertest.Options{First: 20 * time.Millisecond, Each: 5 * time.Millisecond})
	dir := t.TempDir()
	suite, out := filepath.Join(dir, "suite.yaml"), filepath.Join(dir, "run")
	text := fmt.Sprintf(`name: load
models:
  - {name: server, url: %q, model: %s, baseline: tiny-transformer}
  - tiny-transformer
tasks:
  - serving: {lengths: [64], outputs: [4], concurrency: [1, 4], rate: [50], requests: 8, goodput: {ttft: 1h}}
  - prefill: {lengths: [64], samples: 2}
  - throughput: {depths: [0, 64], batches: [2], generate: 4, samples: 2}
`, s.URL, servertest.Model)
	if err := os.WriteFile(suite, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"run", suite, "--out", out}, &stdout, &stderr); code != exitOK && code != exitFailed {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	j, err := result.ReadFile(filepath.Join(out, journalName))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*result.Record{}
	for i := range j.Records {
		r := &j.Records[i]
		got[r.Model+": "+r.Label] = r
		if r.Served != (r.Model == "server") {
			t.Errorf("%s of %s: served %v", r.Label, r.Model, r.Served)
		}
	}
	for name, want := range map[string]struct {
		status result.Status
		least  map[string]float64 // the server's times are lower bounds of those measured
	}{
		"server: serving 64 + 4 x 1":              {result.OK, map[string]float64{"ttft": .02, "itl": 0, "tpot": 0, "e2el": .035, "goodput": 1, "prompt_tokens": 55, "output_tokens": 4}},
		"server: serving 64 + 4 x 4":              {result.OK, map[string]float64{"ttft": .02, "output_tps": 1}},
		"server: serving 64 + 4 @ 50/s":           {result.OK, map[string]float64{"ttft_p99": .02, "request_rate": .1}},
		"server: prefill 64":                      {result.OK, map[string]float64{"ttft": .02}},
		"server: throughput @ 0 x 2":              {result.Unsupported, nil},
		"server: throughput @ 64 x 2":             {result.OK, map[string]float64{"prefill": .02, "tpot": 0}},
		"tiny-transformer: serving 64 + 4 x 1":    {result.OK, map[string]float64{"prompt_tokens": 64, "output_tokens": 4, "goodput": 1}},
		"tiny-transformer: serving 64 + 4 x 4":    {result.Unsupported, nil},
		"tiny-transformer: serving 64 + 4 @ 50/s": {result.OK, map[string]float64{"requests": 8}},
		"tiny-transformer: throughput @ 64 x 2":   {result.OK, map[string]float64{"held": 1}},
	} {
		r := got[name]
		if r == nil || r.Status != want.status && !strings.Contains(r.Reason, "did not keep the rate") { // a loaded machine
			t.Errorf("%s: %+v", name, r)
			continue
		}
		for m, least := range want.least {
			if v, ok := r.Metrics[m]; r.Status == result.OK && (!ok || !(v.Value >= least)) {
				t.Errorf("%s: %s is %g, want %g or more", name, m, v.Value, least)
			}
		}
	}
	report, err := os.ReadFile(filepath.Join(out, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"### Serving · Latency · closed loop (served)", "### Serving · Latency · closed loop\n", "### Time to first token (served)", "with the network and the server's queue"} {
		if !strings.Contains(string(report), want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
}
