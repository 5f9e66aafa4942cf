package compare

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestRatiosOfUnlikeMachines merges runs of two machines, each of which measured one of the models.
func TestRatiosOfUnlikeMachines(t *testing.T) {
	merge := func(threads int) *result.Journal {
		j := newMaker().journal()
		a, b := j.Runs[0], j.Runs[0]
		a.ID, b.ID, b.Env.Threads = "a", "b", threads
		merged := j.Runs[0]
		merged.Merged = &result.Merged{Shards: 2}
		j.Runs = []result.Run{a, b, merged}
		for i := range j.Records {
			j.Records[i].Run = map[string]string{"yoco-gret": "a", "transformer": "b"}[j.Records[i].Arch]
		}
		path := filepath.Join(t.TempDir(), "results.jsonl")
		if err := result.WriteFile(path, j); err != nil {
			t.Fatal(err)
		}
		j, err := result.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	ratio, bytes := "tiny-yoco-gret.prefill.tps >= 2x tiny-transformer", "tiny-yoco-gret.kv.total <= 10x tiny-transformer"
	alike := Judge(gates(t, ratio, bytes), side("run", merge(4)), nil)
	if alike.Verdict != Passed {
		t.Fatalf("like machines: %s %q", alike.Verdict, alike.Gates[0].Lines())
	}
	unlike := Judge(gates(t, ratio, bytes), side("run", merge(8)), nil)
	if unlike.Gates[0].Verdict != Broken || unlike.Gates[1].Verdict != Passed {
		t.Errorf("unlike machines: %s, bytes %s", unlike.Gates[0].Verdict, unlike.Gates[1].Verdict)
	}
	if text := strings.Join(unlike.Gates[0].Lines(), "\n"); !strings.Contains(text, "another kind of machine") {
		t.Errorf("the reason is %q", text)
	}
}
