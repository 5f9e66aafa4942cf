package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
)

func TestKV(t *testing.T) {
	for _, a := range runners.Arches() {
		m := tiny(a)
		for _, fill := range []bool{false, true} {
			cases := plan(t, KV{}, m, &KVParams{Lengths: suites.Sizes{64, 1000}, Batch: 3, Fill: fill})
			if len(cases) != 2 {
				t.Fatalf("%d cases", len(cases))
			}
			r, err := run(t, cases[1], loadFake(t, m, 1<<30))
			if err != nil {
				t.Fatal(err)
			}
			want := m.Config.CacheBytes(1000, runners.BF16)
			for name, v := range map[string]int64{"global_kv": 3 * want.GlobalKV, "window_kv": 3 * want.WindowKV, "state": 3 * want.State} {
				if value(t, r, name) != float64(v) || value(t, r, name+"_computed") != float64(v) {
					t.Errorf("%s: %s is %g, computed %g, want %d", a, name, value(t, r, name), value(t, r, name+"_computed"), v)
				}
			}
			total := 0.0
			for _, part := range []string{"weights", "global_kv", "window_kv", "state"} {
				total += value(t, r, part)
			}
			for _, name := range []string{"workspace", "peak"} {
				if _, ok := r.Metrics[name]; ok != fill {
					t.Errorf("%s: %s recorded: %v, with fill %v", a, name, ok, fill)
				}
			}
			if fill {
				total += value(t, r, "workspace")
				if value(t, r, "peak") < total {
					t.Errorf("%s: total %g, peak %g", a, total, value(t, r, "peak"))
				}
			}
			if value(t, r, "total") != total {
				t.Errorf("%s: total %g, of parts %g", a, value(t, r, "total"), total)
			}
			if got := value(t, r, "bytes_per_token"); got != float64(want.GlobalKV)/1000 {
				t.Errorf("%s: %g bytes a token", a, got)
			}
			if (len(cases[1].Work) > 0) != fill {
				t.Errorf("estimated work %v with fill %v", cases[1].Work, fill)
			}
			if r.Params["kv"] != "bf16" || r.Params["dtype"] != "f32" {
				t.Errorf("number types in the record: %v", r.Params)
			}
		}
	}
}

// A part that differs from its computed size fails the case. The workspace may differ.
func TestKVDisagreement(t *testing.T) {
	m := tiny(runners.YOCOSlidingWindow)
	c := plan(t, KV{}, m, &KVParams{Lengths: suites.Sizes{256}, Batch: 1, Fill: true})[0]
	for name, distort := range map[string]func(runners.Usage) runners.Usage{
		"weights":   func(u runners.Usage) runners.Usage { u.Weights++; return u },
		"global_kv": func(u runners.Usage) runners.Usage { u.GlobalKV--; return u },
		"window_kv": func(u runners.Usage) runners.Usage { u.WindowKV *= 2; return u },
		"state":     func(u runners.Usage) runners.Usage { u.State = 4; return u },
		"workspace": func(u runners.Usage) runners.Usage { u.Workspace += 1 << 20; return u },
	} {
		f := loadFake(t, m, 1<<30)
		f.distort = distort
		r, err := run(t, c, f)
		if name == "workspace" {
			if err != nil || value(t, r, "workspace") != float64(f.Instance.Config().WorkspaceBytes(256, 1, runners.F32)+1<<20) {
				t.Errorf("workspace: %v, %g", err, value(t, r, "workspace"))
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s differs: %v", name, err)
		}
	}
}

func TestPrefill(t *testing.T) {
	for _, a := range runners.Arches() {
		m := tiny(a)
		cases := plan(t, Prefill{}, m, &PrefillParams{Lengths: suites.Sizes{1, 700}, Samples: 4, Warmup: 2})
		for i, n := range []int{1, 700} {
			f := loadFake(t, m, 1<<30)
			r, err := run(t, cases[i], f)
			if err != nil {
				t.Fatal(err)
			}
			types := runners.Types{KV: runners.BF16}
			prefill, step := m.Config.PrefillWork(n-1, 0, types), m.Config.StepWork(n-1, 1, types)
			want := machine.Seconds(prefill, runners.F32) + machine.Seconds(step, runners.F32)
			if got := value(t, r, "ttft"); math.Abs(got/want-1) > 1e-3 {
				t.Errorf("%s at %d: ttft %g, want %g", a, n, got, want)
			}
			if got := value(t, r, "tps"); math.Abs(got*want/float64(n)-1) > 1e-3 {
				t.Errorf("%s at %d: tps %g", a, n, got)
			}
			if got := value(t, r, "limit_fraction"); math.Abs(got-1) > 1e-3 {
				t.Errorf("%s at %d: %g of the limit", a, n, got)
			}
			if len(r.Metrics["ttft"].Samples) != 4 || f.steps != 6 {
				t.Errorf("%d samples, %d steps", len(r.Metrics["ttft"].Samples), f.steps)
			}
			if len(f.rows[0]) != m.Config.Vocab {
				t.Errorf("logits of %d", len(f.rows[0]))
			}
			if w := cases[i].Work; w[0] != (suites.Phase{Work: prefill, Times: 6}) || w[1] != (suites.Phase{Work: step, Times: 6}) {
				t.Errorf("estimated work %+v", w)
			}
		}
	}
}

func TestThroughput(t *testing.T) {
	for _, a := range runners.Arches() {
		m := tiny(a)
		cases := plan(t, Throughput{}, m, &ThroughputParams{
			Depths: suites.Sizes{0, 512}, Batches: suites.Sizes{1, 3}, Prefills: 3, Generate: 20, Samples: 6, Warmup: 2})
		if len(cases) != 4 {
			t.Fatalf("%d cases", len(cases))
		}
		for _, c := range cases {
			f := loadFake(t, m, 1<<30)
			r, err := run(t, c, f)
			if err != nil {
				t.Fatal(err)
			}
			depth, batch := r.Params["depth"].(int), float64(r.Params["batch"].(int))
			if f.steps != 22 {
				t.Errorf("%s: %d steps", c.Label, f.steps)
			}
			decode, types := 0.0, runners.Types{KV: runners.BF16}
			for i := range 20 {
				decode += machine.Seconds(m.Config.StepWork(depth+2+i, int(batch), types), runners.F32)
			}
			prefill := machine.Seconds(m.Config.PrefillWork(depth, 0, types), runners.F32)
			for name, want := range map[string]float64{
				"tpot": decode / 20, "decode_tps": batch * 20 / decode, "e2e_tps": batch * 20 / (batch*prefill + decode),
			} {
				if got := value(t, r, name); math.Abs(got/want-1) > .01 {
					t.Errorf("%s, %s: %s is %g, want %g", a, c.Label, name, got, want)
				}
			}
			if _, ok := r.Metrics["prefill"]; ok != (depth > 0) {
				t.Errorf("%s: prefill recorded: %v", c.Label, ok)
			}
			if n, p := len(r.Metrics["tpot"].Samples), len(r.Metrics["prefill"].Samples); n != 6 || p != 3 && depth > 0 {
				t.Errorf("%s: %d samples of tpot, %d of prefill", c.Label, n, p)
			}
			if got := value(t, r, "held"); got != float64(m.Config.RunBytes(depth+22, int(batch), 0, types).Total()) {
				t.Errorf("%s: %g bytes held", c.Label, got)
			}
			if &f.rows[0][0] == &f.rows[len(f.rows)-1][0] && batch > 1 {
				t.Error("sequences of a batch share a row of logits")
			}
		}
	}
}

// With the parameter steps, only steps in the middle are run, and the results are extrapolated to
// all.
func TestThroughputSteps(t *testing.T) {
	for _, a := range runners.Arches() {
		for _, depth := range []int{0, 700} {
			m := tiny(a)
			params := ThroughputParams{Depths: suites.Sizes{int64(depth)}, Batches: suites.Sizes{3}, Prefills: 1, Generate: 400, Samples: 4, Warmup: 2}
			all := plan(t, Throughput{}, m, &params)[0]
			params.Steps = 32
			some := plan(t, Throughput{}, m, &params)[0]
			if _, ok := all.Params["steps"]; ok || some.Params["steps"] != 32 || some.Bytes != all.Bytes {
				t.Errorf("params %v and %v, %d and %d bytes", all.Params, some.Params, all.Bytes, some.Bytes)
			}
			last := len(some.Work) - 1
			if got := some.Work[last].Times; got != 34 || some.Work[last].Work != all.Work[last].Work {
				t.Errorf("estimated %g steps, of other work: %t", got, some.Work[last].Work != all.Work[last].Work)
			}
			f, g := loadFake(t, m, 1<<30), loadFake(t, m, 1<<30)
			want, err := run(t, all, f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := run(t, some, g)
			if err != nil {
				t.Fatal(err)
			}
			if f.steps != 402 || g.steps != 34 {
				t.Errorf("%d steps of all, %d of some", f.steps, g.steps)
			}
			for _, name := range []string{"tpot", "decode_tps", "e2e_tps", "held"} {
				within := .005
				if depth == 0 { // the window fills up meanwhile, so the steps in the middle are not the mean
					within = .04
				}
				if x, y := value(t, got, name), value(t, want, name); !(math.Abs(x/y-1) <= within) {
					t.Errorf("%s at %d: %s is %g by some steps, %g by all", a, depth, name, x, y)
				}
			}
			if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, "derived: 32 of 400 steps") || strings.Contains(strings.Join(want.Notes, "\n"), "derived") {
				t.Errorf("notes %q", notes)
			}
		}
	}
}

func TestLargestBatch(t *testing.T) {
	const memory = 8 << 20
	batches := map[runners.Arch]float64{}
	for _, a := range runners.Arches() {
		m := tiny(a)
		c := plan(t, Throughput{}, m, &ThroughputParams{
			Depths: suites.Sizes{1024}, MaxBatch: true, Memory: memory, Prefills: 1, Generate: 4, Samples: 2})[0]
		r, err := run(t, c, loadFake(t, m, memory)) // the model refuses more than the budget
		if err != nil {
			t.Fatal(err)
		}
		b := value(t, r, "max_batch")
		batches[a] = b
		types := runners.Types{KV: runners.BF16}
		if now, next := m.Config.RunBytes(1028, int(b), 0, types).Total(), m.Config.RunBytes(1028, int(b)+1, 0, types).Total(); now > memory || next <= memory {
			t.Errorf("%s: %g sequences hold %d, one more %d, of %d", a, b, now, next, memory)
		}
		if r.Params["batch"] != "max" || value(t, r, "held") > memory {
			t.Errorf("%s: batch %v holds %g", a, r.Params["batch"], value(t, r, "held"))
		}

		// If more memory is held than computed, this is an error for caches and a note for the
		// workspace.
		f := loadFake(t, m, 1<<30)
		f.distort = func(u runners.Usage) runners.Usage { u.GlobalKV += memory; return u }
		if _, err := run(t, c, f); err == nil || !strings.Contains(err.Error(), "should fit") {
			t.Errorf("%s: caches beyond the budget: %v", a, err)
		}
		f = loadFake(t, m, 1<<30)
		f.distort = func(u runners.Usage) runners.Usage { u.Workspace += memory; return u }
		if r, err := run(t, c, f); err != nil || !strings.Contains(strings.Join(r.Notes, "\n"), "more than the budget") {
			t.Errorf("%s: a workspace beyond the budget: %v, notes %q", a, err, r.Notes)
		}
	}
	if !(batches[runners.YOCOGatedRetention] > batches[runners.Transformer]) {
		t.Errorf("largest batches: %v", batches)
	}

	// Not even one.
	m := tiny(runners.Transformer)
	c := plan(t, Throughput{}, m, &ThroughputParams{
		Depths: suites.Sizes{1024}, MaxBatch: true, Memory: 1 << 20, Prefills: 1, Generate: 4, Samples: 2})[0]
	if _, err := run(t, c, loadFake(t, m, 1<<30)); !errors.Is(err, runners.ErrOutOfMemory) {
		t.Errorf("no sequence fits: %v", err)
	}
}

// cases lists one case of each task.
func oneOfEach(t *testing.T, m *suites.Target) []suites.Case {
	t.Helper()
	return append(append(
		plan(t, KV{}, m, &KVParams{Lengths: suites.Sizes{256}, Batch: 4, Fill: true}),
		plan(t, Prefill{}, m, &PrefillParams{Lengths: suites.Sizes{256}, Samples: 2})...),
		plan(t, Throughput{}, m, &ThroughputParams{Depths: suites.Sizes{256}, Batches: suites.Sizes{4}, Prefills: 1, Generate: 2, Samples: 1})...)
}

// Running out of memory at any sequence is a result, and leaves the model usable.
func TestOutOfMemory(t *testing.T) {
	m := tiny(runners.YOCOGatedRetention)
	f := loadFake(t, m, 1<<30)
	for _, c := range oneOfEach(t, m) {
		for at := 1; ; at++ {
			f.made, f.failAt = 0, at
			_, err := run(t, c, f)
			if f.made < at {
				if err != nil {
					t.Errorf("%s: %v", c.Label, err)
				}
				break
			}
			if !errors.Is(err, runners.ErrOutOfMemory) {
				t.Errorf("%s, sequence %d: %v", c.Label, at, err)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	m := tiny(runners.Transformer)
	broken := errors.New("planted")
	for _, c := range oneOfEach(t, m) {
		f := loadFake(t, m, 1<<30)
		f.broken = broken
		if _, err := run(t, c, f); !errors.Is(err, broken) {
			t.Errorf("%s: %v", c.Label, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.Run(ctx, loadFake(t, m, 1<<30), func(float64) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", c.Label, err)
		}
		f = loadFake(t, m, 1<<30)
		f.stopped = true
		_, err := run(t, c, f)
		if timed := !strings.HasPrefix(c.Label, "kv"); timed != (err != nil) {
			t.Errorf("%s: with a clock that stands still: %v", c.Label, err)
		}
	}
}

func TestParamErrors(t *testing.T) {
	one := suites.Sizes{1}
	for _, tt := range []struct {
		task   suites.Task
		params any
		want   string
	}{
		{KV{}, &KVParams{Batch: 1}, "lengths: no sizes"},
		{KV{}, &KVParams{Lengths: suites.Sizes{0}, Batch: 1}, "lengths: 0, expected 1 to 128Mi"},
		{KV{}, &KVParams{Lengths: suites.Sizes{1 << 40}, Batch: 1}, "lengths: 1099511627776, expected"},
		{KV{}, &KVParams{Lengths: one}, "batch: 0, expected 1"},
		{KV{}, &KVParams{Models: []string{"["}, Lengths: one, Batch: 1}, "malformed pattern"},
		{Prefill{}, &PrefillParams{Lengths: one}, "samples: 0, expected 1"},
		{Prefill{}, &PrefillParams{Lengths: one, Samples: 1, Warmup: -1}, "warmup: -1, expected 0"},
		{Throughput{}, &ThroughputParams{Generate: 1, Samples: 1}, "depths: no sizes"},
		{Throughput{}, &ThroughputParams{Depths: one, Generate: 1, Samples: 1}, "prefills: 0, expected 1"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Samples: 1}, "generate: 0"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 5}, "samples: 5, expected 1 to 4"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 1, Warmup: -1}, "warmup: -1"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 1, Steps: 5}, "steps: 5, expected 0 to 4"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 1, Steps: -1}, "steps: -1"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 3, Steps: 2}, "samples: 3, expected 1 to 2"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 1, Batches: suites.Sizes{0}}, "batches: 0"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 1, Memory: 1}, "memory is for max_batch"},
		{Throughput{}, &ThroughputParams{Depths: one, Prefills: 1, Generate: 4, Samples: 1, MaxBatch: true}, "max_batch needs memory"},
	} {
		cases, err := tt.task.Plan(&suites.Planner{}, tiny(runners.Transformer), tt.params)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %d cases, error %v, want %q", tt.task.Name(), tt.params, len(cases), err, tt.want)
		}
	}
}

// Defaults are valid, and every field of every task is documented.
func TestParams(t *testing.T) {
	for _, task := range Tasks() {
		cases, err := task.Plan(&suites.Planner{}, tiny(runners.Transformer), task.Params())
		if err != nil || len(cases) == 0 {
			t.Errorf("%s: defaults give %d cases, %v", task.Name(), len(cases), err)
		}
		for _, c := range cases {
			if c.Bytes <= 0 {
				t.Errorf("%s: %d bytes", c.Label, c.Bytes)
			}
		}
		typ := reflect.TypeOf(task.Params()).Elem()
		for i := range typ.NumField() {
			if f := typ.Field(i); f.Tag.Get("yaml") == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s: field %s lacks a yaml or doc tag", task.Name(), f.Name)
			}
		}
		if task.About() == "" {
			t.Errorf("%s says nothing about itself", task.Name())
		}
	}
	for pattern, want := range map[string]int{"tiny": 1, "t*": 1, "other": 0} {
		params := &PrefillParams{Models: []string{"none", pattern}, Lengths: suites.Sizes{4}, Samples: 1}
		if got := len(plan(t, Prefill{}, tiny(runners.Transformer), params)); got != want {
			t.Errorf("models: [none, %s] gives %d cases, want %d", pattern, got, want)
		}
	}
}

// Prompts depend only on the seed and the case.
func TestPrompt(t *testing.T) {
	var s target
	of := func(seed uint64, label string) []int { return s.prompt(random(seed, label), 300, 100) }
	if !reflect.DeepEqual(of(1, "x"), of(1, "x")) {
		t.Error("two prompts of one case")
	}
	for _, other := range [][]int{of(2, "x"), of(1, "y")} {
		if reflect.DeepEqual(of(1, "x"), other) {
			t.Error("one prompt of two cases")
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		samples []float64
		want    float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 9, 2}, 3}} {
		before := fmt.Sprint(tt.samples)
		if got := median(tt.samples); got != tt.want || fmt.Sprint(tt.samples) != before {
			t.Errorf("median(%s) = %g, want %g", before, got, tt.want)
		}
	}
}
