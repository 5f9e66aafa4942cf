package merge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

// plan is a plan of n cases on count shards, case i on shard i%count+1.
type plan struct{ n, count int }

func (p plan) id(i int) string { return fmt.Sprintf("%020x", i) }

func (p plan) header(shard int, id, host string) result.Run {
	h := result.Run{ID: id, Host: host, Suite: "s", SuiteHash: "h", Start: time.Unix(int64(shard), 0).UTC(), Env: result.Env{CPU: "c", Threads: 2},
		Shard: &result.Shard{Number: shard, Count: p.count, Plan: "p", PlanCases: p.n, Cases: map[string]int{}},
		Tasks: result.Tasks{{Name: "t", Metrics: []result.MetricInfo{{Name: "bytes", Unit: "bytes", Better: result.Lower, Kind: result.Exact}, {Name: "s", Unit: "s", Better: result.Lower, Kind: result.Timed}, {Name: "workspace", Unit: "bytes", Better: result.Lower, Kind: result.Exact, Local: true}}}}}
	for i := shard - 1; i < p.n; i += p.count {
		h.Shard.Cases[p.id(i)] = i
	}
	h.Cases = len(h.Shard.Cases)
	return h
}

func (p plan) record(i int, bytes, seconds float64) result.Record {
	return result.Record{Case: p.id(i), Label: fmt.Sprint("case ", i), Task: "t", Model: "m", Status: result.OK, Start: time.Unix(100+int64(i), 0).UTC(),
		Metrics: map[string]result.Metric{"bytes": {Value: bytes, Unit: "bytes", Better: result.Lower}, "s": {Value: seconds, Unit: "s", Better: result.Lower}}}
}

// shard returns the journal of a shard with all its cases.
func (p plan) shard(shard int, id, host string) []any {
	out := []any{p.header(shard, id, host)}
	for i := p.n - 1; i >= 0; i-- { // not in the order of the plan
		if i%p.count == shard-1 {
			out = append(out, p.record(i, float64(i), 1))
		}
	}
	return out
}

func write(t testing.TB, lines ...any) string {
	t.Helper()
	var b bytes.Buffer
	for _, l := range lines {
		if s, ok := l.(string); ok {
			b.WriteString(s)
			continue
		}
		text, err := result.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func add(t testing.TB, paths ...string) (*Set, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "lines"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s := NewSet(f)
	for _, p := range paths {
		if err := s.Add(p); err != nil {
			return s, err
		}
	}
	return s, s.Complete()
}

// merged writes the merged journal and reads it back.
func merged(t testing.TB, s *Set) (*result.Journal, string) {
	t.Helper()
	h, _, err := s.Header("yocobench merge")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Write(&b, h); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := result.Read(bytes.NewReader(b.Bytes()), "merged")
	if err != nil || len(j.Damaged) > 0 {
		t.Fatal(err, j.Damaged)
	}
	return j, path
}

func TestMerge(t *testing.T) {
	p := plan{10, 3}
	a, b, c := write(t, p.shard(1, "ra", "hosta")...), write(t, p.shard(2, "rb", "hostb")...), write(t, p.shard(3, "rc", "hostc")...)
	s, err := add(t, c, a, b)
	if err != nil {
		t.Fatal(err)
	}
	j, path := merged(t, s)
	if len(j.Records) != p.n || j.Missing() != 0 || len(j.Runs) != 4 || j.Notice != "" {
		t.Fatalf("%d records, %d missing, %d headers, %q", len(j.Records), j.Missing(), len(j.Runs), j.Notice)
	}
	for i, r := range j.Records {
		if r.Case != p.id(i) {
			t.Errorf("record %d is of case %s", i, r.Case)
		}
		if run := j.Under(i); run == nil || run.Host != []string{"hosta", "hostb", "hostc"}[i%3] {
			t.Errorf("case %d was measured under %v", i, run)
		}
	}
	// The order of the inputs, copies of a run, and merged runs among the inputs do not change the
	// result.
	partial, err := add(t, a, b)
	if err == nil {
		t.Error("a missing shard is no error")
	}
	part, partPath := merged(t, partial)
	if !strings.Contains(part.Notice, "partial merge: 3 of 10 cases have no record; missing shards of 3: 3") {
		t.Errorf("notice %q", part.Notice)
	}
	want, _ := os.ReadFile(path)
	for _, paths := range [][]string{{a, b, c}, {partPath, c}, {c, partPath, a}, {path}, {path, b}} {
		s, err := add(t, paths...)
		if err != nil {
			t.Fatal(err)
		}
		_, again := merged(t, s)
		if got, _ := os.ReadFile(again); !bytes.Equal(got, want) {
			t.Errorf("%v gives another journal:\n%s\n%s", paths, got, want)
		}
	}
}

func TestMergeNamesWhatIsMissing(t *testing.T) {
	p := plan{12, 4}
	one := p.shard(1, "ra", "h")
	s, err := add(t, write(t, one[:3]...), write(t, p.shard(3, "rc", "h")...))
	var e *IncompleteError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(e.Missing, []int{2, 4}) || len(e.Incomplete) != 1 || !reflect.DeepEqual(e.Incomplete[0].Cases, []string{p.id(0)}) {
		t.Errorf("%+v", e)
	}
	if text := err.Error(); !strings.Contains(text, "7 of 12 cases have no record: no run of shard 2/4, 4/4; shard 1/4 in ") || !strings.Contains(text, p.id(0)) {
		t.Error(text)
	}
	if j, _ := merged(t, s); j.Missing() != 7 || !reflect.DeepEqual(j.Last().Merged.Incomplete, []int{1}) {
		t.Errorf("%+v", j.Last().Merged)
	}
}

func TestMergeRefuses(t *testing.T) {
	p := plan{4, 2}
	ok := write(t, p.shard(1, "ra", "hosta")...)
	header := func(change func(*result.Run)) string {
		h := p.header(2, "rx", "h")
		change(&h)
		return write(t, h)
	}
	for name, c := range map[string]struct{ path, want string }{
		"whole run":   {header(func(h *result.Run) { h.Shard = nil }), "is no shard"},
		"other suite": {header(func(h *result.Run) { h.Suite, h.Shard.Plan = "other", "q" }), "suite (s, other)"},
		"other count": {header(func(h *result.Run) { h.Shard.Count = 3 }), "number of shards (2, 3)"},
		"other plan":  {header(func(h *result.Run) { h.Shard.Plan = "q" }), "their cases, or the gates"},
		"no id":       {header(func(h *result.Run) { h.ID = "" }), "nothing sensible"},
		"shard 3/2":   {header(func(h *result.Run) { h.Shard.Number = 3 }), "nothing sensible"},
		"index":       {header(func(h *result.Run) { h.Shard.Cases[p.id(1)] = 4 }), "case 4 of 4"},
		"two shards":  {header(func(h *result.Run) { h.Shard.Cases[p.id(0)] = 0 }), "in shard 1 and in shard 2"},
		"shards":      {header(func(h *result.Run) { h.Shard.Count = 2_000_000_000 }), "nothing sensible"},
		"bad header":  {write(t, `{"type":"run","torn`+"\n", p.record(1, 1, 1)), "no readable header"},
		"no header":   {write(t, p.record(1, 1, 1)), "no header"},
		"not json":    {write(t, "hello\n"), "not a journal line"},
	} {
		if _, err := add(t, ok, c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestMergeDuplicates(t *testing.T) {
	p := plan{4, 2}
	two := write(t, p.shard(2, "rb", "hostb")...)
	first, second := p.shard(1, "ra", "hosta"), p.shard(1, "rc", "hostc")
	late := second[1].(result.Record)
	late.Start, late.Metrics = late.Start.Add(time.Hour), p.record(2, 2, 7).Metrics
	late.Metrics["workspace"] = result.Metric{Value: 5, Unit: "bytes", Better: result.Lower} // local: the other run has none
	second[1] = late
	failed := first[2].(result.Record)
	failed.Status, failed.Metrics = result.Failed, nil
	first[2] = failed
	var want []byte
	for _, paths := range [][]string{{write(t, first...), two, write(t, second...)}, {write(t, second...), write(t, first...), two}} {
		s, err := add(t, paths...)
		if err != nil {
			t.Fatal(err)
		}
		j, path := merged(t, s)
		if s.Duplicates() != 2 || j.Last().Merged.Duplicates != 2 {
			t.Errorf("%d duplicates", s.Duplicates())
		}
		// Case 2 was measured first under ra; case 0 has a result under rc only.
		if j.Under(2).ID != "ra" || j.Records[2].Metrics["s"].Value != 1 || j.Under(0).ID != "rc" || j.Records[0].Status != result.OK {
			t.Errorf("case 2 under %s, case 0 under %s", j.Under(2).ID, j.Under(0).ID)
		}
		got, _ := os.ReadFile(path)
		if want != nil && !bytes.Equal(got, want) {
			t.Error("the order of the arguments changes the result")
		}
		want = got
	}
	late.Metrics["bytes"] = result.Metric{Value: 3, Unit: "bytes", Better: result.Lower}
	second[1] = late
	_, err := add(t, write(t, first...), write(t, second...), two)
	if err == nil || !strings.Contains(err.Error(), "disagree in bytes") || !strings.Contains(err.Error(), "hosta") || !strings.Contains(err.Error(), "hostc") {
		t.Errorf("runs that disagree: %v", err)
	}
	copied := p.shard(1, "ra", "hosta")
	copied[1] = late
	a, b := write(t, first...), write(t, copied...)
	if _, err := add(t, a, b, two); err == nil || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), b) {
		t.Errorf("a changed copy of a run: %v", err)
	}
	delete(late.Metrics, "bytes")
	if _, err := add(t, write(t, first...), write(t, second...), two); err == nil {
		t.Error("a result that lacks an exact metric agrees")
	}
}

// TestMergeWithoutEmptyShard merges a plan of fewer cases than shards: the shards that have no case
// may be missing.
func TestMergeWithoutEmptyShard(t *testing.T) {
	p := plan{2, 3}
	s, err := add(t, write(t, p.shard(2, "rb", "h")...), write(t, p.shard(1, "ra", "h")...))
	if err != nil {
		t.Fatal(err)
	}
	if j, _ := merged(t, s); j.Missing() != 0 || len(j.Records) != 2 || j.Notice != "" {
		t.Errorf("%d records, %d missing, %q", len(j.Records), j.Missing(), j.Notice)
	}
	if _, err := add(t, write(t, p.shard(1, "ra", "h")...)); err == nil || !strings.Contains(err.Error(), "1 of 2 cases have no record: no run of shard 2/3, 3/3") {
		t.Error(err)
	}
}

// TestMergeResumedAndDamaged merges a shard that was resumed on another host, with a damaged line
// and an old line without a checksum.
func TestMergeResumedAndDamaged(t *testing.T) {
	p := plan{4, 1}
	old := `{"type":"case","schema":1,"case":"` + p.id(1) + `","task":"t","model":"m","status":"ok","params":{},"start":"2026-01-01T00:00:00Z"}` + "\n"
	path := write(t, p.header(1, "ra", "hosta"), p.record(0, 0, 1), old, `{"type":"case","torn`+"\n", p.record(2, 5, 1), p.header(1, "rb", "hostb"), p.record(2, 2, 1), p.record(3, 3, 1))
	s, err := add(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Notices) != 1 || !strings.Contains(s.Notices[0], ":4: damaged line skipped") {
		t.Errorf("notices %q", s.Notices)
	}
	j, _ := merged(t, s)
	hosts := ""
	for i := range j.Records {
		hosts += j.Under(i).Host + " "
	}
	if hosts != "hosta hosta hostb hostb " || j.Records[2].Metrics["bytes"].Value != 2 || s.Duplicates() != 0 {
		t.Errorf("%s, %v, %d duplicates", hosts, j.Records[2].Metrics, s.Duplicates())
	}
}

func FuzzMerge(f *testing.F) {
	p := plan{4, 2}
	for _, path := range []string{write(f, p.shard(1, "ra", "h")...), write(f, p.shard(2, "rb", "h")...)} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := add(t, path)
		var lacks *IncompleteError
		if err != nil && !errors.As(err, &lacks) {
			return
		}
		h, _, err := s.Header("")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := s.Write(&out, h); err != nil {
			return // two cases claim one place
		}
		j, err := result.Read(bytes.NewReader(out.Bytes()), "merged")
		if err != nil || len(j.Records) != s.Records() {
			t.Fatalf("%v: %d records of %d", err, len(j.Records), s.Records())
		}
	})
}
