package suites

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// timedTask is a fakeTask whose cases are interleaved.
type timedTask struct{ fakeTask }

func (t timedTask) Describe() result.Task {
	d := t.fakeTask.Describe()
	d.Interleaved = true
	return d
}

// planner plans a suite of three models: the whole plan, or a shard of it.
type planner struct {
	task    Task
	block   string
	filter  []string
	seconds func(runners.Work) float64
}

func (o planner) suite(t *testing.T) (*Suite, Registry) {
	t.Helper()
	s, err := Parse([]byte("name: s\nmodels: [a, b, c]\ntasks:\n  - fake: "+o.block+"\n"), "s.yaml", nil, []Task{o.task})
	if err != nil {
		t.Fatal(err)
	}
	w := fakeWiring(fakeTask{}, nil)
	w.Tasks = []Task{o.task}
	if open := w.Open; o.seconds != nil {
		w.Open = func(s *Suite, e Entry) (*Target, error) {
			m, err := open(s, e)
			m.Seconds = o.seconds
			return m, err
		}
	}
	return s, w
}

func (o planner) whole(t *testing.T) *Plan {
	t.Helper()
	s, w := o.suite(t)
	p, err := NewPlan(t.Context(), s, w)
	if err == nil && o.filter != nil {
		err = p.Filter(o.parsed(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (o planner) parsed(t *testing.T) Filter {
	f, err := ParseFilter(o.filter)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (o planner) shard(t *testing.T, sh Shard, gates ...gate.Gate) (*Plan, *result.Shard) {
	t.Helper()
	s, w := o.suite(t)
	p, h, err := NewShardPlan(t.Context(), s, w, Part{sh, o.parsed(t), gates})
	if err != nil {
		t.Fatal(err)
	}
	return p, h
}

// shards returns the shard of each case, from the plans of all shards, which it compares with the
// whole plan.
func (o planner) shards(t *testing.T, count int, gates ...gate.Gate) map[string]int {
	t.Helper()
	of := map[string]int{}
	hash := ""
	whole := o.whole(t)
	for n := 1; n <= count; n++ {
		p, h := o.shard(t, Shard{n, count}, gates...)
		if hash == "" {
			hash = h.Plan
		}
		if h.Plan != hash || h.PlanCases != len(whole.Cases) || h.Number != n || h.Count != count || len(h.Cases) != len(p.Cases) {
			t.Fatalf("shard %d: %+v of %d cases, the first shard's plan is %s", n, h, len(p.Cases), hash)
		}
		last := -1
		for _, c := range p.Cases {
			if old, ok := of[c.ID]; ok {
				t.Fatalf("%s is in shards %d and %d", c.Label, old, n)
			}
			of[c.ID] = n
			i, ok := h.Cases[c.ID]
			if !ok || i <= last {
				t.Fatalf("shard %d: case %d after case %d", n, i, last)
			}
			last = i
			if w := whole.Cases[i]; w.ID != c.ID || w.Label != c.Label || w.Model.Name != c.Model.Name || w.Seconds != c.Seconds || !reflect.DeepEqual(w.Params, c.Params) || c.Run == nil {
				t.Fatalf("shard %d has %s %s of %v, the whole plan %s %s of %v", n, c.Model.Name, c.Label, c.Params, w.Model.Name, w.Label, w.Params)
			}
		}
	}
	for _, c := range whole.Cases {
		if of[c.ID] == 0 {
			t.Fatalf("%s %s is in no shard", c.Model.Name, c.Label)
		}
	}
	return of
}

func TestShardsHoldEveryCaseOnce(t *testing.T) {
	for _, count := range []int{1, 2, 3, 7, 16, 100} {
		for _, filter := range [][]string{nil, {"model=b", "length>=100"}} {
			planner{task: fakeTask{}, block: "{lengths: [1, 10, 100, 1000, 10000]}", filter: filter}.shards(t, count)
			planner{task: timedTask{}, block: "{lengths: [1, 10, 100, 1000, 10000]}", filter: filter}.shards(t, count)
		}
	}
}

func TestShardsKeepInterleavedCasesTogether(t *testing.T) {
	plan := planner{task: timedTask{}, block: "{lengths: [1, 10, 100, 1000, 10000]}"}
	of := plan.shards(t, 4)
	byLength := map[any]int{}
	spread := map[int]bool{}
	for _, c := range plan.whole(t).Cases {
		n := c.Params["length"]
		if s, ok := byLength[n]; ok && s != of[c.ID] {
			t.Errorf("length %v is in shards %d and %d", n, s, of[c.ID])
		}
		byLength[n], spread[of[c.ID]] = of[c.ID], true
	}
	if len(spread) != 4 {
		t.Errorf("five lengths are in %d of 4 shards", len(spread))
	}
}

// unevenTask has one more length for model a than for the others.
type unevenTask struct{ timedTask }

func (u unevenTask) Plan(p *Planner, m *Target, params any) ([]Case, error) {
	cases, err := u.fakeTask.Plan(p, m, params)
	if m.Name != "a" {
		cases = cases[1:]
	}
	return cases, err
}

func TestShardsPairUnevenModelsByParams(t *testing.T) {
	plan := planner{task: unevenTask{}, block: "{lengths: [1, 10, 100, 1000]}"}
	of := plan.shards(t, 4)
	byLength := map[any]int{}
	for _, c := range plan.whole(t).Cases {
		n := c.Params["length"]
		if s, ok := byLength[n]; ok && s != of[c.ID] {
			t.Errorf("length %v is in shards %d and %d", n, s, of[c.ID])
		}
		byLength[n] = of[c.ID]
	}
	if len(byLength) != 4 || byLength[int64(1)] == byLength[int64(1000)] && byLength[int64(10)] == byLength[int64(100)] {
		t.Errorf("lengths are not spread: %v", byLength)
	}
}

func TestShardsKeepRatioGatesTogether(t *testing.T) {
	plan := planner{task: fakeTask{}, block: "{lengths: [1, 10, 100, 1000, 10000]}"}
	apart := func(gates ...gate.Gate) (n int) {
		of := plan.shards(t, 4, gates...)
		byLength := map[any]int{}
		for _, c := range plan.whole(t).Cases {
			if s, ok := byLength[c.Params["length"]]; ok && s != of[c.ID] {
				n++
			}
			byLength[c.Params["length"]] = of[c.ID]
		}
		return n
	}
	ratio, err := gate.Parse("a.fake.x >= 1x b")
	if err != nil {
		t.Fatal(err)
	}
	fixed, err := gate.Parse("fake.x >= 1")
	if err != nil {
		t.Fatal(err)
	}
	if apart() == 0 || apart(fixed) == 0 {
		t.Error("cases that nothing compares are together: the test shows nothing")
	}
	if n := apart(ratio); n > 0 {
		t.Errorf("%d cases are apart from those that a gate compares them with", n)
	}
}

// TestShardsDoNotDependOnTheMachine gives two machines different estimates.
func TestShardsDoNotDependOnTheMachine(t *testing.T) {
	plan := planner{task: fakeTask{}, block: "{lengths: [1, 10, 100, 1000, 10000]}"}
	fast := plan.shards(t, 5)
	plan.seconds = func(w runners.Work) float64 { return 1 / w.Self.FLOPs }
	if slow := plan.shards(t, 5); !reflect.DeepEqual(fast, slow) {
		t.Errorf("the shards differ: %v, %v", fast, slow)
	}
}

// TestShardPlanRefuses checks that a shard's plan has the errors of the whole plan.
func TestShardPlanRefuses(t *testing.T) {
	plan := planner{task: fakeTask{}, block: "{lengths: [1, 2]}"}
	g := func(text string) gate.Gate {
		g, err := gate.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	for _, c := range []struct {
		filter string
		gate   string
		want   string
	}{
		{"model=none", "fake.x >= 1", "no case matches --filter"},
		{"modle=a", "fake.x >= 1", "no case has a field"},
		{"model=a", "none.fake.x >= 1", "no case of the suite matches it"},
		{"model=a", "fake.y >= 1", "has no metric"},
	} {
		plan.filter = []string{c.filter}
		s, w := plan.suite(t)
		if _, _, err := NewShardPlan(t.Context(), s, w, Part{Shard{1, 2}, plan.parsed(t), []gate.Gate{g(c.gate)}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v, want %q", c.filter, c.gate, err, c.want)
		}
	}
}

// TestShardBalance compares the most loaded shard with that of the best split, found by trying all.
func TestShardBalance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	about := fakeTask{}.Describe()
	for range 60 {
		n, count := 1+rng.IntN(8), 1+rng.IntN(3)
		p := &Plan{Suite: &Suite{}}
		for i := range n {
			flops := 1e13 * (1 + 20*rng.Float64())
			p.Cases = append(p.Cases, &PlannedCase{ID: fmt.Sprintf("%03d", i), Task: "fake", about: &about, Model: &Target{Name: "m"},
				Case: Case{Params: map[string]any{"length": i}}, nominal: nominalMicroseconds([]Phase{{Work: runners.Work{Self: runners.Cost{FLOPs: flops}}, Times: 1}})})
		}
		costs := p.costs()
		most := func(of func(i int) int) int64 {
			loads := make([]int64, count)
			for i, c := range costs {
				loads[of(i)] += c
			}
			return slices.Max(loads)
		}
		best := int64(math.MaxInt64)
		for all, k := int(math.Pow(float64(count), float64(n))), 0; k < all; k++ {
			best = min(best, most(func(i int) int { return k / int(math.Pow(float64(count), float64(i))) % count }))
		}
		split := p.split(count)
		got := most(func(i int) int { return int(split[i]) - 1 })
		if bound := 4./3 - 1/(3*float64(count)); float64(got) > bound*float64(best)+1 {
			t.Errorf("%d cases on %d shards: the most loaded has %d, more than %.3f times the best possible %d", n, count, got, bound, best)
		}
	}
}

func TestShardsOfUnknownWork(t *testing.T) {
	p := planner{task: fakeTask{}, block: "{lengths: [1, 10, 100, 1000]}"}.whole(t)
	for _, c := range p.Cases {
		c.nominal = -1
	}
	n := map[int32]int{}
	for _, s := range p.split(3) {
		n[s]++
	}
	if len(n) != 3 {
		t.Errorf("cases of unknown work are in %d of 3 shards", len(n))
	}
}

func TestParseShard(t *testing.T) {
	array := func(v ...string) map[string]string {
		m := map[string]string{}
		for i, name := range []string{"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT"} {
			if v[i] != "" {
				m[name] = v[i]
			}
		}
		return m
	}
	pod := map[string]string{"JOB_COMPLETION_INDEX": "0"}
	for _, c := range []struct {
		text string
		env  map[string]string
		want Shard
		err  string
	}{
		{"3/16", nil, Shard{3, 16}, ""},
		{"1/1", array("9", "9", "9", "1", "1"), Shard{1, 1}, ""},
		{"auto", array("6", "2", "10", "2", "5"), Shard{3, 5}, ""},
		{"auto", array("0", "0", "3", "", "4"), Shard{1, 4}, ""},
		{"auto/16", array("16", "3", "16", "13", "2"), Shard{16, 16}, ""},
		{"auto/16", pod, Shard{1, 16}, ""},
		{"auto", pod, Shard{}, "does not say how many"},
		{"auto", nil, Shard{}, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX"},
		{"auto", array("3", "1", "7", "1", "3"), Shard{}, "not evenly spaced"},
		{"auto", array("3", "", "7", "1", "3"), Shard{}, `SLURM_ARRAY_TASK_MIN is ""`},
		{"auto/16", array("0", "0", "15", "1", "16"), Shard{}, "shard 0 of 16"},
		{"auto/16", map[string]string{"JOB_COMPLETION_INDEX": "16"}, Shard{}, "shard 17 of 16"},
		{"auto/16", map[string]string{"JOB_COMPLETION_INDEX": "x"}, Shard{}, `is "x"`},
		{"auto/16", map[string]string{"JOB_COMPLETION_INDEX": "1", "SLURM_ARRAY_TASK_ID": "1"}, Shard{}, "both"},
		{"0/16", nil, Shard{}, "numbered from 1 to 16"},
		{"17/16", nil, Shard{}, "numbered from 1 to 16"},
		{"3", nil, Shard{}, "expected a form"},
		{"", nil, Shard{}, "expected a form"},
		{"a/b", nil, Shard{}, "number of shards"},
		{"1/0", nil, Shard{}, "number of shards"},
		{"1/99999999999999999999", nil, Shard{}, "number of shards"},
	} {
		got, source, err := ParseShard(c.text, func(name string) string { return c.env[name] })
		if got != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q with %v: %v, %v; want %v, %q", c.text, c.env, got, err, c.want, c.err)
		}
		if auto := strings.HasPrefix(c.text, "auto"); err == nil && (source != "") != auto {
			t.Errorf("%q: source %q", c.text, source)
		}
	}
}

func FuzzParseShard(f *testing.F) {
	f.Add("3/16", "")
	f.Add("auto/4", "3")
	f.Fuzz(func(t *testing.T, text, index string) {
		s, _, err := ParseShard(text, func(name string) string {
			if name == "JOB_COMPLETION_INDEX" {
				return index
			}
			return ""
		})
		if err == nil && (s.Number < 1 || s.Number > s.Count || s.Count > result.MaxShards) {
			t.Errorf("%q, %q: %v", text, index, s)
		}
	})
}
