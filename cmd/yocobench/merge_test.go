package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestMergedShardsEqualTheWholeRun runs a suite whole and in four shards, and compares all that
// does not depend on time.
func TestMergedShardsEqualTheWholeRun(t *testing.T) {
	dir := t.TempDir()
	yocobench := func(args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, &errs)
		}
	}
	merge := []string{"merge", "--quiet", "--reports", "csv", "--out", filepath.Join(dir, "merged")}
	yocobench("run", "smoke", "--quiet", "--reports", "csv", "--out", filepath.Join(dir, "whole"))
	for i := 4; i >= 1; i-- {
		shard := filepath.Join(dir, fmt.Sprint("shard-", i))
		yocobench("run", "smoke", "--quiet", "--reports", "csv", "--shard", fmt.Sprintf("%d/4", i), "--out", shard)
		merge = append(merge, shard)
	}
	yocobench(merge...)
	var sides [2]*result.Journal
	for i, name := range []string{"whole", "merged"} {
		j, err := result.ReadFile(filepath.Join(dir, name, journalName))
		if err != nil {
			t.Fatal(err)
		}
		sides[i] = j
	}
	if a, b := len(sides[0].Records), len(sides[1].Records); a != b {
		t.Fatalf("%d cases, merged %d", a, b)
	}
	tasks := sides[1].Tasks()
	compared := 0
	for i, a := range sides[0].Records {
		b := sides[1].Records[i]
		if a.Case != b.Case || a.Label != b.Label || a.Model != b.Model || a.Status != b.Status || !reflect.DeepEqual(a.Trials, b.Trials) || !reflect.DeepEqual(a.Series, b.Series) || !reflect.DeepEqual(a.Params, b.Params) {
			t.Errorf("record %d: %s %s, merged %s %s", i, a.Model, a.Label, b.Model, b.Label)
		}
		for name, m := range a.Metrics {
			info, declared := tasks.Metric(a.Task, name)
			if !declared || info.Kind == result.Timed || info.Local {
				continue
			}
			compared++
			if !reflect.DeepEqual(m, b.Metrics[name]) {
				t.Errorf("%s %s: %s is %v, merged %v", a.Model, a.Label, name, m, b.Metrics[name])
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d metrics were compared", compared)
	}
}
