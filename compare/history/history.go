// Package history follows metrics over runs and finds where they changed.
//
// A trend is one metric of one case on one machine: cases are the same where task, model, runner
// and parameters are, whatever the weights and the seed. Each run gives one value, the record's own
// (the median of its samples), for what shifts from run to run is what a trend has to be told from,
// and a run's own samples cannot show it.
//
// # Change points
//
// A change of level is looked for by segmentation: of all places that leave MinSegment runs on both
// sides, the one where a step explains most of the sum of squares (Sen and Srivastava, Annals of
// Statistics 3, 1975, 98; of the logarithms where all values are positive) is compared with the
// same figure of random orders of the values. If at most a share alpha/2 of orders give as much,
// the place is a change point and the parts are searched in turn. If not, the same is tried with a
// stretch of runs within the others, for a level that goes and comes back hides from single steps
// (Olshen et al., Biostatistics 5, 2004, 557). In a series without a change, all orders are equally
// likely, so one is marked with probability alpha at most, whatever the noise is, as long as it
// does not drift; the searches of the parts only happen after a mark. Figures that do not vary by
// chance (bytes, and all that is computed) change where they differ.
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

// Run is a journal and what to call it.
type Run struct {
	Name    string
	Journal *result.Journal
}

// Options choose what to follow.
type Options struct {
	// Alpha is the probability of marking a change in a series that has none.
	Alpha float64
	// Keep chooses records; nil takes all.
	Keep compare.Keep
	// Metric chooses metrics of a task; nil takes the primary metric of each, and of a task that
	// names none those that have a better direction.
	Metric func(task, name string) bool
	// AcrossMachines puts the runs of all machines into one trend.
	AcrossMachines bool
}

// Build follows every metric through the runs, in the order of their start.
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
		here, fingerprint := describe(env), compare.Fingerprint(env)
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
					t.Points[n-1] = point // a case done again by a resumed run
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

// followed reports whether a metric is followed unless others are asked for.
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

// describe is a machine in words, with the fingerprint that tells it from others of the kind.
func describe(e result.Env) string {
	words := []string{e.CPU}
	if e.GPU != "" {
		words = append(words, e.GPU)
	}
	words = append(words, fmt.Sprintf("%d threads", e.Threads), e.KernelTier)
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	return strings.Join(words, ", ") + " [" + compare.Fingerprint(e) + "]"
}

func names(r *result.Record) (out []string) {
	for name := range r.Metrics {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// place names a trend.
func place(r *result.Record, metric, machine string) string {
	b, err := json.Marshal([]any{r.Task, r.Model, r.Runner, r.Source, r.Params, metric, machine})
	if err != nil {
		return r.Case + " " + metric + " " + machine
	}
	return string(b)
}

// seed makes the random orders of a trend its own, and the same every time.
func seed(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()
}

// MinSegment is the fewest runs between two change points, and before the first and after the last.
const MinSegment = 3

// orders is how many random orders a step is compared with.
const orders = 9999

// MinRuns is the fewest runs that can show a step at alpha: of n distinct values, about
// 2 of the n over n/2 ways of parting them make the clearest step.
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

// Changes finds the change points of a series; see the package's documentation.
// The values are finite. seed decides the random orders.
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

// stretch is the runs from..to-1 of a series, and how much of its sum of squares their having a
// level of their own explains.
type stretch struct {
	from, to int
	gain     float64
}

// step is the best stretch that reaches to the end.
func step(x []float64) (best stretch) {
	n := len(x)
	mean := meanOf(x)
	sum := 0.0 // of deviations from the mean
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

// arc is the best stretch with others on both sides.
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

// beyondRounding is nothing where all values are the same but for rounding.
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

// chance is the share of orders of x in which the best stretch explains as much as gain. It stops
// when that is certainly more than most.
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

// steps marks every place where values differ.
func steps(values []float64) []reports.TrendChange {
	var at []int
	for i := 1; i < len(values); i++ {
		if values[i] != values[i-1] {
			at = append(at, i)
		}
	}
	return levels(values, at, nil)
}

// levels gives the medians on both sides of each place.
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
