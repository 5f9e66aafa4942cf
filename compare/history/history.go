// Package history tracks metrics over runs and finds their change points.
//
// A trend is one metric of one case on one machine. Cases are the same if task, model, runner and
// parameters are equal; weights and seed may differ. Each run gives one value, the record's own
// (the median of its samples), because a trend must be distinguished from the variation between
// runs, which the samples within a run do not show.
//
// # Change points
//
// Changes of level are found by binary segmentation. Of all positions with at least MinSegment runs
// on both sides, the best is the one where a step explains most of the sum of squares (Sen and
// Srivastava, Annals of Statistics 3, 1975, 98; of the logarithms if all values are positive). This
// gain is compared with that of random permutations of the values. If at most a share alpha/2 of
// the permutations reach it, the position is a change point, and both parts are searched the same
// way. Otherwise the test is repeated with a segment inside the series, because a level that
// changes and returns is not visible as a single step (Olshen et al., Biostatistics 5, 2004, 557).
// In a series without a change all orders are equally likely, so a change is marked with
// probability at most alpha, under any noise without drift; the parts are searched only after a
// mark. Values without random variation (bytes, and all computed values) are marked wherever they
// differ.
package history

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

// Run is a journal and its name in reports.
type Run struct {
	Name    string
	Journal *result.Journal
}

// Options selects what to track.
type Options struct {
	// Alpha is the probability of marking a change in a series that has none.
	Alpha float64
	// Keep selects records; nil selects all.
	Keep compare.Keep
	// Metric selects metrics of a task. If it is nil, each task's primary metric is tracked or, if
	// the task declares none, every metric for which higher or lower is better.
	Metric func(task, name string) bool
	// AcrossMachines combines the runs of all machines in one trend.
	AcrossMachines bool
}

// Build builds the trends of all selected metrics, in the order of the runs' start times.
func Build(runs []Run, o Options) *reports.History {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return start(a).Compare(start(b)) })
	h := &reports.History{Alpha: o.Alpha, Runs: len(runs)}
	index := map[string]int{}
	exact := map[string]bool{}
	var keys []string
	for _, run := range runs {
		if run.Journal.Notice != "" {
			h.Notices = append(h.Notices, run.Name+": "+run.Journal.Notice)
		}
		env := environment(run.Journal)
		tasks := run.Journal.Tasks()
		here, fingerprint := describe(env), env.Machine()
		for i := range run.Journal.Records {
			r := &run.Journal.Records[i]
			if o.Keep != nil && !o.Keep(r.Task, match.FieldsOf(r.Params, r.Model, r.Arch, r.Runner, r.Label)) || r.Status != result.OK {
				continue
			}
			machine, id := here, fingerprint
			if r.Source == result.Computed {
				machine, id = r.Device+" (computed)", "computed "+r.Device
			}
			if o.AcrossMachines {
				machine, id = "all machines", ""
			}
			for _, name := range names(r) {
				m := r.Metrics[name]
				if o.Metric == nil && !followed(tasks, r.Task, name, m) || o.Metric != nil && !o.Metric(r.Task, name) || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
					continue
				}
				key := place(r, name, id)
				at, ok := index[key]
				if !ok {
					at = len(h.Trends)
					index[key] = at
					keys = append(keys, key)
					h.Trends = append(h.Trends, reports.Trend{Task: r.Task, Model: r.Model, Label: r.Label, Metric: name, Unit: m.Unit, Better: m.Better, Machine: machine})
					exact[key] = compare.KindOf(tasks, r, name) == compare.Exact
				}
				point := reports.TrendPoint{Run: run.Name, Start: start(run), Version: env.Version, Commit: env.Commit, Value: m.Value}
				t := &h.Trends[at]
				if n := len(t.Points); n > 0 && t.Points[n-1].Run == run.Name {
					t.Points[n-1] = point // a resumed run repeated the case
				} else {
					t.Points = append(t.Points, point)
				}
			}
		}
	}
	for i := range h.Trends {
		t := &h.Trends[i]
		values := make([]float64, len(t.Points))
		for k, p := range t.Points {
			values[k] = p.Value
		}
		if exact[keys[i]] {
			t.Changes = steps(values)
			continue
		}
		if t.Need = MinRuns(o.Alpha); len(values) >= t.Need {
			t.Need = 0
		}
		t.Changes = Changes(values, o.Alpha, seed(keys[i]))
	}
	return h
}

// followed reports whether a metric is tracked by default.
func followed(tasks result.Tasks, task, name string, m result.Metric) bool {
	if t := tasks.Find(task); t != nil && t.Primary() != "" {
		return name == t.Primary()
	}
	return m.Better != result.None
}

func start(r Run) time.Time {
	if len(r.Journal.Runs) == 0 {
		return time.Time{}
	}
	return r.Journal.Runs[0].Start
}

func environment(j *result.Journal) result.Env {
	if len(j.Runs) == 0 {
		return result.Env{}
	}
	return j.Runs[len(j.Runs)-1].Env
}

// describe describes a machine, with a fingerprint that distinguishes it from similar ones.
func describe(e result.Env) string {
	words := []string{e.CPU}
	if e.GPU != "" {
		words = append(words, e.GPU)
	}
	words = append(words, fmt.Sprintf("%d threads", e.Threads), e.KernelTier)
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	return strings.Join(words, ", ") + " [" + e.Machine() + "]"
}

func names(r *result.Record) (out []string) {
	for name := range r.Metrics {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// place returns the key of a trend.
func place(r *result.Record, metric, machine string) string {
	b, err := json.Marshal([]any{r.Task, r.Model, r.Runner, r.Source, r.Params, metric, machine})
	if err != nil {
		return r.Case + " " + metric + " " + machine
	}
	return string(b)
}

// seed returns the seed of a trend's permutations, which depends only on its key.
func seed(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()
}

// MinSegment is the minimum number of runs between two change points, before the first and after
// the last.
const MinSegment = 3

// orders is the number of random permutations that a step is compared with.
const orders = 9999

// MinRuns returns the smallest number of runs in which a step can be significant at alpha. Of the
// (n over n/2) ways to split n distinct values in halves, about 2 give the largest step.
func MinRuns(alpha float64) int {
	for n := 2 * MinSegment; ; n++ {
		ways := 1.0
		for i := range n / 2 {
			ways *= float64(n-i) / float64(n/2-i)
		}
		if 2/ways <= alpha/2 || n >= 1000 {
			return n
		}
	}
}

// Changes finds the change points of a series of finite values; see the package documentation. seed
// seeds the random permutations.
func Changes(values []float64, alpha float64, seed uint64) []reports.TrendChange {
	x := slices.Clone(values)
	if slices.Min(append([]float64{1}, x...)) > 0 {
		for i, v := range x {
			x[i] = math.Log(v)
		}
	}
	var at []int
	p := map[int]float64{}
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	var search func(lo, hi int)
	search = func(lo, hi int) {
		for _, find := range []func([]float64) stretch{step, arc} {
			s := find(x[lo:hi])
			if !(s.gain > 0) {
				continue
			}
			q := chance(slices.Clone(x[lo:hi]), find, s.gain, alpha/2, r)
			if !(q <= alpha/2) {
				continue
			}
			ends := []int{lo, lo + s.from, lo + s.to, hi}
			for _, k := range ends[1:3] {
				if k > lo && k < hi {
					at = append(at, k)
					p[k] = q
				}
			}
			for i, k := range ends[:3] {
				search(k, ends[i+1])
			}
			return
		}
	}
	search(0, len(x))
	slices.Sort(at)
	return levels(values, at, p)
}

// stretch is a segment of a series, runs from to to-1. gain is the part of the sum of squares that
// a separate level of the segment explains.
type stretch struct {
	from, to int
	gain     float64
}

// step returns the best stretch that ends at the end of the series.
func step(x []float64) (best stretch) {
	n := len(x)
	mean := meanOf(x)
	sum := 0.0 // sum of deviations from the mean
	for k := n - 1; k >= MinSegment; k-- {
		sum += x[k] - mean
		if m := n - k; m >= MinSegment {
			if g := sum * sum * float64(n) / (float64(m) * float64(k)); g > best.gain {
				best = stretch{k, n, g}
			}
		}
	}
	return best.beyondRounding(n, mean)
}

// arc returns the best stretch with runs on both sides.
func arc(x []float64) (best stretch) {
	n := len(x)
	mean := meanOf(x)
	for i := MinSegment; i <= n-2*MinSegment; i++ {
		sum := 0.0
		for j := i; j < n-MinSegment; j++ {
			sum += x[j] - mean
			if m := j + 1 - i; m >= MinSegment {
				if g := sum * sum * float64(n) / (float64(m) * float64(n-m)); g > best.gain {
					best = stretch{i, j + 1, g}
				}
			}
		}
	}
	return best.beyondRounding(n, mean)
}

// beyondRounding returns an empty stretch if all values are equal up to rounding errors.
func (s stretch) beyondRounding(n int, mean float64) stretch {
	if s.gain <= 1e-24*float64(n)*mean*mean {
		return stretch{}
	}
	return s
}

func meanOf(x []float64) (mean float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	return mean
}

// chance returns the share of permutations of x in which the best stretch reaches gain. It stops
// early once the share certainly exceeds most.
func chance(x []float64, find func([]float64) stretch, gain, most float64, r *rand.Rand) float64 {
	as := 1
	for range orders {
		r.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
		if find(x).gain >= gain*(1-1e-9) {
			if as++; float64(as) > most*(orders+1) {
				return 1
			}
		}
	}
	return float64(as) / (orders + 1)
}

// steps marks every position where the value changes.
func steps(values []float64) []reports.TrendChange {
	var at []int
	for i := 1; i < len(values); i++ {
		if values[i] != values[i-1] {
			at = append(at, i)
		}
	}
	return levels(values, at, nil)
}

// levels returns the changes at positions at, with the medians on both sides.
func levels(values []float64, at []int, p map[int]float64) (out []reports.TrendChange) {
	for i, k := range at {
		from, to := 0, len(values)
		if i > 0 {
			from = at[i-1]
		}
		if i+1 < len(at) {
			to = at[i+1]
		}
		out = append(out, reports.TrendChange{At: k, Before: median(values[from:k]), After: median(values[k:to]), P: p[k]})
	}
	return out
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
