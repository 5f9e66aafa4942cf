package compare

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

// manyCases returns a journal of n timed cases.
func manyCases(n int, shift float64) *result.Journal {
	j := &result.Journal{Runs: []result.Run{{Cases: n, Start: time.Unix(int64(shift*1000), 0), Env: result.Env{CPU: "x", Cores: 2}}}}
	for i := range n {
		m := result.Metric{Unit: "s", Better: result.Lower}
		for k := range 5 {
			m.Samples = append(m.Samples, 1+shift+float64((i*7919+k*104729)%1000)/1000)
		}
		m.Value = m.Samples[2]
		j.Records = append(j.Records, result.Record{Case: fmt.Sprintf("%d-%g", i, shift), Task: "prefill", Model: "m", Label: fmt.Sprint("prefill ", i), Runner: "cpu",
			Source: result.Measured, Status: result.OK, Params: map[string]any{"length": float64(i)}, Metrics: map[string]result.Metric{"ttft": m}})
	}
	return j
}

func compareMany(n int) {
	a, b := manyCases(n, 0), manyCases(n, 0.1)
	RunKey(a)
	c := Compare(NewSide("a", []*result.Journal{a}, nil), NewSide("b", []*result.Journal{b}, nil), Options{})
	if err := c.Text(io.Discard, 80); err != nil {
		panic(err)
	}
}

// TestCompareGrowsLinearly checks that the memory that a comparison allocates, a proxy for its
// work, grows linearly with the cases.
func TestCompareGrowsLinearly(t *testing.T) {
	took := func(n int) float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		compareMany(n)
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	took(100)
	if small, large := took(500), took(4000); !(large < 12*small) {
		t.Errorf("8 times the cases take %.1f times the memory", large/small)
	}
	envs := &result.Journal{}
	for i := range 5000 {
		envs.Runs = append(envs.Runs, result.Run{Env: result.Env{CPU: fmt.Sprint("cpu ", i)}})
	}
	if s := NewSide("a", []*result.Journal{envs}, nil); len(s.Envs) > maxEnvs {
		t.Errorf("%d environments are stored", len(s.Envs))
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				compareMany(n)
			}
		})
	}
}
