package analytic

import (
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/families"
)

// layered is a model described by runners.Config: the cost model is runners/cost.go.
type layered struct {
	cfg     runners.Config
	profile runners.Profile
	types   runners.Types
	chunk   int // tokens per prefill pass, for the workspace
}

func (l layered) name() string      { return l.cfg.Name }
func (l layered) vocab() int        { return l.cfg.Vocab }
func (l layered) canTruncate() bool { return l.cfg.CanTruncate() }

func (l layered) usage(longest, count int) runners.Usage {
	return l.cfg.RunBytes(longest, count, l.chunk, l.types)
}

func (l layered) caches(capacity int) runners.Usage { return l.cfg.CacheBytes(capacity, l.types.KV) }

func (l layered) seconds(w runners.Work) float64 { return l.profile.Seconds(w, l.types.Weights) }

func (l layered) prefill(n, depth int) float64 {
	return l.seconds(l.cfg.PrefillWork(n, depth, l.types))
}

func (l layered) step(depths []int) float64 { return l.seconds(l.cfg.StepsWork(depths, l.types)) }

// published is a model of a published family: the cost model is package families. Its workspace is
// unknown and counted as 0.
type published struct {
	m       *families.Model
	profile runners.Profile
	kv      families.KVType
}

func (p published) name() string      { return p.m.Name }
func (p published) vocab() int        { return int(p.m.Vocab) }
func (p published) canTruncate() bool { return p.m.Usage(1, p.kv).State == 0 }

func (p published) usage(int, int) runners.Usage { return runners.Usage{Weights: p.m.Bytes()} }

func (p published) caches(capacity int) runners.Usage { return p.m.Usage(int64(capacity), p.kv) }

// seconds is the longer of computing and moving bytes, at the profile's assumed efficiency.
func (p published) seconds(c families.Cost) float64 {
	e := p.profile.Efficiency
	return c.Seconds(p.profile.PeakOf(runners.BF16)*e.Compute, p.profile.Bandwidth*e.Bandwidth)
}

func (p published) prefill(n, depth int) float64 {
	return p.seconds(p.m.PromptCost(int64(n), int64(depth), p.kv))
}

// step returns the cost of a batch at the mean of its depths, which are equal in all tasks.
func (p published) step(depths []int) float64 {
	sum := 0
	for _, d := range depths {
		sum += d
	}
	n := max(len(depths), 1)
	return p.seconds(p.m.DecodeCost(int64(sum/n), int64(n), p.kv))
}
