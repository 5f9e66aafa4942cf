package main

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestFamilySuites runs the suites of published models and compares every published cache size with
// the computed one.
func TestFamilySuites(t *testing.T) {
	scale := map[string]float64{"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	for _, suite := range []string{"kv-zoo", "paper-deepseek", "paper-kimi-linear", "paper-gemma", "paper-jamba", "paper-qwen3-next"} {
		dir := filepath.Join(t.TempDir(), suite)
		var out, stderr bytes.Buffer
		if code := run(t.Context(), []string{"run", suite, "--out", dir, "--reports", "txt", "--quiet"}, &out, &stderr); code != exitOK {
			t.Fatalf("%s: exit code %d: %s", suite, code, stderr.String())
		}
		j, err := result.ReadFile(filepath.Join(dir, journalName))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range j.Records {
			if r.Status != result.OK || r.Source != result.Computed {
				t.Errorf("%s: %s of %s is %s, %s: %s", suite, r.Label, r.Model, r.Status, r.Source, r.Reason)
			}
		}
		checked := 0
		for _, ref := range j.Runs[0].References {
			unit, isSize := scale[ref.Unit]
			if !isSize || ref.Over != "" {
				continue
			}
			checked++
			found := false
			for _, r := range j.Records {
				length, _ := r.Params["length"].(float64)
				if r.Task != ref.Task || r.Model != ref.Model || ref.Length > 0 && length != ref.Length {
					continue
				}
				found = true
				got, want := r.Metrics[ref.Metric].Value, ref.Value*unit
				// A published figure of three digits is rounded by up to half of its last digit.
				if !(math.Abs(got/want-1) < 1e-3) {
					t.Errorf("%s: %s of %s is %g bytes, published as %g", suite, ref.Metric, ref.Model, got, want)
				}
			}
			if !found {
				t.Errorf("%s: no record for the published %s of %s", suite, ref.Metric, ref.Model)
			}
		}
		if checked == 0 && suite != "paper-kimi-linear" {
			t.Errorf("%s: no published size", suite)
		}
	}
}

// TestFamilyOnOtherRunners checks the error and the hint of a runner that cannot run a family's
// layers.
func TestFamilyOnOtherRunners(t *testing.T) {
	for _, args := range [][]string{
		{"run", "kv-zoo", "--set", "runner=cpu", "--set", `device=""`, "--dry-run"},
		{"generate", "deepseek-v3", "x"},
		{"model", "inspect", "gemma-3-27b"},
	} {
		var out, stderr bytes.Buffer
		if code := run(t.Context(), args, &out, &stderr); code != exitUsage || !bytes.Contains(stderr.Bytes(), []byte("only the cost model")) {
			t.Errorf("%q: exit code %d: %s", args, code, stderr.String())
		}
	}
}
