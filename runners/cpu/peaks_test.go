package cpu

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

func TestPeaks(t *testing.T) {
	eachTier(t, func(t *testing.T, opts runners.Options) {
		p, err := Peaks(context.Background(), opts)
		if err != nil || !(p.GFLOPS > 0.01) || !(p.BF16GFLOPS > 0.01) || !(p.GBps > 0.01) {
			t.Errorf("%+v, %v", p, err)
		}
		t.Logf("%.1f GFLOP/s float32, %.1f bfloat16, %.1f GB/s", p.GFLOPS, p.BF16GFLOPS, p.GBps)
		if m := p.Profile(1); m.PeakOf(runners.BF16) != p.BF16GFLOPS*1e9 || m.PeakOf(runners.F32) != p.GFLOPS*1e9 || m.Validate() != nil {
			t.Errorf("profile %+v of %+v", m, p)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Peaks(ctx, runners.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

// If the time is over before a worker starts, as on a busy machine, its rate still counts.
func TestLateWorkersCount(t *testing.T) {
	o := openTest(t, runners.Options{Threads: 3})
	var portions atomic.Int32
	sum := o.together(0, func(*ops, *worker) float64 { return float64(portions.Add(1)) })
	if !(sum > 0) || portions.Load() != 3 {
		t.Errorf("3 workers did %d portions, at a rate of %g", portions.Load(), sum)
	}
}

func TestDescribe(t *testing.T) {
	d, err := Describe(runners.Options{Threads: 3, MemoryBudget: 1 << 30})
	if err != nil || d.Kind != "cpu" || d.Name == "" || d.Tier == "" || d.Why == "" || d.Threads != 3 || d.Memory != 1<<30 {
		t.Errorf("%+v, %v", d, err)
	}
	if d := New().Device(); d.Threads < 1 || d.Memory < 1<<20 || New().Name() != "cpu" {
		t.Errorf("%+v", d)
	}
	if _, err := Describe(runners.Options{Tier: "vax"}); err == nil {
		t.Error("an unknown tier was accepted")
	}
	if tiers := Tiers(); len(tiers) == 0 || !tiers[len(tiers)-1].Available || tiers[len(tiers)-1].Name != "go" {
		t.Errorf("%+v", tiers)
	}
}

// The processor's name is read from the format of each architecture, and is empty if it is not
// reported.
func TestProcessorName(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: Xeon 6973P\nprocessor\t: 1\nmodel name\t: other\n":                                         "Xeon 6973P",
		"processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n": "ARM implementer 0x41 part 0xd0c variant 0x3 revision 1",
		"processor\t: 0\ncpu\t\t: POWER9, altivec supported\n":                                                                    "POWER9, altivec supported",
		"processor\t: 0\nmodel name\t: unknown\n":                                                                                 "",
		"processor\t: 0\nCPU implementer\t: 0x41\n":                                                                               "",
		"": "",
	} {
		if got := nameIn(text); got != want {
			t.Errorf("got %q, want %q in\n%s", got, want, text)
		}
	}
}
