package export

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/suites/result"
)

const evil = "x\x1b[31mred\x1b]0;pwn\a\r\n\u202e\u009b2J\\\"{}\xff=1"

// hostile returns a journal with hostile texts and with names that become equal after cleaning.
func hostile() *result.Journal {
	j := journal()
	j.Runs[0].Suite, j.Runs[0].Env.CPU, j.Runs[0].Env.Version = evil, evil, evil
	r := j.Records[0]
	r.Case, r.Task, r.Model, r.Label, r.Runner, r.Device, r.Arch = evil, evil, evil, evil, evil, evil, evil
	r.Params = map[string]any{evil: evil, "a b": 1.0, "a_b": 2.0, "a-b": []any{evil}, "模型": "甲", "": "x"}
	r.Metrics = map[string]result.Metric{evil: {Value: 1, Unit: evil}, "x.y": {Value: 2, Unit: "FLOP"}, "x_y": {Value: 3, Unit: "flop"}, "模型": {Value: 4}}
	failed := j.Records[4]
	failed.Reason, failed.Label, failed.Task = evil, evil, evil
	j.Records = append(j.Records, r, failed)
	return j
}

func TestPrometheus(t *testing.T) {
	write(t, "prometheus.txt", func(b *bytes.Buffer) error { return Prometheus(b, journal()) })
	for name, j := range map[string]*result.Journal{"made up": journal(), "hostile": hostile(), "empty": {}} {
		var b bytes.Buffer
		if err := Prometheus(&b, j); err != nil {
			t.Fatal(err)
		}
		p := expfmt.NewTextParser(model.LegacyValidation)
		families, err := p.TextToMetricFamilies(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name != "made up" {
			continue
		}
		f := families["yocobench_prefill_ttft_seconds"]
		if f == nil || f.GetType().String() != "GAUGE" || len(f.Metric) != 1 || f.Metric[0].GetGauge().GetValue() != 0.051 {
			t.Errorf("yocobench_prefill_ttft_seconds is %v", f)
		}
		if families["yocobench_run_info"] == nil {
			t.Error("no yocobench_run_info")
		}
	}
}

// TestOpenMetricsIsRead parses the output with the reference parser, which is in Python.
func TestOpenMetricsIsRead(t *testing.T) {
	python := cmp.Or(os.Getenv("PYTHON"), "python3")
	if out, err := exec.Command(python, "-c", "import prometheus_client").CombinedOutput(); err != nil {
		testenv.Missing(t, "%s (set PYTHON to change it) has no prometheus_client: %v\n%s", python, err, out)
	}
	for name, j := range map[string]*result.Journal{"made up": journal(), "hostile": hostile(), "empty": {}} {
		var b bytes.Buffer
		if err := OpenMetrics(&b, j); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(python, "-c", "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as p\nprint(len(list(p(sys.stdin.buffer.read().decode()))))")
		c.Stdin, c.Stderr = &b, os.Stderr
		if out, err := c.Output(); err != nil || strings.TrimSpace(string(out)) == "0" {
			t.Errorf("%s: %v, %s families", name, err, out)
		}
	}
}

// TestNoRawEscapes checks that no format contains terminal escapes.
func TestNoRawEscapes(t *testing.T) {
	checks := []Check{{Name: evil, Outcome: "broken", Message: evil}}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"gobench":     func(b *bytes.Buffer) error { return GoBench(b, hostile()) },
		"junit":       func(b *bytes.Buffer) error { return JUnit(b, hostile(), checks) },
		"openmetrics": func(b *bytes.Buffer) error { return OpenMetrics(b, hostile()) },
		"prometheus":  func(b *bytes.Buffer) error { return Prometheus(b, hostile()) },
		"action":      func(b *bytes.Buffer) error { return GitHubAction(b, b, hostile()) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.String() {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%s holds %q", name, r)
				break
			}
		}
		if !strings.Contains(b.String(), "red") {
			t.Errorf("%s lost the record", name)
		}
	}
}
